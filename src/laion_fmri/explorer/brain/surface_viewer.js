// The viewer in the page: connects Panel's model, the scenes and the elements of surface_layout.js.
// While a control is dragged, nothing is sent but the final value.

const MESSAGES = {
  empty: ["No surface yet", "The cortical surface of the chosen subject appears as soon as it is loaded."],
  "no-webgl": ["This browser has no WebGL 2", "The brain needs it. Use another browser, or turn on hardware acceleration in this one's settings."],
  lost: ["The graphics card has dropped this view", "The brain comes back as soon as the card is available again."],
}

/** The viewers of this page. */
const viewers = new Set()

/** One viewer in `root`, which displays `model` and updates it when the user acts. */
export class SurfaceViewer {
  constructor(model, root, modules) {
    Object.assign(this, { model, modules }, modules.layout.layOut(root, Object.keys(modules.camera.VIEWS)))
    this.map = null
    this.rois = []
    this.parts = {}
    this.scale = new modules.renderer.ColourScale(modules.three)
    this.colourControls = new modules.colours.ColourControls(this)
    this.viewControl = new modules.views.ViewControl(this)
    this.vertexPicker = new modules.picker.VertexPicker(this)
    this.slicesPane = new modules.slices.SlicesPane(this)
    this.shapeControl = new modules.shapes.ShapeControl(this)
    const expose = (name, value) => Object.defineProperty(root, name, { configurable: true, value })
    expose("projectVertex", (side, vertex) => this.scene.project(side, vertex))
    expose("placeInSlices", (point, panel) => this.slicesPane.scene.project(point, panel))
    expose("crosshairNow", () => [...this.slicesPane.scene.position])
  }

  start() {
    try {
      this.scene = new this.modules.scene.SurfaceScene(this.canvas, this.modules, this.scale)
    } catch {
      return this.setState("no-webgl")
    }
    this.scene.renderer.onDraw = () => this.drawn()
    this.scene.onFit = () => this.viewControl.labelSides()
    viewers.add(this)
    this.colourControls.showPalette()
    this.followTheme()
    this.showSurface()
    this.listen()
    this.watchModel()
    this.showLink()
  }

  setState(state) {
    this.root.dataset.state = state
    const { element } = this.modules.layout
    const [title, text] = MESSAGES[state] ?? []
    this.message.replaceChildren(...(title ? [element("b", {}, title), element("span", {}, text)] : []))
    this.canvas.style.visibility = state === "ready" ? "visible" : "hidden"
    this.controls.hidden = state !== "ready" || !this.map
    this.views.hidden = state !== "ready" || this.model.panes === "volume"
  }

  watchModel() {
    const { model, colourControls, shapeControl } = this
    const on = (names, act) => model.on(names, () => this.removed || act())
    on("surface_data", () => this.showSurface())
    on("shape_names", () => shapeControl.show())
    on("shape_data", () => shapeControl.takeShapes())
    on("shape", () => model.shape === shapeControl.at || shapeControl.go(model.shape))
    on("volume_data", () => this.showVolume())
    on("panes", () => this.showPanes())
    on("crosshair", () => this.slicesPane.follow(model.crosshair))
    on("underlay_data", () => this.showUnderlay())
    on("map_data", () => this.showMap())
    on(["roi_data", "roi_style"], () => this.showRois())
    on(["lower", "upper", "symmetric", "opacity"], () => colourControls.showScale())
    on("colormap", () => colourControls.showPalette())
    on("view", () => this.viewControl.show())
    on("camera", () => this.viewControl.showCamera())
    on("subject", () => this.showOwner())
    on("group", () => this.showLink())
    on("picked", () => this.vertexPicker.show())
    on("theme", () => this.followTheme())
  }

  listen() {
    const { canvas, model } = this
    this.observer = new ResizeObserver(() => {
      this.root.classList.toggle("narrow", this.root.clientWidth < 980)
      this.root.classList.toggle("slim", this.root.clientWidth < 720)
      this.fitStage()
      this.slicesPane.draw()
      this.followTheme() // it may have changed while the viewer was hidden
    })
    this.observer.observe(this.scenes)
    this.observer.observe(this.stage)
    // The root inherits the page's text colour through a transition, so that its change is an event.
    this.root.addEventListener("transitionend", (event) => event.target === this.root && this.followTheme())
    this.panes.addEventListener("click", ({ target: { value } }) => {
      if (!value) return
      this.set({ panes: value })
      this.showPanes()
    })
    this.save.addEventListener("click", () => this.modules.picture.savePicture(this))
    canvas.addEventListener("webglcontextlost", () => this.removed || this.setState("lost"))
    this.modules.gestures.listenToGestures(canvas, {
      turn: (...angles) => this.viewControl.move((scene) => scene.rotate(...angles)),
      zoom: (factor) => this.viewControl.move((scene) => scene.zoom(factor)),
      hover: (x, y) => this.vertexPicker.hover(x, y),
      pick: (x, y) => this.vertexPicker.pick(x, y),
    })
  }

  /** Display what the oldest linked viewer displays, and the own model once a link has ended:
   * the user may have moved either before the change arrived. */
  showLink() {
    const [{ model: { view, camera, panes } }] = this.linked
    Object.assign(this.model, { view, camera, panes })
    this.root.dataset.linked = String(Boolean(this.model.group))
    if (this.model.group) return
    this.viewControl.show()
    this.colourControls.showScale()
    this.shapeControl.go(this.model.shape)
  }

  /** The viewers that turn together: this one and those linked with it, the oldest first. */
  get linked() {
    const { group } = this.model
    return [...viewers].filter((other) => other === this || (group && other.model.group === group))
  }

  /** Make the viewers linked with this one do the same. */
  tellOthers(act) {
    for (const other of this.linked) if (other !== this) act(other)
  }

  /** Change the model, and the models of linked viewers that `concerns` accepts.
   * Each reports to Python, which does not pass on what a page reports: a value that came back
   * late would undo what the user did in the meantime. */
  set(values, concerns = () => true) {
    for (const viewer of this.linked) if (viewer === this || concerns(viewer)) Object.assign(viewer.model, values)
  }

  draw() {
    this.scene?.draw()
    this.slicesPane.draw()
  }

  showSurface() {
    const { perSide, shifted } = this.modules.geometry
    this.parts = perSide(this.model.surface_data, ({ points, triangles, offset }) => (
      { given: new Float32Array(points), points: shifted(points, offset), triangles: new Uint32Array(triangles) }))
    this.scene.setSurface(this.parts)
    if (this.bare) return this.setState("empty")
    this.showOwner()
    this.showUnderlay()
    this.showMap()
    this.showRois()
    this.shapeControl.show()
    this.showPanes()
    this.viewControl.show()
    this.vertexPicker.show()
  }

  showVolume() {
    this.slicesPane.showVolume()
    this.showPanes()
  }

  /** Surface, slices or both. */
  showPanes() {
    const { panes } = this.model, { state } = this.root.dataset
    const has = Boolean(this.model.volume_data?.anatomy)
    this.root.dataset.panes = has ? panes : "surface"
    this.panes.hidden = !has || state === "empty"
    for (const button of this.panes.children) button.setAttribute("aria-pressed", String(button.value === panes))
    this.views.hidden = state !== "ready" || this.root.dataset.panes === "volume"
    this.slicesPane.show()
    this.fitStage()
  }

  fitStage() {
    const { insets } = this.scene.view
    insets.top = this.top.offsetHeight + 30
    const below = this.root.classList.contains("slim") && !this.legend.hidden ? this.legend.offsetHeight : 0
    insets.bottom = below + (this.shapes.hidden ? 16 : this.shapes.offsetHeight + 24)
    this.scene.resize()
  }

  drawn() {
    if (this.bare) return
    if (this.root.dataset.state !== "ready") {
      this.setState("ready")
      this.colourControls.drawBar()
    }
    if (this.map?.name) this.root.dataset.map = this.map.name
    else delete this.root.dataset.map
  }

  get bare() {
    return !Object.keys(this.parts).length
  }

  showUnderlay() {
    this.scene.setUnderlay(this.modules.geometry.perSide(this.model.underlay_data, (bytes) => new Float32Array(bytes)))
  }

  showMap() {
    if (this.bare) return
    const data = this.model.map_data
    this.map = data.values ? { ...data, values: this.modules.geometry.perSide(data.values, (bytes) => new Float32Array(bytes)) } : null
    this.scene.setMap(this.map?.values)
    this.slicesPane.showMap()
    this.title.textContent = this.map?.name ?? ""
    this.explanation.textContent = this.map?.explanation ?? ""
    this.controls.hidden = !this.map || this.root.dataset.state !== "ready"
    this.colourControls.showScale()
    this.vertexPicker.showReadout()
  }

  showRois() {
    if (this.bare) return
    const { geometry: { rgb, perSide, unpackBits }, layout: { element } } = this.modules
    this.rois = this.model.roi_data.map(({ name, colour, masks }) => ({
      // A new surface arrives shortly before its labels, which may belong to other hemispheres.
      name, colour, masks: perSide(masks, (bits, side) => unpackBits(bits, (this.parts[side]?.points.length ?? 0) / 3)),
    }))
    const property = this.model.roi_style === "outline" ? "border:3px solid" : "background:"
    this.legend.replaceChildren(...this.rois.map(({ name, colour }) =>
      element("li", {}, element("i", { style: `${property} ${colour}` }), name)))
    this.legend.hidden = !this.rois.length
    this.fitStage()
    this.scene.setRois(this.rois.map(({ colour, masks }) => ({ colour: rgb(colour), ...masks })), this.model.roi_style)
    this.slicesPane.showLabels()
    this.vertexPicker.showReadout()
  }

  showOwner() {
    this.owner.textContent = this.model.subject
    this.owner.hidden = !this.model.subject
  }

  followTheme() {
    const { theme } = this.model
    const text = getComputedStyle(this.root).color.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0]
    this.root.classList.toggle("dark", theme === "dark" || (theme === "auto" && text[0] + text[1] + text[2] > 384))
    this.colourControls.drawBar()
  }

  get ink() {
    const style = getComputedStyle(this.root)
    return { text: style.getPropertyValue("--text"), line: style.getPropertyValue("--line"), family: style.fontFamily }
  }

  remove() {
    this.removed = true
    viewers.delete(this)
    this.observer?.disconnect()
    for (const part of [this.viewControl, this.vertexPicker, this.shapeControl]) part.remove()
    for (const scene of [this.scene, this.slicesPane.scene]) scene?.dispose()
  }
}
