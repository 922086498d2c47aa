"""Averages over the repeats of an image, z-scored within sessions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import memory
from laion_fmri._errors import DataNotDownloadedError, NotEnoughMemoryError
from laion_fmri.arguments import as_items
from laion_fmri.layout import session_id
from laion_fmri.transfer.plan import format_bytes
from laion_fmri.zscore import z_scored

if TYPE_CHECKING:
    from laion_fmri.subject import Subject
    from laion_fmri.volumes.masks import MaskSource

_COLUMNS_AT_ONCE = 1024  # voxels per thread in float64
_BYTES_OF_A_MEAN = 16  # sum and count, their copies for shown images, mean


@dataclass(frozen=True, eq=False)
class ImageAverages:
    """Average the responses to each image over its repeats.

    Attributes
    ----------
    names : tuple of str
        Images that were shown, in the requested order.
    means : ndarray of float32, shape (n_images, n_voxels)
        Every voxel z-scored over the trials of each session, then averaged over repeats. NaN when
        no repeat has a value.
    n_repeats : ndarray of int, shape (n_images,)
        Number of trials with each image.
    n_trials : int
        Total number of trials.
    """

    names: tuple[str, ...]
    means: NDArray[np.float32]
    n_repeats: NDArray[np.intp]

    @property
    def n_trials(self) -> int:
        """Number of trials in the means."""
        return int(self.n_repeats.sum())


def require_sessions(sub: Subject, sessions: Iterable[str] | None = None) -> list[str]:
    """Return the given sessions, or all downloaded ones; raise an error when there are none.

    Raises
    ------
    DataNotDownloadedError
        When there are none; the message names the call that downloads one.
    """
    found = sub.get_sessions() if sessions is None else list(map(session_id, as_items(sessions)))
    if not found:
        raise DataNotDownloadedError(
            f"No betas of {sub.name} are in {sub.data_dir}. "
            f"download(subject={sub.name!r}, ses='ses-01') fetches a session."
        )
    return found


def image_averages(
    sub: Subject,
    images: Iterable[str],
    mask: NDArray[np.bool_],
    sessions: Sequence[str] | None = None,
    mask_source: MaskSource = "anatomical",
    on_session: Callable[[str], None] | None = None,
) -> ImageAverages:
    """Average the responses to some images, with one session in memory at a time.

    Z-scores are over all trials of a session, regardless of the image, which makes sessions
    comparable.

    Parameters
    ----------
    sub : Subject
    images : iterable of str
        Images that were not shown are left out.
    mask : ndarray of bool
        Voxels, over the grid or the brain mask, as in `Subject.get_betas`.
    sessions : sequence of str, optional
        All downloaded sessions by default.
    mask_source : {"anatomical", "rsquare"}
    on_session : callable, optional
        Called with each session before it is read.

    Raises
    ------
    DataNotDownloadedError
        When no session is downloaded, or a requested session is not.
    NotEnoughMemoryError
        When the means do not fit into memory, before any session is read.
    LaionFmriError
        When betas or trial tables are damaged or inconsistent.
    """
    sessions = require_sessions(sub, sessions)
    wanted = list(dict.fromkeys(images))
    row_of = {name: row for row, name in enumerate(wanted)}
    tables = sub.get_trial_info(sessions)
    request = sub.request_betas(sessions[0], mask=mask, mask_source=mask_source)
    shape = (len(wanted), request.shape[1])
    if not memory.has_room(n_bytes := math.prod(shape) * _BYTES_OF_A_MEAN):
        raise NotEnoughMemoryError(
            f"Means over {shape[0]:,} images of {shape[1]:,} voxels take {format_bytes(n_bytes)} "
            f"while they are calculated, and {format_bytes(memory.available())} of memory are "
            "free. Choose fewer voxels (an ROI, or a mask) or fewer images."
        )
    total, known = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.uint16)
    n_repeats = np.zeros(len(wanted), dtype=np.intp)
    for session, table in tables.items():
        if on_session is not None:
            on_session(session)
        betas = sub.get_betas(session, mask=mask, mask_source=mask_source)
        rows = np.array([row_of.get(str(label), -1) for label in table["label"]], dtype=np.intp)
        shown = rows >= 0
        for start in range(0, betas.shape[1], _COLUMNS_AT_ONCE):
            some = slice(start, start + _COLUMNS_AT_ONCE)
            z = z_scored(betas[:, some])[shown]
            is_value = ~np.isnan(z)
            np.add.at(total[:, some], rows[shown], np.where(is_value, z, 0))
            np.add.at(known[:, some], rows[shown], is_value)
        np.add.at(n_repeats, rows[shown], 1)
    seen = n_repeats > 0
    counts = known[seen]
    means = np.divide(total[seen], counts, out=np.full(counts.shape, np.nan, np.float32),
                      where=counts > 0)  # fmt: skip
    names = tuple(name for name, was in zip(wanted, seen, strict=True) if was)
    return ImageAverages(names, means, n_repeats[seen])
