// The slider that turns the cortex from one shape into the next, and where shapes come from.

const MORPH_SECONDS = 0.6

/** The control of one viewer's shape: a place on a line of stops, "white", "pial" … */
export class ShapeControl {
  constructor(viewer) {
    Object.assign(this, { viewer, model: viewer.model, box: viewer.shapes })
    const { element } = viewer.modules.layout
    this.slider = element("input", { type: "range", min: 0, step: "any", ariaLabel: "Shape of the cortex" })
    this.stops = element("div", { className: "stops", role: "group", ariaLabel: "Shapes" })
    this.box.replaceChildren(this.slider, this.stops)
    this.slider.addEventListener("pointerdown", () => this.ask(this.names))
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)))
    this.slider.addEventListener("change", () => {
      const at = Number(this.slider.value), near = Math.round(at)
      this.leave(Math.abs(at - near) < 0.06 ? near : at)
    })
  }

  get names() {
    return this.model.shape_names
  }

  /** Show the stops there are, and the shape the model says. */
  show() {
    const { element } = this.viewer.modules.layout
    this.box.hidden = this.names.length < 2 || this.viewer.bare
    this.slider.max = Math.max(this.names.length - 1, 1)
    this.stops.replaceChildren(...this.names.map((name, at) => {
      const button = element("button", { type: "button", textContent: name.charAt(0).toUpperCase() + name.slice(1), value: name })
      button.addEventListener("click", () => this.glide(at))
      return button
    }))
    this.known = new Set()
    this.takeShapes()
    this.at = this.model.shape
    this.go(this.at)
  }

  /** Hand shapes that came from Python to the scene. */
  takeShapes() {
    const { scene, parts } = this.viewer
    if (!scene || this.viewer.bare || !this.known) return
    for (const [name, sides] of Object.entries(this.model.shape_data)) {
      if (this.known.has(name) || !Object.keys(parts).every((side) => sides[side])) continue
      scene.addShape(name, Object.fromEntries(Object.entries(sides).map(([side, { points, offset }]) => {
        const shifted = new Float32Array(points.slice(0))
        for (let i = 0; i < shifted.length; i += 3) shifted[i] += offset
        return [side, { points: shifted }]
      })))
      this.known.add(name)
    }
    if (this.waiting !== undefined) this.go(this.waiting)
  }

  has(name) {
    return this.known.has(name) || name === this.model.base_shape
  }

  ask(names) {
    const missing = names.filter((name) => !this.has(name))
    if (missing.length) this.model.wanted_shapes = [...new Set([...this.model.wanted_shapes, ...missing])]
    return missing.length > 0
  }

  /** Show the cortex at a place between two stops; it waits for shapes that are not here yet. */
  go(at) {
    if (!this.names.length || this.viewer.bare) return
    const from = Math.min(Math.floor(at), this.names.length - 1), to = Math.min(from + 1, this.names.length - 1)
    const needed = at === from ? [this.names[from]] : [this.names[from], this.names[to]]
    this.slider.value = at
    for (const button of this.stops.children)
      button.setAttribute("aria-pressed", String(this.names[Math.round(at)] === button.value && at === Math.round(at)))
    if (this.ask(needed)) {
      this.waiting = at
      this.box.classList.add("waiting")
      return
    }
    this.waiting = undefined
    this.box.classList.remove("waiting")
    const key = (name) => (this.known.has(name) ? name : "")
    this.viewer.scene.morph(key(this.names[from]), key(at === from ? this.names[from] : this.names[to]), at - from)
    this.viewer.root.dataset.shape = at === from ? this.names[from] : "between"
    this.at = at
  }

  leave(at) {
    this.go(at)
    this.model.shape = at
    this.frontal(at)
  }

  /** A patch that lies flat is seen from above. */
  frontal(at) {
    if (this.names[Math.round(at)] !== "flat" || Math.abs(at - Math.round(at)) > 0.3 || this.model.view === "dorsal") return
    this.model.view = "dorsal"
    this.viewer.showView()
  }

  /** Turn into the shape of a stop before the reader's eyes. */
  glide(to) {
    cancelAnimationFrame(this.gliding)
    const path = this.names.slice(Math.min(Math.floor(this.at), to), Math.max(Math.ceil(this.at), to) + 1)
    const still = this.viewer.scene?.software || matchMedia("(prefers-reduced-motion: reduce)").matches
    if (this.ask(path) || still) return this.leave(to)
    const from = this.at
    let start
    const step = (now) => {
      start ??= now
      const t = Math.min((now - start) / 1000 / MORPH_SECONDS, 1)
      const eased = t * t * (3 - 2 * t)
      if (t < 1) {
        this.go(from + (to - from) * eased)
        this.gliding = requestAnimationFrame(step)
      } else this.leave(to)
    }
    this.gliding = requestAnimationFrame(step)
  }

  remove() {
    cancelAnimationFrame(this.gliding)
  }
}
