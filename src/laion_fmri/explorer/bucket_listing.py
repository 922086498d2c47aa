"""Listing the whole bucket in the background, once for all pages of a server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from laion_fmri import discovery, layout
from laion_fmri._errors import DataDirNotSetError, LaionFmriError, UnsafeKeyError
from laion_fmri.bucket import Bucket, BucketObject, open_bucket
from laion_fmri.config import Settings
from laion_fmri.explorer.bucket_table import STANDINGS, BucketTable, FileStanding, Standings
from laion_fmri.explorer.kept_listing import KeptBucket, keep_listing, kept_listing, now
from laion_fmri.transfer.plan import FileStatus, LocalFiles

_AT_ONCE = 8
_STANDING_OF = {
    FileStatus.HERE: FileStanding.HERE,
    FileStatus.PARTIAL: FileStanding.PARTIAL,
    FileStatus.MISSING: FileStanding.MISSING,
    FileStatus.STALE: FileStanding.STALE,
    FileStatus.DAMAGED: FileStanding.STALE,
}


@dataclass(frozen=True, eq=False)
class ListedBucket:
    """A bucket with all its files.

    Attributes
    ----------
    table : BucketTable
    bucket : Bucket
        Who serves them.
    listed_at : datetime
    problem : str
        Why the bucket could not be listed now; the table is the last one then, or empty.
    """

    table: BucketTable
    bucket: Bucket
    listed_at: datetime
    problem: str = ""


class BucketListing:
    """A listing under way: pages look at how far it is.

    Parameters
    ----------
    settings : Settings
        They name the bucket, and the data directory where the listing is kept.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._n_found = 0
        self._over = threading.Event()
        self._listed: ListedBucket | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="listing", daemon=True).start()

    @property
    def n_found(self) -> int:
        """Files found so far."""
        return self._n_found

    @property
    def is_over(self) -> bool:
        """Whether there is a result."""
        return self._over.is_set()

    def result(self) -> ListedBucket:
        """The listed bucket; waits for it."""
        self._over.wait()
        if self._listed is None:
            raise self._error or RuntimeError("The listing ended without a result.")
        return self._listed

    def _run(self) -> None:
        try:
            self._listed = self._list()
        except BaseException as error:  # told to whoever asks for the result
            self._error = error
        finally:
            self._over.set()

    def _list(self) -> ListedBucket:
        bucket = None
        try:
            bucket = open_bucket(self._settings)
            table = BucketTable(self._objects(bucket))
        except LaionFmriError as error:
            return self._last_listing(bucket, str(error))
        listed = ListedBucket(table, bucket, now())
        if data_dir := usable_data_dir(self._settings):
            keep_listing(data_dir, self._settings, table.objects, "whole", listed.listed_at)
        return listed

    def _last_listing(self, bucket: Bucket | None, problem: str) -> ListedBucket:
        data_dir = usable_data_dir(self._settings)
        kept = kept_listing(data_dir, self._settings, "whole") if data_dir else None
        if kept is None:
            kept = KeptBucket(self._settings.bucket, now(), ())
        return ListedBucket(BucketTable(kept.kept), bucket or kept, kept.listed_at, problem)

    def _objects(self, bucket: Bucket) -> list[BucketObject]:
        found: list[BucketObject] = []

        def add(objects: tuple[BucketObject, ...]) -> None:
            with self._lock:
                found.extend(objects)
                self._n_found += len(objects)

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="listing") as threads:
            parts = [
                threads.submit(lambda part: add(discovery.list_objects(part, bucket)), prefix)
                for prefix in _parts(bucket, "", add)
            ]
            done, waiting = wait(parts, return_when=FIRST_EXCEPTION)
            for part in waiting:
                part.cancel()
        for part in done:
            part.result()
        return found


def _parts(
    bucket: Bucket, prefix: str, add: Callable[[tuple[BucketObject, ...]], None]
) -> Iterator[str]:
    """Prefixes that together hold everything but what `add` was given on the way.

    They are those the overview lists, so that nothing is listed twice.
    """
    folder = discovery.list_folder(prefix, bucket)
    add(folder.objects)
    for below in folder.prefixes:
        if below == "derivatives/" or below in _TREES or (not prefix and below.startswith("sub-")):
            yield from _parts(bucket, below, add)
        else:
            yield below


_TREES = frozenset(f"{tree}/" for tree in layout.DERIVATIVE_TREES)


def usable_data_dir(settings: Settings) -> Path | None:
    """The data directory; None where there is none."""
    try:
        return settings.require_data_dir()
    except DataDirNotSetError:
        return None


def compare(table: BucketTable, data_dir: Path | None, bucket: Bucket) -> Standings:
    """What is in the data directory of every file of a table.

    Parameters
    ----------
    table : BucketTable
    data_dir : Path or None
        None where there is none: nothing is here then.
    bucket : Bucket
        Where the files come from.
    """
    n_files = len(table)
    codes = np.full(n_files, STANDINGS.index(FileStanding.MISSING), dtype=np.int32)
    bytes_here = np.zeros(n_files, dtype=np.int64)
    held_out, refused = (STANDINGS.index(s) for s in (FileStanding.HELD_OUT, FileStanding.REFUSED))
    code_of = {status: STANDINGS.index(s) for status, s in _STANDING_OF.items()}
    local_files = LocalFiles(data_dir or Path(), bucket)
    for row, found in enumerate(table.objects):
        if layout.is_held_out(found.key):
            codes[row] = held_out
            continue
        try:
            if data_dir is None:
                layout.require_safe(found.key)
                continue
            file = local_files.compare(found)
        except UnsafeKeyError:
            codes[row] = refused
            continue
        codes[row], bytes_here[row] = code_of[file.status], file.bytes_here
    return Standings(codes, bytes_here)
