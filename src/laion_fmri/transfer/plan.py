"""What a transfer would do, before it does anything."""

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
    """How a local file stands to its object in the bucket."""

    HERE = "here"
    PARTIAL = "partial"
    MISSING = "missing"
    STALE = "stale"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One object and its place on disk.

    Attributes
    ----------
    key : str
        In the bucket, verbatim.
    local : str
        Where it goes.
    size : int
        Bytes.
    etag : str
        The version that was listed.
    status : FileStatus
        *Damaged* is only ever found by `verify`.
    bytes_here : int
        How many of its bytes need not be fetched.
    source : Bucket
        Where it comes from.
    """

    key: str
    local: str
    size: int
    etag: str
    status: FileStatus
    bytes_here: int
    source: Bucket = field(repr=False, compare=False)

    @property
    def path(self) -> Path:
        """Where it goes."""
        return Path(self.local)

    @property
    def partial_path(self) -> Path:
        """Where bytes gather until the file is whole; another version has another one."""
        return partial_path(self.local, self.etag)

    @property
    def listed(self) -> BucketObject:
        """The object as it was listed."""
        return BucketObject(self.key, self.size, self.etag)


@dataclass(frozen=True)
class TransferPlan:
    """Files with what is here of them; prints as a table.

    Attributes
    ----------
    files : tuple of PlannedFile
    data_dir : Path
    """

    files: tuple[PlannedFile, ...]
    data_dir: Path

    @property
    def to_fetch(self) -> tuple[PlannedFile, ...]:
        """The files that are not here whole."""
        return tuple(f for f in self.files if f.status is not FileStatus.HERE)

    @property
    def total_bytes(self) -> int:
        """Size of everything in the plan."""
        return sum(f.size for f in self.files)

    @property
    def bytes_to_fetch(self) -> int:
        """What must still be moved."""
        return sum(f.size - f.bytes_here for f in self.files)

    def count(self, status: FileStatus) -> int:
        """Number of files of that status."""
        return sum(f.status is status for f in self.files)

    def looked_at_again(self) -> TransferPlan:
        """The same files with what is here of them now."""
        look = {id(f.source): LocalFiles(self.data_dir, f.source) for f in self.files}
        return TransferPlan(
            tuple(look[id(f.source)].compare(f.listed) for f in self.files), self.data_dir
        )

    def __add__(self, other: TransferPlan) -> TransferPlan:
        """Both plans as one; a file in both stands once."""
        files = {f.key: f for f in (*self.files, *other.files)}
        return TransferPlan(tuple(files.values()), self.data_dir)

    def as_dict(self) -> dict[str, Any]:
        """The same for programs."""
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
                to_fetch = format_bytes(sum(f.size - f.bytes_here for f in files))
                rows.append((status.capitalize(), f"{len(files):,}", size, to_fetch))
        columns = ("Files", "Number", "Size", "To fetch")
        return table("Transfer plan", rows, columns, f"{self.summary()}. Into {self.data_dir}")

    def __str__(self) -> str:
        rows = [f"{f.status:<8}{format_bytes(f.size):>10}  {f.key}" for f in self.files]
        return "\n".join([*rows, self.summary()])

    def summary(self) -> str:
        """One line: files, bytes, already here, to fetch."""
        return (
            f"{count_of(len(self.files), 'file')}, {format_bytes(self.total_bytes)}: "
            f"{self.count(FileStatus.HERE)} already here, {len(self.to_fetch)} to fetch "
            f"({format_bytes(self.bytes_to_fetch)})"
        )


def make_plan(objects: Iterable[BucketObject], data_dir: Path, source: Bucket) -> TransferPlan:
    """Compare objects with what is on disk.

    A file is *here* when its size is the object's, *stale* when it is another, *partial*
    when an earlier transfer of the same version was interrupted. Every path stands once:
    of keys that differ only in the hyphens of a label, the one without them is meant.

    Parameters
    ----------
    objects : iterable of BucketObject
    data_dir : Path
    source : Bucket
        Where the objects are.

    Raises
    ------
    UnsafeKeyError
        When a key would leave the data directory.
    """
    local_files = LocalFiles(data_dir, source)
    by_path: dict[str, PlannedFile] = {}
    for found in objects:
        file = local_files.compare(found)
        if file.local not in by_path or layout.local_name(file.key) == file.key:
            by_path[file.local] = file
    return TransferPlan(tuple(by_path.values()), data_dir)


class LocalFiles:
    """What is on disk, compared with objects; each folder is looked for once.

    Parameters
    ----------
    data_dir : Path
    source : Bucket
        Where the objects are.
    """

    def __init__(self, data_dir: Path, source: Bucket) -> None:
        self._root, self._source = f"{data_dir}{os.sep}", source
        self._partials: dict[str, frozenset[str] | None] = {}

    def compare(self, found: BucketObject) -> PlannedFile:
        """One object with what is here of it.

        Raises
        ------
        UnsafeKeyError
            When its key would leave the data directory.
        """
        local = self._root + layout.local_name(layout.require_safe(found.key))
        here = self._size_of(local)
        if here == found.size:
            status, bytes_here = FileStatus.HERE, here
        else:
            bytes_here = self._bytes_in_partial(local, found)
            status = FileStatus.PARTIAL if bytes_here else FileStatus.MISSING
            if here is not None:
                status = FileStatus.STALE
        return PlannedFile(
            found.key, local, found.size, found.etag, status, bytes_here, self._source
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
    """``"12.3 MB"``, in powers of 1000 as disks and networks count.

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


def count_of(number: int, noun: str) -> str:
    """``"1 file"``, ``"2 files"``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
