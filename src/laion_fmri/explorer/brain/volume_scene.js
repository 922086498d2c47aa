// Three orthogonal slices through a volume on one canvas, with a map and labels.
// Anatomy, map and labels are 3D textures, sampled in millimetres: each may have its own grid,
// in any orientation.

const GAP = 6 // CSS pixels between panels

// The axes of RAS millimetres along each panel's width and height, and through it.
// Left is drawn on the left, as when looking at the brain from behind and from above.
export const PANELS = [
  { name: "Sagittal", across: 1, up: 2, through: 0, ends: ["P", "A", "I", "S"] },
  { name: "Coronal", across: 0, up: 2, through: 1, ends: ["L", "R", "I", "S"] },
  { name: "Axial", across: 0, up: 1, through: 2, ends: ["L", "R", "P", "A"] },
]

/** The slices on one canvas. */
export class VolumeScene {
  /** Throws if WebGL 2 is not available. */
  constructor(canvas, { three, shaders, renderer }, scale) {
    Object.assign(this, { canvas, three, most: shaders.MOST_LABELS, position: [0, 0, 0], zoomed: 1 })
    const value = (initial) => ({ value: initial })
    this.uniforms = {
      ...scale.uniforms, anatomy: value(null), values: value(null), labels: value(null), colours: value(null),
      toAnatomy: value(new three.Matrix4()), toMap: value(new three.Matrix4()), filled: value(false),
      start: value(PANELS.map(() => new three.Vector3())), crosshair: value(new three.Vector3()),
      pixel: value(1), widths: value([1, 1]), line: value(1),
    }
    const everywhere = new three.BufferGeometry()
    everywhere.setAttribute("position", new three.BufferAttribute(new Float32Array([-1, -1, 0, 3, -1, 0, -1, 3, 0]), 3))
    const mesh = new three.Mesh(everywhere, new three.RawShaderMaterial({
      glslVersion: three.GLSL3, uniforms: this.uniforms, depthTest: false,
      vertexShader: shaders.SLICES_VERTEX, fragmentShader: shaders.SLICES_FRAGMENT,
    }))
    mesh.frustumCulled = false
    this.renderer = new renderer.CanvasRenderer(canvas, three, {
      scene: mesh, camera: new three.OrthographicCamera(), preserveDrawingBuffer: true,
      before: (density) => this.updateUniforms(density),
    })
    this.setMap(null)
    this.setLabels([], "outline")
  }

  setTexture(name, texture, settings) {
    this.uniforms[name].value?.dispose()
    this.uniforms[name].value = Object.assign(texture, settings, { needsUpdate: true })
  }

  /** The volume under the map: bytes with x fastest, `shape` and the affine to millimetres. */
  setAnatomy({ bytes, shape, affine }) {
    const { Data3DTexture, LinearFilter, Matrix4, RedFormat, Vector3 } = this.three
    this.setTexture("anatomy", new Data3DTexture(new Uint8Array(bytes), ...shape),
      { format: RedFormat, minFilter: LinearFilter, magFilter: LinearFilter })
    const toMillimetres = new Matrix4().fromArray(affine)
    this.uniforms.toAnatomy.value = toMillimetres.clone().invert()
    const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => new Vector3(
      ...shape.map((length, k) => ((n >> k) & 1 ? length - 0.5 : -0.5))).applyMatrix4(toMillimetres).toArray())
    this.low = [0, 1, 2].map((k) => Math.min(...corners.map((c) => c[k])))
    this.high = [0, 1, 2].map((k) => Math.max(...corners.map((c) => c[k])))
  }

  /** The grid of maps and labels: `indices` (x fastest) are the voxels that have values. */
  setGrid({ indices, shape, affine, offset }) {
    this.grid = { indices, shape, offset }
    this.uniforms.toMap.value = new this.three.Matrix4().fromArray(affine).invert()
    this.setMap(null)
    this.setLabels([], "outline")
  }

  /** Set one value for each voxel in `indices` of the grid, or null. */
  setMap(values) {
    const { Data3DTexture, FloatType, RedFormat } = this.three
    const shape = values && this.grid ? this.grid.shape : [1, 1, 1]
    this.values = new Float32Array(shape[0] * shape[1] * shape[2]).fill(NaN)
    if (values && this.grid) this.grid.indices.forEach((index, i) => (this.values[index] = values[i]))
    this.setTexture("values", new Data3DTexture(this.values, ...shape), { format: RedFormat, type: FloatType })
  }

  /** Set labels `[{name, colour: [r, g, b], voxels}]`, voxels as grid indices; at most 64. */
  setLabels(labels, style) {
    const { Data3DTexture, DataTexture, RGIntegerFormat, UnsignedIntType } = this.three
    this.uniforms.filled.value = style === "fill"
    this.labels = labels.slice(0, this.most)
    const shape = this.labels.length && this.grid ? this.grid.shape : [1, 1, 1]
    this.bits = new Uint32Array(shape[0] * shape[1] * shape[2] * 2)
    const colours = new Uint8Array(this.most * 4)
    this.labels.forEach(({ colour, voxels }, n) => {
      colours.set(colour, 4 * n)
      for (const voxel of voxels) this.bits[2 * voxel + (n >> 5)] |= 1 << (n & 31)
    })
    this.setTexture("labels", new Data3DTexture(this.bits, ...shape), { format: RGIntegerFormat, type: UnsignedIntType })
    this.setTexture("colours", new DataTexture(colours, this.most, 1))
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

  draw() {
    if (this.low) this.renderer.draw()
  }

  /** The panels in CSS pixels: their positions, and the millimetres they display. */
  layout() {
    const { canvas, low, high } = this
    const width = (canvas.clientWidth - 2 * GAP) / 3, height = canvas.clientHeight
    const fitting = Math.max(...PANELS.map(({ across, up }) =>
      Math.max((high[across] - low[across]) / width, (high[up] - low[up]) / height)))
    const millimetres = fitting / this.zoomed
    return PANELS.map((panel, n) => {
      const start = [...this.position]
      for (const [axis, length] of [[panel.across, width], [panel.up, height]]) {
        const room = length * millimetres
        // A volume larger than the panel follows the crosshair, but never beyond its edges.
        start[axis] = high[axis] - low[axis] <= room ? (low[axis] + high[axis] - room) / 2
          : Math.min(Math.max(this.position[axis] - room / 2, low[axis]), high[axis] - room)
      }
      return { ...panel, left: n * (width + GAP), width, height, start, millimetres }
    })
  }

  updateUniforms(density) {
    const panels = this.layout(), { width, millimetres } = panels[0], { uniforms } = this
    panels.forEach(({ start }, n) => uniforms.start.value[n].set(...start))
    uniforms.crosshair.value.set(...this.position)
    uniforms.pixel.value = millimetres / density
    uniforms.widths.value = [width * density, (width + GAP) * density]
    uniforms.line.value = Math.max(1, 1.4 * density)
  }

  /** Millimetres at a point in CSS pixels, and its panel; null between panels. */
  pointAt(x, y, only) {
    if (!this.low) return null
    const panels = this.layout()
    const number = only ?? panels.findIndex(({ left, width }) => x >= left && x < left + width)
    const panel = panels[number]
    if (!panel) return null
    const point = [...panel.start]
    point[panel.across] += (x - panel.left) * panel.millimetres
    point[panel.up] += (panel.height - y) * panel.millimetres
    for (const axis of [panel.across, panel.up])
      point[axis] = Math.min(Math.max(point[axis], this.low[axis]), this.high[axis])
    return { point, panel: number }
  }

  /** A point in a panel, in CSS pixels. */
  project(point, number) {
    const panel = this.layout()[number]
    return { x: panel.left + (point[panel.across] - panel.start[panel.across]) / panel.millimetres,
             y: panel.height - (point[panel.up] - panel.start[panel.up]) / panel.millimetres }
  }

  /** Details of a point: its voxel of the functional grid, value and labels. */
  describe(point) {
    if (!this.grid) return { voxel: null, value: null, labels: [] }
    const { shape, offset } = this.grid
    const voxel = new this.three.Vector3(...point).applyMatrix4(this.uniforms.toMap.value).toArray().map(Math.round)
    const inside = voxel.every((v, k) => v >= 0 && v < shape[k])
    const index = inside ? voxel[0] + shape[0] * (voxel[1] + shape[1] * voxel[2]) : -1
    const value = this.values[index]
    return {
      voxel: voxel.map((v, k) => v + offset[k]),
      value: Number.isFinite(value) ? value : null,
      labels: this.labels.filter((_, n) => (this.bits[2 * index + (n >> 5)] >>> (n & 31)) & 1).map(({ name }) => name),
    }
  }

  dispose() {
    for (const name of ["anatomy", "values", "labels", "colours"]) this.uniforms[name].value?.dispose()
    this.renderer.scene.geometry.dispose()
    this.renderer.dispose()
  }
}
