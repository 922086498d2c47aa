// What Panel loads for a SurfaceView: a stage that says it is loading, and the loader of the
// modules that make the viewer. They come from the server, once per page.

const LIBRARY = Symbol.for("laion_fmri.surface_view.modules")

// Panel's loader of modules takes each apart and puts it together again, which for a viewer of
// this size takes half a second; the browser's own is out of its reach in here.
const importAsItIs = () => new Function("url", "return import(url)")

async function load(url) {
  try {
    return await importAsItIs()(url)
  } catch {
    return import(url)
  }
}

/** The scripts this view stands on, loaded once per page. */
function loadModules(model) {
  if (!globalThis[LIBRARY]) {
    globalThis[LIBRARY] = locateModules(model).then(async (urls) => {
      const names = Object.keys(urls)
      const modules = await Promise.all(names.map((name) => load(urls[name])))
      return Object.fromEntries(names.map((name, i) => [name, modules[i]]))
    })
    globalThis[LIBRARY].catch(() => delete globalThis[LIBRARY])
  }
  return globalThis[LIBRARY]
}

function locateModules(model) {
  const absolute = (map, locate) => Object.fromEntries(Object.entries(map).map(([k, v]) => [k, locate(v)]))
  if (Object.keys(model.modules).length)
    return Promise.resolve(absolute(model.modules, (path) => new URL(path, document.baseURI).href))
  return new Promise((resolve) => {
    const receive = (message) => {
      if (!message?.modules) return
      model.off("msg:custom", receive)
      resolve(absolute(message.modules, (text) =>
        URL.createObjectURL(new Blob([text], { type: "text/javascript" }))))
    }
    model.on("msg:custom", receive)
    model.send_msg({ wants: "modules" })
  })
}

/** The viewer is large: what a server has of it is fetched while the page is still laid out. */
export function initialize({ model }) {
  if (Object.keys(model.modules).length) loadModules(model).catch(() => {})
}

export function render({ model, el }) {
  const root = document.createElement("div")
  root.className = "view"
  const say = (state, title, text) => {
    root.dataset.state = state
    root.innerHTML = `<div class="stage"><div class="message"><b>${title}</b><span>${text}</span></div></div>`
  }
  say("loading", "Loading the viewer …", "")
  // Panel may draw a view anew in the same element; the one before must let go of its canvas.
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
    await viewer.start()
  })
  return root
}
