// A picture with object masks: two canvases of the picture's own size, scaled by
// CSS only, so that every mask pixel matches its picture pixel.

const STYLE = `
.view { --line: color-mix(in srgb, currentColor 16%, transparent); --muted: color-mix(in srgb, currentColor 68%, transparent);
  --accent: var(--mui-palette-primary-main, #3f51b5); display: grid; gap: 10px; font-size: 13px; line-height: 1.4; color: inherit; }
.stage { position: relative; aspect-ratio: 1; width: 100%; border-radius: 10px; overflow: hidden; background: #6b6f76; }
.stage canvas, .stage svg { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
.stage.cut { background: repeating-conic-gradient(#8b9098 0 25%, #a7abb2 0 50%) 0 0 / 24px 24px; }
.stage svg { pointer-events: none; }
rect { fill: none; stroke-width: 2px; vector-effect: non-scaling-stroke; }
svg text { font-size: 26px; font-weight: 600; fill: #fff; paint-order: stroke; stroke: rgba(16,20,26,.9); stroke-width: 7px; stroke-linejoin: round; }
.card { position: absolute; inset: 0 0 auto; display: grid; gap: 4px; padding: 14px 18px; background: rgba(48,52,58,.9); color: #fff;
  max-height: 60%; overflow: auto; box-sizing: border-box; overflow-wrap: anywhere; }
.card button { justify-self: start; border-color: rgba(255,255,255,.6); margin-top: 4px; }
.card b { font-size: 15px; font-weight: 600; }
.readout { position: absolute; left: 10px; bottom: 10px; max-width: calc(100% - 20px); box-sizing: border-box; padding: 3px 10px;
  border-radius: 999px; background: rgba(16,20,26,.82); color: #fff; pointer-events: none; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.readout:empty { display: none; }
.controls { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 10px; }
.opacity { display: flex; align-items: center; gap: 8px; flex: 1 1 150px; color: var(--muted); white-space: nowrap; }
.opacity input { flex: 1; min-width: 60px; margin: 0; accent-color: var(--accent); }
.nouns { display: flex; flex-wrap: wrap; gap: 6px; max-height: 96px; overflow: auto; padding: 2px; margin: -2px; }
.noun { display: inline-flex; max-width: 100%; }
.noun button:not(:first-child) { border-radius: 0; border-left: 0; padding: 3px 7px; font-variant-numeric: tabular-nums; }
.noun button:first-child:not(:last-child) { border-radius: 999px 0 0 999px; }
.noun button:last-child:not(:first-child) { border-radius: 0 999px 999px 0; }
.cutting { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; color: var(--muted); min-width: 0; }
select { font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 6px; padding: 3px 6px; max-width: 200px; }
select option { background: var(--mui-palette-background-paper, #fff); color: var(--mui-palette-text-primary, #1f2733); }
.note { color: var(--muted); }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: 999px; padding: 3px 11px;
  cursor: pointer; display: inline-flex; align-items: center; gap: 6px; max-width: 100%; }
button span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
button:hover { border-color: var(--accent); }
button[aria-pressed=true] { border-color: color-mix(in srgb, currentColor 45%, transparent); background: color-mix(in srgb, currentColor 8%, transparent); }
button[aria-pressed=false] { color: var(--muted); }
.nouns button[aria-pressed=false] i { opacity: .25; }
button:focus-visible, input:focus-visible, select:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
i { display: inline-flex; border-radius: 4px; overflow: hidden; flex: none; height: 12px; }
i b { width: 12px; height: 12px; }
i b + b { width: 6px; }
.view [hidden] { display: none; }`

const SVG = "http://www.w3.org/2000/svg"
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

/** Whether a pixel is in a run; runs are sorted [first, one past last] pairs. */
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

/** Colour the pixels near the edge of a mask, row by row. */
function drawOutline(out, inside, { runs, word, width, height }) {
  const below = OUTLINE * width
  for (let i = 0; i < runs.length; i += 2) inside.fill(1, runs[i], runs[i + 1])
  for (let i = 0; i < runs.length; i += 2)
    for (let start = runs[i]; start < runs[i + 1];) {
      const y = Math.floor(start / width)
      const end = Math.min(runs[i + 1], (y + 1) * width)
      const left = Math.min(start + OUTLINE, end), right = Math.max(end - OUTLINE, left)
      out.fill(word, start, left)
      out.fill(word, right, end)
      if (y < OUTLINE || y >= height - OUTLINE) out.fill(word, left, right)
      else for (let p = left; p < right; p++) if (!inside[p - below] || !inside[p + below]) out[p] = word
      start = end
    }
  for (let i = 0; i < runs.length; i += 2) inside.fill(0, runs[i], runs[i + 1])
}

/** Label of an object: its index among those of its noun, and its score. */
function described({ noun, instance, score }, objects) {
  const alike = objects.filter((object) => object.noun === noun).length
  return [
    alike > 1 ? `${noun} ${instance + 1} of ${alike}` : noun,
    ...(score === null ? [] : [`score ${score.toFixed(2)}`]),
  ].join(", ")
}

class PictureWithMasks {
  constructor(model) {
    this.model = model
    this.objects = []
    this.build()
    model.on("picture", () => this.showPicture())
    model.on("masks", () => this.showMasks())
    model.on("note", () => this.showNote())
    model.on(["outlines", "hidden_nouns", "masks_shown", "boxes", "localized_only"], () => this.draw())
    model.on("opacity", () => this.showOpacity())
    model.on("remove", () => this.bitmap?.close())
    this.showPicture()
    this.showMasks()
    this.showNote()
  }

  build() {
    const { model } = this
    this.canvas = element("canvas", { className: "picture", role: "img" })
    this.overlay = element("canvas", { className: "masks" })
    this.overlay.setAttribute("aria-hidden", "true")
    this.boxLayer = document.createElementNS(SVG, "svg")
    this.boxLayer.setAttribute("aria-hidden", "true")
    this.card = element("div", { className: "card", hidden: true })
    this.readout = element("div", { className: "readout" })
    this.stage = element("div", { className: "stage" },
      this.canvas, this.overlay, this.boxLayer, this.card, this.readout)
    const switched = (name) => () => { model[name] = !model[name] }
    this.switches = {
      masks_shown: this.toggle("Masks", switched("masks_shown")),
      outlines: this.toggle("Outlines", switched("outlines")),
      boxes: this.toggle("Boxes", switched("boxes")),
      localized_only: this.toggle("Localized only", switched("localized_only")),
    }
    this.slider = element("input", { type: "range", min: 0, max: 100, step: 1 })
    this.slider.setAttribute("aria-label", "Mask opacity")
    this.slider.addEventListener("input", () => { this.overlay.style.opacity = this.slider.value / 100 })
    this.slider.addEventListener("change", () => { model.opacity = this.slider.value / 100 })
    this.controls = element("div", { className: "controls" }, ...Object.values(this.switches),
      element("label", { className: "opacity" }, "Mask opacity", this.slider))
    this.nouns = element("div", { className: "nouns" })
    this.nouns.setAttribute("role", "group")
    this.nouns.setAttribute("aria-label", "Objects")
    this.cutting = element("select")
    this.cutting.setAttribute("aria-label", "Cut out")
    this.cutting.addEventListener("change", () => this.drawPicture())
    this.save = element("button", { type: "button", hidden: true }, "Save cut-out")
    this.save.addEventListener("click", () => this.saveCutOut())
    this.cuttingRow = element("div", { className: "cutting" },
      element("label", {}, "Cut out ", this.cutting), this.save)
    this.note = element("div", { className: "note" })
    this.root = element("div", { className: "view" }, element("style", { textContent: STYLE }),
      this.stage, this.controls, this.nouns, this.cuttingRow, this.note)
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

  // --- the picture -------------------------------------------------------------------------

  async showPicture() {
    const { picture } = this.model
    this.asked = picture
    this.canvas.setAttribute("aria-label", picture.name ? `Image ${picture.name}` : "No image")
    const bitmap = picture.data
      ? await createImageBitmap(
        new Blob([picture.data], { type: picture.mime }), { colorSpaceConversion: "none" },
      ).catch(() => null)
      : null
    if (this.asked !== picture) return bitmap?.close()
    this.bitmap?.close()
    this.bitmap = bitmap
    if (picture.data && !bitmap) this.showCard({ title: "This browser cannot decode the image" })
    else this.showCard(bitmap ? null : picture)
    this.drawPicture()
    this.root.dataset.picture = picture.name ?? ""
  }

  /** The object that is cut out, if any. */
  get cutOut() {
    return this.cutting.value ? this.objects[Number(this.cutting.value)] : null
  }

  drawPicture() {
    const object = this.cutOut
    this.save.hidden = !(object && this.bitmap)
    this.stage.classList.toggle("cut", !this.save.hidden)
    this.overlay.style.visibility = this.save.hidden ? "visible" : "hidden"
    this.boxLayer.style.visibility = this.overlay.style.visibility
    if (!this.bitmap) return
    const { width, height } = this.bitmap
    Object.assign(this.canvas, { width, height })
    const context = this.canvas.getContext("2d")
    context.drawImage(this.bitmap, 0, 0)
    if (!object) return
    context.globalCompositeOperation = "destination-in"
    context.imageSmoothingEnabled = false
    context.drawImage(this.stencil(object), 0, 0, width, height)
    context.globalCompositeOperation = "source-over"
  }

  stencil({ runs, width, height }) {
    const canvas = element("canvas", { width, height })
    const pixels = new ImageData(width, height)
    const out = new Uint32Array(pixels.data.buffer)
    for (let i = 0; i < runs.length; i += 2) out.fill(0xffffffff, runs[i], runs[i + 1])
    canvas.getContext("2d").putImageData(pixels, 0, 0)
    return canvas
  }

  saveCutOut() {
    const { noun, instance } = this.cutOut
    this.canvas.toBlob((blob) => {
      const link = element("a", { href: URL.createObjectURL(blob) })
      const words = `${this.model.picture.name}_${noun}_${instance + 1}`
      link.download = `${words.replace(/[^\p{L}\p{N}_.-]+/gu, "-").slice(0, 120)}.png`
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
    })
  }

  showCard(card) {
    this.card.hidden = !card
    this.canvas.style.visibility = card ? "hidden" : "visible"
    const parts = card ? [element("b", { textContent: card.title ?? "" }),
      element("span", { textContent: card.text ?? "" })] : []
    if (card?.action) {
      const button = element("button", { type: "button", textContent: card.action })
      button.addEventListener("click", () => this.model.send_msg("act"))
      parts.push(button)
    }
    this.card.replaceChildren(...parts)
  }

  // --- the masks ---------------------------------------------------------------------------

  showMasks() {
    this.hidden = new Set() // hidden objects of this picture
    this.objects = this.model.masks.map((mask) => {
      const runs = new Uint32Array(mask.runs)
      return { ...mask, runs, word: word(mask.colour), area: area(runs) }
    })
    const nouns = new Map()
    for (const object of this.objects)
      nouns.set(object.noun, [...(nouns.get(object.noun) ?? []), object])
    this.chips = [...nouns].map(([noun, objects]) => this.chip(noun, objects))
    this.nouns.replaceChildren(...this.chips.map(({ root }) => root))
    const cuts = this.objects.map((object, place) =>
      element("option", { value: place, textContent: described({ ...object, score: null }, this.objects) }))
    this.cutting.replaceChildren(element("option", { value: "", textContent: "nothing" }), ...cuts)
    this.nouns.hidden = this.controls.hidden = this.cuttingRow.hidden = !this.objects.length
    this.readout.textContent = ""
    this.showOpacity()
    this.draw()
    this.drawPicture()
  }

  /** A button that hides a noun in every picture, and one for each of several instances. */
  chip(noun, objects) {
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
    if (!placed) button.append("(not localized)")
    button.title = placed ? noun : `${noun}: recognised, but not bounded in space`
    const single = objects.length < 2 ? [] : objects.map((object) => {
      const one = this.toggle(String(object.instance + 1), () => {
        if (!this.hidden.delete(object)) this.hidden.add(object)
      })
      one.title = described(object, this.objects)
      one.setAttribute("aria-label", described(object, this.objects))
      return [object, one]
    })
    const root = element("span", { className: "noun" }, button, ...single.map(([, one]) => one))
    return { noun, objects, root, button, single }
  }

  showNote() {
    this.note.textContent = this.model.note
    this.note.hidden = !this.model.note
  }

  showOpacity() {
    this.slider.value = Math.round(100 * this.model.opacity)
    this.overlay.style.opacity = this.model.opacity
  }

  isHidden(object) {
    const { hidden_nouns, localized_only } = this.model
    return hidden_nouns.includes(object.noun) || this.hidden.has(object) || (localized_only && !object.localized)
  }

  draw() {
    const { masks_shown, outlines, hidden_nouns, boxes, localized_only } = this.model
    for (const [name, button] of Object.entries(this.switches))
      button.setAttribute("aria-pressed", String(this.model[name]))
    for (const { noun, objects, root, button, single } of this.chips) {
      root.hidden = localized_only && !objects.some((object) => object.localized)
      button.setAttribute("aria-pressed", String(!hidden_nouns.includes(noun)))
      for (const [object, one] of single) one.setAttribute("aria-pressed", String(!this.isHidden(object)))
    }
    // Small objects are drawn last, so that large ones do not cover them.
    const visible = this.objects.filter((object) => !this.isHidden(object)).sort((a, b) => b.area - a.area)
    this.drawn = masks_shown ? visible : []
    const { width, height } = this.objects[0] ?? { width: 1, height: 1 }
    Object.assign(this.overlay, { width, height })
    const pixels = new ImageData(width, height)
    const out = new Uint32Array(pixels.data.buffer)
    const inside = outlines ? new Uint8Array(out.length) : null
    for (const object of this.drawn)
      if (outlines) drawOutline(out, inside, object)
      else for (let i = 0; i < object.runs.length; i += 2) out.fill(object.word, object.runs[i], object.runs[i + 1])
    this.overlay.getContext("2d").putImageData(pixels, 0, 0)
    this.drawBoxes(boxes ? visible : [], width, height)
    this.root.dataset.masks = this.drawn.map(({ noun, instance }) => `${noun} ${instance}`).join(", ")
  }

  drawBoxes(objects, width, height) {
    this.boxLayer.setAttribute("viewBox", `0 0 ${width} ${height}`)
    this.boxLayer.replaceChildren(...objects.filter(({ box }) => box).flatMap((object) => {
      const [left, top, right, bottom] = object.box
      const rect = document.createElementNS(SVG, "rect")
      const text = document.createElementNS(SVG, "text")
      const place = { x: left, y: top, width: right - left, height: bottom - top, stroke: object.colour }
      for (const [name, value] of Object.entries(place)) rect.setAttribute(name, value)
      text.setAttribute("x", left + 6)
      text.setAttribute("y", Math.max(26, top > 40 ? top - 8 : top + 28))
      text.textContent = object.score === null ? object.noun : `${object.noun} ${object.score.toFixed(2)}`
      return [rect, text]
    }))
  }

  hover(event) {
    const box = this.stage.getBoundingClientRect()
    const { width, height } = this.overlay
    const x = Math.floor((event.clientX - box.left) / box.width * width)
    const y = Math.floor((event.clientY - box.top) / box.height * height)
    const under = this.drawn.findLast(({ runs }) => contains(runs, y * width + x))
    this.readout.textContent = under ? described(under, this.objects) : ""
  }
}

export function render({ model }) {
  return new PictureWithMasks(model).root
}
