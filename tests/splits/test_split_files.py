"""Published split files: verified, copied whole, equal to what is computed."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from small_dataset import SmallDataset

from laion_fmri import layout, splits
from laion_fmri._errors import DamagedFileError, NoMatchingDataError, StimuliNotDownloadedError
from laion_fmri.splits.registry import published_registry

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "published_splits"
needs_published = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="the published split files are not on this machine"
)


def test_a_file_that_is_not_here(small: SmallDataset) -> None:
    (small.path / "splits/shared/tau.json").unlink()
    with pytest.raises(StimuliNotDownloadedError, match="`laion-fmri download-splits`"):
        splits.load_split("tau")


def test_a_changed_file_is_refused(small: SmallDataset) -> None:
    path = small.path / "splits/shared/tau.json"
    stored = path.read_bytes()
    path.write_bytes(stored[:-1])
    with pytest.raises(DamagedFileError, match="bytes where"):
        splits.load_split("tau")
    path.write_bytes(stored.replace(b"cluster_0", b"cluster_X"))
    with pytest.raises(DamagedFileError, match="SHA-256"):
        splits.load_split("tau")


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: [],
        lambda stored: stored | {"variants": []},
        lambda stored: stored | {"variants": [{"variant_id": 0, "train_ids": ["a"]}]},
        lambda stored: (
            stored | {"variants": [{"variant_id": 0, "train_ids": ["a"], "test_ids": ["a"]}]}
        ),
    ],
)
def test_a_declared_file_that_holds_no_split(small: SmallDataset, change) -> None:
    path = small.path / "splits/shared/tau.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    small.declare(path)
    with pytest.raises(DamagedFileError, match="it holds no split"):
        splits.load_split("tau")


def test_addresses_are_below_one_commit() -> None:
    assert splits.split_url("sub-01", "tau").endswith("/splits/data/sub-01/tau.json")


def test_the_registry_holds_all_published_files() -> None:
    registry = published_registry()
    assert len(registry.files) == 72
    assert sum(registry.ood_types.values()) == registry.ood.n == 371
    for key, figures in registry.files.items():
        pool, _, name = key.removesuffix(".json").partition("/")
        assert splits.split_sizes(name, pool) == (figures.n_train, figures.n_test)


def test_copying_verifies_everything_first(small: SmallDataset, tmp_path: Path) -> None:
    source = tmp_path / "source"
    files = [small.write_tau(pool, source) for pool in ("shared", "sub-01")]
    (small.path / "splits/shared/tau.json").unlink()
    small.declare(*files)
    files[1].write_bytes(files[1].read_bytes() + b" ")
    with pytest.raises(DamagedFileError, match="sub-01"):
        splits.copy_splits(source)
    assert not (small.path / "splits/shared/tau.json").exists()

    small.write_tau("sub-01", source)
    assert splits.copy_splits(source).copied == ("shared/tau.json", "sub-01/tau.json")
    again = splits.copy_splits(str(source))
    assert (again.copied, again.missing) == ((), ())
    assert again.already_here == ("shared/tau.json", "sub-01/tau.json")
    assert splits.load_split("tau", "sub-01").n_test == 3
    assert not list((small.path / "splits").rglob(".*"))

    (small.path / "splits/sub-01/tau.json").write_text("damaged")
    files[0].unlink()
    mended = splits.copy_splits(source)
    assert mended.copied == ("sub-01/tau.json",)
    assert mended.missing == ("shared/tau.json",)


def test_copying_from_where_there_is_nothing(small: SmallDataset, tmp_path: Path) -> None:
    with pytest.raises(NoMatchingDataError, match="holds no published split"):
        splits.copy_splits(tmp_path / "nowhere")


@pytest.fixture(scope="module")
def published_names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with nothing but metadata made from the published files."""
    folder = tmp_path_factory.mktemp("published")
    path = folder / layout.STIMULI_METADATA
    path.parent.mkdir()
    rows: dict[str, str] = {}
    for pool in splits.list_pools(folder):
        stored = json.loads((PUBLISHED / pool / "ood.json").read_text())["variants"][0]
        for name in stored["train_ids"] + stored["test_ids"]:
            rows.setdefault(name, "shared" if name.startswith("shared_") else pool)
    table = pd.DataFrame({"image_name": rows.keys(), "participant": rows.values()})
    table = table.sample(frac=1, random_state=0).assign(dataset="", unique_or_shared="", n_reps=1)
    table.to_csv(path, index=False)
    return folder


@needs_published
@pytest.mark.parametrize("pool", published_registry().pools)
def test_computed_splits_equal_the_published_files(pool: str, published_names: Path) -> None:
    for name in (*(f"random_{seed}" for seed in range(5)), "ood"):
        require_equal(splits.load_split(name, pool, data_dir=published_names))


@needs_published
def test_published_files_load_as_they_are(tmp_path: Path) -> None:
    done = splits.copy_splits(PUBLISHED, tmp_path)
    assert (len(done.copied), done.already_here, done.missing) == (72, (), ())
    for pool in splits.list_pools():
        for split in splits.load_all_splits(pool, tmp_path).values():
            require_equal(split)
    # Without any image name, the computed ones come from their files too.
    assert splits.load_split("ood", "sub-01", ["gabor"], tmp_path).n_test == 10


def require_equal(split: splits.Split) -> None:
    stored = json.loads((PUBLISHED / split.pool / f"{split.name}.json").read_text())
    assert split.name == stored["name"]
    assert split.splitter == stored["splitter"]
    assert dict(split.params) == stored["params"]
    assert (split.n_train, split.n_test) == (stored["n_train"], stored["n_test"])
    assert len(split.variants) == len(stored["variants"])
    for variant, expected in zip(split.variants, stored["variants"], strict=True):
        assert variant.variant_id == expected["variant_id"]
        assert list(variant.train_ids) == expected["train_ids"]
        assert list(variant.test_ids) == expected["test_ids"]
