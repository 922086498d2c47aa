from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from laion_fmri.templates import cortex, weights
from laion_fmri.templates.cortex import CortexSampler
from laion_fmri.volumes.surfaces import Surface

vol_to_surf = pytest.importorskip("nilearn.surface").vol_to_surf


def shell(icosphere, radius: float, level: int = 3) -> Surface:
    points, triangles = icosphere(level)
    bumpy = points * (radius + 3 * np.sin(4 * points[:, [0]]))
    return Surface(bumpy.astype(np.float32), triangles)


def by_nilearn(sampler: CortexSampler, values: np.ndarray, outside: float = 0) -> np.ndarray:
    volume = np.full(sampler.grid.n_voxels, float(outside))
    volume[sampler.column_of >= 0] = values
    with np.errstate(all="ignore"):
        return vol_to_surf(
            nib.Nifti1Image(volume.reshape(sampler.grid.shape), sampler.grid.affine),
            surf_mesh=(sampler.pial.points, sampler.pial.triangles),
            inner_mesh=(sampler.white.points, sampler.white.triangles),
        )


def without_nan(sampler: CortexSampler, values: np.ndarray) -> np.ndarray:
    """`vol_to_surf` with NaN left out of its average, where half of the weight is on values."""
    known = np.isfinite(values)
    total = by_nilearn(sampler, np.where(known, values, 0))
    weight = by_nilearn(sampler, known, outside=1)  # zeros outside the mask are values
    in_mask = by_nilearn(sampler, known)
    has_value = (in_mask > 0.5) | (weight > 1 - 1e-9)
    return np.where(has_value, total / np.where(has_value, weight, 1), np.nan)


@pytest.fixture
def sampler(icosphere, grid, column_of):
    return CortexSampler(shell(icosphere, 20.5), shell(icosphere, 17), grid, column_of)


def test_a_linear_field_is_that_of_the_middle_of_the_cortex(sampler, grid, column_of):
    inside = np.argwhere(column_of.reshape(grid.shape) >= 0)
    gradient = np.array([0.2, -0.5, 0.3])
    field = (inside @ grid.affine[:3, :3].T + grid.affine[:3, 3]) @ gradient
    small = CortexSampler(
        Surface(sampler.pial.points * 0.8, sampler.pial.triangles),
        Surface(sampler.white.points * 0.8, sampler.white.triangles),
        grid,
        column_of,
    )
    middle = (small.pial.points + small.white.points) / 2
    np.testing.assert_allclose(small.means(field[None])[0], middle @ gradient, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize("share_unknown", [0, 0.01, 0.3, 1])
def test_values_are_those_of_vol_to_surf(sampler, share_unknown):
    rng = np.random.default_rng(3)
    n_voxels = sampler.column_of.max() + 1
    values = rng.standard_normal((3, n_voxels))
    values[rng.random(values.shape) < share_unknown] = np.nan  # other voxels in each trial
    found = sampler.means(values)
    for row, trial in zip(found, values, strict=True):
        np.testing.assert_allclose(row, without_nan(sampler, trial), atol=1e-5)
    assert found.dtype == np.float32


def test_a_map_of_one_region_keeps_the_vertices_that_lie_in_it(sampler, grid, column_of):
    """Scores of an ROI: every voxel around it is NaN."""
    positions = np.argwhere(column_of.reshape(grid.shape) >= 0) @ grid.affine[:3, :3].T
    in_roi = (positions + grid.affine[:3, 3])[:, 0] > 4
    vertices = (sampler.pial.points + sampler.white.points)[:, 0] / 2
    found = sampler.means(np.where(in_roi, 7.0, np.nan)[None])[0]
    # Some touch the zeros outside the mask.
    np.testing.assert_allclose(found[vertices > 6], 7, rtol=0.05)
    assert np.isnan(found[vertices < 2]).all()


def test_half_of_the_weight_is_enough_whatever_else_is_nan(grid):
    """One vertex midway between two voxels, at the edge of the mask or not."""
    indices = np.array([[10, 10, 10], [11, 10, 10]])
    column_of = np.full(grid.n_voxels, -1, dtype=np.int32)
    point = (indices.mean(axis=0) @ grid.affine[:3, :3].T + grid.affine[:3, 3])[None]
    surface = Surface(point, np.zeros((0, 3), dtype=np.int32))
    column_of[np.ravel_multi_index(tuple(indices.T), grid.shape)] = [0, 1]
    both = CortexSampler(surface, surface, grid, column_of)
    values = np.array([[4.0, 8.0], [4.0, np.nan], [np.nan, 8.0], [np.nan, np.nan]])
    np.testing.assert_allclose(both.means(values)[:, 0], [6, 4, 8, np.nan])
    column_of[column_of == 1] = -1  # now outside the mask, where volumes have 0
    one = CortexSampler(surface, surface, grid, column_of)
    np.testing.assert_allclose(one.means(values[::3, :1])[:, 0], [2, np.nan])


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_samples_off_the_grid_are_left_out_as_in_vol_to_surf(icosphere, grid):
    everything = np.arange(grid.n_voxels, dtype=np.int32)
    large = CortexSampler(shell(icosphere, 36), shell(icosphere, 28), grid, everything)
    values = np.random.default_rng(4).standard_normal(grid.n_voxels)
    expected = by_nilearn(large, values)
    assert 0.05 < np.isnan(expected).mean() < 0.9
    np.testing.assert_allclose(large.means(values[None])[0], expected, atol=1e-5)


def test_vertices_with_no_voxel_of_the_mask_near_are_nan(icosphere, sampler, grid, column_of):
    outside = CortexSampler(shell(icosphere, 41), shell(icosphere, 39), grid, column_of)
    assert np.isnan(outside.means(np.ones((1, column_of.max() + 1)))).all()
    assert not np.isnan(sampler.means(np.ones((1, column_of.max() + 1)))).any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unknown", ["nowhere", "the same", "another in each trial"])
def test_blocks_change_nothing(monkeypatch, sampler, unknown):
    rng = np.random.default_rng(5)
    values = rng.standard_normal((5, sampler.column_of.max() + 1)).astype(np.float32)
    if unknown == "the same":
        values[:, ::3] = np.nan
    elif unknown != "nowhere":
        values[rng.random(values.shape) < 0.2] = np.nan
    whole = sampler.means(values)
    monkeypatch.setattr(weights, "BLOCK_BYTES", 8 * (values.shape[1] + 642) * 2)
    monkeypatch.setattr(cortex, "_VERTICES_AT_ONCE", 97)
    again = CortexSampler(sampler.pial, sampler.white, sampler.grid, sampler.column_of)
    np.testing.assert_allclose(again.means(values), whole, rtol=1e-6)
