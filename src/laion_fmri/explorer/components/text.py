"""Plain text in the page's own font; markup in it does nothing."""

from __future__ import annotations

import panel as pn

_STYLE = """
pre {
  font-family: inherit;
  white-space: pre-wrap;
  overflow-wrap: anywhere;
  margin: 0;
}
"""


def plain_text(text: str = "", muted: bool = False, mono: bool = False) -> pn.pane.Str:
    """A piece of text that wraps; `muted` for explanations, `mono` for code."""
    styles = {"font-size": "13px", "line-height": "1.5"}
    if muted:
        styles["opacity"] = "0.7"
    if mono:
        styles |= {"font-family": "ui-monospace, monospace", "font-size": "12px"}
    return pn.pane.Str(text, sizing_mode="stretch_width", styles=styles, stylesheets=[_STYLE])
