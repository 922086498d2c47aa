// The controls of the colour scale, and its colour bar.

/** A step that divides a range into about two hundred, at a power of ten times 1, 2 or 5. */
function calmStep(range) {
  const power = 10 ** Math.floor(Math.log10(range / 200))
  return [1, 2, 5, 10].map((s) => s * power).find((s) => s >= range / 200 * 0.999)
}

/** Number of decimals of a step. */
const decimals = (step) => Math.max(0, -Math.floor(Math.log10(step) + 1e-9))

/** Threshold, upper bound, colour map and symmetry of one viewer. */
export class ColourControls {
  constructor(viewer) {
    const { model, sliders, palette, symmetric } = viewer
    Object.assign(this, { viewer, model, sliders })
    this.scale = { lower: 0, upper: 1, first: 0, range: 1, symmetric: false, opacity: 1 }
    for (const [bound, { input }] of Object.entries(sliders)) {
      input.addEventListener("input", () => {
        const value = Number(input.value)
        this.setBound(bound, value)
        viewer.tellOthers((other) => other.map?.units === viewer.map.units && other.colourControls.setBound(bound, value))
      })
      input.addEventListener("change", () => this.choose({ [bound]: Number(input.value) }))
    }
    symmetric.addEventListener("change", () => {
      this.choose({ symmetric: symmetric.checked })
      this.showScale()
    })
    palette.addEventListener("change", () => {
      this.choose({ colormap: palette.value })
      this.showPalette()
    })
    const { element } = viewer.modules.layout
    palette.replaceChildren(...Object.keys(model.palettes).map((name) => element("option", { value: name }, name)))
  }

  /** Change the scale, also of linked viewers whose map has the same units. */
  choose(values) {
    const { viewer } = this
    viewer.set(values, ({ map }) => map?.units === viewer.map.units)
  }

  showPalette() {
    const { model, viewer } = this
    viewer.palette.value = model.colormap
    this.colours = new Uint8Array(model.palettes[model.colormap])
    viewer.scale.setPalette(this.colours)
    viewer.draw()
    this.drawBar()
  }

  showScale() {
    const { model, viewer, viewer: { map } } = this
    if (!map || viewer.bare) return viewer.draw()
    const { lower, upper, symmetric, opacity } = model
    const [first, last] = symmetric ? [0, map.magnitude] : map.range
    viewer.symmetric.checked = symmetric
    const top = Math.max(last, upper ?? last)
    this.step = calmStep(top - first)
    this.scale = { lower: lower ?? first, upper: upper ?? last, first, range: top - first, symmetric, opacity }
    const suffix = map.units ? ` (${map.units})` : ""
    for (const [bound, text] of [["lower", "Threshold"], ["upper", "Upper bound"]]) {
      const { input, label } = this.sliders[bound]
      label.textContent = text + suffix
      input.setAttribute("aria-label", text + suffix)
      // The slider must accept any value that is set, even between two steps.
      Object.assign(input, { min: first, max: top, step: "any" })
      input.value = this.scale[bound]
      input.step = this.step
      this.showBound(bound)
    }
    this.applyScale()
  }

  setBound(bound, value) {
    this.scale[bound] = value
    this.showBound(bound)
    this.applyScale()
  }

  showBound(bound) {
    const { input, output } = this.sliders[bound], value = this.scale[bound]
    if (Number(input.value) !== value) input.value = value
    output.textContent = value.toFixed(decimals(this.step))
    input.setAttribute("aria-valuetext", `${output.textContent} ${this.viewer.map.units}`.trim())
  }

  applyScale() {
    this.viewer.scale.set(this.scale)
    this.viewer.draw()
    this.drawBar()
  }

  withUnits(value) {
    return `${value.toFixed(Math.min(6, Math.max(1, decimals(this.step))))} ${this.viewer.map.units}`.trim()
  }

  drawBar() {
    const { bar, map } = this.viewer, ratio = window.devicePixelRatio || 1
    const { clientWidth: width, clientHeight: height } = bar
    if (!width || !map) return
    Object.assign(bar, { width: width * ratio, height: height * ratio })
    const pen = bar.getContext("2d")
    pen.scale(ratio, ratio)
    this.paintBar(pen, 0, 0, width, height)
    const [from, to] = [this.scale.lower, this.scale.upper].map((value) => this.withUnits(value))
    bar.setAttribute("aria-label", `Colour bar of ${map.name || "the map"}: coloured from ${from}, scale ends at ${to}`)
  }

  /** Draw the scale from its first to its last colour, pale where the threshold hides it. */
  paintBar(pen, x, y, width, height) {
    const { lower, upper, first, symmetric } = this.scale, { ink } = this.viewer
    const low = symmetric ? -upper : first, span = Math.max(upper - low, 1e-12)
    const left = x + 14, wide = width - 28, tall = height - 24
    pen.save()
    pen.beginPath()
    pen.roundRect(left, y, wide, tall, 4)
    pen.save()
    pen.clip()
    pen.imageSmoothingEnabled = false
    pen.drawImage(this.strip(low, span), left, y, wide, tall)
    pen.restore()
    Object.assign(pen, { strokeStyle: ink.line, fillStyle: ink.text, font: `12px ${ink.family}`,
                         textBaseline: "top", textAlign: "center" })
    pen.stroke()
    // The ends first: a threshold too close to them has no label.
    const taken = []
    for (const value of symmetric ? [-upper, upper, -lower, lower] : [low, upper, lower]) {
      const at = left + ((value - low) / span) * wide, { units } = this.viewer.map
      const text = Number(value.toFixed(decimals(this.step))) + (value === upper && units ? ` ${units}` : "")
      const half = pen.measureText(text).width / 2
      const middle = Math.min(Math.max(at, x + half), x + width - half)
      if (at < left - 1 || at > left + wide + 1) continue
      if (taken.some(([from, to]) => middle - half - 8 < to && middle + half + 8 > from)) continue
      taken.push([middle - half, middle + half])
      pen.fillRect(at - 0.5, y + tall, 1, 4)
      pen.fillText(text, middle, y + tall + 7)
    }
    pen.restore()
  }

  /** The colours from `low` over a span, 1024 pixels wide and one pixel high. */
  strip(low, span) {
    const { lower, symmetric } = this.scale
    const canvas = Object.assign(document.createElement("canvas"), { width: 1024, height: 1 })
    const pen = canvas.getContext("2d"), pixels = pen.createImageData(1024, 1)
    for (let i = 0; i < 1024; i++) {
      const fraction = (i + 0.5) / 1024, value = low + fraction * span
      const at = 3 * Math.round(fraction * 255)
      pixels.data.set([...this.colours.subarray(at, at + 3), (symmetric ? Math.abs(value) : value) < lower ? 36 : 255], 4 * i)
    }
    pen.putImageData(pixels, 0, 0)
    return canvas
  }
}
