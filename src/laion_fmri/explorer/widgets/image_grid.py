"""Images in rows: pictures, or text in their place, with a number and a caption each."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import param
from numpy.typing import NDArray

from laion_fmri.explorer.runtime.error_messages import Absent, or_absent
from laion_fmri.explorer.widgets.page_messages import MessagingComponent
from laion_fmri.trial_contents import first_caption

if TYPE_CHECKING:
    from laion_fmri.explorer.data import ExplorerData

_MAX_REQUEST = 400  # tiles that a page may request at once
_MAX_WORDS = 200  # characters


@dataclass(frozen=True)
class Tile:
    """One image of a grid.

    Attributes
    ----------
    title : str
        The tooltip, and the name for screen readers.
    picture : bytes
        A small JPEG; empty if there is none.
    words : str
        Displayed in place of a missing picture, as text.
    number, caption : str
        Below the picture.
    trial : int or None
        Passed to `choose` when the tile is clicked; None disables clicks.
    highlighted : bool
        Draw a frame around the tile.
    dot : str
        A CSS colour for a dot before the caption; empty for none.
    """

    title: str
    picture: bytes = b""
    words: str = ""
    number: str = ""
    caption: str = ""
    trial: int | None = None
    highlighted: bool = False
    dot: str = ""

    def to_page(self, place: int) -> dict[str, Any]:
        """Return the data from which the page draws the tile."""
        picture = base64.b64encode(self.picture).decode()
        return {
            "place": place,
            "title": self.title,
            "picture": f"data:image/jpeg;base64,{picture}" if picture else "",
            "words": self.words,
            "number": self.number,
            "under": self.caption,
            "enabled": self.trial is not None,
            "highlighted": self.highlighted,
            "dot": self.dot,
        }


class ImageGrid(MessagingComponent):
    """A gallery of some tiles, or a list of thousands that are loaded when visible.

    Fill a gallery with `set_tiles`; each tile is a button. With `load`, fill the list with
    `set_rows`: it scrolls, a click or the arrow keys choose a row, and the space bar or Ctrl+click
    mark a row.

    Parameters
    ----------
    label : str
        Name of the grid for screen readers.
    choose : callable, optional
        Called with the trial of the clicked tile, or with the clicked row.
    mark : callable, optional
        Called with the row to mark or unmark.
    load : callable, optional
        Called with rows and with a function that accepts their tiles, immediately or later.
    """

    label = param.String(default="")
    scrolls = param.Boolean(default=False, doc="Whether rows are loaded when they are in sight.")
    items = param.List(default=[], doc="The tiles of a gallery, as the page draws them.")
    view = param.Dict(default={}, doc="The number of rows, which is chosen and which are marked.")

    _esm: ClassVar[Path] = Path(__file__).with_name("image_grid.js")

    def __init__(
        self,
        label: str,
        choose: Callable[[int], object] | None = None,
        mark: Callable[[int], object] | None = None,
        load: Callable[[list[int], Callable[[Sequence[Tile]], None]], None] | None = None,
        **params: Any,
    ) -> None:
        self._choose, self._mark, self._load = choose, mark, load
        self._rows: NDArray[np.intp] = np.array([], dtype=np.intp)
        self._trials: list[int | None] = []
        self._marked: frozenset[int] = frozenset()
        self._chosen = -1
        self._version = 0
        params = {"sizing_mode": "stretch_width", "margin": 0, **params}
        super().__init__(label=label, scrolls=load is not None, **params)

    def set_tiles(self, tiles: Sequence[Tile]) -> None:
        """Display these tiles as a gallery."""
        self._trials = [tile.trial for tile in tiles]
        self.items = [tile.to_page(place) for place, tile in enumerate(tiles)]

    def set_rows(self, rows: NDArray[np.intp], chosen: int) -> None:
        """Display these rows in this order; `chosen` is one of them, or -1."""
        self._rows = rows
        self._version += 1
        self.choose(chosen)

    def set_marked(self, marked: Iterable[int]) -> None:
        """Display these rows as marked."""
        self._marked = frozenset(marked)
        self._send_view()

    def choose(self, chosen: int) -> None:
        """Display another row as chosen."""
        self._chosen = chosen
        self._send_view()

    def _send_view(self) -> None:
        chosen = np.flatnonzero(self._rows == self._chosen)
        marked = (
            np.flatnonzero(np.isin(self._rows, list(self._marked))) if self._marked else chosen[:0]
        )
        self.view = {
            "list": self._version,
            "total": len(self._rows),
            "chosen": int(chosen[0]) if len(chosen) else -1,
            "marked": marked.tolist(),
        }

    def receive(self, message: Any) -> bool:
        """Handle a click, a mark, or a request for tiles."""
        match message:
            case {"chosen": int(place)}:
                self._act(self._choose, place)
            case {"mark": int(place)}:
                self._act(self._mark, place)
            case {"list": int(version), "places": list(places)}:
                self._send_tiles(version, places[:_MAX_REQUEST])
            case _:
                return False
        return True

    def _act(self, act: Callable[[int], object] | None, place: int) -> None:
        known = self._rows.tolist() if self.scrolls else self._trials
        if act is not None and 0 <= place < len(known) and (trial := known[place]) is not None:
            act(trial)

    def _send_tiles(self, version: int, places: list[Any]) -> None:
        if self._load is None or version != self._version:
            return
        good = [p for p in places if isinstance(p, int) and 0 <= p < len(self._rows)]

        def send(tiles: Sequence[Tile]) -> None:
            drawn = [tile.to_page(place) for place, tile in zip(good, tiles, strict=True)]
            self._send_msg({"list": version, "tiles": drawn})

        self._load(self._rows[good].tolist(), send)


def image_tiles(
    data: ExplorerData, names: Sequence[str], titles: Sequence[str] | None = None
) -> list[Tile]:
    """Create tiles of images: a thumbnail, or else the first caption.

    Parameters
    ----------
    data : ExplorerData
    names : sequence of str
        Names of the images.
    titles : sequence of str, optional
        By default the names.
    """
    stimuli = data.stimuli()
    pictures = or_absent(lambda: data.thumbnails(names))
    if isinstance(pictures, Absent):
        pictures = [b""] * len(names)
    tiles = []
    for name, title, picture in zip(names, titles or names, pictures, strict=True):
        words = "" if picture else or_absent(partial(first_caption, stimuli.captions, name))
        if isinstance(words, Absent) or not (words or picture):
            words = name
        tiles.append(Tile(title, picture, words[:_MAX_WORDS]))
    return tiles
