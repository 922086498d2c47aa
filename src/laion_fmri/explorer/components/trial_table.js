// One page of a long table; rows are chosen by click or with the arrow keys.

const STYLE = `
.table { --line: color-mix(in srgb, currentColor 16%, transparent); --muted: color-mix(in srgb, currentColor 68%, transparent);
  --accent: var(--mui-palette-primary-main, #3f51b5); --on-accent: var(--mui-palette-primary-contrastText, #fff);
  font-size: 13px; line-height: 1.3; color: inherit; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; }
th, td { padding: 0 5px; height: 26px; text-align: left; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
th { font-weight: 600; font-size: 11.5px; color: var(--muted); border-bottom: 1px solid var(--line); }
td { border-bottom: 1px solid color-mix(in srgb, currentColor 7%, transparent); }
.right { text-align: right; font-variant-numeric: tabular-nums; }
.tail { direction: rtl; text-align: left; }
tbody tr { cursor: pointer; }
tbody tr:hover { background: color-mix(in srgb, currentColor 6%, transparent); }
tbody tr[aria-selected=true] { background: var(--accent); color: var(--on-accent); }
tr:focus-visible, button:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
tr[aria-selected=true]:focus-visible { outline-color: currentColor; }
tr.empty { visibility: hidden; }
.mark { width: 22px; padding: 0 0 0 4px; overflow: visible; }
.mark input { margin: 0; display: block; width: 15px; height: 15px; accent-color: var(--accent); cursor: pointer; }
tr[aria-selected=true] input { accent-color: var(--on-accent); }
.pages { display: flex; align-items: center; gap: 4px; margin-top: 8px; color: var(--muted); }
.pages span { flex: 1; text-align: center; font-variant-numeric: tabular-nums; }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: 6px; padding: 3px 9px; cursor: pointer; }
button:hover:enabled { border-color: var(--accent); }
button:disabled { opacity: .4; cursor: default; }`

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  Object.assign(made, attributes)
  made.append(...children)
  return made
}

class PagedTable {
  constructor(model) {
    this.model = model
    this.head = element("tr")
    this.body = element("tbody")
    this.table = element("table", {}, element("thead", {}, this.head), this.body)
    this.table.setAttribute("role", "grid")
    this.table.setAttribute("aria-label", model.name_of_table)
    this.where = element("span")
    this.where.setAttribute("aria-live", "polite")
    this.buttons = [["First page", "«", () => 0], ["Previous page", "‹", (page) => page - 1],
      ["Next page", "›", (page) => page + 1], ["Last page", "»", () => this.lastPage]]
      .map(([label, text, target]) => this.button(label, text, target))
    const [first, previous, next, last] = this.buttons
    this.root = element("div", { className: "table" }, element("style", { textContent: STYLE }), this.table,
      element("div", { className: "pages" }, first, previous, this.where, next, last))
    this.body.addEventListener("click", (event) => {
      if (!event.target.closest(".mark")) this.choose(event.target.closest("tr"))
    })
    this.body.addEventListener("keydown", (event) => this.keyPressed(event))
    model.on("view", () => this.show())
    this.show()
  }

  button(label, text, target) {
    const made = element("button", { type: "button", textContent: text, title: label })
    made.setAttribute("aria-label", label)
    made.addEventListener("click", () => this.model.send_msg({ page: target(this.model.view.page) }))
    return made
  }

  get lastPage() {
    const { total, page_size } = this.model.view
    return Math.max(0, Math.ceil(total / page_size) - 1)
  }

  show() {
    const { view, columns } = this.model
    const focused = this.root.getRootNode().activeElement?.closest?.("tbody tr")
    const corner = element("th", { scope: "col", className: "mark", title: "Marked" })
    corner.setAttribute("aria-label", "Marked")
    this.head.replaceChildren(corner, ...columns.map(({ title, kind, width }) => {
      const cell = element("th", { scope: "col", textContent: title, title })
      if (kind === "number") cell.className = "right"
      cell.style.width = width ? `${width}px` : ""
      return cell
    }))
    const rows = (view.rows ?? []).map((row, place) => this.row(row, place))
    const blank = Array.from({ length: (view.page_size ?? 0) - rows.length }, () => {
      const row = element("tr", { className: "empty" }, element("td", { colSpan: columns.length + 1 }))
      row.setAttribute("aria-hidden", "true")
      return row
    })
    this.body.replaceChildren(...rows, ...blank)
    if (rows.length && view.chosen < 0) rows[0].tabIndex = 0
    if (focused) (rows[view.chosen] ?? rows[0])?.focus({ preventScroll: true })
    const first = view.page * view.page_size
    this.where.textContent = view.total
      ? `${(first + 1).toLocaleString("en")}–${(first + rows.length).toLocaleString("en")} of ${view.total.toLocaleString("en")}`
      : "No trial passes these filters"
    this.buttons.forEach((button, i) => { button.disabled = i < 2 ? view.page <= 0 : view.page >= this.lastPage })
  }

  row(values, place) {
    const chosen = place === this.model.view.chosen
    const row = element("tr", { tabIndex: chosen ? 0 : -1 }, ...values.map((value, i) => {
      const { kind } = this.model.columns[i]
      const cell = element("td", { title: value })
      if (kind === "number") cell.className = "right"
      if (kind === "name") cell.className = "tail" // the end of a name tells images apart
      cell.append(element("bdi", { textContent: value }))
      return cell
    }))
    const box = element("input", { type: "checkbox", checked: this.model.view.marked[place], tabIndex: -1 })
    box.setAttribute("aria-label", `Mark ${values[0]}`)
    box.addEventListener("change", () => this.model.send_msg({ mark: place }))
    row.prepend(element("td", { className: "mark" }, box))
    row.dataset.place = place
    row.setAttribute("aria-selected", String(chosen))
    return row
  }

  choose(row) {
    if (!row?.dataset.place) return
    row.focus({ preventScroll: true })
    this.model.send_msg({ chosen: Number(row.dataset.place) })
  }

  keyPressed(event) {
    const row = event.target.closest("tr")
    if (event.key === "Enter") this.choose(row)
    else if (event.key === " " && row.dataset.place) this.model.send_msg({ mark: Number(row.dataset.place) })
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const down = event.key === "ArrowDown"
      const other = down ? row.nextElementSibling : row.previousElementSibling
      if (other?.dataset.place) this.choose(other)
      else this.model.send_msg({ step: down ? 1 : -1 })
    } else return
    event.preventDefault()
  }
}

export function render({ model }) {
  return new PagedTable(model).root
}
