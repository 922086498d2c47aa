"""A row of small pictures with a number each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import param

from laion_fmri.explorer.components.answering import AnsweringComponent
from laion_fmri.explorer.components.tiles import Tile, picture_url


@dataclass(frozen=True)
class GalleryItem:
    """One picture of a gallery.

    Attributes
    ----------
    tile : Tile
    number : str
        Below the picture.
    under : str
        Below the number.
    trial : int or None
        Where a click leads; None where it leads nowhere.
    in_both : bool
        Set apart, since it is among the neighbours of both kinds.
    """

    tile: Tile
    number: str
    under: str = ""
    trial: int | None = None
    in_both: bool = False


class Gallery(AnsweringComponent):
    """Pictures in rows.

    Parameters
    ----------
    choose : callable
        Called with the trial of a picture that was clicked.
    label : str
        What screen readers call it.
    """

    name_of_gallery = param.String(default="")
    items = param.List(default=[], doc="What `set_items` sent to the page.")

    _esm: ClassVar[Path] = Path(__file__).with_name("gallery.js")

    def __init__(self, choose: Callable[[int], object], label: str, **params: Any) -> None:
        super().__init__(name_of_gallery=label, **params)
        self._choose = choose
        self._trials: list[int | None] = []

    def set_items(self, items: Sequence[GalleryItem]) -> None:
        """Show these."""
        self._trials = [item.trial for item in items]
        self.items = [
            {
                "title": item.tile.title,
                "picture": picture_url(item.tile.picture),
                "words": item.tile.words,
                "number": item.number,
                "under": item.under,
                "leads": item.trial is not None,
                "both": item.in_both,
            }
            for item in items
        ]

    def answer(self, message: Any) -> None:
        """Do what the page asks for."""
        if isinstance(message, int) and 0 <= message < len(self._trials):
            trial = self._trials[message]
            if trial is not None:
                self._choose(trial)
