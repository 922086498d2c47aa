"""Averages of the responses to each image over its repeats, one session after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

COLUMNS_AT_ONCE = 1024
"""Voxels that are scored together: their trials in float64 stay in the cache of a thread."""

_THREADS = 2
Scores = Callable[[NDArray[np.float32]], NDArray[np.floating]]


class RunningAverages:
    """Sums and numbers of the responses to images, to which sessions are added.

    Sums are float32, added trial by trial in the order of sessions, so that every way of averaging
    the same trials gives the same bits. A NaN is not counted; it does not make a mean NaN unless
    no repeat has a value.

    Parameters
    ----------
    names : sequence of str
        The images, each once.
    n_voxels : int

    Attributes
    ----------
    names : tuple of str
    sums : ndarray of float32, shape (n_images, n_voxels)
    counts : ndarray of uint16, shape (n_images, n_voxels)
        Number of repeats with a value.
    n_repeats : ndarray of int, shape (n_images,)
        Number of trials with each image, with or without values.
    """

    def __init__(self, names: Iterable[str], n_voxels: int) -> None:
        self.names = tuple(names)
        self.sums = np.zeros((len(self.names), n_voxels), np.float32)
        self.counts = np.zeros(self.sums.shape, np.uint16)
        self.n_repeats = np.zeros(len(self.names), np.intp)
        self._row_of = {name: row for row, name in enumerate(self.names)}

    @staticmethod
    def n_bytes(n_images: int, n_voxels: int) -> int:
        """Return the bytes of memory that averaging takes, with the means."""
        return n_images * n_voxels * (4 + 2 + 4)

    def add(self, betas: NDArray[np.float32], labels: Sequence[str], scored: Scores) -> None:
        """Add the trials of one session; those of other images are left out.

        Parameters
        ----------
        betas : ndarray of float32, shape (n_trials, n_voxels)
            All trials of the session.
        labels : sequence of str, length n_trials
            The image of each trial.
        scored : callable
            Scores some voxels over all trials, for example `laion_fmri.zscore.z_scored`.
        """
        rows = [self._row_of.get(str(label), -1) for label in labels]
        trials = [trial for trial, row in enumerate(rows) if row >= 0]
        np.add.at(self.n_repeats, [rows[trial] for trial in trials], 1)

        def add_columns(some: slice) -> None:
            scores = np.asarray(scored(betas[:, some]), np.float32)
            sums, counts = self.sums[:, some], self.counts[:, some]
            for trial in trials:
                add_trial(scores[trial], sums[rows[trial]], counts[rows[trial]])

        in_blocks(add_columns, betas.shape[1])

    def means(self) -> NDArray[np.float32]:
        """Return the mean of each image, shape (n_images, n_voxels); NaN without a value."""
        return means_of(self.sums, self.counts)


def add_trial(
    scores: NDArray[np.float32], sums: NDArray[np.float32], counts: NDArray[np.unsignedinteger]
) -> None:
    """Add the scores of one trial to the sums and counts of its image, in place."""
    missing = np.isnan(scores)
    if missing.any():
        np.add(sums, scores, out=sums, where=~missing)
        counts += ~missing
    else:  # a third of the time
        sums += scores
        counts += 1


def means_of(sums: NDArray[np.float32], counts: NDArray[np.unsignedinteger]) -> NDArray[np.float32]:
    """Divide sums by counts; NaN where the count is 0."""
    means = np.full(sums.shape, np.nan, np.float32)
    return np.divide(sums, counts, out=means, where=counts > 0)


def in_blocks(work: Callable[[slice], None], n_voxels: int) -> None:
    """Call `work` with slices that together are all voxels, in several threads."""
    starts = range(0, n_voxels, COLUMNS_AT_ONCE)
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(work, (slice(a, min(a + COLUMNS_AT_ONCE, n_voxels)) for a in starts)))
