"""Checksums of files."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_BLOCK = 1 << 20  # bytes read at a time
_AT_ONCE = 4  # parts
_PART_ETAG = re.compile(r"[0-9a-f]{32}(-\d+)?")

Stopped = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest of an object's bytes.

    Attributes
    ----------
    algorithm : {"sha256", "md5", "crc32"}
    value : str
        Lower-case hexadecimal; for a multipart upload followed by a dash and the number of parts,
        as in an S3 ETag.
    part_size : int, optional
        Size in bytes of every part but the last; `value` is then the digest of the parts' digests.
    """

    algorithm: str
    value: str
    part_size: int | None = None

    def matches(self, path: Path, stopped: Stopped = lambda: False) -> bool:
        """Whether a file has this digest; also False when `stopped` returns True."""
        if self.part_size is None:
            whole = _digest(path, self.algorithm, 0, path.stat().st_size, stopped)
            return whole is not None and whole.hex() == self.value
        n_parts = max(1, -(-path.stat().st_size // self.part_size))
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # hashing releases the GIL
            digests = list(pool.map(partial(self._part, path, stopped), range(n_parts)))
        parts = [digest for digest in digests if digest is not None]
        of_parts = hashlib.new(self.algorithm, b"".join(parts), usedforsecurity=False)
        return len(parts) == n_parts and f"{of_parts.hexdigest()}-{n_parts}" == self.value

    def _part(self, path: Path, stopped: Stopped, number: int) -> bytes | None:
        assert self.part_size is not None
        return _digest(path, self.algorithm, number * self.part_size, self.part_size, stopped)


def _digest(path: Path, algorithm: str, start: int, size: int, stopped: Stopped) -> bytes | None:
    """Compute the digest of a byte range of a file; None when `stopped` returns True."""
    crc, digest = 0, None
    if algorithm != "crc32":
        digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while size > 0 and (block := file.read(min(_BLOCK, size))):
            size -= len(block)
            if digest is None:
                crc = zlib.crc32(block, crc)
            else:
                digest.update(block)
            if stopped():
                return None
    return crc.to_bytes(4, "big") if digest is None else digest.digest()


def is_md5_etag(etag: str) -> bool:
    """Whether an ETag is the MD5 of an object that was uploaded in one part."""
    return bool(_PART_ETAG.fullmatch(etag)) and "-" not in etag


def is_multipart_etag(etag: str) -> bool:
    """Whether an ETag is that of an object uploaded in parts."""
    return bool(_PART_ETAG.fullmatch(etag)) and "-" in etag
