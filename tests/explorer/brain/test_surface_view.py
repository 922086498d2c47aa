from __future__ import annotations

import numpy as np
import pytest

from laion_fmri._errors import InconsistentDataError, InvalidArgumentError, UnknownNameError
from laion_fmri.explorer.brain.surface_view import RoiLayer, SurfaceView

POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=float)
TRIANGLES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


@pytest.fixture
def view() -> SurfaceView:
    view = SurfaceView()
    view.set_surface({"L": (POINTS, TRIANGLES), "R": (POINTS, TRIANGLES)}, spread=True)
    return view


def test_selecting_a_vertex_tells_its_place_as_given_and_its_value(view):
    view.set_map({"L": [1, 2, np.nan, 4]})

    view.select_vertex("L", 3)
    assert view.picked == {"hemisphere": "L", "vertex": 3, "x": 0, "y": 0, "z": 1, "value": 4}
    view.select_vertex("L", 2)
    assert view.picked["value"] is None
    view.select_vertex("R", 0)
    assert view.picked["value"] is None
    view.select_vertex(None)
    assert view.picked is None


@pytest.mark.parametrize(("side", "vertex"), [("L", 4), ("L", -1), ("X", 0), ("L", None)])
def test_a_vertex_that_is_not_there_is_refused(view, side, vertex):
    with pytest.raises(InvalidArgumentError, match="has no vertex"):
        view.select_vertex(side, vertex)


def test_the_same_cortex_in_another_shape_keeps_everything(view):
    view.set_map({"L": [1, 2, 3, 4]}, name="noise ceiling")
    view.set_rois([RoiLayer("V1", "#ff0000", {"L": [True, False, False, False]})])
    view.select_vertex("L", 3)

    view.set_surface({"L": (POINTS * 2, TRIANGLES), "R": (POINTS, TRIANGLES)})

    assert view.map_data["name"] == "noise ceiling"
    assert len(view.roi_data) == 1
    assert view.picked["z"] == 2


def test_another_cortex_drops_what_belongs_to_the_last(view):
    view.set_map({"L": [1, 2, 3, 4]})
    view.set_underlay({"L": [1, 2, 3, 4]})
    view.set_rois([RoiLayer("V1", "#ff0000", {"L": [True, False, False, False]})])
    view.select_vertex("L", 3)

    view.set_surface({"L": (POINTS, TRIANGLES)})

    assert (view.map_data, view.underlay_data, view.roi_data, view.picked) == ({}, {}, [], None)


def test_bounds_stay_while_the_units_do(view):
    view.set_map({"L": [0, 10, 20, 40]}, units="%")
    assert (view.lower, view.upper) == (4, 40)
    view.lower = 12

    view.set_map({"L": [0, 1, 2, 3]}, units="%")
    assert (view.lower, view.upper) == (12, 40)
    view.set_map({"L": [0, 1, 2, 3]}, units="z", symmetric=True)
    assert (view.lower, view.upper) == (pytest.approx(0.3), 3)
    view.set_map({"L": [0, 1, 2, 3]}, units="z", lower=1, upper=2)
    assert (view.lower, view.upper) == (1, 2)


@pytest.mark.parametrize(
    "fill",
    [
        lambda view: view.set_map({"L": [1, 2, 3]}),
        lambda view: view.set_underlay({"L": [1, 2, 3]}),
        lambda view: view.set_rois([RoiLayer("V1", "#ff0000", {"R": [True]})]),
        lambda view: SurfaceView().set_map({"L": [1.0]}),
    ],
)
def test_values_of_another_surface_are_refused(view, fill):
    with pytest.raises(InconsistentDataError):
        fill(view)


def test_an_unknown_colour_map_is_refused(view):
    with pytest.raises(UnknownNameError, match="viridis"):
        view.set_map({"L": [1, 2, 3, 4]}, colormap="virids")


def test_shapes_must_be_of_the_cortex_that_is_shown():
    view = SurfaceView()
    view.set_surface({"L": (POINTS, TRIANGLES)})
    view.set_shapes(["white", "flat"], shown="white")
    points = POINTS.copy()
    points[0] = np.nan
    view.add_shape("flat", {"L": points})
    sent = np.frombuffer(view.shape_data["flat"]["L"]["points"], "<f4").reshape(-1, 3)
    np.testing.assert_allclose(sent, points)
    with pytest.raises(InconsistentDataError, match="one recon"):
        view.add_shape("flat", {"L": POINTS[:3]})
    with pytest.raises(UnknownNameError):
        view.set_shapes(["white"], shown="pial")
    view.set_surface({"L": (POINTS, TRIANGLES)})
    assert (view.shape_names, view.shape_data) == ([], {})
