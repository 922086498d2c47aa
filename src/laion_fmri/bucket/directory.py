"""A bucket in a directory: a lab's mirror on shared disk, or the demo dataset."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from io import FileIO
from pathlib import Path

from laion_fmri._errors import (
    AccessDeniedError,
    BucketError,
    BucketUnreachableError,
    ObjectChangedError,
    ObjectNotFoundError,
    UnsafeKeyError,
)
from laion_fmri.bucket.protocol import BucketObject, Folder
from laion_fmri.checksums import Checksum
from laion_fmri.config import read_json
from laion_fmri.layout import require_safe

POLICY_FILE = ".bucket-policy.json"


class DirectoryBucket:
    """Objects are the files below `root`; keys are their relative paths.

    Hidden files and folders are not objects. A ``.bucket-policy.json`` at the top,
    ``{"deny": [patterns]}``, denies access to matching keys, which remain listed, as the public
    bucket does for held-out sessions.

    Raises
    ------
    BucketUnreachableError
        When `root` is not a directory.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).absolute()
        self.uri = self.root.as_uri()
        if not self.root.is_dir():
            raise BucketUnreachableError(
                f"The mirror {self.root} is not a directory. Mount it, or set another bucket "
                "(`laion-fmri config --bucket …`)."
            )
        self._denied = _read_policy(self.root / POLICY_FILE)

    def objects(self, prefix: str = "") -> Iterator[BucketObject]:
        """Yield every object whose key begins with `prefix`, in key order."""
        start = self._folder(prefix.rpartition("/")[0])
        if start is None:
            return
        with _answering(self.root):
            for path, stat in _walk(start):
                key = self._key(path)
                if key.startswith(prefix):
                    yield BucketObject(key, stat.st_size, stat_etag(stat))

    def folder(self, prefix: str = "") -> Folder:
        """Return the folders and objects directly below `prefix` (empty, or ending in a slash)."""
        start = self._folder(prefix.removesuffix("/"))
        with _answering(self.root):
            entries = _entries(start) if start is not None else []
            return Folder(
                tuple(f"{self._key(e.path)}/" for e in entries if e.is_dir()),
                tuple(
                    BucketObject(self._key(e.path), e.stat().st_size, stat_etag(e.stat()))
                    for e in entries
                    if e.is_file()
                ),
            )

    def _folder(self, name: str) -> Path | None:
        """Return a folder of the mirror by its key; None when it does not exist."""
        try:
            path = self.root.joinpath(require_safe(name)) if name else self.root
        except UnsafeKeyError:
            return None
        return path if path.is_dir() else None

    def _key(self, path: str) -> str:
        return path.removeprefix(f"{self.root}{os.sep}").replace(os.sep, "/")

    def head(self, key: str) -> BucketObject:
        """Return the current state of one object."""
        with self.open(key) as stream:
            stat = os.fstat(stream.fileno())
        return BucketObject(key, stat.st_size, stat_etag(stat))

    @contextmanager
    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> Iterator[_FileStream]:
        """Open one object at `start`; raise an error when its ETag is no longer `etag`."""
        if any(fnmatchcase(key, pattern) for pattern in self._denied):
            raise AccessDeniedError(f"The bucket denies access to {key}.")
        try:
            file = self.root.joinpath(require_safe(key)).open("rb", buffering=0)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise ObjectNotFoundError(f"The bucket has no object {key}.") from error
        except PermissionError as error:
            raise AccessDeniedError(f"The mirror denies access to {key}.") from error
        with file:
            stat = os.fstat(file.fileno())
            if etag is not None and stat_etag(stat) != etag:
                raise ObjectChangedError(f"{key} has changed in the bucket. Plan again.")
            file.seek(start)
            yield _FileStream(file, stat.st_size)
            if etag is not None and stat_etag(os.fstat(file.fileno())) != etag:
                raise ObjectChangedError(f"{key} changed while it was read. Plan again.")

    def checksum(self, found: BucketObject) -> Checksum | None:
        """Return None: a mirror on disk has no digests."""
        return None


class _FileStream:
    """A file of the mirror; its reads are short, so closing need not interrupt them."""

    def __init__(self, file: FileIO, total: int) -> None:
        self.read, self.fileno, self.total = file.read, file.fileno, total

    def close(self) -> None:
        """Do nothing: the code that opened the file closes it."""


@contextmanager
def _answering(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BucketUnreachableError(
            f"The mirror {root} cannot be listed ({error.strerror or error}). Check that it is "
            "mounted and that you may read it."
        ) from error


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    # S3 sorts whole keys: "a-b" comes before "a/…" comes before "a0".
    visible = [e for e in os.scandir(folder) if not e.name.startswith(".")]
    return sorted(visible, key=lambda e: e.name + ("/" if e.is_dir() else ""))


def _walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _walk(Path(entry.path))
        elif entry.is_file():
            yield entry.path, entry.stat()


def stat_etag(stat: os.stat_result) -> str:
    """Return an ETag from a file's size and modification time."""
    return f"{stat.st_mtime_ns:x}-{stat.st_size:x}"


def _read_policy(path: Path) -> list[str]:
    try:
        return [str(pattern) for pattern in read_json(path.read_bytes())["deny"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BucketError(
            f'{path} is not a bucket policy ({error}). It should hold {{"deny": [patterns]}}.'
        ) from error
