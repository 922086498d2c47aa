"""Browser of all files of the bucket: filter, summarize, preview, pass to the Download tab."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri.availability import Availability
from laion_fmri.bucket import BucketObject
from laion_fmri.explorer.discover.file_contents import FileContents
from laion_fmri.explorer.discover.file_filters import FileFilters
from laion_fmri.explorer.runtime.background import Gate
from laion_fmri.explorer.runtime.page_turn import Rendered
from laion_fmri.explorer.widgets.copy_code import CopyCode
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.explorer.widgets.table import Column, Row, Table
from laion_fmri.file_table import STATUS, ChosenFiles, FileFilter, FileTable, Rows, Totals
from laion_fmri.transfer.plan import count_of, format_bytes

_COLUMNS = (
    Column("file", "File", "file"),
    Column("size", "Size", "number", 78),
    Column(STATUS, "Status", "status", 122),
    Column("tree", "Tree", "text", 90, 620),
    Column("subject", "Subject", "text", 72, 860),
    Column("session", "Session", "text", 122, 860),
    Column("desc", "Desc", "text", 132, 1040),
    Column("suffix", "Suffix", "text", 82, 1040),
    Column("extension", "Extension", "text", 82, 860),
)
_HEIGHT = 520
_ROW: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
_WRAP = {"flex-wrap": "wrap", "align-items": "center", "gap": "4px 10px"}


class FileBrowser(Viewer):
    """Filters, a table of the matching files, the files chosen for download, and a preview.

    Parameters
    ----------
    table : FileTable
    on_open : callable
        Called with the object to preview and its availability; answer through `contents`.
    on_download : callable
        Called with the chosen keys.
    """

    def __init__(
        self,
        table: FileTable,
        on_open: Callable[[BucketObject, Availability], object],
        on_download: Callable[[list[str]], None],
    ) -> None:
        super().__init__()
        self._on_open, self._on_download = on_open, on_download
        self._table = table
        self._chosen = ChosenFiles(table)
        self._found = table.find(FileFilter())
        self._sort, self._descending = "file", False
        self._opened = ""
        self._gate = Gate()
        self.filters = FileFilters()
        self.filters.param.watch(lambda _: self._gate.let_through(self._find), "value")
        self.count, self.chosen_text = (markup(sizing_mode=None, align="center") for _ in range(2))
        self.grid = Table(
            _COLUMNS,
            self._rows,
            "Files of the bucket",
            on_open=self._open,
            on_check=lambda first, last, chosen: self._choose(
                self._found.rows[first : last + 1], chosen
            ),
            on_check_all=lambda chosen: self._choose(self._found.rows, chosen),
            on_sort=self._sort_by,
            empty="No file matches",
            height=_HEIGHT,
            **_ROW,
        )
        self.contents = FileContents(self.close)
        self.code = CopyCode()
        self._make_buttons()
        self._layout = self._make_layout()
        self._find()

    def _make_buttons(self) -> None:
        quiet: dict[str, Any] = {"variant": "text", "size": "small", "margin": 0, "align": "center"}
        self.clear_filters = pmui.Button(label="Clear filters", icon="filter_alt_off", **quiet)
        self.choose_all = pmui.Button(label="Choose all that match", icon="done_all", **quiet)
        self.clear = pmui.Button(label="Choose none", icon="close", **quiet)
        self.download = pmui.Button(label="Download these", icon="download", size="small", margin=0)
        self.save = pmui.FileDownload(
            label="Save list (TSV)",
            filename="laion-fmri-files.tsv",
            callback=self.as_tsv,
            icon="table_view",
            size="small",
            margin=0,
            align="center",
        )
        self.save.variant = "text"
        self.clear_filters.on_click(lambda _: self.filters.clear())
        self.choose_all.on_click(lambda _: self._choose(self._found.rows, True))
        self.clear.on_click(lambda _: self._choose(np.arange(len(self._table)), False))
        self.download.on_click(lambda _: self._on_download(self.chosen_keys))

    def _make_layout(self) -> pn.Column:
        chosen = pn.Row(
            self.chosen_text,
            self.clear,
            self.download,
            styles={**_WRAP, "margin-left": "auto"},
            margin=0,
            align="center",
        )
        self.preview = pn.Column(
            self.contents, margin=0, styles={"flex": "1 1 340px", "min-width": "0"}, visible=False
        )
        grid = pn.Column(self.grid, margin=0, styles={"flex": "1 1 440px", "min-width": "0"})
        buttons = (self.count, self.choose_all, self.clear_filters, self.save, chosen)
        return pn.Column(
            self.filters,
            pn.Row(*buttons, styles=_WRAP, **_ROW),
            pn.Row(grid, self.preview, styles={"flex-wrap": "wrap", "gap": "16px"}, **_ROW),
            self.code,
            Rendered(self._gate.open),
            styles={"gap": "10px"},
            **_ROW,
        )

    # --- display --------------------------------------------------------------------------

    def set_files(self, table: FileTable) -> None:
        """Display another table; chosen files that it contains stay chosen."""
        self._gate.let_through(partial(self._set_table, table))

    def _set_table(self, table: FileTable) -> None:
        is_same_listing = table.objects is self._table.objects
        self._table, self._chosen = table, ChosenFiles(table, self._chosen.keys)
        self._find(stay=is_same_listing)

    @property
    def chosen_keys(self) -> list[str]:
        """Keys of the chosen files, in key order."""
        return self._chosen.keys

    @property
    def shown_keys(self) -> list[str]:
        """Keys of the files that pass the filters, in display order."""
        return [self._table.objects[row].key for row in self._found.rows]

    def _find(self, stay: bool = False) -> None:
        wanted = self.filters.value
        self._found = self._table.find(wanted, self._sort, self._descending)
        with pn.io.hold():
            self._layout.visible = bool(len(self._table))
            self.filters.offer(self._found)
            self.code.code = wanted.code
            self._draw_rows(stay)

    def _update_rows(self) -> None:
        self._gate.let_through(partial(self._draw_rows, stay=True))

    def _draw_rows(self, stay: bool) -> None:
        rows = self._found.rows
        opened = np.flatnonzero(np.isin(rows, self._table.rows_of([self._opened])))
        chosen = self._table.totals(self._chosen.rows)
        with pn.io.hold():
            self.grid.set_rows(
                len(rows),
                int(opened[0]) if len(opened) else -1,
                self._sort,
                self._descending,
                self._chosen.share(rows),
                stay,
            )
            self.count.object = _text(_matching(self._table.totals(rows)))
            self.chosen_text.object = _text(_chosen(chosen), strong=bool(chosen.n_files))
            self.choose_all.disabled = self.save.disabled = not len(rows)
            self.clear.disabled = self.download.disabled = not chosen.n_files
            self.clear_filters.disabled = self.filters.value == FileFilter()

    # --- callbacks of the table -------------------------------------------------------------

    def _rows(self, first: int, stop: int) -> list[Row]:
        table = self._table
        return [
            Row(
                [_cell(table, row, column.name) for column in _COLUMNS],
                bool(self._chosen.mask[row]),
                bool(table.can_be_downloaded[row]),
            )
            for row in self._found.rows[first:stop]
        ]

    def _choose(self, rows: Rows, chosen: bool) -> None:
        self._chosen.choose(rows, chosen)
        self._update_rows()

    def _sort_by(self, name: str) -> None:
        self._descending = not self._descending if name == self._sort else name == "size"
        self._sort = name
        self._gate.let_through(self._find)

    # --- preview --------------------------------------------------------------------------

    def _open(self, place: int) -> None:
        row = self._found.rows[place]
        found = self._table.objects[row]
        self._opened = found.key
        self.preview.visible = True
        self.contents.begin(found)
        self._update_rows()
        self._on_open(found, Availability(self._table.value(row, STATUS)))

    def close(self) -> None:
        """Close the preview."""
        self._opened = ""
        self.contents.hide()
        self.preview.visible = False
        self._update_rows()

    def is_open(self, found: BucketObject) -> bool:
        """Whether the preview displays this file."""
        return found.key == self._opened

    def as_tsv(self) -> io.StringIO:
        """Return the chosen files as a table; all matching files if none is chosen."""
        chosen = self._chosen.rows
        files = self._table.to_frame(chosen if len(chosen) else self._found.rows)
        return io.StringIO(files.to_csv(sep="\t", index=False))

    def __panel__(self) -> pn.Column:
        return self._layout


def _cell(table: FileTable, row: int, column: str) -> str:
    if column == "file":
        return table.objects[row].key
    if column == "size":
        return format_bytes(table.sizes[row])
    value = table.value(row, column)
    return value.capitalize() if column == STATUS else value


def _matching(found: Totals) -> str:
    files = count_of(found.n_files, "matching file")
    return f"{files} · {format_bytes(found.n_bytes)} · {found.n_downloaded:,} downloaded"


def _chosen(found: Totals) -> str:
    if not found.n_files:
        return "Nothing is chosen yet."
    missing = found.bytes_to_download
    left = f"{format_bytes(missing)} to download" if missing else "all downloaded"
    return f"{found.n_files:,} chosen · {format_bytes(found.n_bytes)} · {left}"


def _text(text: str, strong: bool = False) -> Markup:
    tag = "b" if strong else "span"
    return Markup('<p class="number" role="status"><{}>{}</{}></p>').format(tag, text, tag)
