"""The last listing of a bucket, kept in the data directory for when the bucket does not answer."""

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
from laion_fmri.bucket import BucketObject, ByteStream, Folder
from laion_fmri.checksums import Checksum
from laion_fmri.config import Settings
from laion_fmri.whole_file import whole_file

Extent = Literal["overview", "whole"]
"""Derivatives and stimuli, or everything."""

_FOLDER = ".laion_fmri/listings"
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class KeptBucket:
    """A bucket as it was when it was last listed: it lists, but serves nothing.

    Attributes
    ----------
    address : str
        Of the bucket.
    listed_at : datetime
    kept : tuple of BucketObject
    """

    address: str
    listed_at: datetime
    kept: tuple[BucketObject, ...]

    @property
    def uri(self) -> str:
        """Its address, with the date."""
        return f"{self.address} as listed on {said_date(self.listed_at)}"

    def objects(self, prefix: str = "") -> Iterator[BucketObject]:
        """Every object whose key begins with `prefix`, in key order."""
        return (found for found in self.kept if found.key.startswith(prefix))

    def folder(self, prefix: str = "") -> Folder:
        """What lies right below `prefix` (empty, or ending in a slash)."""
        below = [(found, found.key[len(prefix) :]) for found in self.objects(prefix)]
        folders = {f"{prefix}{rest.partition('/')[0]}/" for _, rest in below if "/" in rest}
        return Folder(tuple(sorted(folders)), tuple(f for f, rest in below if "/" not in rest))

    def head(self, key: str) -> BucketObject:
        """Refused.

        Raises
        ------
        BucketUnreachableError
        """
        raise self._unreachable(key)

    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> AbstractContextManager[ByteStream]:
        """Refused.

        Raises
        ------
        BucketUnreachableError
        """
        raise self._unreachable(key)

    def checksum(self, found: BucketObject) -> Checksum | None:
        """None: nobody can be asked."""
        return None

    def _unreachable(self, key: str) -> BucketUnreachableError:
        return BucketUnreachableError(
            f"{key} cannot be read: the bucket {self.address} does not answer. Try again later."
        )


def keep_listing(
    data_dir: Path,
    settings: Settings,
    objects: Iterable[BucketObject],
    extent: Extent,
    listed_at: datetime,
) -> None:
    """Keep what the bucket listed; a data directory that cannot be written keeps nothing."""
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
        with whole_file(path) as file:
            file.write(packed)
    except OSError:
        return  # a convenience, and nothing that a page must hear of


def kept_listing(data_dir: Path, settings: Settings, extent: Extent) -> KeptBucket | None:
    """The last listing of the bucket; None where none was kept or it cannot be read.

    Parameters
    ----------
    data_dir : Path
    settings : Settings
        They name the bucket.
    extent : {"overview", "whole"}
        For an overview the newer of both is as good.
    """
    extents: tuple[Extent, ...] = ("overview", "whole") if extent == "overview" else ("whole",)
    found = [_read(_path(data_dir, settings, one), _identity(settings)) for one in extents]
    return max((k for k in found if k is not None), key=lambda k: k.listed_at, default=None)


def said_date(moment: datetime) -> str:
    """A moment as it is said on the page, in the server's own time."""
    return f"{moment.astimezone():%d %B %Y, %H:%M}".lstrip("0")


def _read(path: Path, identity: tuple[str, str]) -> KeptBucket | None:
    try:
        told = json.loads(gzip.decompress(path.read_bytes()).decode("utf-8", "surrogatepass"))
        if told["format"] != _FORMAT or (told["bucket"], told["endpoint"]) != identity:
            return None
        listed_at = datetime.fromisoformat(told["listed_at"])
        objects = tuple(BucketObject(str(k), int(n), str(e)) for k, n, e in told["objects"])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, RecursionError):
        return None  # there is none, or it was damaged
    if listed_at.tzinfo is None or any(found.size < 0 for found in objects):
        return None
    return KeptBucket(identity[0], listed_at, objects)


def _path(data_dir: Path, settings: Settings, extent: Extent) -> Path:
    digest = hashlib.sha256("\n".join(_identity(settings)).encode()).hexdigest()[:16]
    return data_dir / _FOLDER / f"{digest}-{extent}.json.gz"


def _identity(settings: Settings) -> tuple[str, str]:
    is_remote = settings.bucket.startswith("s3://")
    return settings.bucket, without_secrets((is_remote and settings.endpoint_url) or "")


def without_secrets(address: str) -> str:
    """An address without the name and password that may stand in it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def now() -> datetime:
    """This moment, with its time zone."""
    return datetime.now(UTC)
