"""Plans of transfers: files, their sizes and their status."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from laion_fmri import layout
from laion_fmri.bucket import Bucket, BucketObject
from laion_fmri.html import table
from laion_fmri.transfer.partial import bytes_in, partial_name, partial_path


class FileStatus(StrEnum):
    """Status of a local file compared with its object in the bucket."""

    DOWNLOADED = "downloaded"
    INCOMPLETE = "incomplete"
    NOT_DOWNLOADED = "not downloaded"
    OUTDATED = "outdated"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One object and its local path.

    Attributes
    ----------
    key : str
        Key in the bucket, verbatim.
    local : str
        Local path.
    size : int
        Bytes.
    etag : str
        Version in the listing.
    status : FileStatus
        *Damaged* is only set by `verify`.
    bytes_downloaded : int
        Bytes that are already downloaded.
    source : Bucket
        Source of the file.
    """

    key: str
    local: str
    size: int
    etag: str
    status: FileStatus
    bytes_downloaded: int
    source: Bucket = field(repr=False, compare=False)

    @property
    def path(self) -> Path:
        """Local path."""
        return Path(self.local)

    @property
    def partial_path(self) -> Path:
        """The partial file of this version of the object."""
        return partial_path(self.local, self.etag)

    @property
    def listed(self) -> BucketObject:
        """The object in the listing."""
        return BucketObject(self.key, self.size, self.etag)


@dataclass(frozen=True)
class TransferPlan:
    """Files and how much of them is downloaded; prints as a table.

    Attributes
    ----------
    files : tuple of PlannedFile
    data_dir : Path
    """

    files: tuple[PlannedFile, ...]
    data_dir: Path

    @property
    def to_fetch(self) -> tuple[PlannedFile, ...]:
        """Files that are not completely downloaded."""
        return tuple(f for f in self.files if f.status is not FileStatus.DOWNLOADED)

    @property
    def total_bytes(self) -> int:
        """Total size of the plan in bytes."""
        return sum(f.size for f in self.files)

    @property
    def bytes_to_fetch(self) -> int:
        """Bytes that must still be fetched."""
        return sum(f.size - f.bytes_downloaded for f in self.files)

    def count(self, status: FileStatus) -> int:
        """Return the number of files with a status."""
        return sum(f.status is status for f in self.files)

    def looked_at_again(self) -> TransferPlan:
        """Return the plan with the current status of its files."""
        look = {id(f.source): LocalFiles(self.data_dir, f.source) for f in self.files}
        return TransferPlan(
            tuple(look[id(f.source)].compare(f.listed) for f in self.files), self.data_dir
        )

    def __add__(self, other: TransferPlan) -> TransferPlan:
        """Merge two plans without duplicate files."""
        files = {f.key: f for f in (*self.files, *other.files)}
        return TransferPlan(tuple(files.values()), self.data_dir)

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as a dict, for JSON."""
        rows = [{"key": f.key, "size": f.size, "status": str(f.status)} for f in self.files]
        return {
            "files": rows,
            "total_bytes": self.total_bytes,
            "bytes_to_fetch": self.bytes_to_fetch,
        }

    def __repr__(self) -> str:
        return f"<TransferPlan into {self.data_dir}: {self.summary()}>"

    def _repr_html_(self) -> str:
        rows = []
        for status in FileStatus:
            files = [f for f in self.files if f.status is status]
            if files:
                size = format_bytes(sum(f.size for f in files))
                to_fetch = format_bytes(sum(f.size - f.bytes_downloaded for f in files))
                rows.append((status.capitalize(), f"{len(files):,}", size, to_fetch))
        columns = ("Files", "Number", "Size", "To fetch")
        return table("Transfer plan", rows, columns, f"{self.summary()}. Into {self.data_dir}")

    def __str__(self) -> str:
        rows = [f"{f.status:<15}{format_bytes(f.size):>10}  {f.key}" for f in self.files]
        return "\n".join([*rows, self.summary()])

    def summary(self) -> str:
        """Return one line: files, bytes, already downloaded, to fetch."""
        return (
            f"{count_of(len(self.files), 'file')}, {format_bytes(self.total_bytes)}: "
            f"{self.count(FileStatus.DOWNLOADED)} already downloaded, "
            f"{len(self.to_fetch)} to fetch ({format_bytes(self.bytes_to_fetch)})"
        )


def make_plan(objects: Iterable[BucketObject], data_dir: Path, source: Bucket) -> TransferPlan:
    """Compare objects with the files on disk.

    A file is *downloaded* when it has the size of the object, *outdated* when its size differs,
    *incomplete* when an earlier transfer of the same version was interrupted. Every path is listed
    once: of keys that differ only in the hyphens of a label, the one without hyphens is used.

    Parameters
    ----------
    objects : iterable of BucketObject
    data_dir : Path
    source : Bucket
        Source of the objects.

    Raises
    ------
    UnsafeKeyError
        When a key points outside the data directory.
    """
    local_files = LocalFiles(data_dir, source)
    by_path: dict[str, PlannedFile] = {}
    for found in objects:
        file = local_files.compare(found)
        if file.local not in by_path or layout.local_name(file.key) == file.key:
            by_path[file.local] = file
    return TransferPlan(tuple(by_path.values()), data_dir)


class LocalFiles:
    """Comparison of objects with files on disk; each folder is read once.

    Parameters
    ----------
    data_dir : Path
    source : Bucket
        Source of the objects.
    """

    def __init__(self, data_dir: Path, source: Bucket) -> None:
        self._root, self._source = f"{data_dir}{os.sep}", source
        self._partials: dict[str, frozenset[str] | None] = {}

    def compare(self, found: BucketObject) -> PlannedFile:
        """Return the planned file of an object, with the status of its local file.

        Raises
        ------
        UnsafeKeyError
            When its key points outside the data directory.
        """
        local = self._root + layout.local_name(layout.require_safe(found.key))
        here = self._size_of(local)
        if here == found.size:
            status, bytes_downloaded = FileStatus.DOWNLOADED, here
        else:
            bytes_downloaded = self._bytes_in_partial(local, found)
            status = FileStatus.INCOMPLETE if bytes_downloaded else FileStatus.NOT_DOWNLOADED
            if here is not None:
                status = FileStatus.OUTDATED
        return PlannedFile(
            found.key, local, found.size, found.etag, status, bytes_downloaded, self._source
        )

    def _size_of(self, path: str) -> int | None:
        folder = path.rpartition(os.sep)[0]
        if folder in self._partials and self._partials[folder] is None:
            return None
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            self._partials_in(folder)
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def _bytes_in_partial(self, path: str, found: BucketObject) -> int:
        folder, _, name = path.rpartition(os.sep)
        partials = self._partials_in(folder)
        if not partials:
            return 0
        hidden = partial_name(name, found.etag)
        return bytes_in(Path(folder, hidden), found.size) if hidden in partials else 0

    def _partials_in(self, folder: str) -> frozenset[str] | None:
        if folder not in self._partials:
            try:
                names = frozenset(n for n in os.listdir(folder) if n.endswith(".part"))
            except OSError:
                names = None
            self._partials[folder] = names
        return self._partials[folder]


def format_bytes(n_bytes: float) -> str:
    """Format a size in powers of 1000, such as ``"12.3 MB"``.

    Examples
    --------
    >>> format_bytes(999), format_bytes(12_345_678)
    ('999 B', '12.3 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if abs(n_bytes) < 999.5 or (unit == "B" and n_bytes < 1000):
            return f"{n_bytes:.0f} B" if unit == "B" else f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"


def format_seconds(seconds: float) -> str:
    """Format a duration in its one or two largest units.

    Examples
    --------
    >>> format_seconds(4.2), format_seconds(200), format_seconds(7260)
    ('5 s', '3 min 20 s', '2 h 1 min')
    """
    left = int(-(-seconds // 1))
    parts: list[tuple[int, str]] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count) or "0 s"


def count_of(number: int, noun: str) -> str:
    """Format a count with its noun: ``"1 file"``, ``"2 files"``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
