"""The files of a plan, page by page."""

from __future__ import annotations

from collections.abc import Sequence

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer.components.markup import escape, markup
from laion_fmri.transfer.plan import FileStatus, PlannedFile, format_bytes

ROWS = 10

_WORDS = {
    FileStatus.HERE: "here",
    FileStatus.PARTIAL: "partly here",
    FileStatus.MISSING: "not here",
    FileStatus.STALE: "outdated",
    FileStatus.DAMAGED: "damaged",
}
_ORDER = (
    FileStatus.DAMAGED,
    FileStatus.PARTIAL,
    FileStatus.STALE,
    FileStatus.MISSING,
    FileStatus.HERE,
)
_MARKS = {
    FileStatus.HERE: "here",
    FileStatus.PARTIAL: "partly",
    FileStatus.MISSING: "missing",
    FileStatus.STALE: "partly",
    FileStatus.DAMAGED: "partly",
}
_STYLE = """
table { width: 100%; table-layout: fixed; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child { width: 100px; } th:nth-child(2) { width: 76px; }
th:nth-child(2), td:nth-child(2) { text-align: right; padding-right: 20px; white-space: nowrap; }
td .folder { font-size: 12px; color: var(--muted); }
"""


def status_html(status: FileStatus) -> str:
    """How a file stands, as a mark and a word."""
    return (
        f'<span style="white-space:nowrap"><i class="mark {_MARKS[status]}"></i> '
        f"{_WORDS[status]}</span>"
    )


class FileTable(Viewer):
    """Status, size and name of every file; those to fetch come first."""

    def __init__(self) -> None:
        super().__init__()
        self._files: list[PlannedFile] = []
        self._view = markup(style=_STYLE)
        self._pages = pmui.Pagination(
            count=1,
            value=0,
            size="small",
            show_first_button=True,
            show_last_button=True,
            margin=(10, 0, 0, 0),
        )
        self._pages.param.watch(lambda _: self._show_page(), "value")
        self._layout = pn.Column(self._view, self._pages, sizing_mode="stretch_width", margin=0)

    def display(self, files: Sequence[PlannedFile]) -> None:
        """Show these files, from the first page on."""
        self._files = sorted(files, key=lambda f: _ORDER.index(f.status))
        self._pages.param.update(count=max(1, -(-len(files) // ROWS)), value=0)
        self._pages.visible = len(files) > ROWS
        self._show_page()

    def _show_page(self) -> None:
        begin = (self._pages.value or 0) * ROWS
        rows = "".join(_row(file) for file in self._files[begin : begin + ROWS])
        heads = "".join(f'<th scope="col">{head}</th>' for head in ("Status", "Size", "File"))
        self._view.object = (
            '<table><caption class="hidden">Files of the plan</caption>'
            f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
            if rows
            else ""
        )

    def __panel__(self) -> pn.Column:
        return self._layout


def _row(file: PlannedFile) -> str:
    folder, _, name = file.key.rpartition("/")
    return (
        f"<tr><td>{status_html(file.status)}</td>"
        f'<td class="number">{format_bytes(file.size)}</td>'
        f'<td class="name">{escape(name)}<div class="folder">{escape(folder)}</div></td></tr>'
    )
