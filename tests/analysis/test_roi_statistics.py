"""An ROI in numbers, counted another way."""

from __future__ import annotations

import numpy as np
import pytest

from laion_fmri import maps
from laion_fmri.analysis.cortex import roi_vertices
from laion_fmri.analysis.roi_statistics import histogram, roi_statistics, statistics_html
from laion_fmri.subject import load_subject


@pytest.fixture(scope="module")
def sub(tiny_home):
    return load_subject("sub-01", tiny_home.data_dir)


def test_an_roi_in_numbers(sub):
    values = maps.available_maps(sub)[0].read()
    surface = roi_vertices(sub)
    facts = roi_statistics(sub, "FFA1", ["FFA1", "EBA", "OFA"], values)
    mask, in_brain = sub.get_roi_grid_mask("FFA1"), sub.get_roi_mask("FFA1")
    x = sub.get_voxel_coordinates()[in_brain, 0]
    assert facts.voxels == {"L": (x < 0).sum(), "R": (x >= 0).sum(), "all": mask.sum()}
    assert facts.in_mask["anatomical"] == in_brain.sum()
    assert facts.in_mask["rsquare"] == (mask & sub.get_brain_mask("rsquare")).sum()
    assert facts.overlaps == {r: (mask & sub.get_roi_grid_mask(r)).sum() for r in ("EBA", "OFA")}
    np.testing.assert_array_equal(facts.values, values[in_brain])
    assert facts.vertices["L"] == surface["FFA1"]["L"].sum()
    counts, edges = histogram(np.append(facts.values, np.nan))
    assert counts.sum() == len(facts.values)
    assert len(edges) == len(counts) + 1


def test_a_notebook_shows_the_numbers_and_text_stays_text(sub):
    values = maps.available_maps(sub)[0].read()
    facts = roi_statistics(sub, "FFA1", ["EBA"], values, map_name="<b>map</b>", units="%")
    html = facts._repr_html_()
    assert html == statistics_html(facts)
    assert f'<td style="text-align:right">{facts.voxels["all"]}</td>' in html
    assert html.count("<rect") == 24
    assert f"median {np.median(facts.values):.2f} %" in html
    assert "&lt;b&gt;map" in html and "<b>" not in html
    without = roi_statistics(sub, "FFA1")._repr_html_()
    assert "has no value in it" in without
