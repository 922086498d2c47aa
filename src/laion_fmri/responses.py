"""Responses made comparable: z-scored within session, and averaged over the repeats of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DataNotDownloadedError

if TYPE_CHECKING:
    from laion_fmri.masks import MaskSource
    from laion_fmri.subject import Subject

_COLUMNS_AT_ONCE = 4096  # voxels that are held as float64


def nan_mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean of what is not NaN along an axis; NaN, without a warning, where nothing is."""
    here = ~np.isnan(values)
    count = here.sum(axis=axis)
    total = np.sum(values, axis=axis, where=here)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def z_scored(betas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each voxel over trials: mean 0, standard deviation 1 (of the trials that have a value).

    Parameters
    ----------
    betas : ndarray of float64, shape (n_trials, n_voxels)

    Returns
    -------
    ndarray of float64, shape (n_trials, n_voxels)
        NaN stays NaN; a voxel that never varies is NaN, for it has no z-score.
    """
    centred = betas - nan_mean(betas, axis=0)
    deviation = np.sqrt(nan_mean(centred**2, axis=0))
    return np.divide(centred, deviation, out=np.full_like(centred, np.nan), where=deviation > 0)


@dataclass(frozen=True, eq=False)
class ImageAverages:
    """The mean response to each image over its repeats.

    Attributes
    ----------
    names : tuple of str
        Images that were shown, in the order they were asked for.
    means : ndarray of float32, shape (n_images, n_voxels)
        Every voxel z-scored over the trials of each session, then averaged over repeats. NaN
        where no repeat has a value.
    n_repeats : ndarray of int, shape (n_images,)
        Trials that showed each image.
    n_trials : int
        All of them.
    """

    names: tuple[str, ...]
    means: NDArray[np.float32]
    n_repeats: NDArray[np.intp]

    @property
    def n_trials(self) -> int:
        """Trials that went into the means."""
        return int(self.n_repeats.sum())


def require_sessions(sub: Subject, sessions: Iterable[str] | None = None) -> list[str]:
    """Those sessions, or every local one, of which there must be one.

    Raises
    ------
    DataNotDownloadedError
        Where there is none, naming the call that fetches one.
    """
    found = sub.get_sessions() if sessions is None else list(sessions)
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
    """The mean response to each of some images, one session in memory at a time.

    Z-scores are over all trials of a session, of whatever image: that is what makes
    sessions comparable.

    Parameters
    ----------
    sub : Subject
    images : iterable of str
        Those that were not shown are left out.
    mask : ndarray of bool
        Voxels, over the grid or over the brain mask, as `Subject.get_betas` takes it.
    sessions : sequence of str, optional
        Every local one by default.
    mask_source : {"anatomical", "rsquare"}
    on_session : callable, optional
        Called with each session before it is read.

    Raises
    ------
    DataNotDownloadedError
        When no session is local, or not one of those asked for.
    LaionFmriError
        When betas or trial tables are damaged or do not belong together.
    """
    sessions = require_sessions(sub, sessions)
    wanted = list(dict.fromkeys(images))
    row_of = {name: row for row, name in enumerate(wanted)}
    tables = sub.get_trial_info(sessions)
    assert isinstance(tables, dict)
    total = known = None
    n_repeats = np.zeros(len(wanted), dtype=np.intp)
    for session, table in tables.items():
        if on_session is not None:
            on_session(session)
        betas = sub.get_betas(session, mask=mask, mask_source=mask_source)
        assert isinstance(betas, np.ndarray)
        rows = np.array([row_of.get(str(label), -1) for label in table["label"]], dtype=np.intp)
        shown = rows >= 0
        if total is None:
            total = np.zeros((len(wanted), betas.shape[1]), dtype=np.float32)
            known = np.zeros(total.shape, dtype=np.uint16)
        assert known is not None
        for start in range(0, betas.shape[1], _COLUMNS_AT_ONCE):
            some = slice(start, start + _COLUMNS_AT_ONCE)
            z = z_scored(betas[:, some].astype(np.float64))[shown].astype(np.float32)
            here = ~np.isnan(z)
            np.add.at(total[:, some], rows[shown], np.where(here, z, 0))
            np.add.at(known[:, some], rows[shown], here)
        np.add.at(n_repeats, rows[shown], 1)
    assert total is not None and known is not None
    seen = n_repeats > 0
    counts = known[seen]
    means = np.divide(total[seen], counts, out=np.full(counts.shape, np.nan, np.float32),
                      where=counts > 0)  # fmt: skip
    names = tuple(name for name, was in zip(wanted, seen, strict=True) if was)
    return ImageAverages(names, means, n_repeats[seen])
