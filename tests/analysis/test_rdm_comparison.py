from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import rsatoolbox
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from laion_fmri._errors import CancelledError, InvalidArgumentError, UnknownNameError
from laion_fmri.analysis import rdm_comparison
from laion_fmri.analysis.distances import pattern_distances
from laion_fmri.analysis.rdm_comparison import (
    SIMILARITIES,
    bootstrapped,
    compare_rdms,
    sampling_variance,
    similarities,
)
from laion_fmri.analysis.rsa import RDM

THEIR_NAMES = {"spearman": "spearman", "pearson": "corr", "kendall": "tau-b", "cosine": "cosine"}


def _one(a, b, method):
    """The similarity of two vectors, by scipy."""
    if method == "cosine":
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    functions = {
        "spearman": stats.spearmanr,
        "pearson": stats.pearsonr,
        "kendall": stats.kendalltau,
    }
    return functions[method](a, b).statistic


def _rdm(values, name="model", images=None):
    n = len(values)
    images = tuple(f"{i}.jpg" for i in range(n)) if images is None else tuple(images)
    return RDM(pattern_distances(values, "euclidean"), images, name, "euclidean", values.shape[1])


def _subjects(rng, n_subjects, n_images, noise, n_channels=30):
    """RDMs of subjects that share a geometry, and one of the geometry."""
    patterns = rng.standard_normal((n_images, n_channels))
    noisy = [patterns + noise * rng.standard_normal(patterns.shape) for _ in range(n_subjects)]
    return _rdm(patterns), [_rdm(one, f"sub-{i:02d}") for i, one in enumerate(noisy)]


@given(st.integers(0, 2**32 - 1), st.sampled_from(SIMILARITIES), st.booleans())
@settings(max_examples=40)
def test_similarities_are_those_of_scipy(seed, method, has_ties):
    rng = np.random.default_rng(seed)
    x, y = rng.random((2, 28)), rng.random((3, 28))
    if has_ties:
        x, y = np.round(x, 1), np.round(y, 1)
    expected = [[_one(a, b, method) for b in y] for a in x]
    np.testing.assert_allclose(similarities(x, y, method), expected, rtol=1e-10, atol=1e-12)


def test_what_is_unknown_has_no_rank():
    values = np.array([[1.0, 2.0, 2.0, 0.5], [1.0, np.nan, 3.0, 2.0]])
    np.testing.assert_array_equal(
        rdm_comparison._ranks(values), stats.rankdata(values, axis=1, nan_policy="propagate")
    )


@pytest.mark.parametrize("method", SIMILARITIES)
def test_similarities_and_ceilings_are_those_of_rsatoolbox(method):
    rng = np.random.default_rng(0)
    model, subjects = _subjects(rng, 4, 10, 1.0)
    theirs = rsatoolbox.rdm.concat([one.to_rsatoolbox() for one in subjects])
    found = compare_rdms(model, subjects, method, n_bootstrap=0)
    np.testing.assert_allclose(
        found.by_subject, rsatoolbox.rdm.compare(model.to_rsatoolbox(), theirs, THEIR_NAMES[method])
    )
    np.testing.assert_allclose(
        found.noise_ceiling,
        rsatoolbox.inference.boot_noise_ceiling(theirs, method=THEIR_NAMES[method]),
    )
    lower, upper = found.noise_ceiling
    assert lower < upper
    assert found.table["score"][0] == pytest.approx(found.by_subject.mean())


@pytest.mark.parametrize("method", SIMILARITIES)
def test_a_bootstrap_is_that_of_a_longer_list_of_images(method):
    """Each sample again with its images one by one, and without pairs of an image with itself."""
    rng = np.random.default_rng(1)
    n = 8
    x, y = np.round(rng.random((2, n * (n - 1) // 2)), 2), rng.random((1, n * (n - 1) // 2))
    found = bootstrapped(x, y, method, n, 25, seed=3)
    counts = np.random.default_rng(3).multinomial(n, np.full(n, 1 / n), size=25)
    for sample, count in zip(found, counts, strict=True):
        drawn = np.repeat(np.arange(n), count)
        pairs = [
            (min(i, j), max(i, j)) for k, i in enumerate(drawn) for j in drawn[k + 1 :] if i != j
        ]
        places = [i * (2 * n - i - 1) // 2 + j - i - 1 for i, j in pairs]
        expected = [[_one(a[places], b[places], method) for b in y] for a in x]
        np.testing.assert_allclose(sample, expected, rtol=1e-9, atol=1e-12)


def test_many_ranks_are_told_apart_well_enough(monkeypatch):
    rng = np.random.default_rng(2)
    n = 60
    x, y = (rng.random((1, n * (n - 1) // 2)) for _ in range(2))
    y += x
    exact = bootstrapped(x, y, "spearman", n, 20, 0)
    monkeypatch.setattr(rdm_comparison, "_LEVELS", 512)
    np.testing.assert_allclose(bootstrapped(x, y, "spearman", n, 20, 0), exact, atol=1e-3)


def _covered(score_of, n, **sizes):
    """The share of simulated datasets in which an interval has the truth."""
    hits = []
    for seed in range(n):
        table, truth = score_of(np.random.default_rng([seed, *sizes.values()]), **sizes)
        hits.append(table["low"][0] <= truth <= table["high"][0])
    return np.mean(hits)


def _null_score(rng, n_images, n_subjects):
    model = _rdm(rng.standard_normal((n_images, 10)))
    _, subjects = _subjects(rng, n_subjects, n_images, 1.0)
    return compare_rdms(model, subjects, n_bootstrap=100).table, 0.0


@pytest.mark.parametrize(("n_images", "n_subjects"), [(20, 1), (30, 5)])
def test_a_model_of_nothing_scores_0_within_its_interval(n_images, n_subjects):
    share = _covered(_null_score, 50, n_images=n_images, n_subjects=n_subjects)
    assert 0.88 <= share <= 1


def test_the_variance_of_means_is_that_of_samples_of_both():
    """Against the spread of the scores of new images and new subjects."""
    rng = np.random.default_rng(7)
    n_images, n_subjects = 25, 6
    scores, variances = [], []
    weights = rng.standard_normal((30, 12))
    for _ in range(80):
        patterns = rng.standard_normal((n_images, 30))
        model = _rdm(patterns)
        subjects = []
        for one in range(n_subjects):
            strength = rng.uniform(0.2, 1.0)
            noise = rng.standard_normal((n_images, 12))
            subjects.append(_rdm(strength * patterns @ weights / 5 + noise, f"sub-{one}"))
        found = compare_rdms(model, subjects, "pearson", n_bootstrap=150)
        scores.append(found.by_subject.mean())
        variances.append(sampling_variance(found.by_subject, found.resampled, n_images, seed=0)[0])
    assert np.mean(variances) == pytest.approx(np.var(scores, ddof=1), rel=0.4)


def test_one_model_is_better_than_another():
    rng = np.random.default_rng(8)
    good, subjects = _subjects(rng, 4, 40, 0.7)
    bad = _rdm(rng.standard_normal((40, 30)), "other")
    found = compare_rdms([bad, good], subjects, "pearson", n_bootstrap=200)
    row = found.differences("other").iloc[0]
    assert row["model"] == "model"
    assert row["score"] == pytest.approx(np.diff(found.table["score"])[0])
    assert 0 < row["low"] < row["score"] < row["high"]
    assert row["p_value"] < 0.01
    assert found.differences().equals(found.differences("other"))
    # Both scores vary with the same samples.
    apart = compare_rdms(good, subjects, "pearson", n_bootstrap=200).table.iloc[0]
    twice = [good, replace(good, name="again")]
    same = compare_rdms(twice, subjects, "pearson", n_bootstrap=200).differences().iloc[0]
    assert same["high"] == same["score"] == 0 < apart["high"] - apart["low"]
    with pytest.raises(UnknownNameError, match="Unknown model 'best'"):
        found.differences("best")


def test_rdms_are_aligned_by_the_names_of_images():
    rng = np.random.default_rng(9)
    values = rng.standard_normal((9, 5))
    names = np.array([f"{i}.jpg" for i in range(9)])
    order = rng.permutation(9)[:7]
    whole = _rdm(values, "model", names)
    part = _rdm(values[order] + 0.1, "sub-01", names[order])
    found = compare_rdms(whole, part, "pearson", n_bootstrap=10)
    assert found.table["score"][0] == pytest.approx(1)
    assert found.images == tuple(n for n in names if n in set(names[order]))
    assert found.left_out == {"model": tuple(n for n in names if n not in set(names[order]))}
    assert np.isnan(found.noise_ceiling).all()
    np.testing.assert_allclose(part.select(names[order][::-1]).square(), part.square()[::-1, ::-1])


def test_an_interval_has_no_impossible_values_and_a_cosine_no_chance_of_0():
    model, subjects = _subjects(np.random.default_rng(13), 2, 6, 0.1)
    found = compare_rdms(model, subjects, "cosine", n_bootstrap=50).table.iloc[0]
    assert found["score"] < found["high"] == 1
    assert np.isnan(found["p_value"])


def test_without_samples_there_is_no_interval():
    model, subjects = _subjects(np.random.default_rng(10), 2, 8, 1.0)
    table = compare_rdms(model, subjects, n_bootstrap=0).table
    assert table[["low", "high", "p_value"]].isna().all(axis=None)
    assert np.isfinite(table["score"][0])


def test_small_samples_without_3_images_play_no_part():
    model, subjects = _subjects(np.random.default_rng(11), 2, 3, 0.5)
    found = compare_rdms(model, subjects, "pearson", n_bootstrap=60)
    assert np.isnan(found.resampled).any()
    assert np.isfinite(found.table["low"][0])


def test_a_comparison_says_how_far_it_is_and_can_be_ended():
    model, subjects = _subjects(np.random.default_rng(13), 2, 10, 0.5)
    seen = []
    compare_rdms(model, subjects, n_bootstrap=4, progress=lambda *step: seen.append(step))
    assert [done for done, _ in seen] == [0, 0.25, 0.5, 0.75, 1]

    def end(done: float, _: str) -> None:
        if done > 0.4:
            raise CancelledError("enough")

    with pytest.raises(CancelledError, match="enough"):
        compare_rdms(model, subjects, n_bootstrap=4, progress=end)


def test_what_cannot_be_compared_is_named():
    values = np.random.default_rng(12).standard_normal((5, 4))
    model = _rdm(values)
    other = _rdm(values, "sub-01", [f"a{i}.jpg" for i in range(5)])
    missing = RDM(np.where(np.arange(10) < 4, np.nan, model.values), model.images, "sub-02", "x")
    same = RDM(np.ones(10), model.images, "sub-03", "x")
    compare = partial(compare_rdms, model)
    for subjects, message in [
        (other, "0 images are in all RDMs.*model has 5, sub-01 has 5"),
        (missing, "sub-02 has distances that are NaN, of 0.jpg:"),
        (same, "All distances of sub-03 are 1"),
        ([], "no RDM among the subjects"),
        ([model.values], "not a ndarray"),
        (None, "not a NoneType"),
        (replace(other, images=model.images, values=np.full(10, np.inf)), "are infinite"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            compare(subjects)
    for options, message in [
        ({"method": "spear"}, "Unknown method 'spear'"),
        ({"confidence": 95}, "confidence=95"),
        ({"n_bootstrap": -1}, "n_bootstrap=-1"),
        ({"n_bootstrap": 2.5}, "n_bootstrap=2.5"),
        ({"seed": -1}, "seed .* not -1"),
        ({"seed": "a"}, "seed .* not 'a'"),
        ({"confidence": "high"}, "confidence='high'"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            compare(model, **options)
