"""Measured in the page itself: from what somebody does until a frame shows what it leads to.

A test's driver looks now and then, up to half a second late, and is at work before it clicks.
"""

STOPWATCH = """
window.query = (selector) => {
  const search = (root) => {
    const found = root.querySelector(selector)
    if (found) return found
    for (const node of root.querySelectorAll("*"))
      if (node.shadowRoot) { const deep = search(node.shadowRoot); if (deep) return deep }
    return null
  }
  return search(document)
}
window.timed = (act, done) => new Promise((resolve, reject) => {
  const start = performance.now()
  act()
  const look = () => {
    if (done()) resolve(performance.now() - start)
    else if (performance.now() - start > 60000) reject(new Error("no answer in a minute"))
    else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
})
null
"""
