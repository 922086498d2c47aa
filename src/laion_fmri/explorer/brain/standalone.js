// Starts the viewer in a standalone page, which contains the data and modules.

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer
const revive = (key, value) => (value && typeof value.base64 === "string" ? bytes(value.base64) : value)

const model = JSON.parse(document.getElementById("model").textContent, revive)
model.on = () => {}

const modules = {}
for (const script of document.querySelectorAll("script[data-module]")) {
  const text = script.textContent.replaceAll("<\\/script", "</script").replaceAll("<\\!--", "<!--")
  modules[script.dataset.module] = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })))
}
new modules.viewer.SurfaceViewer(model, document.getElementById("view"), modules).start()
