"""Distances, MMD² and duplicates: against plain recomputation, and against known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_dataset import OOD, SHARED, SmallDataset

from laion_fmri import splits
from laion_fmri._errors import InconsistentDataError, InvalidArgumentError, UnknownNameError
from laion_fmri.splits import measures


def unit(n: int, d: int = 8, seed: int = 0) -> np.ndarray:
    return measures.unit_rows(np.random.default_rng(seed).normal(size=(n, d)))


def plain_mmd2(x: np.ndarray, y: np.ndarray, h: float) -> float:
    """The definition, term by term."""

    def mean_kernel(a, b):
        return np.mean([[np.exp(-((p - q) ** 2).sum() / (2 * h * h)) for q in b] for p in a])

    x, y = x.astype(np.float64), y.astype(np.float64)
    return mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_BLOCK_BYTES", 4 * 7 * 3)  # three rows of seven


@pytest.mark.parametrize("metric", measures.METRICS)
def test_nearest_distances_equal_plain_ones(metric, small_blocks) -> None:
    train, test = unit(23, seed=1), unit(11, seed=2)
    cosines, which = measures.nearest_cosines(test, train)
    for i, row in enumerate(test.astype(np.float64)):
        euclidean = np.sqrt(((train - row) ** 2).sum(axis=1))
        plain = euclidean if metric == "euclidean" else euclidean**2 / 2
        assert which[i] == plain.argmin()
        assert measures.as_distance(cosines, metric)[i] == pytest.approx(plain.min(), abs=1e-5)


def test_distances_of_the_same_image_are_zero() -> None:
    rows = unit(5)
    cosines, which = measures.nearest_cosines(rows, rows)
    assert list(which) == list(range(5))
    assert measures.as_distance(cosines, "euclidean") == pytest.approx(0, abs=1e-3)
    assert (measures.as_distance(np.array([1.0000001])) == 0).all()
    with pytest.raises(UnknownNameError, match="cosine, euclidean"):
        measures.as_distance(cosines, "manhattan")  # type: ignore[arg-type]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.2, 3))
def test_mmd2_equals_its_definition(n: int, m: int, h: float) -> None:
    x, y = unit(n, seed=n), unit(m, seed=100 + m)
    assert measures.mmd2(x, y, h=h) == pytest.approx(plain_mmd2(x, y, h), abs=1e-5)


def test_kernel_sums_do_not_depend_on_blocks(monkeypatch) -> None:
    x = unit(40)
    whole = measures.kernel_sum(x, h=0.8)
    assert measures.kernel_sum(x, x, h=0.8) == pytest.approx(whole, rel=1e-6)
    monkeypatch.setattr(measures, "_BLOCK_BYTES", 1)
    assert measures.kernel_sum(x, h=0.8) == pytest.approx(whole, rel=1e-6)


def plain_unbiased(x: np.ndarray, y: np.ndarray, h: float) -> float:
    """By scikit-learn, the kernel of an image with itself left out."""
    from sklearn.metrics.pairwise import rbf_kernel

    def mean_of_others(a):
        kernel = rbf_kernel(a, gamma=1 / (2 * h * h))
        return kernel[~np.eye(len(a), dtype=bool)].mean()

    x, y = x.astype(np.float64), y.astype(np.float64)
    between = rbf_kernel(x, y, gamma=1 / (2 * h * h)).mean()
    return mean_of_others(x) + mean_of_others(y) - 2 * between


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.floats(0.3, 3), st.integers(0, 99))
def test_estimates_equal_their_definitions(n: int, m: int, h: float, seed: int) -> None:
    x = unit(n + m, seed=seed)
    found = measures.compare(x, np.arange(n), np.arange(n, n + m), h=h)
    assert found.mmd2 == pytest.approx(plain_mmd2(x[:n], x[n:], h), abs=1e-5)
    assert found.mmd2_unbiased == pytest.approx(plain_unbiased(x[:n], x[n:], h), abs=1e-5)


def plain_random_sides(x: np.ndarray, n_test: int, h: float, n_draws: int, seed: int):
    """Draw by draw, each measured by itself."""
    rng = np.random.default_rng(seed)
    mmd2s, nearest = [], []
    for _ in range(n_draws):
        order = rng.permutation(len(x))
        test, train = np.sort(order[:n_test]), np.sort(order[n_test:])
        mmd2s.append(plain_mmd2(x[train], x[test], h))
        nearest.append((x[test] @ x[train].T).max(axis=1))
    return np.array(mmd2s), np.array(nearest)


@pytest.mark.parametrize("n_test", [1, 6, 20, 39])
def test_random_sides_equal_those_measured_one_by_one(n_test, small_blocks, monkeypatch) -> None:
    monkeypatch.setattr(measures, "_MOST_NEIGHBOURS", 4)  # and some have none on the other side
    monkeypatch.setattr(measures, "_ROWS_SORTED", 2)
    x = unit(40, seed=7)
    found = measures.random_sides(x, n_test, h=0.9, n_draws=9, seed=3)
    mmd2s, nearest = plain_random_sides(x, n_test, 0.9, 9, 3)
    assert found.mmd2 == pytest.approx(mmd2s, abs=1e-6)
    assert found.nearest == pytest.approx(nearest, abs=1e-6)
    assert found.median_distance == pytest.approx(np.median(1 - nearest, axis=1), abs=1e-6)


@pytest.mark.parametrize("n_test", [3, 12, 30])
def test_a_random_split_is_once_random_whatever_its_sizes(n_test: int) -> None:
    x = unit(60, seed=5)
    h = measures.bandwidth(x)
    random = measures.random_sides(x, n_test, h=h, n_draws=2000)
    standard_error = random.mmd2.std() / np.sqrt(2000)
    assert abs(random.mmd2.mean() - random.mean_mmd2) < 4 * standard_error
    # Other draws than those: their ratios are 1 on average, their p-values uniform.
    rng = np.random.default_rng(99)
    tests, ratios, unbiased = [], [], []
    for _ in range(300):
        order = rng.permutation(60)
        found = measures.compare(x, order[n_test:], order[:n_test], h=h)
        tests.append((random.test_mmd2(found).p_value, random.test_distance(found).p_value))
        ratios.append(found.mmd2_ratio)
        unbiased.append(found.mmd2_unbiased)
        assert random.test_mmd2(found).ratio == pytest.approx(found.mmd2_ratio, rel=1e-4)
    from scipy.stats import kstest

    for p_values in np.transpose(tests):
        assert kstest(p_values, "uniform").pvalue > 1e-3
    for values, mean in ((ratios, 1), (unbiased, 0)):
        assert abs(np.mean(values) - mean) < 4 * np.std(values) / np.sqrt(300)


def test_sides_of_other_sizes_do_not_seem_more_alike() -> None:
    """The larger a side, the smaller the biased estimate: only sides of one size compare."""
    rng = np.random.default_rng(0)
    x = measures.unit_rows(
        rng.normal(size=(46, 16)) + np.where(np.arange(46) < 18, 0.35, 0)[:, None]
    )
    h = measures.bandwidth(x)
    shifted = measures.compare(x, np.arange(18, 46), np.arange(18), h=h)
    pool = np.arange(18, 46)  # of which random splits have 22 and 6 images
    others = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(pool)
        others.append(measures.compare(x, order[6:], order[:6], h=h).mmd2)
    assert shifted.mmd2 < np.mean(others)  # read against these, it would be "more alike"
    random = measures.random_sides(x, 18, h=h)
    test = random.test_mmd2(shifted)
    assert test.ratio > test.interval[1] > 1 > test.interval[0]
    assert test.p_value < 0.02
    assert shifted.mmd2_unbiased > 0


def test_near_twins_are_read_against_random_sides() -> None:
    x = unit(30, 16)
    x[20:25] = x[:5]  # five pairs of twins
    random = measures.random_sides(x, 6, h=1.0, n_draws=400)
    split = measures.compare(x, np.r_[5:24, 24:30], np.arange(5), h=1.0)
    test = random.test_twins(split, 0.999)
    assert test.value == 5
    # A pair is across the sides with a chance of 2 · 6 · 24 / (30 · 29).
    assert test.mean == pytest.approx(5 * 2 * 6 * 24 / (30 * 29), rel=0.15)
    assert test.p_value < 0.02


def test_images_that_are_all_the_same_have_no_ratio() -> None:
    x = np.repeat(unit(1), 8, axis=0)
    found = measures.compare(x, np.arange(5), np.arange(5, 8), h=1.0)
    random = measures.random_sides(x, 3, h=1.0, n_draws=19)
    assert np.isnan(found.mmd2_ratio)
    assert random.test_distance(found).p_value == random.test_mmd2(found).p_value == 1
    one = measures.compare(unit(5), np.arange(4), np.arange(4, 5), h=1.0)
    assert np.isnan(one.mmd2_unbiased) and np.isfinite(one.mmd2_ratio)


@pytest.mark.parametrize(("n_test", "n_draws"), [(0, 9), (5, 9), (2, 0)])
def test_random_sides_that_cannot_be(n_test: int, n_draws: int) -> None:
    with pytest.raises(InvalidArgumentError, match="Both sides need an image"):
        measures.random_sides(unit(5), n_test, h=1.0, n_draws=n_draws)


def test_bandwidth_is_the_median_distance() -> None:
    x = unit(30).astype(np.float64)
    plain = [np.linalg.norm(x[i] - x[j]) for i in range(30) for j in range(i)]
    assert measures.bandwidth(x.astype(np.float32)) == pytest.approx(np.median(plain), rel=1e-5)
    assert measures.bandwidth(np.repeat(unit(1), 4, axis=0)) == pytest.approx(1.0)
    assert measures.bandwidth(unit(1)) == 1.0


@pytest.mark.parametrize("which", ["complement", "pool trains", "part", "without the sum"])
def test_one_pass_equals_the_single_measures(which: str, small_blocks) -> None:
    x = unit(40, seed=3)
    rng = np.random.default_rng(1)
    order, pool = rng.permutation(40), np.arange(30)
    train, test = order[order < 30][6:], order[order < 30][:6]
    if which == "pool trains":
        train, test = pool, np.arange(30, 37)
    elif which == "part":
        train = train[:10]
    h = 0.9
    pool_sum = None if which == "without the sum" else measures.kernel_sum(x[pool], h=h)
    found = measures.compare(x, train, test, h=h, pool_sum=pool_sum, pool=pool)
    cosines, nearest = measures.nearest_cosines(x[test], x[train])
    assert np.array_equal(found.nearest_index, nearest)
    assert found.nearest == pytest.approx(cosines)
    assert found.mmd2 == pytest.approx(measures.mmd2(x[train], x[test], h=h), abs=1e-6)
    assert set(found.twins(0.6)) == set(np.flatnonzero(cosines >= 0.6))
    assert (np.diff(found.nearest[found.twins(0.1)]) <= 0).all()


def test_a_planted_duplicate_across_the_sides_is_found() -> None:
    x = unit(500, 64)
    x[400] = measures.unit_rows(x[17:18] + 0.01 * unit(1, 64, seed=9))[0]
    found = measures.compare(x, np.arange(400), np.arange(400, 500), h=1.0)
    assert found.twins(0.95).tolist() == [0]
    assert found.nearest_index[0] == 17
    assert found.nearest[0] > 0.99


def test_a_planted_cluster_split_is_farther_and_more_different_than_random() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 64))
    member = rng.integers(0, 5, 500)
    x = measures.unit_rows(centres[member] + 0.7 * rng.normal(size=(500, 64)))
    h = measures.bandwidth(x)
    held_out = member == 3
    planted = measures.compare(x, np.flatnonzero(~held_out), np.flatnonzero(held_out), h=h)
    n = int(held_out.sum())
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(500)
        drawn = measures.compare(x, order[n:], order[:n], h=h)
        assert np.median(planted.distances()) > 1.5 * np.median(drawn.distances())
        assert planted.mmd2 > 10 * drawn.mmd2


def test_near_duplicates_are_linked_by_chains(small_blocks) -> None:
    angles = np.array([0, 90, 5, 180, 10, 93])  # degrees
    x = np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1)
    groups = measures.near_duplicates(x.astype(np.float32), float(np.cos(np.radians(6))))
    assert groups.tolist() == [0, 1, 0, 3, 0, 1]


def test_identical_files_across_the_sides() -> None:
    train, test = {"a": "1", "b": "2", "c": "1"}, {"x": "1", "y": "3"}
    assert measures.identical_across(train, test) == [("a", "x"), ("c", "x")]


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InconsistentDataError, match=r"2 of 3 images .* number 1"):
        measures.unit_rows(np.array([[1.0, 0], [0, 0], [np.nan, 1]]))
    with pytest.raises(InvalidArgumentError, match="2-D"):
        measures.unit_rows(np.zeros(3))
    x, none = unit(3), np.array([], dtype=np.intp)
    with pytest.raises(InvalidArgumentError, match="no training image"):
        measures.compare(x, none, np.arange(3), h=1)
    with pytest.raises(InvalidArgumentError, match="no test image"):
        measures.mmd2(x, x[:0], h=1)


# --- a whole split in a model -------------------------------------------------------------


def test_a_split_in_a_model(small: SmallDataset) -> None:
    rng = np.random.default_rng(2)
    rows = {name: rng.normal(size=16) for name in [*SHARED, *OOD]}
    rows[SHARED[0]] = np.full(16, np.nan)
    small.write_embeddings(rows)
    space = splits.EmbeddingSpace("CLIP")
    kernel = space.kernel(SHARED)
    for name in ("random_1", "ood"):
        split = splits.load_split(name)
        found = space.compare(split, kernel)
        assert found.n_without == 1
        train = [n for n in split.train_ids if n != SHARED[0]]
        test = [n for n in split.test_ids if n != SHARED[0]]
        assert (found.train_ids, found.test_ids) == (tuple(train), tuple(test))
        x, y = (
            measures.unit_rows(np.array([rows[n] for n in side]).astype(np.float16))
            for side in (train, test)
        )
        cosines = y.astype(np.float64) @ x.T
        assert found.nearest == pytest.approx(cosines.max(axis=1), abs=1e-5)
        assert found.mmd2 == pytest.approx(plain_mmd2(x, y, kernel.h), abs=1e-5)
        random = space.random_sides(split, kernel, n_draws=99)
        test_of_median = random.test_distance(found)
        assert test_of_median.value == pytest.approx(np.median(1 - cosines.max(axis=1)), abs=1e-5)
        assert test_of_median.interval[0] < 1 < test_of_median.interval[1]
        assert random.nearest.shape == (99, len(test))
        best = int(cosines.max(axis=1).argmax())
        pair = found.pairs(found.twins(-1)[:1])[0]
        assert pair[:2] == (test[best], train[cosines[best].argmax()])
        assert found.most_isolated(1) == [test[cosines.max(axis=1).argmin()]]


def test_a_model_without_any_embedding(small: SmallDataset) -> None:
    small.write_embeddings({"a": np.zeros(4), "b": np.full(4, np.nan)})
    with pytest.raises(InvalidArgumentError, match="No image has an embedding"):
        splits.EmbeddingSpace()
