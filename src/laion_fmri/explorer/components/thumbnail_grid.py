"""Trials as small pictures, of which the page asks for those in sight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import param
from numpy.typing import NDArray

from laion_fmri.explorer.components.answering import AnsweringComponent
from laion_fmri.explorer.components.tiles import Tile, picture_url

_AT_ONCE = 400  # tiles that a page may ask for in one go


class ThumbnailGrid(AnsweringComponent):
    """Rows shown as tiles, one of them chosen.

    Parameters
    ----------
    choose, mark : callable
        Called with the row that was clicked, or marked.
    make_tiles : callable
        Called with rows and a function that takes their tiles, now or later.
    label : str
        What screen readers call it.
    """

    name_of_grid = param.String(default="")
    view = param.Dict(default={}, doc="How many tiles there are, which is chosen, which marked.")

    _esm: ClassVar[Path] = Path(__file__).with_name("thumbnail_grid.js")

    def __init__(
        self,
        choose: Callable[[int], object],
        mark: Callable[[int], object],
        make_tiles: Callable[[list[int], Callable[[Sequence[Tile]], None]], None],
        label: str,
        **params: Any,
    ) -> None:
        self._choose, self._mark, self._make_tiles = choose, mark, make_tiles
        self._order: NDArray[np.intp] = np.array([], dtype=np.intp)
        self._marked: frozenset[int] = frozenset()
        self._chosen = -1
        self._list = 0
        super().__init__(name_of_grid=label, **params)

    def set_rows(self, order: NDArray[np.intp], chosen: int) -> None:
        """Show these rows in this order."""
        self._order = order
        self._list += 1
        self.choose(chosen)

    def set_marked(self, marked: Iterable[int]) -> None:
        """Which rows are marked."""
        self._marked = frozenset(marked)
        self._send()

    def choose(self, chosen: int) -> None:
        """Choose another row."""
        places = np.flatnonzero(self._order == chosen)
        self._chosen = int(places[0]) if len(places) else -1
        self._send()

    def _send(self) -> None:
        marked = np.flatnonzero(np.isin(self._order, list(self._marked))) if self._marked else []
        self.view = {
            "list": self._list,
            "total": len(self._order),
            "chosen": self._chosen,
            "marked": [int(place) for place in marked],
        }

    def answer(self, message: Any) -> None:
        """Do what the page asks for."""
        if not isinstance(message, dict):
            return
        if isinstance(place := message.get("chosen"), int):
            self._at(place, self._choose)
        elif isinstance(place := message.get("mark"), int):
            self._at(place, self._mark)
        elif (
            isinstance(places := message.get("places"), list) and message.get("list") == self._list
        ):
            good = [p for p in places if isinstance(p, int) and 0 <= p < len(self._order)]
            self._answer(self._list, good[:_AT_ONCE])

    def _answer(self, asked_of: int, places: list[int]) -> None:
        def send(tiles: Sequence[Tile]) -> None:
            self._send_msg(
                {
                    "list": asked_of,
                    "tiles": [
                        {
                            "place": place,
                            "title": tile.title,
                            "picture": picture_url(tile.picture),
                            "words": tile.words,
                        }
                        for place, tile in zip(places, tiles, strict=True)
                    ],
                }
            )

        self._make_tiles([int(self._order[place]) for place in places], send)

    def _at(self, place: int, act: Callable[[int], object]) -> None:
        if 0 <= place < len(self._order):
            act(int(self._order[place]))
