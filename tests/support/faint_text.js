() => { // text whose contrast with what is behind it is below 4.5 to 1, labels of plots too
  const LEAST = 4.5
  const up = (node) => {
    const next = node.assignedSlot ?? node.parentNode ?? node.host
    return next instanceof ShadowRoot ? next.host : next
  }
  const upwards = function* (node) { for (let at = node; at instanceof Element; at = up(at)) yield at }
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })
  // Painted one over the other, as the browser does; each a colour and how opaque it is.
  const over = (layers) => {
    canvas.globalAlpha = 1
    canvas.clearRect(0, 0, 1, 1)
    for (const [colour, alpha] of layers) {
      canvas.globalAlpha = alpha
      canvas.fillStyle = colour
      canvas.fillRect(0, 0, 1, 1)
    }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
  }
  const linear = (v) => v <= 10 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4
  const light = (rgb) => rgb.map(linear).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const contrast = (below, text) => {
    const [dark, bright] = [light(over(below)), light(over([...below, text]))].sort((a, b) => a - b)
    return (bright + 0.05) / (dark + 0.05)
  }
  const behind = (node) => {
    const layers = [...upwards(node)].map((at) => [getComputedStyle(at).backgroundColor, 1])
    return [["white", 1], ...layers.reverse()]
  }
  const found = []
  const look = (name, below, text) => {
    const ratio = contrast(below, text)
    if (ratio < LEAST) found.push(`${name.trim().slice(0, 40)}: ${ratio.toFixed(2)}`)
  }
  const passed = "style, script, option, title, :disabled, [aria-disabled=true], svg, .Mui-disabled, canvas"
  const onPictures = ".tile, .card, .readout, .stage, .bk-Toolbar" // they bring a background of their own along
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.shadowRoot) walk(node.shadowRoot)
      const words = [...node.childNodes].filter(({ nodeType, data }) => nodeType === 3 && data.trim())
      if (!words.length || !node.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue
      const box = node.getBoundingClientRect()
      if (box.width < 2 || box.height < 2) continue // for screen readers
      const all = [...upwards(node)]
      if (all.some((at) => at.matches(passed) || at.matches(onPictures))) continue
      const alpha = all.reduce((product, at) => product * getComputedStyle(at).opacity, 1)
      look(words[0].data, behind(node), [getComputedStyle(node).color, alpha])
    }
  }
  walk(document)
  for (const view of globalThis.Bokeh?.index.all_views() ?? []) {
    const { model, el, plot_view } = view
    if (!model?.type?.endsWith("Axis") || !plot_view?.el?.checkVisibility()) continue
    const { border_fill_color, border_fill_alpha } = plot_view.model
    const below = [...behind(plot_view.el), [border_fill_color ?? "transparent", border_fill_alpha]]
    look(`labels of an axis (${model.type})`, below, [model.major_label_text_color, model.major_label_text_alpha])
  }
  return [...new Set(found)]
}
