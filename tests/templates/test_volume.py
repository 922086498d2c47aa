from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from laion_fmri.templates.volume import volume_weights
from laion_fmri.templates.weights import weighted_means
from laion_fmri.volumes.nifti import Grid

TO_TARGET = np.array(
    [[1.05, 0.02, -0.01, 2], [-0.03, 0.98, 0.04, -1], [0.02, -0.05, 1.1, 3], [0, 0, 0, 1]]
)
TARGET = Grid(
    (50, 44, 48),
    np.array([[-2, 0, 0, 50], [0, 0, 2.0, -44], [0, -2, 0, 44], [0, 0, 0, 1]]),
)


def in_source_voxels(grid: Grid) -> np.ndarray:
    """Where the target's voxels lie in the source, shape (3, n), Fortran order."""
    indices = np.stack([i.ravel(order="F") for i in np.indices(TARGET.shape)])
    there = np.linalg.inv(grid.affine) @ np.linalg.inv(TO_TARGET) @ TARGET.affine
    return there[:3, :3] @ indices + there[:3, [3]]


def test_weights_are_those_of_linear_interpolation(grid, column_of):
    rng = np.random.default_rng(0)
    values = rng.standard_normal(column_of.max() + 1)
    volume = np.zeros(grid.n_voxels)
    volume[column_of >= 0] = values
    expected = map_coordinates(volume.reshape(grid.shape), in_source_voxels(grid), order=1)
    found = np.zeros(TARGET.n_voxels)
    reached, weights = volume_weights(grid, column_of, TARGET, TO_TARGET)
    found[reached] = weights @ values
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert len(np.unique(reached)) == len(reached)


def test_a_linear_field_is_exact_and_unmixed_with_what_is_outside(grid, column_of):
    gradient, constant = np.array([0.3, -0.2, 0.1]), 40
    inside = np.argwhere(column_of.reshape(grid.shape) >= 0)
    field = (inside @ grid.affine[:3, :3].T + grid.affine[:3, 3]) @ gradient + constant
    reached, weights = volume_weights(grid, column_of, TARGET, TO_TARGET)
    found = weighted_means(weights, field[None])[0]
    voxels = in_source_voxels(grid)[:, reached]
    truth = gradient @ (grid.affine[:3, :3] @ voxels + grid.affine[:3, [3]]) + constant
    whole = np.asarray(weights.sum(axis=1)) > 1 - 1e-9
    assert whole.mean() > 0.5
    np.testing.assert_allclose(found[whole], truth[whole], rtol=1e-5)
    known = ~np.isnan(found)
    assert not known.all()
    assert np.abs(found - truth)[known].max() < 1.5  # a voxel's worth; with zeros it would be 20


def test_an_empty_mask_reaches_nothing(grid):
    nothing = np.full(grid.n_voxels, -1, dtype=np.int32)
    reached, weights = volume_weights(grid, nothing, TARGET, TO_TARGET)
    assert len(reached) == 0
    assert weights.shape == (0, 0)


def test_a_mask_beside_the_target_reaches_nothing(grid, column_of):
    away = TO_TARGET.copy()
    away[0, 3] = 1000
    reached, weights = volume_weights(grid, column_of, TARGET, away)
    assert len(reached) == 0
    assert weights.shape == (0, column_of.max() + 1)
