"""Scores of splits: ridge regression from an embedding to responses."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from laion_fmri.betas import as_percentage
from laion_fmri.features import as_features
from laion_fmri.responses import require_sessions
from laion_fmri.ridge import (
    PENALTIES,
    Scored,
    Selection,
    checked_penalties,
    checked_selection,
    scored,
)
from laion_fmri.splits.chosen_voxels import CEILINGS, ChosenVoxels, ceiling_of_means
from laion_fmri.splits.evaluation import Evaluation, SplitScore
from laion_fmri.splits.fitting import (
    PredictedBlock,
    Progress,
    Sides,
    Steps,
    chosen_splits,
    n_steps,
    predictions,
    require_features,
    ridge_models,
)
from laion_fmri.splits.response_blocks import open_blocks
from laion_fmri.splits.split import Split
from laion_fmri.subject import Subject, load_subject
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

__all__ = ["CEILINGS", "BlockScores", "ceiling_of_means", "evaluate"]


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
    selection: Selection = "gcv",
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
        Model of the embeddings used as features, or name of registered features.
    session : str or list of str, optional
        Sessions of the trials; all downloaded sessions by default.
    nc_threshold : float, optional
        Keep voxels whose published noise ceiling (the first downloaded one of `CEILINGS`) is above
        this, in percent.
    mask_source : {"anatomical", "rsquare"}
    penalties : sequence of float
        To choose from.
    selection : {"gcv", "loo"}
        Choose penalties by generalised cross-validation, or by leaving each image out in turn.
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

    `laion_fmri.encode` gives the same scores with intervals, for several models, and for whole
    brains.

    Examples
    --------
    >>> from laion_fmri.splits import evaluate
    >>> found = evaluate(["random_0", "tau"], "sub-01", "face")  # doctest: +SKIP
    >>> found.table  # doctest: +SKIP
    >>> sub.to_nifti(found.values("tau"), "tau.nii.gz")  # doctest: +SKIP
    """
    nc_threshold = as_percentage(nc_threshold)
    chosen_from, selection = checked_penalties(penalties), checked_selection(selection)
    sub = subject if isinstance(subject, Subject) else load_subject(subject, data_dir)
    chosen = chosen_splits(splits, pool, sub.data_dir)
    sessions = require_sessions(sub, session)
    sub.get_trial_info(sessions)  # raises an error that names a missing session
    voxels = ChosenVoxels.of_rois(sub, roi, nc_threshold, mask_source)
    models = {embedding: as_features(embedding, sub.data_dir)}
    images = [name for split in chosen.values() for name in (*split.train_ids, *split.test_ids)]
    blocks = open_blocks(sub, images, voxels.in_mask, sessions, mask_source)
    require_features(chosen.values(), models, blocks, missing="omit")
    sides = {name: Sides.of(split, models, blocks) for name, split in chosen.items()}
    steps = Steps(n_steps(blocks, sides), progress, cancel)
    scores = {name: BlockScores(voxels.n_voxels) for name in sides}
    make = ridge_models(chosen_from, selection)
    for block in predictions(blocks, sides, models, make, steps):
        scores[block.split].add(block, embedding)
    steps.end()
    found = {name: scores[name].of_split(side, voxels.ncsnr2) for name, side in sides.items()}
    return Evaluation(sub.name, embedding, tuple(sessions), voxels.of_roi, found, voxels.in_mask)


class BlockScores:
    """Scores of one model on one split, to which blocks of voxels are added."""

    def __init__(self, n_voxels: int) -> None:
        self.values: dict[str, NDArray[np.float32]] = {
            name: np.full(n_voxels, np.nan, dtype=np.float32)
            for name in ("correlation", "r2", "penalty")
        }

    def add(self, block: PredictedBlock, model: str) -> Scored:
        """Score the predictions of a block; NaN where a voxel lacks a response."""
        fitted = block.fits[model]
        with np.errstate(invalid="ignore", over="ignore"):
            found = scored(block.measured, block.centred, fitted.predicted)
        for name, values in (
            ("correlation", found.correlation),
            ("r2", found.r2),
            ("penalty", fitted.penalty),
        ):
            self.values[name][block.voxels] = np.where(block.is_known, values, np.nan)
        return found

    def of_split(self, sides: Sides, ncsnr2: NDArray[np.float64]) -> SplitScore:
        """Return the scores with the noise ceiling of the test images."""
        ceiling = ceiling_of_means(ncsnr2, sides.test_repeats)
        return SplitScore(
            sides.split, len(sides.train), len(sides.test), noise_ceiling=ceiling, **self.values
        )
