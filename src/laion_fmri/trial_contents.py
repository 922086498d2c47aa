"""The contents of one trial: image, object masks and captions.

Each function reads one part and raises the library's errors.
"""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from laion_fmri.stimuli.captions import Captions
    from laion_fmri.stimuli.segmentations import Segmentations
    from laion_fmri.subject import Subject

_HUES = (0.58, 0.07, 0.36, 0.93, 0.14, 0.76, 0.50, 0.01, 0.27, 0.67, 0.86, 0.44)
"""Hues in an order that makes consecutive nouns easy to distinguish."""


@dataclass(frozen=True)
class Picture:
    """An encoded image that all decoders show alike.

    Attributes
    ----------
    encoded : bytes
    mime : {"image/jpeg", "image/png"}
    """

    encoded: bytes
    mime: str


@dataclass(frozen=True)
class ObjectMask:
    """One object in an image.

    Attributes
    ----------
    noun : str
    instance : int
        Instance number; 0 has the best score.
    score : float
        Score of the detector; NaN if missing.
    localized : bool
        False if the noun was recognised but not localized.
    shape : (int, int)
        Rows and columns of the mask.
    runs : ndarray of uint32, shape (n_runs, 2)
        First pixel and one past the last of each run of the mask, in C order.
    box : tuple of float or None
        Left, top, right and bottom in pixels; None if missing.
    """

    noun: str
    instance: int
    score: float
    localized: bool
    shape: tuple[int, int]
    runs: NDArray[np.uint32]
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Caption:
    """One caption.

    Attributes
    ----------
    text : str
    source : {"human", "ai"}
    rank : int
        Human captions from 1, best first; 0 for the AI caption.
    origin : str
        The collection of the caption; empty if unknown.
    model : str
        Model of an AI caption; empty for human captions.
    """

    text: str
    source: str
    rank: int
    origin: str = ""
    model: str = ""


def displayed_picture(sub: Subject, trial: int) -> Picture:
    """Return the image of a trial as displayed.

    A plain RGB JPEG keeps its stored bytes. Images that a browser might show differently
    (transparency, a colour profile, an orientation tag) are converted by the library to a lossless
    PNG.

    Raises
    ------
    LaionFmriError
        When images are not downloaded, or this one is damaged.
    """
    stored = sub.images.get(trial, as_displayed=False)
    if (
        stored.format == "JPEG"
        and stored.mode == "RGB"
        and "icc_profile" not in stored.info
        and not stored.getexif()
    ):
        return Picture(sub.images[trial], "image/jpeg")
    encoded = io.BytesIO()
    sub.images.get(trial).save(encoded, "PNG", compress_level=1)
    return Picture(encoded.getvalue(), "image/png")


def object_masks(sub: Subject, trial: int, segmentations: Segmentations) -> list[ObjectMask]:
    """Return the objects in the image of a trial, by noun and instance; may be empty.

    Parameters
    ----------
    sub : Subject
    trial : int
    segmentations : Segmentations
        Segmentations of the same data directory.

    Raises
    ------
    LaionFmriError
        When masks are damaged or not downloaded.
    """
    rows = sub.segmentations.for_image(trial).dropna(subset="noun").fillna({"instance_id": 0})
    rows = rows.sort_values(["noun", "instance_id"])
    if rows.empty:
        return []
    return [
        ObjectMask(
            noun=str(row["noun"]),
            instance=int(row["instance_id"]),
            score=float(row["score"]),
            localized=row["localized"] == 1,
            shape=mask.shape,
            runs=mask_runs(mask),
            box=_box(row),
        )
        for row, mask in zip(
            rows.to_dict("records"), segmentations.masks(rows["mask_row"]), strict=True
        )
    ]


def _box(row: dict) -> tuple[float, float, float, float] | None:
    x0, y0, x1, y1 = (float(row[side]) for side in ("box_x0", "box_y0", "box_x1", "box_y1"))
    is_box = x0 < x1 and y0 < y1  # also false for NaN
    return (x0, y0, x1, y1) if is_box else None


def mask_runs(mask: NDArray) -> NDArray[np.uint32]:
    """Encode the nonzero pixels of a mask as runs in C order; see `ObjectMask`."""
    flat = np.zeros(mask.size + 2, dtype=bool)
    np.not_equal(mask.ravel(), 0, out=flat[1:-1])
    return np.flatnonzero(flat[1:] != flat[:-1]).astype(np.uint32).reshape(-1, 2)


def mask_colours(masks: Sequence[ObjectMask]) -> list[str]:
    """Return a colour for each mask: one hue per noun, one lightness per instance.

    Returns
    -------
    list of str
        ``"#rrggbb"``, distinct for up to twelve nouns with up to five instances.
    """
    nouns = sorted({mask.noun for mask in masks})
    return [_colour(nouns.index(mask.noun), mask.instance) for mask in masks]


def _colour(noun: int, instance: int) -> str:
    turn, place = divmod(noun, len(_HUES))
    lightness = (0.56, 0.72, 0.42, 0.64, 0.82)[instance % 5]
    rgb = colorsys.hls_to_rgb((_HUES[place] + 0.04 * turn) % 1, lightness, 0.8)
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def trial_captions(sub: Subject, trial: int) -> list[Caption]:
    """Return the captions of a trial's image, in the order of `Captions.list`.

    Raises
    ------
    LaionFmriError
        When captions are damaged or not downloaded.
    """
    rows = sub.captions.get(trial).dropna(subset="caption")
    known = rows.astype(object).where(rows.notna(), "")
    return [
        Caption(
            text=str(row["caption"]),
            source=str(row["source"]),
            rank=int(row["caption_idx"] or 0),
            origin=str(row["origin_collection"]),
            model=str(row["ai_model"]),
        )
        for row in known.to_dict("records")
    ]


def first_caption(captions: Captions, name: str) -> str:
    """Return one caption of an image: human if available, else AI; ``""`` without captions.

    Raises
    ------
    LaionFmriError
        When captions are damaged or not downloaded.
    """
    return next(iter([*captions.human(name, 1), *captions.list(name)]), "")
