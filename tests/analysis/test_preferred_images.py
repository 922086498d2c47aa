"""What drives a piece of cortex: against an independent computation and a known truth."""

from __future__ import annotations

import shutil
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri import layout, load_subject
from laion_fmri._errors import DataNotDownloadedError, InvalidArgumentError
from laion_fmri.analysis import preferred_images as preference
from laion_fmri.analysis.cortex import vertex_voxels
from laion_fmri.demo import load_truth


@pytest.fixture
def sub(tiny_home):
    return load_subject("sub-01", tiny_home.data_dir)


def independent(sub, voxels: np.ndarray, min_repeats: int) -> pd.Series:
    """The same with pandas, one step after the other."""
    frames = []
    for session in sub.get_sessions():
        betas = pd.DataFrame(sub.get_betas(session, mask=voxels).astype(float))
        z = (betas - betas.mean()) / betas.std(ddof=0)
        labels = sub.get_trial_info(session)["label"].to_numpy()
        frames.append(pd.DataFrame({"name": labels, "z": z.mean(axis=1)}))
    grouped = pd.concat(frames).groupby("name")["z"].agg(["mean", "count"])
    return grouped.loc[grouped["count"] >= min_repeats, "mean"]


@pytest.mark.parametrize("min_repeats", [1, 2, 12])
def test_responses_are_those_of_an_independent_computation(sub, min_repeats):
    voxels = sub.get_roi_mask("FFA1")
    found = preference.read_responses(sub, voxels, min_repeats)
    expected = independent(sub, voxels, min_repeats)
    assert set(found.names) == set(expected.index)
    np.testing.assert_allclose(found.means, expected[found.names].to_numpy(), atol=1e-6)
    assert (found.repeats >= min_repeats).all()
    assert found.n_voxels == voxels.sum()
    names = sub.metadata["image_name"].to_numpy()
    np.testing.assert_array_equal(names[found.first_trials], found.names)


@pytest.mark.parametrize(("roi", "alike"), [("EBA", 0.85), ("PPA", 0.75), ("FFA1", 0.6)])
def test_an_roi_of_the_demo_prefers_what_was_put_in(sub, tiny_home, roi, alike):
    """As far as the known noise of so few voxels and repeats leaves it."""
    truth = load_truth(tiny_home.bucket_dir)
    voxels = truth.voxels("sub-01", roi)
    found = preference.read_responses(sub, voxels, min_repeats=4)
    clip = np.stack([sub.embeddings.get("CLIP", int(t)) for t in found.first_trials])
    expected = truth.response("sub-01", roi, clip)
    assert np.corrcoef(found.means, expected)[0, 1] > alike
    ends = preference.extremes(found, 4)
    assert expected[ends.highest].mean() > expected[ends.lowest].mean() + 0.5


def test_voxels_without_estimates_or_variance_are_left_out():
    betas = np.array([[1, np.nan, 5, np.nan], [2, 4, 5, np.nan], [3, 2, 5, np.nan]], float)
    expected = [
        -np.sqrt(1.5),
        np.mean([0, 1]),
        np.mean([np.sqrt(1.5), -1]),
    ]
    np.testing.assert_allclose(preference.trial_responses(betas), expected)
    nothing = preference.trial_responses(np.full((3, 2), np.nan))
    assert np.isnan(nothing).all()


def test_trials_without_a_response_count_as_no_repeat():
    found = preference.image_responses([np.array([1.0, np.nan, 3.0])], [["a", "a", "b"]])
    assert len(found) == 0
    found = preference.image_responses(
        [np.array([1.0, np.nan, 3.0])], [["a", "a", "b"]], min_repeats=1
    )
    assert dict(zip(found.names, found.means, strict=True)) == {"a": 1.0, "b": 3.0}
    with pytest.raises(InvalidArgumentError):
        preference.image_responses([np.zeros(2)], [["a"]])
    with pytest.raises(InvalidArgumentError):
        preference.image_responses([np.zeros(1)], [["a"]], min_repeats=0)


@given(st.lists(st.floats(-5, 5), min_size=0, max_size=30), st.integers(1, 12))
def test_extremes_are_the_ends_of_the_sorted_list(values, n):
    names = np.array([f"i{k}" for k in range(len(values))], dtype=object)
    responses = preference.ImageResponses(
        names, np.array(values), np.ones(len(values), int), np.arange(len(values)), 1, 1
    )
    high, low = preference.extremes(responses, n)
    assert not set(high) & set(low)
    ordered = sorted(values, reverse=True)
    np.testing.assert_array_equal(responses.means[high], ordered[: len(high)])
    np.testing.assert_array_equal(responses.means[low], ordered[len(ordered) - len(low) :])


@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_the_tail_is_that_of_counting(n_all, n_drawn, n_marked, n_found):
    n_drawn, n_marked = min(n_drawn, n_all), min(n_marked, n_all)
    expected = sum(
        comb(n_marked, k) * comb(n_all - n_marked, n_drawn - k)
        for k in range(n_found, min(n_drawn, n_marked) + 1)
        if n_drawn - k <= n_all - n_marked
    ) / comb(n_all, n_drawn)
    found = preference.hypergeometric_tail(n_found, n_drawn, n_marked, n_all)
    assert found == pytest.approx(expected, abs=1e-9)


def test_nouns_that_stand_out():
    nouns = {f"face{i}": ["face", "sky"] for i in range(6)}
    nouns |= {f"other{i}": ["sky", "tree"] for i in range(18)}
    found = preference.overrepresented_nouns([f"face{i}" for i in range(5)], nouns, nouns)
    assert [one.noun for one in found] == ["face"]
    assert (found[0].n_preferred, found[0].n_all, found[0].ratio) == (5, 6, pytest.approx(4))
    assert preference.overrepresented_nouns(["unknown"], nouns, nouns) == []


def test_preferred_images_are_tables_of_the_extremes(sub):
    voxels = sub.get_roi_mask("FFA1")
    found = preference.preferred_images(sub, roi="FFA1", n=3)
    expected = independent(sub, voxels, 2).sort_values()
    assert found.lowest["response"].to_numpy() == pytest.approx(expected[:3].to_numpy())
    assert found.highest["response"].to_numpy() == pytest.approx(expected[::-1][:3].to_numpy())
    names = sub.metadata["image_name"]
    for row in [*found.highest.itertuples(), *found.lowest.itertuples()]:
        assert row.trials == names.index[names == row.image_name].tolist()
        assert row.repeats == len(row.trials)
    by_voxels = preference.preferred_images(sub, voxels=voxels, n=3)
    pd.testing.assert_frame_equal(by_voxels.highest, found.highest)
    vertices = {"L": [100], "R": [5000]}
    of_vertices = preference.preferred_images(sub, vertices=vertices, n=3)
    union = vertex_voxels(sub, "L", 100) | vertex_voxels(sub, "R", 5000)
    assert of_vertices.responses.n_voxels == union.sum()
    for wrong in ({}, {"roi": "FFA1", "voxels": voxels}):
        with pytest.raises(InvalidArgumentError, match="one of"):
            preference.preferred_images(sub, **wrong)


def test_no_voxel_and_no_session_are_said(sub, tiny_home, tmp_path):
    with pytest.raises(InvalidArgumentError, match="No voxel"):
        preference.read_responses(sub, np.zeros(sub.get_n_voxels(), bool))
    from laion_fmri.subject import load_subject

    copy = tmp_path / "data"
    shutil.copytree(tiny_home.data_dir, copy)
    for session in sub.get_sessions():
        shutil.rmtree(copy / layout.subject_betas_dir("sub-01") / session)
    bare = load_subject("sub-01", copy)
    with pytest.raises(DataNotDownloadedError, match="ses='ses-01'"):
        preference.read_responses(bare, np.ones(sub.get_n_voxels(), bool))


def test_large_sessions_without_a_store_are_told_of(tiny_home, tmp_path, monkeypatch):
    """The advice names what a store costs, and is gone when the stores are there."""
    shutil.copytree(tiny_home.data_dir / "derivatives", tmp_path / "derivatives")
    sub = load_subject("sub-01", tmp_path)
    assert preference.store_advice(sub) == ""  # sessions this small are read at once
    monkeypatch.setattr(preference, "_LARGE", 1)
    advice = preference.store_advice(sub)
    assert advice.startswith(f"{len(sub.get_sessions())} sessions without a store")
    assert "laion-fmri store build --subject sub-01" in advice
    sub.build_store()
    assert preference.store_advice(sub) == ""
