"""Greys and voxels as slices need them: nothing moves."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.volumes import slices
from laion_fmri.volumes.slices import (
    SliceAnatomy,
    VolumeGrid,
    bounding_box,
    column_major,
)

LAS = np.array([[-2, 0, 0, 10], [0, 2, 0, -20], [0, 0, 2, 5], [0, 0, 0, 1]], dtype=float)


@given(st.integers(0, 2**31), st.integers(0, 3))
def test_the_box_holds_the_mask_and_keeps_its_place(seed, padding):
    mask = np.random.default_rng(seed).random((5, 6, 7)) > 0.9
    box = bounding_box(mask, padding)
    assert mask[box].sum() == mask.sum()
    if mask.any() and padding == 0:
        for axis in range(3):
            edges = np.moveaxis(mask[box], axis, 0)
            assert edges[0].any() and edges[-1].any()


def test_every_voxel_of_the_mask_has_its_place_in_c_order():
    mask = np.zeros((9, 9, 9), bool)
    mask[4, 3, 2] = mask[4, 3, 5] = mask[6, 1, 2] = True
    grid = VolumeGrid.around(mask, LAS)
    voxels = np.stack(np.unravel_index(grid.indices, grid.shape, order="F"), 1) + grid.offset
    np.testing.assert_array_equal(voxels, np.argwhere(mask))
    assert [grid.place(voxel) for voxel in np.argwhere(mask)] == grid.indices.tolist()
    assert grid.place((-1, 3, 2)) == grid.place((4, 3, 60)) == -1
    np.testing.assert_array_equal(np.sort(grid.places(mask.ravel())), np.sort(grid.indices))
    packed = np.array(grid.packed["affine"]).reshape(4, 4, order="F")
    np.testing.assert_allclose(packed @ [0, 0, 0, 1], LAS @ [*grid.offset, 1])


def test_greys_lose_air_and_no_place():
    values = np.zeros((8, 8, 8))
    values[2:6, 3:7, 1:5] = np.linspace(100, 1000, 64).reshape(4, 4, 4)
    anatomy = SliceAnatomy.from_values(values, LAS)
    assert anatomy.greys.shape == (4, 4, 4)
    np.testing.assert_allclose(anatomy.affine @ [0, 0, 0, 1], LAS @ [2, 3, 1, 1])
    assert np.frombuffer(anatomy.packed["bytes"], np.uint8)[1] == anatomy.greys[1, 0, 0]
    assert SliceAnatomy.from_values(np.zeros((3, 3, 3)), LAS).greys.shape == (3, 3, 3)
    with pytest.raises(InvalidArgumentError):
        SliceAnatomy.from_values(np.zeros(3), LAS)
    assert column_major(LAS)[12:15] == [10, -20, 5]


def test_the_example_runs():
    assert doctest.testmod(slices).failed == 0
