"""What there is to show of one trial, from the library's public API. No widgets.

Each function reads one thing and raises the library's own errors, so that a view can
show the parts that are here and say of each other part why it is not.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import StimuliNotDownloadedError
from laion_fmri.explorer.background import explain

if TYPE_CHECKING:
    from laion_fmri.stimuli.segmentations import Segmentations
    from laion_fmri.subject import Subject

T = TypeVar("T")


@dataclass(frozen=True)
class Picture:
    """An encoded picture that every decoder shows alike.

    Attributes
    ----------
    encoded : bytes
    mime : {"image/jpeg", "image/png"}
    """

    encoded: bytes
    mime: str


@dataclass(frozen=True)
class ObjectMask:
    """One object in a picture.

    Attributes
    ----------
    noun : str
    instance : int
        0 has the best score.
    score : float
        Of the detector; NaN where there is none.
    localized : bool
        False when the noun was recognised but not bounded in space.
    shape : (int, int)
        Rows and columns of the mask.
    runs : ndarray of uint32, shape (n_runs, 2)
        First pixel and one past the last of each run of the mask, in C order.
    box : tuple of float or None
        Left, top, right and bottom in pixels; None where the table gives none.
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
        Humans' from 1, the best first; 0 is the AI's.
    origin : str
        The batch it was collected in; empty where that is not known.
    model : str
        Which model wrote it; empty for humans'.
    """

    text: str
    source: str
    rank: int
    origin: str = ""
    model: str = ""


@dataclass(frozen=True)
class Absent:
    """A part of a view that cannot be shown, and why."""

    reason: str
    not_downloaded: bool = False


@dataclass(frozen=True)
class TrialParts:
    """What there is to show of one trial."""

    picture: Picture | Absent
    masks: list[ObjectMask] | Absent
    captions: list[Caption] | Absent

    @property
    def n_bytes(self) -> int:
        """About what it takes in memory."""
        picture = 0 if isinstance(self.picture, Absent) else len(self.picture.encoded)
        masks = [] if isinstance(self.masks, Absent) else self.masks
        return picture + sum(mask.runs.nbytes for mask in masks) + 4096


def or_absent(read: Callable[[], T]) -> T | Absent:
    """What `read` gives, or why it gives nothing; the other parts go on."""
    try:
        return read()
    except StimuliNotDownloadedError as error:
        return Absent(str(error), not_downloaded=True)
    except Exception as error:  # whatever it is, only this part is lost
        return Absent(explain(error))


def displayed_picture(sub: Subject, trial: int) -> Picture:
    """The picture of a trial as it was displayed.

    A plain RGB JPEG keeps its stored bytes. Whatever a browser might show differently
    (transparency, a colour profile, an orientation tag) is composited by the library and
    stored without loss.

    Raises
    ------
    LaionFmriError
        When images are not local, or this one is damaged.
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
    """The objects in the picture of a trial, by noun and instance; empty where none are known.

    Parameters
    ----------
    sub : Subject
    trial : int
    segmentations : Segmentations
        Of the same data directory.

    Raises
    ------
    LaionFmriError
        When masks are not local or damaged.
    """
    rows = sub.segmentations.for_image(trial).sort_values(["noun", "instance_id"])
    masks = segmentations.masks(rows["mask_row"]) if len(rows) else []
    return [
        ObjectMask(
            noun=str(row["noun"]),
            instance=int(row["instance_id"]),
            score=float(row["score"]),
            localized=bool(row["localized"]),
            shape=mask.shape,
            runs=mask_runs(mask),
            box=_box(row),
        )
        for row, mask in zip(rows.to_dict("records"), masks, strict=True)
    ]


def _box(row: dict) -> tuple[float, float, float, float] | None:
    x0, y0, x1, y1 = (float(row[side]) for side in ("box_x0", "box_y0", "box_x1", "box_y1"))
    is_box = x0 < x1 and y0 < y1  # false for NaN as well
    return (x0, y0, x1, y1) if is_box else None


def mask_runs(mask: NDArray) -> NDArray[np.uint32]:
    """Where a mask is not zero, as runs in C order; see `ObjectMask`."""
    flat = np.zeros(mask.size + 2, dtype=bool)
    np.not_equal(mask.ravel(), 0, out=flat[1:-1])
    return np.flatnonzero(flat[1:] != flat[:-1]).astype(np.uint32).reshape(-1, 2)


def trial_captions(sub: Subject, trial: int) -> list[Caption]:
    """The captions of the picture of a trial: humans' in rank order, then AI's; no empty ones.

    Raises
    ------
    LaionFmriError
        When captions are not local or damaged.
    """
    rows = sub.captions.get(trial).dropna(subset="caption")
    known = rows.astype(object).where(rows.notna(), "")
    captions = [
        Caption(
            text=str(row["caption"]),
            source=str(row["source"]),
            rank=int(row["caption_idx"] or 0),
            origin=str(row["origin_collection"]),
            model=str(row["ai_model"]),
        )
        for row in known.to_dict("records")
    ]
    return sorted(captions, key=lambda caption: caption.source == "ai")
