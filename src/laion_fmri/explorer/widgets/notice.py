"""Text in the page's own font, and messages in boxes; markup in either has no effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import panel as pn
import panel_material_ui as pmui
from markupsafe import escape
from panel.viewable import Viewable

Severity = Literal["info", "success", "warning", "error"]

_STYLE = {
    "alignItems": "center",
    "py": 0,
    "& .MuiAlertTitle-root": {"display": "none"},
}
_TEXT_STYLE = """
pre {
  font-family: inherit;
  white-space: pre-wrap;
  overflow-wrap: anywhere;
  margin: 0;
}
"""


class PlainText(pn.pane.Str):
    """Escaped text. Panel's own `Str` inserts it into the page as HTML."""

    def _transform_object(self, obj: Any) -> dict[str, Any]:
        return super()._transform_object(escape(obj) if obj else "")


def plain_text(text: str = "", muted: bool = False) -> PlainText:
    """Create a text that wraps; `muted` for explanations."""
    styles = {"font-size": "13px", "line-height": "1.5"}
    if muted:
        styles["opacity"] = "0.7"
    return PlainText(text, sizing_mode="stretch_width", styles=styles, stylesheets=[_TEXT_STYLE])


def notice(text: str, severity: Severity = "info") -> pmui.Alert:
    """Create a message box. The text is escaped: markup in it has no effect."""
    return pmui.Alert(
        plain_text(text),
        severity=severity,
        variant="outlined",
        sizing_mode="stretch_width",
        margin=(0, 0, 8, 0),
        sx=_STYLE,
    )


def say(place: pn.Column, said: Sequence[Viewable]) -> None:
    """Display these messages in a column.

    Skips the update in the common case of no messages, as Panel would visit all models of the page.
    """
    if said or len(place):
        place[:] = [*said]
