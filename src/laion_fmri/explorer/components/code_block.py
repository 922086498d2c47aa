"""Code to read and to copy."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui
from panel.links import Callback
from panel.viewable import Viewer

from laion_fmri.explorer.background import when_left
from laion_fmri.explorer.components.markup import escape, markup

_STYLE = """
pre { margin: 0; padding: 10px 12px; border-radius: 8px; background: var(--soft);
  font-family: ui-monospace, monospace; font-size: 12px; line-height: 1.5;
  white-space: pre; max-height: 320px; overflow: auto; }
"""
# Browsers give a page the clipboard only over HTTPS or on the machine itself.
_COPY = """
const parser = new DOMParser()
const once = parser.parseFromString(source.text, "text/html").documentElement.textContent
const text = parser.parseFromString(once, "text/html").querySelector("pre")?.textContent ?? ""
if (navigator.clipboard) {
  navigator.clipboard.writeText(text)
} else {
  const area = document.createElement("textarea")
  area.value = text
  document.body.append(area)
  area.select()
  document.execCommand("copy")
  area.remove()
}
"""


class CodeBlock(Viewer):
    """Code under a title, with a button that copies it.

    Parameters
    ----------
    title : str
        ``"Python"``, ``"Shell"`` …
    copy_label : str, optional
        The button's name; ``"Copy Python"`` by default.
    """

    def __init__(self, title: str, copy_label: str = "") -> None:
        super().__init__()
        self._code = ""
        self._view = markup(style=_STYLE)
        button = pmui.Button(
            label=copy_label or f"Copy {title}",
            icon="content_copy",
            variant="text",
            size="small",
            margin=0,
        )
        button.js_on_click(args={"source": self._view}, code=_COPY)
        # Panel's registry would keep the button, and with it the page, for good.
        when_left(lambda: Callback.registry.pop(button, None))
        self._layout = pn.Column(
            pn.Row(
                markup(f"<h3>{escape(title)}</h3>", align="center"),
                button,
                sizing_mode="stretch_width",
                margin=(0, 0, 4, 0),
            ),
            self._view,
            sizing_mode="stretch_width",
            margin=0,
        )

    @property
    def code(self) -> str:
        """What is shown and copied."""
        return self._code

    @code.setter
    def code(self, code: str) -> None:
        self._code = code
        self._view.object = f'<pre tabindex="0">{escape(code)}</pre>'

    def __panel__(self) -> pn.Column:
        return self._layout
