from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.explorer.neighbours import nearest, patterns_like, unit_vectors

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
        if both.sum() >= 3 and np.ptp(patterns[row, both]) > 0:
            pair = patterns[[0, row]][:, both].astype(float)
            expected[row] = np.corrcoef(pair)[0, 1]
    assert set(found.rows) == set(expected)
    np.testing.assert_allclose(
        found.similarity, [expected[row] for row in found.rows.tolist()], atol=1e-6
    )
    assert (np.diff(found.similarity) <= 0).all()


@pytest.mark.parametrize("pattern", [[np.nan] * 5, [1.0] * 5, [1.0, 2.0, np.nan, np.nan, np.nan]])
def test_a_trial_without_a_pattern_says_so(pattern):
    with pytest.raises(InvalidArgumentError, match="no response pattern"):
        patterns_like(np.array([pattern, [1.0, 2, 3, 4, 5]]), 0, 3)
