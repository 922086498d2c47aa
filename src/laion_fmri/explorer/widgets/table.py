"""A table that scrolls through any number of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import param

from laion_fmri.explorer.widgets.page_messages import MessagingComponent

Kind = Literal["text", "number", "name", "file", "status"]

_BLOCK = 100  # rows sent together, as in table.js
_MOST_ROWS = 400  # maximum that a page may request at once


class Column(NamedTuple):
    """A column of a `Table`.

    Attributes
    ----------
    name : str
        Passed to `on_sort`.
    title : str
    kind : {"text", "number", "name", "file", "status"}
        ``"name"`` truncates long texts at the start, ``"file"`` displays a path as a name
        above its folder, ``"status"`` displays a mark before the word.
    width : int
        Pixels; 0 uses the remaining width.
    hidden_below : int
        The column is hidden in a table narrower than this many pixels.
    """

    name: str
    title: str
    kind: Kind = "text"
    width: int = 0
    hidden_below: int = 0


class Row(NamedTuple):
    """A row of a `Table`: its texts, and whether it is and can be checked."""

    values: Sequence[str]
    checked: bool = False
    can_check: bool = True


class Table(MessagingComponent):
    """A table of any length: the browser contains only the rows near the visible ones.

    `set_rows` sets the number of rows, `get_rows` returns some of them when they become visible.
    Text is escaped; markup in it has no effect.

    Parameters
    ----------
    columns : sequence of Column
    get_rows : callable
        Returns the `Row` objects from a first position up to, not including, a last one.
    label : str
        Name of the table for screen readers.
    on_open : callable, optional
        Called with the position of a row that was clicked, or opened with the keyboard.
    on_check : callable, optional
        Called with the first and last position of a range, and whether it is now checked.
    on_check_all : callable, optional
        Called with whether all rows are now checked.
    on_sort : callable, optional
        Called with a column's name.
    check_label : str
        The purpose of a check mark, such as "Choose".
    follow : bool
        Arrow keys open the row they move to, and the table scrolls to the current row.
    empty : str
        Displayed if there are no rows.
    row_height : int
        Pixels.
    """

    columns = param.List(default=[])
    options = param.Dict(default={}, doc="What does not change while the table is shown.")
    view = param.Dict(default={}, doc="How many rows there are, how they are sorted and checked.")
    current = param.Integer(default=-1, doc="Place of the row that is open; -1 for none.")

    _esm: ClassVar[Path] = Path(__file__).with_name("table.js")

    def __init__(
        self,
        columns: Sequence[Column],
        get_rows: Callable[[int, int], Iterable[Row]],
        label: str,
        on_open: Callable[[int], object] | None = None,
        on_check: Callable[[int, int, bool], object] | None = None,
        on_check_all: Callable[[bool], object] | None = None,
        on_sort: Callable[[str], object] | None = None,
        check_label: str = "Choose",
        follow: bool = False,
        empty: str = "No row matches",
        row_height: int = 42,
        **params: Any,
    ) -> None:
        self._get_rows, self._total = get_rows, 0
        self._on_open, self._on_check = on_open, on_check
        self._on_check_all, self._on_sort = on_check_all, on_sort
        super().__init__(
            columns=[column._asdict() for column in columns],
            options={
                "label": label,
                "open": on_open is not None,
                "check": check_label if on_check else "",
                "check_all": on_check_all is not None,
                "sort": on_sort is not None,
                "follow": follow,
                "empty": empty,
                "row_height": row_height,
            },
            view={"version": 0, "total": 0, "first": 0, "rows": []},
            **params,
        )

    def set_rows(
        self,
        total: int,
        current: int = -1,
        sort: str = "",
        descending: bool = False,
        all_checked: Literal["none", "some", "all"] = "none",
        stay: bool = False,
    ) -> None:
        """Display other rows.

        Parameters
        ----------
        total : int
        current : int
            Position of the open row; -1 for none.
        sort : str
            The column the rows are sorted by.
        descending : bool
        all_checked : {"none", "some", "all"}
        stay : bool
            Keep the scroll position, because the same rows changed.
        """
        # The first rows are sent with their number, so that the browser need not request them.
        first = 0 if stay else max(current, 0) // _BLOCK * _BLOCK
        view = {
            "version": self.view["version"] + 1,
            "total": total,
            "sort": sort,
            "descending": descending,
            "all": all_checked,
            "stay": stay,
            "first": first,
            "rows": [] if stay else self._sent(first, min(first + _BLOCK, total)),
        }
        self._total = total
        self.param.update(view=view, current=current)

    def _sent(self, first: int, stop: int) -> list[list[Any]]:
        if first >= stop:
            return []
        return [[row.checked, row.can_check, *row.values] for row in self._get_rows(first, stop)]

    def receive(self, message: Any) -> bool:
        """Handle a click or a check mark, or send rows."""
        total, version = self._total, self.view["version"]
        if not isinstance(message, dict) or not isinstance(message.get("version"), int):
            return False
        if message["version"] != version:
            return True  # the positions are those of rows that are no longer displayed
        match message:
            case {"rows": [int(first), int(count)]}:
                first, count = max(first, 0), min(max(count, 0), _MOST_ROWS)
                rows = self._sent(first, min(first + count, total))
                self._send_msg({"version": version, "first": first, "rows": rows})
            case {"check": [int(first), int(last)], "checked": bool(checked)} if self._on_check:
                first, last = sorted((first, last))
                if 0 <= first <= last < total:
                    self._on_check(first, last, checked)
            case {"check_all": bool(checked)} if self._on_check_all:
                self._on_check_all(checked)
            case {"sort": str(name)} if self._on_sort and name in (c["name"] for c in self.columns):
                self._on_sort(name)
            case {"open": int(place)} if self._on_open and 0 <= place < total:
                self._on_open(place)
            case _:
                return False
        return True
