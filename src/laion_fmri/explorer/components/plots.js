// Given to a page once, after Bokeh. A plot has no layout between its making and its drawing; where
// a resize comes just then, Bokeh would fail to measure it. It is left out until it is drawn.
(() => {
  const plots = Bokeh.Models.get("Plot").prototype.default_view.prototype
  for (const step of ["_measure_layout", "_after_layout"]) {
    const take = plots[step]
    plots[step] = function () {
      if (this.layout != null) take.call(this)
    }
  }
})()
