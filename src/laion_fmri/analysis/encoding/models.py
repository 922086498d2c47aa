"""Encoding models: from features to responses, for several models, splits and ROIs at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from laion_fmri.analysis.encoding.estimators import Estimator, estimator_models
from laion_fmri.analysis.encoding.result import Encoding
from laion_fmri.analysis.encoding.split_statistics import Options, fit_and_score
from laion_fmri.arguments import checked_seed, number_of_samples, one_of, yes_or_no
from laion_fmri.betas import as_percentage
from laion_fmri.features import feature_sets
from laion_fmri.features.reading import FeaturesLike
from laion_fmri.responses import require_sessions
from laion_fmri.ridge import PENALTIES, Selection, checked_penalties, checked_selection
from laion_fmri.splits.chosen_voxels import ChosenVoxels
from laion_fmri.splits.fitting import (
    MakeModel,
    Progress,
    Sides,
    Steps,
    chosen_splits,
    n_steps,
    require_features,
    ridge_models,
)
from laion_fmri.splits.response_blocks import open_blocks
from laion_fmri.splits.split import Split
from laion_fmri.subject import Subject, load_subject
from laion_fmri.volumes.masks import MaskSource

Missing = Literal["raise", "omit"]
Voxels = Literal["roi", "brain"]
MISSING: tuple[Missing, ...] = get_args(Missing)
VOXELS: tuple[Voxels, ...] = get_args(Voxels)


def encode(
    features: FeaturesLike,
    subject: str | int | Subject,
    split: str | Split | Iterable[str | Split] = "tau",
    *,
    roi: str | Iterable[str] | None = None,
    mask: NDArray[np.bool_] | None = None,
    voxels: Voxels | None = None,
    pool: str = "shared",
    session: str | Iterable[str] | None = None,
    nc_threshold: float | None = None,
    mask_source: MaskSource = "anatomical",
    penalties: Sequence[float] = PENALTIES,
    selection: Selection = "gcv",
    estimator: Estimator | str | None = None,
    missing: Missing = "raise",
    n_bootstrap: int = 1000,
    n_flips: int = 0,
    voxel_intervals: bool = False,
    predictions: bool = False,
    weights: bool = False,
    seed: int = 0,
    data_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Encoding:
    """Fit models from features to responses, and score them on the test images of splits.

    Responses are z-scored voxel by voxel over the trials of each session and averaged over the
    repeats of an image, so that each image counts once. Features are standardised by the training
    images. By default a model is a ridge regression whose penalty is chosen for each voxel on the
    training images.

    Parameters
    ----------
    features : Features, DataFrame, str, path, mapping or list
        As in `as_features`: a published embedding, features of your own, or a file. Each item of a
        list or a mapping is a model of its own.
    subject : str, int or Subject
    split : str, Split, or list of them
    roi : str or list of str, optional
        As in `Subject.get_roi_mask`. Each item of a list is a row of the table.
    mask : ndarray of bool, optional
        Voxels of your own, over the brain mask or over the grid, as a row ``"mask"``.
    voxels : {"roi", "brain"}, optional
        Whether the voxels of `roi` and `mask` are predicted, or all of the brain mask. By default
        all if there is neither `roi` nor `mask`.
    pool : str
        Pool of splits given by name.
    session : str or list of str, optional
        Sessions of the trials; all downloaded sessions by default.
    nc_threshold : float, optional
        Keep voxels whose published noise ceiling is above this, in percent.
    mask_source : {"anatomical", "rsquare"}
    penalties : sequence of float
        To choose from.
    selection : {"gcv", "loo"}
        Choose penalties by generalised cross-validation, or by leaving each image out in turn.
    estimator : object or "banded", optional
        Model instead of the ridge regression: an object with scikit-learn's ``fit(X, Y)`` and
        ``predict(X)``, of which a copy is fitted for each split and block of voxels. ``"banded"``
        is himalaya's banded ridge regression, which chooses a penalty for each feature space.
    missing : {"raise", "omit"}
        What happens if a model lacks features of an image that was shown: an error, or the image
        is left out of all models, with a warning.
    n_bootstrap : int
        Bootstrap samples of the test images, for intervals. Each sample is scored again in the
        voxels of `roi` and `mask`; for a whole brain, samples of the influence of each image on
        the mean score are drawn instead, which takes no time.
    n_flips : int
        Sets of random signs for the family-wise error of `Encoding.compare`.
    voxel_intervals : bool
        Whether the correlation of every voxel gets a bootstrap interval.
    predictions, weights : bool
        Whether predictions and weights of all voxels are kept.
    seed : int
        Of bootstrap samples and signs.
    data_dir : path, optional
        Instead of the configured one; not with a `Subject`.
    progress : callable, optional
        Called with the completed fraction, 0 to 1, and the name of the next step.
    cancel : threading.Event, optional
        Cancels the work when set.

    Returns
    -------
    Encoding

    Raises
    ------
    InvalidArgumentError
        When an argument is invalid, or features lack images.
    UnknownNameError
        When there is no such embedding, split, ROI or option.
    NoMatchingDataError
        When an ROI has no voxel, no voxel remains, or too few images of a side were shown.
    DataNotDownloadedError, StimuliNotDownloadedError
        When betas, ROIs, or embeddings are not downloaded.
    NotEnoughMemoryError
        When predictions or weights do not fit into memory.
    MissingDependencyError
        When ``"banded"`` is asked for and himalaya is not installed.
    CancelledError
        When `cancel` is set.

    Notes
    -----
    Responses are read in blocks of voxels, once for all models and splits: from the averages of
    `Subject.build_averages` if they are fresh. A whole brain without them reads every session
    several times.

    The noise ceiling is that of `laion_fmri.splits.evaluate`: of the mean responses to the test
    images, derived from the published one.

    Examples
    --------
    >>> enc = laion_fmri.encode(["CLIP", "my-resnet"], "sub-01", roi="FFA1")  # doctest: +SKIP
    >>> enc.table  # doctest: +SKIP
    >>> enc.compare("my-resnet", "CLIP").table  # doctest: +SKIP
    >>> enc = laion_fmri.encode("CLIP", "sub-01", split="tau", voxels="brain")  # doctest: +SKIP
    >>> enc.plot(space="fsaverage")  # doctest: +SKIP
    """
    threshold = as_percentage(nc_threshold)
    make = _model(estimator, penalties, selection)
    missing = one_of("choice for missing features", missing, MISSING)
    if voxels is not None:
        voxels = one_of("choice of voxels", voxels, VOXELS)
    options = Options(
        number_of_samples("n_bootstrap", n_bootstrap, fewest=1),
        number_of_samples("n_flips", n_flips),
        yes_or_no("voxel_intervals", voxel_intervals),
        yes_or_no("predictions", predictions),
        yes_or_no("weights", weights),
        checked_seed(seed),
    )
    sub = subject if isinstance(subject, Subject) else load_subject(subject, data_dir)
    chosen = chosen_splits(split, pool, sub.data_dir)
    sessions = require_sessions(sub, session)
    sub.get_trial_info(sessions)  # raises an error that names a missing session
    is_whole = voxels == "brain" or (voxels is None and roi is None and mask is None)
    where = ChosenVoxels.of_rois(sub, roi, threshold, mask_source, mask=mask, whole_brain=is_whole)
    models = feature_sets(features, sub.data_dir)
    images = [name for one in chosen.values() for name in (*one.train_ids, *one.test_ids)]
    blocks = open_blocks(sub, images, where.in_mask, sessions, mask_source)
    require_features(chosen.values(), models, blocks, missing)
    sides = {name: Sides.of(one, models, blocks) for name, one in chosen.items()}
    steps = Steps(n_steps(blocks, sides), progress, cancel)
    found = fit_and_score(blocks, sides, models, make, where, options, steps)
    return Encoding(
        sub.name, sub.data_dir, tuple(sessions), mask_source, where.of_roi, where.in_mask,
        found.scores, found.roi_scores, found.pairs, found.voxel_intervals, found.predictions,
        found.weights,
    )  # fmt: skip


def _model(
    estimator: Estimator | str | None, penalties: Sequence[float], selection: str
) -> MakeModel:
    chosen_from, how = checked_penalties(penalties), checked_selection(selection)
    if estimator is None:
        return ridge_models(chosen_from, how)
    return estimator_models(estimator, chosen_from)
