"""What a file's bytes must add up to."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_BLOCK = 1 << 20  # bytes read at a time
_PART_ETAG = re.compile(r"[0-9a-f]{32}(-\d+)?")

Stopped = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest of an object's bytes.

    Attributes
    ----------
    algorithm : {"sha256", "md5", "crc32"}
    value : str
        Lower-case hexadecimal; of an object that was uploaded in parts, followed by a dash
        and their number, as S3 writes it in the ETag.
    part_size : int, optional
        Bytes of every part but the last: `value` is then the digest of the parts' digests.
    """

    algorithm: str
    value: str
    part_size: int | None = None

    def matches(self, path: Path, stopped: Stopped = lambda: False) -> bool:
        """Whether a file has this digest; False as well when `stopped` says to give up."""
        with path.open("rb", buffering=0) as file:
            return self._of(file, stopped) == self.value

    def _of(self, file: BinaryIO, stopped: Stopped) -> str | None:
        if self.algorithm == "crc32":
            crc = 0
            while block := file.read(_BLOCK):
                crc = zlib.crc32(block, crc)
                if stopped():
                    return None
            return f"{crc:08x}"
        parts: list[bytes] = []
        while (part := self._part(file, stopped)) is not None:
            digest, n_bytes = part
            if self.part_size is None:
                return digest.hex()
            if n_bytes == 0 and parts:
                break
            parts.append(digest)
        if part is None:
            return None
        whole = hashlib.new(self.algorithm, b"".join(parts), usedforsecurity=False)
        return f"{whole.hexdigest()}-{len(parts)}"

    def _part(self, file: BinaryIO, stopped: Stopped) -> tuple[bytes, int] | None:
        digest, n_bytes = hashlib.new(self.algorithm, usedforsecurity=False), 0
        while self.part_size is None or n_bytes < self.part_size:
            most = _BLOCK if self.part_size is None else min(_BLOCK, self.part_size - n_bytes)
            if not (block := file.read(most)):
                break
            digest.update(block)
            n_bytes += len(block)
            if stopped():
                return None
        return digest.digest(), n_bytes


def is_md5_etag(etag: str) -> bool:
    """Whether an ETag is the MD5 of an object that was uploaded in one part."""
    return bool(_PART_ETAG.fullmatch(etag)) and "-" not in etag


def is_multipart_etag(etag: str) -> bool:
    """Whether an ETag is made from the MD5s of an object's parts."""
    return bool(_PART_ETAG.fullmatch(etag)) and "-" in etag
