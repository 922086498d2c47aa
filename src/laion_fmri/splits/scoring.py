"""How well an embedding predicts responses across a split: a ridge regression, scored.

Needs scikit-learn (``pip install "laion-fmri-explorer[splits]"``). Its leave-one-out formula
takes one decomposition of the features where k folds take k + 1: 3.5 s where himalaya's RidgeCV
took 13 s for 4,666 images, 1,024 features and 500 voxels on two cores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import (
    CancelledError,
    DataNotDownloadedError,
    InvalidArgumentError,
    MissingDependencyError,
    NoMatchingDataError,
    UnknownNameError,
)
from laion_fmri.betas import warn_if_fraction
from laion_fmri.masks import MaskSource
from laion_fmri.responses import ImageAverages, image_averages
from laion_fmri.splits.catalogue import load_split
from laion_fmri.splits.split import Split
from laion_fmri.subject import Subject, load_subject

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

Progress = Callable[[float, str], None]
Score = Literal["correlation", "r2", "noise_ceiling", "penalty"]
SCORES: tuple[Score, ...] = get_args(Score)

PENALTIES = tuple(float(alpha) for alpha in np.logspace(0, 7, 15))
"""What is chosen from, voxel by voxel; features have unit variance."""

CEILINGS = {"Noiseceiling12rep": 12, "Noiseceiling4rep": 4}
"""Published noise ceilings that hold for a known number of repeats, the better one first."""

_VOXELS_AT_ONCE = 2000  # whose penalties are compared in memory
_FEWEST_IMAGES = 3  # on a side, for a correlation


@dataclass(frozen=True, eq=False)
class SplitScore:
    """How well the responses to the test images of one split are predicted.

    Attributes
    ----------
    split : Split
    n_train, n_test : int
        Images on each side that were shown and have an embedding.
    correlation : ndarray of float32, shape (n_voxels,)
        Between predicted and mean measured responses, over test images. NaN where a voxel
        lacks a response, or one of the two does not vary.
    r2 : ndarray of float32, shape (n_voxels,)
        Share of the variance over test images that is predicted; below 0 where the mean of
        the test side would have been nearer.
    noise_ceiling : ndarray of float32, shape (n_voxels,)
        Percent of the variance that any model could predict at best, for the repeats that
        these test images have. NaN where no published noise ceiling is here.
    penalty : ndarray of float32, shape (n_voxels,)
        Chosen by cross-validation inside the training side.
    """

    split: Split
    n_train: int
    n_test: int
    correlation: NDArray[np.float32]
    r2: NDArray[np.float32]
    noise_ceiling: NDArray[np.float32]
    penalty: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of one or several splits, voxel by voxel.

    Attributes
    ----------
    subject, embedding : str
    sessions : tuple of str
        Whose trials were used.
    rois : mapping of str to ndarray of bool, shape (n_voxels,)
        Which of the voxels each query names.
    scores : mapping of str to SplitScore
        By the name of the split.
    in_mask : ndarray of bool, shape (n_brain_voxels,)
        The voxels, among those of the brain mask.
    """

    subject: str
    embedding: str
    sessions: tuple[str, ...]
    rois: Mapping[str, NDArray[np.bool_]]
    scores: Mapping[str, SplitScore]
    in_mask: NDArray[np.bool_]

    @property
    def table(self) -> pd.DataFrame:
        """One row for each split and ROI.

        Returns
        -------
        DataFrame
            split, roi, n_train and n_test (images), n_voxels (that have scores), correlation
            and r2 (means over voxels), noise_ceiling (mean, percent), share_of_r2 and
            share_of_correlation (means as shares of the best possible: of the noise ceiling,
            and of its square root), penalty (median).
        """
        import pandas as pd

        rows = [
            {"split": name, "roi": roi, **_summary(score, inside)}
            for name, score in self.scores.items()
            for roi, inside in self.rois.items()
        ]
        return pd.DataFrame(rows)

    def values(self, split: str | None = None, score: Score = "correlation") -> NDArray[np.float32]:
        """A score as a map, for `Subject.to_nifti` or ``BrainView.add_map``.

        Parameters
        ----------
        split : str, optional
            The first one by default.
        score : {"correlation", "r2", "noise_ceiling", "penalty"}

        Returns
        -------
        ndarray of float32, shape (n_brain_voxels,)
            NaN outside the ROIs.
        """
        name = next(iter(self.scores)) if split is None else split
        if name not in self.scores:
            raise UnknownNameError("split", name, self.scores)
        if score not in SCORES:
            raise UnknownNameError("score", score, SCORES)
        out = np.full(len(self.in_mask), np.nan, dtype=np.float32)
        out[self.in_mask] = getattr(self.scores[name], score)
        return out

    def __repr__(self) -> str:
        return (
            f"<Evaluation of {', '.join(self.scores)}: {self.embedding} to "
            f"{', '.join(self.rois)} of {self.subject}>"
        )

    def _repr_html_(self) -> str:
        return self.table.round(3).to_html(index=False)


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
    chosen_from = _penalties(penalties)
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


def ridge_cv() -> Any:
    """scikit-learn's ridge regression that chooses its penalty.

    Raises
    ------
    MissingDependencyError
    """
    try:
        from sklearn.linear_model import RidgeCV
    except ImportError as error:
        raise MissingDependencyError(
            'Scoring splits needs scikit-learn: pip install "laion-fmri-explorer[splits]".'
        ) from error
    return RidgeCV


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
    here = sub.get_sessions()
    if session is None:
        wanted = here
    else:
        tables = sub.get_trial_info([session] if isinstance(session, str) else session)
        assert isinstance(tables, dict)
        wanted = list(tables)
    if not wanted:
        raise DataNotDownloadedError(
            f"No betas of {sub.name} are in {sub.data_dir}. "
            f"download(subject={sub.name!r}, ses='ses-01') fetches a session."
        )
    return wanted


def _penalties(penalties: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(penalties, dtype=np.float64).ravel()
    if not len(values) or not np.isfinite(values).all() or (values <= 0).any():
        raise InvalidArgumentError("penalties are positive numbers; give at least one.")
    return values


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


# --- the regression ------------------------------------------------------------------------


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
    """A ridge regression with its own penalty for every voxel."""

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
        x_train, x_test = _standardised(features.of(train), features.of(test))
        found = {
            name: np.full(len(ncsnr2), np.nan, dtype=np.float32)
            for name in ("correlation", "r2", "penalty")
        }
        for block in self.blocks:
            self.steps.next(f"Fitting {split.name}")
            y_train, y_test = averages.means[train_rows, block], averages.means[test_rows, block]
            known = np.flatnonzero(np.isfinite(np.concatenate([y_train, y_test])).all(axis=0))
            if not len(known):
                continue
            model = ridge_cv()(self.penalties, alpha_per_target=True)
            # Two columns at least: of one, scikit-learn gives numbers and not arrays.
            targets = y_train[:, known if len(known) > 1 else np.repeat(known, 2)]
            predicted = model.fit(x_train, targets).predict(x_test)[:, : len(known)]
            columns = block.start + known
            found["correlation"][columns] = correlation(y_test[:, known], predicted)
            found["r2"][columns] = explained(y_test[:, known], predicted)
            found["penalty"][columns] = model.alpha_[: len(known)]
        ceiling = ceiling_of_means(ncsnr2, averages.n_repeats[test_rows])
        return SplitScore(split, len(train), len(test), noise_ceiling=ceiling, **found)


def _standardised(
    train: NDArray[np.float32], test: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both sides by mean and standard deviation of the training side."""
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    return ((train - mean) * scale).astype(np.float32), ((test - mean) * scale).astype(np.float32)


def correlation(measured: NDArray, predicted: NDArray) -> NDArray[np.float32]:
    """Pearson's r of each column; NaN where one of the two does not vary."""
    a = measured - measured.mean(axis=0, dtype=np.float64)
    b = predicted - predicted.mean(axis=0, dtype=np.float64)
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    r = np.divide((a * b).sum(axis=0), size, out=np.full(len(size), np.nan), where=size > 0)
    return r.astype(np.float32)


def explained(measured: NDArray, predicted: NDArray) -> NDArray[np.float32]:
    """R² of each column: 1 - residual over total sum of squares; NaN where nothing varies."""
    total = ((measured - measured.mean(axis=0, dtype=np.float64)) ** 2).sum(axis=0)
    residual = ((measured.astype(np.float64) - predicted) ** 2).sum(axis=0)
    share = np.divide(residual, total, out=np.full(len(total), np.nan), where=total > 0)
    with np.errstate(over="ignore"):  # as bad as can be, where hardly anything varies
        return (1 - share).astype(np.float32)


def _summary(score: SplitScore, inside: NDArray[np.bool_]) -> dict[str, float]:
    scored = inside & np.isfinite(score.correlation)
    summary: dict[str, float] = {
        "n_train": score.n_train,
        "n_test": score.n_test,
        "n_voxels": int(scored.sum()),
    }

    def mean(values: NDArray) -> float:
        return float(values[scored].mean(dtype=np.float64)) if scored.any() else np.nan

    best = mean(score.noise_ceiling) / 100
    best_correlation = mean(np.sqrt(score.noise_ceiling / 100))
    summary["correlation"], summary["r2"] = mean(score.correlation), mean(score.r2)
    summary["noise_ceiling"] = 100 * best
    summary["share_of_r2"] = summary["r2"] / best if best else np.nan
    summary["share_of_correlation"] = (
        summary["correlation"] / best_correlation if best_correlation else np.nan
    )
    summary["penalty"] = float(np.median(score.penalty[scored])) if scored.any() else np.nan
    return summary
