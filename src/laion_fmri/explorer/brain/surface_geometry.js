// Geometry of triangle meshes: which vertex is under a point, and ribbons around labels.

/** Apply `make` to the value of each hemisphere. */
export const perSide = (map, make) =>
  Object.fromEntries(Object.entries(map ?? {}).map(([side, value]) => [side, make(value, side)]))

/** "#rrggbb" as three numbers up to 255. */
export const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16))

/** Points as 32-bit floats, moved along x. */
export function shifted(buffer, offset) {
  return new Float32Array(buffer).map((v, i) => (i % 3 ? v : v + offset))
}

/** Unpack `length` bits, packed into bytes from the highest bit on, into 0 and 1. */
export function unpackBits(buffer, length) {
  const bytes = new Uint8Array(buffer)
  return Uint8Array.from({ length }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1)
}

/**
 * The vertex nearest to the visible point of the surface at (x, y), and the point's depth;
 * null if there is no surface. `projected` holds pixels and depth per vertex, `points` mm.
 */
export function nearestVertex(projected, points, triangles, x, y) {
  let best = Infinity, hit = -1, weights = null
  for (let t = 0; t < triangles.length; t += 3) {
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
  if (hit < 0) return null
  const corners = [triangles[hit], triangles[hit + 1], triangles[hit + 2]]
  const point = [0, 1, 2].map((k) => corners.reduce((sum, corner, j) => sum + weights[j] * points[3 * corner + k], 0))
  const distances = corners.map((corner) => Math.hypot(...point.map((v, k) => v - points[3 * corner + k])))
  return { vertex: corners[distances.indexOf(Math.min(...distances))], depth: best }
}

/** Unit normals at the vertices, weighted by the areas of the triangles around them. */
export function vertexNormals(points, triangles) {
  const out = new Float32Array(points.length)
  for (let t = 0; t < triangles.length; t += 3) {
    const a = 3 * triangles[t], b = 3 * triangles[t + 1], c = 3 * triangles[t + 2]
    const ux = points[b] - points[a], uy = points[b + 1] - points[a + 1], uz = points[b + 2] - points[a + 2]
    const vx = points[c] - points[a], vy = points[c + 1] - points[a + 1], vz = points[c + 2] - points[a + 2]
    const x = uy * vz - uz * vy, y = uz * vx - ux * vz, z = ux * vy - uy * vx
    out[a] += x, out[a + 1] += y, out[a + 2] += z
    out[b] += x, out[b + 1] += y, out[b + 2] += z
    out[c] += x, out[c + 1] += y, out[c + 2] += z
  }
  for (let i = 0; i < out.length; i += 3) {
    const length = Math.sqrt(out[i] ** 2 + out[i + 1] ** 2 + out[i + 2] ** 2) || 1
    out[i] /= length, out[i + 1] /= length, out[i + 2] /= length
  }
  return out
}

/**
 * A ribbon along the border of a label: it crosses every edge that joins a vertex inside
 * with one outside, so it encloses exactly the label's vertices.
 *
 * `inside(vertex)` is membership; `width` is in millimetres, most of it on the inner
 * side so that ribbons of neighbouring labels lie side by side. Returns flat arrays.
 */
export function outlineRibbon(points, triangles, inside, width) {
  const crossings = new Map()
  const corner = (p) => [points[3 * p], points[3 * p + 1], points[3 * p + 2]]
  const crossing = (p, q, normal) => {
    const key = Math.min(p, q) * (points.length / 3) + Math.max(p, q)
    if (!crossings.has(key)) crossings.set(key, { at: middle(corner(p), corner(q)), normal: [0, 0, 0] })
    const found = crossings.get(key)
    found.normal = sum(found.normal, normal)
    return found
  }
  for (let t = 0; t < triangles.length; t += 3) {
    const corners = [triangles[t], triangles[t + 1], triangles[t + 2]]
    const flags = corners.map((v) => Boolean(inside(v)))
    const total = flags[0] + flags[1] + flags[2]
    if (total === 0 || total === 3) continue
    const lone = flags.indexOf(total === 1)
    const a = corners[lone], b = corners[(lone + 1) % 3], c = corners[(lone + 2) % 3]
    const normal = unit(cross(difference(corner(b), corner(a)), difference(corner(c), corner(a))))
    // Walking from first to second keeps the inside on the left.
    const first = crossing(a, total === 1 ? b : c, normal), second = crossing(a, total === 1 ? c : b, normal)
    first.next = second
    second.before = first
  }
  // The midpoints of consecutive segments give a smoother line; each still crosses the same edges.
  const line = [...crossings.values()].filter((node) => node.next)
  line.forEach((node, number) => Object.assign(node, { number, middle: middle(node.at, node.next.at) }))
  const ribbon = { points: [], triangles: [] }
  for (const { number, middle: at, normal, before, next } of line) {
    const upwards = unit(sum(normal, next.normal))
    const inward = unit(cross(upwards, difference(next.middle ?? at, before?.middle ?? at)))
    for (const side of [-0.2, 0.8])
      ribbon.points.push(...at.map((v, k) => v + inward[k] * side * width + upwards[k] * 0.1))
    if (!next.next) continue
    const o = 2 * number, p = 2 * next.number
    // Both windings: a ribbon is visible whichever way its surface is wound.
    ribbon.triangles.push(o, p, o + 1, o + 1, p, p + 1, o, o + 1, p, o + 1, p + 1, p)
  }
  return ribbon
}

const sum = (a, b) => a.map((v, k) => v + b[k])
const difference = (a, b) => a.map((v, k) => v - b[k])
const middle = (a, b) => a.map((v, k) => (v + b[k]) / 2)
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]

function unit(v) {
  const length = Math.hypot(...v) || 1
  return v.map((x) => x / length)
}
