"""Meshes and grids that the template tests share."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from laion_fmri.volumes.nifti import Grid

_GOLDEN = (1 + 5**0.5) / 2


@cache
def _icosphere(level: int) -> tuple[np.ndarray, np.ndarray]:
    if level == 0:
        points = np.array(
            [
                p
                for a in (-1, 1)
                for b in (-_GOLDEN, _GOLDEN)
                for p in ((0, a, b), (a, b, 0), (b, 0, a))
            ],
            dtype=float,
        )
        from scipy.spatial import ConvexHull

        return points / np.linalg.norm(points[0]), ConvexHull(points).simplices
    points, triangles = _icosphere(level - 1)
    edges = np.sort(
        np.concatenate([triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])]), axis=1
    )
    unique, which = np.unique(edges, axis=0, return_inverse=True)
    middles = points[unique].sum(axis=1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    ab, bc, ca = len(points) + which.reshape(3, -1)
    a, b, c = triangles.T
    parts = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    return np.concatenate([points, middles]), np.concatenate([np.stack(p, axis=1) for p in parts])


@pytest.fixture(scope="session")
def icosphere():
    """A function of the number of subdivisions: unit vertices and triangles, as fsaverage's."""
    return _icosphere


@pytest.fixture
def grid() -> Grid:
    """An oblique grid around the origin."""
    affine = np.array(
        [[-3, 0.4, 0.2, 30], [0.3, 3.2, -0.5, -33], [0.1, 0.6, 2.9, -34], [0, 0, 0, 1]]
    )
    return Grid((20, 21, 22), affine)


@pytest.fixture
def column_of(grid: Grid) -> np.ndarray:
    """The voxels of a ball of 26 mm, numbered in C order; -1 outside."""
    indices = np.indices(grid.shape).reshape(3, -1).T
    positions = indices @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    inside = np.linalg.norm(positions, axis=1) < 26
    numbered = np.full(grid.n_voxels, -1, dtype=np.int32)
    numbered[inside] = np.arange(inside.sum())
    return numbered
