"""Published split files over HTTP: verified, kept, and refused when they are not right."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import threading

import pytest

from laion_fmri._errors import StimuliNotDownloadedError, TransferError, UnknownNameError
from laion_fmri.splits import download_splits, fetching, load_split, registry
from laion_fmri.transfer import engine

POOLS = ("shared", "sub-01")
NAMES = ("tau", "cluster_k5_0")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args) -> None:
        pass


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
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setattr(fetching, "PUBLISHED_AT", at)
        monkeypatch.setattr(engine, "BACKOFF", 0.001)
        yield
        server.shutdown()


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


def test_without_a_network_the_error_says_which_command_to_run(site, address, here, monkeypatch):
    monkeypatch.setattr(fetching, "PUBLISHED_AT", "http://127.0.0.1:9")
    with pytest.raises(StimuliNotDownloadedError, match="`laion-fmri download-splits`"):
        load_split("tau")
