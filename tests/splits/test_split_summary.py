"""What a split does, in figures."""

from __future__ import annotations

import numpy as np
import pytest
from small_dataset import OOD, SHARED, UNIQUE, SmallDataset

from laion_fmri import splits
from laion_fmri.splits import composition, count_shared_tests, split_table, trial_counts
from laion_fmri.splits.split import Split, SplitVariant
from laion_fmri.splits.summary import evenly_spaced
from laion_fmri.trials import dataset_of


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("shared_12rep_THINGS+_kmeans_12_whisk.jpg", "THINGS+"),
        ("unique_THINGS_whisk_p01.jpg", "THINGS"),
        ("unique_LAION_fillup_cluster_1_i0_p03.jpg", "LAION"),
        ("shared_4rep_OOD_shape_blob.png", "OOD"),
        ("holiday.jpg", ""),
    ],
)
def test_the_dataset_stands_in_the_name(name: str, dataset: str) -> None:
    assert dataset_of(name) == dataset


def test_composition_counts_every_image_once(small: SmallDataset) -> None:
    split = splits.load_split("ood", "sub-01", ["shape", "gabor"])
    table = composition(split)
    assert table.values.tolist() == [
        ["LAION", "", "shared", 9, 0],
        ["NSD", "", "shared", 4, 0],
        ["LAION", "", "unique", 7, 0],
        ["THINGS+", "", "unique", 1, 0],
        ["OOD", "gabor", "shared", 0, 2],
        ["OOD", "shape", "shared", 0, 2],
    ]
    table = composition(splits.load_split("random_0", "sub-03"))
    assert table[["train", "test"]].sum().tolist() == list(splits.split_sizes("random_0", "sub-03"))


def test_trials_and_repeats_of_each_side(small: SmallDataset) -> None:
    split = splits.load_split("tau")
    test, train = split.test_ids, split.train_ids
    labels = [test[0]] * 3 + [test[1]] + [train[0]] * 2 + [OOD[0], UNIQUE["sub-01"][0]]
    table = trial_counts(split, labels)
    assert table.loc["test"].tolist() == [4, 2, 1, 2, 3]
    assert table.loc["train"].tolist() == [2, 1, 2, 2, 2]
    assert table.loc["neither"].tolist() == [2, 2, 1, 1, 1]


def test_no_trials(small: SmallDataset) -> None:
    table = trial_counts(splits.load_split("tau"), SHARED[:0])
    assert table["n_trials"].tolist() == [0, 0, 0]
    assert np.isnan(table["mean_repeats"]).all()


def test_the_table_of_a_split_has_a_row_for_each_image(small: SmallDataset) -> None:
    split = splits.load_split("ood", "sub-01", ["shape", "gabor"])
    table = split_table(split)
    assert table.columns.tolist() == [
        "image_name", "side", "dataset", "group", "ood_type", "edition",
    ]  # fmt: skip
    assert table["image_name"].tolist() == [*split.train_ids, *split.test_ids]
    assert table["side"].tolist() == ["train"] * split.n_train + ["test"] * split.n_test
    assert sorted(set(table["ood_type"])) == ["", "gabor", "shape"]
    assert set(table["edition"]) == {"v1"}


def test_overlap_of_test_sides() -> None:
    tests = {"a": ("x", "y", "z"), "b": ("y",), "c": ()}
    of_name = {
        name: Split(name, "pilot", {}, (SplitVariant(0, (), ids),)) for name, ids in tests.items()
    }
    counts = count_shared_tests(of_name)
    assert counts.to_numpy().tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert counts.index.tolist() == counts.columns.tolist() == ["a", "b", "c"]
    assert count_shared_tests({}).shape == (0, 0)


def test_examples_go_evenly_through_the_names():
    names = [f"{i:03d}" for i in range(100)]
    assert evenly_spaced(names, 4) == ["000", "033", "066", "099"]
    assert evenly_spaced(names[:3], 4) == names[:3]
    assert evenly_spaced([], 4) == []
