from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri._errors import InconsistentDataError, InvalidArgumentError
from laion_fmri.explorer.components.surface_data import (
    COLORMAPS,
    Mesh,
    RoiLayer,
    automatic_bounds,
    checked_mesh,
    checked_values,
    enclosed_volume,
    map_range,
    nice_above,
    palette_bytes,
    spread_offsets,
)

TETRAHEDRON = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=float)
OUTWARD = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def shifted(x: float) -> Mesh:
    return checked_mesh("L", TETRAHEDRON + np.array([x, 0, 0]), OUTWARD)


def test_triangles_wound_inwards_are_turned():
    mesh = checked_mesh("R", TETRAHEDRON, OUTWARD[:, ::-1])

    assert enclosed_volume(mesh.points, mesh.triangles) == pytest.approx(1 / 6)
    assert (mesh.points.dtype, mesh.triangles.dtype) == (np.float32, np.uint32)


@pytest.mark.parametrize(
    ("side", "points", "triangles"),
    [
        ("left", TETRAHEDRON, OUTWARD),
        ("L", TETRAHEDRON[:, :2], OUTWARD),
        ("L", TETRAHEDRON * np.nan, OUTWARD),
        ("L", TETRAHEDRON, OUTWARD + 1),
        ("L", TETRAHEDRON, OUTWARD.astype(float)),
    ],
)
def test_meshes_that_are_none_are_refused(side, points, triangles):
    with pytest.raises(InvalidArgumentError):
        checked_mesh(side, points, triangles)


def test_overlapping_hemispheres_are_spread_and_distant_ones_left():
    near = {"L": shifted(-0.5), "R": shifted(-0.5)}
    offsets = spread_offsets(near, gap=10)
    left = near["L"].points[:, 0] + offsets["L"]
    right = near["R"].points[:, 0] + offsets["R"]

    assert right.min() - left.max() == pytest.approx(10)
    assert spread_offsets({"L": shifted(-50), "R": shifted(50)}, gap=10) == {"L": 0, "R": 0}
    assert spread_offsets({"R": shifted(0)}) == {"R": 0}


def test_values_must_be_one_per_vertex_and_infinities_become_nan():
    values = checked_values("map", "L", [1, np.inf, np.nan], 3)

    np.testing.assert_array_equal(values, np.array([1, np.nan, np.nan], np.float32))
    with pytest.raises(InconsistentDataError, match="4 vertices"):
        checked_values("map", "L", [1, 2, 3], 4)


def test_the_range_starts_at_zero_unless_values_are_below():
    assert map_range([np.array([3.0, 57.0, np.nan])]) == (0, 60)
    assert map_range([np.array([-0.3, 0.7])]) == (-0.3, 0.8)
    assert map_range([np.array([-7.0, 2.0])], symmetric=True) == (0, 8)
    assert map_range([np.full(3, np.nan)]) == (0, 1)


def test_automatic_bounds_leave_out_the_largest_few():
    values = np.append(np.linspace(0, 38, 1000), 90.0)

    assert automatic_bounds([values], (0, 100)) == (4, 40)
    assert automatic_bounds([np.array([-1.0, 1.0])], (-1, 1)) == (-1, 1)
    assert automatic_bounds([np.full(2, np.nan)], (0, 1)) == (0.1, 1)


@given(st.floats(1e-8, 1e8))
def test_nice_numbers_are_close_above(value):
    assert value * (1 - 1e-8) <= nice_above(value) <= value * 1.51


@pytest.mark.parametrize("name", COLORMAPS)
def test_every_scale_has_256_colours(name):
    assert len(palette_bytes(name)) == 768


def test_a_diverging_scale_has_its_ends_and_a_pale_middle():
    colours = np.frombuffer(palette_bytes("blue-white-red"), np.uint8).reshape(256, 3)

    assert colours[0, 2] > colours[0, 0]
    assert colours[-1, 0] > colours[-1, 2]
    assert colours[127:129].min() > 225


def test_a_label_colour_is_written_as_hexadecimal():
    with pytest.raises(InvalidArgumentError, match="#rrggbb"):
        RoiLayer("V1", "red")


@pytest.mark.parametrize("name", COLORMAPS)
def test_scales_are_perceptually_uniform(name):
    """Lightness runs evenly: no step of the scale is more than a few times another."""
    rgb = np.frombuffer(palette_bytes(name), np.uint8).reshape(256, 3) / 255
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)
    halves = [lightness] if "-" not in name else [lightness[:124], lightness[132:]]
    for half in halves:
        steps = np.diff(half[:: len(half) // 12])
        assert (steps * np.sign(np.median(steps)) >= 0).all()
        assert np.abs(steps).max() < 4 * np.abs(np.median(steps)) + 1
