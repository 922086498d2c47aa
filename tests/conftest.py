"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from s3_endpoint import S3Endpoint

    from laion_fmri.bucket.s3 import S3Bucket

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker has a processor: where both calculate on all of them, they wait for each other.
    for _library in ("OPENBLAS", "OMP"):
        os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

_PATIENCE_SECONDS = 120
# Folders and files whose tests take tens of seconds; those of the browser take longer still.
_LONG = {"transfer"} | {
    f"test_{name}.py" for name in ("serving", "notebooks", "repository", "docs", "encoding")
}
NOBODY = "http://127.0.0.1:9"  # where nothing answers, whatever network this machine has

# A server repeats the same examples; at a desk every run looks for new ones. How long one takes
# says more about the machine than about the code.
hypothesis.settings.register_profile("server", derandomize=True, deadline=None)
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.load_profile("server" if os.environ.get("CI") else "desk")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first: the quick tests then fill up both workers to the end."""
    items.sort(key=lambda i: ("ui" not in i.path.parts, _LONG.isdisjoint(i.path.parts)))


@pytest.fixture(scope="module", autouse=True)
def _before_set_aside() -> None:
    """What earlier modules have left is not looked through by the garbage collector again."""
    gc.collect()
    gc.freeze()


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Let one worker in at a time; the others wait for the folder `lock` to go."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{lock} was never given back") from None
            time.sleep(0.02)
    try:
        yield
    finally:
        lock.rmdir()


@pytest.fixture(scope="session")
def tiny_bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``tiny`` demo dataset, written once a run and shared by all workers: read only."""
    from laion_fmri.demo import write_demo

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return write_demo(folder / "tiny", profile="tiny").path
    run = folder.parent  # each worker has its own folder below the run's
    with _only_one(run / "tiny.lock"):
        return write_demo(run / "tiny", profile="tiny").path


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[S3Endpoint]:
    """A real S3 endpoint on this machine; a test makes the buckets it wants on it."""
    from s3_endpoint import serve_s3

    with serve_s3() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def s3_bucket(s3_endpoint: S3Endpoint, tiny_bucket: Path) -> S3Bucket:
    """The ``tiny`` demo dataset as a public S3 bucket: read only."""
    bucket = s3_endpoint.make_bucket("laion-fmri")
    s3_endpoint.put_folder(bucket.name, tiny_bucket)
    return bucket


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which every test has a home."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, homes: Path) -> None:
    """Nothing is configured on this machine, and no listing is known."""
    from laion_fmri import config, discovery

    # Folders of pytest's own are numbered: for each one, it looks through all there are.
    home = Path(tempfile.mkdtemp(dir=homes))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LAION_FMRI_REQUEST_ID", raising=False)
    for name in config.ENVIRONMENT.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAION_FMRI_ACCESS_URL", NOBODY)
    monkeypatch.setenv("LAION_FMRI_SPLITS_URL", NOBODY)
    discovery.refresh()


@pytest.fixture(scope="session")
def tiny_home(tiny_bucket: Path, tmp_path_factory: pytest.TempPathFactory):
    """The tiny demo with two subjects in its data directory, as the demo app has them."""
    from laion_fmri.demo.home import DemoHome, fill_data_dir

    home = DemoHome(tiny_bucket, tmp_path_factory.mktemp("home") / "data")
    fill_data_dir(home)
    return home


@pytest.fixture(scope="session")
def data_dir(tiny_bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with sub-01 and the stimuli of the tiny bucket: read only."""
    from laion_fmri.demo import copy_gated_stimuli

    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / ".config"))
        patch.setenv("LAION_FMRI_BUCKET", tiny_bucket.as_uri())
        patch.setenv("LAION_FMRI_DATA_DIR", str(folder))
        import laion_fmri
        from laion_fmri.download import download

        options = {"progress": False, "accept_license": True}
        trees = {f"include_{tree}": True for tree in ("anatomical", "freesurfer", "localizers")}
        download("sub-01", **trees, **options)
        laion_fmri.download_embeddings(**options)
        laion_fmri.download_segmentations(**options)
        laion_fmri.download_captions(**options)
    copy_gated_stimuli(tiny_bucket, folder)
    return folder
