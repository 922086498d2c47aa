"""Splits computed from names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.splits import recipes

names = st.sets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), min_size=1)
seeds = st.integers(0, 2**32)


@given(names, seeds)
def test_a_random_split_is_a_partition_of_a_fifth(names: set[str], seed: int) -> None:
    split = recipes.random_split("shared", names, seed)
    train, test = set(split.train_ids), set(split.test_ids)
    assert train | test == names
    assert not train & test
    assert (split.n_train, split.n_test) == recipes.random_sizes(len(names))
    assert abs(split.n_test - 0.2 * len(names)) <= 0.5
    assert list(split.train_ids) == sorted(train)
    assert list(split.test_ids) == sorted(test)


@given(names, seeds, st.randoms())
def test_the_order_of_the_names_does_not_matter(names: set[str], seed: int, rnd) -> None:
    shuffled = sorted(names)
    rnd.shuffle(shuffled)
    expected = recipes.random_split("shared", sorted(names), seed)
    assert recipes.random_split("shared", shuffled, seed) == expected
    assert recipes.random_split("shared", shuffled + shuffled[:1], seed) == expected


@given(names, seeds)
def test_the_test_side_is_what_numpy_draws_over_the_sorted_names(
    names: set[str], seed: int
) -> None:
    ordered = sorted(names)
    n = len(ordered)
    drawn = np.random.default_rng(seed).choice(n, round(0.2 * n), replace=False)
    expected = sorted(ordered[i] for i in drawn)
    assert list(recipes.random_split("shared", names, seed).test_ids) == expected


def test_seeds_give_different_splits() -> None:
    pool = [f"{i}.jpg" for i in range(200)]
    assert len({recipes.random_split("shared", pool, seed).test_ids for seed in range(5)}) == 5


@given(names, st.sets(st.sampled_from(recipes.OOD_TYPES), min_size=1))
def test_ood_trains_on_the_pool_and_tests_on_the_types_asked_for(
    names: set[str], types: set[str]
) -> None:
    ood = [f"shared_4rep_OOD_{kind}_{i}.jpg" for kind in recipes.OOD_TYPES for i in range(3)]
    split = recipes.ood_split("shared", names, ood, types)
    assert list(split.train_ids) == sorted(names)
    assert split.n_test == 3 * len(types)
    assert {recipes.ood_type_of(name) for name in split.test_ids} == types
    assert split.params["ood_types"] == [kind for kind in recipes.OOD_TYPES if kind in types]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("shared_4rep_OOD_selfmade_01.jpg", "selfmade"),
        ("shared_4rep_OOD_illusion-natural_giant-cat.jpg", "illusion-natural"),
        ("shared_12rep_LAION_cluster_1003_i0.jpg", None),
        ("unique_LAION_OOD_shape_p01.jpg", None),
        ("", None),
    ],
)
def test_the_type_stands_in_the_name(name: str, kind: str | None) -> None:
    assert recipes.ood_type_of(name) == kind


def test_ood_types_are_checked() -> None:
    assert recipes.require_ood_types("ood", None) == recipes.OOD_TYPES
    assert recipes.require_ood_types("ood", "shape") == ("shape",)
    assert recipes.require_ood_types("ood", ["shape", "gabor"]) == ("gabor", "shape")
    with pytest.raises(UnknownNameError, match="'shape'"):
        recipes.require_ood_types("ood", ["shpae"])
    with pytest.raises(InvalidArgumentError, match="empty"):
        recipes.require_ood_types("ood", [])
    with pytest.raises(InvalidArgumentError, match="'random_0' has no such images"):
        recipes.require_ood_types("random_0", ["shape"])


def test_a_pool_without_images_cannot_be_split() -> None:
    with pytest.raises(InvalidArgumentError, match="without images"):
        recipes.random_split("shared", [], 0)
