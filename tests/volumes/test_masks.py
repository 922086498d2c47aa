"""The voxel axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import AFFINE
from hypothesis import given
from hypothesis.extra import numpy as hnp

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.volumes.grid import Volume
from laion_fmri.volumes.masks import columns, nonzero, require_mask_source
from laion_fmri.volumes.nifti import Grid


def test_nan_and_zero_are_outside():
    values = np.array([[[0, -0.0, np.nan, 1e-30, -2, np.inf]]])
    volume = Volume(Path("x"), values, Grid((1, 1, 6), AFFINE))
    assert nonzero(volume).tolist() == [False, False, False, True, True, True]


@given(hnp.arrays(bool, 12), hnp.arrays(bool, 12))
def test_masks_over_the_grid_and_over_the_brain_mean_the_same(brain, mask):
    over_grid = columns(brain, mask)
    assert np.array_equal(over_grid, np.flatnonzero(brain & mask))
    assert np.array_equal(columns(brain, mask[brain]), over_grid)
    assert np.array_equal(columns(brain), np.flatnonzero(brain))


@pytest.mark.parametrize(
    "bad", [np.ones(3, bool), np.ones(6), np.ones((2, 3), bool), [0, 1, 1, 0, 0, 0], "x", True]
)
def test_other_masks_are_refused(bad):
    with pytest.raises(InvalidArgumentError, match="6 \\(voxels of the grid\\)"):
        columns(np.array([1, 1, 0, 0, 1, 1], bool), bad)


def test_mask_sources():
    assert require_mask_source("rsquare") == "rsquare"
    with pytest.raises(UnknownNameError, match="Did you mean 'rsquare'"):
        require_mask_source("rsquared")
