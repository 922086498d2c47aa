"""Resampling as sparse matrices: made once, applied to any number of trials.

A row holds what one output point takes from the inputs. Trials go through in blocks, so
that memory is the output, the matrix and `BLOCK_BYTES` or so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BLOCK_BYTES = 64 << 20
_ENOUGH = 0.5 - 1e-9  # of the weight; half counts as half after rounding too
_CORNERS = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])


def trial_blocks(n_trials: int, n_values: int) -> Iterator[slice]:
    """Slices of trials whose values, `n_values` float64 each, stay near `BLOCK_BYTES`."""
    step = max(1, BLOCK_BYTES // (8 * max(n_values, 1)))
    for start in range(0, n_trials, step):
        yield slice(start, min(start + step, n_trials))


def trilinear(
    points: NDArray[np.float64], shape: tuple[int, int, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The eight voxels around each point and their weights.

    Parameters
    ----------
    points : array of shape (n, 3)
        In voxels. Beyond the last voxel of an axis the slope of the last two continues.
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
    """Rows of weights on grid voxels as a matrix over the voxels of a mask.

    Parameters
    ----------
    voxels, weights : arrays of shape (n, k)
        Flat grid indices and what each gets.
    column_of : array of int, shape (n_total_voxels,)
        The column of each voxel of the grid; -1 where it has none.

    Returns
    -------
    csr_array of float64, shape (n, n_voxels)
        Without the weights that are 0 or lie outside the mask.
    """
    from scipy.sparse import csr_array

    columns = column_of[voxels]
    kept = (columns >= 0) & (weights != 0)
    starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    shape = (len(voxels), int(column_of.max(initial=-1)) + 1)
    return csr_array((weights[kept], columns[kept], starts), shape=shape)


def weighted_means(matrix: csr_array, values: NDArray) -> NDArray[np.float32]:
    """Means over the values that are known, for every trial.

    Parameters
    ----------
    matrix : csr_array of shape (n_out, n_in)
        Weights of at least 0; a row that lies wholly inside its source sums to 1.
    values : array of shape (n_trials, n_in)
        NaN where nothing is known.

    Returns
    -------
    ndarray of float32, shape (n_trials, n_out)
        NaN where less than half of the weight falls on known values.
    """
    out = np.empty((len(values), matrix.shape[0]), dtype=np.float32)
    whole = matrix.sum(axis=1)[:, None]
    for trials in trial_blocks(len(values), sum(matrix.shape)):
        block = np.ascontiguousarray(values[trials].T, dtype=np.float64)
        unknown = np.isnan(block)
        share = whole
        if unknown.any():
            share = matrix @ (~unknown).astype(np.float64)
            block[unknown] = 0
        means = np.full((matrix.shape[0], block.shape[1]), np.nan)
        np.divide(matrix @ block, share, out=means, where=share >= _ENOUGH)
        out[trials] = means.T
    return out
