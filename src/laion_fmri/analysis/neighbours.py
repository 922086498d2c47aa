"""Neighbours of a trial: nearest images in an embedding and most similar response patterns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.analysis.roi_responses import (
    VoxelChoice,
    global_trial,
    good_voxels,
    session_patterns,
)
from laion_fmri.arguments import one_of
from laion_fmri.splits.recipes import SHARED_PREFIX
from laion_fmri.stimuli.by_trial import local_trials
from laion_fmri.stimuli.hub import LocalStimuli

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.stimuli.embeddings import Embeddings
    from laion_fmri.subject import Subject
    from laion_fmri.volumes.masks import MaskSource

Rows = NDArray[np.intp]
_MIN_VOXELS = 3
_CHUNK = 4096  # rows per step, which bounds the temporary memory


def nearest_images(
    sub: Subject,
    trial: int,
    model: str,
    n: int = 12,
    among: str | Iterable[str] = "all",
    *,
    space: EmbeddingSpace | None = None,
    table: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Find the images nearest to the image of a trial in an embedding.

    Parameters
    ----------
    sub : Subject
    trial : int
        Global trial index, a row of `Subject.metadata`.
    model : str
        A downloaded embedding, such as ``"CLIP"``.
    n : int
        Number of images.
    among : {"all", "shared", "subject"} or iterable of str
        Search all images, shared images, images of the subject's downloaded trials, or these.
    space : EmbeddingSpace, optional
        The embedding, if already loaded.
    table : DataFrame, optional
        The trials, if already loaded.

    Returns
    -------
    DataFrame
        Columns image_name and similarity (cosine), nearest first, without the image itself.

    Raises
    ------
    InvalidArgumentError
        When the model has no embedding of the image, or the subject has no such trial.
    StimuliNotDownloadedError
        When the embedding is not downloaded.

    Examples
    --------
    >>> sub = laion_fmri.load_subject("sub-01")
    >>> nearest_images(sub, 0, "CLIP", n=3).columns.tolist()
    ['image_name', 'similarity']
    """
    trials = local_trials(sub) if table is None else table
    name = str(global_trial(trials, trial, sub.name)["image_name"])
    if space is None:
        space = EmbeddingSpace.read(LocalStimuli(sub.data_dir).embeddings, model)
    if isinstance(among, str):
        one_of("set of images", among, ("all", "shared", "subject"))
        if among == "all":
            return space.nearest(name, n)
        shared = (image for image in space.rows if image.startswith(SHARED_PREFIX))
        among = shared if among == "shared" else trials["image_name"]
    return space.nearest(name, n, among)


def similar_trials(
    sub: Subject,
    trial: int,
    roi: str,
    n: int = 12,
    *,
    across_sessions: bool = False,
    nc_threshold: float = 0.0,
    mask_source: MaskSource = "anatomical",
    read: Callable[[Subject, str, str, NDArray[np.bool_], MaskSource], NDArray] = session_patterns,
    table: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Find the trials whose response pattern in an ROI correlates most with that of one trial.

    Parameters
    ----------
    sub : Subject
    trial : int
        Global trial index, a row of `Subject.metadata`.
    roi : str
    n : int
        Number of trials.
    across_sessions : bool
        Compare with the trials of all downloaded sessions, not only the trial's own.
    nc_threshold : float
        Use only voxels whose noise ceiling in the trial's session is above this, in percent.
    mask_source : {"anatomical", "rsquare"}
    read : callable, optional
        Replaces `session_patterns`, for callers that cache its results.
    table : DataFrame, optional
        The trials, if already loaded.

    Returns
    -------
    DataFrame
        Columns trial (global index), image_name and similarity (Pearson correlation over voxels,
        each z-scored over the trials of its session); most similar first, without the trial itself.

    Raises
    ------
    LaionFmriError
        When betas, masks or the noise ceiling are damaged or not downloaded, or the trial has fewer
        than three voxels with an estimate.

    Examples
    --------
    >>> sub = laion_fmri.load_subject("sub-01")
    >>> similar_trials(sub, 0, "PPA", n=5).shape
    (5, 3)
    """
    import pandas as pd

    table = local_trials(sub) if table is None else table
    session = str(global_trial(table, trial, sub.name)["session"])
    n_voxels = int(sub.get_roi_mask(roi, mask_source).sum())
    good = good_voxels(sub, session, VoxelChoice(mask_source, nc_threshold), roi, n_voxels)
    sessions = sub.get_sessions() if across_sessions else [session]
    parts = [read(sub, one, roi, good, mask_source) for one in sessions]
    rows = np.flatnonzero(table["session"].isin(sessions).to_numpy())
    found = patterns_like(np.concatenate(parts), int(np.searchsorted(rows, trial)), n)
    trials = rows[found.rows]
    names = table["image_name"].to_numpy()[trials]
    return pd.DataFrame({"trial": trials, "image_name": names, "similarity": found.similarity})


@dataclass(frozen=True, eq=False)
class EmbeddingSpace:
    """The images of an embedding as unit vectors.

    Attributes
    ----------
    model : str
    rows : dict of str to int
        The row of each image name.
    units : ndarray of float32, shape (n_images, n_features)
        Rows of unit length, from `unit_vectors`.
    """

    model: str
    rows: dict[str, int]
    units: NDArray[np.float32]

    @classmethod
    def read(cls, embeddings: Embeddings, model: str) -> EmbeddingSpace:
        """Read the embedding of a model."""
        names = embeddings.names(model)
        units = unit_vectors(embeddings.rows(model, names), np.ones(len(names), dtype=bool))
        return cls(model, {name: row for row, name in enumerate(names)}, units)

    @property
    def nbytes(self) -> int:
        """Size of the vectors in bytes."""
        return self.units.nbytes

    def nearest(self, name: str, n: int = 12, among: Iterable[str] | None = None) -> pd.DataFrame:
        """Find the images with the largest cosine similarity to one; see `nearest_images`."""
        import pandas as pd

        if name not in self.rows:
            raise InvalidArgumentError(
                f"{self.model} has no embedding of {name}. Choose another model."
            )
        allowed = None
        if among is not None:
            allowed = np.zeros(len(self.rows), dtype=bool)
            allowed[[self.rows[image] for image in set(among) if image in self.rows]] = True
        found = nearest(self.units, self.rows[name], n, allowed)
        names = np.array([*self.rows], dtype=object)[found.rows]
        return pd.DataFrame({"image_name": names, "similarity": found.similarity})


@dataclass(frozen=True)
class Neighbours:
    """Neighbours, nearest first.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
    similarity : ndarray of float64, shape (n,)
        Cosine or correlation, descending.
    """

    rows: Rows
    similarity: NDArray[np.float64]


def unit_vectors(features: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Scale every row to unit length.

    Parameters
    ----------
    features : ndarray of float, shape (n_images, n_features)
        Need not be normalized.
    valid : ndarray of bool, shape (n_images,)

    Returns
    -------
    ndarray of float32, shape (n_images, n_features)
        NaN for rows that are invalid, not finite or of length 0.
    """
    units = np.empty(features.shape, dtype=np.float32)
    for start in range(0, len(features), _CHUNK):
        part = features[start : start + _CHUNK].astype(np.float32)
        length = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))
        good = valid[start : start + _CHUNK] & np.isfinite(length) & (length > 0)
        part /= np.where(good, length, np.nan)[:, None].astype(np.float32)
        units[start : start + _CHUNK] = part
    return units


def nearest(
    units: NDArray[np.float32],
    row: int,
    n: int,
    among: NDArray[np.bool_] | None = None,
) -> Neighbours:
    """Find the rows with the largest cosine similarity to one row, without itself.

    Parameters
    ----------
    units : ndarray of float32, shape (n_images, n_features)
        Rows of unit length, from `unit_vectors`.
    row : int
    n : int
        Largest number of neighbours.
    among : ndarray of bool, shape (n_images,), optional
        Rows to search.

    Raises
    ------
    InvalidArgumentError
        When the row has no embedding.
    """
    if not np.isfinite(units[row, 0]):
        raise InvalidArgumentError(
            "This model has no valid embedding of this image. Choose another model."
        )
    similarity = (units @ units[row]).astype(np.float64)
    return _largest(similarity, row, n, among)


def patterns_like(
    patterns: NDArray[np.floating],
    row: int,
    n: int,
    among: NDArray[np.bool_] | None = None,
) -> Neighbours:
    """Find the trials whose response pattern correlates most with that of one trial.

    Parameters
    ----------
    patterns : ndarray of float, shape (n_trials, n_voxels)
        Each voxel z-scored over the trials of its session, NaN without an estimate. A pair of
        trials is correlated over their common voxels. Trials that lack more than half of the
        trial's voxels are left out, because few voxels give large correlations by chance.
    row, n, among
        As in `nearest`.

    Raises
    ------
    InvalidArgumentError
        When the trial's own pattern has fewer than three voxels, or does not vary.
    """
    seed = patterns[row].astype(np.float64)
    known = np.isfinite(seed)
    if known.sum() < _MIN_VOXELS or np.ptp(seed[known]) == 0:
        raise InvalidArgumentError(
            "This trial has no response pattern: fewer than three voxels have an estimate, or "
            "all have the same value. Choose another ROI or a lower noise ceiling."
        )
    return _largest(_correlations(patterns[:, known], seed[known]), row, n, among)


def _correlations(patterns: NDArray[np.floating], seed: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.empty(len(patterns))
    fewest = max(_MIN_VOXELS, len(seed) / 2)
    for start in range(0, len(patterns), _CHUNK):
        part = patterns[start : start + _CHUNK].astype(np.float64)
        known = np.isfinite(part)
        part[~known] = 0
        weights = known.astype(np.float64)
        count = weights.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            seed_mean, own_mean = (weights @ seed) / count, part.sum(axis=1) / count
            seed_power = (weights @ seed**2) / count - seed_mean**2
            own_power = np.einsum("ij,ij->i", part, part) / count - own_mean**2
            shared = (part @ seed) / count - seed_mean * own_mean
            # Rounding gives a constant pattern a power slightly above or below 0.
            varies = (seed_power > 1e-12) & (own_power > 1e-12) & (count >= fewest)
            found[start : start + _CHUNK] = np.where(
                varies, shared / np.sqrt(seed_power * own_power), np.nan
            )
    return np.clip(found, -1, 1)


def _largest(
    similarity: NDArray[np.float64], row: int, n: int, among: NDArray[np.bool_] | None
) -> Neighbours:
    candidates = np.isfinite(similarity)
    if among is not None:
        candidates &= among
    candidates[row] = False
    rows = np.flatnonzero(candidates)
    if len(rows) > n:
        cut = np.partition(similarity[rows], len(rows) - n)[len(rows) - n]
        rows = rows[similarity[rows] >= cut]
    ranked = rows[np.argsort(-similarity[rows], kind="stable")][:n]
    return Neighbours(ranked, similarity[ranked])
