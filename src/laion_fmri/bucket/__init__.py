"""Reading a bucket: anonymous S3, or a mirror in a directory.

Both answer the same few questions (`Bucket`); nothing else in the package knows which
of the two it talks to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlparse

from laion_fmri._errors import ConfigError
from laion_fmri.checksums import Checksum
from laion_fmri.config import Settings, load_settings


@dataclass(frozen=True, slots=True)
class BucketObject:
    """One object of a listing.

    Attributes
    ----------
    key : str
    size : int
        Bytes.
    etag : str
        Changes whenever the object does.
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
    """What `Bucket.open` gives: something to read bytes from."""

    @property
    def total(self) -> int | None:
        """Bytes of the whole object, as the bucket says now; None if it does not."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Bytes that are there, up to `size`; empty at the end."""
        ...

    def close(self) -> None:
        """End the reading, from any thread; one that waits for bytes comes back at once."""
        ...


class Bucket(Protocol):
    """What can be asked of a bucket, or of whatever else files are fetched from.

    Every method raises `BucketUnreachableError` when the bucket does not answer.
    """

    @property
    def uri(self) -> str:
        """Its address, for messages."""
        ...

    def objects(self, prefix: str = "") -> Iterator[BucketObject]:
        """Every object whose key begins with `prefix`, in key order."""
        ...

    def folder(self, prefix: str = "") -> Folder:
        """What lies right below `prefix` (empty, or ending in a slash)."""
        ...

    def head(self, key: str) -> BucketObject:
        """One object as it is now.

        Raises
        ------
        AccessDeniedError, ObjectNotFoundError
        """
        ...

    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> AbstractContextManager[ByteStream]:
        """Bytes ``[start, stop)`` of one object; refused when it is no longer `etag`.

        A stream may end early when the connection broke in silence, and go on after `stop`
        when the server knows no ranges: who reads counts.

        Raises
        ------
        AccessDeniedError, ObjectNotFoundError, ObjectChangedError
        TemporaryBucketError
            When another try may succeed; reading from the stream raises it too.
        """
        ...

    def checksum(self, found: BucketObject) -> Checksum | None:
        """What the object's bytes must add up to; None where the bucket does not know."""
        ...


def open_bucket(settings: Settings | None = None) -> Bucket:
    """The bucket that the settings name: ``s3://name``, ``file:///mirror`` or a path.

    Raises
    ------
    ConfigError
        When the address is of another kind.
    BucketUnreachableError
        When a directory mirror does not exist.
    """
    settings = settings or load_settings()
    try:
        address = urlparse(settings.bucket)
    except ValueError:  # such as an unfinished IPv6 address
        address = urlparse("unknown://")
    if address.scheme == "s3" and address.netloc and address.path in ("", "/"):
        from laion_fmri.bucket.s3 import S3Bucket

        return S3Bucket(address.netloc, endpoint_url=settings.endpoint_url)
    if address.scheme == "file" and address.netloc in ("", "localhost"):
        path = Path(unquote(address.path))
    elif address.scheme == "" and settings.bucket:
        path = Path(settings.bucket).expanduser()
    else:
        raise ConfigError(
            f"{settings.bucket!r} is not a bucket address. Use s3://name or file:///path/of/mirror "
            "(`laion-fmri config --bucket …`)."
        )
    from laion_fmri.bucket.directory import DirectoryBucket

    return DirectoryBucket(path)
