"""Vertices, voxels and ROIs as voxels of the brain mask."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from laion_fmri import maps
from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.analysis import cortex, locations, map_figure, preferred_images, roi_statistics
from laion_fmri.analysis.cortex import map_on_cortex, roi_vertices, vertex_positions, vertex_voxels
from laion_fmri.analysis.locations import point_location, roi_location, vertex_location
from laion_fmri.subject import load_subject


@pytest.fixture(scope="module")
def sub(tiny_home):
    return load_subject("sub-01", tiny_home.data_dir)


@pytest.mark.parametrize(
    "module", [cortex, locations, map_figure, preferred_images, roi_statistics, maps]
)
def test_the_examples_run(module, sub):
    result = doctest.testmod(module, extraglobs={"sub": sub})
    assert result.attempted and not result.failed


@pytest.mark.parametrize("space", ["fsnative", "fsaverage"])
def test_a_vertex_is_the_voxels_around_its_middle(sub, space):
    found = vertex_location(sub, "R", 500, space)
    np.testing.assert_allclose(found.point, vertex_positions(sub, space)["R"][500], rtol=1e-6)
    np.testing.assert_array_equal(found.voxels, vertex_voxels(sub, "R", 500, space))
    away = np.abs(sub.get_voxel_coordinates()[found.voxels] - found.point)
    assert found.voxels.any() and away.max() < 6
    values = {"L": np.zeros(10242), "R": np.arange(10242)}
    assert found.value(values) == 500
    assert np.isnan(found.value({"L": values["L"]}))
    with pytest.raises(UnknownNameError):
        vertex_location(sub, "B", 0)
    with pytest.raises(UnknownNameError):
        vertex_location(sub, "L", 10242)


def test_a_point_is_the_voxel_that_holds_it(sub):
    values = np.arange(sub.get_n_voxels(), dtype=float)
    for column in (0, 700, len(values) - 1):
        found = point_location(sub, sub.get_voxel_coordinates()[column] + 0.3)
        assert np.flatnonzero(found.voxels).tolist() == [column]
        assert found.value(values) == column
        assert found.label == "voxel " + " ".join(map(str, found.voxel))
    outside = point_location(sub, (1e4, 0, 0))
    assert (outside.voxel, outside.voxels.any()) == (None, False)
    assert outside.label == "voxel outside the grid"
    assert np.isnan(outside.value(values)) and np.isnan(outside.value(None))


def test_an_roi_is_its_voxels_and_a_value_their_mean(sub):
    found = roi_location(sub, "FFA1")
    np.testing.assert_array_equal(found.voxels, sub.get_roi_mask("FFA1"))
    values = np.full(found.voxels.size, np.nan)
    values[np.flatnonzero(found.voxels)[:2]] = [1, 3]
    assert found.value(values) == 2


@pytest.mark.parametrize("space", ["fsnative", "fsaverage"])
def test_a_map_on_the_cortex_is_what_to_template_gives(sub, space):
    one = maps.get_map(sub, "R², mean over sessions")
    found = map_on_cortex(sub, one, space)
    expected = sub.to_template(one.read(), space)
    for hemi in "LR":
        np.testing.assert_allclose(found[hemi], expected[hemi], atol=1e-4)


def test_a_figure_outlines_rois_and_refuses_what_has_one_side(sub):
    one = maps.get_map(sub)
    figure = map_figure.plot_map(sub, one, rois={"FFA1": "#ff0000"}, lower=5, upper=50)
    assert len(figure.axes) == 9
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["FFA1"]
    assert "FFA1" in roi_vertices(sub)
    assert figure._repr_png_().startswith(b"\x89PNG")  # what a notebook shows
    with pytest.raises(InvalidArgumentError, match="flat"):
        map_figure.plot_map(sub, one, shape="flat")
    with pytest.raises(UnknownNameError):
        map_figure.plot_map(sub, one, rois=["nothing"])
    with pytest.raises(UnknownNameError):
        map_figure.plot_map(sub, one, colormap="nothing")
