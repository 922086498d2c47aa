// Images as a grid of cards, the caption where an image may not or cannot be shown.

function element(tag, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(tag), attributes)
  made.append(...children)
  return made
}

export function render({ model }) {
  const root = element("div", { className: "cards" })
  let addresses = []
  const letGo = () => {
    for (const address of addresses) URL.revokeObjectURL(address)
    addresses = []
  }
  const show = () => {
    letGo()
    root.replaceChildren(...model.items.map((item) => {
      const score = `${item.score < 0 ? "−" : "+"}${Math.abs(item.score).toFixed(2)}`
      const said = item.caption || item.name
      let picture = element("span", { className: "caption", textContent: said, dir: "auto" })
      if (item.image) {
        const address = URL.createObjectURL(new Blob([item.image], { type: "image/jpeg" }))
        addresses.push(address)
        picture = element("img", { src: address, alt: "", draggable: false })
      }
      const card = element("button", { type: "button", className: "card", title: said },
        picture, element("span", { className: "score", textContent: score }))
      card.setAttribute("aria-label", `Trial ${item.trial}, response ${score}: ${said}`)
      card.addEventListener("click", () => (model.chosen = item.trial))
      return card
    }))
  }
  model.on("items", show)
  model.on("remove", letGo)
  show()
  return root
}
