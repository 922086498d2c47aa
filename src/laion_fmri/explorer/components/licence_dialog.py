"""The dataset's licence, to be accepted once for each data directory."""

from __future__ import annotations

from collections.abc import Callable

from laion_fmri.access import LICENSE, LICENSE_TEXT, LICENSE_URL
from laion_fmri.explorer.components.dialog import QuestionDialog
from laion_fmri.explorer.components.links import outside_link
from laion_fmri.explorer.components.markup import escape, markup

_STYLE = """
p { margin: 0 0 10px; font-size: 14px; line-height: 1.55; }
ul { margin: 0 0 12px 20px; font-size: 14px; line-height: 1.55; }
a { color: var(--accent); }
"""
_POINTS = (
    "You may copy, change, pass on and build on the data, commercially too, without asking.",
    "There is no warranty of any kind.",
)


class LicenceDialog(QuestionDialog):
    """The licence in plain words, with its text a click away.

    Parameters
    ----------
    on_accept : callable
    """

    def __init__(self, on_accept: Callable[[], None]) -> None:
        points = "".join(f"<li>{escape(point)}</li>" for point in _POINTS)
        text = markup(
            f"<p>{escape(LICENSE_TEXT)}</p><ul>{points}</ul>"
            f"<p>{outside_link(LICENSE_URL, f'Read {LICENSE} in full')}</p>"
            '<p class="muted" style="font-size:12px">Accepted once for this data directory, on '
            "this machine; nothing is sent.</p>",
            style=_STYLE,
        )
        super().__init__(
            f"Before the first download: {LICENSE}",
            text,
            "Accept the licence",
            on_accept,
        )
