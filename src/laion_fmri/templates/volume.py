"""Trilinear interpolation between volume grids related by an affine."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri.templates.weights import masked_rows, trilinear
from laion_fmri.volumes.nifti import Grid

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def volume_weights(
    source: Grid, column_of: NDArray[np.int32], target: Grid, to_target: NDArray[np.float64]
) -> tuple[NDArray[np.intp], csr_array]:
    """Compute the weights of a mask's voxels for each voxel of a target.

    Parameters
    ----------
    source : Grid
    column_of : array of int, shape (n_total_voxels,)
        Index of each source voxel among the values; -1 if it has none.
    target : Grid
    to_target : array of shape (4, 4)
        From mm of the source's space to mm of the target's.

    Returns
    -------
    voxels : ndarray of int, shape (n_reached,)
        Flat indices, Fortran order, of the target's voxels with any weight.
    weights : csr_array of float64, shape (n_reached, n_voxels)
    """
    from scipy.sparse import csr_array, vstack

    to_source = np.linalg.inv(source.affine) @ np.linalg.inv(to_target) @ target.affine
    low, high = _reach(
        source, column_of, target, np.asarray(np.linalg.inv(to_source), dtype=np.float64)
    )
    plane = np.array(
        [(i, j) for j in range(low[1], high[1]) for i in range(low[0], high[0])], dtype=np.intp
    ).reshape(-1, 2)
    found: list[NDArray[np.intp]] = [np.empty(0, dtype=np.intp)]
    blocks = [csr_array((0, int(column_of.max(initial=-1)) + 1))]
    for k in range(low[2], high[2]):
        indices = np.column_stack([plane, np.full(len(plane), k)])
        points = indices @ to_source[:3, :3].T + to_source[:3, 3]
        inside = ((points >= 0) & (points <= np.asarray(source.shape) - 1)).all(axis=1)
        rows = masked_rows(*trilinear(points[inside], source.shape), column_of)
        reached = np.diff(rows.indptr) > 0
        blocks.append(rows[reached])
        indices = indices[inside][reached]
        found.append(np.ravel_multi_index(tuple(indices.T), target.shape, order="F"))
    return np.concatenate(found), csr_array(vstack(blocks, format="csr"))


def _reach(
    source: Grid, column_of: NDArray[np.int32], target: Grid, to_target_voxels: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the box of target voxels that the mask can reach: first, and one past the last."""
    masked = np.flatnonzero(column_of >= 0)
    if not len(masked):
        return np.zeros(3, dtype=np.intp), np.zeros(3, dtype=np.intp)
    axes = np.unravel_index(masked, source.shape)
    corners = np.array([*product(*((axis.min() - 1, axis.max() + 1) for axis in axes))])
    box = corners @ to_target_voxels[:3, :3].T + to_target_voxels[:3, 3]
    low = np.clip(np.floor(box.min(axis=0)), 0, target.shape).astype(np.intp)
    high = np.clip(np.ceil(box.max(axis=0)) + 1, low, target.shape).astype(np.intp)
    return low, high
