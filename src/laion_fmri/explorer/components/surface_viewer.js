// The viewer in the page: it joins Panel's model, the scene in surface_scene.js and the elements
// of surface_layout.js. Nothing is sent while a control is dragged, only what it was left at.

const SIDE_NAMES = { L: "left", R: "right" }

/** The viewers of this page. */
const linked = new Set()

const perSide = (map, make) =>
  Object.fromEntries(Object.entries(map ?? {}).map(([side, value]) => [side, make(value)]))

function unpackBits(buffer, length) {
  const bytes = new Uint8Array(buffer)
  return Uint8Array.from({ length }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1)
}

/** One viewer in `root`, showing what `model` says and telling it what the reader does. */
export class SurfaceViewer {
  constructor(model, root, modules) {
    Object.assign(this, { model, modules }, modules.layout.layOut(root, Object.keys(modules.scene.VIEWS)))
    this.scale = { lower: 0, upper: 1, first: 0, range: 1, symmetric: false, opacity: 1 }
    this.map = null
    this.rois = []
    this.slicesPane = new modules.slices.SlicesPane(this)
    this.shapeControl = new modules.shapes.ShapeControl(this)
    const expose = (name, value) => Object.defineProperty(root, name, { configurable: true, value })
    expose("projectVertex", (side, vertex) => this.scene.project(side, vertex))
    expose("placeInSlices", (point, panel) => this.slicesPane.scene.place(point, panel))
    expose("crosshairNow", () => [...this.slicesPane.scene.position])
  }

  setState(state) {
    this.root.dataset.state = state
    const texts = {
      empty: ["No surface yet", "The cortical surface of the chosen subject will be shown here."],
      "no-webgl": ["This browser has no WebGL 2", "The brain needs it. Another browser, or hardware acceleration in this one's settings, will show it."],
      lost: ["The graphics card took its memory back", "The brain comes back as soon as it is given again."],
    }[state]
    const { element } = this.modules.layout
    this.message.replaceChildren(...(texts ? [element("b", {}, texts[0]), element("span", {}, texts[1])] : []))
    this.canvas.style.visibility = state === "ready" ? "visible" : "hidden"
    this.controls.hidden = state !== "ready" || !this.map
    this.views.hidden = state !== "ready" || this.model.panes === "volume"
  }

  async start() {
    await this.startScene()
    if (this.removed) return
    linked.add(this)
    this.listen()
    this.watchModel()
  }

  async startScene() {
    const scene = new this.modules.scene.SurfaceScene(this.canvas, this.modules)
    try {
      await scene.start()
    } catch {
      scene.dispose()
      return this.setState("no-webgl")
    }
    if (this.removed) return scene.dispose()
    this.scene = scene
    this.showPalettes()
    this.followTheme()
    this.showSurface()
  }

  watchModel() {
    const follow = (names, act) => this.model.on(names, () => this.scene && act())
    follow("surface_data", () => this.showSurface())
    follow("shape_names", () => this.shapeControl.show())
    follow("shape_data", () => this.shapeControl.takeShapes())
    follow("shape", () => this.model.shape === this.shapeControl.at || this.shapeControl.go(this.model.shape))
    follow("volume_data", () => this.showVolume())
    follow("panes", () => this.showPanes())
    follow("crosshair", () => this.slicesPane.follow(this.model.crosshair))
    follow("underlay_data", () => this.showUnderlay())
    follow("map_data", () => this.showMap())
    follow(["roi_data", "roi_style"], () => this.showRois())
    follow(["lower", "upper", "symmetric", "opacity"], () => this.showScale())
    follow("colormap", () => this.showPalette())
    follow("view", () => this.showView())
    follow("picked", () => this.showPicked())
    follow("theme", () => this.followTheme())
  }

  listen() {
    const { canvas } = this
    this.observer = new ResizeObserver(() => {
      this.root.classList.toggle("narrow", this.root.clientWidth < 980)
      this.root.classList.toggle("slim", this.root.clientWidth < 720)
      this.fitStage()
      this.slicesPane.refresh()
      this.drawBar()
    })
    this.observer.observe(this.scenes)
    this.observer.observe(this.stage)
    // The root inherits the page's text colour through a transition, which tells of its change.
    this.root.addEventListener("transitionend", (event) => event.target === this.root && this.followTheme())
    for (const button of this.views.children)
      button.addEventListener("click", () => {
        this.model.view = button.value
        this.showView()
      })
    for (const [bound, { input }] of Object.entries(this.sliders)) {
      input.addEventListener("input", () => this.dragBound(bound, Number(input.value)))
      input.addEventListener("change", () => { this.model[bound] = Number(input.value) })
    }
    for (const button of this.panes.children)
      button.addEventListener("click", () => {
        this.model.panes = button.value === "slices" ? "volume" : button.value
        this.showPanes()
      })
    this.symmetric.addEventListener("change", () => {
      this.model.symmetric = this.symmetric.checked
      this.showScale()
    })
    this.palette.addEventListener("change", () => {
      this.model.colormap = this.palette.value
      this.showPalette()
    })
    this.save.addEventListener("click", () => this.savePicture())
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault()
      if (this.removed) return
      this.scene.disposed = true
      this.scene = null
      this.setState("lost")
    })
    canvas.addEventListener("webglcontextrestored", () => this.removed || this.startScene())
    this.modules.gestures.listenToGestures(canvas, {
      turn: (...angles) => this.turn(...angles),
      zoom: (factor) => this.zoom(factor),
      hover: (x, y) => this.hover(x, y),
      pick: (x, y) => this.pick(x, y),
    })
  }

  turn(azimuth, elevation) {
    for (const button of this.views.children) button.setAttribute("aria-pressed", "false")
    this.scene?.rotate(azimuth, elevation)
    this.tellOthers((other) => other.scene?.turnLike(this.scene))
  }

  zoom(factor) {
    this.scene?.zoom(factor)
    this.tellOthers((other) => other.scene?.turnLike(this.scene))
  }

  /** Have the viewers of the same page that are linked with this one do the same. */
  tellOthers(act) {
    for (const other of linked) if (other !== this && this.model.group && other.model.group === this.model.group) act(other)
  }

  hover(x, y) {
    this.pointer = x === undefined ? null : [x, y]
    if (this.hovering) return
    this.hovering = requestAnimationFrame(() => {
      this.hovering = null
      const under = this.pointer && this.scene?.pick(...this.pointer)
      if (under) this.readout.textContent = this.describe(under)
      else this.showReadout()
    })
  }

  /** Say what is chosen: the vertex, or the point of the slices where no cortex is near. */
  showReadout() {
    const { picked, crosshair } = this.model
    const point = crosshair && this.slicesPane.shown && this.slicesPane.scene?.grid && [crosshair.x, crosshair.y, crosshair.z]
    this.readout.textContent = point && (!picked || crosshair.source === "volume") ? this.slicesPane.text(point) : this.describe(picked)
  }

  pick(x, y) {
    const under = this.scene?.pick(x, y)
    if (!under) return
    const point = this.slicesPane.pointOf(under.hemisphere, under.vertex)
    if (point) {
      this.slicesPane.scene?.moveTo(point)
      this.model.crosshair = this.slicesPane.described(point, "surface")
    }
    this.choose(under)
    this.tellOthers((other) => other.parts?.[under.hemisphere]?.given.length === this.parts[under.hemisphere].given.length && other.choose(under))
  }

  /** Make a vertex the chosen one, or none. */
  choose(at) {
    const part = at && this.parts?.[at.hemisphere]
    if (part) {
      const { hemisphere, vertex } = at
      const [x, y, z] = part.given.subarray(3 * vertex, 3 * vertex + 3)
      this.model.picked = { hemisphere, vertex, x, y, z, value: this.valueAt(at) }
    } else this.model.picked = null
    this.showPicked()
  }

  valueAt({ hemisphere, vertex }) {
    const value = this.map?.values[hemisphere]?.[vertex]
    return Number.isFinite(value) ? value : null
  }

  describe(at) {
    if (!at || !this.parts?.[at.hemisphere]) return ""
    const value = this.valueAt(at)
    const inside = this.rois.filter((roi) => roi.masks[at.hemisphere]?.[at.vertex]).map((roi) => roi.name)
    return [
      `${SIDE_NAMES[at.hemisphere]} hemisphere`, `vertex ${at.vertex}`,
      ...(this.map ? [value === null ? "no value" : this.withUnits(value)] : []),
      ...(inside.length ? [`ROI ${inside.join(", ")}`] : []),
    ].join(", ")
  }

  withUnits(value) {
    const { units, step } = this.map
    const text = value.toFixed(Math.min(6, Math.max(1, this.modules.paint.decimals(step))))
    return units ? `${text} ${units}` : text
  }

  // ---- what the model says, shown -----------------------------------------------------

  showSurface() {
    const data = this.model.surface_data
    this.parts = perSide(data, ({ points, triangles, offset }) => {
      const given = new Float32Array(points), shifted = given.slice()
      for (let i = 0; i < shifted.length; i += 3) shifted[i] += offset
      return { given, points: shifted, triangles: new Uint32Array(triangles) }
    })
    if (!Object.keys(this.parts).length) {
      this.scene.clearMeshes()
      return this.setState("empty")
    }
    this.scene.setSurface(this.parts)
    this.scene.onDraw = () => this.drawn()
    this.showUnderlay()
    this.showMap()
    this.showRois()
    this.shapeControl.show()
    this.showPanes()
    this.fitStage()
    this.showView()
    this.showPicked()
  }

  showVolume() {
    this.slicesPane.showVolume()
    this.showPanes()
  }

  /** Surface, slices or both. */
  showPanes() {
    const { panes } = this.model
    const has = Boolean(this.model.volume_data?.anatomy)
    this.root.dataset.panes = has ? panes : "surface"
    this.panes.hidden = !has || this.root.dataset.state === "empty"
    for (const button of this.panes.children)
      button.setAttribute("aria-pressed", String((button.value === "slices" ? "volume" : button.value) === panes))
    this.views.hidden = this.root.dataset.state !== "ready" || this.root.dataset.panes === "volume"
    this.slicesPane.show()
    this.fitStage()
  }

  fitStage() {
    if (!this.scene) return
    this.scene.insets.top = this.top.offsetHeight + 30
    const below = this.root.classList.contains("slim") && !this.legend.hidden ? this.legend.offsetHeight : 0
    this.scene.insets.bottom = below + (this.shapes.hidden ? 16 : this.shapes.offsetHeight + 24)
    this.scene.resize()
  }

  drawn() {
    if (this.bare) return
    if (this.root.dataset.state !== "ready") {
      this.setState("ready")
      this.drawBar()
    }
    if (this.map?.name) this.root.dataset.map = this.map.name
    else delete this.root.dataset.map
  }

  get bare() {
    return !Object.keys(this.parts ?? {}).length
  }

  showUnderlay() {
    if (this.bare) return
    this.scene.setUnderlay(perSide(this.model.underlay_data, (bytes) => new Float32Array(bytes)))
    this.scene.draw()
  }

  showMap() {
    if (this.bare) return
    const data = this.model.map_data
    this.map = data.values ? { ...data, values: perSide(data.values, (bytes) => new Float32Array(bytes)) } : null
    this.scene.setMap(this.map?.values)
    this.slicesPane.showMap()
    this.title.textContent = this.map?.name ?? ""
    this.explanation.textContent = this.map?.explanation ?? ""
    this.controls.hidden = !this.map || this.root.dataset.state !== "ready"
    this.showScale()
    this.showReadout()
  }

  showScale() {
    if (!this.map || this.bare) return this.scene.draw()
    const { lower, upper, symmetric, opacity } = this.model
    const [first, last] = symmetric ? [0, this.map.magnitude] : this.map.range
    this.symmetric.checked = symmetric
    const top = Math.max(last, upper ?? last)
    this.map.step = this.modules.paint.calmStep(top - first)
    this.scale = { lower: lower ?? first, upper: upper ?? last, first, range: top - first, symmetric, opacity }
    const suffix = this.map.units ? ` (${this.map.units})` : ""
    for (const [bound, text] of [["lower", "Threshold"], ["upper", "Upper bound"]]) {
      const { input, label } = this.sliders[bound]
      label.textContent = text + suffix
      input.setAttribute("aria-label", text + suffix)
      Object.assign(input, { min: first, max: top, step: "any" })
      input.value = this.scale[bound]
      input.step = this.map.step
      this.showBound(bound)
    }
    this.applyScale()
  }

  dragBound(bound, value) {
    this.scale[bound] = value
    this.showBound(bound)
    this.applyScale()
  }

  showBound(bound) {
    const { input, output } = this.sliders[bound]
    output.textContent = this.scale[bound].toFixed(this.modules.paint.decimals(this.map.step))
    input.setAttribute("aria-valuetext", `${output.textContent} ${this.map.units}`.trim())
  }

  applyScale() {
    this.scene.setScale(this.scale)
    this.slicesPane.showScale()
    this.scene.draw()
    this.drawBar()
  }

  showPalettes() {
    const names = Object.keys(this.model.palettes)
    const { element } = this.modules.layout
    this.palette.replaceChildren(...names.map((name) => element("option", { value: name }, name)))
    this.showPalette()
  }

  showPalette() {
    this.palette.value = this.model.colormap
    this.colours = new Uint8Array(this.model.palettes[this.model.colormap])
    this.scene.setPalette(this.colours)
    this.slicesPane.showPalette()
    this.scene.draw()
    this.drawBar()
  }

  showRois() {
    if (this.bare) return
    this.rois = this.model.roi_data.map(({ name, colour, masks }) => ({
      name, colour,
      // A new surface arrives a moment before its labels: hemispheres it lacks are passed over.
      masks: Object.fromEntries(Object.entries(masks).filter(([side]) => this.parts[side])
        .map(([side, bits]) => [side, unpackBits(bits, this.parts[side].points.length / 3)])),
    }))
    const { element } = this.modules.layout
    const outline = this.model.roi_style === "outline"
    this.legend.replaceChildren(...this.rois.map(({ name, colour }) => {
      const swatch = element("i")
      swatch.style[outline ? "border" : "background"] = outline ? `3px solid ${colour}` : colour
      return element("li", {}, swatch, name)
    }))
    this.legend.hidden = !this.rois.length
    this.fitStage()
    this.scene.setRois(this.rois.map(({ colour, masks }) => ({
      colour: [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)), ...masks,
    })), this.model.roi_style)
    this.slicesPane.showLabels()
    this.scene.draw()
    this.showReadout()
  }

  showView() {
    if (this.bare) return
    this.scene.setView(this.model.view)
    for (const button of this.views.children) {
      button.setAttribute("aria-pressed", String(button.value === this.model.view))
      const side = { left: "L", right: "R" }[button.value.split(" ")[1]]
      button.hidden = side !== undefined && !this.parts[side]
    }
  }

  showPicked() {
    if (this.bare) return
    const { picked } = this.model
    this.scene.setMarker(picked)
    this.showReadout()
  }

  followTheme() {
    const { theme } = this.model
    const text = getComputedStyle(this.root).color.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0]
    const dark = theme === "dark" || (theme === "auto" && text[0] + text[1] + text[2] > 384)
    this.root.classList.toggle("dark", dark)
    this.drawBar()
  }

  // ---- the colour bar and the picture -------------------------------------------------

  drawBar() {
    const ratio = window.devicePixelRatio || 1
    const { clientWidth: width, clientHeight: height } = this.bar
    if (!width || !this.map) return
    Object.assign(this.bar, { width: width * ratio, height: height * ratio })
    const pen = this.bar.getContext("2d")
    pen.scale(ratio, ratio)
    this.modules.paint.paintBar(pen, this.barContents, this.ink, 0, 0, width, height)
    const { lower, upper } = this.scale
    this.bar.setAttribute("aria-label",
      `Colour bar of ${this.map.name || "the map"}: coloured from ${this.withUnits(lower)}, scale ends at ${this.withUnits(upper)}`)
  }

  get barContents() {
    const { units, step } = this.map
    return { ...this.scale, colours: this.colours, units, step }
  }

  get ink() {
    const style = getComputedStyle(this.root)
    return { text: style.getPropertyValue("--text"), line: style.getPropertyValue("--line"), family: style.fontFamily }
  }

  savePicture() {
    const { panes } = this.root.dataset
    const density = Math.max(3000 / this.scenes.clientWidth, window.devicePixelRatio || 1)
    const pictures = []
    if (panes !== "volume") pictures.push(this.scene.snapshot(density))
    if (panes !== "surface") pictures.push(this.slicesPane.scene.snapshot(density))
    this.modules.paint.paintPicture(pictures, density, {
      name: this.map?.name ?? "", rois: this.rois, bar: this.map && this.barContents, ink: this.ink,
      background: this.root.classList.contains("dark") ? "#171c24" : "#ffffff", headed: panes === "volume",
    }).toBlob((blob) => {
      const url = URL.createObjectURL(blob)
      const seen = panes === "volume" ? "slices" : this.model.view
      const name = [this.map?.name || "brain", seen].join(" ").replace(/[^\w-]+/g, "_")
      this.modules.layout.element("a", { href: url, download: `${name}.png` }).click()
      setTimeout(() => URL.revokeObjectURL(url), 10000)
    })
  }

  remove() {
    this.removed = true
    linked.delete(this)
    this.shapeControl.remove()
    this.slicesPane.remove()
    cancelAnimationFrame(this.hovering)
    this.observer?.disconnect()
    this.scene?.dispose()
    this.scene = null
  }
}
