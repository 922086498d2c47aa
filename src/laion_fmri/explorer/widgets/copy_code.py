"""Code to read and copy: as a block, or folded below the view that it reproduces."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.links import Callback
from panel.viewable import Viewer

from laion_fmri.explorer.runtime.background import when_left
from laion_fmri.explorer.widgets.layout import folded, stacked
from laion_fmri.explorer.widgets.markup import markup

_STYLE = """
pre { margin: 0; padding: 10px 12px; border-radius: 8px; background: var(--soft);
  font-family: ui-monospace, monospace; font-size: 12px; line-height: 1.5;
  white-space: pre; max-height: 320px; overflow: auto; }
"""
# Browsers allow clipboard access only over HTTPS or on localhost.
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
    """Code under a title, with a copy button.

    Parameters
    ----------
    title : str
        ``"Python"``, ``"Shell"`` …
    copy_label : str, optional
        Label of the button; ``"Copy Python"`` by default.
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
        # Panel's registry would keep the button, and with it the page, alive forever.
        when_left(lambda: Callback.registry.pop(button, None))
        self._layout = stacked(
            pn.Row(
                markup(Markup("<h3>{}</h3>").format(title), align="center"),
                button,
                sizing_mode="stretch_width",
                margin=(0, 0, 4, 0),
            ),
            self._view,
        )

    @property
    def code(self) -> str:
        """The displayed code."""
        return self._code

    @code.setter
    def code(self, code: str) -> None:
        self._code = code
        self._view.object = Markup('<pre tabindex="0">{}</pre>').format(code)

    def __panel__(self) -> pn.Column:
        return self._layout


class CopyCode(Viewer):
    """A fold with the code of a view and a "Copy code" button.

    Parameters
    ----------
    title : str
    margin : int or tuple of int
    """

    def __init__(
        self, title: str = "Code for this view", margin: int | tuple[int, int] = (8, 10)
    ) -> None:
        super().__init__()
        self._block = CodeBlock("Python", copy_label="Copy code")
        self._fold = folded((title, self._block), margin=margin)

    @property
    def code(self) -> str:
        """The displayed code."""
        return self._block.code

    @code.setter
    def code(self, code: str) -> None:
        self._block.code = code

    def __panel__(self) -> pmui.Accordion:
        return self._fold
