// Thousands of small pictures: only those in sight are drawn, and asked for when first seen.

const STYLE = `
.grid { --accent: var(--mui-palette-primary-main, #3f51b5); --muted: color-mix(in srgb, currentColor 70%, transparent);
  position: relative; height: 420px; overflow-y: auto; overflow-x: hidden; font-size: 12px; color: inherit; border-radius: 8px;
  background: color-mix(in srgb, currentColor 5%, transparent); outline-offset: 2px; }
.grid:focus-visible { outline: 2px solid var(--accent); }
.all { position: relative; }
.tile { position: absolute; box-sizing: border-box; padding: 0; margin: 0; border: 0; border-radius: 6px; background: #787d85; overflow: hidden; cursor: pointer; }
.tile img { width: 100%; height: 100%; object-fit: cover; display: block; }
.tile .words { position: absolute; inset: 0; padding: 5px 6px; color: #fff; background: #4b5058; font-size: 10.5px; line-height: 1.25; overflow: hidden; overflow-wrap: anywhere; text-align: left; }
.tile[aria-selected=true] { outline: 3px solid var(--accent); outline-offset: -3px; box-shadow: inset 0 0 0 5px #fff; }
.tile[aria-selected=true]::after { content: ""; position: absolute; inset: 0; border: 3px solid var(--accent); border-radius: 6px; }
.tile.marked::before { content: "✓"; position: absolute; right: 3px; top: 3px; width: 16px; height: 16px; border-radius: 50%; background: var(--accent); color: var(--mui-palette-primary-contrastText, #fff); font-size: 11px; line-height: 16px; text-align: center; z-index: 1; }
.none { padding: 16px; color: var(--muted); }`

const SIDE = 84, GAP = 4, BEYOND = 2 // pixels, pixels, rows drawn above and below what is in sight

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  Object.assign(made, attributes)
  made.append(...children)
  return made
}

class ThumbnailGrid {
  constructor(model) {
    this.model = model
    this.pictures = new Map() // by place
    this.asked = new Set()
    this.all = element("div", { className: "all" })
    this.box = element("div", { className: "grid", tabIndex: 0 }, this.all)
    this.box.setAttribute("role", "listbox")
    this.box.setAttribute("aria-label", model.name_of_grid)
    this.root = element("div", {}, element("style", { textContent: STYLE }), this.box)
    this.box.addEventListener("scroll", () => requestAnimationFrame(() => this.draw()), { passive: true })
    this.box.addEventListener("click", (event) => this.clicked(event))
    this.box.addEventListener("keydown", (event) => this.keyPressed(event))
    model.on("view", () => this.show())
    model.on("msg:custom", (message) => this.received(message))
    this.watcher = new ResizeObserver(() => this.draw())
    this.watcher.observe(this.box)
    model.on("remove", () => this.watcher.disconnect())
    this.show()
  }

  get view() {
    return this.model.view
  }

  show() {
    if (this.view.list !== this.list) { // other trials
      this.list = this.view.list
      this.pictures.clear()
      this.asked.clear()
      this.box.scrollTop = 0
    }
    this.marked = new Set(this.view.marked ?? [])
    if (this.view.chosen !== this.chosen) {
      this.chosen = this.view.chosen
      this.turnTo = this.chosen
    }
    this.draw()
  }

  draw() {
    const width = this.box.clientWidth
    const { total = 0 } = this.view
    if (!width) return
    const columns = Math.max(1, Math.floor((width + GAP) / (SIDE + GAP)))
    const side = (width - GAP * (columns + 1)) / columns
    const step = side + GAP
    this.columns = columns
    this.all.style.height = `${Math.ceil(total / columns) * step + GAP}px`
    if (this.turnTo >= 0) this.bringInSight(Math.floor(this.turnTo / columns) * step, step)
    this.turnTo = -1
    const first = Math.max(0, Math.floor(this.box.scrollTop / step) - BEYOND) * columns
    const last = Math.min(total, (Math.ceil((this.box.scrollTop + this.box.clientHeight) / step) + BEYOND) * columns)
    const tiles = []
    for (let place = first; place < last; place++) {
      const tile = this.tile(place)
      Object.assign(tile.style, { width: `${side}px`, height: `${side}px`,
        left: `${GAP + (place % columns) * step}px`, top: `${GAP + Math.floor(place / columns) * step}px` })
      tiles.push(tile)
    }
    this.all.replaceChildren(...(total ? tiles : [element("div", { className: "none" }, "No trial passes these filters")]))
    this.box.setAttribute("aria-activedescendant", this.chosen >= first && this.chosen < last ? `tile-${this.chosen}` : "")
    this.ask(first, last)
  }

  bringInSight(top, step) {
    const { scrollTop, clientHeight } = this.box
    if (top < scrollTop || top + step > scrollTop + clientHeight) this.box.scrollTop = top - (clientHeight - step) / 2
  }

  tile(place) {
    const known = this.pictures.get(place)
    const tile = element("div", { className: this.marked.has(place) ? "tile marked" : "tile", id: `tile-${place}` })
    tile.dataset.place = place
    tile.setAttribute("role", "option")
    tile.setAttribute("aria-selected", String(place === this.chosen))
    if (!known) return tile
    tile.title = known.title
    tile.setAttribute("aria-label", known.title)
    if (known.picture) tile.append(element("img", { src: known.picture, alt: "", draggable: false }))
    else tile.append(element("div", { className: "words", dir: "auto", textContent: known.words }))
    return tile
  }

  ask(first, last) {
    const missing = []
    for (let place = first; place < last; place++) if (!this.asked.has(place)) missing.push(place)
    if (!missing.length) return
    clearTimeout(this.asking)
    this.asking = setTimeout(() => {
      missing.forEach((place) => this.asked.add(place))
      this.model.send_msg({ list: this.list, places: missing })
    }, 60) // while the page flies past, nothing is asked
  }

  received({ list, tiles }) {
    if (list !== this.list) return
    for (const tile of tiles) this.pictures.set(tile.place, tile)
    this.draw()
  }

  clicked(event) {
    const place = event.target.closest(".tile")?.dataset.place
    if (place === undefined) return
    this.model.send_msg(event.ctrlKey || event.metaKey || event.shiftKey ? { mark: Number(place) } : { chosen: Number(place) })
  }

  keyPressed(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }
    if (event.key in steps) {
      const place = Math.max(0, this.chosen) + (this.chosen < 0 ? 0 : steps[event.key])
      if (place >= 0 && place < this.view.total) this.model.send_msg({ chosen: place })
    } else if (event.key === " " && this.chosen >= 0) this.model.send_msg({ mark: this.chosen })
    else return
    event.preventDefault()
    event.stopPropagation()
  }
}

export function render({ model }) {
  return new ThumbnailGrid(model).root
}
