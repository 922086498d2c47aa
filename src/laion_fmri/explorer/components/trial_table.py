"""A long table shown one page at a time; only that page is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import param
from numpy.typing import NDArray

from laion_fmri.explorer.components.answering import AnsweringComponent

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["text", "number", "name"]


class PagedTable(AnsweringComponent):
    """Rows of a table, of which one is chosen.

    Parameters
    ----------
    columns : sequence of (name, title, kind, width)
        Column of the table, its heading, how it is set (``"name"`` keeps the end of what is
        too long), and its width in pixels; 0 takes what is left.
    choose : callable
        Called with the row that was clicked.
    mark : callable
        Called with the row that is to be marked, or not any more.
    label : str
        What screen readers call the table.
    page_size : int
    """

    name_of_table = param.String(default="")
    columns = param.List(default=[])
    view = param.Dict(default={}, doc="The page that is shown.")

    _esm: ClassVar[Path] = Path(__file__).with_name("trial_table.js")

    def __init__(
        self,
        columns: Sequence[tuple[str, str, Kind, int]],
        choose: Callable[[int], object],
        mark: Callable[[int], object],
        label: str,
        page_size: int,
        **params: Any,
    ) -> None:
        self._names = [name for name, *_ in columns]
        self._choose, self._mark = choose, mark
        self._page_size = page_size
        self._page = 0
        self._rows: pd.DataFrame | None = None
        self._order: NDArray[np.intp] = np.array([], dtype=np.intp)
        self._marked: frozenset[int] = frozenset()
        self._chosen = -1
        super().__init__(
            columns=[
                {"title": title, "kind": kind, "width": width} for _, title, kind, width in columns
            ],
            name_of_table=label,
            view={
                "rows": [],
                "page": 0,
                "page_size": page_size,
                "total": 0,
                "chosen": -1,
                "marked": [],
            },
            **params,
        )

    def set_rows(self, rows: pd.DataFrame, order: NDArray[np.intp], chosen: int) -> None:
        """Show these rows, on the page of the one that is chosen.

        Parameters
        ----------
        rows : DataFrame
            With the table's columns.
        order : ndarray of int, shape (n_shown,)
            The rows to show, in this order.
        chosen : int
            A row; where it is not shown, none is chosen.
        """
        self._rows, self._order = rows, order
        self._page = 0
        self.choose(chosen)

    def set_marked(self, marked: Iterable[int]) -> None:
        """Which rows are marked."""
        self._marked = frozenset(marked)
        self._send()

    def choose(self, chosen: int) -> None:
        """Choose another row and turn to its page."""
        places = np.flatnonzero(self._order == chosen)
        self._chosen = int(places[0]) if len(places) else -1
        if self._chosen >= 0:
            self._page = self._chosen // self._page_size
        self._send()

    def _send(self) -> None:
        if self._rows is None:
            return
        first = self._page * self._page_size
        shown = self._order[first : first + self._page_size]
        page = self._rows.iloc[shown][self._names]
        chosen = self._chosen - first
        self.view = {
            "rows": [list(map(str, row)) for row in page.to_numpy(dtype=object).tolist()],
            "page": self._page,
            "page_size": self._page_size,
            "total": len(self._order),
            "chosen": chosen if 0 <= chosen < len(page) else -1,
            "marked": [int(row) in self._marked for row in shown],
        }

    def answer(self, message: Any) -> None:
        """Do what the page asks for."""
        if not isinstance(message, dict):
            return
        if isinstance(page := message.get("page"), int):
            last = max(0, -(-len(self._order) // self._page_size) - 1)
            self._page = min(max(page, 0), last)
            self._send()
        elif isinstance(place := message.get("chosen"), int):
            self._at(self._page * self._page_size + place, self._choose)
        elif isinstance(place := message.get("mark"), int):
            self._at(self._page * self._page_size + place, self._mark)
        elif (step := message.get("step")) in (-1, 1) and self._chosen >= 0:
            self._at(self._chosen + step, self._choose)

    def _at(self, place: int, act: Callable[[int], object]) -> None:
        if 0 <= place < len(self._order):
            act(int(self._order[place]))
