"""Barycentric interpolation between registered spheres.

The weights equal those of ``nitransforms.surface.SurfaceResampler``, computed for all vertices at
once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_ROUNDING = 1e-6  # smaller weights are set to 0
_NEAREST = (1, 12)  # numbers of vertices whose triangles are tried; one usually suffices


def barycentric_weights(points: NDArray, triangles: NDArray, targets: NDArray) -> csr_array:
    """Compute the weights of the corners of each target's triangle.

    Both meshes are centred on the origin; radii are ignored.

    Parameters
    ----------
    points : array of shape (n_points, 3)
        Vertices of the source sphere.
    triangles : array of int, shape (n_triangles, 3)
    targets : array of shape (n_targets, 3)
        Vertices of the target sphere.

    Returns
    -------
    csr_array of float64, shape (n_targets, n_points)
        Nonnegative; each row sums to 1. A target in no triangle uses the closest one.
    """
    from scipy.sparse import csr_array
    from scipy.spatial import KDTree

    corners, targets = _directions(points), _directions(targets)
    tree = KDTree(corners)
    around, starts = _triangles_around(triangles, len(corners))
    chosen = np.zeros(len(targets), dtype=np.intp)
    weights = np.zeros((len(targets), 3))
    pending = np.arange(len(targets))
    for n_nearest in _NEAREST:
        nearest = tree.query(targets[pending], k=[*range(1, n_nearest + 1)])[1]
        owner, candidate = _spread(nearest, around, starts)
        found = _corner_weights(corners[triangles[candidate]], targets[pending[owner]])
        best = _best_of_each(owner, found.min(axis=1), len(pending))
        chosen[pending], weights[pending] = candidate[best], found[best]
        pending = pending[weights[pending].min(axis=1) < -_ROUNDING]
        if not len(pending):
            break
    weights[weights < _ROUNDING] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(targets)), 3)
    matrix = csr_array(
        (weights.ravel(), (rows, triangles[chosen].ravel())), shape=(len(targets), len(corners))
    )
    matrix.eliminate_zeros()
    return matrix


def _directions(points: NDArray) -> NDArray[np.float64]:
    points = np.asarray(points, dtype=np.float64)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _triangles_around(
    triangles: NDArray, n_points: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the triangles around each vertex v as ``around[starts[v]:starts[v + 1]]``."""
    flat = triangles.ravel()
    around = np.argsort(flat, kind="stable") // 3
    starts = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=n_points))])
    return around, starts


def _spread(
    nearest: NDArray[np.intp], around: NDArray[np.intp], starts: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return all pairs of a row of `nearest` and a triangle around one of its vertices."""
    flat = nearest.ravel()
    count = starts[flat + 1] - starts[flat]
    owner = np.repeat(np.repeat(np.arange(len(nearest)), nearest.shape[1]), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return owner, around[np.repeat(starts[flat], count) + within]


def _corner_weights(corners: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray:
    """Compute barycentric weights at the intersection of each point's ray and triangle plane."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    volumes = np.stack(
        [
            np.einsum("ij,ij->i", points, np.cross(first, second))
            for first, second in ((b, c), (c, a), (a, b))
        ],
        axis=1,
    )
    total = volumes.sum(axis=1, keepdims=True)
    flat = np.abs(total) < np.finfo(float).tiny
    return np.where(flat, -np.inf, volumes / np.where(flat, 1, total))


def _best_of_each(owner: NDArray[np.intp], score: NDArray, n_owners: int) -> NDArray[np.intp]:
    """Return the pair with the highest score of each owner."""
    order = np.lexsort((score, owner))
    return order[np.searchsorted(owner[order], np.arange(n_owners), side="right") - 1]
