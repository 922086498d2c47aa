// Given to a page once, after Bokeh. A plot has no layout between its making and its rendering,
// and Bokeh would fail to measure one where a resize comes just then. It is measured when drawn.
(() => {
  const plots = Bokeh.Models.get("Plot").prototype.default_view.prototype
  const measure = plots._measure_layout
  plots._measure_layout = function () {
    if (this.layout != null) measure.call(this)
  }
})()
