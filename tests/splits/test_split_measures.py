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


def test_mmd2_of_random_sides_is_what_is_expected_of_them() -> None:
    from laion_fmri.splits.distance_control import _expected_mmd2

    x = unit(60, seed=5)
    h = measures.bandwidth(x)
    rng = np.random.default_rng(0)
    values = []
    for _ in range(400):
        order = rng.permutation(60)
        values.append(measures.mmd2(x[order[12:]], x[order[:12]], h=h))
    expected = _expected_mmd2(measures.kernel_sum(x, h=h), 60.0, 60, 12)
    standard_error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - expected) < 4 * standard_error


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


def test_overlap_of_test_sides() -> None:
    tests = {"a": ["x", "y", "z"], "b": ["y"], "c": []}
    assert measures.shared_tests(tests).tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert measures.shared_tests({}).shape == (0, 0)


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
        best = int(cosines.max(axis=1).argmax())
        pair = found.pairs(found.twins(-1)[:1])[0]
        assert pair[:2] == (test[best], train[cosines[best].argmax()])
        assert found.most_isolated(1) == [test[cosines.max(axis=1).argmin()]]


def test_a_model_without_any_embedding(small: SmallDataset) -> None:
    small.write_embeddings({"a": np.zeros(4), "b": np.full(4, np.nan)})
    with pytest.raises(InvalidArgumentError, match="No image has an embedding"):
        splits.EmbeddingSpace()
