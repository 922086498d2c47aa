from __future__ import annotations

import numpy as np
import pytest

from laion_fmri._errors import InconsistentDataError, InvalidArgumentError
from laion_fmri.volumes.meshes import checked_mesh
from laion_fmri.volumes.surface_layers import (
    RoiLayer,
    packed_shape,
    packed_surface,
    vertex_values,
)

MESHES = {"L": checked_mesh("L", np.eye(3), [[0, 1, 2]])}


def test_values_must_be_one_per_vertex_and_infinities_become_nan():
    values = vertex_values("map", {"L": [1, np.inf, np.nan]}, MESHES)["L"]

    np.testing.assert_array_equal(values, np.array([1, np.nan, np.nan], np.float32))
    with pytest.raises(InconsistentDataError, match="3 vertices"):
        vertex_values("map", {"L": [1, 2, 3, 4]}, MESHES)
    with pytest.raises(InconsistentDataError, match="hemisphere 'R'"):
        vertex_values("map", {"R": [1, 2, 3]}, MESHES)


def test_a_shape_keeps_what_its_cut_leaves():
    points = np.array([[0, 0, 1], [np.nan, 0, 0], [0, 1, 0]])
    whole = packed_shape("flat", MESHES, {"L": points})["L"]
    cut = packed_shape("flat", MESHES, {"L": points}, {"L": np.empty((0, 3), int)})["L"]

    sent = np.frombuffer(whole["points"], "<f4").reshape(-1, 3)
    np.testing.assert_array_equal(np.isnan(sent).all(axis=1), [False, True, False])
    assert whole["triangles"] is None
    assert not np.unpackbits(np.frombuffer(cut["triangles"], np.uint8)).any()
    with pytest.raises(InconsistentDataError, match="one recon"):
        packed_shape("flat", MESHES, {})


def test_a_surface_is_sent_as_it_is():
    sent = packed_surface(MESHES, spread=True)["L"]

    np.testing.assert_array_equal(
        np.frombuffer(sent["triangles"], "<u4"), MESHES["L"].triangles.ravel()
    )
    assert sent["offset"] == 0


def test_a_label_colour_is_written_as_hexadecimal():
    with pytest.raises(InvalidArgumentError, match="#rrggbb"):
        RoiLayer("V1", "red")
