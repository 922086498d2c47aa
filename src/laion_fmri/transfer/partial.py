"""Partial files of interrupted or running transfers.

The bytes of one version of an object are written to a hidden file next to the target. A small
object is written in order, so the file's length is its progress. A large object is written in
concurrent segments; a table after the object's last byte counts the bytes of each segment, and is
updated after the bytes themselves. A killed process therefore loses only data in transit. A
separate lock file lets one process write at a time, so that the data file can be closed before it
is renamed, as Windows requires.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

SUFFIX, LOCK_SUFFIX = ".part", ".lock"
VERSION_LENGTH = 12  # hexadecimal digits of the version in a partial file's name

_MAGIC = b"LFMpart1"
_HEADER = struct.Struct("<8s?7xQ")  # magic, settled, segment size
_COUNT = struct.Struct("<Q")
# Errors on network disks without locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class PartialFileBusyError(Exception):
    """Another process, or another transfer of this one, is writing the file."""


def partial_path(path: str | os.PathLike[str], etag: str) -> Path:
    """Return the path of the partial file of one version of an object."""
    folder, name = os.path.split(path)
    return Path(folder, partial_name(name, etag))


def partial_name(name: str, etag: str) -> str:
    """Return the name of the partial file of a file's version."""
    version = hashlib.sha256(etag.encode()).hexdigest()[:VERSION_LENGTH]
    return f".{name}.{version}{SUFFIX}"


def bytes_in(path: Path, size: int) -> int:
    """Count the bytes of an object of `size` bytes in a partial file; 0 if there is none."""
    try:
        with path.open("rb") as file:
            return sum(s.done for s in _read_segments(file.fileno(), size) or ())
    except OSError:
        return 0


@dataclass(slots=True)
class Segment:
    """Bytes ``[start, stop)`` of an object, of which the first `done` have arrived."""

    number: int
    start: int
    stop: int
    done: int = 0

    @property
    def position(self) -> int:
        """Offset of the next byte."""
        return self.start + self.done

    @property
    def is_whole(self) -> bool:
        """Whether all bytes have arrived."""
        return self.position == self.stop


class PartialFile:
    """The partial file of one object, open for writing and locked.

    Parameters
    ----------
    path : Path
        Path of the partial file, which is created or continued.
    size : int
        Bytes of the object.
    segment_size : int
        Size of the segments of larger objects in bytes; segments may be written concurrently, each
        in order.

    Raises
    ------
    PartialFileBusyError
    OSError
    """

    def __init__(self, path: Path, size: int, segment_size: int) -> None:
        self.path, self.size = path, size
        self._lock = threading.Lock()
        self._file: int | None = None
        self._guard = _guard_of(path)
        try:
            self._file = os.open(path, _FLAGS, 0o666)
            self.segments = _read_segments(self._file, size) or self._begin(segment_size)
            if len(self.segments) == 1 and size > segment_size:
                self._divide(segment_size)
            elif len(self.segments) > 1:
                self._write_at(size, self._header(settled=False))
        except BaseException:
            self.close()
            raise

    @property
    def n_bytes(self) -> int:
        """Bytes of the object that have arrived."""
        return sum(segment.done for segment in self.segments)

    @property
    def is_whole(self) -> bool:
        """Whether all bytes have arrived."""
        return all(segment.is_whole for segment in self.segments)

    def missing(self) -> list[Segment]:
        """The incomplete segments."""
        return [segment for segment in self.segments if not segment.is_whole]

    def write(self, segment: Segment, data: bytes) -> None:
        """Write the next bytes of a segment, then count them."""
        self._write_at(segment.position, data)
        segment.done += len(data)
        if len(self.segments) > 1:
            self._write_at(self._place_of_count(segment), _COUNT.pack(segment.done))
            if segment.is_whole and hasattr(os, "posix_fadvise"):
                # Start writing to disk now, so that the final flush is short.
                os.posix_fadvise(
                    self._open_file, segment.start, segment.done, os.POSIX_FADV_DONTNEED
                )

    def trim(self) -> None:
        """Truncate the complete file to the object's size."""
        os.ftruncate(self._open_file, self.size)
        self.segments = [Segment(0, 0, self.size, self.size)]

    def complete(self, target: Path) -> None:
        """Flush the complete object to disk and rename it to its final name."""
        self.trim()
        os.fsync(self._open_file)
        self._close_file()
        self.path.replace(target)
        self.close()

    def settle(self) -> None:
        """Flush and close the file; an empty one is deleted."""
        try:
            if self.n_bytes == 0:
                self.discard()
            elif self._file is not None:
                os.fsync(self._file)
                if len(self.segments) > 1:
                    self._write_at(self.size, self._header(settled=True))
        finally:
            self.close()

    def discard(self) -> None:
        """Delete the file."""
        try:
            self._close_file()
            self.path.unlink(missing_ok=True)
        finally:
            self.close()

    def close(self) -> None:
        """Close the file and release its lock."""
        self._close_file()
        if self._guard is not None and self._guard.is_locked:
            if os.name != "nt":  # deleted while held; on Windows, releasing it deletes it
                Path(self._guard.lock_file).unlink(missing_ok=True)
            self._guard.release()

    @property
    def _open_file(self) -> int:
        assert self._file is not None
        return self._file

    def _close_file(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def _begin(self, segment_size: int) -> list[Segment]:
        os.ftruncate(self._open_file, 0)
        return [Segment(0, 0, self.size)]

    def _divide(self, segment_size: int) -> None:
        there = self.segments[0].done
        self.segments = _divided(self.size, segment_size)
        for segment in self.segments:
            segment.done = min(max(there - segment.start, 0), segment.stop - segment.start)
        counts = b"".join(_COUNT.pack(segment.done) for segment in self.segments)
        self._write_at(self.size, self._header(settled=False) + counts)

    def _header(self, settled: bool) -> bytes:
        return _HEADER.pack(_MAGIC, settled, self.segments[0].stop)

    def _place_of_count(self, segment: Segment) -> int:
        return self.size + _HEADER.size + segment.number * _COUNT.size

    def _write_at(self, offset: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if hasattr(os, "pwrite"):
                n_written = os.pwrite(self._open_file, view, offset)
            else:
                with self._lock:
                    os.lseek(self._open_file, offset, os.SEEK_SET)
                    n_written = os.write(self._open_file, view)
            view, offset = view[n_written:], offset + n_written


def _divided(size: int, segment_size: int) -> list[Segment]:
    starts: Iterable[int] = range(0, size, segment_size)
    return [Segment(n, at, min(at + segment_size, size)) for n, at in enumerate(starts)]


def _read_segments(file: int, size: int) -> list[Segment] | None:
    """Read the segments recorded in a partial file; None if they are inconsistent."""
    stat = os.fstat(file)
    if stat.st_size <= size:
        return [Segment(0, 0, size, stat.st_size)] if _is_of_this_boot(stat) else None
    os.lseek(file, size, os.SEEK_SET)
    magic, settled, segment_size = _HEADER.unpack(
        os.read(file, _HEADER.size).ljust(_HEADER.size, b"\0")
    )
    if magic != _MAGIC or segment_size == 0 or not (settled or _is_of_this_boot(stat)):
        return None
    segments = _divided(size, segment_size)
    if stat.st_size != size + _HEADER.size + len(segments) * _COUNT.size:
        return None
    counts = os.read(file, len(segments) * _COUNT.size)
    for segment, (done,) in zip(segments, _COUNT.iter_unpack(counts), strict=True):
        if done > segment.stop - segment.start:
            return None
        segment.done = done
    return segments


def _is_of_this_boot(stat: os.stat_result) -> bool:
    # After a power cut, a file may have its length but not its contents.
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return True
    return stat.st_mtime >= time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _guard_of(path: Path) -> BaseFileLock | None:
    """Acquire the lock of a partial file; None on a disk without locks."""
    from filelock import FileLock, Timeout

    guard = FileLock(path.with_suffix(LOCK_SUFFIX), timeout=0, thread_local=False)
    try:
        guard.acquire()
    except Timeout as error:
        raise PartialFileBusyError from error
    except NotImplementedError:
        return None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return None
    return guard
