// Two hemispheres in one WebGL canvas: NiiVue keeps the camera and draws, with the shaders of
// surface_shaders.js; this module gives both their data and answers what is where.

// Units beyond those that NiiVue uses.
const UNITS = { vertexData: 16, roiFill: 17, palette: 18, shapeFrom: 19, shapeTo: 20, normalsFrom: 21, normalsTo: 22 }
const OUTLINE_WIDTH = 1.1
const FULL = { L: 1, R: 1 }

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

let software

/** Whether WebGL is drawn without a graphics card: smoothing each frame would halve the pace. */
function isSoftware() {
  if (software === undefined) {
    const gl = document.createElement("canvas").getContext("webgl2")
    const named = gl?.getExtension("WEBGL_debug_renderer_info")
    software = /swiftshader|llvmpipe|software|basic render/i.test(named ? gl.getParameter(named.UNMASKED_RENDERER_WEBGL) : "")
    gl?.getExtension("WEBGL_lose_context")?.loseContext()
  }
  return software
}

/** The scene behind one canvas; see the methods for what it can be asked. */
export class SurfaceScene {
  constructor(canvas, { niivue, geometry, shaders }) {
    Object.assign(this, { canvas, niivue, geometry, shaders })
    this.width = shaders.TEXTURE_WIDTH
    this.software = isSoftware()
    this.surface = null
    this.outlines = null
    this.rois = []
    this.shown = FULL
    this.userZoom = 1
    this.millimetresPerPixel = 1
    // Pixels of the canvas that other things lie over.
    this.insets = { top: 16, bottom: 16, side: 16 }
    this.marker = null
    this.onDraw = () => {}
  }

  /** Make the WebGL context and compile the shaders; rejects where there is no WebGL 2. */
  async start() {
    const nv = new this.niivue.Niivue({
      backColor: [0, 0, 0, 0], show3Dcrosshair: false, isOrientCube: false, isColorbar: false,
      isOrientationTextVisible: false, isCornerOrientationText: false, showLegend: false,
      loadingText: "", logLevel: "silent", interactive: false, dragAndDropEnabled: false,
      isResizeCanvas: false, forceDevicePixelRatio: -1, sliceType: this.niivue.SLICE_TYPE.RENDER,
    })
    // NiiVue's own mesh shaders are never used here; compiling them would delay the first view.
    nv.meshShaders = []
    this.nv = nv
    const stage = this.canvas.parentElement
    const background = stage.style.backgroundColor
    await nv.attachToCanvas(this.canvas, !this.software)
    stage.style.backgroundColor = background
    this.gl = nv.gl
    this.surfaceProgram = this.addShader("surface", this.shaders.SURFACE_VERTEX, this.shaders.SURFACE_FRAGMENT)
    this.outlineProgram = this.addShader("outline", this.shaders.OUTLINE_VERTEX, this.shaders.OUTLINE_FRAGMENT)
    for (const [name, unit] of Object.entries(UNITS)) this.uniform("uniform1i", name, unit)
    this.textures = {}
    this.setPalette(new Uint8Array(768).fill(128))
    this.setScale({ lower: 0, upper: 1, first: 0, range: 1, symmetric: false, opacity: 1 })
  }

  addShader(name, vertex, fragment) {
    const { gl, nv } = this
    const compile = (kind, source) => {
      const shader = gl.createShader(kind)
      gl.shaderSource(shader, source)
      gl.compileShader(shader)
      return shader
    }
    const program = gl.createProgram()
    gl.attachShader(program, compile(gl.VERTEX_SHADER, vertex))
    gl.attachShader(program, compile(gl.FRAGMENT_SHADER, fragment))
    gl.linkProgram(program)
    if (!gl.getProgramParameter(program, gl.LINK_STATUS))
      throw new Error(`The ${name} shader does not link: ${gl.getProgramInfoLog(program)}`)
    const uniforms = { opacity: null }
    for (const uniform of ["mvpMtx", "normMtx"])
      uniforms[uniform] = gl.getUniformLocation(program, uniform)
    nv.meshShaders.push({ Name: name, Frag: fragment, shader: { program, uniforms, use: () => gl.useProgram(program) } })
    return program
  }

  uniform(setter, name, ...values) {
    for (const program of [this.surfaceProgram, this.outlineProgram]) {
      const location = this.gl.getUniformLocation(program, name)
      if (location === null) continue
      this.gl.useProgram(program)
      this.gl[setter](location, ...values)
    }
  }

  setTexture(name, ...what) {
    if (this.textures[name]) this.gl.deleteTexture(this.textures[name])
    this.textures[name] = this.makeTexture(name, ...what)
  }

  makeTexture(name, width, height, internal, format, type, data, filter) {
    const { gl } = this
    const texture = gl.createTexture()
    gl.activeTexture(gl.TEXTURE0 + UNITS[name])
    gl.bindTexture(gl.TEXTURE_2D, texture)
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1)
    for (const which of ["MIN", "MAG"]) gl.texParameteri(gl.TEXTURE_2D, gl[`TEXTURE_${which}_FILTER`], filter)
    for (const which of ["S", "T"]) gl.texParameteri(gl.TEXTURE_2D, gl[`TEXTURE_WRAP_${which}`], gl.CLAMP_TO_EDGE)
    gl.texImage2D(gl.TEXTURE_2D, 0, internal, width, height, 0, format, type, data)
    return texture
  }

  /** Replace the meshes: `{L: {points, triangles}, R: …}`, points already where they are to be drawn. */
  setSurface(parts) {
    this.clearMeshes()
    const sides = ["L", "R"].filter((side) => parts[side])
    const counts = Object.fromEntries(["L", "R"].map((s) => [s, parts[s] ? parts[s].points.length / 3 : 0]))
    const total = counts.L + counts.R
    const points = new Float32Array(total * 3)
    const triangles = new Uint32Array(sides.reduce((sum, s) => sum + parts[s].triangles.length, 0))
    const ranges = {}
    let written = 0
    for (const side of sides) {
      const first = side === "L" ? 0 : counts.L
      points.set(parts[side].points, first * 3)
      ranges[side] = [written, written + parts[side].triangles.length]
      for (const corner of parts[side].triangles) triangles[written++] = corner + first
    }
    this.surface = { sides, counts, first: { L: 0, R: counts.L }, points, triangles, ranges, total,
                     rows: Math.ceil(total / this.width) }
    this.shapes = new Map()
    this.between = ["", ""]
    this.addShape("", parts)
    this.vertexData = new Float32Array(this.width * this.surface.rows * 4)
    this.uploadVertexData()
    this.rois = []
    this.uploadFill()
    const names = new Uint8Array(total * 4).fill(255)
    for (let i = 0; i < total; i++) {
      names[4 * i] = i & 255
      names[4 * i + 1] = (i >> 8) & 255
      names[4 * i + 2] = i >> 16
    }
    this.mesh = this.addMesh(points, triangles, names, 0)
    this.uniform("uniform1i", "leftCount", counts.L)
    this.marker = null
    this.morph("", "", 0)
  }

  /** Keep the cortex in another shape: `{L: {points}, R: …}`, NaN where a vertex is not part of it. */
  addShape(name, parts) {
    const { gl, surface, width } = this
    this.forgetShape(name)
    const points = new Float32Array(surface.total * 3)
    for (const side of surface.sides) points.set(parts[side].points, surface.first[side] * 3)
    const texels = new Float32Array(width * surface.rows * 4)
    for (let i = 0; i < surface.total; i++) {
      const there = points[3 * i] === points[3 * i]
      for (let k = 0; k < 3; k++) texels[4 * i + k] = there ? points[3 * i + k] : 0
      texels[4 * i + 3] = there ? 1 : 0
    }
    const normals = this.geometry.vertexNormals(points, surface.triangles)
    const turned = new Uint8Array(width * surface.rows * 4)
    for (let i = 0; i < surface.total; i++)
      for (let k = 0; k < 3; k++) turned[4 * i + k] = Math.round((normals[3 * i + k] + 1) * 127.5)
    this.shapes.set(name, {
      points,
      positions: this.makeTexture("shapeFrom", width, surface.rows, gl.RGBA32F, gl.RGBA, gl.FLOAT, texels, gl.NEAREST),
      normals: this.makeTexture("normalsFrom", width, surface.rows, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, turned, gl.NEAREST),
    })
    this.bindShapes()
  }

  bindShapes() {
    const { gl } = this
    const [a, b] = (this.between ?? []).map((name) => this.shapes.get(name))
    if (!a || !b) return
    for (const [name, texture] of [["shapeFrom", a.positions], ["shapeTo", b.positions],
      ["normalsFrom", a.normals], ["normalsTo", b.normals]]) {
      gl.activeTexture(gl.TEXTURE0 + UNITS[name])
      gl.bindTexture(gl.TEXTURE_2D, texture)
    }
  }

  forgetShape(name) {
    const shape = this.shapes.get(name)
    if (!shape) return
    this.gl.deleteTexture(shape.positions)
    this.gl.deleteTexture(shape.normals)
    this.shapes.delete(name)
  }

  /** Show the cortex between two shapes that are kept; only a number changes while it is dragged. */
  morph(from, to, fraction) {
    const { surface } = this
    const a = this.shapes.get(from), b = this.shapes.get(to)
    this.between = [from, to]
    this.bindShapes()
    this.uniform("uniform1f", "morph", fraction)
    // Where vertices are now, for what is found by them: framing, picking, marker, outlines.
    const { points } = surface, share = 1 - fraction
    if (fraction === 0) points.set(a.points)
    else if (fraction === 1) points.set(b.points)
    else for (let i = 0; i < points.length; i++) points[i] = share * a.points[i] + fraction * b.points[i]
    this.measure()
    this.showOutlines()
    this.fit(true)
  }

  /** What NiiVue's camera wants to know of a mesh whose vertices moved. */
  measure() {
    const { points } = this.surface
    const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity]
    let furthest = 0
    for (let i = 0; i < points.length; i += 3) {
      const x = points[i], y = points[i + 1], z = points[i + 2]
      if (x !== x) continue
      if (x < low[0]) low[0] = x
      if (y < low[1]) low[1] = y
      if (z < low[2]) low[2] = z
      if (x > high[0]) high[0] = x
      if (y > high[1]) high[1] = y
      if (z > high[2]) high[2] = z
      furthest = Math.max(furthest, x * x + y * y + z * z)
    }
    Object.assign(this.mesh, { extentsMin: low, extentsMax: high, furthestVertexFromOrigin: Math.sqrt(furthest) })
  }

  addMesh(points, triangles, colours, shader) {
    const mesh = new this.niivue.NVMesh(points, triangles, "", colours, 1, true, this.gl)
    mesh.meshShaderIndex = shader
    this.nv.meshes.push(mesh)
    return mesh
  }

  removeMesh(mesh) {
    mesh.unloadMesh(this.gl)
    this.nv.meshes = this.nv.meshes.filter((other) => other !== mesh)
  }

  clearMeshes() {
    if (this.outlines) this.removeMesh(this.outlines)
    if (this.mesh) this.removeMesh(this.mesh)
    for (const name of [...(this.shapes?.keys() ?? [])]) this.forgetShape(name)
    this.outlines = this.mesh = this.surface = null
    this.borders = []
  }

  uploadVertexData() {
    const { gl, surface } = this
    this.setTexture("vertexData", this.width, surface.rows, gl.RGBA32F, gl.RGBA, gl.FLOAT, this.vertexData, gl.NEAREST)
  }

  /** Curvature or sulcal depth, `{L: values, R: values}`: positive is deep. */
  setUnderlay(values) {
    const { surface, vertexData } = this
    for (const side of surface.sides) {
      const side_ = values?.[side]
      const spread = side_ ? Math.sqrt(side_.reduce((sum, v) => sum + (v === v ? v * v : 0), 0) / side_.length) || 1 : 1
      for (let i = 0, at = surface.first[side] * 4 + 2; i < surface.counts[side]; i++, at += 4)
        vertexData[at] = side_ && side_[i] === side_[i] ? side_[i] / spread : 0
    }
    this.uploadVertexData()
  }

  /** Values to colour, `{L: values, R: values}`; NaN and absent hemispheres stay bare. */
  setMap(values) {
    const { surface, vertexData } = this
    for (const side of surface.sides) {
      const side_ = values?.[side]
      for (let i = 0, at = surface.first[side] * 4; i < surface.counts[side]; i++, at += 4) {
        const known = side_ !== undefined && side_[i] === side_[i]
        vertexData[at] = known ? side_[i] : 0
        vertexData[at + 1] = known ? 1 : 0
      }
    }
    this.uploadVertexData()
  }

  setPalette(rgb) {
    const { gl } = this
    this.setTexture("palette", 256, 1, gl.RGB8, gl.RGB, gl.UNSIGNED_BYTE, rgb, gl.LINEAR)
  }

  setScale({ lower, upper, first, range, symmetric, opacity }) {
    this.uniform("uniform4f", "bounds", lower, upper, first, range)
    this.uniform("uniform1f", "symmetric", symmetric ? 1 : 0)
    this.uniform("uniform1f", "mapOpacity", opacity)
  }

  /** Labels `[{colour: [r, g, b], L: mask, R: mask}]`, drawn as "outline" or "fill". */
  setRois(rois, style) {
    this.rois = rois
    this.uploadFill(style === "fill" ? rois : [])
    this.borders = style === "outline" ? this.findBorders(rois) : []
    this.showOutlines()
  }

  /** The triangles that a label's border crosses: all that its outline needs, in any shape. */
  findBorders(rois) {
    const { surface } = this
    const found = []
    for (const { colour, ...masks } of rois)
      for (const side of surface.sides) {
        const mask = masks[side], first = surface.first[side]
        if (!mask) continue
        const triangles = []
        const [from, to] = surface.ranges[side]
        for (let t = from; t < to; t += 3) {
          const a = surface.triangles[t], b = surface.triangles[t + 1], c = surface.triangles[t + 2]
          const n = mask[a - first] + mask[b - first] + mask[c - first]
          if (n === 1 || n === 2) triangles.push(a, b, c)
        }
        if (triangles.length) found.push({ colour, side, mask, first, triangles })
      }
    return found
  }

  uploadFill(rois = []) {
    const { gl, surface } = this
    const fill = new Uint8Array(this.width * surface.rows * 4)
    for (const { colour, ...masks } of rois)
      for (const side of surface.sides)
        masks[side]?.forEach((member, i) => {
          if (member) fill.set([...colour, 255], (surface.first[side] + i) * 4)
        })
    this.setTexture("roiFill", this.width, surface.rows, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, fill, gl.NEAREST)
  }

  /** Draw the outlines where the surface is now. */
  showOutlines() {
    const { surface } = this
    if (this.outlines) this.removeMesh(this.outlines)
    this.outlines = null
    const points = [], triangles = [], colours = []
    for (const border of this.borders ?? []) {
      const there = (v) => surface.points[3 * v] === surface.points[3 * v]
      const seen = border.triangles.filter((_, i) => {
        const t = i - (i % 3)
        return there(border.triangles[t]) && there(border.triangles[t + 1]) && there(border.triangles[t + 2])
      })
      const ribbon = this.geometry.outlineRibbon(
        surface.points, seen, (v) => border.mask[v - border.first], OUTLINE_WIDTH, 0, seen.length)
      const base = points.length / 3
      for (const value of ribbon.points) points.push(value)
      for (const corner of ribbon.triangles) triangles.push(base + corner)
      for (let i = 0; i < ribbon.points.length / 3; i++) colours.push(...border.colour, border.side === "L" ? 255 : 254)
    }
    if (triangles.length)
      this.outlines = this.addMesh(new Float32Array(points), new Uint32Array(triangles), new Uint8Array(colours), 1)
  }

  setView(name) {
    const { azimuth, elevation, shown } = VIEWS[name]
    const visible = this.surface ? this.surface.sides.filter((side) => shown[side]) : ["L"]
    this.shown = visible.length ? shown : FULL
    this.uniform("uniform2f", "shown", this.shown.L, this.shown.R)
    Object.assign(this.nv.scene, { renderAzimuth: azimuth, renderElevation: elevation })
    this.userZoom = 1
    this.fit(true)
  }

  rotate(azimuth, elevation) {
    const { scene } = this.nv
    scene.renderAzimuth = (scene.renderAzimuth + azimuth + 360) % 360
    scene.renderElevation = Math.min(90, Math.max(-90, scene.renderElevation + elevation))
    this.fit(false)
  }

  zoom(factor) {
    this.userZoom = Math.min(4, Math.max(0.5, this.userZoom * factor))
    this.fit(false)
  }

  /** Centre what is shown; it may always shrink to stay within the canvas, and grows on `anew`. */
  fit(anew) {
    const { nv, surface, canvas } = this
    if (!surface) return
    nv.setPivot3D()
    nv.position = [0, 0, 0]
    const model = this.matrices()[1]
    const low = [Infinity, Infinity], high = [-Infinity, -Infinity]
    const stride = 3 * Math.max(1, Math.floor(surface.total / 20000))
    for (const side of surface.sides) {
      if (!this.shown[side]) continue
      const from = surface.first[side] * 3, to = from + surface.counts[side] * 3
      for (let i = from; i < to; i += stride)
        for (let k = 0; k < 2; k++) {
          const v = model[k] * surface.points[i] + model[4 + k] * surface.points[i + 1] +
            model[8 + k] * surface.points[i + 2] + model[12 + k]
          if (v < low[k]) low[k] = v
          if (v > high[k]) high[k] = v
        }
    }
    const { top, bottom, side } = this.insets
    const width = canvas.clientWidth, height = canvas.clientHeight, shorter = Math.min(width, height)
    // Millimetres per pixel at which what is shown just fits between the insets.
    const fitting = Math.max((high[0] - low[0]) / Math.max(width - 2 * side, 60),
      (high[1] - low[1]) / Math.max(height - top - bottom, 60))
    this.fitted = anew || !this.fitted ? fitting : Math.max(fitting, this.fitted)
    this.millimetresPerPixel = this.fitted / this.userZoom
    // NiiVue shows 1.6 times the scene's radius along the shorter side at scale 1.
    nv.scene.volScaleMultiplier = (1.6 * nv.furthestFromPivot) / (this.millimetresPerPixel * shorter)
    nv.position = [(low[0] + high[0]) / 2,
      -(low[1] + high[1]) / 2 - ((top - bottom) / 2) * this.millimetresPerPixel, 0]
    this.projected = null
    this.placeMarker()
    this.draw()
  }

  matrices() {
    const { nv, canvas } = this
    return nv.calculateMvpMatrix(null, [0, 0, canvas.clientWidth, canvas.clientHeight],
      nv.scene.renderAzimuth, nv.scene.renderElevation)
  }

  /** Match the drawing to a new size of the canvas on the page. */
  resize() {
    const size = `${this.canvas.clientWidth} ${this.canvas.clientHeight} ${this.insets.top}`
    if (this.size === size || !this.canvas.clientWidth) return
    this.size = size
    this.fit(true)
    this.drawNow()
  }

  /** Draw before the next frame; many calls make one drawing. */
  draw() {
    if (this.frame || this.disposed) return
    this.frame = requestAnimationFrame(() => {
      this.frame = null
      this.drawNow()
    })
  }

  drawNow() {
    if (this.disposed || !this.surface || !this.canvas.clientWidth) return
    const ratio = Math.min(window.devicePixelRatio || 1, 2)
    this.paint(ratio)
    this.onDraw()
    if (!this.software) return
    // Edges are smoothed once the brain rests.
    clearTimeout(this.rest)
    this.rest = setTimeout(() => this.disposed || !this.surface || this.paint(2 * ratio), 300)
  }

  /** Draw with so many pixels of the buffer per CSS pixel. */
  paint(density) {
    const { canvas } = this
    const width = Math.round(canvas.clientWidth * density), height = Math.round(canvas.clientHeight * density)
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height })
    this.nv.drawScene()
  }

  project(side, vertex) {
    const { surface, canvas } = this
    const at = 3 * (surface.first[side] + vertex)
    const [x, y] = this.geometry.projectPoints(this.matrices()[0], surface.points.subarray(at, at + 3),
      canvas.clientWidth, canvas.clientHeight)
    const under = this.pick(x, y)
    return { x, y, visible: under !== null && under.hemisphere === side && under.vertex === vertex }
  }

  /** The vertex under a point given in CSS pixels of the canvas, or null. */
  pick(x, y) {
    const { surface, canvas } = this
    if (!surface) return null
    const size = [canvas.clientWidth, canvas.clientHeight]
    if (!this.projected) this.projected = this.geometry.projectPoints(this.matrices()[0], surface.points, ...size)
    const sides = surface.sides.filter((side) => this.shown[side])
    if (!sides.length) return null
    const index = this.geometry.nearestVertex(this.projected, surface.points, surface.triangles, x, y,
      surface.ranges[sides[0]][0], surface.ranges[sides.at(-1)][1])
    if (index < 0) return null
    const hemisphere = index < surface.counts.L ? "L" : "R"
    return { hemisphere, vertex: index - surface.first[hemisphere] }
  }

  setMarker(picked) {
    this.marker = picked && picked.vertex < (this.surface?.counts[picked.hemisphere] ?? 0) ? picked : null
    this.placeMarker()
    this.draw()
  }

  placeMarker() {
    if (!this.marker) return this.uniform("uniform4f", "marker", 0, 0, 0, 0)
    const { surface } = this
    const at = 3 * (surface.first[this.marker.hemisphere] + this.marker.vertex)
    const there = surface.points[at] === surface.points[at]
    this.uniform("uniform4f", "marker", ...(there ? surface.points.subarray(at, at + 3) : [0, 0, 0]),
      there ? 8 * this.millimetresPerPixel : 0)
  }

  /** Look from where another scene is looked at. */
  turnLike({ nv, userZoom }) {
    const { renderAzimuth, renderElevation } = nv.scene
    Object.assign(this.nv.scene, { renderAzimuth, renderElevation })
    this.userZoom = userZoom
    this.fit(false)
  }

  /** What is seen, as a new 2D canvas, `density` pixels for one CSS pixel, on nothing. */
  snapshot(density) {
    const { canvas } = this
    const copy = document.createElement("canvas")
    Object.assign(copy, { width: Math.round(canvas.clientWidth * density), height: Math.round(canvas.clientHeight * density) })
    this.paint(this.software ? 2 * density : density)
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
    clearTimeout(this.rest)
    if (!this.gl) return
    this.clearMeshes()
    for (const texture of Object.values(this.textures ?? {})) this.gl.deleteTexture(texture)
    this.nv.cleanup()
    this.gl.getExtension("WEBGL_lose_context")?.loseContext()
  }
}
