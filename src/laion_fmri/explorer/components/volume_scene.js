// Three orthogonal slices through a volume in one WebGL canvas, with a map and labels over it.
// Anatomy, map and labels are 3D textures, looked up in millimetres: each may have its own grid,
// in any orientation. A step of the threshold or of the crosshair is one number here.

const UNITS = { anatomy: 0, values: 1, labels: 2, palette: 3, colours: 4 }
const MOST_LABELS = 64
const GAP = 6

// What lies along each panel's width and height, and through it, as axes of RAS millimetres.
// Left is drawn on the left, as one looks at the brain from behind and from above.
export const PANELS = [
  { name: "Sagittal", across: 1, up: 2, through: 0, ends: ["P", "A", "I", "S"] },
  { name: "Coronal", across: 0, up: 2, through: 1, ends: ["L", "R", "I", "S"] },
  { name: "Axial", across: 0, up: 1, through: 2, ends: ["L", "R", "P", "A"] },
]

const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0;
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`

const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler3D;
precision highp usampler3D;
uniform sampler3D anatomy;
uniform sampler3D values;
uniform usampler3D labels;
uniform sampler2D palette;
uniform sampler2D colours;
uniform mat4 toAnatomy;
uniform mat4 toMap;
uniform vec3 origin;      // millimetres of the panel's lower left pixel
uniform vec3 right;       // millimetres of one pixel
uniform vec3 upwards;
uniform vec2 corner;      // the panel's lower left pixel
uniform vec2 crosshair;   // pixels of the panel
uniform float line;       // width of lines in pixels
uniform vec4 bounds;
uniform float symmetric;
uniform float mapOpacity;
uniform float hasMap;
uniform float filled;
uniform vec3 crossColour;
out vec4 color;

ivec3 voxelAt(vec2 at) {
  vec3 mm = origin + at.x * right + at.y * upwards;
  return ivec3(floor((toMap * vec4(mm, 1.0)).xyz + 0.5));
}
bool onGrid(ivec3 voxel, ivec3 size) {
  return all(greaterThanEqual(voxel, ivec3(0))) && all(lessThan(voxel, size));
}
uvec2 labelsAt(vec2 at) {
  ivec3 voxel = voxelAt(at);
  return onGrid(voxel, textureSize(labels, 0)) ? texelFetch(labels, voxel, 0).xy : uvec2(0u);
}
int last(uvec2 bits) {
  // Later labels lie over earlier ones.
  for (int i = 31; i >= 0; i--) if (((bits.y >> uint(i)) & 1u) == 1u) return 32 + i;
  for (int i = 31; i >= 0; i--) if (((bits.x >> uint(i)) & 1u) == 1u) return i;
  return -1;
}
void main() {
  vec2 at = gl_FragCoord.xy - corner;
  vec3 mm = origin + at.x * right + at.y * upwards;
  vec3 inAnatomy = (toAnatomy * vec4(mm, 1.0)).xyz;
  vec3 size = vec3(textureSize(anatomy, 0));
  vec3 place = (inAnatomy + 0.5) / size;
  bool inside = all(greaterThanEqual(place, vec3(0.0))) && all(lessThanEqual(place, vec3(1.0)));
  float grey = inside ? texture(anatomy, place).r : 0.0;
  color = vec4(vec3(grey), 1.0);

  ivec3 voxel = voxelAt(at);
  if (hasMap > 0.5 && onGrid(voxel, textureSize(values, 0))) {
    float value = texelFetch(values, voxel, 0).r;
    float amount = mix(value, abs(value), symmetric);
    // Not a number is below every threshold.
    if (amount >= bounds.x) {
      float first = mix(bounds.z, -bounds.y, symmetric);
      float where = clamp((value - first) / max(bounds.y - first, 1e-12), 0.0, 1.0);
      vec3 mapped = texture(palette, vec2((where * 255.0 + 0.5) / 256.0, 0.5)).rgb;
      color.rgb = mix(color.rgb, mapped, mapOpacity);
    }
  }
  uvec2 here = labelsAt(at);
  if (filled > 0.5) {
    int label = last(here);
    if (label >= 0) color.rgb = mix(color.rgb, texelFetch(colours, ivec2(label, 0), 0).rgb, 0.7);
  } else if ((here.x | here.y) != 0u) {
    uvec2 around = labelsAt(at + vec2(line, 0.0)) & labelsAt(at - vec2(line, 0.0)) &
      labelsAt(at + vec2(0.0, line)) & labelsAt(at - vec2(0.0, line));
    int label = last(here & ~around);
    if (label >= 0) color.rgb = texelFetch(colours, ivec2(label, 0), 0).rgb;
  }
  vec2 away = abs(at - crosshair);
  float open_ = 7.0 * line;
  if ((away.x < 0.5 * line && away.y > open_) || (away.y < 0.5 * line && away.x > open_))
    color.rgb = mix(color.rgb, crossColour, 0.75);
}`

/** Multiply a column-major 4 × 4 matrix with a point. */
export function transform(matrix, [x, y, z]) {
  return [0, 1, 2].map((k) => matrix[k] * x + matrix[4 + k] * y + matrix[8 + k] * z + matrix[12 + k])
}

/** The inverse of an affine (column-major 4 × 4 with a last row of 0 0 0 1). */
export function inverse(m) {
  const [a, b, c, , d, e, f, , g, h, i] = m
  const det = a * (e * i - f * h) - d * (b * i - c * h) + g * (b * f - c * e)
  const r = [e * i - f * h, c * h - b * i, b * f - c * e, 0,
             f * g - d * i, a * i - c * g, c * d - a * f, 0,
             d * h - e * g, b * g - a * h, a * e - b * d, 0].map((v) => v / det)
  const back = [0, 1, 2].map((k) => -(r[k] * m[12] + r[4 + k] * m[13] + r[8 + k] * m[14]))
  return [...r, ...back, 1]
}

/** The slices behind one canvas; see the methods for what it can be asked. */
export class VolumeScene {
  constructor(canvas) {
    this.canvas = canvas
    this.scale = { lower: 0, upper: 1, first: 0, symmetric: false, opacity: 1 }
    this.position = [0, 0, 0]
    this.zoomed = 1
    this.style = "outline"
    this.software = false
    const gl = (this.gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true }))
    if (!gl) throw new Error("no WebGL 2")
    const program = (this.program = gl.createProgram())
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind)
      gl.shaderSource(shader, source)
      gl.compileShader(shader)
      gl.attachShader(program, shader)
    }
    gl.linkProgram(program)
    if (!gl.getProgramParameter(program, gl.LINK_STATUS))
      throw new Error(`The slices' shader does not link: ${gl.getProgramInfoLog(program)}`)
    gl.useProgram(program)
    this.at = (name) => gl.getUniformLocation(program, name)
    for (const [name, unit] of Object.entries(UNITS)) gl.uniform1i(this.at(name), unit)
    gl.bindVertexArray(gl.createVertexArray())
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1)
    this.textures = {}
    this.setPalette(new Uint8Array(768).fill(128))
    this.clearMap()
    this.setLabels([], "outline")
  }

  texture(name, target, filter, fill) {
    const { gl } = this
    if (this.textures[name]) gl.deleteTexture(this.textures[name])
    this.textures[name] = gl.createTexture()
    gl.activeTexture(gl.TEXTURE0 + UNITS[name])
    gl.bindTexture(target, this.textures[name])
    for (const which of ["MIN", "MAG"]) gl.texParameteri(target, gl[`TEXTURE_${which}_FILTER`], filter)
    for (const which of ["S", "T", "R"]) gl.texParameteri(target, gl[`TEXTURE_WRAP_${which}`], gl.CLAMP_TO_EDGE)
    fill(gl)
  }

  /** The volume under the map: bytes with x fastest, `shape` and the affine to millimetres. */
  setAnatomy({ bytes, shape, affine }) {
    this.anatomy = { shape, affine, toVoxel: inverse(affine) }
    const { gl } = this
    this.texture("anatomy", gl.TEXTURE_3D, gl.LINEAR, () =>
      gl.texImage3D(gl.TEXTURE_3D, 0, gl.R8, ...shape, 0, gl.RED, gl.UNSIGNED_BYTE, new Uint8Array(bytes)))
    const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((n) =>
      transform(affine, shape.map((length, k) => ((n >> k) & 1 ? length - 0.5 : -0.5))))
    this.low = [0, 1, 2].map((k) => Math.min(...corners.map((c) => c[k])))
    this.high = [0, 1, 2].map((k) => Math.max(...corners.map((c) => c[k])))
  }

  /** The grid of maps and labels: `indices` are places (x fastest) of the voxels that have values. */
  setGrid({ indices, shape, affine, offset }) {
    this.grid = { indices, shape, affine, offset, toVoxel: inverse(affine) }
    this.clearMap()
    this.setLabels([], this.style)
  }

  clearMap() {
    const { gl } = this
    this.values = null
    this.texture("values", gl.TEXTURE_3D, gl.NEAREST, () =>
      gl.texImage3D(gl.TEXTURE_3D, 0, gl.R32F, 1, 1, 1, 0, gl.RED, gl.FLOAT, new Float32Array([NaN])))
  }

  /** One value for each of the grid's voxels that have some. */
  setMap(values) {
    if (!values || !this.grid) return this.clearMap()
    const { gl, grid } = this
    const [x, y, z] = grid.shape
    const full = (this.values = new Float32Array(x * y * z).fill(NaN))
    for (let i = 0; i < values.length; i++) full[grid.indices[i]] = values[i]
    this.texture("values", gl.TEXTURE_3D, gl.NEAREST, () =>
      gl.texImage3D(gl.TEXTURE_3D, 0, gl.R32F, x, y, z, 0, gl.RED, gl.FLOAT, full))
  }

  /** Labels `[{name, colour: [r, g, b], voxels}]`, voxels as places of the grid; at most 64. */
  setLabels(labels, style) {
    const { gl } = this
    this.style = style
    this.labels = labels.slice(0, MOST_LABELS)
    const shape = this.labels.length && this.grid ? this.grid.shape : [1, 1, 1]
    const bits = (this.bits = new Uint32Array(shape[0] * shape[1] * shape[2] * 2))
    const colours = new Uint8Array(MOST_LABELS * 3)
    this.labels.forEach(({ colour, voxels }, n) => {
      colours.set(colour, 3 * n)
      const word = n >> 5, bit = 1 << (n & 31)
      for (const voxel of voxels) bits[2 * voxel + word] |= bit
    })
    this.texture("labels", gl.TEXTURE_3D, gl.NEAREST, () =>
      gl.texImage3D(gl.TEXTURE_3D, 0, gl.RG32UI, ...shape, 0, gl.RG_INTEGER, gl.UNSIGNED_INT, bits))
    this.texture("colours", gl.TEXTURE_2D, gl.NEAREST, () =>
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, MOST_LABELS, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, colours))
  }

  setPalette(rgb) {
    const { gl } = this
    this.texture("palette", gl.TEXTURE_2D, gl.LINEAR, () =>
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, rgb))
  }

  setScale(scale) {
    this.scale = scale
    this.draw()
  }

  /** Slice through this point, in millimetres. */
  moveTo(position) {
    this.position = position
    this.draw()
  }

  zoom(factor) {
    this.zoomed = Math.min(8, Math.max(1, this.zoomed * factor))
    this.draw()
  }

  /** The panels in CSS pixels: where each is, and which millimetres it shows. */
  layout() {
    const { canvas, low, high } = this
    const width = (canvas.clientWidth - 2 * GAP) / 3, height = canvas.clientHeight
    const fitting = Math.max(...PANELS.map(({ across, up }) =>
      Math.max((high[across] - low[across]) / width, (high[up] - low[up]) / height)))
    const millimetres = fitting / this.zoomed
    return PANELS.map((panel, n) => {
      const start = [0, 0, 0]
      for (const [axis, length] of [[panel.across, width], [panel.up, height]]) {
        const room = length * millimetres
        // What does not fit follows the crosshair, and never beyond the volume.
        const first = high[axis] - low[axis] <= room ? (low[axis] + high[axis] - room) / 2
          : Math.min(Math.max(this.position[axis] - room / 2, low[axis]), high[axis] - room)
        start[axis] = first
      }
      start[panel.through] = this.position[panel.through]
      return { ...panel, left: n * (width + GAP), width, height, start, millimetres }
    })
  }

  /** Millimetres under a point in CSS pixels, and its panel; null between panels. */
  pointAt(x, y, only) {
    if (!this.anatomy) return null
    const panel = this.layout().find((p, n) => (only === undefined ? x >= p.left && x < p.left + p.width : n === only))
    if (!panel) return null
    const point = [...panel.start]
    point[panel.across] += (x - panel.left) * panel.millimetres
    point[panel.up] += (panel.height - y) * panel.millimetres
    for (const axis of [panel.across, panel.up])
      point[axis] = Math.min(Math.max(point[axis], this.low[axis]), this.high[axis])
    return { point, panel: PANELS.findIndex((p) => p.name === panel.name) }
  }

  /** CSS pixels of a point in a panel. */
  place(point, number) {
    const panel = this.layout()[number]
    return { x: panel.left + (point[panel.across] - panel.start[panel.across]) / panel.millimetres,
             y: panel.height - (point[panel.up] - panel.start[panel.up]) / panel.millimetres }
  }

  /** What is known of a point: its voxel of the functional grid, value and labels. */
  describe(point) {
    if (!this.grid) return { voxel: null, value: null, labels: [] }
    const voxel = transform(this.grid.toVoxel, point).map((v) => Math.floor(v + 0.5))
    const [x, y, z] = this.grid.shape
    const inside = voxel.every((v, k) => v >= 0 && v < this.grid.shape[k])
    const place = voxel[0] + x * (voxel[1] + y * voxel[2])
    const value = inside && this.values ? this.values[place] : NaN
    const bits = inside && this.labels.length ? [this.bits[2 * place], this.bits[2 * place + 1]] : [0, 0]
    return {
      voxel: voxel.map((v, k) => v + this.grid.offset[k]),
      value: Number.isFinite(value) ? value : null,
      labels: this.labels.filter((_, n) => (bits[n >> 5] >>> (n & 31)) & 1).map((label) => label.name),
    }
  }

  draw() {
    if (this.frame || this.disposed) return
    this.frame = requestAnimationFrame(() => {
      this.frame = null
      this.drawNow()
    })
  }

  drawNow(density = Math.min(window.devicePixelRatio || 1, 2)) {
    const { gl, canvas } = this
    if (this.disposed || !this.anatomy || !canvas.clientWidth) return
    const width = Math.round(canvas.clientWidth * density), height = Math.round(canvas.clientHeight * density)
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height })
    const { lower, upper, first, symmetric, opacity } = this.scale
    gl.disable(gl.SCISSOR_TEST)
    gl.viewport(0, 0, width, height)
    gl.clearColor(0, 0, 0, 0)
    gl.clear(gl.COLOR_BUFFER_BIT)
    gl.enable(gl.SCISSOR_TEST)
    gl.uniformMatrix4fv(this.at("toAnatomy"), false, this.anatomy.toVoxel)
    if (this.grid) gl.uniformMatrix4fv(this.at("toMap"), false, this.grid.toVoxel)
    gl.uniform4f(this.at("bounds"), lower, upper, first, 0)
    gl.uniform1f(this.at("symmetric"), symmetric ? 1 : 0)
    gl.uniform1f(this.at("mapOpacity"), opacity)
    gl.uniform1f(this.at("hasMap"), this.values ? 1 : 0)
    gl.uniform1f(this.at("filled"), this.style === "fill" ? 1 : 0)
    gl.uniform1f(this.at("line"), Math.max(1, 1.4 * density))
    gl.uniform3f(this.at("crossColour"), 0.45, 0.8, 1.0)
    this.layout().forEach((panel, n) => {
      const step = panel.millimetres / density
      const right = [0, 0, 0], upwards = [0, 0, 0]
      right[panel.across] = step
      upwards[panel.up] = step
      const left = Math.round(panel.left * density)
      const cross = this.place(this.position, n)
      gl.scissor(left, 0, Math.round(panel.width * density), height)
      gl.uniform3f(this.at("origin"), ...panel.start)
      gl.uniform3f(this.at("right"), ...right)
      gl.uniform3f(this.at("upwards"), ...upwards)
      gl.uniform2f(this.at("corner"), left, 0)
      gl.uniform2f(this.at("crosshair"), (cross.x - panel.left) * density, (panel.height - cross.y) * density)
      gl.drawArrays(gl.TRIANGLES, 0, 3)
    })
    this.onDraw?.()
  }

  /** What is seen, as a new 2D canvas, `density` pixels for one CSS pixel. */
  snapshot(density) {
    this.drawNow(density)
    const copy = document.createElement("canvas")
    Object.assign(copy, { width: this.canvas.width, height: this.canvas.height })
    copy.getContext("2d").drawImage(this.canvas, 0, 0)
    this.drawNow()
    return copy
  }

  dispose() {
    if (this.disposed) return
    this.disposed = true
    cancelAnimationFrame(this.frame)
    for (const texture of Object.values(this.textures)) this.gl.deleteTexture(texture)
    this.gl.getExtension("WEBGL_lose_context")?.loseContext()
  }
}
