"""Python that reproduces a view, with a button to copy it."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from laion_fmri.explorer.components.text import plain_text


class CopyCode(Viewer):
    """A fold with code in it and a "Copy code" button."""

    code = param.String(default="", doc="What is shown and copied.")

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        text = plain_text(mono=True)
        text.object = self.param.code
        button = pmui.Button(label="Copy code", icon="content_copy", variant="text", size="small")
        button.js_on_click(
            args={"source": text},
            code="""
            const area = document.createElement("textarea")
            area.innerHTML = source.text.replace(/<\\/?pre>/g, "")
            navigator.clipboard.writeText(area.value)
            """,
        )
        self._layout = pmui.Card(
            pn.Column(text, button, sizing_mode="stretch_width"),
            title="Python",
            collapsed=True,
            variant="outlined",
            sizing_mode="stretch_width",
        )

    def __panel__(self) -> pmui.Card:
        return self._layout
