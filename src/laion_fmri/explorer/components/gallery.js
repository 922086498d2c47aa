// A row of pictures with a number each; where there is no picture, its words.

const STYLE = `
.pictures { --line: color-mix(in srgb, currentColor 16%, transparent); --muted: color-mix(in srgb, currentColor 70%, transparent);
  --accent: var(--mui-palette-primary-main, #3f51b5); display: grid; grid-template-columns: repeat(auto-fill, minmax(86px, 1fr)); gap: 8px;
  margin: 0; padding: 0; list-style: none; font-size: 11.5px; line-height: 1.3; color: inherit; }
.pictures:empty { display: none; }
li { min-width: 0; }
button { display: grid; width: 100%; gap: 3px; padding: 0; border: 0; background: none; color: inherit; font: inherit; text-align: left; cursor: pointer; border-radius: 7px; }
button:disabled { cursor: default; }
.tile { aspect-ratio: 1; width: 100%; border-radius: 7px; overflow: hidden; background: #4b5058; color: #fff; display: block; }
.tile img { width: 100%; height: 100%; object-fit: cover; display: block; }
.tile span { display: block; padding: 5px 6px; font-size: 10.5px; line-height: 1.25; height: 100%; box-sizing: border-box; overflow: hidden; overflow-wrap: anywhere; }
button:enabled:hover .tile { outline: 2px solid var(--accent); }
button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.number { font-variant-numeric: tabular-nums; font-weight: 600; }
.under { color: var(--muted); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.both .tile { box-shadow: 0 0 0 3px var(--mui-palette-success-main, #2e7d32); }`

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  Object.assign(made, attributes)
  made.append(...children)
  return made
}

export function render({ model }) {
  const list = element("ul", { className: "pictures" })
  list.setAttribute("aria-label", model.name_of_gallery)
  const show = () => list.replaceChildren(...model.items.map((item, place) => {
    const face = element("span", { className: "tile" }, item.picture
      ? element("img", { src: item.picture, alt: "" }) : element("span", { dir: "auto", textContent: item.words }))
    const button = element("button", { type: "button", title: item.title, disabled: !item.leads }, face,
      element("span", { className: "number", textContent: item.number }),
      element("span", { className: "under", textContent: item.under }))
    button.setAttribute("aria-label", [item.title, item.number, item.under].filter(Boolean).join(", "))
    button.addEventListener("click", () => model.send_msg(place))
    return element("li", { className: item.both ? "both" : "" }, button)
  }))
  model.on("items", show)
  show()
  return element("div", { style: "width: 100%" }, element("style", { textContent: STYLE }), list)
}
