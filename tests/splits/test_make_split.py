"""Splits of one's own: made alike on every run, kept, found by name, never in the way."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from small_dataset import SHARED, UNIQUE, SmallDataset

from laion_fmri import splits
from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    InvalidArgumentError,
    MissingDependencyError,
    NoMatchingDataError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.splits import measures, partition

N = 240
IMAGES = [f"unique_LAION_initial_cluster_{i:03d}_i0_p01.jpg" for i in range(N)]
MEMBER = np.repeat([0, 1, 2, 3, 4], [80, 60, 48, 32, 20])


def planted(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(5, 32))
    return centres[MEMBER] + 0.6 * rng.normal(size=(N, 32))


@pytest.fixture
def clusters(small: SmallDataset) -> SmallDataset:
    """The small dataset with embeddings of five planted clusters."""
    small.write_embeddings(dict(zip(IMAGES, planted(), strict=True)))
    return small


def features() -> np.ndarray:
    return measures.unit_rows(planted().astype(np.float16))


def sides(split: splits.Split) -> tuple[np.ndarray, np.ndarray]:
    test = np.isin(IMAGES, split.test_ids)
    return np.flatnonzero(~test), np.flatnonzero(test)


# --- the methods --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["random", "cluster", "distance"])
def test_the_same_on_every_run_and_in_any_order(clusters: SmallDataset, method: str) -> None:
    made = splits.make_split("mine", method, images=IMAGES, seed=3, save=False)
    again = splits.make_split("mine", method, images=IMAGES[::-1] + IMAGES[:9], seed=3, save=False)
    assert made == again
    assert sorted(made.train_ids + made.test_ids) == IMAGES
    assert made.train_ids == tuple(sorted(made.train_ids))
    digest = hashlib.sha256("\n".join(made.test_ids).encode()).hexdigest()
    code = (
        "import hashlib, sys; from laion_fmri.splits import make_split; "
        f"s = make_split('mine', {method!r}, images=sys.stdin.read().split(), seed=3, save=False); "
        "print(hashlib.sha256('\\n'.join(s.test_ids).encode()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        input="\n".join(IMAGES),
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == digest


def test_random_splits_differ_by_seed_and_have_their_size(small: SmallDataset) -> None:
    made = [splits.make_split("a", images=IMAGES, seed=s, save=False) for s in range(3)]
    assert len({split.test_ids for split in made}) == 3
    assert all(split.n_test == 48 for split in made)
    half = splits.make_split("a", images=IMAGES, test_size=0.5, save=False)
    assert (half.n_train, half.n_test) == (120, 120)


def test_a_planted_cluster_is_held_out(clusters: SmallDataset) -> None:
    for k in range(5):
        made = splits.make_split("a", "cluster", images=IMAGES, held_out_cluster=k, save=False)
        assert np.array_equal(sides(made)[1], np.flatnonzero(np.equal(MEMBER, k)))
        assert made.params["cluster_sizes"] == [80, 60, 48, 32, 20]
    made = splits.make_split("a", "cluster", images=IMAGES, save=False)
    assert made.params["held_out_cluster"] == 2  # 48 of 240 is a fifth
    x, h = features(), measures.bandwidth(features())
    drawn = splits.make_split("a", images=IMAGES, save=False)
    held_out, random = (measures.compare(x, *sides(s), h=h) for s in (made, drawn))
    assert np.median(held_out.distances()) > 1.5 * np.median(random.distances())
    assert held_out.mmd2 > 5 * random.mmd2


def test_distance_controlled_keeps_away_and_stays_alike(clusters: SmallDataset) -> None:
    made = splits.make_split("a", "distance", images=IMAGES, save=False)
    x, h = features(), measures.bandwidth(features())
    found = measures.compare(x, *sides(made), h=h)
    assert made.n_test == 48
    assert found.distances().min() >= made.params["min_distance"] - 1e-5
    assert found.mmd2 == pytest.approx(made.params["mmd2"], abs=1e-5)
    randoms = [
        measures.compare(x, *sides(splits.make_split("a", images=IMAGES, seed=s, save=False)), h=h)
        for s in range(20)
    ]
    usual = np.mean([r.mmd2 for r in randoms])
    assert made.params["ratio_to_random"] <= 1.0
    assert found.mmd2 < 1.2 * usual
    assert np.median(found.distances()) > max(np.median(r.distances()) for r in randoms)
    nearest = np.sort(x @ x.T, axis=1)[:, -2]
    assert made.params["min_distance"] > np.percentile(1 - nearest, 10)


def test_a_distance_that_is_asked_for_is_kept(clusters: SmallDataset) -> None:
    made = splits.make_split(
        "a", "distance", images=IMAGES, min_distance=0.1, test_size=0.1, save=False
    )
    found = measures.compare(features(), *sides(made), h=1.0)
    assert found.distances().min() >= 0.1 - 1e-6
    assert made.params["min_distance"] == 0.1
    with pytest.raises(NoMatchingDataError, match=r"0 images are 1\.9 or farther"):
        splits.make_split("a", "distance", images=IMAGES, min_distance=1.9, save=False)


@pytest.mark.parametrize("method", ["random", "cluster", "distance"])
def test_groups_and_near_duplicates_stay_together(clusters: SmallDataset, method: str) -> None:
    rows = planted()
    rows[200] = rows[3] * 1.001  # a near twin in another planted cluster
    clusters.write_embeddings(dict(zip(IMAGES, rows, strict=True)))
    groups = {name: i // 4 for i, name in enumerate(IMAGES) if i < 160}
    made = splits.make_split(
        "a", method, images=IMAGES, groups=groups, near_duplicates=0.999, seed=5, save=False
    )
    test = np.isin(IMAGES, made.test_ids)
    assert test[200] == test[3]
    for number in set(groups.values()):
        members = [i for i, name in enumerate(IMAGES) if groups.get(name) == number]
        assert len(set(test[members])) == 1
    assert made.params["n_groups"] == 40 + 80 - 1
    assert 0 < made.n_test < N
    if method == "distance":
        x = measures.unit_rows(rows.astype(np.float16))
        found = measures.compare(x, *sides(made), h=1.0)
        assert found.distances().min() >= made.params["min_distance"] - 1e-5


def test_groupings_are_joined_by_what_links_them() -> None:
    joined = partition.together(5, np.array([0, 0, 1, 2, 3]), np.array([0, 1, 1, 3, 4]))
    assert joined.tolist() == [0, 0, 0, 1, 2]
    assert partition.together(3, None, None).tolist() == [0, 1, 2]


# --- keeping and finding ------------------------------------------------------------------


def test_by_name_like_any_other(small: SmallDataset) -> None:
    made = splits.make_split("mine", pool="sub-01", seed=4)
    assert splits.load_split("mine", "sub-01") == made
    assert splits.list_splits("sub-01")[-1] == "mine"
    assert "mine" not in splits.list_splits("shared")
    assert splits.list_splits()[-1] == "mine"
    assert splits.split_sizes("mine", "sub-01") == (17, 4)
    train, test = splits.get_split_masks([made.test_ids[0], "other.jpg"], "mine", "sub-01")
    assert test.tolist() == [True, False] and not train.any()
    assert splits.load_all_splits("sub-01")["mine"] == made
    assert "sub-01" in splits.list_pools() and "own" not in splits.list_pools()


def test_kept_in_the_published_schema(small: SmallDataset) -> None:
    made = splits.make_split("mine", seed=4)
    path = small.path / "splits/own/shared/mine.json"
    stored = json.loads(path.read_text())
    published = json.loads((small.path / "splits/shared/tau.json").read_text())
    assert stored.keys() == published.keys()
    assert stored["variants"][0].keys() == published["variants"][0].keys()
    assert (stored["n_train"], stored["n_test"]) == (made.n_train, made.n_test)
    assert stored["params"]["seed"] == 4
    assert not list(path.parent.glob(".*"))


def test_lists_of_images_have_pools_of_their_own(small: SmallDataset) -> None:
    images = ["a b.jpg", "<b>.jpg", "ü.png", "d", "e"]
    made = splits.make_split("mine", images=images)
    assert (made.pool, made.n_test) == ("own", 1)
    splits.make_split("mine", images=images, pool="pilot")
    assert splits.list_pools()[-2:] == ["own", "pilot"]
    assert splits.list_splits("pilot") == ["mine"]
    assert splits.load_split("mine", "pilot").test_ids == made.test_ids
    with pytest.raises(UnknownNameError, match="Known: mine"):
        splits.load_split("random_0", "pilot")


def test_part_of_a_published_pool(small: SmallDataset) -> None:
    made = splits.make_split("mine", images=SHARED[:6], pool="shared")
    assert sorted(made.train_ids + made.test_ids) == sorted(SHARED[:6])
    with pytest.raises(UnknownNameError, match="image of the pool 'shared'"):
        splits.make_split("more", images=[*SHARED, UNIQUE["sub-01"][0]], pool="shared")


def test_never_quietly_replaced(small: SmallDataset) -> None:
    splits.make_split("mine", seed=1)
    path = small.path / "splits/own/shared/mine.json"
    before = path.read_bytes()
    splits.make_split("mine", seed=1)  # the same again
    with pytest.raises(
        InvalidArgumentError, match="another split 'mine' of the pool 'shared' already"
    ):
        splits.make_split("mine", seed=2)
    assert path.read_bytes() == before
    splits.delete_split("mine")
    assert splits.make_split("mine", seed=2).params["seed"] == 2
    with pytest.raises(UnknownNameError, match="split of your own"):
        splits.delete_split("tau")
    assert (small.path / "splits/shared/tau.json").exists()


@pytest.mark.parametrize("name", ["tau", "random_0", "OOD", "random_7", "cluster_k5_9", "Tau"])
def test_published_names_are_not_taken(small: SmallDataset, name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="name of a published split"):
        splits.make_split(name)


@pytest.mark.parametrize(
    "name", ["", "../up", "a/b", "a.b", ".a", "a" * 65, "ü", "-a", None, "a\n"]
)
def test_names_that_are_no_file_names(small: SmallDataset, name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot be the name of a split"):
        splits.make_split(name)
    with pytest.raises(InvalidArgumentError, match="cannot be the name of a pool"):
        splits.make_split("fine", images=["a", "b", "c"], pool=name or "")
    assert not (small.path / "splits/own").exists()


def test_a_published_split_goes_before_one_of_the_same_name(small: SmallDataset) -> None:
    made = splits.make_split("mine")
    (small.path / "splits/own/shared/tau.json").write_text(
        (small.path / "splits/own/shared/mine.json").read_text().replace("mine", "tau")
    )
    assert splits.load_split("tau").test_ids != made.test_ids
    assert splits.list_splits("shared").count("tau") == 1


@pytest.mark.parametrize("text", ["", "[]", '{"name": "mine"}'])
def test_a_damaged_file_of_ones_own(small: SmallDataset, text: str) -> None:
    splits.make_split("mine")
    path = small.path / "splits/own/shared/mine.json"
    stored = path.read_text()
    path.write_text(text)
    with pytest.raises(DamagedFileError, match="make the split again"):
        splits.load_split("mine")
    path.write_text(stored.replace('"mine"', '"other"'))
    with pytest.raises(DamagedFileError, match="it holds the split 'other'"):
        splits.load_split("mine")


# --- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"test_size": 0}, "test_size"),
        ({"test_size": 1.0}, "test_size"),
        ({"test_size": "0.2"}, "test_size"),
        ({"test_size": float("nan")}, "test_size"),
        ({"test_size": 0.001}, "leave one side empty"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"near_duplicates": 2}, "near_duplicates"),
        ({"near_duplicates": -1}, "must stay together"),
        ({"images": IMAGES[0]}, "not one name"),
        ({"images": IMAGES[:1] * 3}, "1 image cannot be parted"),
        ({"images": [1, 2]}, "no image name"),
        ({"groups": ["a"]}, "groups maps"),
        ({"method": "cluster", "n_clusters": 1}, "n_clusters"),
        ({"method": "cluster", "held_out_cluster": 5}, "held_out_cluster"),
        ({"method": "distance", "min_distance": -1}, "min_distance"),
        ({"method": "distance", "target_ratio": float("nan")}, "target_ratio"),
    ],
)
def test_arguments_that_cannot_be_used(clusters: SmallDataset, arguments: dict, match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        splits.make_split("mine", **{"images": IMAGES, "pool": None, **arguments})
    assert not (clusters.path / "splits/own").exists()


def test_what_does_not_exist(clusters: SmallDataset) -> None:
    with pytest.raises(UnknownNameError, match="method 'best'"):
        splits.make_split("mine", "best")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="pool 'sub-99'"):
        splits.make_split("mine", pool="sub-99")
    with pytest.raises(UnknownNameError, match="embedding model"):
        splits.make_split("mine", "cluster", images=IMAGES, embedding="VGG")
    with pytest.raises(StimuliNotDownloadedError, match="download_embeddings"):
        splits.make_split("mine", "cluster", images=IMAGES, embedding="DINOv2")
    with pytest.raises(UnknownNameError, match="image"):
        splits.make_split("mine", "cluster", images=[*IMAGES, "x.jpg"])


def test_images_without_a_valid_embedding_are_refused(clusters: SmallDataset) -> None:
    rows = planted()
    rows[7] = np.nan
    clusters.write_embeddings(dict(zip(IMAGES, rows, strict=True)))
    with pytest.raises(InconsistentDataError, match="1 of 240 images"):
        splits.make_split("mine", "distance", images=IMAGES)


def test_without_scikit_learn(small: SmallDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.model_selection", None)
    with pytest.raises(MissingDependencyError, match=r"laion-fmri-explorer\[splits\]"):
        splits.make_split("mine")
    assert splits.load_split("random_0").n_test == 3


def test_a_folder_that_cannot_be_written(small: SmallDataset) -> None:
    (small.path / "splits/own").write_text("a file")
    with pytest.raises(InvalidArgumentError, match="save=False"):
        splits.make_split("mine")
