from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated_responses import simulated_responses

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.analysis import searchlight as module
from laion_fmri.analysis.rdm_comparison import compare_rdms
from laion_fmri.analysis.rsa import rdm
from laion_fmri.analysis.searchlight import searchlight

GRID = 2.0 * np.stack(np.meshgrid(*3 * [np.arange(6)], indexing="ij"), axis=-1).reshape(-1, 3)
NAMES = [f"{i}.jpg" for i in range(14)]


@pytest.fixture(scope="module")
def planted():
    """Responses on a grid, a model of the voxels near one corner, and one of nothing."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((14, 8))
    near = np.linalg.norm(GRID, axis=1) < 5
    signal = np.where(near, features @ rng.standard_normal((8, len(GRID))), 0)
    trials = simulated_responses(signal, 1.0, 4, 0, positions=GRID)
    model = rdm(features, images=NAMES, name="model")
    other = rdm(rng.standard_normal((14, 8)), images=NAMES, name="other")
    return trials, near, model, other


@pytest.mark.parametrize(
    ("metric", "method"),
    [("correlation", "spearman"), ("euclidean", "pearson"), ("crossnobis", "cosine")],
)
def test_a_value_is_the_comparison_of_the_voxels_around(planted, metric, method):
    trials, _, model, other = planted
    found = searchlight(trials, [model, other], 3.0, metric, method, min_voxels=5)
    assert list(found) == ["model", "other"]
    for voxel in (0, 17, 100):
        around = np.linalg.norm(GRID - GRID[voxel], axis=1) <= 3.0
        own = replace(
            trials, values=trials.values[:, around], voxels=trials.voxels[around].reset_index()
        )
        for name, one in (("model", model), ("other", other)):
            expected = compare_rdms(one, rdm(own, metric), method, n_bootstrap=0).by_subject[0, 0]
            assert found[name][voxel] == pytest.approx(expected, abs=1e-6)


def test_the_map_is_highest_where_the_model_is_planted(planted):
    trials, near, model, other = planted
    found = searchlight(trials, model, 4.0, min_voxels=5)
    far = np.linalg.norm(GRID, axis=1) > 11
    assert found.shape == (len(GRID),)
    assert found[near].min() > 0.4 > np.abs(found[far]).mean() + 0.1
    assert found.argmax() in np.flatnonzero(near)
    assert np.abs(searchlight(trials, other, 4.0, min_voxels=5)).mean() < 0.3


def test_blocks_change_nothing_and_are_small(planted, monkeypatch):
    trials, _, model, _ = planted
    whole = searchlight(trials, model, 3.0, min_voxels=5)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 8 * 91 * 10)
    seen = []
    again = searchlight(
        trials, model, 3.0, min_voxels=5, progress=lambda done, step: seen.append(done)
    )
    np.testing.assert_array_equal(whole, again)
    assert len(seen) == 1 + -(-len(GRID) // 10)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_voxels_without_values_are_in_no_neighbourhood(planted):
    trials, _, model, _ = planted
    values = trials.values.copy()
    values[:, 1] = np.nan  # all repeats of every image
    values[trials.images["name"] == "3.jpg", 2] = np.nan
    values[0, 3] = np.nan  # one trial: the others make the average
    found = searchlight(replace(trials, values=values), model, 2.5, min_voxels=3)
    around = [v for v in range(len(GRID)) if np.linalg.norm(GRID[v] - GRID[0]) <= 2.5]
    kept = [v for v in around if v not in (1, 2)]
    own = replace(trials, values=values[:, kept], voxels=trials.voxels.iloc[kept])
    expected = compare_rdms(model, rdm(own), n_bootstrap=0).by_subject[0, 0]
    assert found[0] == pytest.approx(expected, abs=1e-6)
    alone = searchlight(trials, model, 2.5, min_voxels=7)
    corners = (np.isin(GRID, [0, 10])).all(axis=1)  # 4 voxels are around a corner
    assert np.isnan(alone[corners]).all()
    assert np.isnan(alone).sum() < len(GRID)


def test_images_are_aligned_by_name(planted):
    trials, _, model, _ = planted
    part = model.select([*NAMES[:9:-1], *NAMES[2:6]])
    found = searchlight(trials, part, 3.0, min_voxels=5)
    some = trials.select(images=list(part.images))
    np.testing.assert_allclose(found, searchlight(some, part, 3.0, min_voxels=5), atol=1e-6)


def test_what_cannot_be_searched_is_named(planted):
    trials, _, model, _ = planted
    foreign = rdm(np.eye(4), "euclidean", images=list("abcd"), name="foreign")
    for models, options, message in [
        (model, {"radius_mm": 0}, "radius_mm=0"),
        (model, {"min_voxels": 1}, "min_voxels=1"),
        (foreign, {}, "0 images are in all"),
        (model, {"metric": "x"}, "Unknown metric"),
        (model, {"method": "x"}, "Unknown method"),
        (model, {"radius_mm": "far"}, "radius_mm='far'"),
        ([], {}, "no RDM among the models"),
        ("CLIP", {}, "not a str"),
        ([model, model], {}, f"Several models are called {model.name}"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            searchlight(trials, models, **options)
    owners = np.where(np.arange(len(trials.voxels)) % 2, "sub-01", "sub-03")
    two = replace(trials, voxels=trials.voxels.assign(subject=owners))
    with pytest.raises(InvalidArgumentError, match="of several subjects"):
        searchlight(two, model)
    with pytest.raises(InvalidArgumentError, match="Responses were expected, not ndarray"):
        searchlight(trials.values, model)
