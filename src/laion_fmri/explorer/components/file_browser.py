"""Every file of the bucket: found, added up, read in place and handed to the download."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.bucket import BucketObject
from laion_fmri.explorer.background import Gate
from laion_fmri.explorer.bucket_table import (
    STANDINGS,
    STATUS,
    BucketTable,
    FileFilter,
    FileStanding,
    FileView,
    Rows,
    Standings,
    Totals,
    can_be_fetched,
    totals,
)
from laion_fmri.explorer.components.arrival import Arrival
from laion_fmri.explorer.components.copy_code import CopyCode
from laion_fmri.explorer.components.file_contents import FileContents
from laion_fmri.explorer.components.file_filters import FileFilters
from laion_fmri.explorer.components.file_grid import FileGrid, Kind
from laion_fmri.explorer.components.markup import escape, markup
from laion_fmri.explorer.file_code import file_code
from laion_fmri.transfer.plan import count_of, format_bytes

_COLUMNS: list[tuple[str, str, Kind, int, int]] = [
    ("file", "File", "file", 0, 0),
    ("size", "Size", "number", 78, 0),
    (STATUS, "Status", "status", 92, 0),
    ("tree", "Tree", "text", 90, 1),
    ("subject", "Subject", "text", 72, 2),
    ("session", "Session", "text", 122, 2),
    ("desc", "Desc", "text", 132, 3),
    ("suffix", "Suffix", "text", 82, 3),
    ("extension", "Extension", "text", 82, 2),
]
_HEIGHT = 520


class FileBrowser(Viewer):
    """Filters, a table of what passes, what is chosen adds up to, and the file that is open.

    Fill it with `set_files` before it is put on a page; what changes later waits until the
    browser has put it together.

    Parameters
    ----------
    on_open : callable
        Called with the file to be read, an object and its standing; answer through `contents`.
    on_download : callable
        Called with the keys that were chosen.
    """

    def __init__(
        self,
        on_open: Callable[[BucketObject, FileStanding], object],
        on_download: Callable[[list[str]], None],
    ) -> None:
        super().__init__()
        self._on_open, self._on_download = on_open, on_download
        self._table = BucketTable(())
        self._standings = Standings(np.array([], np.int32), np.array([], np.int64))
        self._chosen = np.array([], dtype=bool)
        self._files = FileView(self._table, self._standings, FileFilter())
        self._sort, self._descending = "file", False
        self._opened = ""
        self._gate = Gate()
        self._is_filled = False
        self.filters = FileFilters(self._show)
        self.count = markup(sizing_mode=None, align="center")
        self.chosen_text = markup(sizing_mode=None, align="center")
        self.grid = FileGrid(
            _COLUMNS,
            self._row,
            self._choose,
            self._choose_all,
            self._sort_by,
            self._open,
            "Files of the bucket",
            _HEIGHT,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.contents = FileContents(self.close)
        self.code = CopyCode()
        self._layout = self._make_layout()

    def _make_layout(self) -> pn.Column:
        quiet = {"variant": "text", "size": "small", "margin": 0, "align": "center"}
        self.clear_filters = pmui.Button(label="Clear filters", icon="filter_alt_off", **quiet)
        self.choose_all = pmui.Button(label="Choose all that match", icon="done_all", **quiet)
        self.clear = pmui.Button(label="Choose none", icon="close", **quiet)
        self.download = pmui.Button(
            label="Download these", icon="download", size="small", disabled=True, margin=0
        )
        self.save = pmui.FileDownload(
            label="Save list (TSV)",
            filename="laion-fmri-files.tsv",
            callback=self._as_tsv,
            icon="table_view",
            size="small",
            margin=0,
            align="center",
        )
        self.save.variant = "text"
        self.clear_filters.on_click(lambda _: self.filters.clear())
        self.choose_all.on_click(lambda _: self._choose_all(True))
        self.clear.on_click(lambda _: self._choose_none())
        self.download.on_click(lambda _: self._on_download(self.chosen_keys))
        row = {"sizing_mode": "stretch_width", "margin": 0}
        wrap = {"flex-wrap": "wrap", "align-items": "center", "gap": "4px 10px"}
        push = {"margin-left": "auto"}
        chosen = pn.Row(
            self.chosen_text,
            self.clear,
            self.download,
            styles=wrap | push,
            margin=0,
            align="center",
        )
        self.open_file = pn.Column(
            self.contents, margin=0, styles={"flex": "1 1 340px", "min-width": "0"}, visible=False
        )
        grid = pn.Column(self.grid, margin=0, styles={"flex": "1 1 440px", "min-width": "0"})
        return pn.Column(
            self.filters,
            pn.Row(
                self.count,
                self.choose_all,
                self.clear_filters,
                self.save,
                chosen,
                styles=wrap,
                **row,
            ),
            pn.Row(grid, self.open_file, styles={"flex-wrap": "wrap", "gap": "16px"}, **row),
            self.code,
            Arrival(self._gate.open),
            styles={"gap": "10px"},
            visible=False,
            **row,
        )

    # --- what is shown --------------------------------------------------------------------

    def set_files(self, table: BucketTable, standings: Standings) -> None:
        """Show these files; what was chosen before and is still there stays chosen.

        Parameters
        ----------
        table : BucketTable
        standings : Standings
        """
        self._on_the_page(partial(self._take_files, table, standings))
        self._is_filled = True

    def _take_files(self, table: BucketTable, standings: Standings) -> None:
        keys = self.chosen_keys
        is_same = table is self._table
        self._table, self._standings = table, standings
        self._chosen = np.zeros(len(table), dtype=bool)
        self._chosen[table.rows_of(keys)] = True
        self._chosen &= can_be_fetched(standings)
        self._draw(self._found(), stay=is_same)

    @property
    def chosen_keys(self) -> list[str]:
        """Keys of what is chosen, in key order."""
        return [self._table.objects[row].key for row in np.flatnonzero(self._chosen)]

    @property
    def rows(self) -> Rows:
        """The files that pass, in the order they are shown."""
        return self._files.rows

    def _found(self) -> FileView:
        wanted = self.filters.wanted
        return FileView(self._table, self._standings, wanted, self._sort, self._descending)

    def _show(self) -> None:
        self._on_the_page(lambda: self._draw(self._found(), stay=False))

    def _show_rows(self) -> None:
        self._on_the_page(partial(self._draw_rows, stay=True))

    def _on_the_page(self, change: Callable[[], None]) -> None:
        """Make a change at once before there is a page, then when the page can take it."""
        if self._is_filled:
            self._gate.let_through(change)
        else:
            change()

    def _draw(self, files: FileView, stay: bool) -> None:
        self._files = files
        with pn.io.hold():
            self._layout.visible = bool(len(self._table))
            self.filters.offer(files.options)
            self._draw_rows(stay)
            self.code.code = file_code(files.wanted)

    def _draw_rows(self, stay: bool) -> None:
        files, chosen = self._files, np.flatnonzero(self._chosen)
        opened = self._table.rows_of([self._opened])
        place = np.flatnonzero(files.rows == opened[0]) if len(opened) else opened
        with pn.io.hold():
            self.grid.set_rows(
                len(files.rows),
                self._sort,
                self._descending,
                self._how_many_chosen(),
                stay,
                int(place[0]) if len(place) else -1,
            )
            self.count.object = _said(_of_matching(files.totals(files.rows)))
            total = totals(self._table, self._standings, chosen)
            self.chosen_text.object = _said(_of_chosen(total), strong=bool(total.n_files))
            self.choose_all.disabled = self.save.disabled = not len(files.rows)
            self.clear.disabled = self.download.disabled = not total.n_files
            self.clear_filters.disabled = files.wanted == FileFilter()

    def _how_many_chosen(self) -> Literal["none", "some", "all"]:
        rows = self._files.rows
        choosable = rows[self._files.choosable(rows)]
        n_chosen = int(self._chosen[choosable].sum())
        if not n_chosen:
            return "none"
        return "all" if n_chosen == len(choosable) else "some"

    # --- what the grid asks -----------------------------------------------------------------

    def _row(self, place: int) -> tuple[bool, bool, Sequence[str]]:
        row, table = self._files.rows[place], self._table
        standing = STANDINGS[self._standings.codes[row]]
        cells = {name: facet.values[facet.codes[row]] for name, facet in table.facets.items()}
        cells |= {
            "file": table.objects[row].key,
            "size": format_bytes(table.sizes[row]),
            STATUS: str(standing),
        }
        can_be_chosen = bool(self._files.choosable(self._files.rows[place : place + 1])[0])
        return bool(self._chosen[row]), can_be_chosen, [cells[name] for name, *_ in _COLUMNS]

    def _choose(self, first: int, last: int, chosen: bool) -> None:
        rows = self._files.rows[first : last + 1]
        self._chosen[rows[self._files.choosable(rows)]] = chosen
        self._show_rows()

    def _choose_all(self, chosen: bool) -> None:
        self._choose(0, len(self._files.rows), chosen)

    def _choose_none(self) -> None:
        self._chosen[:] = False
        self._show_rows()

    def _sort_by(self, name: str) -> None:
        self._descending = not self._descending if name == self._sort else name == "size"
        self._sort = name
        self._show()

    # --- one file ---------------------------------------------------------------------------

    def _open(self, place: int) -> None:
        row = self._files.rows[place]
        found = self._table.objects[row]
        self._opened = found.key
        self.open_file.visible = True
        self.contents.begin(found)
        self._show_rows()
        self._on_open(found, STANDINGS[self._standings.codes[row]])

    def close(self) -> None:
        """Close the file that is open."""
        self._opened = ""
        self.contents.hide()
        self.open_file.visible = False
        self._show_rows()

    def is_open(self, found: BucketObject) -> bool:
        """Whether this is the file that is open."""
        return found.key == self._opened

    def _as_tsv(self) -> io.StringIO:
        """What is chosen, or all that matches where nothing is."""
        import pandas as pd

        chosen = np.flatnonzero(self._chosen)
        rows = chosen if len(chosen) else self._files.rows
        columns = {
            "key": [self._table.objects[row].key for row in rows],
            "size": self._table.sizes[rows],
            STATUS: [str(STANDINGS[code]) for code in self._standings.codes[rows]],
        }
        for name, facet in self._table.facets.items():
            columns[name] = [facet.values[code] for code in facet.codes[rows]]
        return io.StringIO(pd.DataFrame(columns).to_csv(sep="\t", index=False))

    def __panel__(self) -> pn.Column:
        return self._layout


def _of_matching(found: Totals) -> str:
    files = count_of(found.n_files, "matching file")
    return f"{files} · {format_bytes(found.n_bytes)} · {found.n_here:,} here"


def _of_chosen(found: Totals) -> str:
    if not found.n_files:
        return "Nothing is chosen yet."
    left = f"{format_bytes(found.bytes_to_fetch)} to fetch" if found.bytes_to_fetch else "all here"
    return f"{found.n_files:,} chosen · {format_bytes(found.n_bytes)} · {left}"


def _said(text: str, strong: bool = False) -> str:
    tag = "b" if strong else "span"
    return f'<p class="number" role="status"><{tag}>{escape(text)}</{tag}></p>'
