// Resources sent to a notebook's page once: one copy of Material UI and its icons, Panel's style
// sheets, and fixes for Panel's channel between page and kernel and for Bokeh's plots.
function prepare({ name, script, font, icons, styles, plots }) {
  const PATIENCE = 10_000 // milliseconds
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))

  async function unpack() {
    const unpacked = new Blob([bytes(script)]).stream().pipeThrough(new DecompressionStream("gzip"))
    const source = await new Response(unpacked).text()
    document.fonts.add(await new FontFace(font, bytes(icons)).load())
    return URL.createObjectURL(new Blob([source], { type: "text/javascript" }))
  }

  // Views that are added later reference style sheets on a content delivery network.
  function keepStylesHere(models) {
    const Inline = models.get("InlineStyleSheet")
    const imported = models.get("ImportedStyleSheet").prototype
    const fetch = imported.underlying
    imported.underlying = function () {
      const file = this.url.split("?")[0].split("/dist/")[1]
      return file in styles ? new Inline({ css: styles[file] }).underlying() : fetch.call(this)
    }
  }

  // Changes that came from Python must not be sent back. Both channels, Panel's and that of
  // widgets, would: a click would count twice, and data that cannot be serialized end a channel.
  function sendNothingBack(manager) {
    const tell = manager._document_changed
    manager._document_changed = function (event) {
      if (event.sync !== false) tell.call(this, event)
    }
    const { Document } = Bokeh.require("document")
    const listen = Document.prototype.on_change
    Document.prototype.on_change = function (listener, ...options) {
      const isWidget = String(listener).includes("._change_event(")
      const heard = (event) => event.sync !== false && listener(event)
      return listen.call(this, isWidget ? heard : listener, ...options)
    }
  }

  // Messages arrive in pieces. The channel would drop those that arrive before there is a view, and
  // mistake the rest of one for the start of another; and a view that is still being built misses
  // changes. So all messages wait until the view is drawn, with a time limit.
  function dropNothing(manager) {
    const receive = manager.msg_handler
    const isDrawn = (channel) => {
      const view = Bokeh.index[channel.plot_id]
      if (!view) return false
      channel.begun ??= Date.now()
      channel.drawn ||= view.has_finished() || Date.now() - channel.begun > PATIENCE
      return channel.drawn
    }
    const deliver = (channel) => {
      if (!isDrawn(channel)) return setTimeout(deliver, 50, channel)
      while (channel.waiting.length) {
        try {
          receive.call(channel, channel.waiting.shift())
        } catch (error) {
          console.error(error)
        }
      }
      channel.document?._new_models?.clear()
    }
    manager.msg_handler = function (message) {
      this.waiting ??= []
      if (this.waiting.push(message) === 1) deliver(this)
    }
  }

  function repair() {
    const models = window.Bokeh?.Models
    const manager = models?.get?.("panel.models.comm_manager.CommManager")
    if (!manager) return setTimeout(repair, 50)
    if (manager.isRepaired) return
    manager.isRepaired = true
    document.head.append(Object.assign(document.createElement("script"), { textContent: plots }))
    keepStylesHere(models)
    sendNothingBack(manager.prototype)
    dropNothing(manager.prototype)
  }

  window[name] ??= unpack()
  repair()
}
