// The script that Panel loads for a SurfaceView: a loading message, and the loader of the
// viewer's modules. They come from the server, once per page.

const MODULES = Symbol.for("laion_fmri.surface_view.modules")

/** Import a module directly, since Panel's loader would parse and rewrite it first. */
async function load(url) {
  try {
    return await new Function("url", "return import(url)")(url)
  } catch {
    return import(url)
  }
}

/** The modules of the viewer by name, loaded once per page. */
function loadModules(model) {
  globalThis[MODULES] ??= locateModules(model).then(async (urls) => {
    const loaded = await Promise.all(Object.values(urls).map(load))
    return Object.fromEntries(Object.keys(urls).map((name, i) => [name, loaded[i]]))
  })
  globalThis[MODULES].catch(() => delete globalThis[MODULES])
  return globalThis[MODULES]
}

/** The URLs of the modules: on the server, or else of the sources in a message from Python. */
async function locateModules(model) {
  const locate = (files, address) => Object.fromEntries(Object.entries(files).map(([name, file]) => [name, address(file)]))
  if (Object.keys(model.modules).length) return locate(model.modules, (path) => new URL(path, document.baseURI).href)
  const sources = await new Promise((resolve) => {
    model.on("msg:custom", (message) => message?.modules && resolve(message.modules))
    model.send_msg({ wants: "modules" })
  })
  return locate(sources, (text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" })))
}

/** Fetch the viewer while the page is being laid out. */
export function initialize({ model }) {
  if (Object.keys(model.modules).length) loadModules(model).catch(() => {})
}

export function render({ model, el }) {
  const root = document.createElement("div")
  root.className = "view"
  const say = (state, title, text = "") => {
    const [stage, message, heading, explanation] = ["div", "div", "b", "span"].map((tag) => document.createElement(tag))
    Object.assign(stage, { className: "stage" }).append(message)
    Object.assign(message, { className: "message" }).append(heading, explanation)
    heading.textContent = title
    explanation.textContent = text
    root.dataset.state = state
    root.replaceChildren(stage)
  }
  say("loading", "Loading the viewer …")
  // Panel may redraw a view in the same element; the previous one must release its canvas.
  el.releaseViewer?.()
  let viewer = null, released = false
  el.releaseViewer = () => {
    released = true
    viewer?.remove()
  }
  model.on("remove", el.releaseViewer)
  model.on("after_render", async () => {
    try {
      const modules = await loadModules(model)
      if (released) return
      viewer = new modules.viewer.SurfaceViewer(model, root, modules)
    } catch {
      return say("failed", "The viewer could not be loaded", "Reload the page to try again.")
    }
    viewer.start()
  })
  return root
}
