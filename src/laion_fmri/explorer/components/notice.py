"""A calm message in place of what cannot be shown."""

from __future__ import annotations

from typing import Literal

import panel_material_ui as pmui

Severity = Literal["info", "success", "warning", "error"]


def notice(text: str, severity: Severity = "info", title: str = "") -> pmui.Alert:
    """A message box. The text is shown as text: markup in it does nothing."""
    return pmui.Alert(
        object=text,
        title=title,
        severity=severity,
        variant="outlined",
        sizing_mode="stretch_width",
        margin=(8, 0),
    )
