// The colour of a point of the cortex or of a slice: greys, the map, labels, marker.
// A change of the threshold or of the crosshair sets one uniform here; no buffer is updated.

/** Number of labels that the slices distinguish: one bit each, in two words. */
export const MOST_LABELS = 64

const SCALE = `
uniform sampler2D palette;
uniform vec4 bounds;      // lower, upper, first value of the scale, range of the data
uniform float symmetric;
uniform float mapOpacity;
vec3 colourOf(float value) {
  float first = mix(bounds.z, -bounds.y, symmetric);
  float fraction = clamp((value - first) / max(bounds.y - first, 1e-12), 0.0, 1.0);
  return texture(palette, vec2((fraction * 255.0 + 0.5) / 256.0, 0.5)).rgb;
}`

export const SURFACE_VERTEX = `
precision highp float;
in vec3 position, positionTo;   // millimetres in the two shapes the cortex is between
in vec3 normal, normalTo;
in vec3 data;                   // value, whether there is one, depth of the fold
in vec4 fill;
uniform mat4 modelViewMatrix, projectionMatrix;
uniform float morph;
out vec3 vNormal, vPosition, vData;
out vec4 vFill;
void main() {
  vPosition = mix(position, positionTo, morph);
  vNormal = mat3(modelViewMatrix) * mix(normal, normalTo, morph);
  vData = data;
  vFill = vec4(fill.rgb * fill.a, fill.a);
  gl_Position = projectionMatrix * modelViewMatrix * vec4(vPosition, 1.0);
}`

export const SURFACE_FRAGMENT = `
precision highp float;
uniform vec4 marker;      // millimetres and radius; no radius, no marker
in vec3 vNormal, vPosition, vData;
in vec4 vFill;
out vec4 color;
${SCALE}
float covered(float amount) {
  return clamp((amount - 0.5) / max(fwidth(amount), 1e-5) + 0.5, 0.0, 1.0);
}
void main() {
  vec3 n = normalize(vNormal);
  float light = max(dot(n, normalize(vec3(-0.28, 0.42, 1.0))), 0.0);
  float facing = clamp(n.z, 0.0, 1.0);
  float grey = mix(0.80, 0.545, smoothstep(-0.35, 0.35, vData.z));
  vec3 cortex = vec3(grey, grey * 0.992, grey * 0.98);
  float gloss = 0.05 * pow(light, 24.0);
  vec3 shaded = cortex * (0.44 + 0.60 * light) * mix(0.82, 1.0, facing) + gloss;

  float value = vData.x / max(vData.y, 1e-6);
  float size = mix(value, abs(value), symmetric);
  float step_ = max(fwidth(size), bounds.w * 1e-5);
  float shown = clamp((size - bounds.x) / step_ + 1.0, 0.0, 1.0) * covered(vData.y);
  // Colours carry values: facing the viewer they are exact, turning away they only dim.
  float dim = min(0.70 + 0.36 * light, 1.0) * mix(0.92, 1.0, smoothstep(0.0, 0.35, facing));
  shaded = mix(shaded, colourOf(value) * dim, shown * mapOpacity);
  shaded = mix(shaded, vFill.rgb / max(vFill.a, 1e-3) * dim, covered(vFill.a) * 0.75);

  if (marker.w > 0.0) {
    float distance_ = distance(vPosition, marker.xyz) / marker.w;
    float soft = fwidth(distance_) + 1e-4;
    float halo = smoothstep(1.25 + soft, 1.25, distance_) * smoothstep(0.45, 0.45 + soft, distance_);
    float ring = smoothstep(1.05 + soft, 1.05, distance_) * smoothstep(0.65, 0.65 + soft, distance_);
    shaded = mix(shaded, vec3(0.05), halo * 0.85);
    shaded = mix(shaded, vec3(1.0), ring);
  }
  color = vec4(shaded, 1.0);
}`

export const OUTLINE_VERTEX = `
precision highp float;
in vec3 position, color;
uniform mat4 modelViewMatrix, projectionMatrix;
out vec3 vColour;
void main() {
  vColour = color;
  vec4 seen = modelViewMatrix * vec4(position, 1.0);
  seen.z += 2.4; // millimetres towards the viewer, or the folds would swallow the line
  gl_Position = projectionMatrix * seen;
}`

export const OUTLINE_FRAGMENT = `
precision highp float;
in vec3 vColour;
out vec4 color;
void main() {
  color = vec4(vColour, 1.0);
}`

export const SLICES_VERTEX = `
in vec3 position;
void main() {
  gl_Position = vec4(position, 1.0);
}`

export const SLICES_FRAGMENT = `
precision highp float;
precision highp int;
precision highp sampler3D;
precision highp usampler3D;
uniform sampler3D anatomy, values;
uniform usampler3D labels;
uniform sampler2D colours;
uniform mat4 toAnatomy, toMap;   // from millimetres to voxels
uniform vec3 start[3];    // millimetres of each panel's lower left pixel
uniform float pixel;      // millimetres
uniform vec2 widths;      // pixels of a panel, and from one panel to the next
uniform vec3 crosshair;   // millimetres
uniform float line;       // width of lines in pixels
uniform bool filled;
out vec4 color;
${SCALE}
const ivec2 AXES[3] = ivec2[](ivec2(1, 2), ivec2(0, 2), ivec2(0, 1));   // across and up

bool onGrid(ivec3 voxel, ivec3 size) {
  return all(greaterThanEqual(voxel, ivec3(0))) && all(lessThan(voxel, size));
}
ivec3 voxelAt(vec3 mm) {
  return ivec3(floor((toMap * vec4(mm, 1.0)).xyz + 0.5));
}
uvec2 labelsAt(vec3 mm) {
  ivec3 voxel = voxelAt(mm);
  return onGrid(voxel, textureSize(labels, 0)) ? texelFetch(labels, voxel, 0).xy : uvec2(0u);
}
int last(uvec2 bits) {
  // Later labels lie over earlier ones.
  for (int i = 31; i >= 0; i--) if (((bits.y >> uint(i)) & 1u) == 1u) return 32 + i;
  for (int i = 31; i >= 0; i--) if (((bits.x >> uint(i)) & 1u) == 1u) return i;
  return -1;
}
void main() {
  int panel = int(gl_FragCoord.x / widths.y);
  vec2 at = gl_FragCoord.xy - vec2(float(panel) * widths.y, 0.0);
  if (at.x > widths.x || panel > 2) discard;
  ivec2 axes = AXES[panel];
  vec3 mm = start[panel], right = vec3(0.0), upwards = vec3(0.0);
  right[axes.x] = upwards[axes.y] = pixel;
  mm += at.x * right + at.y * upwards;

  vec3 inTexture = ((toAnatomy * vec4(mm, 1.0)).xyz + 0.5) / vec3(textureSize(anatomy, 0));
  bool inside = all(greaterThanEqual(inTexture, vec3(0.0))) && all(lessThanEqual(inTexture, vec3(1.0)));
  color = vec4(vec3(inside ? texture(anatomy, inTexture).r : 0.0), 1.0);

  ivec3 voxel = voxelAt(mm);
  if (onGrid(voxel, textureSize(values, 0))) {
    float value = texelFetch(values, voxel, 0).r;
    // Not a number is below every threshold.
    if (mix(value, abs(value), symmetric) >= bounds.x)
      color.rgb = mix(color.rgb, colourOf(value), mapOpacity);
  }
  uvec2 found = labelsAt(mm);
  if (!filled)
    found &= ~(labelsAt(mm + line * right) & labelsAt(mm - line * right) &
      labelsAt(mm + line * upwards) & labelsAt(mm - line * upwards));
  int label = last(found);
  if (label >= 0)
    color.rgb = mix(color.rgb, texelFetch(colours, ivec2(label, 0), 0).rgb, filled ? 0.7 : 1.0);

  vec3 offset = abs(mm - crosshair) / pixel;
  vec2 away = vec2(offset[axes.x], offset[axes.y]);
  float open_ = 7.0 * line;
  if ((away.x < 0.5 * line && away.y > open_) || (away.y < 0.5 * line && away.x > open_))
    color.rgb = mix(color.rgb, vec3(0.45, 0.8, 1.0), 0.75);
}`
