"""Published split files over HTTP: verified, kept, and refused when they are not right."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from static_site import static_site

from laion_fmri._errors import (
    DamagedFileError,
    StimuliNotDownloadedError,
    TransferError,
    UnknownNameError,
)
from laion_fmri.config import cache_folder
from laion_fmri.splits import (
    download_splits,
    fetching,
    get_split_masks,
    get_train_test_ids,
    list_splits,
    load_split,
    registry,
)
from laion_fmri.transfer import engine

POOLS = ("shared", "sub-01")
NAMES = ("tau", "cluster_k5_0")


@pytest.fixture
def site(tmp_path):
    """The files as they are published, and what the package knows of them."""
    folder = tmp_path / "site"
    files, pools = {}, {}
    for pool in POOLS:
        pools[pool] = {"n": 4, "names_sha256": "0" * 64}
        for name in NAMES:
            stored = json.dumps(
                {
                    "name": name,
                    "pool": pool,
                    "splitter": "x",
                    "params": {},
                    "n_train": 3,
                    "n_test": 1,
                    "variants": [
                        {"variant_id": 0, "train_ids": ["a", "b", pool], "test_ids": [name]}
                    ],
                }
            ).encode()
            (folder / pool).mkdir(parents=True, exist_ok=True)
            (folder / pool / f"{name}.json").write_bytes(stored)
            figures = {"size": len(stored), "sha256": hashlib.sha256(stored).hexdigest()}
            files[f"{pool}/{name}.json"] = figures
    (tmp_path / "registry.json").write_text(
        json.dumps({"dataset": "test", "pools": pools, "files": files})
    )
    return folder


@pytest.fixture
def address(site, tmp_path, monkeypatch):
    """The site served; the package's registry is the site's."""
    figures = registry.read_registry(tmp_path / "registry.json", declared=False)
    for module in (registry, fetching):
        monkeypatch.setattr(module, "published_registry", lambda: figures)
    with static_site(site) as at:
        monkeypatch.setenv("LAION_FMRI_SPLITS_URL", at)
        monkeypatch.setattr(engine, "BACKOFF", 0.001)
        yield at


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(folder))
    return folder


def test_a_split_is_fetched_when_it_is_first_asked_for(address, here, site):
    split = load_split("tau", pool="sub-01")
    assert (split.train_ids, split.test_ids) == (("a", "b", "sub-01"), ("tau",))
    assert (here / "splits/sub-01/tau.json").read_bytes() == (site / "sub-01/tau.json").read_bytes()
    (site / "sub-01/tau.json").unlink()
    assert load_split("tau", pool="sub-01").test_ids == ("tau",)  # kept


def test_all_are_fetched_at_once(address, here):
    assert len(download_splits(dry_run=True).to_fetch) == 4
    assert len(download_splits("shared", progress=False).fetched) == 2
    report = download_splits(progress=False)
    assert (len(report.fetched), report.n_already_here) == (2, 2)
    with pytest.raises(UnknownNameError, match="pool"):
        download_splits("sub-99")


def test_another_file_than_was_published_is_refused(address, here, site):
    path = site / "shared/tau.json"
    path.write_bytes(path.read_bytes().replace(b"tau", b"TAU"))
    with pytest.raises(TransferError, match="do not add up"):
        download_splits("shared", progress=False)
    with pytest.raises(StimuliNotDownloadedError, match="download-splits"):
        load_split("tau")
    assert not (here / "splits/shared/tau.json").exists()


def test_a_file_that_was_damaged_here_is_fetched_again(address, here, site):
    download_splits(progress=False)
    path = here / "splits/shared/tau.json"
    path.write_bytes(path.read_bytes().replace(b"tau", b"TAU"))
    assert len(download_splits(progress=False).fetched) == 1
    assert path.read_bytes() == (site / "shared/tau.json").read_bytes()


def test_without_a_network_the_error_says_which_command_to_run(address, here, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_SPLITS_URL", "http://somebody:secret@127.0.0.1:9")
    with pytest.raises(StimuliNotDownloadedError, match="`laion-fmri download-splits`") as caught:
        load_split("tau")
    assert "127.0.0.1" in str(caught.value) and "secret" not in str(caught.value)
    assert "LAION_FMRI_SPLITS_URL" in str(caught.value)


def test_without_a_data_directory_files_go_to_the_cache(address, site):
    split = load_split("tau", pool="sub-01")
    kept = cache_folder() / "splits/sub-01/tau.json"
    assert split.test_ids == ("tau",) and split.edition == "v1"
    assert kept.read_bytes() == (site / "sub-01/tau.json").read_bytes()
    (site / "sub-01/tau.json").unlink()
    assert load_split("tau", pool="sub-01") == split  # kept
    assert len(download_splits("shared", progress=False).fetched) == 2
    assert (cache_folder() / "splits/shared/tau.json").exists()


def test_a_data_directory_comes_before_the_cache(address, here, site, monkeypatch):
    monkeypatch.delenv("LAION_FMRI_DATA_DIR")
    split = load_split("tau")
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(here))
    (site / "shared/tau.json").unlink()
    assert load_split("tau") == split  # the cache has it
    assert not (here / "splits").exists()
    (here / "splits/shared").mkdir(parents=True)
    (here / "splits/shared/tau.json").write_text("{}")
    with pytest.raises(DamagedFileError, match=str(here)):
        load_split("tau")


def test_a_cache_that_cannot_be_made_is_named(address, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StimuliNotDownloadedError, match=r"cannot be created .*--data-dir"):
        load_split("tau")
    with pytest.raises(StimuliNotDownloadedError, match="cannot be created"):
        download_splits(progress=False)


# --- the later edition -------------------------------------------------------------------


@pytest.fixture
def later(site, address):
    """The site has files of the later edition, as its folder of published files goes on."""
    images = ["a", "b", "shared", "tau"]
    for name, test in (("tau", ["b"]), ("random_0", ["a"])):
        (site / "shared" / f"{name}.json").write_text(json.dumps(stored(name, images, test)))
    (site / "shared/cluster_k5_0.json").unlink()
    return site


def stored(name: str, images: list[str], test: list[str], **changes) -> dict:
    train = [image for image in images if image not in test]
    return {
        "name": name,
        "pool": "sub-04 full pool",
        "splitter": "x",
        "params": {"revision": 2},
        "n_train": len(train),
        "n_test": len(test),
        "variants": [{"variant_id": 0, "train_ids": train, "test_ids": test}],
        **changes,
    }


def test_a_split_of_the_later_edition_is_fetched(later, here, monkeypatch):
    figures = registry.published_registry()
    of_shared = registry.NamesFigures(4, registry.names_sha256(["a", "b", "shared", "tau"]))
    monkeypatch.setitem(figures.pools, "shared", of_shared)
    split = load_split("random_0", edition="v2")
    assert (split.edition, split.test_ids, split.params["revision"]) == ("v2", ("a",), 2)
    done = download_splits("shared", edition="v2", progress=False)
    assert done.copied == ("v2/shared/tau.json",)
    assert done.already_here == ("v2/shared/random_0.json",)
    assert "v2/shared/ood.json" in done.missing
    assert len(download_splits("shared", edition="v2", dry_run=True).missing) == len(done.missing)
    assert not (here / "splits/shared").exists()  # the editions are kept apart
    with pytest.raises(StimuliNotDownloadedError, match=r"no object v2/shared/random_1\.json"):
        load_split("random_1", edition="v2")
    with pytest.raises(UnknownNameError, match="edition 'v3'"):
        download_splits(edition="v3")


def test_what_is_fetched_is_checked_and_not_kept(later, here, monkeypatch):
    with pytest.raises(StimuliNotDownloadedError, match="not exactly those of the pool 'shared'"):
        load_split("tau", edition="v2")
    (later / "shared/tau.json").write_text("<html>Log in</html>")
    with pytest.raises(StimuliNotDownloadedError, match="could not be fetched"):
        load_split("tau", edition="v2")
    assert not (here / "splits").exists()
    with pytest.raises(TransferError, match="could not be fetched"):
        monkeypatch.setenv("LAION_FMRI_SPLITS_URL", "http://127.0.0.1:9")
        download_splits(edition="v2", progress=False)


# --- all published files -----------------------------------------------------------------

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "published_splits"


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published split files are not here")
def test_published_splits_work_with_nothing_downloaded_and_nothing_configured(monkeypatch):
    with static_site(PUBLISHED) as address:
        monkeypatch.setenv("LAION_FMRI_SPLITS_URL", f"{address}/")
        assert list_splits() == list_splits("sub-07") and len(list_splits()) == 12
        for name in ("tau", "random_3", "ood"):
            expected = json.loads((PUBLISHED / "shared" / f"{name}.json").read_text())
            expected = expected["variants"][0]
            assert get_train_test_ids(name, pool="shared") == (
                expected["train_ids"],
                expected["test_ids"],
            )
        assert len(get_train_test_ids("ood", "sub-03", 0, ["shape"])[1]) == 82
        report = download_splits("shared", progress=False)
        assert (len(report.fetched), report.n_already_here) == (9, 3)
    train, test = get_split_masks(expected["test_ids"], "tau", "shared")  # without the server
    assert not train.any() and not test.any()
    with pytest.raises(StimuliNotDownloadedError, match=r"fetched from 127\.0\.0\.1"):
        get_train_test_ids("tau", pool="sub-07")
