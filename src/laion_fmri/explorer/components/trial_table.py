"""A long table shown one page at a time; only that page is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import param
from numpy.typing import NDArray
from panel.custom import JSComponent

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["text", "number", "name"]


class PagedTable(JSComponent):
    """Rows of a table, of which one is chosen.

    Parameters
    ----------
    columns : sequence of (name, title, kind, width)
        Column of the table, its heading, how it is set (``"name"`` keeps the end of what is
        too long), and its width in pixels; 0 takes what is left.
    choose : callable
        Called with the index label of the row that was clicked.
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
        label: str,
        page_size: int,
        **params: Any,
    ) -> None:
        self._names = [name for name, *_ in columns]
        self._choose = choose
        self._page_size = page_size
        self._page = 0
        self._rows: pd.DataFrame | None = None
        self._labels: NDArray[np.intp] = np.array([], dtype=np.intp)
        self._chosen = -1
        super().__init__(
            columns=[
                {"title": title, "kind": kind, "width": width} for _, title, kind, width in columns
            ],
            name_of_table=label,
            view={"rows": [], "page": 0, "page_size": page_size, "total": 0, "chosen": -1},
            **params,
        )

    def set_rows(self, rows: pd.DataFrame, chosen: int) -> None:
        """Show these rows, on the page of the one that is chosen.

        Parameters
        ----------
        rows : DataFrame
            With the table's columns; its index is increasing.
        chosen : int
            An index label; where no row has it, none is marked.
        """
        self._rows, self._labels = rows, rows.index.to_numpy()
        self._page = 0
        self.choose(chosen)

    def choose(self, chosen: int) -> None:
        """Mark another row and turn to its page."""
        self._chosen = self._place(chosen)
        if self._chosen >= 0:
            self._page = self._chosen // self._page_size
        self._send()

    def _place(self, label: int) -> int:
        place = int(np.searchsorted(self._labels, label))
        return place if place < len(self._labels) and self._labels[place] == label else -1

    def _send(self) -> None:
        if self._rows is None:
            return
        first = self._page * self._page_size
        page = self._rows.iloc[first : first + self._page_size][self._names]
        chosen = self._chosen - first
        self.view = {
            "rows": [list(map(str, row)) for row in page.itertuples(index=False)],
            "page": self._page,
            "page_size": self._page_size,
            "total": len(self._rows),
            "chosen": chosen if 0 <= chosen < len(page) else -1,
        }

    def _handle_msg(self, data: Any) -> None:
        if not isinstance(data, dict):
            return
        if isinstance(page := data.get("page"), int):
            last = max(0, -(-len(self._labels) // self._page_size) - 1)
            self._page = min(max(page, 0), last)
            self._send()
        elif isinstance(place := data.get("chosen"), int):
            self._choose_place(self._page * self._page_size + place)
        elif (step := data.get("step")) in (-1, 1) and self._chosen >= 0:
            self._choose_place(self._chosen + step)

    def _choose_place(self, place: int) -> None:
        if 0 <= place < len(self._labels):
            self._choose(int(self._labels[place]))
