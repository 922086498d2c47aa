"""Small pictures, or words where there is none."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from laion_fmri.explorer.trial_data import Absent, or_absent
from laion_fmri.explorer.trial_source import TrialSource

_WORDS = 200  # characters


@dataclass(frozen=True)
class Tile:
    """A small picture, or words in its place.

    Attributes
    ----------
    title : str
        What it is called when pointed at and by screen readers.
    picture : bytes
        A JPEG; empty where there is none.
    words : str
        Shown where there is no picture.
    """

    title: str
    picture: bytes = b""
    words: str = ""


def picture_url(encoded: bytes) -> str:
    """A JPEG as an address that holds it; empty for none."""
    if not encoded:
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(encoded).decode()}"


def image_tiles(
    source: TrialSource, names: Sequence[str], titles: Sequence[str] | None = None
) -> list[Tile]:
    """Images as tiles; where they are not here, their first caption stands for them.

    Parameters
    ----------
    source : TrialSource
    names : sequence of str
        Of images.
    titles : sequence of str, optional
        Instead of the names.
    """
    pictures = or_absent(lambda: source.thumbnails(names))
    if isinstance(pictures, Absent):
        pictures = [b""] * len(names)
    return [
        Tile(title, picture, "" if picture else _words(source, name))
        for name, title, picture in zip(names, titles or names, pictures, strict=True)
    ]


def _words(source: TrialSource, name: str) -> str:
    listed = or_absent(partial(source.data.stimuli().captions.list, name))
    if isinstance(listed, Absent) or not listed:
        return name
    return str(listed[0])[:_WORDS]
