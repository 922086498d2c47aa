"""How the views of a split are put together."""

from __future__ import annotations

from typing import Any

import panel as pn

from laion_fmri.explorer.components import split_views


def split_html() -> pn.pane.HTML:
    """A view of HTML made by `split_views`."""
    return pn.pane.HTML(
        "", sizing_mode="stretch_width", margin=0, stylesheets=[split_views.STYLESHEET]
    )


def stacked(*parts: Any, gap: int = 0, **options: Any) -> pn.Column:
    """One below the other."""
    return pn.Column(
        *parts, sizing_mode="stretch_width", margin=0, styles={"gap": f"{gap}px"}, **options
    )


def side_by_side(*panes: pn.pane.HTML, least: int) -> pn.FlexBox:
    """In one row where each has at least `least` pixels, else one below the other."""
    for pane in panes:
        pane.styles = {"flex": f"1 1 {least}px", "min-width": "0"}
    return pn.FlexBox(*panes, sizing_mode="stretch_width", margin=0, gap="28px 40px")
