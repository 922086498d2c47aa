from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.analysis.neighbours import (
    nearest,
    nearest_images,
    patterns_like,
    similar_trials,
    unit_vectors,
)
from laion_fmri.subject import load_subject
from laion_fmri.zscore import z_scored

seeds = st.integers(0, 2**32 - 1)


def test_rows_without_direction_are_not_near_anything():
    features = np.ones((5, 3), dtype=np.float16)
    features[1] = 0
    features[2, 1] = np.nan
    features[3] = np.inf
    units = unit_vectors(features, np.array([True, True, True, True, False]))
    np.testing.assert_allclose(units[0], 1 / np.sqrt(3), rtol=1e-6)
    assert np.isnan(units[1:]).all()
    with pytest.raises(InvalidArgumentError, match="no valid embedding"):
        nearest(units, 1, 3)
    assert len(nearest(units, 0, 3).rows) == 0


@given(seeds, st.integers(2, 60), st.integers(1, 70))
@settings(max_examples=60, deadline=None)
def test_the_nearest_are_those_of_every_cosine(seed, n_images, n):
    rng = np.random.default_rng(seed)
    features = (rng.normal(size=(n_images, 8)) * rng.uniform(0.1, 40, (n_images, 1))).astype(
        np.float16
    )
    valid = rng.random(n_images) < 0.8
    valid[0] = True
    among = rng.random(n_images) < 0.7
    found = nearest(unit_vectors(features, valid), 0, n, among)
    exact = features.astype(float)
    cosines = exact @ exact[0] / np.linalg.norm(exact, axis=1) / np.linalg.norm(exact[0])
    allowed = np.flatnonzero(valid & among)
    allowed = allowed[allowed != 0]
    expected = allowed[np.argsort(-cosines[allowed], kind="stable")][:n]
    np.testing.assert_allclose(found.similarity, cosines[expected], atol=1e-6)
    assert set(found.rows) <= set(allowed)


def test_length_of_a_vector_does_not_matter():
    features = np.array([[1, 0], [10, 1], [0.9, 0.4]], dtype=np.float16)
    found = nearest(unit_vectors(features, np.ones(3, dtype=bool)), 0, 2)
    assert found.rows.tolist() == [1, 2]


@given(seeds, st.booleans())
@settings(max_examples=60, deadline=None)
def test_patterns_are_correlated_over_the_voxels_both_have(seed, with_gaps):
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(20, 12)).astype(np.float32)
    if with_gaps:
        patterns[rng.random(patterns.shape) < 0.2] = np.nan
        patterns[0, :4] = rng.normal(size=4)
    patterns[5] = 1.0  # does not vary
    found = patterns_like(patterns, 0, 50)
    expected = {}
    for row in range(1, 20):
        both = np.isfinite(patterns[0]) & np.isfinite(patterns[row])
        enough = both.sum() >= max(3, np.isfinite(patterns[0]).sum() / 2)
        if enough and np.ptp(patterns[row, both]) > 0:
            pair = patterns[[0, row]][:, both].astype(float)
            expected[row] = np.corrcoef(pair)[0, 1]
    assert set(found.rows) == set(expected)
    np.testing.assert_allclose(
        found.similarity, [expected[row] for row in found.rows.tolist()], atol=1e-6
    )
    assert (np.diff(found.similarity) <= 0).all()


def test_a_trial_with_few_voxels_does_not_win_by_chance():
    rng = np.random.default_rng(1)
    patterns = rng.normal(size=(400, 40)).astype(np.float32)
    patterns[1] = patterns[0] + 0.5 * rng.normal(size=40)
    patterns[2:, 4:] = np.nan  # over four voxels, many correlate by chance alone
    patterns[2, :20] = rng.normal(size=20)
    assert patterns_like(patterns, 0, 10).rows.tolist() == [1, 2]


@pytest.mark.parametrize("pattern", [[np.nan] * 5, [1.0] * 5, [1.0, 2.0, np.nan, np.nan, np.nan]])
def test_a_trial_without_a_pattern_says_so(pattern):
    with pytest.raises(InvalidArgumentError, match="no response pattern"):
        patterns_like(np.array([pattern, [1.0, 2, 3, 4, 5]]), 0, 3)


def test_nearest_images_of_a_trial_are_those_of_every_cosine(tiny_home):
    sub = load_subject("sub-01", tiny_home.data_dir)
    features = sub.embeddings.all("CLIP").astype(float)
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    names = sub.metadata["image_name"].to_numpy()
    cosine = dict(zip(names, units @ units[5], strict=True))
    own = set(names) - {names[5]}
    found = nearest_images(sub, 5, "CLIP", n=4, among=own)
    assert len(nearest_images(sub, 5, "CLIP", 99, among="subject")) == len(own)
    shared = nearest_images(sub, 5, "CLIP", among="shared")["image_name"]
    assert all(name.startswith("shared_") for name in shared)
    expected = sorted((cosine[name] for name in own), reverse=True)[:4]
    np.testing.assert_allclose(found["similarity"], expected, atol=1e-3)
    with pytest.raises(InvalidArgumentError, match="no trial"):
        nearest_images(sub, 10**6, "CLIP")


@pytest.mark.parametrize("across", [False, True])
def test_similar_trials_are_those_of_every_correlation(tiny_home, across):
    sub = load_subject("sub-01", tiny_home.data_dir)
    sessions = sub.get_sessions() if across else [sub.metadata.loc[7, "session"]]
    trials = np.flatnonzero(sub.metadata["session"].isin(sessions))
    z = [z_scored(sub.get_betas(session, roi="PPA")) for session in sessions]
    patterns = np.concatenate(z).astype(float)
    r = np.corrcoef(patterns[:, np.isfinite(patterns).all(axis=0)])[np.searchsorted(trials, 7)]
    found = similar_trials(sub, 7, "PPA", n=6, across_sessions=across)
    np.testing.assert_allclose(found["similarity"], np.sort(np.delete(r, 7))[::-1][:6], atol=1e-4)
    names = sub.metadata["image_name"]
    assert found["image_name"].tolist() == names[found["trial"]].tolist()
