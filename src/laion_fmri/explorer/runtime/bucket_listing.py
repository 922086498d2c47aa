"""Listing of the whole bucket in the background, once for all pages of a server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from laion_fmri import discovery
from laion_fmri._errors import LaionFmriError
from laion_fmri.bucket import Bucket, BucketObject, open_bucket
from laion_fmri.bucket.listing_cache import CachedBucket, cached_listing, now, save_listing
from laion_fmri.config import Settings
from laion_fmri.explorer.runtime.background_job import Job
from laion_fmri.file_table import FileTable


@dataclass(frozen=True, eq=False)
class ListedBucket:
    """A bucket and the table of all its files.

    Attributes
    ----------
    table : FileTable
    bucket : Bucket
        The bucket that serves the files.
    listed_at : datetime
    problem : str
        Why the bucket could not be listed now; the table is then the last known one, or empty.
    """

    table: FileTable
    bucket: Bucket
    listed_at: datetime
    problem: str = ""


class BucketListing(Job[ListedBucket]):
    """The job that lists a whole bucket.

    Parameters
    ----------
    settings : Settings
        Specify the bucket, and the data directory where the listing is saved.

    Attributes
    ----------
    n_found : int
        Number of files found so far.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(lambda _: self._list())
        self._settings = settings
        self.n_found = 0

    def _list(self) -> ListedBucket:
        bucket = None
        try:
            bucket = open_bucket(self._settings)
            table = FileTable(self._objects(bucket))
        except LaionFmriError as error:
            return self._last_listing(bucket, str(error))
        listed = ListedBucket(table, bucket, now())
        if data_dir := self._settings.usable_data_dir:
            save_listing(data_dir, self._settings, table.objects, "whole", listed.listed_at)
        return listed

    def _last_listing(self, bucket: Bucket | None, problem: str) -> ListedBucket:
        data_dir = self._settings.usable_data_dir
        cached = cached_listing(data_dir, self._settings, "whole") if data_dir else None
        if cached is None:
            cached = CachedBucket(self._settings.bucket, now(), ())
        return ListedBucket(FileTable(cached.listed), bucket or cached, cached.listed_at, problem)

    def _objects(self, bucket: Bucket) -> Iterator[BucketObject]:
        for objects in discovery.list_everything(bucket):
            self.n_found += len(objects)
            self.report(0.0)
            yield from objects
