// Pointer, wheel and keys on a canvas as gestures: turn, zoom, hover, pick.

/** Call `zoom(factor)` on the wheel and on the keys + and -. */
export function listenToZoom(canvas, zoom) {
  canvas.addEventListener("keydown", (event) => {
    const factor = { "+": 1.2, "=": 1.2, "-": 1 / 1.2 }[event.key]
    if (!factor) return
    event.preventDefault()
    zoom(factor)
  })
  canvas.addEventListener("wheel", (event) => {
    // The page keeps scrolling until the canvas has the focus.
    if (!event.ctrlKey && canvas.getRootNode().activeElement !== canvas) return
    event.preventDefault()
    zoom(Math.exp(-event.deltaY * 0.0015))
  }, { passive: false })
}

/**
 * Call `act.turn(azimuth, elevation)` in degrees, `act.zoom(factor)`, `act.hover(x, y)` (without
 * numbers on leaving) and `act.pick(x, y)`.
 */
export function listenToGestures(canvas, act) {
  const held = new Map()
  let moved = 0, spread = 0
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return
    canvas.setPointerCapture(event.pointerId)
    held.set(event.pointerId, [event.offsetX, event.offsetY])
    if (held.size === 1) moved = 0
    spread = 0
  })
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId)
    if (!before) return act.hover(event.offsetX, event.offsetY)
    const dx = event.offsetX - before[0], dy = event.offsetY - before[1]
    held.set(event.pointerId, [event.offsetX, event.offsetY])
    moved += Math.abs(dx) + Math.abs(dy)
    if (held.size === 2) {
      const [p, q] = [...held.values()]
      const apart = Math.hypot(p[0] - q[0], p[1] - q[1])
      if (spread) act.zoom(apart / spread)
      spread = apart
    } else if (moved > 3) {
      canvas.classList.add("turning")
      act.turn(dx * 0.45, dy * 0.45)
    }
  })
  const release = (event) => {
    if (!held.delete(event.pointerId)) return
    canvas.classList.remove("turning")
    if (event.type === "pointerup" && moved <= 3) act.pick(event.offsetX, event.offsetY)
  }
  canvas.addEventListener("pointerup", release)
  canvas.addEventListener("pointercancel", release)
  canvas.addEventListener("pointerleave", () => act.hover())
  canvas.addEventListener("keydown", (event) => {
    const turn = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, 5], ArrowDown: [0, -5] }[event.key]
    if (!turn) return
    event.preventDefault()
    act.turn(...turn)
  })
  listenToZoom(canvas, act.zoom)
}
