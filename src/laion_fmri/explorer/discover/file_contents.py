"""The beginning of a file, displayed as text: markup in it has no effect."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri.bucket import BucketObject
from laion_fmri.explorer.widgets.layout import stacked
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.explorer.widgets.notice import notice, say
from laion_fmri.file_preview import FilePreview
from laion_fmri.transfer.plan import format_bytes

_HEIGHT = 420  # pixels of a text before it scrolls
_STYLE = f"""
h3 {{ overflow-wrap: anywhere; }}
.scroll {{ max-height: {_HEIGHT}px; overflow: auto; border: 1px solid var(--line);
  border-radius: 8px; margin-top: 10px; }}
.scroll:focus-visible {{ outline: 2px solid var(--accent); outline-offset: 1px; }}
pre {{ margin: 0; padding: 10px 12px; font-family: ui-monospace, monospace; font-size: 12px;
  line-height: 1.5; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; }}
.cells {{ font-size: 12px; min-width: 100%; }}
.cells th, .cells td {{ padding: 3px 10px; white-space: nowrap; max-width: 340px; overflow: hidden;
  text-overflow: ellipsis; border-bottom: 1px solid var(--line); unicode-bidi: plaintext; }}
.cells th {{ position: sticky; top: 0; color: var(--text); font-weight: 600;
  background: var(--mui-palette-background-paper, #fff); }}
dl.facts {{ display: grid; grid-template-columns: auto 1fr; gap: 4px 16px; margin-top: 10px; }}
dl.facts dt {{ color: var(--muted); }}
dl.facts dd {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
dl.facts dd.grid {{ grid-column: 1 / -1; font-family: ui-monospace, monospace; font-size: 12px;
  white-space: pre; overflow-x: auto; }}
"""


class FileContents(Viewer):
    """Name, size, kind and beginning of a file, with a close button.

    Parameters
    ----------
    on_close : callable
    """

    def __init__(self, on_close: Callable[[], None]) -> None:
        super().__init__()
        self._view = markup(style=_STYLE)
        self._messages = stacked()
        self.close = pmui.IconButton(
            icon="close", description="Close this file", size="small", margin=0
        )
        self.close.on_click(lambda _: on_close())
        self._layout = pmui.Paper(
            pn.Row(self._view, self.close, sizing_mode="stretch_width", margin=0),
            self._messages,
            variant="outlined",
            sx={"p": "12px 12px 14px 16px"},
            margin=0,
            visible=False,
        )

    @property
    def text(self) -> str:
        """The displayed HTML."""
        return self._view.object

    def begin(self, found: BucketObject) -> None:
        """Indicate that a file is being read."""
        self._view.object = _head(found, "Reading…")
        say(self._messages, [])
        self._layout.visible = True

    def display(self, found: BucketObject, preview: FilePreview) -> None:
        """Display a preview."""
        self._view.object = _head(found, preview.kind, preview.note) + preview.html
        say(self._messages, [])
        self._layout.visible = True

    def show_problem(self, found: BucketObject, text: str) -> None:
        """Display why a file has no preview."""
        self._view.object = _head(found, "")
        say(self._messages, [notice(text, "warning")])
        self._layout.visible = True

    def hide(self) -> None:
        """Hide the view."""
        self._layout.visible = False

    def __panel__(self) -> pmui.Paper:
        return self._layout


def _head(found: BucketObject, kind: str, note: str = "") -> Markup:
    folder, _, name = found.key.rpartition("/")
    facts = " · ".join(part for part in (kind, format_bytes(found.size)) if part)
    return Markup(
        "<h3><bdi>{}</bdi></h3>"
        '<p class="muted name mono"><bdi>{}</bdi></p>'
        '<p class="muted" role="status">{}{}</p>'
    ).format(name, folder, facts, f". {note}" if note else "")
