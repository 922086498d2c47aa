"""Z-scored responses within sessions, and averages over the repeats of an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import memory
from laion_fmri._errors import DataNotDownloadedError, InvalidArgumentError, NotEnoughMemoryError
from laion_fmri.arguments import as_items
from laion_fmri.layout import session_id
from laion_fmri.transfer.plan import format_bytes

if TYPE_CHECKING:
    from laion_fmri.subject import Subject
    from laion_fmri.volumes.masks import MaskSource

_COLUMNS_AT_ONCE = 1024  # voxels per thread in float64
_THREADS = 2
_BYTES_OF_A_MEAN = 16  # sum and count, their copies for shown images, mean


def nan_mean(values: NDArray[np.floating], axis: int) -> NDArray[np.float64]:
    """Average along an axis, ignoring NaN; NaN, without a warning, where all are NaN."""
    is_value = ~np.isnan(values)
    count = is_value.sum(axis=axis)
    total = np.sum(values, axis=axis, where=is_value)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def z_scored(betas: NDArray) -> NDArray[np.floating]:
    """Z-score each voxel over trials, ignoring NaN.

    The standard deviation divides by the number of trials (``ddof=0``). Sums are float64.

    Parameters
    ----------
    betas : ndarray, shape (n_trials, n_voxels)

    Returns
    -------
    ndarray, shape (n_trials, n_voxels)
        float32 if the betas are float32 or smaller floats, else float64. NaN stays NaN; a constant
        voxel is NaN.

    Raises
    ------
    InvalidArgumentError
        When the betas are not a 2-D array of real numbers.
    """
    if isinstance(betas, Mapping):
        raise InvalidArgumentError(
            "These are the betas of several sessions. Give those of one session at a time."
        )
    betas = np.asarray(betas)
    if betas.dtype.kind not in "biuf" or betas.ndim != 2:
        raise InvalidArgumentError(
            f"Real numbers of shape (n_trials, n_voxels) were expected; this array has dtype "
            f"{betas.dtype} and shape {betas.shape}."
        )
    dtype = np.result_type(betas.dtype, np.float32)
    out = memory.empty(betas.shape, dtype)
    places = [
        slice(start, start + _COLUMNS_AT_ONCE)
        for start in range(0, betas.shape[1], _COLUMNS_AT_ONCE)
    ]

    def fill(some: slice) -> None:
        out[:, some] = _z_scored_columns(betas[:, some])

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(fill, places))
    return out


def _z_scored_columns(betas: NDArray) -> NDArray[np.float64]:
    values = betas.astype(np.float64)
    n_values: int | NDArray[np.intp] = len(values)
    total = values.sum(axis=0)
    missing = np.isnan(values) if np.isnan(total).any() else None
    if missing is not None:
        n_values = len(values) - missing.sum(axis=0)
        total = values.sum(axis=0, where=~missing)
    # Voxels without values intentionally give 0 / 0 = NaN.
    with np.errstate(invalid="ignore", divide="ignore"):
        values -= total / n_values
        squares = values if missing is None else np.where(missing, 0, values)
        deviation = np.sqrt(np.einsum("ij,ij->j", squares, squares) / n_values)
        deviation[_is_constant(betas)] = np.nan
        values /= deviation
    return values


def _is_constant(betas: NDArray) -> NDArray[np.bool_]:
    """Return which voxels are constant; rounding can give them a tiny deviation."""
    if len(betas) == 0:
        return np.ones(betas.shape[1], dtype=bool)
    with np.errstate(invalid="ignore"):
        return ~(np.fmin.reduce(betas) < np.fmax.reduce(betas))


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
