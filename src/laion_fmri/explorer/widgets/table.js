// A table that contains only the rows near the visible ones; the server sends them in blocks.

const BLOCK = 100 // as in table.py
const SPARE = 8 // rows drawn above and below the visible ones
const STEP = 4 // rows drawn and removed together
const PRELOAD = 60 // rows requested before they become visible
const STYLE = `
.grid { --line: color-mix(in srgb, currentColor 16%, transparent); --muted: color-mix(in srgb, currentColor 68%, transparent);
  --accent: var(--mui-palette-primary-main, #3f51b5); --on-accent: var(--mui-palette-primary-contrastText, #fff);
  --paper: var(--mui-palette-background-paper, #fff); font-size: 13px; line-height: 1.3; color: inherit; overflow: auto;
  height: 100%; border: 1px solid var(--line); border-radius: 8px; container-type: inline-size; box-sizing: border-box;
  overscroll-behavior: contain; }
table { width: 100%; border-collapse: separate; border-spacing: 0; table-layout: fixed; }
th, td { padding: 0 5px; text-align: left; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; box-sizing: border-box; }
th { position: sticky; top: 0; z-index: 1; height: 34px; background: var(--paper); border-bottom: 1px solid var(--line);
  font-weight: 600; font-size: 11.5px; color: var(--muted); }
td { border-bottom: 1px solid color-mix(in srgb, currentColor 7%, transparent); }
:is(th, td):last-child { padding-right: 10px; }
th button { all: unset; box-sizing: border-box; width: 100%; cursor: pointer; overflow: hidden; text-overflow: ellipsis; }
th button:hover { color: inherit; }
th[aria-sort] button { color: var(--accent); }
.number, .number button { text-align: right; font-variant-numeric: tabular-nums; }
.check { width: 38px; padding: 0 0 0 11px; text-overflow: clip; }
input { accent-color: var(--accent); width: 15px; height: 15px; margin: 0; vertical-align: middle; cursor: pointer; }
input:disabled { cursor: default; opacity: .35; }
.open .row { cursor: pointer; }
.open .row:hover { background: color-mix(in srgb, currentColor 5%, transparent); }
.row.checked { background: color-mix(in srgb, var(--accent) 11%, transparent); }
.row.checked:hover { background: color-mix(in srgb, var(--accent) 17%, transparent); }
.row[aria-selected=true] { box-shadow: inset 3px 0 var(--accent); }
.follow .row[aria-selected=true] { background: var(--accent); color: var(--on-accent); }
.follow .row[aria-selected=true] input { accent-color: var(--on-accent); }
tr:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
.follow tr[aria-selected=true]:focus-visible { outline-color: currentColor; }
.grid:focus-visible, button:focus-visible, input:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.file div, .name { direction: rtl; text-align: left; } /* the end of a name tells files apart */
.file div { overflow: hidden; text-overflow: ellipsis; }
.file .folder { font-size: 11.5px; color: var(--muted); margin-top: 1px; }
.mark { display: inline-block; width: 10px; height: 10px; border-radius: 50%; box-sizing: border-box; margin-right: 6px;
  border: 1.5px solid var(--accent); vertical-align: -1px; }
.mark.full { background: var(--accent); }
.mark.half { background: linear-gradient(90deg, var(--accent) 50%, transparent 50%); }
.mark.dashed { border: 1.5px dashed var(--muted); opacity: .7; }
.row.disabled, .wait td { color: var(--muted); }
.gap td { padding: 0; border: 0; }
.empty td { padding: 20px 12px; color: var(--muted); border: 0; white-space: normal; }`

const MARKS = { Downloaded: "full", Incomplete: "half", Outdated: "half", Damaged: "half", "Not downloaded": "empty" }

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made) made[name] = value
    else made.setAttribute(name, value)
  }
  made.append(...children)
  return made
}

class Table {
  constructor(model) {
    this.model = model
    this.columns = model.columns
    this.options = model.options
    this.height = this.options.row_height
    this.blocks = new Map() // number of a block to its rows
    this.drawn = new Map() // position to its row in the page, and the values in it
    this.active = 0 // the row with keyboard focus
    this.anchor = 0 // start of a range
    const { label, open, check, follow, empty } = this.options
    const widths = this.columns.map(({ width }) => (width ? `${width}px` : ""))
    const columns = (check ? ["38px", ...widths] : widths).map((width, i) => {
      const column = element("col", { className: this.columnClass(check ? i - 1 : i) })
      column.style.width = width
      return column
    })
    this.head = element("thead")
    this.above = element("tr", { className: "gap", "aria-hidden": "true" }, element("td"))
    this.below = this.above.cloneNode(true)
    this.none = element("tr", { className: "empty" }, element("td", { colSpan: columns.length, textContent: empty }))
    this.body = element("tbody", {}, this.above, this.below)
    this.table = element("table", { role: open ? "grid" : "table", "aria-label": label },
      element("colgroup", {}, ...columns), this.head, this.body)
    const hidden = this.columns.map(({ hidden_below }, i) =>
      hidden_below ? `@container (max-width: ${hidden_below}px) { .column${i} { display: none; } }` : "")
    this.root = element("div", { className: `grid ${open ? "open" : ""} ${follow ? "follow" : ""}` },
      element("style", { textContent: STYLE + hidden.join("\n") }), this.table)
    if (!open) this.root.tabIndex = 0 // makes the table scrollable with the keyboard
    this.root.addEventListener("scroll", () => this.drawSoon(), { passive: true })
    this.body.addEventListener("click", (event) => this.clicked(event))
    this.body.addEventListener("keydown", (event) => this.keyPressed(event))
    const resized = new ResizeObserver(() => this.drawSoon())
    resized.observe(this.root)
    model.on("view", () => this.viewChanged())
    model.on("current", () => this.currentChanged())
    model.on("msg:custom", (message) => this.received(message))
    model.on("remove", () => resized.disconnect())
    this.viewChanged()
    this.currentChanged()
  }

  send(message) { this.model.send_msg({ ...message, version: this.model.view.version }) }

  get total() { return this.model.view.total }
  get headHeight() { return this.head.offsetHeight }

  columnClass(i) { return i < 0 ? "" : `column${i}` }

  viewChanged() {
    const { stay, first, rows } = this.model.view
    this.old = stay ? this.blocks : new Map() // the same rows stay visible until reloaded
    this.blocks = new Map(rows.length ? [[first / BLOCK, rows]] : [])
    this.asked = new Set()
    if (!stay) {
      this.active = this.anchor = 0
      this.scrollTo = 0
      if (this.options.follow) this.currentChanged()
    }
    this.drawn.clear()
    this.drawHead()
    this.drawSoon()
  }

  currentChanged() {
    const { current } = this.model
    if (this.options.follow && current >= 0) this.scrollTo = this.active = current
    this.drawSoon()
  }

  received({ version, first, rows }) {
    if (version !== this.model.view.version) return
    this.blocks.set(first / BLOCK, rows)
    this.drawSoon()
  }

  drawHead() {
    const { sort, descending, all } = this.model.view
    const focused = this.root.getRootNode().activeElement?.dataset?.column
    const cells = this.columns.map(({ name, title, kind }, i) => {
      const isSorted = sort === name
      const cell = element("th", { scope: "col", className: `${kind} ${this.columnClass(i)}`, title })
      if (!this.options.sort) {
        cell.textContent = title
        return cell
      }
      const button = element("button", { type: "button", title: `Sort by ${title.toLowerCase()}` },
        isSorted ? `${title} ${descending ? "↓" : "↑"}` : title)
      button.dataset.column = name
      button.addEventListener("click", () => this.send({ sort: name }))
      cell.append(button)
      if (isSorted) cell.setAttribute("aria-sort", descending ? "descending" : "ascending")
      return cell
    })
    if (this.options.check) cells.unshift(this.checkHead(all))
    this.head.replaceChildren(element("tr", { "aria-rowindex": "1" }, ...cells))
    if (focused !== undefined) this.head.querySelector(`[data-column="${focused}"]`)?.focus({ preventScroll: true })
  }

  checkHead(all) {
    const { check, check_all } = this.options
    const cell = element("th", { scope: "col", className: "check", "aria-label": `${check} rows` })
    if (!check_all) return cell
    const label = `${check} all that match`
    const box = element("input", { type: "checkbox", checked: all === "all", indeterminate: all === "some",
      disabled: !this.total, title: label, "aria-label": label })
    box.dataset.column = ""
    box.addEventListener("change", () => this.send({ check_all: box.checked }))
    cell.append(box)
    return cell
  }

  drawSoon() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null
      this.draw()
    })
  }

  draw() {
    this.table.setAttribute("aria-rowcount", String(this.total + 1))
    // The body must have its full height before the table scrolls to a row.
    if (this.scrollTo !== undefined && this.root.clientHeight) {
      this.below.firstChild.style.height = `${this.total * this.height}px`
      if (this.scrollTo) this.reveal(this.scrollTo)
      else this.root.scrollTop = 0
      this.scrollTo = undefined
    }
    const seen = this.root.clientHeight || 400
    const top = Math.floor(this.root.scrollTop / this.height / STEP) * STEP
    const first = Math.max(0, Math.min(top, this.total) - SPARE)
    const last = Math.min(this.total, top + Math.ceil(seen / this.height) + STEP + SPARE)
    this.ask(Math.max(0, first - PRELOAD), Math.min(this.total, last + PRELOAD))
    const hadFocus = this.body.contains(this.root.getRootNode().activeElement)
    const drawn = new Map()
    for (let place = first; place < last; place++) {
      const values = this.values(place)
      const before = this.drawn.get(place)
      drawn.set(place, before && before.values === values ? before : { values, row: this.row(place, values) })
    }
    this.put([...drawn.values()].map(({ row }) => row))
    this.drawn = drawn
    this.above.firstChild.style.height = `${first * this.height}px`
    this.below.firstChild.style.height = `${(this.total - last) * this.height}px`
    if (!this.options.open) return
    const active = drawn.get(this.active)?.row
    const stop = active ?? drawn.get(Math.min(top, last - 1))?.row
    for (const [place, { row }] of drawn) {
      row.tabIndex = row === stop ? 0 : -1
      row.setAttribute("aria-selected", String(place === this.model.current))
    }
    if (hadFocus && active) active.focus({ preventScroll: true })
  }

  /** Draw these rows in the page; existing ones stay in place. */
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
    const row = element("tr", { className: values ? "row" : "wait", "aria-rowindex": String(place + 2) })
    row.dataset.place = place
    row.style.height = `${this.height}px`
    const { check } = this.options
    if (!values) {
      row.append(element("td", { textContent: "…", colSpan: this.columns.length + (check ? 1 : 0) }))
      return row
    }
    const [isChecked, canCheck, ...cells] = values
    if (check) {
      const box = element("input", { type: "checkbox", checked: isChecked, disabled: !canCheck, tabIndex: -1,
        "aria-label": `${check} ${cells[0].split("/").pop()}` })
      row.append(element("td", { className: "check" }, box))
      row.classList.toggle("checked", isChecked)
      row.classList.toggle("disabled", !canCheck)
    }
    row.append(...cells.map((text, i) => this.cell(text, this.columns[i].kind, this.columnClass(i))))
    return row
  }

  cell(text, kind, columnClass) {
    const cell = element("td", { className: `${kind} ${columnClass}`, title: text })
    if (kind === "status") cell.append(element("i", { className: `mark ${MARKS[text] ?? "dashed"}` }))
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

  clicked(event) {
    const row = event.target.closest("tr[data-place]")
    const place = Number(row?.dataset.place)
    if (!row || !this.values(place)) return
    this.active = place
    if (event.target.closest("input")) this.check(place, event.target.checked, event.shiftKey)
    else if (this.options.open && !event.target.closest(".check")) this.send({ open: place })
    row.focus({ preventScroll: true })
  }

  check(place, checked, isRange) {
    const from = isRange ? this.anchor : place
    this.anchor = place
    this.send({ check: [from, place], checked })
  }

  keyPressed(event) {
    const row = event.target.closest("tr[data-place]")
    if (!row || !this.options.open) return
    const place = Number(row.dataset.place)
    const page = Math.max(1, Math.floor(this.root.clientHeight / this.height) - 2)
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.total, End: this.total }
    if (event.key === "Enter") this.send({ open: place })
    else if (event.key === " ") {
      const values = this.values(place)
      if (values?.[1] && this.options.check) this.check(place, !values[0], event.shiftKey)
    } else if (event.key in steps) this.go(place + steps[event.key])
    else return
    event.preventDefault()
  }

  go(place) {
    this.active = Math.min(Math.max(place, 0), this.total - 1)
    this.reveal(this.active)
    this.draw()
    this.drawn.get(this.active)?.row.focus({ preventScroll: true })
    if (this.options.follow) this.send({ open: this.active })
  }

  reveal(place) {
    const top = place * this.height
    const shown = this.root.clientHeight - this.headHeight - this.height
    if (top < this.root.scrollTop) this.root.scrollTop = top
    else if (top > this.root.scrollTop + shown) this.root.scrollTop = top - shown
  }
}

export function render({ model }) {
  return new Table(model).root
}
