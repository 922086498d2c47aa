"""The interface of a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from laion_fmri.checksums import Checksum


@dataclass(frozen=True, slots=True)
class BucketObject:
    """One object of a listing.

    Attributes
    ----------
    key : str
    size : int
        Bytes.
    etag : str
        Version identifier; changes with the content.
    """

    key: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Folder:
    """One level of a bucket.

    Attributes
    ----------
    prefixes : tuple of str
        The folders in it, each ending in a slash.
    objects : tuple of BucketObject
    """

    prefixes: tuple[str, ...]
    objects: tuple[BucketObject, ...]


class ByteStream(Protocol):
    """A stream of bytes, as `Bucket.open` returns it."""

    @property
    def total(self) -> int | None:
        """Current size of the whole object in bytes; None when unknown."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Return available bytes, up to `size`; empty at the end."""
        ...

    def close(self) -> None:
        """Close the stream, from any thread; a thread waiting for bytes returns at once."""
        ...


class Bucket(Protocol):
    """A source of files: a bucket, or a service with the same interface.

    Every method raises `BucketUnreachableError` when the bucket does not answer.
    """

    @property
    def uri(self) -> str:
        """The address of the bucket, for messages."""
        ...

    def objects(self, prefix: str = "") -> Iterator[BucketObject]:
        """Yield every object whose key begins with `prefix`, in key order."""
        ...

    def folder(self, prefix: str = "") -> Folder:
        """Return the folders and objects directly below `prefix` (empty, or ending in a slash)."""
        ...

    def head(self, key: str) -> BucketObject:
        """Return the current state of one object.

        Raises
        ------
        AccessDeniedError, ObjectNotFoundError
        """
        ...

    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> AbstractContextManager[ByteStream]:
        """Open bytes ``[start, stop)`` of one object; raise an error unless its ETag is `etag`.

        A stream may end early when the connection is lost, and continue after `stop` when the
        server does not support ranges: callers must count the bytes.

        Raises
        ------
        AccessDeniedError, ObjectNotFoundError, ObjectChangedError
        TemporaryBucketError
            When another attempt may succeed; reading from the stream may raise it too.
        """
        ...

    def checksum(self, found: BucketObject) -> Checksum | None:
        """Return the checksum of the object's bytes; None when unknown."""
        ...
