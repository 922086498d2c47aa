from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator
from scipy.sparse import csr_array

from laion_fmri.templates import weights
from laion_fmri.templates.weights import masked_rows, trilinear, weighted_means


def test_trilinear_is_scipys_linear_interpolation():
    rng = np.random.default_rng(0)
    volume = rng.standard_normal((4, 5, 6))
    points = rng.uniform(-0.5, [3.5, 4.5, 5.5], (200, 3))
    axes = [np.arange(n) for n in volume.shape]
    expected = RegularGridInterpolator(axes, volume, bounds_error=False, fill_value=None)(points)
    voxels, shares = trilinear(points, volume.shape)
    np.testing.assert_allclose((volume.ravel()[voxels] * shares).sum(axis=1), expected, atol=1e-12)


def test_a_grid_of_one_slice():
    voxels, shares = trilinear(np.array([[1.25, 0.0, 0.0]]), (3, 1, 1))
    np.testing.assert_allclose((np.array([5.0, 6, 10])[voxels] * shares).sum(), 7)


def test_voxels_outside_the_mask_have_no_column():
    column_of = np.array([-1, 0, -1, 1], dtype=np.int32)
    rows = masked_rows(
        np.array([[0, 1], [2, 3], [1, 3]]), np.array([[1, 2], [3, 4], [5, 0.0]]), column_of
    )
    np.testing.assert_array_equal(rows.toarray(), [[2, 0], [0, 4], [5, 0]])
    assert rows.nnz == 3


MATRIX = csr_array(np.array([[0.5, 0.5, 0], [0, 0.4, 0.6], [0, 0, 1], [0.3, 0, 0], [0, 0, 0]]))


def test_a_mean_needs_half_of_its_weight():
    values = np.array([[2, 4, 10], [np.nan, 4, 10], [2, 4, np.nan], [np.nan] * 3])
    n = np.nan
    expected = [[3, 7.6, 10, n, n], [4, 7.6, 10, n, n], [3, n, n, n, n], [n] * 5]
    np.testing.assert_allclose(weighted_means(MATRIX, values), expected, rtol=1e-6)


def test_a_corner_that_weighs_nothing_spreads_nothing():
    matrix = csr_array(np.array([[1 - 1e-12, 1e-12]]))
    np.testing.assert_allclose(weighted_means(matrix, np.array([[5, np.nan]])), [[5]])
    assert np.isnan(weighted_means(matrix, np.array([[np.nan, 5]]))).all()


@pytest.mark.parametrize("n_trials", [0, 1, 7])
def test_blocks_of_trials_change_nothing(monkeypatch, n_trials):
    values = np.random.default_rng(1).standard_normal((n_trials, 3)).astype(np.float32)
    whole = weighted_means(MATRIX, values)
    monkeypatch.setattr(weights, "BLOCK_BYTES", 8 * 8 * 2)  # two trials
    np.testing.assert_array_equal(weighted_means(MATRIX, values), whole)
    assert whole.shape == (n_trials, 5)
    assert whole.dtype == np.float32
