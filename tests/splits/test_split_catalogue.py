"""Splits by name: what is listed, what is loaded, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_dataset import OOD, SHARED, UNIQUE, SmallDataset

from laion_fmri import layout, splits
from laion_fmri._errors import (
    DamagedFileError,
    DataDirNotSetError,
    InconsistentDataError,
    InvalidArgumentError,
    StimuliNotDownloadedError,
    UnknownNameError,
)

PUBLISHED_SIZES = {
    "random_0": ((897, 224), (4666, 1167)),
    "tau": ((897, 224), (4666, 1167)),
    "ood": ((1121, 371), (5833, 371)),
}
OOD_COUNTS = {
    "shape": 82,
    "relations": 72,
    "unusual": 64,
    "cropped": 60,
    "selfmade": 30,
    "gaudy": 24,
    "illusion-classic": 21,
    "gabor": 10,
    "illusion-natural": 8,
}


def test_listing_and_sizes_need_no_data() -> None:
    assert splits.list_pools() == ["shared", "sub-01", "sub-03", "sub-05", "sub-06", "sub-07"]
    assert splits.list_splits() == [
        *(f"random_{i}" for i in range(5)),
        *(f"cluster_k5_{i}" for i in range(5)),
        "tau",
        "ood",
    ]
    assert splits.list_splits("sub-07") == splits.list_splits()
    assert splits.list_ood_types() == sorted(OOD_COUNTS)
    for name, (shared, subject) in PUBLISHED_SIZES.items():
        assert splits.split_sizes(name) == shared
        assert splits.split_sizes(name, "sub-06") == subject
    for kind, n in OOD_COUNTS.items():
        assert splits.split_sizes("ood", ood_types=kind) == (1121, n)
    for pool in splits.list_pools():
        tests = [splits.split_sizes(f"cluster_k5_{fold}", pool).n_test for fold in range(5)]
        assert sum(tests) == sum(splits.split_sizes("random_0", pool))


def test_a_data_directory_that_is_gone_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tmp_path / "gone"))
    for name in ("random_0", "tau"):
        with pytest.raises(DataDirNotSetError, match="does not exist"):
            splits.load_split(name)


def test_unknown_names_are_refused_before_any_data_is_asked_for() -> None:
    with pytest.raises(UnknownNameError, match="'random_0'"):
        splits.load_split("random0")
    with pytest.raises(UnknownNameError, match="'sub-01'"):
        splits.load_split("random_0", pool="sub01")
    with pytest.raises(UnknownNameError, match="pool"):
        splits.list_splits(pool="everyone")
    with pytest.raises(UnknownNameError, match="OOD type"):
        splits.split_sizes("ood", ood_types=["round"])
    with pytest.raises(UnknownNameError, match="pool None"):
        splits.load_split("random_0", pool=None)  # type: ignore[arg-type]


def test_a_split_says_what_it_is(small: SmallDataset) -> None:
    split = splits.load_split("random_3", pool="sub-01")
    assert (split.name, split.pool, split.split_family) == ("random_3", "sub-01", "random")
    assert split.params == {"method": "uniform_random", "seed": 3}
    assert (split.n_train, split.n_test) == splits.split_sizes("random_3", "sub-01") == (17, 4)
    assert sorted(split.train_ids + split.test_ids) == sorted(SHARED + UNIQUE["sub-01"])
    assert splits.get_train_test_ids("random_3", "sub-01") == (
        list(split.train_ids),
        list(split.test_ids),
    )
    assert split.variants[0].test_ids == split.test_ids
    assert len(repr(split)) < 200


def test_ood_of_some_types(small: SmallDataset) -> None:
    train, test = splits.get_train_test_ids("ood", ood_types=["shape", "gabor"])
    assert train == sorted(SHARED)
    assert test == sorted(n for n in OOD if "_shape_" in n or "_gabor_" in n)
    assert splits.split_sizes("ood", ood_types=["shape", "gabor"]) == (13, 4)


def test_all_splits_of_a_dataset(small: SmallDataset) -> None:
    found = splits.load_all_splits("shared")
    assert list(found) == ["random_0", "random_1", "random_2", "random_3", "random_4", "tau", "ood"]
    assert found["tau"].test_ids == tuple(sorted(SHARED)[:3])
    assert splits.list_splits("sub-01") == [n for n in found if n != "tau"]
    assert splits.split_sizes("tau") == (10, 3)


def test_participants_may_go_by_codes(small: SmallDataset) -> None:
    expected = splits.load_split("random_0", "sub-03")
    small.write_metadata(codes=True)
    assert splits.load_split("random_0", "sub-03") == expected


def test_names_may_come_from_trial_tables(small: SmallDataset) -> None:
    expected = splits.load_split("random_0", "sub-01"), splits.load_split("ood", "shared")
    (small.path / layout.STIMULI_METADATA).unlink()
    small.write_trials("sub-01", "ses-01", [*SHARED[:5], *UNIQUE["sub-01"], *SHARED[:2]])
    small.write_trials("sub-03", "ses-01", [*SHARED[5:], *OOD, *UNIQUE["sub-03"][:2]])
    assert splits.load_split("random_0", "sub-01") == expected[0]
    assert splits.load_split("ood", "shared") == expected[1]
    with pytest.raises(InconsistentDataError, match=r"trial tables .* 15 of 21"):
        splits.load_split("random_0", "sub-03")


def test_names_that_do_not_make_up_the_pool_are_refused(small: SmallDataset) -> None:
    small.write_metadata(SHARED[:-1] + OOD)
    with pytest.raises(InconsistentDataError, match=r"metadata.csv .* 'shared': 12 of 13"):
        splits.load_split("random_0")
    with pytest.raises(InconsistentDataError, match="download-splits"):
        splits.get_split_masks(SHARED, "ood", "shared")
    small.write_metadata(SHARED + OOD[:-1])
    assert splits.load_split("random_0").n_test == 3
    with pytest.raises(InconsistentDataError, match="out-of-distribution images: 17 of 18"):
        splits.load_split("ood")


def test_as_many_but_other_names_are_refused(small: SmallDataset) -> None:
    small.write_metadata()
    path = small.path / layout.STIMULI_METADATA
    path.write_text(path.read_text().replace("NSD_special1000_3", "NSD_special1000_7"))
    with pytest.raises(InconsistentDataError, match="the 13 that are there are not the 13"):
        splits.load_split("random_0")


def test_no_names_at_all(small: SmallDataset) -> None:
    (small.path / layout.STIMULI_METADATA).unlink()
    with pytest.raises(StimuliNotDownloadedError, match="laion-fmri download-stimuli"):
        splits.load_split("random_0")


def test_names_of_another_dataset_never_give_a_published_split(small: SmallDataset) -> None:
    (small.path / "splits" / "declared.json").unlink()
    with pytest.raises(InconsistentDataError, match="13 of 1,121"):
        splits.load_split("random_0")
    with pytest.raises(DamagedFileError, match="where the published file has 47,757"):
        splits.load_split("tau")


def test_ood_that_is_not_declared_is_what_the_metadata_name(small: SmallDataset) -> None:
    small.declare(ood=False)
    assert splits.load_split("ood").test_ids == tuple(sorted(OOD))
    assert splits.split_sizes("ood", ood_types="shape") == (13, 2)
    (small.path / layout.STIMULI_METADATA).unlink()
    small.write_trials("sub-01", "ses-01", SHARED + OOD)
    with pytest.raises(InconsistentDataError, match="does not declare"):
        splits.load_split("ood")


@pytest.mark.parametrize("text", ["", "[]", '{"dataset": "x"}', '{"pools": {}, "files": 3}'])
def test_a_damaged_declaration_is_named(small: SmallDataset, text: str) -> None:
    (small.path / "splits" / "declared.json").write_text(text)
    with pytest.raises(DamagedFileError, match=r"declared\.json .* no registry of splits"):
        splits.load_split("random_0")


def test_masks_over_trials(small: SmallDataset) -> None:
    labels = [SHARED[0], OOD[0], SHARED[0], "somebody_else.jpg", *SHARED]
    split = splits.load_split("random_0")
    expected = np.array([label in split.test_ids for label in labels])
    for trials in (
        pd.DataFrame({"label": labels}),
        pd.DataFrame({"image_name": labels}, index=range(5, 5 + len(labels))),
        pd.Series(labels),
        np.array(labels),
        labels,
    ):
        train, test = splits.get_split_masks(trials, "random_0", pool="shared")
        assert train.dtype == test.dtype == bool
        assert np.array_equal(test, expected)
        assert not (train & test).any()
    assert list(np.flatnonzero(~(train | test))) == [1, 3]


def test_masks_over_nothing(small: SmallDataset) -> None:
    train, test = splits.get_split_masks(pd.DataFrame({"label": []}), "random_0")
    assert train.shape == test.shape == (0,)
    train, _ = splits.get_split_masks(pd.Series([np.nan, None]), "random_0")
    assert not train.any()


@pytest.mark.parametrize(
    ("trials", "match"),
    [
        (pd.DataFrame({"stimulus": ["a"]}), "no column label or image_name"),
        ({"ses-01": pd.DataFrame({"label": ["a"]})}, "pd.concat"),
        ("shared_12rep.jpg", "neither a trial table"),
        (3, "neither a trial table"),
    ],
)
def test_tables_that_name_no_images(small: SmallDataset, trials: object, match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        splits.get_split_masks(trials, "random_0")  # type: ignore[arg-type]
