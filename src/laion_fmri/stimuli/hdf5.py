"""HDF5 files opened on first read, reopened after a fork, and closed on request."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from laion_fmri._errors import DamagedFileError, LaionFmriError, UnreadableFileError
from laion_fmri.stimuli.cache import ForkSafeLock

if TYPE_CHECKING:
    import h5py

# Errors of flock() on disks without locks: NFS without lockd, Lustre without -o flock.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})
_LOCKED = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK})


def open_for_reading(path: Path) -> h5py.File:
    """Open an HDF5 file, without locks on disks that do not support them.

    The file may already be open, here or in user code.

    Raises
    ------
    UnreadableFileError
        When another program writes the file, or the operating system refuses to open it.
    OSError
        When it is not a complete HDF5 file.
    """
    import h5py

    try:
        return _opened_like_before(path)
    except OSError as error:
        if "already open for write" in str(error):
            raise UnreadableFileError(
                path,
                "it is open for writing, or a program that wrote it ended too early",
                "End that program, or clear the mark with HDF5's tool h5clear -s.",
            ) from error
        is_lock = "lock file" in str(error)
        if is_lock and error.errno in _LOCKED and _is_being_written(path):
            raise UnreadableFileError(
                path,
                "another process has it open for writing",
                "Wait until that is over, or end that process.",
            ) from error
        if is_lock and error.errno in _NO_LOCKS | _LOCKED:
            return h5py.File(path, "r", locking=False)
        if error.errno:
            raise UnreadableFileError.from_os(path, error) from error
        raise


def _opened_like_before(path: Path) -> h5py.File:
    """Open a file with the same locking as where this process already has it open.

    HDF5 refuses to open a file both with and without locks.

    Raises
    ------
    OSError
    """
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        refused = error
    for locking in (False, True):
        if "flag values don't match" in str(refused):
            try:
                return h5py.File(path, "r", locking=locking)
            except OSError as error:
                refused = error
    raise refused


def _is_being_written(path: Path) -> bool:
    """Whether a process of this machine holds a lock on a file that excludes readers.

    Network disks may report a file as locked although no process holds it. If the system does not
    list its locks, the report is trusted.
    """
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return True
    inode = f":{path.stat().st_ino}"
    return any("WRITE" in line and line.split()[-3].endswith(inode) for line in lines)


class LazyHdf5:
    """One HDF5 file, opened on first use.

    Thread-safe, with one thread reading at a time; a forked child reopens the file, because HDF5
    handles do not survive a fork.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = ForkSafeLock()
        self._file: h5py.File | None = None
        self._pid = 0

    @contextmanager
    def dataset(self, name: str, n_axes: int) -> Iterator[h5py.Dataset]:
        """Yield a dataset of the file, for reading inside the block.

        Raises
        ------
        DamagedFileError
            When the file is not HDF5, lacks the dataset, or its content cannot be decoded.
        UnreadableFileError
            When another process writes it, or the operating system cannot read it.
        """
        import h5py

        with self._lock:
            try:
                if self._file is not None and self._pid != os.getpid():
                    # While it stays open, HDF5 would reuse it for the next open.
                    self._file.close()
                    self._file = None
                if self._file is None:
                    self._file, self._pid = open_for_reading(self.path), os.getpid()
                found = self._file.get(name)
                if not isinstance(found, h5py.Dataset) or found.ndim != n_axes:
                    raise DamagedFileError(
                        self.path, f"it has no dataset {name!r} with {n_axes} axes"
                    )
                yield found
            except LaionFmriError:
                raise
            except OSError as error:
                if error.errno:
                    raise UnreadableFileError.from_os(self.path, error) from error
                raise _damaged(self.path, error) from error
            except (RuntimeError, KeyError, TypeError, UnicodeDecodeError) as error:
                raise _damaged(self.path, error) from error

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]


def _damaged(path: Path, error: Exception) -> DamagedFileError:
    return DamagedFileError(path, f"it is damaged or no HDF5 file ({error})")
