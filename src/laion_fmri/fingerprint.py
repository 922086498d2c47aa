"""Signatures and fingerprints of files, which tell whether a derived result is outdated."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

_GZIP_MAGIC = b"\x1f\x8b"
_END_BYTES = 1 << 16
_SAMPLES = 14
_SAMPLE_BYTES = 1 << 12
_AT_ONCE = 1 << 20
_DIGEST_BYTES = 16


def file_signature(path: Path) -> tuple[int, int, int]:
    """Return numbers that change when a file is written or replaced, without reading it.

    Returns
    -------
    tuple of int
        Modification time in nanoseconds, size in bytes and inode; zeros when the file is missing.
    """
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino


@dataclass(frozen=True)
class FileFingerprint:
    """The recorded state of a file: a copy matches, a changed file does not.

    Attributes
    ----------
    name : str
    size : int
        In bytes.
    mtime_ns : int
        Modification time; avoids reading an uncompressed file whose time is unchanged.
    digest : str
        BLAKE2b of the whole file, in hexadecimal. For a gzip file, only its ends and samples
        between them are hashed, because its end holds a checksum of the content.
    """

    name: str
    size: int
    mtime_ns: int
    digest: str

    @classmethod
    def of(cls, path: Path) -> FileFingerprint:
        """Record the current state of a file."""
        status = path.stat()
        return cls(path.name, status.st_size, status.st_mtime_ns, _digest(path, status.st_size))

    def matches(self, path: Path) -> bool:
        """Whether a file has the recorded content.

        Raises
        ------
        OSError
            When the file is missing or cannot be read.
        """
        status = path.stat()
        if (path.name, status.st_size) != (self.name, self.size):
            return False
        if status.st_mtime_ns == self.mtime_ns and not _is_gzip(path):
            return True
        return _digest(path, status.st_size) == self.digest


def _is_gzip(path: Path) -> bool:
    with path.open("rb", buffering=0) as file:
        return file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


def _digest(path: Path, size: int) -> str:
    # Not CRC-32: data that end in their own CRC-32 all have the same CRC-32.
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    parts = [(0, size)]
    if _is_gzip(path):
        step = size // (_SAMPLES + 1)
        samples = [(number * step, _SAMPLE_BYTES) for number in range(1, _SAMPLES + 1)]
        parts = [(0, _END_BYTES), *samples, (max(0, size - _END_BYTES), _END_BYTES)]
    with path.open("rb", buffering=0) as file:
        for start, n_bytes in parts:
            file.seek(start)
            while n_bytes > 0 and (part := file.read(min(_AT_ONCE, n_bytes))):
                digest.update(part)
                n_bytes -= len(part)
    return digest.hexdigest()
