"""Scores of splits: ridge regression from an embedding to responses."""

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
from laion_fmri.arguments import as_items
from laion_fmri.betas import as_percentage
from laion_fmri.responses import ImageAverages, image_averages, require_sessions
from laion_fmri.ridge import (
    PENALTIES,
    DecomposedFeatures,
    checked_penalties,
    predict_and_score,
    standardised,
)
from laion_fmri.splits.catalogue import load_split
from laion_fmri.splits.evaluation import Evaluation, SplitScore
from laion_fmri.splits.split import Split
from laion_fmri.subject import Subject, load_subject
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    from os import PathLike

Progress = Callable[[float, str], None]

CEILINGS = {"Noiseceiling12rep": 12, "Noiseceiling4rep": 4}
"""Published noise ceilings with their number of repeats, the better one first."""

_VOXELS_AT_ONCE = 2000  # voxels fitted at once
_FEWEST_IMAGES = 3  # images per side, for a correlation


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
    """Fit ridge regressions on the training sets of splits and score the test sets.

    Betas are z-scored voxel by voxel over the trials of each session and averaged over the
    repeats of an image, so that each image counts once. Features are the embedding,
    standardised by the training images. The penalty of each voxel is chosen by generalised
    cross-validation on the training images, without the test set.

    Parameters
    ----------
    splits : str, Split or iterable of them
    subject : str or Subject
    roi : str or list of str
        As in `Subject.get_roi_mask`. Each item of a list is a row of the table.
    pool : str
        Pool of splits given by name.
    embedding : str
        Model of the embeddings used as features.
    session : str or list of str, optional
        Sessions of the trials; all downloaded sessions by default.
    nc_threshold : float, optional
        Keep voxels whose published noise ceiling (the first downloaded one of `CEILINGS`) is above
        this, in percent.
    mask_source : {"anatomical", "rsquare"}
    penalties : sequence of float
        To choose from.
    data_dir : path, optional
        Instead of the configured one; not with a `Subject`.
    progress : callable, optional
        Called with the completed fraction, 0 to 1, and the name of the next step.
    cancel : threading.Event, optional
        Cancels the work when set.

    Returns
    -------
    Evaluation

    Raises
    ------
    InvalidArgumentError
        When an argument is invalid.
    NoMatchingDataError
        When no voxel remains, or too few images of a side were shown.
    DataNotDownloadedError, StimuliNotDownloadedError
        When betas, ROIs, or embeddings are not downloaded.
    CancelledError
        When `cancel` is set.

    Notes
    -----
    The noise ceiling of a test set is derived from the published one: its signal-to-noise ratio
    is NC / (n (100 - NC)) for images of n repeats, and a test set whose images were shown n₁, n₂ …
    times has 100 · ncsnr² / (ncsnr² + mean of 1/nᵢ). This assumes that responses to test images
    vary as much as those to all images, which may not hold for out-of-distribution images.

    Examples
    --------
    >>> from laion_fmri.splits import evaluate
    >>> found = evaluate(["random_0", "tau"], "sub-01", "face")  # doctest: +SKIP
    >>> found.table  # doctest: +SKIP
    >>> sub.to_nifti(found.values("tau"), "tau.nii.gz")  # doctest: +SKIP
    """
    nc_threshold = as_percentage(nc_threshold)
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
    """Compute the explainable variance, in percent, of means over repeats.

    Parameters
    ----------
    ncsnr2 : ndarray, shape (n_voxels,)
        Ratio of the signal variance to the single-trial noise variance.
    n_repeats : ndarray of int, shape (n_images,)
    """
    noise = float(np.mean(1 / n_repeats))
    with np.errstate(invalid="ignore"):
        share = np.where(np.isinf(ncsnr2), 1.0, ncsnr2 / (ncsnr2 + noise))
    return (100 * share).astype(np.float32)


# --- arguments -------------------------------------------------------------------


def _splits(
    splits: str | Split | Iterable[str | Split], pool: str, sub: Subject
) -> dict[str, Split]:
    listed = as_items(splits)
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
    sessions = require_sessions(sub, as_items(session))
    sub.get_trial_info(sessions)  # raises an error that names a missing session
    return sessions


def _blocks(n_voxels: int) -> Iterator[slice]:
    for start in range(0, n_voxels, _VOXELS_AT_ONCE):
        yield slice(start, min(start + _VOXELS_AT_ONCE, n_voxels))


@dataclass(frozen=True, eq=False)
class _Voxels:
    """The predicted voxels, and their noise ceilings."""

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
        queries = as_items(roi)
        if not queries:
            raise InvalidArgumentError("No ROI was given. Name at least one.")
        of_roi = sub.get_roi_masks(queries, mask_source)
        in_mask = np.logical_or.reduce(list(of_roi.values()))
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
        return cls(in_mask, {query: mask[in_mask] for query, mask in of_roi.items()}, ncsnr2)


def _published_ceiling(
    sub: Subject, mask_source: MaskSource, is_needed: bool
) -> tuple[NDArray[np.float32] | None, int]:
    """Return the better one of the downloaded noise ceilings, and its number of repeats."""
    for desc, n_repeats in CEILINGS.items():
        try:
            ceiling = sub.get_noise_ceiling(desc=desc, mask_source=mask_source)
        except DataNotDownloadedError:
            if is_needed and desc == list(CEILINGS)[-1]:
                raise
            continue
        return ceiling, n_repeats
    return None, 1


@dataclass(frozen=True, eq=False)
class _Features:
    """Embeddings of images."""

    names: tuple[str, ...]
    rows: NDArray[np.float32]

    @classmethod
    def read(cls, sub: Subject, model: str, images: Iterable[str]) -> _Features:
        from laion_fmri.stimuli.embeddings import Embeddings

        with Embeddings(model, sub.data_dir) as embeddings:
            has_one = set(embeddings.names(model))
            names = tuple(name for name in dict.fromkeys(images) if name in has_one)
            if not names:
                raise NoMatchingDataError(f"None of these images has an embedding in {model}.")
            rows = embeddings.rows(model, list(names)).astype(np.float32)
        usable = np.flatnonzero(np.isfinite(rows).all(axis=1))
        return cls(tuple(names[row] for row in usable), rows[usable])

    def of(self, names: Sequence[str]) -> NDArray[np.float32]:
        place = {name: row for row, name in enumerate(self.names)}
        return self.rows[[place[name] for name in names]]


# --- fitting -----------------------------------------------------------------------------


class _Steps:
    """Reports progress and cancels on request."""

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
    """A regression for many voxels, in blocks that fit into memory."""

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
        decomposed = DecomposedFeatures.of(x_train)  # once for all voxels
        x_test = decomposed.projected(x_test)
        parts = []
        for block in self.blocks:
            self.steps.next(f"Fitting {split.name}")
            y_train, y_test = averages.means[train_rows, block], averages.means[test_rows, block]
            parts.append(predict_and_score(decomposed, y_train, x_test, y_test, self.penalties))
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        ceiling = ceiling_of_means(ncsnr2, averages.n_repeats[test_rows])
        return SplitScore(split, len(train), len(test), noise_ceiling=ceiling, **found)
