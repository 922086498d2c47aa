"""The last listing of a bucket, saved in the data directory for offline use."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from laion_fmri._errors import BucketUnreachableError
from laion_fmri.atomic_write import atomic_file
from laion_fmri.bucket import BucketObject, ByteStream, Folder
from laion_fmri.checksums import Checksum
from laion_fmri.config import Settings

Extent = Literal["overview", "whole"]
"""Derivatives and stimuli, or everything."""

_FOLDER = ".laion_fmri/listings"
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class CachedBucket:
    """A bucket as last listed: it lists files but cannot open them.

    Attributes
    ----------
    address : str
        Of the bucket.
    listed_at : datetime
    listed : tuple of BucketObject
    """

    address: str
    listed_at: datetime
    listed: tuple[BucketObject, ...]

    @property
    def uri(self) -> str:
        """The address of the bucket, with the date of the listing."""
        return f"{self.address} as listed on {date_text(self.listed_at)}"

    def objects(self, prefix: str = "") -> Iterator[BucketObject]:
        """Yield every object whose key begins with `prefix`, in key order."""
        return (found for found in self.listed if found.key.startswith(prefix))

    def folder(self, prefix: str = "") -> Folder:
        """Return the files and folders directly below `prefix` (empty, or ending in a slash)."""
        below = [(found, found.key[len(prefix) :]) for found in self.objects(prefix)]
        folders = {f"{prefix}{rest.partition('/')[0]}/" for _, rest in below if "/" in rest}
        return Folder(tuple(sorted(folders)), tuple(f for f, rest in below if "/" not in rest))

    def head(self, key: str) -> BucketObject:
        """Raise an error.

        Raises
        ------
        BucketUnreachableError
        """
        raise self._unreachable(key)

    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> AbstractContextManager[ByteStream]:
        """Raise an error.

        Raises
        ------
        BucketUnreachableError
        """
        raise self._unreachable(key)

    def checksum(self, found: BucketObject) -> Checksum | None:
        """Return None: the bucket does not answer."""
        return None

    def _unreachable(self, key: str) -> BucketUnreachableError:
        return BucketUnreachableError(
            f"{key} cannot be read: the bucket {self.address} does not answer. Try again later."
        )


def save_listing(
    data_dir: Path,
    settings: Settings,
    objects: Iterable[BucketObject],
    extent: Extent,
    listed_at: datetime,
) -> None:
    """Save a listing of the bucket; do nothing when the data directory is not writable."""
    address, endpoint = _identity(settings)
    text = json.dumps(
        {
            "format": _FORMAT,
            "bucket": address,
            "endpoint": endpoint,
            "listed_at": listed_at.isoformat(),
            "objects": [(found.key, found.size, found.etag) for found in objects],
        },
        separators=(",", ":"),
    )
    path = _path(data_dir, settings, extent)
    try:
        packed = gzip.compress(text.encode("utf-8", "surrogatepass"), compresslevel=5)
        with atomic_file(path) as file:
            file.write(packed)
    except OSError:
        return  # optional: its absence is not an error


def cached_listing(data_dir: Path, settings: Settings, extent: Extent) -> CachedBucket | None:
    """Load the last listing of the bucket; None when there is no readable one.

    Parameters
    ----------
    data_dir : Path
    settings : Settings
        Settings that name the bucket.
    extent : {"overview", "whole"}
        An overview uses the newer of the two.
    """
    extents: tuple[Extent, ...] = ("overview", "whole") if extent == "overview" else ("whole",)
    found = [_read(_path(data_dir, settings, one), _identity(settings)) for one in extents]
    return max((k for k in found if k is not None), key=lambda k: k.listed_at, default=None)


def date_text(moment: datetime) -> str:
    """Format a time as local time: ``"3 March 2026, 14:05"``."""
    return f"{moment.astimezone():%d %B %Y, %H:%M}".lstrip("0")


def _read(path: Path, identity: tuple[str, str]) -> CachedBucket | None:
    try:
        saved = json.loads(gzip.decompress(path.read_bytes()).decode("utf-8", "surrogatepass"))
        if saved["format"] != _FORMAT or (saved["bucket"], saved["endpoint"]) != identity:
            return None
        listed_at = datetime.fromisoformat(saved["listed_at"])
        objects = tuple(BucketObject(str(k), int(n), str(e)) for k, n, e in saved["objects"])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, RecursionError):
        return None  # missing or damaged
    if listed_at.tzinfo is None or any(found.size < 0 for found in objects):
        return None
    return CachedBucket(identity[0], listed_at, objects)


def _path(data_dir: Path, settings: Settings, extent: Extent) -> Path:
    digest = hashlib.sha256("\n".join(_identity(settings)).encode()).hexdigest()[:16]
    return data_dir / _FOLDER / f"{digest}-{extent}.json.gz"


def _identity(settings: Settings) -> tuple[str, str]:
    is_remote = settings.bucket.startswith("s3://")
    return settings.bucket, without_secrets((is_remote and settings.endpoint_url) or "")


def without_secrets(address: str) -> str:
    """Remove the user name and password from an address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def now() -> datetime:
    """Return the current time with its time zone."""
    return datetime.now(UTC)
