// Filters of trials: caption search, lists with counts, an expression. All text is escaped.

const STYLE = `
.filters { --line: color-mix(in srgb, currentColor 24%, transparent); --muted: color-mix(in srgb, currentColor 70%, transparent);
  --accent: var(--mui-palette-primary-main, #3f51b5); --bad: var(--mui-palette-error-main, #d32f2f);
  display: grid; gap: 8px; font-size: 13px; line-height: 1.3; color: inherit; }
.lists { display: grid; grid-template-columns: repeat(auto-fill, minmax(98px, 1fr)); gap: 8px; }
.field { display: grid; gap: 2px; min-width: 0; }
label { font-size: 11.5px; color: var(--muted); }
select, input { font: inherit; font-size: 12.5px; color: var(--mui-palette-text-primary, inherit); background: transparent; border: 1px solid var(--line);
  border-radius: 6px; height: 28px; padding: 0 5px; width: 100%; min-width: 0; box-sizing: border-box; text-overflow: ellipsis; }
select.set, input.set { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
select option { background: var(--mui-palette-background-paper, #fff); color: var(--mui-palette-text-primary, #1f2733); }
::placeholder { color: var(--muted); opacity: 1; }
select:focus-visible, input:focus-visible, button:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
:disabled { opacity: .5; }
summary { cursor: pointer; color: var(--muted); font-size: 12px; }
code { font-family: ui-monospace, monospace; font-size: 11.5px; overflow-wrap: anywhere; }
.help { color: var(--muted); font-size: 12px; padding: 4px 0 0 12px; overflow-wrap: anywhere; }
.problem { color: var(--bad); font-size: 12px; overflow-wrap: anywhere; }
.foot { display: flex; align-items: center; gap: 10px; min-height: 26px; color: var(--muted); font-variant-numeric: tabular-nums; }
.foot span { flex: 1; }
button { font: inherit; font-size: 12px; color: inherit; background: none; border: 1px solid var(--line); border-radius: 6px; padding: 3px 9px; cursor: pointer; }
.go { display: flex; align-items: center; gap: 6px; font-size: 12.5px; }
.go input { width: 76px; }
.go label { color: inherit; font-size: inherit; }
.filters [hidden] { display: none; }`

const PAUSE = 160 // ms without a key before the typed text is sent

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  Object.assign(made, attributes)
  made.append(...children)
  return made
}

/** A control below its title. */
function field(id, title, control, ...more) {
  control.id = id
  return element("div", { className: "field" }, element("label", { htmlFor: id, textContent: title }), control, ...more)
}

class FilterPanel {
  constructor(model) {
    this.model = model
    this.fields = new Map()
    this.caption = this.typed("caption", "Search captions", "words, or \"a phrase\"")
    this.where = this.typed("where", "Filter expression", "run <= 3 and not dataset == OOD")
    this.where.input.spellcheck = false
    this.problem = element("div", { className: "problem", id: "problem", hidden: true })
    this.problem.setAttribute("role", "alert")
    this.where.input.setAttribute("aria-describedby", "problem")
    this.lists = element("div", { className: "lists" })
    this.columns = element("code")
    this.count = element("span")
    this.count.setAttribute("role", "status")
    this.clear = element("button", { type: "button" }, "Clear filters")
    this.clear.addEventListener("click", () => model.send_msg({ clear: true }))
    this.number = element("input", { type: "number", min: 0, step: 1, className: "number" })
    this.number.addEventListener("change", () => {
      if (this.number.value !== "") model.send_msg({ trial: Number(this.number.value) })
    })
    this.goTo = field("go", "Trial", this.number)
    this.goTo.className = "go"
    const help = element("details", {}, element("summary", {}, "How to write an expression"),
      element("div", { className: "help" }, "Compare a column: ", element("code", {}, "== != < <= > >= in contains"),
        ", join with ", element("code", {}, "and or not ( )"), ", as in ",
        element("code", {}, "session in (ses-01, ses-02) and noun contains dog"), ". Columns: ", this.columns))
    this.root = element("div", { className: "filters" }, element("style", { textContent: STYLE }),
      this.caption.field, this.lists, this.where.field, this.problem, help,
      element("div", { className: "foot" }, this.count, this.clear,
        this.goTo))
    this.root.setAttribute("role", "search")
    this.root.setAttribute("aria-label", "Filters of trials")
    model.on("view", () => this.show())
    model.on("trial", () => this.showTrial())
    this.showTrial()
    this.show()
  }

  /** A text field that sends its value when typing pauses. */
  typed(name, title, placeholder) {
    const input = element("input", { type: "text", placeholder, autocomplete: "off" })
    const ask = () => {
      clearTimeout(this.waiting)
      this.send(name, input.value)
    }
    input.addEventListener("input", () => {
      clearTimeout(this.waiting)
      this.waiting = setTimeout(ask, PAUSE)
    })
    input.addEventListener("change", ask)
    return { input, field: field(`filter-${name}`, title, input), name }
  }

  send(name, value) {
    if ((this.sent ?? {})[name] === value) return
    this.sent = { ...this.sent, [name]: value }
    this.model.send_msg({ filter: name, value })
  }

  showTrial() {
    this.number.value = this.model.trial
  }

  show() {
    const { lists = [], caption = {}, where = {}, problem = "", columns = [], total = 0, n = 0, filtered = false } = this.model.view
    this.sent = Object.fromEntries([["caption", caption.value], ["where", where.value], ...lists.map(({ name, value }) => [name, value])])
    for (const [{ input }, { value = "", disabled = false }] of [[this.caption, caption], [this.where, where]]) {
      // While the user types, ignore the answer to an earlier value.
      if (!input.matches(":focus")) input.value = value
      input.disabled = disabled
      input.classList.toggle("set", Boolean(value))
    }
    this.where.input.setAttribute("aria-invalid", String(Boolean(problem)))
    this.problem.textContent = problem
    this.problem.hidden = !problem
    this.columns.textContent = columns.join(", ")
    for (const list of lists) this.showList(list)
    for (const [name, { field }] of this.fields) field.hidden = !lists.some((list) => list.name === name)
    this.count.textContent = filtered
      ? `${n.toLocaleString("en")} of ${total.toLocaleString("en")} trials` : `${total.toLocaleString("en")} trials`
    this.clear.disabled = !filtered
    this.root.dataset.count = String(n)
  }

  showList({ name, title, typed, every, options, value }) {
    if (!this.fields.has(name)) this.fields.set(name, this.makeList(name, title, typed))
    const { control, listed } = this.fields.get(name)
    const text = ([, words, count]) => (count === null ? words : `${words} (${count.toLocaleString("en")})`)
    const made = options.map((option) => (typed
      ? element("option", { value: option[0], label: text(option) })
      : element("option", { value: option[0], textContent: text(option) })))
    if (typed) {
      listed.replaceChildren(...made)
      control.placeholder = every
      if (!control.matches(":focus")) control.value = value
    } else {
      control.replaceChildren(...(every ? [element("option", { value: "", textContent: every })] : []), ...made)
      control.value = value
    }
    control.classList.toggle("set", Boolean(value) && Boolean(every))
  }

  makeList(name, title, typed) {
    const control = typed ? element("input", { type: "text", autocomplete: "off" }) : element("select")
    let listed = null
    if (typed) {
      listed = element("datalist", { id: `list-${name}` })
      control.setAttribute("list", listed.id)
    }
    control.addEventListener("change", () => this.send(name, control.value.trim()))
    const whole = field(`filter-${name}`, title, control, ...(listed ? [listed] : []))
    this.lists.append(whole)
    return { field: whole, control, listed }
  }
}

export function render({ model }) {
  return new FilterPanel(model).root
}
