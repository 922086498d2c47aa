"""The nearest images in an embedding, and the trials with the most similar response pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError

Rows = NDArray[np.intp]
_AT_ONCE = 4096  # rows made into unit vectors at a time: bounds what stands beside the result


@dataclass(frozen=True)
class Neighbours:
    """What lies nearest, the nearest first.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
    similarity : ndarray of float64, shape (n,)
        Cosine or correlation, descending.
    """

    rows: Rows
    similarity: NDArray[np.float64]


def unit_vectors(features: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Every row divided by its length.

    Parameters
    ----------
    features : ndarray of float, shape (n_images, n_features)
        Of any length; some models' are not normalized.
    valid : ndarray of bool, shape (n_images,)

    Returns
    -------
    ndarray of float32, shape (n_images, n_features)
        NaN where a row is not valid, not finite, or of length 0 and so has no direction.
    """
    units = np.empty(features.shape, dtype=np.float32)
    for start in range(0, len(features), _AT_ONCE):
        part = features[start : start + _AT_ONCE].astype(np.float32)
        length = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))
        good = valid[start : start + _AT_ONCE] & np.isfinite(length) & (length > 0)
        part /= np.where(good, length, np.nan)[:, None].astype(np.float32)
        units[start : start + _AT_ONCE] = part
    return units


def nearest(
    units: NDArray[np.float32],
    row: int,
    n: int,
    among: NDArray[np.bool_] | None = None,
) -> Neighbours:
    """The rows with the largest cosine to one row, without itself.

    Parameters
    ----------
    units : ndarray of float32, shape (n_images, n_features)
        As from `unit_vectors`.
    row : int
    n : int
        How many at most.
    among : ndarray of bool, shape (n_images,), optional
        Only these.

    Raises
    ------
    InvalidArgumentError
        When the row itself has no embedding.
    """
    if not np.isfinite(units[row, 0]):
        raise InvalidArgumentError(
            "This model has no valid embedding of this image, so nothing is near it. "
            "Choose another model."
        )
    similarity = (units @ units[row]).astype(np.float64)
    return _largest(similarity, row, n, among)


def patterns_like(
    patterns: NDArray[np.floating],
    row: int,
    n: int,
    among: NDArray[np.bool_] | None = None,
) -> Neighbours:
    """The trials whose response pattern correlates most with that of one trial.

    Parameters
    ----------
    patterns : ndarray of float, shape (n_trials, n_voxels)
        Each voxel z-scored over the trials of its session. NaN where there is no estimate:
        a pair of trials is correlated over the voxels that both have.
    row, n, among
        As for `nearest`.

    Raises
    ------
    InvalidArgumentError
        When the trial's own pattern has fewer than three voxels, or does not vary.
    """
    seed = patterns[row].astype(np.float64)
    here = np.isfinite(seed)
    if here.sum() < 3 or np.ptp(seed[here]) == 0:
        raise InvalidArgumentError(
            "This trial has no response pattern here: fewer than three voxels have an estimate, "
            "or all have the same. Choose another ROI or a lower noise ceiling."
        )
    return _largest(_correlations(patterns[:, here], seed[here]), row, n, among)


def _correlations(patterns: NDArray[np.floating], seed: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.empty(len(patterns))
    for start in range(0, len(patterns), _AT_ONCE):
        part = patterns[start : start + _AT_ONCE].astype(np.float64)
        known = np.isfinite(part)
        part[~known] = 0
        weights = known.astype(np.float64)
        count = weights.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            seed_mean, own_mean = (weights @ seed) / count, part.sum(axis=1) / count
            seed_power = (weights @ seed**2) / count - seed_mean**2
            own_power = np.einsum("ij,ij->i", part, part) / count - own_mean**2
            shared = (part @ seed) / count - seed_mean * own_mean
            # Rounding leaves a pattern that does not vary a power just above or below 0.
            varies = (seed_power > 1e-12) & (own_power > 1e-12) & (count >= 3)
            found[start : start + _AT_ONCE] = np.where(
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
