"""Resampling by sparse matrices, computed once and applied to any number of trials.

A row holds the weights of one output point. Trials are processed in blocks, so that memory holds
the output, the matrix and about `BLOCK_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BLOCK_BYTES = 64 << 20
_ENOUGH = 0.5 - 1e-9  # fraction of the weight, with a tolerance for rounding
_CORNERS = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])


def trial_blocks(n_trials: int, n_values: int) -> Iterator[slice]:
    """Yield slices of trials whose values, `n_values` float64 each, take about `BLOCK_BYTES`."""
    step = max(1, BLOCK_BYTES // (8 * max(n_values, 1)))
    for start in range(0, n_trials, step):
        yield slice(start, min(start + step, n_trials))


def trilinear(
    points: NDArray[np.float64], shape: tuple[int, int, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Compute the eight voxels around each point and their weights.

    Parameters
    ----------
    points : array of shape (n, 3)
        In voxels. Points beyond the last voxel of an axis are extrapolated linearly.
    shape : tuple of int
        Of the grid.

    Returns
    -------
    voxels : ndarray of int, shape (n, 8)
        Flat indices in C order.
    weights : ndarray of float64, shape (n, 8)
        Each row sums to 1.
    """
    last = np.asarray(shape) - 1
    low = np.clip(np.floor(points).astype(np.int64), 0, np.maximum(last - 1, 0))
    along = points - low
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    voxels = np.zeros((len(points), 8), dtype=np.int64)
    weights = np.ones((len(points), 8))
    for axis in range(3):
        step = _CORNERS[:, axis]
        voxels += np.minimum(low[:, [axis]] + step, last[axis]) * strides[axis]
        weights *= np.where(step == 1, along[:, [axis]], 1 - along[:, [axis]])
    return voxels, weights


def masked_rows(
    voxels: NDArray[np.int64], weights: NDArray[np.float64], column_of: NDArray[np.int32]
) -> csr_array:
    """Convert weights of grid voxels to a matrix over the voxels of a mask.

    Parameters
    ----------
    voxels, weights : arrays of shape (n, k)
        Flat grid indices and their weights.
    column_of : array of int, shape (n_total_voxels,)
        Column of each grid voxel; -1 if it has none.

    Returns
    -------
    csr_array of float64, shape (n, n_voxels)
        Without zero weights and weights outside the mask.
    """
    from scipy.sparse import csr_array

    columns = column_of[voxels]
    kept = (columns >= 0) & (weights != 0)
    starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    shape = (len(voxels), int(column_of.max(initial=-1)) + 1)
    return csr_array((weights[kept], columns[kept], starts), shape=shape)


def weighted_means(
    matrix: csr_array, values: NDArray, *, zero_outside: bool = False
) -> NDArray[np.float32]:
    """Compute weighted means over the valid values of every trial.

    Parameters
    ----------
    matrix : csr_array of shape (n_out, n_in)
        Weights; a row entirely inside its source sums to 1.
    values : array of shape (n_trials, n_in)
        NaN for missing values.
    zero_outside : bool
        Treat weight outside the source as weight on zeros, so that a row without NaN always has a
        value. By default, it is ignored.

    Returns
    -------
    ndarray of float32, shape (n_trials, n_out)
        NaN where valid values hold less than half of the weight.
    """
    out = np.empty((len(values), matrix.shape[0]), dtype=np.float32)
    inside = matrix.sum(axis=1)[:, None]
    whole = np.ones_like(inside) if zero_outside else inside
    touching = np.diff(matrix.indptr)[:, None] > 0
    for trials in trial_blocks(len(values), sum(matrix.shape)):
        block = np.array(values[trials].T, dtype=np.float64, order="C")
        unknown = np.isnan(block)
        lost = np.zeros((1, 1))
        if unknown.any():
            # Usually, the same voxels are missing in every trial, so one column is enough.
            is_constant = (unknown == unknown[:, :1]).all()
            lost = matrix @ (unknown[:, :1] if is_constant else unknown).astype(np.float64)
            block[unknown] = 0
        has_value = inside - lost >= _ENOUGH
        if zero_outside:
            has_value |= touching & (lost == 0)
        means = np.full((matrix.shape[0], block.shape[1]), np.nan)
        np.divide(matrix @ block, whole - lost, out=means, where=has_value)
        out[trials] = means.T
    return out
