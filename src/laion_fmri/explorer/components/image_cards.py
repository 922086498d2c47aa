"""Images as a grid of cards, each with a response; a click chooses one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

_STYLE = """
.cards { --line: var(--mui-palette-divider, rgba(31, 39, 51, .14));
  display: grid; grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); gap: 6px; }
.card { position: relative; padding: 0; border: 1px solid var(--line); border-radius: 8px;
  overflow: hidden; aspect-ratio: 1; cursor: pointer; font: inherit; color: inherit;
  background: var(--mui-palette-action-hover, rgba(31, 39, 51, .05)); }
.card:hover, .card:focus-visible { outline: 2px solid var(--mui-palette-primary-main, #3f51b5); }
.card img { width: 100%; height: 100%; object-fit: cover; display: block; }
.card .caption { display: block; box-sizing: border-box; padding: 6px; height: 100%;
  overflow: hidden; font-size: 10.5px; line-height: 1.3; text-align: start;
  overflow-wrap: anywhere; }
.card .score { position: absolute; right: 4px; bottom: 4px; padding: 0 5px; border-radius: 6px;
  font-size: 11px; font-variant-numeric: tabular-nums; color: #fff;
  background: rgba(15, 18, 24, .78); }
"""


@dataclass(frozen=True)
class ImageCard:
    """One image.

    Attributes
    ----------
    trial : int
        Global index of a trial that shows it.
    name : str
    score : float
    caption : str
    image : bytes or None
        A small JPEG; None where the image is not here.
    """

    trial: int
    name: str
    score: float
    caption: str = ""
    image: bytes | None = None


class ImageCards(JSComponent):
    """Cards of images; `chosen` is the trial of the one that was clicked last."""

    items = param.List(default=[], doc="What `show_items` sent to the page.")
    chosen = param.Integer(default=-1, doc="Global trial index of the card clicked last.")

    _esm: ClassVar[Path] = Path(__file__).with_name("image_cards.js")
    _stylesheets: ClassVar[list[str]] = [_STYLE]

    def __init__(self, **params: Any) -> None:
        params.setdefault("sizing_mode", "stretch_width")
        super().__init__(**params)

    def show_items(self, items: Iterable[ImageCard]) -> None:
        """Show these cards in this order."""
        self.items = [asdict(item) for item in items]
