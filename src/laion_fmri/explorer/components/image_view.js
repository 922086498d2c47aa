// A picture with object masks over it: two canvases of the picture's own size, scaled by
// style alone, so that every mask pixel lands on its picture pixel.

const STYLE = `
.view { --line: color-mix(in srgb, currentColor 16%, transparent); --muted: color-mix(in srgb, currentColor 68%, transparent);
  --accent: var(--mui-palette-primary-main, #3f51b5); display: grid; gap: 10px; font-size: 13px; line-height: 1.4; color: inherit; }
.stage { position: relative; aspect-ratio: 1; width: 100%; border-radius: 10px; overflow: hidden; background: #6b6f76; }
.stage canvas { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
.card { position: absolute; inset: 0 0 auto; display: grid; gap: 4px; padding: 14px 18px; background: rgba(48,52,58,.9); color: #fff;
  max-height: 60%; overflow: auto; box-sizing: border-box; overflow-wrap: anywhere; }
.card b { font-size: 15px; font-weight: 600; }
.readout { position: absolute; left: 10px; bottom: 10px; max-width: calc(100% - 20px); box-sizing: border-box; padding: 3px 10px;
  border-radius: 999px; background: rgba(16,20,26,.82); color: #fff; pointer-events: none; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.readout:empty { display: none; }
.controls { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 10px; }
.opacity { display: flex; align-items: center; gap: 8px; flex: 1 1 150px; color: var(--muted); white-space: nowrap; }
.opacity input { flex: 1; min-width: 60px; margin: 0; accent-color: var(--accent); }
.nouns { display: flex; flex-wrap: wrap; gap: 6px; max-height: 84px; overflow: auto; padding: 2px; margin: -2px; }
.note { color: var(--muted); }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: 999px; padding: 3px 11px;
  cursor: pointer; display: inline-flex; align-items: center; gap: 6px; max-width: 100%; }
button span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
button:hover { border-color: var(--accent); }
button[aria-pressed=true] { border-color: color-mix(in srgb, currentColor 45%, transparent); background: color-mix(in srgb, currentColor 8%, transparent); }
button[aria-pressed=false] { color: var(--muted); }
.nouns button[aria-pressed=false] i { opacity: .25; }
button:focus-visible, input:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
i { display: inline-flex; border-radius: 4px; overflow: hidden; flex: none; height: 12px; }
i b { width: 12px; height: 12px; }
i b + b { width: 6px; }
.view [hidden] { display: none; }`

const OUTLINE = 4 // picture pixels

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes))
    if (name in made) made[name] = value
    else made.setAttribute(name, value)
  made.append(...children)
  return made
}

/** #rrggbb as an opaque little-endian RGBA word. */
function word(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16))
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0
}

/** Whether a pixel lies in a run; runs are [first, one past last] pairs in order. */
function contains(runs, pixel) {
  let low = 0, high = runs.length / 2
  while (low < high) {
    const middle = (low + high) >> 1
    if (runs[2 * middle + 1] <= pixel) low = middle + 1
    else high = middle
  }
  return low < runs.length / 2 && runs[2 * low] <= pixel
}

function area(runs) {
  let pixels = 0
  for (let i = 0; i < runs.length; i += 2) pixels += runs[i + 1] - runs[i]
  return pixels
}

/** Colours the pixels of a mask that are near its edge. */
function drawOutline(out, inside, { runs, word, width, height }) {
  for (let i = 0; i < runs.length; i += 2) inside.fill(1, runs[i], runs[i + 1])
  for (let i = 0; i < runs.length; i += 2)
    for (let p = runs[i]; p < runs[i + 1]; p++) {
      const x = p % width, y = (p - x) / width
      if (x < OUTLINE || y < OUTLINE || x >= width - OUTLINE || y >= height - OUTLINE ||
          !inside[p - OUTLINE] || !inside[p + OUTLINE] ||
          !inside[p - OUTLINE * width] || !inside[p + OUTLINE * width]) out[p] = word
    }
  for (let i = 0; i < runs.length; i += 2) inside.fill(0, runs[i], runs[i + 1])
}

class PictureWithMasks {
  constructor(model) {
    this.model = model
    this.objects = []
    this.build()
    const follow = (names, act) => model.on(names, act)
    follow("picture", () => this.showPicture())
    follow("masks", () => this.showMasks())
    follow("note", () => this.showNote())
    follow(["outlines", "hidden_nouns", "masks_shown"], () => this.draw())
    follow("opacity", () => this.showOpacity())
    this.showPicture()
    this.showMasks()
    this.showNote()
  }

  build() {
    const { model } = this
    this.canvas = element("canvas", { className: "picture", role: "img" })
    this.overlay = element("canvas", { className: "masks" })
    this.overlay.setAttribute("aria-hidden", "true")
    this.card = element("div", { className: "card", hidden: true })
    this.readout = element("div", { className: "readout" })
    this.stage = element("div", { className: "stage" }, this.canvas, this.overlay, this.card, this.readout)
    this.shown = this.toggle("Masks", () => { model.masks_shown = !model.masks_shown })
    this.outlines = this.toggle("Outlines", () => { model.outlines = !model.outlines })
    this.slider = element("input", { type: "range", min: 0, max: 100, step: 1 })
    this.slider.setAttribute("aria-label", "Mask opacity")
    this.slider.addEventListener("input", () => { this.overlay.style.opacity = this.slider.value / 100 })
    this.slider.addEventListener("change", () => { model.opacity = this.slider.value / 100 })
    this.controls = element("div", { className: "controls" }, this.shown, this.outlines,
      element("label", { className: "opacity" }, "Mask opacity", this.slider))
    this.nouns = element("div", { className: "nouns" })
    this.nouns.setAttribute("role", "group")
    this.nouns.setAttribute("aria-label", "Objects")
    this.note = element("div", { className: "note" })
    this.root = element("div", { className: "view" }, element("style", { textContent: STYLE }),
      this.stage, this.controls, this.nouns, this.note)
    this.stage.addEventListener("pointermove", (event) => this.hover(event))
    this.stage.addEventListener("pointerleave", () => { this.readout.textContent = "" })
  }

  toggle(text, act) {
    const button = element("button", { type: "button" }, element("span", { textContent: text }))
    button.addEventListener("click", () => {
      act()
      this.draw()
    })
    return button
  }

  async showPicture() {
    const { picture } = this.model
    this.asked = picture
    this.canvas.setAttribute("aria-label", picture.name ? `Image ${picture.name}` : "No image")
    if (picture.data) {
      const bitmap = await createImageBitmap(
        new Blob([picture.data], { type: picture.mime }), { colorSpaceConversion: "none" },
      ).catch(() => null)
      if (this.asked !== picture) return bitmap?.close()
      if (bitmap) {
        Object.assign(this.canvas, { width: bitmap.width, height: bitmap.height })
        this.canvas.getContext("2d").drawImage(bitmap, 0, 0)
        bitmap.close()
      }
      this.showCard(bitmap ? null : ["This browser cannot decode the image", ""])
    } else this.showCard([picture.title ?? "", picture.text ?? ""])
    this.root.dataset.picture = picture.name ?? ""
  }

  showCard(texts) {
    this.card.hidden = !texts
    this.canvas.style.visibility = texts ? "hidden" : "visible"
    this.card.replaceChildren(...(texts
      ? [element("b", { textContent: texts[0] }), element("span", { textContent: texts[1] })] : []))
  }

  showMasks() {
    this.objects = this.model.masks.map((mask) => {
      const runs = new Uint32Array(mask.runs)
      return { ...mask, runs, word: word(mask.colour), area: area(runs) }
    })
    const nouns = new Map()
    for (const object of this.objects)
      nouns.set(object.noun, [...(nouns.get(object.noun) ?? []), object])
    this.nouns.replaceChildren(...[...nouns].map(([noun, objects]) => this.nounToggle(noun, objects)))
    this.nouns.hidden = this.controls.hidden = !this.objects.length
    this.readout.textContent = ""
    this.showOpacity()
    this.draw()
  }

  nounToggle(noun, objects) {
    const button = this.toggle(noun, () => {
      const hidden = this.model.hidden_nouns
      this.model.hidden_nouns = hidden.includes(noun) ? hidden.filter((n) => n !== noun) : [...hidden, noun]
    })
    const swatch = element("i", {}, ...objects.slice(0, 5).map(({ colour }) => {
      const part = element("b")
      part.style.background = colour
      return part
    }))
    button.prepend(swatch)
    const placed = objects.some((object) => object.localized)
    if (objects.length > 1) button.append(`× ${objects.length}`)
    if (!placed) button.append("(not localized)")
    button.value = noun
    button.title = placed ? noun : `${noun}: recognised, but not bounded in space`
    return button
  }

  showNote() {
    this.note.textContent = this.model.note
    this.note.hidden = !this.model.note
  }

  showOpacity() {
    this.slider.value = Math.round(100 * this.model.opacity)
    this.overlay.style.opacity = this.model.opacity
  }

  draw() {
    const { masks_shown, outlines, hidden_nouns } = this.model
    this.shown.setAttribute("aria-pressed", String(masks_shown))
    this.outlines.setAttribute("aria-pressed", String(outlines))
    for (const button of this.nouns.children)
      button.setAttribute("aria-pressed", String(!hidden_nouns.includes(button.value)))
    // Small objects are drawn last, so that none is lost below a large one.
    this.drawn = masks_shown
      ? this.objects.filter(({ noun }) => !hidden_nouns.includes(noun)).sort((a, b) => b.area - a.area) : []
    const { width, height } = this.objects[0] ?? { width: 1, height: 1 }
    Object.assign(this.overlay, { width, height })
    const pixels = new ImageData(width, height)
    const out = new Uint32Array(pixels.data.buffer)
    const inside = outlines ? new Uint8Array(out.length) : null
    for (const object of this.drawn)
      if (outlines) drawOutline(out, inside, object)
      else for (let i = 0; i < object.runs.length; i += 2) out.fill(object.word, object.runs[i], object.runs[i + 1])
    this.overlay.getContext("2d").putImageData(pixels, 0, 0)
    this.root.dataset.masks = this.drawn.map(({ noun, instance }) => `${noun} ${instance}`).join(", ")
  }

  hover(event) {
    const box = this.stage.getBoundingClientRect()
    const { width, height } = this.overlay
    const x = Math.floor((event.clientX - box.left) / box.width * width)
    const y = Math.floor((event.clientY - box.top) / box.height * height)
    const under = this.drawn.findLast(({ runs }) => contains(runs, y * width + x))
    this.readout.textContent = under ? this.describe(under) : ""
  }

  describe({ noun, instance, score }) {
    const alike = this.objects.filter((object) => object.noun === noun).length
    return [
      alike > 1 ? `${noun} ${instance + 1} of ${alike}` : noun,
      ...(score === null ? [] : [`score ${score.toFixed(2)}`]),
    ].join(", ")
  }
}

export function render({ model }) {
  return new PictureWithMasks(model).root
}
