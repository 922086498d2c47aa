"""Intervals and tests: against resampling image by image, and against other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import r2_score

from laion_fmri.analysis.encoding import statistics
from laion_fmri.analysis.encoding.statistics import (
    false_discovery_rate,
    family_wise_p,
    flipped_statistics,
    interval,
    random_signs,
    resampled_scores,
    resampled_weights,
    standard_error,
    two_sided_p,
)
from laion_fmri.ridge import CentredResponses, score, scored


def responses(n: int = 200, seed: int = 0, n_voxels: int = 6):
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(n, n_voxels))
    measured = 0.2 + signal * np.linspace(0, 1.5, n_voxels) + rng.normal(size=signal.shape)
    return measured.astype(np.float32), (0.3 * signal + 0.1).astype(np.float32)


def influence(measured, predicted):
    """Influences of test images, from the responses themselves."""
    of_measured = CentredResponses.of(measured)
    found = scored(measured, of_measured, predicted)
    return statistics.influence(of_measured, statistics.power(of_measured), found)


def test_influences_are_what_leaving_an_image_out_changes():
    measured, predicted = responses()
    found = influence(measured, predicted)
    all_of_it = score(measured.astype(np.float64), predicted.astype(np.float64))
    for image in range(0, 200, 23):
        others = np.arange(200) != image
        less = score(measured[others].astype(np.float64), predicted[others].astype(np.float64))
        for name, values in found._asdict().items():
            jackknife = 199 * (all_of_it[name].astype(float) - less[name])
            assert values[image] == pytest.approx(jackknife, abs=0.05, rel=0.05)
    assert np.abs(found.correlation.mean(axis=0)).max() < 0.01
    assert np.abs(found.r2.mean(axis=0)).max() < 1e-6


@given(st.integers(0, 50))
def test_resampled_scores_are_those_of_the_images_drawn(seed):
    measured, predicted = responses(30, seed)
    weights = resampled_weights(30, 5, seed)
    assert weights.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    r, r2 = resampled_scores(measured, predicted, weights)
    for draw in range(5):
        rows = np.repeat(np.arange(30), np.rint(weights[draw] * 30).astype(int))
        a, b = measured[rows].astype(float), predicted[rows].astype(float)
        expected = [stats.pearsonr(*pair)[0] for pair in zip(a.T, b.T, strict=True)]
        assert r[draw] == pytest.approx(expected, abs=1e-4)
        assert r2[draw] == pytest.approx(r2_score(a, b, multioutput="raw_values"), abs=1e-3)


def test_standard_errors_are_those_of_the_bootstrap():
    measured, predicted = responses(400)
    r, r2 = resampled_scores(measured, predicted, resampled_weights(400, 4000, 1))
    found = influence(measured, predicted)
    assert standard_error(found.correlation) == pytest.approx(r.std(axis=0), rel=0.08)
    assert standard_error(found.r2) == pytest.approx(r2.std(axis=0), rel=0.12)
    assert (np.diff(interval(r), axis=0) > 0).all()


def test_intervals_hold_the_truth_as_often_as_they_say():
    inside = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        p = rng.normal(size=(250, 20)).astype(np.float32)
        y = (0.5 * p + np.sqrt(0.75) * rng.normal(size=p.shape)).astype(np.float32)
        low, high = interval(resampled_scores(y, p, resampled_weights(250, 300, seed))[0])
        inside += list((low < 0.5) & (high > 0.5))
    assert 0.91 < np.mean(inside) < 0.98


@given(st.integers(10, 2000), st.floats(0, 8))
def test_p_values_are_those_of_student(freedom, t):
    exact = 2 * stats.t.sf(t, freedom)
    found = float(two_sided_p(np.array(t), freedom))
    assert found == pytest.approx(exact, rel=0.02 if exact > 1e-3 else 0.2, abs=1e-9)
    assert np.isnan(two_sided_p(np.array([np.nan]), freedom)).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 5))
def test_the_false_discovery_rate_is_that_of_scipy(p, n_missing):
    values = np.array([*p, *[np.nan] * n_missing])
    found = false_discovery_rate(values)
    assert found[: len(p)] == pytest.approx(stats.false_discovery_control(p))
    assert np.isnan(found[len(p) :]).all()


def test_the_family_wise_error_is_as_stated_for_correlated_voxels():
    n_false = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        common = rng.normal(size=(150, 1))
        y, a, b = (0.7 * common * k + rng.normal(size=(150, 30)) for k in (1, 1, 1))
        apart = (influence(y, a).correlation - influence(y, b).correlation).astype(np.float32)
        difference = score(y, a)["correlation"] - score(y, b)["correlation"]
        t = difference / standard_error(apart)
        largest = flipped_statistics(apart + difference, random_signs(150, 200, seed))
        n_false += bool((family_wise_p(t, largest, 150) < 0.05).any())
    assert n_false / 120 < 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 120)


def test_a_constant_voxel_has_no_influence_and_does_not_disturb_others():
    measured, predicted = responses()
    expected = influence(measured, predicted).correlation[:, 1:]
    measured[:, 0] = 3
    with np.errstate(invalid="ignore"):
        found = influence(measured, predicted).correlation
    assert np.isnan(found[:, 0]).all() and np.array_equal(found[:, 1:], expected)
    signs = random_signs(200, 20, 0)
    left_out = flipped_statistics(np.where(np.isfinite(found), found, 0), signs)
    assert np.array_equal(left_out, flipped_statistics(expected, signs))
    assert not flipped_statistics(np.zeros((200, 2), np.float32), signs).any()
