// Metadata of a trial, and the captions of its image. All text is escaped.

const STYLE = `
.text { --line: color-mix(in srgb, currentColor 16%, transparent); --muted: color-mix(in srgb, currentColor 70%, transparent);
  --accent: var(--mui-palette-primary-main, #3f51b5); font-size: 13px; line-height: 1.45; color: inherit; display: grid; gap: 12px; min-width: 0; }
.name { font-weight: 600; overflow-wrap: anywhere; }
.facts { color: var(--muted); font-size: 12px; overflow-wrap: anywhere; }
.head { display: flex; align-items: baseline; justify-content: space-between; gap: 10px; margin-bottom: 6px; }
h3 { margin: 0; font-size: 14px; font-weight: 600; }
.captions { max-height: 340px; overflow: auto; overflow-wrap: anywhere; }
ol { margin: 0; padding-left: 24px; }
li { padding-left: 2px; margin-bottom: 4px; }
li::marker { color: var(--muted); font-variant-numeric: tabular-nums; }
.long { display: -webkit-box; -webkit-line-clamp: 6; -webkit-box-orient: vertical; overflow: hidden; }
.origin { display: block; color: var(--muted); font-size: 11.5px; }
.ai { margin-top: 8px; padding: 6px 10px; border-radius: 8px; background: color-mix(in srgb, currentColor 6%, transparent); }
.tag { font-size: 11px; font-weight: 600; border-radius: 4px; padding: 0 5px; margin-inline-end: 6px; border: 1px solid color-mix(in srgb, currentColor 45%, transparent); }
.muted { color: var(--muted); }
button { font: inherit; font-size: 12px; color: inherit; background: none; border: 1px solid var(--line); border-radius: 999px; padding: 1px 10px; cursor: pointer; }
button[aria-pressed=true] { background: color-mix(in srgb, currentColor 8%, transparent); }
.more { border: 0; padding: 0 2px; color: var(--accent); text-decoration: underline; }
button:focus-visible, .captions:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.text [hidden] { display: none; }`

const LONG = 600 // characters of a caption displayed initially

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  Object.assign(made, attributes)
  made.append(...children)
  return made
}

function captionText({ text }) {
  const words = element("bdi", { textContent: text })
  if (text.length <= LONG) return [words]
  words.classList.add("long")
  const more = element("button", { type: "button", className: "more", textContent: "All of it" })
  more.setAttribute("aria-expanded", "false")
  more.addEventListener("click", () => {
    const open = !words.classList.toggle("long")
    more.textContent = open ? "Less" : "All of it"
    more.setAttribute("aria-expanded", String(open))
  })
  return [words, more]
}

export function render({ model }) {
  const name = element("div", { className: "name", dir: "auto" })
  const facts = element("div", { className: "facts" })
  const where = element("button", { type: "button", textContent: "Batch and model" })
  const captions = element("div", { className: "captions", tabIndex: 0 })
  captions.setAttribute("role", "region")
  captions.setAttribute("aria-label", "Captions")
  const whole = element("div", {}, element("div", { className: "head" }, element("h3", {}, "Captions"), where), captions)

  const origin = ({ origin, model: by }) => (model.origins && (origin || by)
    ? [element("span", { className: "origin" }, element("bdi", { textContent: [origin, by].filter(Boolean).join(", ") }))] : [])

  function show() {
    const { view } = model
    name.textContent = view.name ?? ""
    facts.textContent = (view.facts ?? []).join(" · ")
    whole.hidden = !view.captions
    where.setAttribute("aria-pressed", String(model.origins))
    const listed = view.captions ?? []
    where.hidden = !listed.length
    const human = listed.filter(({ source }) => source !== "ai")
    const list = element("ol", {}, ...human.map((caption) =>
      element("li", { dir: "auto", value: caption.rank }, ...captionText(caption), ...origin(caption))))
    const ai = listed.filter(({ source }) => source === "ai").map((caption) => {
      const tag = element("span", { className: "tag", textContent: "AI", title: `Written by ${caption.model || "a model"}` })
      return element("div", { className: "ai", dir: "auto" }, tag, ...captionText(caption), ...origin(caption))
    })
    captions.replaceChildren(...(human.length ? [list] : []), ...ai,
      ...(listed.length ? [] : [element("span", { className: "muted", textContent: view.otherwise ?? "" })]))
  }

  where.addEventListener("click", () => { model.origins = !model.origins })
  model.on(["view", "origins"], show)
  show()
  return element("div", { className: "text" }, element("style", { textContent: STYLE }),
    element("div", {}, name, facts), whole)
}
