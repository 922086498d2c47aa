"""One subject at a glance."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer.catalog import Presence, SubjectEntry
from laion_fmri.explorer.components.markup import bar_html, escape, markup
from laion_fmri.transfer.plan import format_bytes

_FLEX = "0 0 max(200px, calc(20% - 13px))"  # five in a wide row, all of one width
_STYLE = """
dl { display: grid; grid-template-columns: auto 1fr; gap: 1px 14px; margin: 8px 0 10px; }
dt { color: var(--muted); } dd { text-align: right; }
h3 { font-size: 16px; }
.below { margin: 5px 0 0; font-size: 12px; }
"""


class SubjectCard(Viewer):
    """Sessions, ROIs, size and how much is local; a button that goes on to the download.

    Parameters
    ----------
    on_download : callable
        Called with the subject.
    """

    def __init__(self, entry: SubjectEntry, on_download: Callable[[str], None]) -> None:
        super().__init__()
        self._view = markup(style=_STYLE)
        button = pmui.Button(
            label=f"Download {entry.name}…",
            variant="outlined",
            size="small",
            sizing_mode="stretch_width",
            margin=(10, 0, 0, 0),
        )
        button.on_click(lambda _: on_download(entry.name))
        self._layout = pmui.Paper(
            self._view,
            button,
            variant="outlined",
            sx={"p": "14px 16px 14px"},
            styles={"flex": _FLEX},
            margin=0,
        )
        self.display(entry)

    def display(self, entry: SubjectEntry) -> None:
        """Bring the card up to date."""
        facts = {
            "Sessions": _sessions(entry),
            "ROIs": entry.n_rois or "none",
            "Size": format_bytes(entry.total.n_bytes),
        }
        rows = "".join(f"<dt>{k}</dt><dd class='number'>{escape(v)}</dd>" for k, v in facts.items())
        here = f"{format_bytes(entry.total.bytes_here)} here"
        if not entry.total.bytes_here:
            here = "nothing here yet"
        elif entry.total.n_here == entry.total.n_files:
            here = "all here"
        self._view.object = (
            f"<h3 class='name'>{escape(entry.name)}</h3><dl>{rows}</dl>"
            + bar_html(entry.total.fraction, f"How much of {entry.name} is here")
            + f"<p class='muted number below'>{here}</p>"
        )

    def __panel__(self) -> pmui.Paper:
        return self._layout


def _sessions(entry: SubjectEntry) -> str:
    whole = f"{entry.n_sessions_here} of {len(entry.sessions)}"
    n_partly = sum(share.presence is Presence.PARTLY for share in entry.sessions.values())
    return f"{whole}, {n_partly} partly" if n_partly else f"{whole} here"
