"""Z-scores of betas over the trials of a session or a run, and means that ignore NaN."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from laion_fmri import memory
from laion_fmri._errors import InvalidArgumentError

_COLUMNS_AT_ONCE = 1024  # voxels per thread in float64
_THREADS = 2


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
    betas = _checked(betas)
    dtype = np.result_type(betas.dtype, np.float32)
    out = memory.empty(betas.shape, dtype)

    def fill(some: slice) -> None:
        values, _, deviation = _centred(betas[:, some])
        # Voxels without values intentionally give 0 / 0 = NaN.
        with np.errstate(invalid="ignore", divide="ignore"):
            values /= deviation
        out[:, some] = values

    _in_columns(fill, betas.shape[1])
    return out


def mean_and_deviation(betas: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what `z_scored` subtracts from each voxel and what it divides by.

    Parameters
    ----------
    betas : ndarray, shape (n_trials, n_voxels)

    Returns
    -------
    mean, deviation : ndarray of float64, shape (n_voxels,)
        The deviation of a constant voxel is NaN.

    Raises
    ------
    InvalidArgumentError
        When the betas are not a 2-D array of real numbers.
    """
    betas = _checked(betas)
    mean, deviation = np.empty(betas.shape[1]), np.empty(betas.shape[1])

    def fill(some: slice) -> None:
        _, mean[some], deviation[some] = _centred(betas[:, some])

    _in_columns(fill, betas.shape[1])
    return mean, deviation


def z_scored_within(betas: NDArray, groups: ArrayLike) -> NDArray[np.floating]:
    """Z-score each voxel over the trials of each group, such as a run, as `z_scored` does.

    Parameters
    ----------
    betas : ndarray, shape (n_trials, n_voxels)
    groups : array_like, shape (n_trials,)
        The group of each trial.

    Returns
    -------
    ndarray, shape (n_trials, n_voxels)

    Raises
    ------
    InvalidArgumentError
        When the numbers of trials differ, or the betas are not a 2-D array of real numbers.
    """
    betas, groups = np.asarray(betas), np.asarray(groups)
    if groups.shape != betas.shape[:1]:
        raise InvalidArgumentError(
            f"One group a trial was expected; there are groups of shape {groups.shape} and betas "
            f"of shape {betas.shape}."
        )
    members = [groups == group for group in np.unique(groups)]
    if len(members) < 2:
        return z_scored(betas)
    out = np.empty(betas.shape, np.result_type(betas.dtype, np.float32))
    for chosen in members:
        out[chosen] = z_scored(betas[chosen])
    return out


def _checked(betas: NDArray) -> NDArray:
    betas = np.asarray(betas)
    if betas.dtype.kind not in "biuf" or betas.ndim != 2:
        raise InvalidArgumentError(
            f"Real numbers of shape (n_trials, n_voxels) were expected; this array has dtype "
            f"{betas.dtype} and shape {betas.shape}."
        )
    return betas


def _in_columns(fill: Callable[[slice], None], n_voxels: int) -> None:
    places = [
        slice(start, start + _COLUMNS_AT_ONCE) for start in range(0, n_voxels, _COLUMNS_AT_ONCE)
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(fill, places))


def _centred(
    betas: NDArray,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the betas minus their mean, the mean, and the deviation."""
    values = betas.astype(np.float64)
    n_values: int | NDArray[np.intp] = len(values)
    total = values.sum(axis=0)
    missing = np.isnan(values) if np.isnan(total).any() else None
    if missing is not None:
        n_values = len(values) - missing.sum(axis=0)
        total = values.sum(axis=0, where=~missing)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / n_values
        values -= mean
        squares = values if missing is None else np.where(missing, 0, values)
        deviation = np.sqrt(np.einsum("ij,ij->j", squares, squares) / n_values)
    deviation[_is_constant(betas)] = np.nan
    return values, mean, deviation


def _is_constant(betas: NDArray) -> NDArray[np.bool_]:
    """Return which voxels are constant; rounding can give them a tiny deviation."""
    if len(betas) == 0:
        return np.ones(betas.shape[1], dtype=bool)
    with np.errstate(invalid="ignore"):
        return ~(np.fmin.reduce(betas) < np.fmax.reduce(betas))
