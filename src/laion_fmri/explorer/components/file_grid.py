"""A table of any length that scrolls: the browser holds only the rows near what is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import param
from panel.custom import JSComponent

Kind = Literal["file", "text", "number", "status"]

_MOST_ROWS = 400  # that a page may ask for at once


class FileGrid(JSComponent):
    """Rows that can be sorted, chosen and opened; they are asked for as they come into sight.

    What the rows are is up to whoever owns the grid: `set_rows` says how many there are,
    `row_at` gives one of them. Text is shown as text, markup in it does nothing.

    Parameters
    ----------
    columns : sequence of (name, title, kind, width, importance)
        Width in pixels, 0 takes what is left; of a narrow grid the columns of the highest
        importance number go first, those of 0 stay.
    row_at : callable
        From a place to ``(is chosen, can be chosen, values of the columns)``.
    on_choose : callable
        Called with the first and the last place and whether they are chosen now.
    on_choose_all : callable
        Called with whether all rows are chosen now.
    on_sort : callable
        Called with a column's name.
    on_open : callable
        Called with a place.
    label : str
        What screen readers call the table.
    height : int
        Pixels.
    """

    label_of_grid = param.String(default="")
    columns = param.List(default=[])
    row_height = param.Integer(default=42)
    view = param.Dict(default={}, doc="How many rows there are, how they are sorted and chosen.")

    _esm: ClassVar[Path] = Path(__file__).with_name("file_grid.js")

    def __init__(
        self,
        columns: Sequence[tuple[str, str, Kind, int, int]],
        row_at: Callable[[int], tuple[bool, bool, Sequence[str]]],
        on_choose: Callable[[int, int, bool], object],
        on_choose_all: Callable[[bool], object],
        on_sort: Callable[[str], object],
        on_open: Callable[[int], object],
        label: str,
        height: int,
        **params: Any,
    ) -> None:
        self._row_at = row_at
        self._on_choose, self._on_choose_all = on_choose, on_choose_all
        self._on_sort, self._on_open = on_sort, on_open
        self._names = frozenset(name for name, *_ in columns)
        super().__init__(
            columns=[
                {"name": name, "title": title, "kind": kind, "width": width, "rank": rank}
                for name, title, kind, width, rank in columns
            ],
            label_of_grid=label,
            view={"version": 0, "total": 0, "sort": "", "descending": False, "all": "none"},
            height=height,
            **params,
        )

    def set_rows(
        self,
        total: int,
        sort: str,
        descending: bool,
        all_chosen: Literal["none", "some", "all"],
        stay: bool = False,
        opened: int = -1,
    ) -> None:
        """Show other rows, from the first on; `stay` where the reader is when they are the same.

        Parameters
        ----------
        total : int
        sort : str
            The column they are sorted by.
        descending : bool
        all_chosen : {"none", "some", "all"}
        stay : bool
        opened : int
            Place of the row that is open; -1 for none.
        """
        self.view = {
            "version": self.view["version"] + 1,
            "total": total,
            "sort": sort,
            "descending": descending,
            "all": all_chosen,
            "stay": stay,
            "opened": opened,
        }

    def _handle_msg(self, data: Any) -> None:
        """Answer the browser, whose messages may say anything."""
        if not isinstance(data, dict):
            return
        total, version = self.view["total"], self.view["version"]
        if data.get("version") != version:
            return  # places in rows that are shown no more
        match data:
            case {"rows": [int(first), int(count)]}:
                first, count = max(first, 0), min(max(count, 0), _MOST_ROWS)
                rows = [self._sent(place) for place in range(first, min(first + count, total))]
                self._send_msg({"version": version, "first": first, "rows": rows})
            case {"choose": [int(first), int(last)], "chosen": bool(chosen)}:
                first, last = sorted((first, last))
                if 0 <= first <= last < total:
                    self._on_choose(first, last, chosen)
            case {"choose_all": bool(chosen)}:
                self._on_choose_all(chosen)
            case {"sort": str(name)} if name in self._names:
                self._on_sort(name)
            case {"open": int(place)} if 0 <= place < total:
                self._on_open(place)

    def _sent(self, place: int) -> list[Any]:
        is_chosen, can_be_chosen, values = self._row_at(place)
        return [is_chosen, can_be_chosen, *values]
