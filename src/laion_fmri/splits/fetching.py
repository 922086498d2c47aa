"""Fetching published split files, by the engine that moves everything else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from laion_fmri import layout
from laion_fmri._errors import ObjectNotFoundError, TransferError
from laion_fmri.bucket import BucketObject, ByteStream, Folder
from laion_fmri.checksums import Checksum
from laion_fmri.config import load_settings
from laion_fmri.http_ranges import HttpPool
from laion_fmri.progress import carried_out
from laion_fmri.splits.published import PUBLISHED_AT
from laion_fmri.splits.registry import FileFigures, published_registry, registry_in_force
from laion_fmri.transfer.digests import with_digests_compared
from laion_fmri.transfer.plan import TransferPlan, make_plan
from laion_fmri.transfer.report import TransferReport


class SplitFiles:
    """The published split files as a bucket: known by their figures, opened at their address.

    Parameters
    ----------
    address : str, optional
        The folder of the pools; where the authors published them by default.
    """

    def __init__(self, address: str | None = None) -> None:
        self.uri = address or PUBLISHED_AT
        self._http = HttpPool()

    def objects(self, prefix: str = "") -> Iterator[BucketObject]:
        """Every published file whose key begins with `prefix`, in key order."""
        files = published_registry().files
        for name in sorted(files):
            if (key := f"{layout.SPLITS_TREE}/{name}").startswith(prefix):
                yield BucketObject(key, files[name].size, files[name].sha256)

    def folder(self, prefix: str = "") -> Folder:
        """What lies right below `prefix`."""
        rest = [(o, o.key.removeprefix(prefix)) for o in self.objects(prefix)]
        below = dict.fromkeys(f"{prefix}{r.partition('/')[0]}/" for _, r in rest if "/" in r)
        return Folder(tuple(below), tuple(o for o, r in rest if "/" not in r))

    def head(self, key: str) -> BucketObject:
        """One file; a published one never changes."""
        figures = self._figures(key)
        return BucketObject(key, figures.size, figures.sha256)

    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> AbstractContextManager[ByteStream]:
        """Bytes ``[start, stop)`` of one file."""
        self._figures(key)
        name = key.removeprefix(f"{layout.SPLITS_TREE}/")
        return self._http.open(f"{self.uri}/{name}", key, start, stop)

    def checksum(self, found: BucketObject) -> Checksum | None:
        """The SHA-256 that the package's registry has of the file."""
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
    dry_run: bool = False,
    progress: bool = True,
    data_dir: str | os.PathLike[str] | None = None,
) -> TransferReport | TransferPlan:
    """Fetch the published split files, each verified by its SHA-256.

    A split is also fetched by itself when it is first loaded.

    Parameters
    ----------
    pools : str or list of str, optional
        Only of these pools.
    dry_run : bool
        Only return the plan.
    progress : bool
        Show a progress bar.
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    UnknownNameError
        When there is no such pool.
    TransferError
        When some could not be fetched.
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    registry, source = published_registry(), SplitFiles()
    wanted = layout.as_list(pools) or list(registry.pools)
    for pool in wanted:
        registry.require_pool(pool)
    objects = [o for pool in wanted for o in source.objects(f"{layout.SPLITS_TREE}/{pool}/")]
    plan = with_digests_compared(make_plan(objects, root, source))
    return plan if dry_run else carried_out(plan, progress)


def fetch_split(pool: str, name: str, data_dir: Path) -> bool:
    """Fetch one published split that is asked for; whether it is here now.

    A dataset that declares splits of its own has none that are published elsewhere.
    """
    if registry_in_force(data_dir).declared:
        return False
    source = SplitFiles()
    found = source.head(f"{layout.SPLITS_TREE}/{pool}/{name}.json")
    try:
        carried_out(make_plan([found], data_dir, source), progress=False, attempts=1)
    except TransferError:
        return False
    return True
