"""Bokeh's plots, asked for their size at a moment that comes once in many hundred visits."""

from __future__ import annotations

from playwright.sync_api import Page

_IS_THERE = "() => [...Bokeh.index.all_views()].some((view) => view.layout?.top_panel)"
_MEASURE = """() => {
  let n = 0
  for (const view of Bokeh.index.all_views()) {
    if (!view.layout?.top_panel) continue
    const kept = view.layout
    view.layout = undefined
    try {
      view.measure_layout()
      view.after_layout()
    } finally {
      view.layout = kept
    }
    view.compute_layout()
    n += 1
  }
  return n
}"""


def measure_before_layout(page: Page) -> int:
    """Measure every plot of a page as a resize would that comes before it is laid out.

    Returns
    -------
    int
        How many plots there are, one at least. What BokehJS throws is thrown.
    """
    page.wait_for_function(_IS_THERE)
    return page.evaluate(_MEASURE)
