// Control of a viewer's camera: the view buttons, turning, zooming, side labels.

const FROM_ABOVE = "dorsal"
const REPORT_DELAY = 250 // milliseconds without a turn, after which Python gets the camera's position

/** The camera of one viewer. */
export class ViewControl {
  constructor(viewer) {
    Object.assign(this, { viewer, model: viewer.model, buttons: viewer.views.children })
    viewer.views.addEventListener("click", ({ target: { value } }) => {
      if (!value) return
      this.choose(value)
      viewer.tellOthers(({ viewControl }) => viewControl.choose(value))
    })
  }

  choose(name) {
    this.model.view = name
    this.model.camera = []
    this.show()
  }

  /** Apply the model's view. */
  show() {
    const { scene, bare } = this.viewer, { view: name, camera } = this.model
    if (bare) return
    this.remove()
    scene.setView(name)
    if (camera.length === 3) scene.turnTo(camera)
    this.press(name)
    this.offer()
  }

  /** Follow the model's camera, unless the user is moving this one: the model then follows it. */
  showCamera() {
    const { scene, bare } = this.viewer, { camera } = this.model
    if (bare || this.timer || String(camera) === String(scene.view.position)) return
    if (camera.length < 3) return this.show()
    scene.turnTo(camera)
    this.press()
  }

  /** Move the camera in this viewer and in linked ones. */
  move(act) {
    const { viewer, viewer: { scene } } = this
    act(scene)
    this.moved()
    viewer.tellOthers((other) => {
      other.scene.turnTo(scene.view.position)
      other.viewControl.moved()
    })
  }

  /** Send the position to Python once the camera is still. */
  moved() {
    this.press()
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      if (this.viewer.canvas.classList.contains("turning")) return this.moved()
      this.timer = null
      this.model.camera = this.viewer.scene.view.position
    }, REPORT_DELAY)
  }

  /** Press the button of the current view. */
  press(name = this.model.view) {
    const { azimuth, elevation } = this.viewer.modules.camera.VIEWS[name], { view } = this.viewer.scene
    const seen = view.azimuth === azimuth && view.elevation === elevation
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(seen && button.value === name))
  }

  /** Offer the available views: a flat cortex is seen from above only. */
  offer() {
    const { isFlat } = this.viewer.shapeControl
    for (const button of this.buttons) {
      const side = { left: "L", right: "R" }[button.value.split(" ")[1]]
      button.hidden = isFlat ? button.value !== FROM_ABOVE : side !== undefined && !this.viewer.parts[side]
    }
    if (isFlat && this.model.view !== FROM_ABOVE) this.choose(FROM_ABOVE)
  }

  /** Label the hemispheres; if one hides the other, only the one in front. */
  labelSides() {
    const { viewer, viewer: { scene: { view: { boxes, insets } } } } = this
    const half = 26, width = viewer.canvas.clientWidth
    this.labels = []
    for (const { side, left, right, top } of boxes) {
      const x = Math.min(Math.max((left + right) / 2, half), width - half)
      if (this.labels.some((other) => Math.abs(other.x - x) < 2 * half)) continue
      this.labels.push({ text: side === "L" ? "Left" : "Right", x, y: Math.max(top - 20, insets.top - 22) })
    }
    viewer.sides.replaceChildren(...viewer.modules.layout.placed(this.labels))
  }

  remove() {
    clearTimeout(this.timer)
    this.timer = null
  }
}
