// The hemispheres on one canvas: their shapes, their colours, and the positions of vertices.

const OUTLINE_WIDTH = 1.1 // millimetres

/** One hemisphere: its triangles, its points in every shape, and the data that colour it. */
class Hemisphere {
  constructor({ three, geometry }, materials, { points, triangles }) {
    Object.assign(this, { three, tools: geometry, materials, triangles, points: points.slice() })
    this.count = points.length / 3
    this.geometry = new three.BufferGeometry()
    this.mesh = new three.Mesh(this.geometry, materials.surface)
    this.mesh.frustumCulled = false
    this.data = this.addAttribute("data", new Float32Array(3 * this.count), 3)
    this.fill = this.addAttribute("fill", new Uint8Array(4 * this.count), 4)
    this.shapes = new Map()
    this.rois = []
    this.addShape("", { points })
  }

  addAttribute(name, array, size) {
    const attribute = new this.three.BufferAttribute(array, size, array instanceof Uint8Array)
    this.geometry.setAttribute(name, attribute)
    return attribute
  }

  /** Add a shape: points, NaN for missing vertices, and whether it has each triangle (default: all). */
  addShape(name, { points, members }) {
    const { triangles, three } = this
    const complete = !members && !points.some(Number.isNaN)
    const has = (_, corner) => {
      const t = corner - (corner % 3)
      return (!members || members[t / 3]) && [0, 1, 2].every((k) => !Number.isNaN(points[3 * triangles[t + k]]))
    }
    const position = complete ? points : points.map((v) => v || 0), index = complete ? triangles : triangles.filter(has)
    this.shapes.set(name, {
      points, complete, index: new three.BufferAttribute(index, 1), position: new three.BufferAttribute(position, 3),
      normal: new three.BufferAttribute(this.tools.vertexNormals(position, index), 3),
    })
  }

  /** Display a mixture of two shapes; if only the fraction changes, only a uniform is updated. */
  morph(from, to, fraction) {
    const a = this.shapes.get(from), b = this.shapes.get(to)
    const drawn = [...(fraction < 1 ? [a] : []), ...(fraction > 0 ? [b] : [])]
    const { index } = drawn.find((shape) => !shape.complete) ?? a
    if (this.from !== a || this.to !== b || this.geometry.index !== index) {
      this.geometry.dispose() // frees the buffers of the previous shapes
      this.geometry.setIndex(index)
      for (const [suffix, shape] of [["", a], ["To", b]])
        for (const name of ["position", "normal"]) this.geometry.setAttribute(name + suffix, shape[name])
      Object.assign(this, { from: a, to: b })
      this.findBorders()
    }
    const { points } = this
    for (let i = 0; i < points.length; i++)
      points[i] = fraction === 0 ? a.points[i] : fraction === 1 ? b.points[i] : a.points[i] + fraction * (b.points[i] - a.points[i])
    this.drawOutlines()
  }

  /** Set curvature or sulcal depth, positive in sulci. */
  setUnderlay(values) {
    const { array } = this.data
    const spread = values ? Math.sqrt(values.reduce((sum, v) => sum + (v === v ? v * v : 0), 0) / values.length) || 1 : 1
    for (let i = 0; i < this.count; i++) array[3 * i + 2] = values && values[i] === values[i] ? values[i] / spread : 0
    this.data.needsUpdate = true
  }

  /** Set values to colour; where they are NaN or absent, the cortex stays bare. */
  setMap(values) {
    const { array } = this.data
    for (let i = 0; i < this.count; i++) {
      const known = values !== undefined && values[i] === values[i]
      array[3 * i] = known ? values[i] : 0
      array[3 * i + 1] = known ? 1 : 0
    }
    this.data.needsUpdate = true
  }

  /** Set labels `[{colour: [r, g, b], mask}]`, outlined or filled. */
  setRois(rois, outlined) {
    this.fill.array.fill(0)
    if (!outlined)
      for (const { colour, mask } of rois)
        mask.forEach((member, i) => member && this.fill.array.set([...colour, 255], 4 * i))
    this.fill.needsUpdate = true
    this.rois = outlined ? rois : []
    this.findBorders()
    this.drawOutlines()
  }

  /** The triangles crossed by the border of each label; its outline needs no others, in any shape. */
  findBorders() {
    const corners = this.geometry.index.array
    this.borders = this.rois.map(({ colour, mask }) => {
      const triangles = []
      for (let t = 0; t < corners.length; t += 3) {
        const inside = mask[corners[t]] + mask[corners[t + 1]] + mask[corners[t + 2]]
        if (inside === 1 || inside === 2) triangles.push(corners[t], corners[t + 1], corners[t + 2])
      }
      return { colour, mask, triangles }
    })
  }

  drawOutlines() {
    const { three, mesh } = this
    mesh.children[0]?.geometry.dispose()
    mesh.clear()
    const points = [], triangles = [], colours = []
    for (const { colour, mask, triangles: crossed } of this.borders) {
      const first = points.length / 3
      const ribbon = this.tools.outlineRibbon(this.points, crossed, (v) => mask[v], OUTLINE_WIDTH)
      for (const value of ribbon.points) points.push(value)
      for (const corner of ribbon.triangles) triangles.push(first + corner)
      while (colours.length < points.length) colours.push(...colour)
    }
    if (!triangles.length) return
    const outlines = new three.BufferGeometry()
    outlines.setAttribute("position", new three.BufferAttribute(new Float32Array(points), 3))
    outlines.setAttribute("color", new three.BufferAttribute(new Uint8Array(colours), 3, true))
    outlines.setIndex(new three.BufferAttribute(new Uint32Array(triangles), 1))
    mesh.add(new three.Mesh(outlines, this.materials.outline))
    mesh.children[0].frustumCulled = false
  }

  dispose() {
    this.mesh.children[0]?.geometry.dispose()
    this.geometry.dispose()
  }
}

/** The cortex on one canvas. */
export class SurfaceScene {
  /** Throws if WebGL 2 is not available. */
  constructor(canvas, modules, scale) {
    const { three, shaders } = modules
    Object.assign(this, { canvas, modules, hemispheres: {} })
    this.uniforms = { ...scale.uniforms, morph: { value: 0 }, marker: { value: new three.Vector4() } }
    const material = (vertexShader, fragmentShader) => new three.RawShaderMaterial(
      { glslVersion: three.GLSL3, uniforms: this.uniforms, vertexShader, fragmentShader })
    this.materials = { surface: material(shaders.SURFACE_VERTEX, shaders.SURFACE_FRAGMENT),
                       outline: material(shaders.OUTLINE_VERTEX, shaders.OUTLINE_FRAGMENT) }
    this.view = new modules.camera.SurfaceCamera(canvas, three)
    this.scene = new three.Scene()
    this.renderer = new modules.renderer.CanvasRenderer(canvas, three,
      { scene: this.scene, camera: this.view.camera, smooth: true })
    this.onFit = () => {}
  }

  get sides() {
    return Object.keys(this.hemispheres)
  }

  /** Replace the cortex: `{L: {points, triangles}, R: …}`, points at their drawn positions. */
  setSurface(parts) {
    for (const hemisphere of Object.values(this.hemispheres)) hemisphere.dispose()
    this.scene.clear()
    this.hemispheres = {}
    this.marked = null
    for (const side of ["L", "R"]) {
      if (!parts[side]) continue
      this.hemispheres[side] = new Hemisphere(this.modules, this.materials, parts[side])
      this.scene.add(this.hemispheres[side].mesh)
    }
    this.morph("", "", 0)
  }

  each(act) {
    for (const [side, hemisphere] of Object.entries(this.hemispheres)) act(hemisphere, side)
  }

  /** Add a shape, `{L: {points, members}, R: …}`. */
  addShape(name, parts) {
    this.each((hemisphere, side) => hemisphere.addShape(name, parts[side]))
  }

  morph(from, to, fraction) {
    this.each((hemisphere) => hemisphere.morph(from, to, fraction))
    this.uniforms.morph.value = fraction
    this.fit(true)
  }

  setUnderlay(values) {
    this.each((hemisphere, side) => hemisphere.setUnderlay(values[side]))
    this.draw()
  }

  setMap(values) {
    this.each((hemisphere, side) => hemisphere.setMap(values?.[side]))
    this.draw()
  }

  /** Set labels `[{colour: [r, g, b], L: mask, R: mask}]`, drawn as "outline" or "fill". */
  setRois(rois, style) {
    this.each((hemisphere, side) => hemisphere.setRois(
      rois.filter((roi) => roi[side]).map((roi) => ({ colour: roi.colour, mask: roi[side] })), style === "outline"))
    this.draw()
  }

  setView(name) {
    const { azimuth, elevation, shown } = this.modules.camera.VIEWS[name]
    const any = this.sides.some((side) => shown[side])
    this.each(({ mesh }, side) => (mesh.visible = !any || Boolean(shown[side])))
    this.view.turnTo([azimuth, elevation, 1])
    this.fit(true)
  }

  turnTo(position) {
    this.view.turnTo(position)
    this.fit(false)
  }

  rotate(azimuth, elevation) {
    this.turnTo([this.view.azimuth + azimuth, this.view.elevation + elevation, this.view.zoom])
  }

  zoom(factor) {
    this.turnTo([this.view.azimuth, this.view.elevation, this.view.zoom * factor])
  }

  get visible() {
    return Object.entries(this.hemispheres).filter(([, { mesh }]) => mesh.visible)
  }

  /** Centre the visible hemispheres, as `SurfaceCamera.fit`. */
  fit(anew) {
    if (!this.visible.length) return
    this.view.fit(Object.fromEntries(this.visible.map(([side, { points }]) => [side, points])), anew)
    this.projected = null
    this.placeMarker()
    this.onFit()
    this.draw()
  }

  /** Adapt the drawing to a new size of the canvas. */
  resize() {
    const size = `${this.canvas.clientWidth} ${this.canvas.clientHeight} ${this.view.insets.top}`
    if (this.size === size || !this.canvas.clientWidth) return
    this.size = size
    this.fit(true)
    this.renderer.drawNow()
  }

  draw() {
    if (this.sides.length) this.renderer.draw()
  }

  /** The position of a vertex in CSS pixels, and whether it is the visible one there. */
  project(side, vertex) {
    const [x, y] = this.view.project(this.pointOf(side, vertex))
    const under = this.pick(x, y)
    return { x, y, visible: under !== null && under.hemisphere === side && under.vertex === vertex }
  }

  pointOf(side, vertex) {
    return this.hemispheres[side].points.subarray(3 * vertex, 3 * vertex + 3)
  }

  /** The vertex under a point given in CSS pixels of the canvas, or null. */
  pick(x, y) {
    this.projected ??= Object.fromEntries(this.visible.map(([side, { points }]) => [side, this.view.project(points)]))
    const found = this.visible.map(([hemisphere, { points, geometry }]) => (
      { hemisphere, ...this.modules.geometry.nearestVertex(this.projected[hemisphere], points, geometry.index.array, x, y) }))
      .filter(({ vertex }) => vertex !== undefined).sort((a, b) => a.depth - b.depth)
    return found.length ? { hemisphere: found[0].hemisphere, vertex: found[0].vertex } : null
  }

  /** Mark a vertex `{hemisphere, vertex}` with a ring, or none. */
  setMarker(picked) {
    this.marked = picked && picked.vertex < (this.hemispheres[picked.hemisphere]?.count ?? 0) ? picked : null
    this.placeMarker()
    this.draw()
  }

  placeMarker() {
    const point = this.marked && this.pointOf(this.marked.hemisphere, this.marked.vertex)
    if (point && !Number.isNaN(point[0])) this.uniforms.marker.value.set(...point, 8 * this.view.millimetresPerPixel)
    else this.uniforms.marker.value.set(0, 0, 0, 0)
  }

  dispose() {
    this.setSurface({})
    this.renderer.dispose()
  }
}
