// Text over text, beyond the window or squeezed, and controls under something else.
async () => {
  const LEAST = 3 // pixels: anti-aliasing and borders may share these
  const NARROW = 45, LINES = 4 // a word that takes more lines than that, in so few pixels
  const faults = new Set()
  const up = (node) => node.assignedSlot ?? node.parentElement ?? node.getRootNode().host
  const upwards = function* (node) { for (let at = node; at; at = up(at)) yield at }
  const nextFrame = () => new Promise((next) => requestAnimationFrame(() => next()))
  const everything = () => {
    const found = []
    const walk = (root) => {
      for (const node of root.querySelectorAll("*")) {
        found.push(node)
        if (node.shadowRoot) walk(node.shadowRoot)
      }
    }
    walk(document)
    return found
  }
  // Plots and pictures take the room of a window a few frames after it has changed.
  const size = () => everything().reduce((sum, { scrollWidth, scrollHeight }) => sum + scrollWidth + 7 * scrollHeight, 0)
  for (let last = NaN, calm = 0; calm < 6; await nextFrame()) {
    const now = size()
    calm = now === last ? calm + 1 : 0
    last = now
  }
  const seen = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true })
  const all = everything()
  const scrollers = all.filter((node) => node.scrollHeight > node.clientHeight + 1
    && /auto|scroll/.test(getComputedStyle(node).overflowY) && node.clientHeight > innerHeight / 2)
  for (const node of scrollers) node.scrollTop = node.scrollHeight
  await nextFrame(); await nextFrame()

  const wide = document.documentElement.clientWidth
  // What a box that scrolls or hides leaves of a rectangle, and whether that is all right: it
  // scrolls sideways, or ends what is too long with an ellipsis.
  const leftOf = (node, { left, top, right, bottom }) => {
    let scrolls = false, shortens = false
    for (const at of upwards(node)) {
      if (at === document.body) break
      const { overflowX, overflowY } = getComputedStyle(at)
      if (overflowX === "visible" && overflowY === "visible") continue
      const box = at.getBoundingClientRect()
      if (/auto|scroll/.test(overflowX) && box.right <= wide + LEAST && at.scrollWidth > at.clientWidth
        && !scrollers.includes(at)) scrolls = true
      if (getComputedStyle(at).textOverflow === "ellipsis") shortens = true
      left = Math.max(left, box.left); right = Math.min(right, box.right)
      top = Math.max(top, box.top); bottom = Math.min(bottom, box.bottom)
    }
    return { left, top, right, bottom, isMeant: scrolls || shortens }
  }
  const floats = (node) => [...upwards(node)].some((at) =>
    ["fixed", "sticky"].includes(getComputedStyle(at).position))
  const inside = (outer, inner) => [...upwards(inner)].includes(outer)

  const lines = []
  for (const node of all) {
    if (["STYLE", "SCRIPT", "NOSCRIPT", "OPTION", "TITLE"].includes(node.tagName)) continue
    for (const child of node.childNodes) {
      if (child.nodeType !== 3 || child.data.trim().length < 2 || !seen(node)) continue
      const range = document.createRange()
      range.selectNodeContents(child)
      const boxes = [...range.getClientRects()].filter(({ width, height }) => width > LEAST && height > LEAST)
      const text = child.data.trim().slice(0, 40)
      for (const box of boxes) {
        const left = leftOf(node, box)
        if ((box.right > wide + LEAST || box.left < -LEAST) && !left.isMeant)
          faults.add(`beyond the window: ${text} (${Math.round(box.left)} to ${Math.round(box.right)} of ${wide})`)
        if (left.right - left.left < LEAST || left.bottom - left.top < LEAST) continue
        const widest = Math.max(...boxes.map(({ width }) => width))
        if (boxes.length > LINES && widest < NARROW) faults.add(`squeezed: ${text} (${Math.round(widest)} pixels)`)
        lines.push({ node, text, floats: floats(node), ...left })
      }
    }
  }
  lines.sort((a, b) => a.top - b.top)
  lines.forEach((one, i) => {
    for (let j = i + 1; j < lines.length && lines[j].top < one.bottom; j++) {
      const other = lines[j]
      const width = Math.min(one.right, other.right) - Math.max(one.left, other.left)
      const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top)
      if (width < LEAST || height < LEAST || one.floats !== other.floats) continue
      if (inside(one.node, other.node) || inside(other.node, one.node)) continue
      faults.add(`over each other: ${one.text} and ${other.text}`)
    }
  })

  // A control is reached where it, or what is in it, is what lies on top in its middle.
  const top = (x, y) => {
    let found = document.elementFromPoint(x, y)
    while (found?.shadowRoot?.elementFromPoint(x, y) && found.shadowRoot.elementFromPoint(x, y) !== found)
      found = found.shadowRoot.elementFromPoint(x, y)
    return found
  }
  for (const node of all) {
    if (!node.matches("button, input, select, textarea, a[href], [role=button], [role=combobox]")) continue
    if (!seen(node) || node.disabled || node.getAttribute("aria-disabled") === "true") continue
    const box = node.getBoundingClientRect()
    if (box.width < LEAST || box.height < LEAST) continue
    node.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" })
    const { left, right, top: above, bottom } = node.getBoundingClientRect()
    const hit = top((left + right) / 2, (above + bottom) / 2)
    const owner = node.closest("label, .MuiFormControl-root, .MuiInputBase-root") ?? node
    if (hit && (inside(owner, hit) || inside(hit, node))) continue
    const name = node.getAttribute("aria-label") || node.textContent.trim() || node.outerHTML.slice(0, 80)
    faults.add(`out of reach: ${name.slice(0, 60)} (under ${hit?.outerHTML.slice(0, 60) ?? "the edge"})`)
  }
  for (const node of scrollers) node.scrollTop = 0
  return [...faults]
}
