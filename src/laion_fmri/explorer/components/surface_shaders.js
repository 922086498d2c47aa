// How a point of the cortex is coloured: folds in greys, the map over them from its vertex
// values, labels, marker. A threshold step is one number here; no buffer is touched.

/** Vertices per row of the textures that hold one texel per vertex. */
export const TEXTURE_WIDTH = 2048

export const SURFACE_VERTEX = `#version 300 es
precision highp float;
precision highp int;
layout(location=2) in vec4 clr;
uniform mat4 mvpMtx;
uniform mat4 normMtx;
uniform highp sampler2D vertexData;
uniform highp sampler2D roiFill;
uniform highp sampler2D shapeFrom;   // millimetres, and whether the vertex is there
uniform highp sampler2D shapeTo;
uniform highp sampler2D normalsFrom;
uniform highp sampler2D normalsTo;
uniform float morph;
uniform int leftCount;
uniform vec2 shown;
out float vThere;
out vec3 vNormal;
out vec3 vPosition;
out vec3 vData;
out vec4 vFill;
void main() {
  // The colour bytes of a vertex hold its number: NiiVue's buffer, our look-up.
  ivec3 bytes = ivec3(clr.rgb * 255.0 + 0.5);
  int index = bytes.r + (bytes.g << 8) + (bytes.b << 16);
  ivec2 texel = ivec2(index & ${TEXTURE_WIDTH - 1}, index >> ${Math.log2(TEXTURE_WIDTH)});
  vData = texelFetch(vertexData, texel, 0).xyz;
  vec4 fill = texelFetch(roiFill, texel, 0);
  vFill = vec4(fill.rgb * fill.a, fill.a);
  vec4 from = texelFetch(shapeFrom, texel, 0), to = from;
  vec3 turned = texelFetch(normalsFrom, texel, 0).xyz;
  if (morph > 0.0) {
    to = texelFetch(shapeTo, texel, 0);
    turned = mix(turned, texelFetch(normalsTo, texel, 0).xyz, morph);
  }
  vThere = (morph < 1.0 ? from.w : 1.0) * (morph > 0.0 ? to.w : 1.0);
  vPosition = mix(from.xyz, to.xyz, morph);
  vNormal = normalize((normMtx * vec4(turned * 2.0 - 1.0, 0.0)).xyz);
  bool visible = (index < leftCount ? shown.x : shown.y) > 0.5;
  gl_Position = visible ? mvpMtx * vec4(vPosition, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
}`

export const SURFACE_FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D palette;
uniform vec4 bounds;      // lower, upper, first value of the scale, range of the data
uniform float symmetric;
uniform float mapOpacity;
uniform vec4 marker;      // millimetres and radius; no radius, no marker
in float vThere;
in vec3 vNormal;
in vec3 vPosition;
in vec3 vData;
in vec4 vFill;
out vec4 color;
float covered(float amount) {
  return clamp((amount - 0.5) / max(fwidth(amount), 1e-5) + 0.5, 0.0, 1.0);
}
void main() {
  // A flat patch holds some vertices only: triangles that reach beyond it are left out.
  if (vThere < 0.999) discard;
  vec3 n = normalize(vNormal);
  float light = max(dot(n, normalize(vec3(-0.28, 0.42, -1.0))), 0.0);
  float facing = clamp(-n.z, 0.0, 1.0);
  float grey = mix(0.80, 0.545, smoothstep(-0.35, 0.35, vData.z));
  vec3 cortex = vec3(grey, grey * 0.992, grey * 0.98);
  float gloss = 0.05 * pow(light, 24.0);
  vec3 shaded = cortex * (0.44 + 0.60 * light) * mix(0.82, 1.0, facing) + gloss;

  float value = vData.x / max(vData.y, 1e-6);
  float size = mix(value, abs(value), symmetric);
  float step_ = max(fwidth(size), bounds.w * 1e-5);
  float shown = clamp((size - bounds.x) / step_ + 1.0, 0.0, 1.0) * covered(vData.y);
  float first = mix(bounds.z, -bounds.y, symmetric);
  float place = clamp((value - first) / max(bounds.y - first, 1e-12), 0.0, 1.0);
  vec3 mapped = texture(palette, vec2((place * 255.0 + 0.5) / 256.0, 0.5)).rgb;
  // Colours carry values: facing the viewer they are exact, turning away they only dim.
  float dim = min(0.70 + 0.36 * light, 1.0) * mix(0.92, 1.0, smoothstep(0.0, 0.35, facing));
  shaded = mix(shaded, mapped * dim, shown * mapOpacity);

  float filled = covered(vFill.a);
  shaded = mix(shaded, vFill.rgb / max(vFill.a, 1e-3) * dim, filled * 0.75);

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

export const OUTLINE_VERTEX = `#version 300 es
precision highp float;
layout(location=0) in vec3 pos;
layout(location=2) in vec4 clr;
uniform mat4 mvpMtx;
uniform vec2 shown;
out vec3 vColour;
void main() {
  vColour = clr.rgb;
  bool visible = (clr.a > 0.998 ? shown.x : shown.y) > 0.5;
  gl_Position = visible ? mvpMtx * vec4(pos, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  // A little towards the viewer, or the folds would swallow the line.
  gl_Position.z -= 0.005;
}`

export const OUTLINE_FRAGMENT = `#version 300 es
precision highp float;
in vec3 vColour;
out vec4 color;
void main() {
  color = vec4(vColour, 1.0);
}`
