// Images in rows. A gallery shows all tiles as buttons; a list requests only the visible ones.

const STYLE = `
.grid { --accent: var(--mui-palette-primary-main, #3f51b5); --muted: color-mix(in srgb, currentColor 70%, transparent);
  font-size: 11.5px; line-height: 1.3; color: inherit; width: 100%; }
.all { display: grid; gap: 8px; grid-template-columns: repeat(auto-fill, minmax(86px, 1fr)); align-content: start; box-sizing: border-box; }
.all > div { min-width: 0; }
.tile { position: relative; min-width: 0; width: 100%; padding: 0; border: 0; background: none; color: inherit; font: inherit; text-align: start; cursor: pointer; border-radius: 7px; }
.tile:disabled { cursor: default; }
.face { display: block; position: relative; aspect-ratio: 1; width: 100%; border-radius: 7px; overflow: hidden; background: #787d85; color: #fff; }
.face img { width: 100%; height: 100%; object-fit: cover; display: block; }
.words { position: absolute; inset: 0; padding: 5px 6px; background: #4b5058; font-size: 10.5px; line-height: 1.25; overflow: hidden; overflow-wrap: anywhere; }
.tile:enabled:hover .face { outline: 2px solid var(--accent); }
.tile:focus-visible, .grid:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.number, .under { display: block; margin-top: 3px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.number { font-variant-numeric: tabular-nums; font-weight: 600; }
.under { color: var(--muted); }
.dot { display: inline-block; width: 8px; height: 8px; border-radius: 50%; margin-inline-end: 4px; }
.highlighted .face { box-shadow: 0 0 0 3px var(--mui-palette-success-main, #2e7d32); }
.scrolls { height: 420px; overflow: hidden auto; border-radius: 8px; background: color-mix(in srgb, currentColor 5%, transparent); outline-offset: 2px; }
.scrolls .all { gap: 6px; padding: 6px; }
.tile[aria-selected=true] .face::after { content: ""; position: absolute; inset: 0; border: 3px solid var(--accent); box-shadow: inset 0 0 0 2px #fff; border-radius: 6px; }
.marked .face::before { content: "✓"; position: absolute; right: 3px; top: 3px; width: 16px; height: 16px; border-radius: 50%; background: var(--accent); color: var(--mui-palette-primary-contrastText, #fff); font-size: 11px; line-height: 16px; text-align: center; z-index: 1; }
.none { grid-column: 1 / -1; padding: 16px; text-align: center; color: var(--muted); font-size: 12px; }`

const SIDE = 86, GAP = 6 // pixels: minimum width of a tile in a list, and the space between tiles
const BEYOND = 2 // rows drawn above and below the visible ones
const PAUSE = 60 // ms: tiles that scroll past are not requested

function element(tag, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(tag), attributes)
  made.append(...children)
  return made
}

function contents({ picture = "", words = "", number = "", under = "", dot = "" }) {
  const face = element("span", { className: "face" })
  if (picture) face.append(element("img", { src: picture, alt: "", draggable: false }))
  else if (words) face.append(element("span", { className: "words", dir: "auto", textContent: words }))
  const below = element("span", { className: "under", textContent: under })
  if (dot) below.prepend(Object.assign(element("i", { className: "dot" }), { style: `background: ${dot}` }))
  return [face, ...(number ? [element("span", { className: "number", textContent: number })] : []), ...(under ? [below] : [])]
}

function spoken(tile) {
  return [tile.title, tile.number, tile.under].filter(Boolean).join(", ")
}

function gallery(model) {
  const all = element("div", { className: "all" })
  all.setAttribute("role", "list")
  all.setAttribute("aria-label", model.label)
  const show = () => all.replaceChildren(...model.items.map((tile) => {
    const button = element("button", { type: "button", className: "tile", title: tile.title, disabled: !tile.enabled }, ...contents(tile))
    button.setAttribute("aria-label", spoken(tile))
    button.addEventListener("click", () => model.send_msg({ chosen: tile.place }))
    const item = element("div", { className: tile.highlighted ? "highlighted" : "" }, button)
    item.setAttribute("role", "listitem")
    return item
  }))
  model.on("items", show)
  show()
  return element("div", { className: "grid" }, all)
}

class ScrollingList {
  constructor(model) {
    this.model = model
    this.tiles = new Map() // by position
    this.asked = new Set()
    this.all = element("div", { className: "all" })
    this.box = element("div", { className: "grid scrolls", tabIndex: 0 }, this.all)
    this.box.setAttribute("role", "listbox")
    this.box.setAttribute("aria-label", model.label)
    this.box.addEventListener("scroll", () => requestAnimationFrame(() => this.draw()), { passive: true })
    this.box.addEventListener("click", (event) => this.clicked(event))
    this.box.addEventListener("keydown", (event) => this.keyPressed(event))
    model.on("view", () => this.show())
    model.on("msg:custom", (message) => this.received(message))
    const watcher = new ResizeObserver(() => this.draw())
    watcher.observe(this.box)
    model.on("remove", () => watcher.disconnect())
    this.show()
  }

  show() {
    const { list, chosen, marked = [] } = this.model.view
    if (list !== this.list) { // other rows
      this.list = list
      this.tiles.clear()
      this.asked.clear()
      this.box.scrollTop = 0
    }
    this.marked = new Set(marked)
    if (chosen !== this.chosen) this.target = this.chosen = chosen
    this.draw()
  }

  draw() {
    const { clientWidth, clientHeight } = this.box
    const { total = 0 } = this.model.view
    if (!clientWidth) return
    const columns = this.columns = Math.max(1, Math.floor((clientWidth - GAP) / (SIDE + GAP)))
    const step = (clientWidth - GAP) / columns // of a row: tiles are square
    this.all.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`
    this.all.style.height = `${Math.ceil(total / columns) * step + GAP}px`
    if (this.target >= 0) {
      const top = Math.floor(this.target / columns) * step
      if (top < this.box.scrollTop || top + step > this.box.scrollTop + clientHeight) this.box.scrollTop = top - (clientHeight - step) / 2
    }
    this.target = -1
    const firstRow = Math.max(0, Math.floor(this.box.scrollTop / step) - BEYOND)
    const first = firstRow * columns
    const last = Math.min(total, (Math.ceil((this.box.scrollTop + clientHeight) / step) + BEYOND) * columns)
    this.all.style.paddingTop = `${GAP + firstRow * step}px`
    const places = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i)
    this.all.replaceChildren(...(total ? places.map((place) => this.option(place))
      : [element("div", { className: "none", textContent: "No trial passes these filters" })]))
    this.box.setAttribute("aria-activedescendant", places.includes(this.chosen) ? `tile-${this.chosen}` : "")
    this.ask(places.filter((place) => !this.asked.has(place)))
  }

  option(place) {
    const tile = this.tiles.get(place) ?? {}
    const option = element("div", { className: this.marked.has(place) ? "tile marked" : "tile", id: `tile-${place}`, title: tile.title ?? "" }, ...contents(tile))
    option.dataset.place = place
    option.setAttribute("role", "option")
    option.setAttribute("aria-selected", String(place === this.chosen))
    if (tile.title) option.setAttribute("aria-label", spoken(tile))
    return option
  }

  ask(places) {
    if (!places.length) return
    clearTimeout(this.asking)
    this.asking = setTimeout(() => {
      places.forEach((place) => this.asked.add(place))
      this.model.send_msg({ list: this.list, places })
    }, PAUSE)
  }

  received({ list, tiles }) {
    if (list !== this.list) return
    for (const tile of tiles) this.tiles.set(tile.place, tile)
    this.draw()
  }

  clicked(event) {
    const place = event.target.closest(".tile")?.dataset.place
    if (place === undefined) return
    const marks = event.ctrlKey || event.metaKey || event.shiftKey
    this.model.send_msg({ [marks ? "mark" : "chosen"]: Number(place) })
  }

  keyPressed(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }
    if (event.key in steps) {
      const place = this.chosen < 0 ? 0 : this.chosen + steps[event.key]
      if (place >= 0 && place < this.model.view.total) this.model.send_msg({ chosen: place })
    } else if (event.key === " " && this.chosen >= 0) this.model.send_msg({ mark: this.chosen })
    else return
    event.preventDefault()
    event.stopPropagation()
  }
}

export function render({ model }) {
  const grid = model.scrolls ? new ScrollingList(model).box : gallery(model)
  return element("div", { style: "width: 100%" }, element("style", { textContent: STYLE }), grid)
}
