from __future__ import annotations

import numpy as np
import pytest

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.volumes.meshes import Mesh, checked_mesh, enclosed_volume, spread_offsets

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
