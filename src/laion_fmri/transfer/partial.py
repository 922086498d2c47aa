"""A file that is not whole yet: its bytes, and which of them are there.

The bytes of one version of an object gather in one hidden file beside their target. A small
object arrives in order, so the file's length says how far it is. A large one arrives in
segments at once; behind the place of its last byte stands a table that counts the bytes of
each segment, written after the bytes themselves. So a process that is killed loses what was
on the wire and nothing else.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two processes are not kept apart
    fcntl = None  # type: ignore[assignment]

VERSION_LENGTH = 12  # of what a partial file's name says of the object's version

_MAGIC = b"LFMpart1"
_HEADER = struct.Struct("<8s?7xQ")  # magic, settled, segment size
_COUNT = struct.Struct("<Q")
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


class PartialFileBusyError(Exception):
    """Another process, or another transfer of this one, is writing the file."""


def partial_path(path: str | os.PathLike[str], etag: str) -> Path:
    """The partial file of one version of an object; another version has another one."""
    folder, name = os.path.split(path)
    return Path(folder, partial_name(name, etag))


def partial_name(name: str, etag: str) -> str:
    """The name of the partial file of a file's version."""
    version = hashlib.sha256(etag.encode()).hexdigest()[:VERSION_LENGTH]
    return f".{name}.{version}.part"


def bytes_in(path: Path, size: int) -> int:
    """How many bytes of an object of `size` bytes a partial file holds; 0 where there is none."""
    try:
        with path.open("rb") as file:
            return sum(s.done for s in _read_segments(file.fileno(), size) or ())
    except OSError:
        return 0


@dataclass(slots=True)
class Segment:
    """Bytes ``[start, stop)`` of an object, of which the first `done` are there."""

    number: int
    start: int
    stop: int
    done: int = 0

    @property
    def position(self) -> int:
        """Where the next byte goes."""
        return self.start + self.done

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return self.position == self.stop


class PartialFile:
    """The partial file of one object, open for writing and locked.

    Parameters
    ----------
    path : Path
        Of the partial file; it is made, or gone on with.
    size : int
        Bytes of the object.
    segment_size : int
        A larger object is divided into segments of so many bytes, which may be written at
        the same time, each in order.

    Raises
    ------
    PartialFileBusyError
    OSError
    """

    def __init__(self, path: Path, size: int, segment_size: int) -> None:
        self.path, self.size = path, size
        self._lock = threading.Lock()
        self._file = _open_locked(path)
        try:
            self.segments = _read_segments(self._file, size) or self._begin(segment_size)
            if len(self.segments) == 1 and size > segment_size:
                self._divide(segment_size)
            elif len(self.segments) > 1:
                self._write_at(size, self._header(settled=False))
        except BaseException:
            os.close(self._file)
            raise

    @property
    def n_bytes(self) -> int:
        """Bytes of the object that are there."""
        return sum(segment.done for segment in self.segments)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return all(segment.is_whole for segment in self.segments)

    def missing(self) -> list[Segment]:
        """The segments that are not whole."""
        return [segment for segment in self.segments if not segment.is_whole]

    def write(self, segment: Segment, data: bytes) -> None:
        """Put the next bytes of a segment in their place, then count them."""
        self._write_at(segment.position, data)
        segment.done += len(data)
        if len(self.segments) > 1:
            self._write_at(self._place_of_count(segment), _COUNT.pack(segment.done))
            if segment.is_whole and hasattr(os, "posix_fadvise"):
                # The disk begins to write now, so that the last flush has little left to do.
                os.posix_fadvise(self._file, segment.start, segment.done, os.POSIX_FADV_DONTNEED)

    def trim(self) -> None:
        """Leave nothing in the file but the object, which is whole."""
        os.ftruncate(self._file, self.size)
        self.segments = [Segment(0, 0, self.size, self.size)]

    def complete(self, target: Path) -> None:
        """Flush the whole object to the disk and give it its final name."""
        self.trim()
        os.fsync(self._file)
        self.path.replace(target)
        self.close()

    def settle(self) -> None:
        """Flush what is there and close; an empty file goes."""
        try:
            if self.n_bytes == 0:
                self.path.unlink(missing_ok=True)
                return
            os.fsync(self._file)
            if len(self.segments) > 1:
                self._write_at(self.size, self._header(settled=True))
        finally:
            self.close()

    def discard(self) -> None:
        """Delete the file: what is there is not to be gone on with."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close the file and let others have it."""
        os.close(self._file)

    def _begin(self, segment_size: int) -> list[Segment]:
        os.ftruncate(self._file, 0)
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
                n_written = os.pwrite(self._file, view, offset)
            else:
                with self._lock:
                    os.lseek(self._file, offset, os.SEEK_SET)
                    n_written = os.write(self._file, view)
            view, offset = view[n_written:], offset + n_written


def _divided(size: int, segment_size: int) -> list[Segment]:
    starts: Iterable[int] = range(0, size, segment_size)
    return [Segment(n, at, min(at + segment_size, size)) for n, at in enumerate(starts)]


def _read_segments(file: int, size: int) -> list[Segment] | None:
    """What a partial file says of itself; None when that is not to be trusted."""
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
    # After a power cut a file may have its length but not its bytes.
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return True
    return stat.st_mtime >= time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _open_locked(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    while True:
        file = os.open(path, flags, 0o666)
        try:
            _lock(file)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), path.stat()):
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # it got its final name, or went, while the lock was asked for


def _lock(file: int) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PartialFileBusyError from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:  # some network disks know no locks
            raise
