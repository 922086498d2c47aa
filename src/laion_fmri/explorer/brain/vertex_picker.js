// The selected vertex of a viewer, and the description of the point under the pointer.

const SIDE_NAMES = { L: "left", R: "right" }

/** Hovering over and selecting vertices of one viewer. */
export class VertexPicker {
  constructor(viewer) {
    Object.assign(this, { viewer, model: viewer.model })
  }

  hover(x, y) {
    this.pointer = x === undefined ? null : [x, y]
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null
      const under = this.pointer && this.viewer.scene.pick(...this.pointer)
      if (under) this.viewer.readout.textContent = this.describe(under)
      else this.showReadout()
    })
  }

  pick(x, y) {
    const { viewer } = this, under = viewer.scene.pick(x, y)
    if (!under) return
    viewer.slicesPane.followVertex(under)
    this.choose(under)
    viewer.tellOthers((other) => other.model.cortex === this.model.cortex && other.vertexPicker.choose(under))
  }

  /** Select a vertex, or none. */
  choose(at) {
    const part = at && this.viewer.parts[at.hemisphere]
    if (part) {
      const { hemisphere, vertex } = at
      const [x, y, z] = part.given.subarray(3 * vertex, 3 * vertex + 3)
      this.model.picked = { hemisphere, vertex, x, y, z, value: this.valueAt(at) }
    } else this.model.picked = null
    this.show()
  }

  show() {
    if (this.viewer.bare) return
    this.viewer.scene.setMarker(this.model.picked)
    this.showReadout()
  }

  /** Describe the selection: the vertex, or the point of the slices if no cortex is near. */
  showReadout() {
    const { picked, crosshair } = this.model, { readout, slicesPane } = this.viewer
    const inSlices = crosshair && slicesPane.shown && slicesPane.scene?.grid && (!picked || crosshair.source === "volume")
    readout.textContent = inSlices ? slicesPane.describe([crosshair.x, crosshair.y, crosshair.z]) : this.describe(picked)
  }

  valueAt({ hemisphere, vertex }) {
    const value = this.viewer.map?.values[hemisphere]?.[vertex]
    return Number.isFinite(value) ? value : null
  }

  describe(at) {
    if (!at || !this.viewer.parts[at.hemisphere]) return ""
    const inside = this.viewer.rois.filter((roi) => roi.masks[at.hemisphere]?.[at.vertex]).map((roi) => roi.name)
    return [`${SIDE_NAMES[at.hemisphere]} hemisphere`, `vertex ${at.vertex}`, ...this.inWords(this.valueAt(at), inside)].join(", ")
  }

  /** Describe a value of the map and the labels around it. */
  inWords(value, labels) {
    return [...(this.viewer.map ? [value === null ? "no value" : this.viewer.colourControls.withUnits(value)] : []),
            ...(labels.length ? [`ROI ${labels.join(", ")}`] : [])]
  }

  remove() {
    cancelAnimationFrame(this.frame)
  }
}
