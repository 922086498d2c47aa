// The colour bar, and the picture that is saved, on 2D canvases.

/** A step that divides a range into some two hundred, at a power of ten times 1, 2 or 5. */
export function calmStep(range) {
  const power = 10 ** Math.floor(Math.log10(range / 200))
  return [1, 2, 5, 10].map((s) => s * power).find((s) => s >= range / 200 * 0.999)
}

/** Digits after the point that a step needs. */
export function decimals(step) {
  return Math.max(0, -Math.floor(Math.log10(step) + 1e-9))
}

/** A number as short as its step allows. */
export function calm(value, step) {
  return String(Number(value.toFixed(decimals(step))))
}

/**
 * The scale from its first to its last colour, pale where the threshold cuts it.
 *
 * `bar` holds colours (256 × RGB bytes), lower, upper, first, symmetric, step, units; `ink`
 * the text and line colours and the font family.
 */
export function paintBar(pen, bar, ink, x, y, width, height) {
  const { colours, lower, upper, symmetric, step, units } = bar
  const low = symmetric ? -upper : bar.first
  const span = Math.max(upper - low, 1e-12)
  const left = x + 14, wide = width - 28, tall = height - 24
  const place = (value) => left + ((value - low) / span) * wide
  pen.save()
  pen.beginPath()
  pen.roundRect(left, y, wide, tall, 4)
  pen.save()
  pen.clip()
  pen.imageSmoothingEnabled = false
  pen.drawImage(strip(bar, low, span), left, y, wide, tall)
  pen.restore()
  pen.strokeStyle = ink.line
  pen.stroke()
  pen.fillStyle = ink.text
  pen.font = `12px ${ink.family}`
  pen.textBaseline = "top"
  pen.textAlign = "center"
  // The ends first: a threshold too near to them goes unlabelled.
  const taken = []
  for (const value of symmetric ? [-upper, upper, -lower, lower] : [low, upper, lower]) {
    const at = place(value)
    const text = calm(value, step) + (value === upper && units ? ` ${units}` : "")
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

function strip({ colours, lower, symmetric }, low, span) {
  const canvas = document.createElement("canvas")
  Object.assign(canvas, { width: 1024, height: 1 })
  const pen = canvas.getContext("2d")
  const pixels = pen.createImageData(1024, 1)
  for (let i = 0; i < 1024; i++) {
    const fraction = (i + 0.5) / 1024
    const value = low + fraction * span
    const at = 3 * Math.round(fraction * 255)
    const alpha = (symmetric ? Math.abs(value) : value) < lower ? 36 : 255
    pixels.data.set([colours[at], colours[at + 1], colours[at + 2], alpha], 4 * i)
  }
  pen.putImageData(pixels, 0, 0)
  return canvas
}

/**
 * A picture of canvases (`scale` pixels per CSS pixel, one below the other) with their name,
 * legend and colour bar. `bar` may be null; `headed` keeps room for the name above them.
 */
export function paintPicture(canvases, scale, { name, rois, bar, ink, background, headed }) {
  const picture = document.createElement("canvas")
  const head = headed ? 48 * scale : 0
  const tall = canvases.reduce((sum, canvas) => sum + canvas.height, head)
  const width = Math.max(...canvases.map((canvas) => canvas.width)) / scale, height = tall / scale
  const perRow = Math.max(1, Math.floor((width - 36) / 150))
  const below = canvases.length > 1 || headed
  const rows = below ? Math.ceil(rois.length / perRow) : 0
  Object.assign(picture, { width: Math.round(width * scale),
                           height: Math.round((height + 22 * rows + (rows ? 16 : 0) + (bar ? 64 : 0)) * scale) })
  const pen = picture.getContext("2d")
  pen.fillStyle = background
  pen.fillRect(0, 0, picture.width, picture.height)
  canvases.reduce((y, canvas) => (pen.drawImage(canvas, 0, y), y + canvas.height), head)
  pen.scale(scale, scale)
  pen.textBaseline = "top"
  pen.fillStyle = ink.text
  pen.font = `600 16px ${ink.family}`
  pen.fillText(name, 18, 16)
  pen.font = `13px ${ink.family}`
  rois.forEach((roi, i) => {
    const x = below ? 18 + 150 * (i % perRow) : 18
    const y = below ? height + 12 + 22 * Math.floor(i / perRow) : height - 22 * (rois.length - i)
    pen.fillStyle = roi.colour
    pen.fillRect(x, y, 12, 12)
    pen.fillStyle = ink.text
    pen.fillText(roi.name, x + 20, y)
  })
  if (bar) paintBar(pen, bar, ink, width / 2 - 170, picture.height / scale - 54, 340, 44)
  return picture
}
