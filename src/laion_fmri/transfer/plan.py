"""What a transfer would do, before it does anything."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from laion_fmri import layout
from laion_fmri.bucket import BucketObject

VERSION_LENGTH = 12  # of what a partial file's name says of the object's version


class FileStatus(StrEnum):
    """How a local file stands to its object in the bucket."""

    HERE = "here"
    PARTIAL = "partial"
    MISSING = "missing"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One object and its place on disk.

    Attributes
    ----------
    key : str
        In the bucket, verbatim.
    path : Path
        Where it goes.
    size : int
        Bytes.
    etag : str
        The version that was listed.
    status : FileStatus
    bytes_here : int
        How many of its bytes need not be fetched.
    """

    key: str
    path: Path
    size: int
    etag: str
    status: FileStatus
    bytes_here: int

    @property
    def partial_path(self) -> Path:
        """Where bytes gather until the file is whole; another version has another one."""
        return partial_path(self.path, self.etag)


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

    def __add__(self, other: TransferPlan) -> TransferPlan:
        """Both plans as one; a file in both stands once."""
        files = {f.key: f for f in (*self.files, *other.files)}
        return TransferPlan(tuple(files.values()), self.data_dir)

    def __str__(self) -> str:
        rows = [f"{f.status:<8}{format_bytes(f.size):>10}  {f.key}" for f in self.files]
        return "\n".join([*rows, self.summary()])

    def summary(self) -> str:
        """One line: files, bytes, already here, to fetch."""
        return (
            f"{len(self.files)} files, {format_bytes(self.total_bytes)}: "
            f"{self.count(FileStatus.HERE)} already here, {len(self.to_fetch)} to fetch "
            f"({format_bytes(self.bytes_to_fetch)})"
        )


def make_plan(objects: Iterable[BucketObject], data_dir: Path) -> TransferPlan:
    """Compare objects with what is on disk.

    A file is *here* when its size is the object's, *stale* when it is another, *partial*
    when an earlier transfer of the same version was interrupted. Every path stands once:
    of keys that differ only in the hyphens of a label, the one without them is meant.

    Raises
    ------
    UnsafeKeyError
        When a key would leave the data directory.
    """
    by_path: dict[Path, PlannedFile] = {}
    for found in objects:
        file = plan_file(found, data_dir)
        if file.path not in by_path or file.key == layout.local_name(file.key):
            by_path[file.path] = file
    return TransferPlan(tuple(by_path.values()), data_dir)


def plan_file(found: BucketObject, data_dir: Path) -> PlannedFile:
    """Compare one object with what is on disk; see `make_plan`."""
    path = layout.local_path(data_dir, found.key)
    local = _size(path)
    if local == found.size:
        status, bytes_here = FileStatus.HERE, found.size
    else:
        bytes_here = min(_size(partial_path(path, found.etag)) or 0, found.size)
        status = FileStatus.PARTIAL if bytes_here else FileStatus.MISSING
        if local is not None:
            status = FileStatus.STALE
    return PlannedFile(found.key, path, found.size, found.etag, status, bytes_here)


def partial_path(path: Path, etag: str) -> Path:
    """The partial file of one version of an object."""
    version = hashlib.sha256(etag.encode()).hexdigest()[:VERSION_LENGTH]
    return path.with_name(f".{path.name}.{version}.part")


def _size(path: Path) -> int | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


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
