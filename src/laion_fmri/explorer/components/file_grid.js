// A long table of which only the rows near what is seen exist; the server gives them in blocks.

const BLOCK = 100
const SPARE = 8 // rows kept above and below what is seen
const STEP = 4 // rows that come and go together
const AHEAD = 60 // rows asked for before they come into sight
const STYLE = `
.grid { --line: color-mix(in srgb, currentColor 16%, transparent); --muted: color-mix(in srgb, currentColor 68%, transparent);
  --accent: var(--mui-palette-primary-main, #3f51b5); --paper: var(--mui-palette-background-paper, #fff);
  font-size: 13px; line-height: 1.3; color: inherit; overflow: auto; height: 100%; border: 1px solid var(--line);
  border-radius: 8px; container-type: inline-size; box-sizing: border-box; overscroll-behavior: contain; }
table { width: 100%; border-collapse: separate; border-spacing: 0; table-layout: fixed; }
th, td { padding: 0 8px; text-align: left; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; box-sizing: border-box; }
th { position: sticky; top: 0; z-index: 1; height: 34px; background: var(--paper); border-bottom: 1px solid var(--line); }
td { border-bottom: 1px solid color-mix(in srgb, currentColor 7%, transparent); }
th button { all: unset; box-sizing: border-box; width: 100%; cursor: pointer; font-weight: 600; font-size: 11.5px; color: var(--muted);
  overflow: hidden; text-overflow: ellipsis; }
th button:hover { color: inherit; }
th[aria-sort] button { color: var(--accent); }
.number, .number button { text-align: right; font-variant-numeric: tabular-nums; }
.check { width: 38px; padding: 0 0 0 11px; text-overflow: clip; }
input { accent-color: var(--accent); width: 15px; height: 15px; margin: 0; vertical-align: middle; cursor: pointer; }
input:disabled { cursor: default; opacity: .35; }
tbody tr.row { cursor: pointer; }
tbody tr.row:hover { background: color-mix(in srgb, currentColor 5%, transparent); }
tbody tr[aria-selected=true] { background: color-mix(in srgb, var(--accent) 11%, transparent); }
tbody tr[aria-selected=true]:hover { background: color-mix(in srgb, var(--accent) 17%, transparent); }
tbody tr.opened { box-shadow: inset 3px 0 var(--accent); }
tr:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
button:focus-visible, input:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.file div { overflow: hidden; text-overflow: ellipsis; direction: rtl; } /* the end of a name tells files apart */
.file .folder { font-size: 11.5px; color: var(--muted); margin-top: 1px; }
.mark { display: inline-block; width: 10px; height: 10px; border-radius: 50%; box-sizing: border-box; margin-right: 6px;
  border: 1.5px solid var(--accent); vertical-align: -1px; }
.mark.here { background: var(--accent); }
.mark.partly { background: linear-gradient(90deg, var(--accent) 50%, transparent 50%); }
.mark.held { border: 1.5px dashed var(--muted); opacity: .7; }
.row.held { color: var(--muted); }
.wait td { color: var(--muted); }
.gap td { padding: 0; border: 0; }
.empty td { padding: 20px 12px; color: var(--muted); border: 0; white-space: normal; }
@container (max-width: 1040px) { .rank3 { display: none; } }
@container (max-width: 860px) { .rank2 { display: none; } }
@container (max-width: 620px) { .rank1 { display: none; } }`

const MARKS = { "here": "here", "partly here": "partly", "outdated": "partly", "not here": "missing" }

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made) made[name] = value
    else made.setAttribute(name, value)
  }
  made.append(...children)
  return made
}

class FileGrid {
  constructor(model) {
    this.model = model
    this.blocks = new Map() // number of a block to its rows
    this.asked = new Set()
    this.made = new Map() // place to its row on the page, and the values in it
    this.active = 0 // the row the keyboard is at
    this.anchor = 0 // where a range begins
    this.drawn = ""
    this.columns = model.columns
    this.head = element("thead")
    this.above = element("tr", { className: "gap", "aria-hidden": "true" }, element("td"))
    this.below = this.above.cloneNode(true)
    this.none = element("tr", { className: "empty" }, element("td", { colSpan: 2, textContent: "No file matches" }))
    this.body = element("tbody", {}, this.above, this.below)
    const widths = this.columns.map(({ width, rank }) => {
      const column = element("col", { className: `rank${rank}` })
      column.style.width = width ? `${width}px` : ""
      return column
    })
    const first = element("col")
    first.style.width = "38px"
    this.table = element("table", { role: "grid", "aria-label": model.label_of_grid, "aria-multiselectable": "true" },
      element("colgroup", {}, first, ...widths), this.head, this.body)
    this.root = element("div", { className: "grid" }, element("style", { textContent: STYLE }), this.table)
    this.root.addEventListener("scroll", () => this.drawSoon(), { passive: true })
    this.body.addEventListener("click", (event) => this.clicked(event))
    this.body.addEventListener("keydown", (event) => this.keyPressed(event))
    this.seen = new ResizeObserver(() => this.drawSoon())
    this.seen.observe(this.root)
    model.on("view", () => this.changed())
    model.on("msg:custom", (message) => this.received(message))
    model.on("remove", () => this.seen.disconnect())
    this.changed()
  }

  send(message) { this.model.send_msg({ ...message, version: this.model.view.version }) }

  get total() { return this.model.view.total }
  get height() { return this.model.row_height }

  changed() {
    const { stay } = this.model.view
    this.old = stay ? this.blocks : new Map() // the same rows stay in sight until the new ones come
    this.blocks = new Map()
    this.asked.clear()
    if (!stay) {
      this.active = this.anchor = 0
      this.root.scrollTop = 0
    }
    this.made.clear()
    this.drawHead()
    this.drawn = ""
    this.draw()
  }

  received({ version, first, rows }) {
    if (version !== this.model.view.version) return
    this.blocks.set(first / BLOCK, rows)
    this.drawn = ""
    this.drawSoon()
  }

  drawHead() {
    const { sort, descending, all } = this.model.view
    const focused = this.root.getRootNode().activeElement?.dataset?.column
    const every = element("input", { type: "checkbox", checked: all === "all", indeterminate: all === "some",
      disabled: !this.total, title: "Choose all that match", "aria-label": "Choose all that match" })
    every.dataset.column = ""
    every.addEventListener("change", () => this.send({ choose_all: every.checked }))
    const cells = this.columns.map(({ name, title, kind, rank }) => {
      const isSorted = sort === name
      const button = element("button", { type: "button", title: `Sort by ${title.toLowerCase()}` },
        isSorted ? `${title} ${descending ? "↓" : "↑"}` : title)
      button.dataset.column = name
      button.addEventListener("click", () => this.send({ sort: name }))
      const cell = element("th", { scope: "col", className: `${kind} rank${rank}` }, button)
      if (isSorted) cell.setAttribute("aria-sort", descending ? "descending" : "ascending")
      return cell
    })
    this.head.replaceChildren(element("tr", { "aria-rowindex": "1" },
      element("th", { scope: "col", className: "check" }, every), ...cells))
    if (focused !== undefined) this.head.querySelector(`[data-column="${focused}"]`)?.focus({ preventScroll: true })
  }

  drawSoon() {
    if (this.waiting) return
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0
      this.draw()
    })
  }

  draw() {
    const seen = this.root.clientHeight || 400
    const top = Math.floor(this.root.scrollTop / this.height / STEP) * STEP
    const first = Math.max(0, top - SPARE)
    const last = Math.min(this.total, top + Math.ceil(seen / this.height) + STEP + SPARE)
    this.ask(Math.max(0, first - AHEAD), Math.min(this.total, last + AHEAD))
    const now = `${first}-${last}`
    if (now === this.drawn) return
    this.drawn = now
    const hadFocus = this.body.contains(this.root.getRootNode().activeElement)
    const made = new Map()
    for (let place = first; place < last; place++) {
      const values = this.values(place)
      const before = this.made.get(place)
      made.set(place, before && before.values === values ? before : { values, row: this.row(place, values) })
    }
    this.put([...made.values()].map(({ row }) => row))
    this.made = made
    this.above.firstChild.style.height = `${first * this.height}px`
    this.below.firstChild.style.height = `${(this.total - last) * this.height}px`
    this.table.setAttribute("aria-rowcount", String(this.total + 1))
    const active = made.get(this.active)?.row
    const stop = active ?? made.get(Math.min(top, last - 1))?.row
    for (const { row } of made.values()) row.tabIndex = row === stop ? 0 : -1
    if (hadFocus && active) active.focus({ preventScroll: true })
  }

  /** Make these the rows on the page; those that are there stay where they are. */
  put(rows) {
    const staying = new Set(rows)
    for (const row of [...this.body.children]) {
      if (!staying.has(row) && row !== this.above && row !== this.below) row.remove()
    }
    let next = this.below
    for (const row of rows.length ? [...rows].reverse() : [this.none]) {
      if (row.nextSibling !== next) this.body.insertBefore(row, next)
      next = row
    }
  }

  ask(first, last) {
    for (let block = Math.floor(first / BLOCK); block * BLOCK < last; block++) {
      if (this.blocks.has(block) || this.asked.has(block)) continue
      this.asked.add(block)
      this.send({ rows: [block * BLOCK, BLOCK] })
    }
  }

  values(place) {
    const block = Math.floor(place / BLOCK)
    return (this.blocks.get(block) ?? this.old.get(block))?.[place % BLOCK]
  }

  row(place, values) {
    const row = element("tr", { className: values ? "row" : "wait", tabIndex: -1, "aria-rowindex": String(place + 2) })
    row.dataset.place = place
    row.style.height = `${this.height}px`
    if (!values) {
      row.append(element("td"), element("td", { textContent: "…" }))
      return row
    }
    const [isChosen, canBeChosen, ...cells] = values
    const box = element("input", { type: "checkbox", checked: isChosen, disabled: !canBeChosen, tabIndex: -1 })
    box.setAttribute("aria-label", `Choose ${cells[0].split("/").pop()}`)
    row.append(element("td", { className: "check" }, box))
    cells.forEach((text, i) => row.append(this.cell(text, this.columns[i])))
    row.setAttribute("aria-selected", String(isChosen))
    if (!canBeChosen) row.classList.add("held")
    if (place === this.model.view.opened) row.classList.add("opened")
    return row
  }

  cell(text, { kind, rank }) {
    const cell = element("td", { className: `${kind} rank${rank}`, title: text })
    if (kind === "status") cell.append(element("i", { className: `mark ${MARKS[text] ?? "held"}` }))
    if (kind !== "file") {
      cell.append(element("bdi", { textContent: text }))
      return cell
    }
    const cut = text.lastIndexOf("/")
    cell.append(
      element("div", {}, element("bdi", { textContent: text.slice(cut + 1) })),
      element("div", { className: "folder" }, element("bdi", { textContent: text.slice(0, Math.max(cut, 0)) })),
    )
    return cell
  }

  rowElement(place) { return this.body.querySelector(`tr[data-place="${place}"]`) }

  clicked(event) {
    const row = event.target.closest("tr[data-place]")
    if (!row || !this.values(Number(row.dataset.place))) return
    const place = Number(row.dataset.place)
    this.active = place
    if (event.target.closest("input")) this.choose(place, event.target.checked, event.shiftKey)
    else if (!event.target.closest(".check")) this.send({ open: place })
    row.focus({ preventScroll: true })
  }

  choose(place, chosen, isRange) {
    const from = isRange ? this.anchor : place
    this.anchor = place
    this.send({ choose: [from, place], chosen })
  }

  keyPressed(event) {
    const row = event.target.closest("tr[data-place]")
    if (!row) return
    const place = Number(row.dataset.place)
    const page = Math.max(1, Math.floor(this.root.clientHeight / this.height) - 2)
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.total, End: this.total }
    if (event.key === "Enter") this.send({ open: place })
    else if (event.key === " ") {
      const values = this.values(place)
      if (values?.[1]) this.choose(place, !values[0], event.shiftKey)
    } else if (event.key in steps) this.go(place + steps[event.key])
    else return
    event.preventDefault()
  }

  go(place) {
    this.active = Math.min(Math.max(place, 0), this.total - 1)
    const headHeight = this.head.offsetHeight
    const top = this.active * this.height
    const shown = this.root.clientHeight - headHeight - this.height
    if (top < this.root.scrollTop) this.root.scrollTop = top
    else if (top > this.root.scrollTop + shown) this.root.scrollTop = top - shown
    this.drawn = ""
    this.draw()
    this.rowElement(this.active)?.focus({ preventScroll: true })
  }
}

export function render({ model }) {
  return new FileGrid(model).root
}
