"""Layout helpers: views below or next to each other, and small buttons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewable, Viewer

CHOICE_STYLE = """
.MuiToggleButton-root { white-space: nowrap; }
.MuiFormLabel-root {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
"""
"""Style of a row of choices whose label is for screen readers only."""


def stacked(
    *parts: Any, gap: int = 0, styles: Mapping[str, str] | None = None, **options: Any
) -> pn.Column:
    """Place views below each other, as wide as their container."""
    options = {"sizing_mode": "stretch_width", "margin": 0, **options}
    return pn.Column(*parts, styles={"gap": f"{gap}px", **(styles or {})}, **options)


def in_a_row(*parts: Any, gap: str = "8px", align_items: str = "center") -> pn.FlexBox:
    """Place views next to each other; those that do not fit wrap to the next line."""
    return pn.FlexBox(
        *parts, gap=gap, align_items=align_items, sizing_mode="stretch_width", margin=0
    )


def side_by_side(*panes: Any, least: int) -> pn.FlexBox:
    """Place panes in one row if each has at least `least` pixels, else below each other."""
    for pane in panes:
        pane.styles = {**pane.styles, "flex": f"1 1 {least}px", "min-width": "0"}
    return in_a_row(*panes, gap="28px 40px", align_items="flex-start")


def column(*parts: Any, grow: int, least: int, gap: int = 12) -> pn.Column:
    """Create a column in a wrapping row: `grow` is its share of the width, `least` in pixels."""
    width = {"flex": f"{grow} 1 {least}px", "min-width": f"min(100%, {least}px)"}
    styles = {**width, "gap": f"{gap}px"}
    return pn.Column(*parts, styles=styles, sizing_mode="stretch_width", margin=0)


def folded(
    *sections: tuple[str, Viewable | Viewer], margin: int | tuple[int, int] = (8, 10)
) -> pmui.Accordion:
    """Place sections ``(title, content)`` in folds that are initially closed."""
    return pmui.Accordion(
        *sections,
        active=[],
        title_variant="subtitle2",
        disable_gutters=True,
        sizing_mode="stretch_width",
        margin=margin,
    )


def small_button(label: str, act: Callable[[], None], **options: Any) -> pmui.Button:
    """Create a small button that calls `act`."""
    options = {"variant": "outlined", "size": "small", "margin": 0, **options}
    button = pmui.Button(label=label, **options)
    button.on_click(lambda _: act())
    return button
