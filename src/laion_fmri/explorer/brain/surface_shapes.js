// The slider that morphs the cortex from one shape into the next, and the loading of shapes.

const MORPH_SECONDS = 0.6

/** The slider of one viewer's shape: 1.5 is midway between its second and third name. */
export class ShapeControl {
  constructor(viewer) {
    Object.assign(this, { viewer, model: viewer.model, box: viewer.shapes, at: 0, known: new Set() })
    const { element } = viewer.modules.layout
    this.slider = element("input", { type: "range", min: 0, step: "any", ariaLabel: "Shape of the cortex" })
    this.stops = element("div", { className: "stops", role: "group", ariaLabel: "Shapes" })
    this.box.replaceChildren(this.slider, this.stops)
    this.slider.addEventListener("pointerdown", () => this.request(this.names))
    this.slider.addEventListener("input", () => this.goTogether(Number(this.slider.value)))
    this.slider.addEventListener("change", () => {
      const at = Number(this.slider.value), near = Math.round(at)
      this.settle(Math.abs(at - near) < 0.06 ? near : at)
    })
    this.stops.addEventListener("click", ({ target }) => target.value && this.glide(this.names.indexOf(target.value)))
  }

  get names() {
    return this.model.shape_names
  }

  /** Display the available names, and the shape of the model. */
  show() {
    const { button } = this.viewer.modules.layout
    this.box.hidden = this.names.length < 2 || this.viewer.bare
    this.slider.max = Math.max(this.names.length - 1, 1)
    this.stops.replaceChildren(...this.names.map((name) => button(name)))
    this.known = new Set()
    this.takeShapes()
    this.go(this.model.shape)
  }

  /** Pass the shapes received from Python to the scene. */
  takeShapes() {
    const { scene, parts, bare, modules: { geometry: { perSide, shifted, unpackBits } } } = this.viewer
    if (bare) return
    for (const [name, sides] of Object.entries(this.model.shape_data)) {
      if (this.known.has(name) || !Object.keys(parts).every((side) => sides[side])) continue
      scene.addShape(name, perSide(sides, ({ points, offset, triangles }, side) => (
        { points: shifted(points, offset), members: triangles && unpackBits(triangles, parts[side]?.triangles.length / 3) })))
      this.known.add(name)
    }
    if (this.waiting !== undefined) this.go(this.waiting)
  }

  /** Request missing shapes from Python; returns whether there are any. */
  request(names) {
    const missing = names.filter((name) => !this.known.has(name) && name !== this.model.base_shape)
    if (missing.length) this.model.wanted_shapes = [...new Set([...this.model.wanted_shapes, ...missing])]
    return missing.length > 0
  }

  /** Display the shape at a position among the names, as soon as its points are loaded. */
  go(at) {
    if (!this.names.length || this.viewer.bare) return
    const from = this.names[Math.min(Math.floor(at), this.names.length - 1)], to = this.names[Math.ceil(at)] ?? from
    this.slider.value = at
    for (const stop of this.stops.children) stop.setAttribute("aria-pressed", String(from === to && stop.value === from))
    const waits = this.request([from, to])
    this.waiting = waits ? at : undefined
    this.box.classList.toggle("waiting", waits)
    if (waits) return
    this.at = at
    const key = (name) => (this.known.has(name) ? name : "")
    this.viewer.scene.morph(key(from), key(to), at % 1)
    this.viewer.root.dataset.shape = from === to ? from : "between"
    this.viewer.viewControl.offer()
  }

  /** Make linked viewers that offer the same shapes follow. */
  goTogether(at) {
    this.go(at)
    this.viewer.tellOthers(({ shapeControl }) => this.isSame(shapeControl) && shapeControl.go(at))
  }

  isSame(other) {
    return String(other.names) === String(this.names)
  }

  settle(at) {
    this.goTogether(at)
    this.viewer.set({ shape: at }, ({ shapeControl }) => this.isSame(shapeControl))
  }

  /** Whether the cortex is flat, or nearly so. */
  get isFlat() {
    const near = Math.round(this.at)
    return this.names[near] === "flat" && Math.abs(this.at - near) <= 0.3
  }

  /** Morph into a shape, animated. */
  glide(to) {
    cancelAnimationFrame(this.gliding)
    const path = this.names.slice(Math.min(Math.floor(this.at), to), Math.max(Math.ceil(this.at), to) + 1)
    const still = this.viewer.modules.renderer.isSoftware() || matchMedia("(prefers-reduced-motion: reduce)").matches
    if (this.request(path) || still) return this.settle(to)
    const from = this.at
    let start
    const step = (now) => {
      start ??= now
      const t = Math.min((now - start) / 1000 / MORPH_SECONDS, 1)
      const eased = t * t * (3 - 2 * t)
      if (t < 1) {
        this.goTogether(from + (to - from) * eased)
        this.gliding = requestAnimationFrame(step)
      } else this.settle(to)
    }
    this.gliding = requestAnimationFrame(step)
  }

  remove() {
    cancelAnimationFrame(this.gliding)
  }
}
