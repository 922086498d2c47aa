"""A calm message in place of what cannot be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewable

from laion_fmri.explorer.components.text import plain_text

Severity = Literal["info", "success", "warning", "error"]

_STYLE = {
    "alignItems": "center",
    "py": 0,
    "& .MuiAlertTitle-root": {"display": "none"},
}


def notice(text: str, severity: Severity = "info") -> pmui.Alert:
    """A message box. The text is shown as text: markup in it does nothing."""
    return pmui.Alert(
        plain_text(text),
        severity=severity,
        variant="outlined",
        sizing_mode="stretch_width",
        margin=(0, 0, 8, 0),
        sx=_STYLE,
    )


def say(place: pn.Column, said: Sequence[Viewable]) -> None:
    """Have a place for messages hold these.

    Most often it has none and gets none. Panel would go through all the page's models for that.
    """
    if said or len(place):
        place[:] = [*said]
