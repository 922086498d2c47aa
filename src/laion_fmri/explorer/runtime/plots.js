// Sent to a page once, after Bokeh. A plot has no layout between its creation and its drawing; if
// a resize occurs in between, Bokeh would fail to measure it. Skip the plot until it is drawn.
(() => {
  const plots = Bokeh.Models.get("Plot").prototype.default_view.prototype
  for (const step of ["_measure_layout", "_after_layout"]) {
    const take = plots[step]
    plots[step] = function () {
      if (this.layout != null) take.call(this)
    }
  }
})()
