// The slices beside the surface: the elements around volume_scene.js, what the pointer does in
// them, and the crosshair that both views share.

const REACH = 8 // millimetres from a point to the cortex, within which a vertex stands for it

const perSide = (map, make) =>
  Object.fromEntries(Object.entries(map ?? {}).map(([side, value]) => [side, make(value)]))

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

  /** Make the scene the first time the slices are shown, and give it everything there is. */
  show() {
    const { viewer } = this
    viewer.slices.hidden = !this.shown
    if (!this.shown || this.scene) return this.refresh()
    try {
      this.scene = new viewer.modules.volume.VolumeScene(this.canvas)
    } catch {
      this.viewer.slices.hidden = true
      return
    }
    this.scene.onDraw = () => {
      this.placeLetters()
      if (viewer.root.dataset.panes === "volume") viewer.drawn()
    }
    this.showVolume()
  }

  refresh() {
    if (this.shown) this.scene?.draw()
  }

  showVolume() {
    const { anatomy, grid, cortex } = this.model.volume_data ?? {}
    this.cortex = perSide(cortex, (bytes) => new Float32Array(bytes))
    if (!this.scene || !anatomy) return
    if (this.anatomy !== anatomy) this.scene.setAnatomy((this.anatomy = anatomy))
    this.scene.setGrid({ ...grid, indices: new Uint32Array(grid.indices) })
    this.showPalette()
    this.showMap()
    this.showLabels()
    this.showScale()
    this.follow(this.model.crosshair)
  }

  showMap() {
    const voxels = this.model.map_data?.voxels
    this.scene?.setMap(voxels ? new Float32Array(voxels) : null)
    this.scene?.draw()
  }

  showLabels() {
    if (!this.scene) return
    const labels = this.model.roi_data.filter(({ voxels }) => voxels).map(({ name, colour, voxels }) => ({
      name, colour: [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)), voxels: new Uint32Array(voxels),
    }))
    this.scene.setLabels(labels, this.model.roi_style)
    this.scene.draw()
  }

  showPalette() {
    this.scene?.setPalette(this.viewer.colours)
    this.scene?.draw()
  }

  showScale() {
    this.scene?.setScale(this.viewer.scale)
  }

  /** Slice where the crosshair is said to be; without one, through the middle. */
  follow(crosshair) {
    if (!this.scene?.low) return
    const { low, high } = this.scene
    this.scene.moveTo(crosshair ? [crosshair.x, crosshair.y, crosshair.z] : low.map((v, k) => (v + high[k]) / 2))
  }

  /** Where a vertex of the surface lies between white matter and pia, in millimetres. */
  pointOf(hemisphere, vertex) {
    const points = this.cortex?.[hemisphere]
    return points && 3 * vertex < points.length ? [...points.subarray(3 * vertex, 3 * vertex + 3)] : null
  }

  /** The vertex nearest to a point, if it is near. */
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

  /** What the crosshair tells Python. */
  described(point, source) {
    const [x, y, z] = point
    if (!this.scene) return { x, y, z, voxel: null, value: null, source }
    const { voxel, value } = this.scene.describe(point)
    return { x, y, z, voxel, value, source }
  }

  text(point) {
    const { voxel, value, labels } = this.scene.describe(point)
    const { viewer } = this
    return [
      `x ${point.map((v) => v.toFixed(1)).join("  ")} mm`,
      ...(voxel ? [`voxel ${voxel.join(" ")}`] : []),
      ...(viewer.map ? [value === null ? "no value" : viewer.withUnits(value)] : []),
      ...(labels.length ? [`ROI ${labels.join(", ")}`] : []),
    ].join(", ").replace("x ", "")
  }

  listen() {
    const { canvas } = this
    let panel
    const move = (event) => {
      const at = this.scene?.pointAt(event.offsetX, event.offsetY, panel)
      if (!at) return null
      panel = at.panel
      this.scene.moveTo(at.point)
      this.viewer.readout.textContent = this.text(at.point)
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
      if (at) this.viewer.readout.textContent = this.text(at.point)
    })
    canvas.addEventListener("pointerup", (event) => {
      if (!this.held) return
      this.held = false
      const point = move(event)
      if (point) this.choose(point)
    })
    canvas.addEventListener("pointercancel", () => (this.held = false))
    canvas.addEventListener("pointerleave", () => this.held || this.viewer.showReadout())
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [2, 1], ArrowDown: [2, -1],
                     PageUp: [1, 1], PageDown: [1, -1] }[event.key]
      const zoom = { "+": 1.25, "=": 1.25, "-": 1 / 1.25 }[event.key]
      if ((!step && !zoom) || !this.scene?.low) return
      event.preventDefault()
      if (zoom) return this.scene.zoom(zoom)
      const point = [...this.scene.position]
      const [axis, sign] = step
      point[axis] = Math.min(Math.max(point[axis] + sign * 2, this.scene.low[axis]), this.scene.high[axis])
      this.scene.moveTo(point)
      this.choose(point)
    })
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && canvas.getRootNode().activeElement !== canvas) return
      event.preventDefault()
      this.scene?.zoom(Math.exp(-event.deltaY * 0.0015))
    }, { passive: false })
  }

  choose(point) {
    this.model.crosshair = this.described(point, "volume")
    this.viewer.choose(this.vertexAt(point))
    this.viewer.showReadout()
  }

  /** Say at each panel's edges which side is which. */
  placeLetters() {
    const panels = this.scene.layout()
    const key = panels.map((p) => [p.left, p.width, p.height].join()).join(" ")
    if (key === this.lettersFor) return
    this.lettersFor = key
    const { element } = this.viewer.modules.layout
    this.letters.replaceChildren(...panels.flatMap(({ name, left, width, height, ends }) => {
      const letter = (text, x, y) => {
        const made = element("span", { textContent: text })
        Object.assign(made.style, { left: `${x}px`, top: `${y}px` })
        return made
      }
      const title = letter(name, left + 12, 8)
      title.className = "panel"
      return [title, letter(ends[0], left + 8, height / 2 - 8), letter(ends[1], left + width - 18, height / 2 - 8),
              letter(ends[3], left + width / 2 - 5, 6), letter(ends[2], left + width / 2 - 5, height - 22)]
    }))
  }

  remove() {
    this.scene?.dispose()
    this.scene = null
  }
}
