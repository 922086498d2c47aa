"""HoloViews plots in the style of the page, drawn by Bokeh."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import panel as pn


@cache
def holoviews() -> Any:
    """Return the module, with its Bokeh backend; imported on first use, which takes a second."""
    import holoviews as hv
    import holoviews.plotting.bokeh  # registers the backend

    hv.Store.set_current_backend("bokeh")
    return hv


def page_style(plot: Any, _: object) -> None:
    """A hook for the option ``hooks`` of an element: gives the plot the page's colours."""
    plot.state.update(
        outline_line_color=None, background_fill_alpha=0, border_fill_alpha=0, min_border=4
    )
    for axis in (*plot.state.xaxis, *plot.state.yaxis):
        axis.update(
            axis_label_text_font_style="normal",
            axis_label_text_font_size="11px",
            major_label_text_font_size="11px",
        )


def selection_hook(select: Callable[[list[int]], object]) -> Callable[[Any, object], None]:
    """Create a hook for the option ``hooks`` that passes the rows selected on the page on.

    HoloViews keeps hooks, and the callbacks of its streams, as long as the server runs; the
    owner of the method is referenced weakly, so that a closed page is freed.

    Parameters
    ----------
    select : bound method
        Called with the selected rows; an empty list when nothing is selected.
    """
    method = weakref.WeakMethod(select)

    def on_change(attr: str, old: list[int], new: list[int]) -> None:
        if (act := method()) is not None:
            act(list(new))

    def hook(plot: Any, _: object) -> None:
        plot.handles["selected"].on_change("indices", on_change)

    return hook


def plot_pane(plot: Any = None, **options: Any) -> pn.pane.HoloViews:
    """Create a pane as wide as its container."""
    holoviews()
    options = {"linked_axes": False, "sizing_mode": "stretch_width", "margin": 0, **options}
    return pn.pane.HoloViews(plot, backend="bokeh", **options)
