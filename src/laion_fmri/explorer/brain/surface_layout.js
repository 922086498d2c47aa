// The elements of the viewer: stage with title, views, legend and readout; controls below.

/** Create an element with properties (or attributes, if it has no such property) and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes))
    if (name in made && name !== "list") made[name] = value
    else made.setAttribute(name, value)
  made.append(...children)
  return made
}

/** Create a button that displays its value, or another text. */
export const button = (value, text = value) =>
  element("button", { type: "button", value, textContent: text.charAt(0).toUpperCase() + text.slice(1) })

/** Place texts at points in CSS pixels, `[{text, x, y, className}]`. */
export const placed = (texts) => texts.map(({ text, x, y, className = "" }) =>
  element("span", { textContent: text, className, style: `left: ${x}px; top: ${y}px` }))

/** Build the viewer in `root`; returns its parts by name. */
export function layOut(root, viewNames) {
  const canvas = element("canvas", { tabIndex: 0, role: "img",
    ariaLabel: "Brain surface: drag or use the arrow keys to turn, click to choose a vertex" })
  const owner = element("div", { className: "owner" })
  const title = element("div", { className: "title" })
  const explanation = element("div", { className: "explanation" })
  const views = element("div", { className: "views", role: "group", ariaLabel: "View from" },
    ...viewNames.map((name) => button(name)))
  const panes = element("div", { className: "panes", role: "group", ariaLabel: "What is shown" },
    button("surface"), button("both"), button("volume", "slices"))
  const top = element("div", { className: "top" }, element("div", { className: "about" }, owner, title, explanation),
    element("div", { className: "choices" }, panes, views))
  const legend = element("ul", { className: "legend", ariaLabel: "Regions" })
  const readout = element("div", { className: "readout", ariaLive: "polite" })
  const shapes = element("div", { className: "shapes", hidden: true })
  const sides = element("div", { className: "sides" })
  const message = element("div", { className: "message" })
  const stage = element("div", { className: "stage" }, canvas, sides, shapes, message)
  const slices = element("div", { className: "slices", hidden: true },
    element("canvas", { tabIndex: 0, role: "img",
      ariaLabel: "Three slices: click or use the arrow keys and page keys to move the crosshair" }),
    element("div", { className: "letters", ariaHidden: "true" }))
  const scenes = element("div", { className: "scenes" }, top, stage, slices, legend, readout)
  const bar = element("canvas", { className: "bar", role: "img" })
  const sliders = { lower: slider(), upper: slider() }
  const palette = element("select", { ariaLabel: "Colour map" })
  const symmetric = element("input", { type: "checkbox" })
  const save = element("button", { type: "button", textContent: "Save picture" })
  const controls = element("div", { className: "controls" }, bar,
    sliders.lower.field, sliders.upper.field,
    element("label", { className: "field" }, element("span", { textContent: "Colour map" }), palette),
    element("div", { className: "last" },
      element("label", { className: "tick" }, symmetric, element("span", { textContent: "Symmetric" })), save))
  root.replaceChildren(scenes, controls)
  return { root, canvas, owner, sides, title, explanation, views, panes, top, legend, readout, shapes, message, stage, slices,
           scenes, bar, sliders, palette, symmetric, save, controls }
}

function slider() {
  const input = element("input", { type: "range" })
  const output = element("b")
  const label = element("span")
  return { input, output, label, field: element("label", { className: "field" }, element("span", {}, label, output), input) }
}
