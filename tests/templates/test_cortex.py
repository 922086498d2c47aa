from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from laion_fmri.surfaces import Surface
from laion_fmri.templates import cortex, weights
from laion_fmri.templates.cortex import CortexSampler

vol_to_surf = pytest.importorskip("nilearn.surface").vol_to_surf


def shell(icosphere, radius: float, level: int = 3) -> Surface:
    points, triangles = icosphere(level)
    bumpy = points * (radius + 3 * np.sin(4 * points[:, [0]]))
    return Surface(bumpy.astype(np.float32), triangles)


def by_nilearn(sampler: CortexSampler, values: np.ndarray) -> np.ndarray:
    volume = np.zeros(sampler.grid.n_voxels)
    volume[sampler.column_of >= 0] = values
    with np.errstate(all="ignore"):
        return vol_to_surf(
            nib.Nifti1Image(volume.reshape(sampler.grid.shape), sampler.grid.affine),
            surf_mesh=(sampler.pial.points, sampler.pial.triangles),
            inner_mesh=(sampler.white.points, sampler.white.triangles),
        )


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
        np.testing.assert_allclose(row, by_nilearn(sampler, trial), atol=1e-5)
    assert found.dtype == np.float32


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
@pytest.mark.parametrize("unknown", [False, True])
def test_blocks_change_nothing(monkeypatch, sampler, unknown):
    rng = np.random.default_rng(5)
    values = rng.standard_normal((5, sampler.column_of.max() + 1)).astype(np.float32)
    if unknown:
        values[:, ::3] = np.nan
    whole = sampler.means(values)
    monkeypatch.setattr(weights, "BLOCK_BYTES", 8 * (values.shape[1] + 642) * 2)
    monkeypatch.setattr(cortex, "BLOCK_BYTES", 8 * cortex.N_DEPTHS * 100)
    monkeypatch.setattr(cortex, "_VERTICES_AT_ONCE", 97)
    again = CortexSampler(sampler.pial, sampler.white, sampler.grid, sampler.column_of)
    np.testing.assert_allclose(again.means(values), whole, rtol=1e-6)
