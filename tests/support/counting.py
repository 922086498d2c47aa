"""A bucket that counts what is read from it, and misbehaves on request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from laion_fmri.bucket import Bucket, BucketObject, ByteStream, Folder
from laion_fmri.checksums import Checksum


class CountingBucket:
    """Passes everything on to `bucket`.

    Attributes
    ----------
    n_bytes : dict of str to int
        Bytes read of each key.
    starts : list of (str, int)
        Where each opened object was begun.
    checksums : dict of str to Checksum
        Told instead of what `bucket` says.
    before_read : callable of (key, bytes read so far), optional
        Called before every read; what it returns, if anything, is read instead.
    """

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.uri = bucket.uri
        self.n_bytes: dict[str, int] = {}
        self.starts: list[tuple[str, int]] = []
        self.before_read: Callable[[str, int], bytes | None] | None = None
        self.checksums: dict[str, Checksum] = {}
        self.lock = threading.Lock()

    def objects(self, prefix: str = "") -> Iterator[BucketObject]:
        return self.bucket.objects(prefix)

    def folder(self, prefix: str = "") -> Folder:
        return self.bucket.folder(prefix)

    def head(self, key: str) -> BucketObject:
        return self.bucket.head(key)

    def checksum(self, found: BucketObject) -> Checksum | None:
        return self.checksums.get(found.key) or self.bucket.checksum(found)

    @contextmanager
    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> Iterator[ByteStream]:
        with self.lock:
            self.starts.append((key, start))
        with self.bucket.open(key, start, stop, etag) as stream:
            yield _Counted(self, key, stream)


class _Counted:
    def __init__(self, owner: CountingBucket, key: str, stream: ByteStream) -> None:
        self.owner, self.key, self.stream = owner, key, stream
        self.total, self.close = stream.total, stream.close

    def read(self, size: int = -1, /) -> bytes:
        owner = self.owner
        if owner.before_read is not None:
            instead = owner.before_read(self.key, owner.n_bytes.get(self.key, 0))
            if instead is not None:
                return instead
        chunk = self.stream.read(size)
        with owner.lock:
            owner.n_bytes[self.key] = owner.n_bytes.get(self.key, 0) + len(chunk)
        return chunk
