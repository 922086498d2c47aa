// The camera on a cortex, and the projection of its points onto the canvas.

const FULL = { L: 1, R: 1 }
const SAMPLES = 10000 // vertices of a hemisphere that suffice to frame it

export const VIEWS = {
  "lateral left": { azimuth: 90, elevation: 0, shown: FULL },
  "medial left": { azimuth: 270, elevation: 0, shown: { L: 1, R: 0 } },
  "medial right": { azimuth: 90, elevation: 0, shown: { L: 0, R: 1 } },
  "lateral right": { azimuth: 270, elevation: 0, shown: FULL },
  posterior: { azimuth: 0, elevation: 0, shown: FULL },
  anterior: { azimuth: 180, elevation: 0, shown: FULL },
  dorsal: { azimuth: 0, elevation: 90, shown: FULL },
  ventral: { azimuth: 180, elevation: -90, shown: FULL },
}

const between = (low, value, high) => Math.min(high, Math.max(low, value))

/** An orthographic camera around the brain: degrees of azimuth and elevation, and a zoom. */
export class SurfaceCamera {
  constructor(canvas, { OrthographicCamera, Vector3 }) {
    this.canvas = canvas
    this.camera = new OrthographicCamera()
    Object.assign(this.camera, { near: -1000, far: 1000, matrixAutoUpdate: false })
    this.axes = [new Vector3(), new Vector3(), new Vector3()] // right, up, towards the viewer
    // CSS pixels at the edges of the canvas covered by other elements.
    this.insets = { top: 16, bottom: 16, side: 16 }
    this.millimetresPerPixel = 1
    this.boxes = {}
    this.turnTo([0, 0, 1])
  }

  /** Azimuth and elevation in degrees, and zoom. */
  get position() {
    return [this.azimuth, this.elevation, this.zoom].map((v) => Math.round(v * 100) / 100)
  }

  turnTo([azimuth, elevation, zoom]) {
    this.azimuth = ((azimuth % 360) + 360) % 360
    this.elevation = between(-90, elevation, 90)
    this.zoom = between(0.5, zoom, 4)
    const [sinA, cosA, sinE, cosE] = [this.azimuth, this.elevation].flatMap((degrees) =>
      [Math.sin(degrees * Math.PI / 180), Math.cos(degrees * Math.PI / 180)])
    const [right, up, towards] = this.axes
    right.set(cosA, -sinA, 0)
    towards.set(-sinA * cosE, -cosA * cosE, sinE)
    up.crossVectors(towards, right)
    this.camera.matrix.makeBasis(right, up, towards)
    this.camera.matrixWorldNeedsUpdate = true
  }

  /** Project points (flat x, y, z in mm) to flat pixels right, pixels down, and depth in mm. */
  project(points, step = 1) {
    const [right, up, towards] = this.axes
    const { left = 0, top = 0 } = this.camera, scale = 1 / this.millimetresPerPixel
    const out = new Float32Array(3 * Math.ceil(points.length / 3 / step))
    for (let i = 0, o = 0; i < points.length; i += 3 * step, o += 3) {
      const x = points[i], y = points[i + 1], z = points[i + 2]
      out[o] = (right.x * x + right.y * y - left) * scale
      out[o + 1] = (top - up.x * x - up.y * y - up.z * z) * scale
      out[o + 2] = -(towards.x * x + towards.y * y + towards.z * z)
    }
    return out
  }

  /**
   * Centre the hemispheres `{side: points}`; they may always shrink to stay within the canvas,
   * and grow where `anew`. Sets `boxes`, where each is in CSS pixels.
   */
  fit(hemispheres, anew) {
    Object.assign(this.camera, { left: 0, top: 0 })
    this.millimetresPerPixel = 1
    const boxes = Object.entries(hemispheres).map(([side, points]) => {
      const placed = this.project(points, Math.max(1, Math.floor(points.length / 3 / SAMPLES)))
      const box = { side, left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity, depth: Infinity }
      for (let i = 0; i < placed.length; i += 3) {
        if (placed[i] < box.left) box.left = placed[i]
        if (placed[i] > box.right) box.right = placed[i]
        if (placed[i + 1] < box.top) box.top = placed[i + 1]
        if (placed[i + 1] > box.bottom) box.bottom = placed[i + 1]
        if (placed[i + 2] < box.depth) box.depth = placed[i + 2]
      }
      return box
    })
    const left = Math.min(...boxes.map((b) => b.left)), right = Math.max(...boxes.map((b) => b.right))
    const top = Math.min(...boxes.map((b) => b.top)), bottom = Math.max(...boxes.map((b) => b.bottom))
    const { insets } = this, { clientWidth: width, clientHeight: height } = this.canvas
    const fitting = Math.max((right - left) / Math.max(width - 2 * insets.side, 60),
      (bottom - top) / Math.max(height - insets.top - insets.bottom, 60))
    this.fitted = anew || !this.fitted ? fitting : Math.max(fitting, this.fitted)
    const scale = (this.millimetresPerPixel = this.fitted / this.zoom)
    const x = (left + right) / 2, y = -(top + bottom) / 2 + ((insets.top - insets.bottom) / 2) * scale
    Object.assign(this.camera, { left: x - (width / 2) * scale, right: x + (width / 2) * scale,
                                 top: y + (height / 2) * scale, bottom: y - (height / 2) * scale })
    this.camera.updateProjectionMatrix()
    for (const box of boxes) {
      for (const edge of ["left", "right"]) box[edge] = (box[edge] - this.camera.left) / scale
      for (const edge of ["top", "bottom"]) box[edge] = (box[edge] + this.camera.top) / scale
    }
    this.boxes = boxes.sort((a, b) => a.depth - b.depth)
  }
}
