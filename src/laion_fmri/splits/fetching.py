"""Fetch published split files with the transfer engine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

from laion_fmri import layout
from laion_fmri._errors import (
    BucketError,
    ObjectNotFoundError,
    StimuliNotDownloadedError,
    TransferError,
    UnknownNameError,
)
from laion_fmri.atomic_write import atomic_file
from laion_fmri.bucket import BucketObject, ByteStream, Folder
from laion_fmri.checksums import Checksum
from laion_fmri.config import Settings, load_settings
from laion_fmri.http.ranges import HttpPool
from laion_fmri.progress import shown_count, transfer_files
from laion_fmri.splits.editions import (
    LATER_EDITION,
    POOLED,
    as_edition,
    later_key,
    later_pools,
    later_split,
)
from laion_fmri.splits.published import (
    PUBLISHED_AT,
    PUBLISHED_LATER_AT,
    CopiedSplits,
    find_file,
    split_path,
    split_roots,
    splits_root,
)
from laion_fmri.splits.registry import (
    FileFigures,
    published_registry,
    registry_in_force,
    splits_dir,
)
from laion_fmri.transfer.digests import with_digests_compared
from laion_fmri.transfer.plan import TransferPlan, make_plan
from laion_fmri.transfer.report import TransferReport

_LARGEST = 64 << 20  # bytes of a split file


class SplitFiles:
    """The published split files as a bucket, listed by the registry.

    Parameters
    ----------
    address : str, optional
        The folder of the pools; by default the configured one, or else that of the authors.
    """

    def __init__(self, address: str | None = None) -> None:
        self.uri = (address or load_settings().splits_url or PUBLISHED_AT).rstrip("/")
        self._http = HttpPool()

    def objects(self, prefix: str = "") -> Iterator[BucketObject]:
        """Yield every published file whose key begins with `prefix`, in key order."""
        files = published_registry().files
        for name in sorted(files):
            if (key := f"{layout.SPLITS_TREE}/{name}").startswith(prefix):
                yield BucketObject(key, files[name].size, files[name].sha256)

    def folder(self, prefix: str = "") -> Folder:
        """Return the folders and objects directly below `prefix`."""
        rest = [(o, o.key.removeprefix(prefix)) for o in self.objects(prefix)]
        below = dict.fromkeys(f"{prefix}{r.partition('/')[0]}/" for _, r in rest if "/" in r)
        return Folder(tuple(below), tuple(o for o, r in rest if "/" not in r))

    def head(self, key: str) -> BucketObject:
        """Return one file; published files never change."""
        figures = self._figures(key)
        return BucketObject(key, figures.size, figures.sha256)

    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> AbstractContextManager[ByteStream]:
        """Open bytes ``[start, stop)`` of one file."""
        self._figures(key)
        name = key.removeprefix(f"{layout.SPLITS_TREE}/")
        return self._http.open(f"{self.uri}/{name}", key, start, stop)

    def checksum(self, found: BucketObject) -> Checksum | None:
        """Return the SHA-256 of the file in the package's registry."""
        return Checksum("sha256", self._figures(found.key).sha256)

    def _figures(self, key: str) -> FileFigures:
        files = published_registry().files
        name = key.removeprefix(f"{layout.SPLITS_TREE}/")
        if name not in files:
            raise ObjectNotFoundError(f"There is no published split {key}.")
        return files[name]


def download_splits(
    pools: str | Iterable[str] | None = None,
    *,
    edition: str | None = None,
    dry_run: bool = False,
    progress: bool = True,
    data_dir: str | os.PathLike[str] | None = None,
) -> TransferReport | TransferPlan | CopiedSplits:
    """Download the published split files, each verified by its SHA-256.

    A single split is also downloaded when first loaded. Files are stored in the data directory, or
    in the user's cache when none is set.

    Parameters
    ----------
    pools : str or list of str, optional
        Pools to download; all by default.
    edition : {"v1", "v2"}, optional
        ``"v1"`` by default. Files of ``"v2"`` are still being revised and have no known checksum:
        they are checked for consistency, as in `copy_splits`.
    dry_run : bool
        Return the files to download without downloading them.
    progress : bool
        Show a progress bar.
    data_dir : path, optional
        Instead of the configured one.

    Returns
    -------
    TransferReport, or TransferPlan with `dry_run`
    CopiedSplits
        For the later edition: `missing` lists files that are not published, or with `dry_run` those
        to download.

    Raises
    ------
    UnknownNameError
        When there is no such pool or edition.
    TransferError
        When files could not be downloaded, or differ from the published ones.
    """
    settings = load_settings(data_dir=data_dir)
    registry = published_registry()
    wanted = layout.as_list(pools) or []
    if as_edition(edition, POOLED if wanted == [POOLED] else None) == LATER_EDITION:
        return _download_later(wanted, settings, dry_run, progress)
    for pool in wanted:
        registry.require_pool(pool)
    source, root = SplitFiles(), _made(splits_root(settings))
    objects = [
        o
        for pool in wanted or registry.pools
        for o in source.objects(f"{layout.SPLITS_TREE}/{pool}/")
    ]
    plan = with_digests_compared(make_plan(objects, root, source))
    return plan if dry_run else transfer_files(plan, progress)


def fetch_split(pool: str, name: str, settings: Settings) -> Path:
    """Fetch one published split.

    Raises
    ------
    StimuliNotDownloadedError
        When it cannot be fetched; the message gives the reason.
    """
    if registry_in_force(settings.data_dir).declared:
        raise StimuliNotDownloadedError(
            f"The split {name!r} of the pool {pool!r} is a file of this dataset that is not in "
            f"{settings.data_dir}. `laion-fmri download-splits` gets published ones; `--from DIR` "
            "takes a copy."
        )
    source = SplitFiles()
    key = f"{layout.SPLITS_TREE}/{pool}/{name}.json"
    try:
        root = _made(splits_root(settings))
        transfer_files(make_plan([source.head(key)], root, source), progress=False, attempts=1)
    except TransferError as error:
        report = error.report
        reasons = [*report.failed.values(), *report.denied.values()] if report else [str(error)]
        raise _not_fetched(pool, name, source.uri, "; ".join(reasons)) from error
    return split_path(pool, name, root)


def fetch_later(pool: str, name: str, settings: Settings) -> Path:
    """Fetch one split of the later edition, and check that it is consistent.

    Raises
    ------
    StimuliNotDownloadedError
        When it cannot be fetched or is inconsistent; the message gives the reason.
    """
    address = _later_address(settings)
    root, key = _made(splits_root(settings)), later_key(pool, name)
    target = splits_dir(root) / key
    try:
        with HttpPool().open(f"{address}/{pool}/{name}.json", key) as stream:
            stored = b"".join(_blocks(stream, key))
        later_split(stored, name, pool, registry_in_force(settings.data_dir), settings.data_dir)
    except (BucketError, ValueError) as error:
        raise _not_fetched(pool, name, address, str(error)) from error
    with atomic_file(target) as file:
        file.write(stored)
    return target


def _download_later(
    wanted: list[str], settings: Settings, dry_run: bool, progress: bool
) -> CopiedSplits:
    pools = later_pools(published_registry())
    for pool in wanted:
        if pool not in pools:
            raise UnknownNameError("pool", pool, pools)
    files = [(pool, name) for pool in wanted or pools for name in pools[pool]]
    copied, here, missing = [], [], []
    roots = split_roots(settings)
    with shown_count(len(files), "Splits", progress and not dry_run) as done:
        for pool, name in files:
            key = later_key(pool, name)
            if find_file(key, roots) is not None:
                here.append(key)
            elif dry_run:
                missing.append(key)
            else:
                try:
                    fetch_later(pool, name, settings)
                    copied.append(key)
                except StimuliNotDownloadedError as error:
                    if not isinstance(error.__cause__, ObjectNotFoundError):
                        raise TransferError(str(error)) from error
                    missing.append(key)
            done()
    return CopiedSplits(tuple(copied), tuple(here), tuple(missing))


def _blocks(stream: ByteStream, key: str) -> Iterator[bytes]:
    n_bytes = 0
    while block := stream.read(1 << 18):
        n_bytes += len(block)
        if n_bytes > _LARGEST:
            raise BucketError(f"{key} is larger than any split file. Check the address.")
        yield block


def _later_address(settings: Settings) -> str:
    return (settings.splits_url or PUBLISHED_LATER_AT).rstrip("/")


def _made(folder: Path) -> Path:
    """Create a folder and return it.

    Raises
    ------
    StimuliNotDownloadedError
        When it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StimuliNotDownloadedError(
            f"Published splits are stored in {folder}, which cannot be created "
            f"({error.strerror or error}). `laion-fmri config --data-dir DIR` sets another folder."
        ) from error
    return folder


def _not_fetched(pool: str, name: str, address: str, reason: str) -> StimuliNotDownloadedError:
    host = urlsplit(address).hostname or "the address that is set"  # the rest may hold a password
    why = reason.split(". ")[0].rstrip(".")
    return StimuliNotDownloadedError(
        f"The split {name!r} of the pool {pool!r} is a published file that is not on this machine "
        f"and could not be fetched from {host} ({why}). Where there is a network, "
        "`laion-fmri download-splits` gets all of them; `--from DIR` takes a copy; "
        "LAION_FMRI_SPLITS_URL names another server."
    )
