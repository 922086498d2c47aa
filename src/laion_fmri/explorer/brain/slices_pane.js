// The slices next to the surface: the elements around volume_scene.js, pointer actions in
// them, and the crosshair shared by both views.

const REACH = 8 // millimetres from a point to the cortex, within which its vertex is selected
const KEY_STEP = 2 // millimetres
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [2, 1], ArrowDown: [2, -1], PageUp: [1, 1], PageDown: [1, -1] }

/** The slices of one viewer. */
export class SlicesPane {
  constructor(viewer) {
    this.viewer = viewer
    this.model = viewer.model
    this.canvas = viewer.slices.querySelector("canvas")
    this.letters = viewer.slices.querySelector(".letters")
    this.listen()
  }

  get shown() {
    return this.model.panes !== "surface" && Boolean(this.model.volume_data?.anatomy)
  }

  /** Create the scene when the slices are first displayed, and pass it all data. */
  show() {
    const { viewer } = this
    viewer.slices.hidden = !this.shown
    if (!this.shown || this.scene) return this.draw()
    try {
      this.scene = new viewer.modules.volume.VolumeScene(this.canvas, viewer.modules, viewer.scale)
    } catch {
      viewer.slices.hidden = true
      return
    }
    this.scene.renderer.onDraw = () => {
      this.placeLetters()
      if (viewer.root.dataset.panes === "volume") viewer.drawn()
    }
    this.showVolume()
  }

  draw() {
    if (this.shown) this.scene?.draw()
  }

  showVolume() {
    const { anatomy, grid, cortex } = this.model.volume_data ?? {}
    this.cortex = this.viewer.modules.geometry.perSide(cortex, (bytes) => new Float32Array(bytes))
    if (!this.scene || !anatomy) return
    if (this.anatomy !== anatomy) this.scene.setAnatomy((this.anatomy = anatomy))
    this.scene.setGrid({ ...grid, indices: new Uint32Array(grid.indices) })
    this.showMap()
    this.showLabels()
    this.follow(this.model.crosshair)
  }

  showMap() {
    const voxels = this.model.map_data?.voxels
    this.scene?.setMap(voxels ? new Float32Array(voxels) : null)
    this.draw()
  }

  showLabels() {
    const { rgb } = this.viewer.modules.geometry
    const labels = this.model.roi_data.filter(({ voxels }) => voxels).map(({ name, colour, voxels }) =>
      ({ name, colour: rgb(colour), voxels: new Uint32Array(voxels) }))
    this.scene?.setLabels(labels, this.model.roi_style)
    this.draw()
  }

  /** Slice at the crosshair; without one, through the middle. */
  follow(crosshair) {
    if (!this.scene?.low) return
    const { low, high } = this.scene
    this.scene.moveTo(crosshair ? [crosshair.x, crosshair.y, crosshair.z] : low.map((v, k) => (v + high[k]) / 2))
  }

  /** Slice at the position of a surface vertex, between white matter and pia. */
  followVertex({ hemisphere, vertex }) {
    const point = [...(this.cortex?.[hemisphere]?.subarray(3 * vertex, 3 * vertex + 3) ?? [])]
    if (point.length < 3) return
    this.scene?.moveTo(point)
    this.setCrosshair(point, "surface")
  }

  /** The vertex nearest to a point, if close enough. */
  vertexAt([x, y, z]) {
    let best = REACH * REACH, found = null
    for (const [hemisphere, points] of Object.entries(this.cortex ?? {}))
      for (let i = 0; i < points.length; i += 3) {
        const dx = points[i] - x, dy = points[i + 1] - y, dz = points[i + 2] - z
        const distance = dx * dx + dy * dy + dz * dz
        if (distance < best) {
          best = distance
          found = { hemisphere, vertex: i / 3 }
        }
      }
    return found
  }

  /** The crosshair in the format that Python reads. */
  crosshairAt([x, y, z], source) {
    const { voxel = null, value = null } = this.scene?.describe([x, y, z]) ?? {}
    return { x, y, z, voxel, value, source }
  }

  /** Describe a point: voxel, value and labels. */
  describe(point) {
    const { voxel, value, labels } = this.scene.describe(point)
    return [`${point.map((v) => v.toFixed(1)).join("  ")} mm`, ...(voxel ? [`voxel ${voxel.join(" ")}`] : []),
            ...this.viewer.vertexPicker.inWords(value, labels)].join(", ")
  }

  listen() {
    const { canvas, viewer } = this
    let panel
    const move = (event) => {
      const at = this.scene?.pointAt(event.offsetX, event.offsetY, panel)
      if (!at) return null
      panel = at.panel
      this.moveTogether(at.point)
      viewer.readout.textContent = this.describe(at.point)
      return at.point
    }
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return
      panel = undefined
      canvas.setPointerCapture(event.pointerId)
      this.held = move(event) !== null
    })
    canvas.addEventListener("pointermove", (event) => {
      if (this.held) return move(event)
      const at = this.scene?.pointAt(event.offsetX, event.offsetY)
      if (at) viewer.readout.textContent = this.describe(at.point)
    })
    canvas.addEventListener("pointerup", (event) => {
      if (!this.held) return
      this.held = false
      const point = move(event)
      if (point) this.choose(point)
    })
    canvas.addEventListener("pointercancel", () => (this.held = false))
    canvas.addEventListener("pointerleave", () => this.held || viewer.vertexPicker.showReadout())
    canvas.addEventListener("keydown", (event) => {
      const step = STEPS[event.key]
      if (!step || !this.scene?.low) return
      event.preventDefault()
      const { position, low, high } = this.scene, [axis, sign] = step, point = [...position]
      point[axis] = Math.min(Math.max(point[axis] + sign * KEY_STEP, low[axis]), high[axis])
      this.moveTogether(point)
      this.choose(point)
    })
    viewer.modules.gestures.listenToZoom(canvas, (factor) => this.scene?.zoom(factor))
  }

  /** Slice at a point, also in linked viewers of the same head. */
  moveTogether(point) {
    this.scene.moveTo(point)
    this.viewer.tellOthers((other) => this.isSameHead(other) && other.slicesPane.scene?.moveTo(point))
  }

  isSameHead({ model }) {
    return model.subject === this.model.subject
  }

  setCrosshair(point, source) {
    this.viewer.set({ crosshair: this.crosshairAt(point, source) }, (other) => this.isSameHead(other))
  }

  choose(point) {
    this.setCrosshair(point, "volume")
    this.viewer.vertexPicker.choose(this.vertexAt(point))
  }

  /** Label each panel and its edges. */
  placeLetters() {
    const { clientWidth, clientHeight } = this.canvas, size = `${clientWidth} ${clientHeight}`
    if (size === this.lettersFor) return
    this.lettersFor = size
    this.letters.replaceChildren(...this.viewer.modules.layout.placed(this.marks()))
  }

  /** The names of the panels and of their edges, with positions in CSS pixels. */
  marks() {
    return this.scene.layout().flatMap(({ name, left, width, height, ends }) => [
      { text: name, x: left + 8, y: 6, className: "panel" },
      { text: ends[0], x: left + 6, y: height / 2 - 9 },
      { text: ends[1], x: left + width - 20, y: height / 2 - 9 },
      { text: ends[3], x: left + width / 2 - 7, y: width < 180 ? 28 : 6 }, // below the name if there is no space next to it
      { text: ends[2], x: left + width / 2 - 7, y: height - 24 },
    ])
  }
}
