"""What a split does, in figures."""

from __future__ import annotations

import numpy as np
import pytest
from small_dataset import OOD, SHARED, UNIQUE, SmallDataset

from laion_fmri import splits
from laion_fmri.splits.summary import composition, dataset_of, trial_counts


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
