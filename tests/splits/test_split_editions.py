"""Editions: files that were published later are taken when they are consistent, and say so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_dataset import OOD, SHARED, UNIQUE, SmallDataset

from laion_fmri import splits
from laion_fmri._errors import (
    DamagedFileError,
    InvalidArgumentError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.cli import main
from laion_fmri.splits import editions, recipes
from laion_fmri.splits.registry import names_sha256, published_registry

EVERYONE = sorted(SHARED + [name for names in UNIQUE.values() for name in names])
HOSTILE = "<img src=x onerror=alert(1)>.jpg"


def as_file(
    folder: Path, pool: str, name: str, images: list[str], test: list[str], /, **changes: object
) -> Path:
    """A split file as the authors publish it; `changes` break it."""
    train = [image for image in sorted(images) if image not in test]
    variant = {"variant_id": 0, "train_ids": train, "test_ids": sorted(test)}
    stored = {
        "name": name,
        "pool": "sub-04 full pool (unique + LAION non-OOD shared)",  # older labels
        "splitter": "x",
        "params": {"method": "x"},
        "n_train": len(train),
        "n_test": len(test),
        "variants": [variant],
    }
    path = folder / pool / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**stored, **changes}))
    return path


def partition(images: list[str], fold: int) -> list[str]:
    """The recipe of the later edition, as the dataset's description has it."""
    shuffled = np.array(sorted(images))
    np.random.default_rng(42).shuffle(shuffled)
    return np.array_split(shuffled, 5)[fold].tolist()


@pytest.fixture
def later(small: SmallDataset, tmp_path: Path) -> Path:
    """A folder of files of the later edition, some unchanged since the first."""
    folder = tmp_path / "later"
    small.declare(small.write_tau(), small.write_tau(folder=folder))
    for fold in range(5):
        as_file(folder, "shared", f"random_{fold}", SHARED, partition(SHARED, fold))
    images = SHARED + UNIQUE["sub-03"]
    revised = {"method": "x", "revision": 2}
    as_file(folder, "sub-03", "random_0", images, images[:4], params=revised)
    as_file(folder, "pooled", "tau", EVERYONE, EVERYONE[::5])
    as_file(folder, "pooled", "cluster_k5_3", EVERYONE, EVERYONE[:9])
    return folder


def test_each_file_goes_to_the_edition_it_shows(later: Path, small: SmallDataset) -> None:
    before = splits.load_split("random_0")
    done = splits.copy_splits(later)
    assert "shared/tau.json" in done.already_here
    assert set(done.copied) == {
        *(f"v2/shared/random_{fold}.json" for fold in range(5)),
        "v2/sub-03/random_0.json",
        "v2/pooled/tau.json",
        "v2/pooled/cluster_k5_3.json",
    }
    assert splits.copy_splits(later).copied == ()

    assert splits.load_split("random_0") == before  # the seeds' recipe stays the default
    assert (before.edition, splits.load_split("tau").edition) == ("v1", "v1")
    second = splits.load_split("random_0", edition="v2")
    assert second.edition == "v2" != before.edition
    assert list(second.test_ids) == sorted(partition(SHARED, 0))
    assert splits.load_split("random_0", "sub-03", edition="v2").params["revision"] == 2
    assert splits.get_train_test_ids("random_1", edition="v2")[1] == sorted(partition(SHARED, 1))
    _, test = splits.get_split_masks(SHARED, "random_1", edition="v2")
    assert test.sum() == len(partition(SHARED, 1))
    with pytest.raises(UnknownNameError, match="edition 'third'"):
        splits.load_split("random_0", edition="third")


def test_the_pool_of_everyone(later: Path, small: SmallDataset) -> None:
    assert "pooled" not in splits.list_pools()
    names = [*(f"cluster_k5_{fold}" for fold in range(5)), "tau"]
    assert splits.list_splits("pooled") == names
    splits.copy_splits(later)
    assert splits.list_pools() == ["shared", *UNIQUE, "pooled"]
    split = splits.load_split("tau", pool="pooled")
    assert (split.edition, split.pool) == ("v2", "pooled")
    assert sorted(split.variant().all_ids()) == EVERYONE
    assert splits.split_sizes("cluster_k5_3", "pooled") == (len(EVERYONE) - 9, 9)
    with pytest.raises(UnknownNameError, match="split 'random_0'"):
        splits.load_split("random_0", "pooled")
    with pytest.raises(UnknownNameError, match="edition of the pool 'pooled'"):
        splits.load_split("tau", "pooled", edition="v1")


def test_the_pool_of_everyone_is_known_by_its_names() -> None:
    assert published_registry().later_pools["pooled"].n == 24_681 == 1121 + 5 * 4712


def test_an_edition_can_be_asked_for(later: Path, small: SmallDataset) -> None:
    with pytest.raises(DamagedFileError, match=r"SHA-256|bytes where"):
        as_file(later, "shared", "tau", SHARED, SHARED[5:8])
        splits.copy_splits(later)
    with pytest.raises(DamagedFileError, match="edition='v2'"):
        splits.copy_splits(later, edition="v1")
    done = splits.copy_splits(later, edition="v2")
    assert "v2/shared/tau.json" in done.copied
    assert splits.load_split("tau", edition="v2").test_ids == tuple(sorted(SHARED[5:8]))
    assert splits.load_split("tau").test_ids != tuple(sorted(SHARED[5:8]))
    assert splits.copy_splits(later, edition="v2").already_here == done.copied


def test_from_the_command_line(later: Path, small: SmallDataset, capsys) -> None:
    assert main(["download-splits", "--from", str(later), "--edition", "v2", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert len(done["copied"]) == 9 and "v2/pooled/tau.json" in done["copied"]
    assert main(["download-splits", "--from", str(later)]) == 0
    assert "0 copied, 9 already there" in capsys.readouterr().out
    (later / "pooled/tau.json").write_text("{")
    assert main(["download-splits", "--from", str(later)]) == 1
    assert "tau.json" in capsys.readouterr().err


BAD = {
    "an image on both sides": {
        "variants": [{"variant_id": 0, "train_ids": EVERYONE, "test_ids": EVERYONE[:5]}]
    },
    "other sizes than it says": {"n_test": 6},
    "sizes as text": {"n_train": "24", "n_test": "5"},
    "an image that nobody knows": {
        "variants": [
            {"variant_id": 0, "train_ids": EVERYONE[6:], "test_ids": [*EVERYONE[:5], HOSTILE]}
        ],
        "n_train": len(EVERYONE) - 6,
        "n_test": 6,
    },
    "an image twice": {
        "variants": [
            {"variant_id": 0, "train_ids": EVERYONE[5:], "test_ids": [*EVERYONE[:4], EVERYONE[0]]}
        ]
    },
    "another split": {"name": "cluster_k5_0"},
    "a hostile name": {"name": "../../../etc/passwd"},
    "names that are numbers": {
        "variants": [{"variant_id": 0, "train_ids": [1, 2], "test_ids": [3]}]
    },
    "sides that are texts": {"variants": [{"variant_id": 0, "train_ids": "ab", "test_ids": "c"}]},
    "no variant": {"variants": []},
    "variants of one number": {
        "variants": 2 * [{"variant_id": 0, "train_ids": EVERYONE[5:], "test_ids": EVERYONE[:5]}]
    },
    "no number": {
        "variants": [{"variant_id": None, "train_ids": EVERYONE[5:], "test_ids": EVERYONE[:5]}]
    },
    "no params": {"params": None},
}


@pytest.mark.parametrize("edition", [None, "v2"])
@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_refused_and_nothing_is_copied(
    later: Path, small: SmallDataset, what: str, edition: str | None
) -> None:
    as_file(later, "pooled", "tau", EVERYONE, EVERYONE[:5], **BAD[what])
    with pytest.raises(DamagedFileError, match=r"tau\.json"):
        splits.copy_splits(later, edition=edition)
    assert not (small.path / "splits/v2").exists()
    # Nor is one read that was changed once it was here.
    as_file(small.path / "splits/v2", "pooled", "tau", EVERYONE, EVERYONE[:5], **BAD[what])
    with pytest.raises(DamagedFileError, match=r"tau\.json"):
        splits.load_split("tau", "pooled")


@pytest.mark.parametrize("what", BAD)
def test_a_split_of_ones_own_that_was_changed_by_hand(small: SmallDataset, what: str) -> None:
    splits.make_split("mine", pool="shared")
    as_file(small.path / "splits/own", "shared", "mine", SHARED, SHARED[:3], **BAD[what])
    with pytest.raises(DamagedFileError, match=r"mine\.json .* make the split again"):
        splits.load_split("mine")


def test_images_of_another_pool_are_noticed(small: SmallDataset, tmp_path: Path) -> None:
    """The folder says the pool; the label inside the file is of no use."""
    images = SHARED + UNIQUE["sub-01"]
    as_file(tmp_path / "x", "sub-03", "random_0", images, images[:4], params={"revision": 2})
    with pytest.raises(DamagedFileError, match=r"'unique_.*_p01.jpg' is not of the pool 'sub-03'"):
        splits.copy_splits(tmp_path / "x", edition="v2")
    as_file(tmp_path / "y", "shared", "ood", SHARED + OOD, [*OOD[:-1], SHARED[0]])
    with pytest.raises(DamagedFileError, match="is not out of distribution"):
        splits.copy_splits(tmp_path / "y", edition="v2")
    as_file(tmp_path / "y", "shared", "ood", SHARED + OOD[1:], OOD[1:])
    with pytest.raises(DamagedFileError, match="not the out-of-distribution images"):
        splits.copy_splits(tmp_path / "y", edition="v2")
    as_file(tmp_path / "y", "shared", "ood", SHARED + OOD, OOD)
    splits.copy_splits(tmp_path / "y", edition="v2")
    found = splits.load_split("ood", edition="v2", ood_types="gabor")
    assert (found.n_test, found.edition) == (2, "v2")


def test_part_of_a_pool_is_taken_where_its_images_are_known(
    small: SmallDataset, tmp_path: Path
) -> None:
    as_file(tmp_path / "x", "shared", "tau", SHARED[:9], SHARED[:2])
    splits.copy_splits(tmp_path / "x", edition="v2")
    assert splits.load_split("tau", edition="v2").n_train == 7
    for table in (small.path / "stimuli").iterdir():
        table.unlink()
    with pytest.raises(DamagedFileError, match="without the metadata of the stimuli"):
        splits.load_split("tau", edition="v2")


def test_without_metadata_a_whole_pool_is_known(small: SmallDataset, later: Path) -> None:
    for table in (small.path / "stimuli").iterdir():
        table.unlink()
    declared = small.path / "splits/declared.json"
    stored = json.loads(declared.read_text())
    figures = {"n": len(EVERYONE), "names_sha256": names_sha256(EVERYONE)}
    declared.write_text(json.dumps({**stored, "later_pools": {"pooled": figures}}))
    splits.copy_splits(later)
    assert splits.load_split("tau", "pooled").n_test == len(EVERYONE[::5])


def test_what_is_not_here_cannot_be_fetched(small: SmallDataset) -> None:
    with pytest.raises(StimuliNotDownloadedError, match="could not be fetched"):
        splits.load_split("random_0", edition="v2")


def test_exports_say_the_edition(later: Path, small: SmallDataset) -> None:
    splits.copy_splits(later)
    for split in (splits.load_split("random_0"), splits.load_split("random_0", edition="v2")):
        assert splits.to_schema(split)["edition"] == split.edition
        assert split.edition in split._repr_html_()
    own = splits.make_split("mine", save=False)
    assert own.edition == "own" and "edition" not in splits.to_schema(own)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(
    st.sampled_from(
        ["name", "params", "n_train", "n_test", "variants", "variant_id", "train_ids", "test_ids"]
    ),
    json_values,
)
def test_whatever_stands_in_a_file_it_is_read_or_refused(field: str, value: object) -> None:
    variant = {"variant_id": 0, "train_ids": ["a", "b"], "test_ids": ["c"]}
    tree = {"name": "x", "splitter": "", "params": {}, "n_train": 2, "n_test": 1}
    (variant if field in variant else tree)[field] = value
    tree.setdefault("variants", [variant])
    try:
        split = editions.parse_split(json.dumps(tree), "x", "shared", "v2")
    except ValueError as error:
        assert "it holds" in str(error)
    else:
        assert split.variant(split.variants[0].variant_id).all_ids()
        assert (split.n_train, split.n_test) == (2, 1)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"", b"[" * 100_000, b"null", b'{"name": NaN}'])
def test_bytes_that_are_no_split(text: bytes) -> None:
    with pytest.raises(ValueError, match="it holds no split"):
        editions.parse_split(text, "x", "shared", "v2")


@pytest.mark.parametrize("name", [None, 3, ["tau"], {"a": 1}, "", "../tau", "TAU", HOSTILE, "v2/x"])
def test_names_that_are_none(small: SmallDataset, name: object) -> None:
    with pytest.raises(InvalidArgumentError):
        splits.load_split(name)  # type: ignore[arg-type]
    for call in (splits.list_splits, lambda pool: splits.load_split("tau", pool)):
        if name is not None:
            with pytest.raises(UnknownNameError, match="pool"):
                call(name)
    if name is not None:
        with pytest.raises(UnknownNameError, match="edition"):
            splits.load_split("tau", edition=name)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [np.str_, np.array, lambda text: text.encode(), np.bytes_])
def test_any_kind_of_text_is_a_name(small: SmallDataset, kind) -> None:
    expected = splits.get_train_test_ids("ood", "sub-01", 0, ["gabor"])
    name, pool, types = kind("ood"), kind("sub-01"), np.array([kind("gabor")])
    assert splits.get_train_test_ids(name, pool, np.int64(0), types) == expected
    assert splits.load_split(name, pool, kind("gabor"), edition=kind("v1")).n_test == 2
    assert splits.list_splits(pool) == splits.list_splits("sub-01")
    assert splits.split_sizes(name, pool) == splits.split_sizes("ood", "sub-01")


@pytest.mark.parametrize("variant_id", [1, -1, None, True, False, "0", 0.5, [0]])
def test_a_variant_that_is_not_there(small: SmallDataset, variant_id: object) -> None:
    with pytest.raises(UnknownNameError, match="variant of the split 'tau'"):
        splits.get_train_test_ids("tau", "shared", variant_id)  # type: ignore[arg-type]


def test_the_fold_of_the_recipe() -> None:
    for fold in range(5):
        assert list(recipes.partition_fold(SHARED, fold)) == sorted(partition(SHARED, fold))
