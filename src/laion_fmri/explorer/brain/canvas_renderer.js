// A canvas drawn by three.js: at most once per frame, at screen resolution, or as a picture.

const SMOOTHING_DELAY = 300 // milliseconds after the last change

let software

/** Whether WebGL runs without a graphics card: smoothing every frame would halve the frame rate. */
export function isSoftware() {
  if (software === undefined) {
    const gl = document.createElement("canvas").getContext("webgl2")
    const info = gl?.getExtension("WEBGL_debug_renderer_info")
    software = /swiftshader|llvmpipe|software|basic render/i.test(info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "")
    gl?.getExtension("WEBGL_lose_context")?.loseContext()
  }
  return software
}

/** The uniforms that colour a map, shared by all shaders that display it. */
export class ColourScale {
  constructor({ DataTexture, LinearFilter, Vector4 }) {
    const palette = new DataTexture(new Uint8Array(1024).fill(128), 256, 1)
    palette.minFilter = palette.magFilter = LinearFilter
    this.uniforms = { palette: { value: palette }, bounds: { value: new Vector4(0, 1, 0, 1) },
                      symmetric: { value: 0 }, mapOpacity: { value: 1 } }
    this.setPalette(new Uint8Array(768).fill(128))
  }

  /** Set the colours, 256 × RGB bytes. */
  setPalette(rgb) {
    const palette = this.uniforms.palette.value
    for (let i = 0; i < 256; i++) palette.image.data.set([rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255], 4 * i)
    palette.needsUpdate = true
  }

  set({ lower, upper, first, range, symmetric, opacity }) {
    this.uniforms.bounds.value.set(lower, upper, first, range)
    this.uniforms.symmetric.value = symmetric ? 1 : 0
    this.uniforms.mapOpacity.value = opacity
  }
}

/**
 * Draws `scene` on a canvas; `smooth` asks for soft edges. `before(density)` runs before each
 * drawing, `onDraw` after it. Throws if WebGL 2 is not available.
 */
export class CanvasRenderer {
  constructor(canvas, { WebGLRenderer }, { scene, camera, smooth = false, before = () => {}, ...options }) {
    Object.assign(this, { canvas, scene, camera, before, onDraw: () => {} })
    this.supersampled = smooth && isSoftware()
    const context = canvas.getContext("webgl2", { alpha: true, antialias: smooth && !isSoftware(), ...options })
    if (!context) throw new Error("There is no WebGL 2.")
    this.renderer = new WebGLRenderer({ canvas, context })
    this.renderer.sortObjects = false
    canvas.addEventListener("webglcontextrestored", () => this.draw())
  }

  /** Draw before the next frame; several calls result in one drawing. */
  draw() {
    if (this.disposed) return
    this.frame ??= requestAnimationFrame(() => this.drawNow())
  }

  drawNow() {
    cancelAnimationFrame(this.frame)
    this.frame = null
    const density = Math.min(window.devicePixelRatio || 1, 2)
    if (!this.paint(density)) return
    this.onDraw()
    if (!this.supersampled) return
    clearTimeout(this.smoothing)
    this.smoothing = setTimeout(() => this.paint(2 * density), SMOOTHING_DELAY)
  }

  /** Draw with this many buffer pixels per CSS pixel; returns whether it was possible. */
  paint(density) {
    const { canvas, renderer } = this
    const { clientWidth: width, clientHeight: height } = canvas
    if (this.disposed || !width || renderer.getContext().isContextLost()) return false
    if (canvas.width !== Math.floor(width * density) || canvas.height !== Math.floor(height * density))
      renderer.setDrawingBufferSize(width, height, density)
    this.before(density)
    renderer.render(this.scene, this.camera)
    return true
  }

  /** Return the view as a new 2D canvas, `density` pixels per CSS pixel, transparent. */
  snapshot(density) {
    const { canvas } = this
    const copy = document.createElement("canvas")
    Object.assign(copy, { width: Math.round(canvas.clientWidth * density), height: Math.round(canvas.clientHeight * density) })
    this.paint(this.supersampled ? 2 * density : density)
    const pen = copy.getContext("2d")
    pen.imageSmoothingQuality = "high"
    pen.drawImage(canvas, 0, 0, copy.width, copy.height)
    this.drawNow()
    return copy
  }

  dispose() {
    if (this.disposed) return
    this.disposed = true
    cancelAnimationFrame(this.frame)
    clearTimeout(this.smoothing)
    this.renderer.dispose()
    this.renderer.forceContextLoss()
  }
}
