"""What can be read of a file, shown as text: markup in it does nothing."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.bucket import BucketObject
from laion_fmri.explorer.components.markup import escape, markup
from laion_fmri.explorer.components.notice import notice, say
from laion_fmri.explorer.file_reading import Reading
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
    """A file's name, size, kind and beginning, with a button that closes it.

    Parameters
    ----------
    on_close : callable
    """

    def __init__(self, on_close: Callable[[], None]) -> None:
        super().__init__()
        self._view = markup(style=_STYLE)
        self._messages = pn.Column(sizing_mode="stretch_width", margin=0)
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
        """The HTML that is shown."""
        return self._view.object

    def begin(self, found: BucketObject) -> None:
        """Say which file is being read."""
        self._view.object = _head(found, "Reading…")
        say(self._messages, [])
        self._layout.visible = True

    def display(self, found: BucketObject, reading: Reading) -> None:
        """Show what was read."""
        self._view.object = _head(found, reading.kind, reading.note) + _body(reading)
        say(self._messages, [])
        self._layout.visible = True

    def say(self, found: BucketObject, text: str) -> None:
        """Say why a file cannot be shown."""
        self._view.object = _head(found, "")
        say(self._messages, [notice(text, "warning")])
        self._layout.visible = True

    def hide(self) -> None:
        """Show no file."""
        self._layout.visible = False

    def __panel__(self) -> pmui.Paper:
        return self._layout


def _head(found: BucketObject, kind: str, note: str = "") -> str:
    folder, _, name = found.key.rpartition("/")
    said = " · ".join(part for part in (kind, format_bytes(found.size)) if part)
    return (
        f"<h3><bdi>{escape(name)}</bdi></h3>"
        f'<p class="muted name mono"><bdi>{escape(folder)}</bdi></p>'
        f'<p class="muted" role="status">{escape(said)}{f". {escape(note)}" if note else ""}</p>'
    )


def _body(reading: Reading) -> str:
    if reading.facts:
        facts = "".join(
            f"<dt>{escape(name)}</dt><dd class={'grid' if chr(10) in text else 'plain'}>"
            f"{escape(text)}</dd>"
            for name, text in reading.facts.items()
        )
        return f'<dl class="facts">{facts}</dl>'
    if reading.head:
        rows = "".join(f"<tr>{_cells('td', row)}</tr>" for row in reading.rows)
        table = (
            '<table class="cells"><caption class="hidden">Contents of the file</caption>'
            f"<thead><tr>{_cells('th scope=col', reading.head)}</tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )
        return _scrolling(table)
    return _scrolling(f"<pre>{escape(reading.text)}</pre>") if reading.text else ""


def _scrolling(inside: str) -> str:
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Contents of the file">'
        f"{inside}</div>"
    )


def _cells(tag: str, values: tuple[str, ...]) -> str:
    name = tag.partition(" ")[0]
    return "".join(f'<{tag} title="{escape(v)}">{escape(v)}</{name}>' for v in values)
