// The saved picture: the current view, with names, legend and colour bar.

/** Download the display of a viewer as a PNG at least 3000 pixels wide. */
export function savePicture(viewer) {
  const { panes } = viewer.root.dataset, { subject, view } = viewer.model
  const density = Math.max(3000 / viewer.scenes.clientWidth, window.devicePixelRatio || 1)
  const pictures = [], marks = []
  if (panes !== "volume") {
    pictures.push(viewer.scene.renderer.snapshot(density))
    marks.push(...viewer.viewControl.labels.map((mark) => ({ ...mark, align: "center", picture: 0 })))
  }
  if (panes !== "surface") {
    marks.push(...viewer.slicesPane.marks().map((mark) => ({ ...mark, align: "left", picture: pictures.length })))
    pictures.push(viewer.slicesPane.scene.renderer.snapshot(density))
  }
  const name = viewer.map?.name || "brain"
  paintPicture(viewer, pictures, density, subject ? `${subject}: ${name}` : name, marks).toBlob((blob) => {
    const url = URL.createObjectURL(blob)
    const file = [subject, name, panes === "volume" ? "slices" : view].filter(Boolean).join(" ").replace(/[^\p{L}\p{N}_-]+/gu, "_")
    viewer.modules.layout.element("a", { href: url, download: `${file}.png` }).click()
    setTimeout(() => URL.revokeObjectURL(url), 10000)
  })
}

/** Describe the direction of view and the shape of the brain. */
function seen({ root, model, views, slicesPane }) {
  const { panes, shape } = root.dataset
  const point = slicesPane.scene?.position.map((v) => v.toFixed(0)).join(", ")
  if (panes === "volume") return `Slices at ${point} mm`
  const turned = !views.querySelector("[aria-pressed=true]")
  const parts = [model.view.charAt(0).toUpperCase() + model.view.slice(1) + (turned ? ", turned" : "")]
  if (shape) parts.push(shape === "between" ? "between two shapes" : `${shape} cortex`)
  if (panes === "both") parts.push(`slices at ${point} mm`)
  return parts.join(", ")
}

/** Canvases (`scale` pixels per CSS pixel) one below the other, with `marks` on the canvas they name. */
function paintPicture(viewer, canvases, scale, title, marks) {
  const { rois, map, ink, root } = viewer
  const headed = root.dataset.panes === "volume", below = canvases.length > 1 || headed
  const background = root.classList.contains("dark") ? "#171c24" : "#ffffff"
  const picture = document.createElement("canvas")
  const head = headed ? 64 * scale : 0
  const tall = canvases.reduce((sum, canvas) => sum + canvas.height, head)
  const width = Math.max(...canvases.map((canvas) => canvas.width)) / scale, height = tall / scale
  const perRow = Math.max(1, Math.floor((width - 36) / 150)), rows = below ? Math.ceil(rois.length / perRow) : 0
  Object.assign(picture, { width: Math.round(width * scale),
                           height: Math.round((height + 22 * rows + (rows ? 16 : 0) + (map ? 64 : 0)) * scale) })
  const pen = picture.getContext("2d")
  pen.fillStyle = background
  pen.fillRect(0, 0, picture.width, picture.height)
  const tops = []
  canvases.reduce((y, canvas) => (tops.push(y / scale), pen.drawImage(canvas, 0, y), y + canvas.height), head)
  pen.scale(scale, scale)
  Object.assign(pen, { textBaseline: "top", fillStyle: ink.text, font: `600 16px ${ink.family}` })
  // A name that is too long is condensed instead of truncated.
  pen.fillText(title, 18, 14, width - 36)
  pen.font = `13px ${ink.family}`
  pen.fillText(seen(viewer), 18, 36, width - 36)
  for (const { text, x, y, align, picture: n } of marks) {
    const wide = pen.measureText(text).width, onCortex = align === "center"
    Object.assign(pen, { textAlign: align, fillStyle: onCortex ? background : "#0b0d11", globalAlpha: 0.75 })
    pen.fillRect((onCortex ? x - wide / 2 : x) - 3, tops[n] + y - 2, wide + 6, 18)
    Object.assign(pen, { fillStyle: onCortex ? ink.text : "#e6eaf0", globalAlpha: 1 })
    pen.fillText(text, x, tops[n] + y)
  }
  pen.textAlign = "left"
  rois.forEach((roi, i) => {
    const x = below ? 18 + 150 * (i % perRow) : 18
    const y = below ? height + 12 + 22 * Math.floor(i / perRow) : height - 22 * (rois.length - i)
    pen.fillStyle = roi.colour
    pen.fillRect(x, y, 12, 12)
    pen.fillStyle = ink.text
    pen.fillText(roi.name, x + 20, y, below ? 120 : width - 60)
  })
  if (map) viewer.colourControls.paintBar(pen, width / 2 - 170, picture.height / scale - 54, 340, 44)
  return picture
}
