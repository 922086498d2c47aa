// Pure geometry of triangle meshes: which vertex is under a point, and ribbons around labels.

/** Multiply a column-major 4 × 4 matrix with points (flat x, y, z) into pixels and depth. */
export function projectPoints(matrix, points, width, height) {
  const n = points.length / 3
  const out = new Float32Array(points.length)
  for (let i = 0; i < n; i++) {
    const x = points[3 * i], y = points[3 * i + 1], z = points[3 * i + 2]
    const cx = matrix[0] * x + matrix[4] * y + matrix[8] * z + matrix[12]
    const cy = matrix[1] * x + matrix[5] * y + matrix[9] * z + matrix[13]
    out[3 * i] = (cx + 1) * 0.5 * width
    out[3 * i + 1] = (1 - cy) * 0.5 * height
    out[3 * i + 2] = matrix[2] * x + matrix[6] * y + matrix[10] * z + matrix[14]
  }
  return out
}

/**
 * The vertex nearest to the point of the surface that shows at (x, y), or -1.
 *
 * `projected` holds pixels and depth per vertex, `points` millimetres; only triangles
 * from index `from` up to `to` (in the flat triangle array) are looked at.
 */
export function nearestVertex(projected, points, triangles, x, y, from, to) {
  let best = Infinity, hit = -1, weights = null
  for (let t = from; t < to; t += 3) {
    const a = 3 * triangles[t], b = 3 * triangles[t + 1], c = 3 * triangles[t + 2]
    const ay = projected[a + 1], by = projected[b + 1], cy = projected[c + 1]
    if ((ay < y && by < y && cy < y) || (ay > y && by > y && cy > y)) continue
    const ax = projected[a], bx = projected[b], cx = projected[c]
    if ((ax < x && bx < x && cx < x) || (ax > x && bx > x && cx > x)) continue
    const area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if (area === 0) continue
    const u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
    const v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
    const w = 1 - u - v
    if (u < 0 || v < 0 || w < 0) continue
    const depth = u * projected[a + 2] + v * projected[b + 2] + w * projected[c + 2]
    if (depth < best) {
      best = depth
      hit = t
      weights = [u, v, w]
    }
  }
  if (hit < 0) return -1
  const corners = [triangles[hit], triangles[hit + 1], triangles[hit + 2]]
  const point = [0, 1, 2].map((k) =>
    corners.reduce((sum, corner, j) => sum + weights[j] * points[3 * corner + k], 0))
  const distances = corners.map((corner) =>
    Math.hypot(...[0, 1, 2].map((k) => points[3 * corner + k] - point[k])))
  return corners[distances.indexOf(Math.min(...distances))]
}

/** The normal at each vertex, weighted by the areas around it; triangles with NaN are passed over. */
export function vertexNormals(points, triangles) {
  const out = new Float32Array(points.length)
  for (let t = 0; t < triangles.length; t += 3) {
    const a = 3 * triangles[t], b = 3 * triangles[t + 1], c = 3 * triangles[t + 2]
    const ux = points[b] - points[a], uy = points[b + 1] - points[a + 1], uz = points[b + 2] - points[a + 2]
    const vx = points[c] - points[a], vy = points[c + 1] - points[a + 1], vz = points[c + 2] - points[a + 2]
    const x = uy * vz - uz * vy, y = uz * vx - ux * vz, z = ux * vy - uy * vx
    if (x !== x || y !== y || z !== z) continue
    for (const at of [a, b, c]) {
      out[at] += x
      out[at + 1] += y
      out[at + 2] += z
    }
  }
  for (let i = 0; i < out.length; i += 3) {
    const length = Math.hypot(out[i], out[i + 1], out[i + 2]) || 1
    for (let k = 0; k < 3; k++) out[i + k] /= length
  }
  return out
}

/**
 * A ribbon along the border of a label: it crosses every edge that joins a vertex inside
 * with one outside, so it encloses exactly the label's vertices.
 *
 * `inside(vertex)` tells membership; `width` is in millimetres, most of it on the inner
 * side so that ribbons of neighbouring labels lie side by side. Returns flat arrays.
 */
export function outlineRibbon(points, triangles, inside, width, from, to) {
  const nodes = new Map()
  const count = points.length / 3
  const nodeOf = (p, q, normal) => {
    const key = p < q ? p * count + q : q * count + p
    let node = nodes.get(key)
    if (!node) {
      node = { at: [0, 1, 2].map((k) => (points[3 * p + k] + points[3 * q + k]) / 2),
               normal: [0, 0, 0], next: null, entered: false, done: false }
      nodes.set(key, node)
    }
    for (let k = 0; k < 3; k++) node.normal[k] += normal[k]
    return node
  }
  for (let t = from; t < to; t += 3) {
    const corners = [triangles[t], triangles[t + 1], triangles[t + 2]]
    const flags = corners.map(inside)
    const total = flags[0] + flags[1] + flags[2]
    if (total === 0 || total === 3) continue
    const loneInside = total === 1
    const lone = flags.findIndex((flag) => Boolean(flag) === loneInside)
    const a = corners[lone], b = corners[(lone + 1) % 3], c = corners[(lone + 2) % 3]
    const normal = triangleNormal(points, a, b, c)
    const first = nodeOf(a, loneInside ? b : c, normal)
    const second = nodeOf(a, loneInside ? c : b, normal)
    // Walking from first to second keeps the inside on the left.
    first.next = second
    second.entered = true
  }
  const ribbon = { points: [], triangles: [] }
  const all = [...nodes.values()]
  const starts = [...all.filter((node) => !node.entered), ...all]
  for (const start of starts) {
    if (start.done) continue
    const line = []
    let node = start
    while (node && !node.done) {
      node.done = true
      line.push(node)
      node = node.next
    }
    if (line.length > 1) addRibbon(ribbon, line, node === start, width)
  }
  return ribbon
}

function triangleNormal(points, a, b, c) {
  const edge = (p) => [0, 1, 2].map((k) => points[3 * p + k] - points[3 * a + k])
  return unit(cross(edge(b), edge(c)))
}

function addRibbon(ribbon, nodes, closed, width) {
  // The middles of consecutive segments make a calmer line; each still crosses the same edges.
  const line = []
  for (let i = 0; i < nodes.length - (closed ? 0 : 1); i++) {
    const p = nodes[i], q = nodes[(i + 1) % nodes.length]
    line.push({ at: p.at.map((v, k) => (v + q.at[k]) / 2),
                normal: unit(p.normal.map((v, k) => v + q.normal[k])) })
  }
  const n = line.length
  const base = ribbon.points.length / 3
  const neighbour = (i) => line[closed ? (i + n) % n : Math.min(Math.max(i, 0), n - 1)].at
  for (let i = 0; i < n; i++) {
    const { at, normal } = line[i]
    const before = neighbour(i - 1), after = neighbour(i + 1)
    const inward = unit(cross(normal, after.map((v, k) => v - before[k])))
    for (const side of [-0.2, 0.8])
      for (let k = 0; k < 3; k++)
        ribbon.points.push(at[k] + inward[k] * side * width + normal[k] * 0.1)
  }
  for (let i = 0; i < n - (closed ? 0 : 1); i++) {
    const o = base + 2 * i, p = base + 2 * ((i + 1) % n)
    // Both windings: a ribbon shows whichever way its surface is wound.
    ribbon.triangles.push(o, p, o + 1, o + 1, p, p + 1, o, o + 1, p, o + 1, p + 1, p)
  }
}

function cross(a, b) {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

function unit(v) {
  const length = Math.hypot(v[0], v[1], v[2]) || 1
  return v.map((x) => x / length)
}
