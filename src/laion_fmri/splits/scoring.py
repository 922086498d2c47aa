"""How well an embedding predicts responses across a split: a ridge regression, scored.

Needs scikit-learn (``pip install "laion-fmri-explorer[splits]"``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import (
    CancelledError,
    DataNotDownloadedError,
    InvalidArgumentError,
    NoMatchingDataError,
)
from laion_fmri.betas import warn_if_fraction
from laion_fmri.masks import MaskSource
from laion_fmri.responses import ImageAverages, image_averages, require_sessions
from laion_fmri.splits.catalogue import load_split
from laion_fmri.splits.evaluation import Evaluation, SplitScore
from laion_fmri.splits.ridge import (
    PENALTIES,
    checked_penalties,
    predict_and_score,
    ridge_cv,
    standardised,
)
from laion_fmri.splits.split import Split
from laion_fmri.subject import Subject, load_subject

if TYPE_CHECKING:
    from os import PathLike

Progress = Callable[[float, str], None]

CEILINGS = {"Noiseceiling12rep": 12, "Noiseceiling4rep": 4}
"""Published noise ceilings that hold for a known number of repeats, the better one first."""

_VOXELS_AT_ONCE = 2000  # whose penalties are compared in memory
_FEWEST_IMAGES = 3  # on a side, for a correlation


def evaluate(
    splits: str | Split | Iterable[str | Split],
    subject: str | Subject,
    roi: str | Sequence[str],
    *,
    pool: str = "shared",
    embedding: str = "CLIP",
    session: str | Iterable[str] | None = None,
    nc_threshold: float | None = None,
    mask_source: MaskSource = "anatomical",
    penalties: Sequence[float] = PENALTIES,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Evaluation:
    """Fit ridge regressions on the training side of splits and score the test side.

    Betas are z-scored voxel by voxel over the trials of each session and averaged over the
    repeats of an image, so that each image counts once. Features are the embedding,
    standardised by the training images. The penalty of each voxel is the one that predicts
    the training images best when each of them is left out in turn; the test side has no
    part in it.

    Parameters
    ----------
    splits : str, Split or iterable of them
    subject : str or Subject
    roi : str or list of str
        As for `Subject.get_roi_mask`. Each item of a list has a row of its own in the table.
    pool : str
        Of splits given by name.
    embedding : str
        Model that predicts.
    session : str or list of str, optional
        Whose trials are used; every local session by default.
    nc_threshold : float, optional
        Keep voxels whose published noise ceiling (that of `CEILINGS` which is here) is above
        this, in percent.
    mask_source : {"anatomical", "rsquare"}
    penalties : sequence of float
        To choose from.
    data_dir : path, optional
        Instead of the configured one; not with a `Subject`.
    progress : callable, optional
        Called with the share that is done, from 0 to 1, and what is done next.
    cancel : threading.Event, optional
        Ends the work soon after it is set.

    Returns
    -------
    Evaluation

    Raises
    ------
    MissingDependencyError
        When scikit-learn is not installed.
    InvalidArgumentError
        When an argument cannot be used.
    NoMatchingDataError
        When no voxel is left, or too few images of a side were shown.
    DataNotDownloadedError, StimuliNotDownloadedError
        When betas, ROIs, or embeddings are not local.
    CancelledError
        When `cancel` was set.

    Notes
    -----
    The noise ceiling of a test side follows from the published one: its signal-to-noise ratio
    is NC / (n (100 - NC)) for images of n repeats, and a side whose images were shown
    n₁, n₂ … times has 100 · ncsnr² / (ncsnr² + mean of 1/nᵢ). It takes the test images to
    vary as much as all images; images out of the distribution may not.

    Examples
    --------
    >>> from laion_fmri.splits import evaluate
    >>> found = evaluate(["random_0", "tau"], "sub-01", "face")  # doctest: +SKIP
    >>> found.table  # doctest: +SKIP
    >>> sub.to_nifti(found.values("tau"), "tau.nii.gz")  # doctest: +SKIP
    """
    ridge_cv()
    warn_if_fraction(nc_threshold)
    chosen_from = checked_penalties(penalties)
    sub = subject if isinstance(subject, Subject) else load_subject(subject, data_dir)
    chosen = _splits(splits, pool, sub)
    sessions = _sessions(sub, session)
    voxels = _Voxels.choose(sub, roi, nc_threshold, mask_source)
    blocks = list(_blocks(int(voxels.in_mask.sum())))
    steps = _Steps(len(sessions) + len(chosen) * len(blocks), progress, cancel)

    every_image = [n for split in chosen.values() for n in (*split.train_ids, *split.test_ids)]
    features = _Features.read(sub, embedding, every_image)
    averages = image_averages(
        sub,
        features.names,
        voxels.in_mask,
        sessions,
        mask_source,
        lambda name: steps.next(f"Reading {name}"),
    )
    fit = _Fit(chosen_from, blocks, steps)
    scores = {
        name: fit.score(split, features, averages, voxels.ncsnr2) for name, split in chosen.items()
    }
    steps.end()
    return Evaluation(sub.name, embedding, tuple(sessions), voxels.of_roi, scores, voxels.in_mask)


def ceiling_of_means(
    ncsnr2: NDArray[np.float64], n_repeats: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Percent of the variance of means over so many repeats that any model could predict.

    Parameters
    ----------
    ncsnr2 : ndarray, shape (n_voxels,)
        Variance of the signal over that of the noise of one trial.
    n_repeats : ndarray of int, shape (n_images,)
    """
    noise = float(np.mean(1 / n_repeats))
    with np.errstate(invalid="ignore"):
        share = np.where(np.isinf(ncsnr2), 1.0, ncsnr2 / (ncsnr2 + noise))
    return (100 * share).astype(np.float32)


# --- what is asked for -------------------------------------------------------------------


def _splits(
    splits: str | Split | Iterable[str | Split], pool: str, sub: Subject
) -> dict[str, Split]:
    listed = [splits] if isinstance(splits, str | Split) else list(splits)
    if not listed:
        raise InvalidArgumentError("No split was given. Name at least one.")
    found: dict[str, Split] = {}
    for one in listed:
        split = one if isinstance(one, Split) else load_split(one, pool, data_dir=sub.data_dir)
        if found.setdefault(split.name, split) is not split and found[split.name] != split:
            raise InvalidArgumentError(
                f"Two splits are called {split.name!r}. Score them one after the other."
            )
    return found


def _sessions(sub: Subject, session: str | Iterable[str] | None) -> list[str]:
    if session is None:
        return require_sessions(sub)
    tables = sub.get_trial_info([session] if isinstance(session, str) else session)
    assert isinstance(tables, dict)
    return require_sessions(sub, tables)


def _blocks(n_voxels: int) -> Iterator[slice]:
    for start in range(0, n_voxels, _VOXELS_AT_ONCE):
        yield slice(start, min(start + _VOXELS_AT_ONCE, n_voxels))


@dataclass(frozen=True, eq=False)
class _Voxels:
    """The voxels to be predicted, and what is known of their noise."""

    in_mask: NDArray[np.bool_]
    of_roi: dict[str, NDArray[np.bool_]]
    ncsnr2: NDArray[np.float64]

    @classmethod
    def choose(
        cls,
        sub: Subject,
        roi: str | Sequence[str],
        nc_threshold: float | None,
        mask_source: MaskSource,
    ) -> _Voxels:
        queries = [roi] if isinstance(roi, str) else list(roi)
        if not queries:
            raise InvalidArgumentError("No ROI was given. Name at least one.")
        brain = sub.get_brain_mask(mask_source)
        on_brain = {query: mask[brain] for query, mask in sub.get_roi_masks(queries).items()}
        in_mask = np.logical_or.reduce(list(on_brain.values()))
        ceiling, n_repeats = _published_ceiling(
            sub, mask_source, is_needed=nc_threshold is not None
        )
        if nc_threshold is not None:
            assert ceiling is not None
            in_mask &= ceiling > nc_threshold
        if not in_mask.any():
            raise NoMatchingDataError(
                f"No voxel of {', '.join(queries)} is left. "
                + ("Lower nc_threshold." if nc_threshold is not None else "Choose another ROI.")
            )
        ncsnr2 = np.full(int(in_mask.sum()), np.nan)
        if ceiling is not None:
            share = ceiling[in_mask].astype(np.float64)
            with np.errstate(divide="ignore"):
                ncsnr2 = share / (n_repeats * (100 - share))
        return cls(in_mask, {query: mask[in_mask] for query, mask in on_brain.items()}, ncsnr2)


def _published_ceiling(
    sub: Subject, mask_source: MaskSource, is_needed: bool
) -> tuple[NDArray[np.float32] | None, int]:
    """The better of the local noise ceilings, and the repeats that it holds for."""
    for desc, n_repeats in CEILINGS.items():
        try:
            ceiling = sub.get_noise_ceiling(desc=desc, mask_source=mask_source)
        except DataNotDownloadedError:
            if is_needed and desc == list(CEILINGS)[-1]:
                raise
            continue
        assert isinstance(ceiling, np.ndarray)
        return ceiling, n_repeats
    return None, 1


@dataclass(frozen=True, eq=False)
class _Features:
    """Embeddings of the images that have one."""

    names: tuple[str, ...]
    rows: NDArray[np.float32]

    @classmethod
    def read(cls, sub: Subject, model: str, images: Iterable[str]) -> _Features:
        from laion_fmri.stimuli.embeddings import Embeddings

        with Embeddings(sub.data_dir) as embeddings:
            has_one = set(embeddings.image_ids(model))
            names = tuple(name for name in dict.fromkeys(images) if name in has_one)
            if not names:
                raise NoMatchingDataError(f"None of these images has an embedding in {model}.")
            rows = embeddings.rows(model, list(names)).astype(np.float32)
        usable = np.flatnonzero(np.isfinite(rows).all(axis=1))
        return cls(tuple(names[row] for row in usable), rows[usable])

    def of(self, names: Sequence[str]) -> NDArray[np.float32]:
        place = {name: row for row, name in enumerate(self.names)}
        return self.rows[[place[name] for name in names]]


# --- the work -----------------------------------------------------------------------------


class _Steps:
    """Says how far the work is, and ends it when that is asked for."""

    def __init__(
        self, n_steps: int, progress: Progress | None, cancel: threading.Event | None
    ) -> None:
        self._n_steps, self._n_done = n_steps, 0
        self._progress, self._cancel = progress, cancel

    def next(self, what: str) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise CancelledError("The scoring was cancelled.")
        if self._progress is not None:
            self._progress(min(self._n_done / self._n_steps, 1.0), what)
        self._n_done += 1

    def end(self) -> None:
        if self._progress is not None:
            self._progress(1.0, "Done")


@dataclass(frozen=True, eq=False)
class _Fit:
    """The regression of many voxels, in blocks that fit into memory."""

    penalties: NDArray[np.float64]
    blocks: Sequence[slice]
    steps: _Steps

    def score(
        self,
        split: Split,
        features: _Features,
        averages: ImageAverages,
        ncsnr2: NDArray[np.float64],
    ) -> SplitScore:
        place = {name: row for row, name in enumerate(averages.names)}
        train = [name for name in split.train_ids if name in place]
        test = [name for name in split.test_ids if name in place]
        if min(len(train), len(test)) < _FEWEST_IMAGES:
            raise NoMatchingDataError(
                f"Of {split.name} (pool {split.pool}) {len(train)} training and {len(test)} test "
                f"images were shown in these sessions and have an embedding; {_FEWEST_IMAGES} of "
                "each are the fewest. Use more sessions, or another pool."
            )
        train_rows, test_rows = ([place[name] for name in side] for side in (train, test))
        x_train, x_test = standardised(features.of(train), features.of(test))
        parts = []
        for block in self.blocks:
            self.steps.next(f"Fitting {split.name}")
            y_train, y_test = averages.means[train_rows, block], averages.means[test_rows, block]
            parts.append(predict_and_score((x_train, y_train), (x_test, y_test), self.penalties))
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        ceiling = ceiling_of_means(ncsnr2, averages.n_repeats[test_rows])
        return SplitScore(split, len(train), len(test), noise_ceiling=ceiling, **found)
