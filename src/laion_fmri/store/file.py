"""The file of a store: the betas of one session, masked, uncompressed, in blocks of voxels.

The file has four parts: a header that describes the content and its sources;
the voxels, flat grid indices in C order (int64, increasing); the numbers (float32, little
endian); and the CRC-32 of each block of numbers (uint32). The numbers are divided into blocks of 64
neighbouring voxels (the last may be narrower), stored trial by trial within a block. One checksum
covers the first two parts, one the last.

A block that is read completely is checked against its CRC-32; reading one trial reads a part of
each block, which only `BetasStore.verify` checks.

The layout was measured (``tests/benchmarks/bench_store.py --layouts``) with 1,066 trials
of 320,332 voxels, 1.37 GB, on two busy cores and a virtual disk. Median ms for an ROI of
513 voxels over all trials, 500 voxels drawn at random over all trials, one trial of the
whole brain, and the whole session; cold is without cached file contents:

======================  ====  ======  =====  =======  ========  ===========  ==========
layout                  ROI   random  trial  session  cold ROI  cold random  cold trial
======================  ====  ======  =====  =======  ========  ===========  ==========
trial after trial       28    178     0.3    260      1,210     800          6
voxel after voxel       0.5   6.5     135    6,620    177       1,000        1,070
32 trials by voxel      2.1   100     9.3    3,400    541       1,270        28
blocks of 16 voxels     7.7   12      39     3,350    13        52           284
blocks of 32 voxels     6.2   15      22     1,120    24        77           129
**blocks of 64**        5.8   29      11     510      28        133          65
blocks of 128 voxels    16    66      8.8    450      32        258          67
blocks of 256 voxels    7.2   126     2.5    510      42        411          16
======================  ====  ======  =====  =======  ========  ===========  ==========

Trial order is slow for an ROI; voxel order is slow for a trial, and slower than the compressed file
for a session; storing both would double the size. Blocks of 64 voxels are fast for all access
patterns, also from disk. They are read rather than memory-mapped: a page fault every few kilobytes
costs more than copying whole blocks.
"""

from __future__ import annotations

import json
import math
import os
import struct
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri import memory
from laion_fmri._errors import DamagedFileError, StoreError
from laion_fmri.fingerprint import FileFingerprint
from laion_fmri.volumes.nifti import Grid

WIDTH = 64
"""Number of voxels per block."""

_MAGIC = b"LAIONBET"
_VERSION = 2
_PREAMBLE = struct.Struct("<8sIIQQ")  # magic, version, checksum, bytes of header, voxels
NUMBER = np.dtype("<f4")
"""The type of stored betas."""

_INDEX = np.dtype("<i8")
_CHECKSUM = np.dtype("<u4")
_PAGE = 4096  # the numbers start at a multiple of it
_BLOCKS_AT_ONCE = 64
_FEW_TRIALS = 16  # above this, reading whole blocks is faster
_AGAIN = "Build it again (build_store, or `laion-fmri store build`)."
_UNREADABLE = (struct.error, ValueError, KeyError, TypeError, OSError)
_place_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Header:
    """The content of a store and the files it was built from.

    Attributes
    ----------
    subject, session, mask_source : str
    grid : Grid
    voxels : ndarray of int64, shape (n_voxels,)
        The voxels of the brain mask: flat grid indices in C order, increasing.
    n_trials : int
    betas, mask : FileFingerprint
        The source files.
    width : int
        Number of voxels per block.
    """

    subject: str
    session: str
    mask_source: str
    grid: Grid
    voxels: NDArray[np.int64]
    n_trials: int
    betas: FileFingerprint
    mask: FileFingerprint
    width: int = WIDTH

    def pack(self) -> bytes:
        """Return the first two parts of the file, up to the numbers."""
        said = {
            "subject": self.subject,
            "session": self.session,
            "mask_source": self.mask_source,
            "shape": self.grid.shape,
            "affine": self.grid.affine.tolist(),
            "n_trials": self.n_trials,
            "width": self.width,
            "betas": asdict(self.betas),
            "mask": asdict(self.mask),
        }
        text = json.dumps(said).encode()
        text += b" " * (-(_PREAMBLE.size + len(text)) % _INDEX.itemsize)
        body = text + self.voxels.astype(_INDEX).tobytes()
        preamble = _PREAMBLE.pack(_MAGIC, _VERSION, crc32(body), len(text), len(self.voxels))
        return preamble + body + bytes(-(len(preamble) + len(body)) % _PAGE)

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return math.ceil(len(self.voxels) / self.width)

    @property
    def n_bytes(self) -> int:
        """Size of the whole file."""
        return self.n_bytes_after(len(self.pack()))

    def n_bytes_after(self, begin: int) -> int:
        """Return the size of a file whose numbers start at `begin`."""
        numbers = self.n_trials * len(self.voxels) * NUMBER.itemsize
        return begin + numbers + (self.n_blocks + 1) * _CHECKSUM.itemsize


def pack_checksums(checksums: NDArray[np.uint32]) -> bytes:
    """Return the last part of the file, from the CRC-32 of each block."""
    body = checksums.astype(_CHECKSUM).tobytes()
    return body + np.array([crc32(body)], _CHECKSUM).tobytes()


class BetasStore:
    """An open store, with the reading methods of `Series`.

    It stays readable when its file is replaced or removed, from any thread and after a fork. A
    pickled store reopens its file when unpickled.

    Attributes
    ----------
    path : Path
    header : Header
    """

    def __init__(
        self, path: Path, header: Header, begin: int, checksums: NDArray[np.uint32], file: int
    ) -> None:
        self.path = path
        self.header = header
        self._begin = begin
        self._checksums = checksums
        self._file = file
        weakref.finalize(self, os.close, file)

    def __reduce__(self) -> tuple[Callable[..., BetasStore], tuple[Path, int]]:
        return _reopened, (self.path, crc32(self._checksums.tobytes()))

    @classmethod
    def open(cls, path: Path) -> BetasStore:
        """Open a store and check that it is complete.

        Raises
        ------
        FileNotFoundError
        StoreError
            When another release wrote it with another layout.
        DamagedFileError
            When it is not a store, or its length or checksum is wrong.
        """
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            header, begin = _unpack(file)
            n_bytes, expected = os.fstat(file).st_size, header.n_bytes_after(begin)
            if n_bytes != expected:
                raise ValueError(f"it has {n_bytes} bytes where {expected} were expected")
            checksums = _unpack_checksums(file, header.n_blocks, n_bytes)
        except BaseException as error:
            os.close(file)
            if isinstance(error, _OtherLayoutError):
                text = f"{path} was built by another release of this package"
                raise StoreError(f"{text} (layout {error}, not {_VERSION}). {_AGAIN}") from error
            if isinstance(error, _UNREADABLE):
                raise DamagedFileError(path, f"it is no whole store ({error})", _AGAIN) from error
            raise
        return cls(path, header, begin, checksums, file)

    @property
    def n_volumes(self) -> int:
        """Number of trials."""
        return self.header.n_trials

    def covers(self, voxels: NDArray[np.intp]) -> bool:
        """Whether all these voxels (flat grid indices) are in the store."""
        kept = self.header.voxels
        if len(voxels) >= len(kept):
            return np.array_equal(voxels, kept)
        places = np.searchsorted(kept, voxels)
        return bool((kept[np.minimum(places, len(kept) - 1)] == voxels).all())

    def masked(
        self, voxels: NDArray[np.intp], volumes: NDArray[np.intp] | None = None
    ) -> NDArray[np.float32]:
        """Read selected voxels of selected trials.

        Parameters
        ----------
        voxels : array of int, shape (n_voxels,)
            Flat grid indices in C order, increasing, of voxels that are in the store.
        volumes : array of int, shape (n_trials,), optional
            Rows of the session, increasing; all by default.

        Returns
        -------
        ndarray of float32, shape (n_trials, n_voxels)

        Raises
        ------
        DamagedFileError
            When the file is shorter than expected.
        """
        trials = np.arange(self.n_volumes) if volumes is None else np.asarray(volumes, np.intp)
        out = memory.empty((len(trials), len(voxels)), np.float32)
        if out.size:
            # Reading all voxels is the common case, and searching for each would take longer.
            whole = len(voxels) == len(self.header.voxels)
            columns = None if whole else np.searchsorted(self.header.voxels, voxels)
            few = len(trials) <= min(_FEW_TRIALS, self.n_volumes // 2)
            read = self._read_trials if few else self._read_blocks
            read(trials, columns, out)
        return out

    def verify(self, progress: Callable[[float], None] | None = None) -> None:
        """Read everything and compare each block with its checksum.

        Parameters
        ----------
        progress : callable, optional
            Called periodically with the completed fraction.

        Raises
        ------
        DamagedFileError
            When a checksum is wrong.
        """
        n_blocks = self.header.n_blocks
        for first in range(0, n_blocks, _BLOCKS_AT_ONCE):
            blocks = np.arange(first, min(first + _BLOCKS_AT_ONCE, n_blocks))
            pieces = self._pieces(blocks, self._widths(blocks), 0, self.n_volumes)
            for block, piece in zip(blocks.tolist(), pieces, strict=True):
                self._intact(block, piece)
            if progress is not None:
                progress((first + len(blocks)) / n_blocks)

    def _intact(self, block: int, piece: bytes) -> bytes:
        if crc32(piece) != self._checksums[block]:
            raise DamagedFileError(
                self.path, f"block {block} of {self.header.n_blocks} has a wrong checksum", _AGAIN
            )
        return piece

    def _read_trials(
        self, trials: NDArray[np.intp], columns: NDArray[np.intp] | None, out: NDArray[np.float32]
    ) -> None:
        """Read trial by trial, only the requested part of each block."""
        blocks, starts = self._blocks(columns)
        widths = self._widths(blocks)
        places: slice | NDArray[np.intp] = slice(None)
        if columns is not None:  # positions in the concatenated voxels of the blocks
            skipped = blocks * self.header.width - (np.cumsum(widths) - widths)
            places = columns - np.repeat(skipped, np.diff(starts))
        for trial, row in zip(trials.tolist(), out, strict=True):
            numbers = b"".join(self._pieces(blocks, widths, trial, 1))
            row[:] = np.frombuffer(numbers, NUMBER)[places]

    def _read_blocks(
        self, trials: NDArray[np.intp], columns: NDArray[np.intp] | None, out: NDArray[np.float32]
    ) -> None:
        """Read block by block, from the first to the last requested trial."""
        first, n_read = int(trials[0]), int(trials[-1] - trials[0]) + 1
        rows = _compact(trials - first)
        if 2 * n_read > self.n_volumes:  # read whole blocks, so that checksums are verified
            rows = _compact(trials)
            first, n_read = 0, self.n_volumes
        blocks, starts = self._blocks(columns)
        pieces = self._pieces(blocks, self._widths(blocks), first, n_read)
        if n_read == self.n_volumes:
            pieces = map(self._intact, blocks.tolist(), pieces)
        edges = pairwise(starts.tolist())
        for block, piece, (a, b) in zip(blocks.tolist(), pieces, edges, strict=True):
            numbers = np.frombuffer(piece, NUMBER).reshape(n_read, -1)
            inside: slice | NDArray[np.intp] = slice(None)
            if columns is not None:
                inside = _compact(columns[a:b] - block * self.header.width)
            if isinstance(inside, slice):
                out[:, a:b] = numbers[rows, inside]
            else:
                out[:, a:b] = numbers[rows][:, inside]

    def _blocks(
        self, columns: NDArray[np.intp] | None
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the blocks of increasing columns, with the start of each block's columns."""
        width, n_voxels = self.header.width, len(self.header.voxels)
        if columns is None:
            blocks = np.arange(self.header.n_blocks)
            return blocks, np.append(blocks * width, n_voxels)
        block_of = columns // width
        starts = np.flatnonzero(np.diff(block_of, prepend=-1, append=-1))
        return block_of[starts[:-1]], starts

    def _widths(self, blocks: NDArray[np.intp]) -> NDArray[np.intp]:
        width = self.header.width
        return np.minimum(width, len(self.header.voxels) - blocks * width)

    def _pieces(
        self, blocks: NDArray[np.intp], widths: NDArray[np.intp], first: int, n_trials: int
    ) -> Iterator[bytes]:
        """Yield the bytes of consecutive trials in each block."""
        before = blocks * self.header.width * self.n_volumes + widths * first
        offsets = (self._begin + before * NUMBER.itemsize).tolist()
        sizes = (widths * n_trials * NUMBER.itemsize).tolist()
        file = repeat(self._file)
        if hasattr(os, "posix_fadvise"):  # disks serve many concurrent requests faster
            any(map(os.posix_fadvise, file, offsets, sizes, repeat(os.POSIX_FADV_WILLNEED)))
        return map(self._whole, map(read_at, file, sizes, offsets), sizes)

    def _whole(self, piece: bytes, size: int) -> bytes:
        if len(piece) != size:
            raise DamagedFileError(self.path, "it has become shorter", _AGAIN)
        return piece


class _OtherLayoutError(Exception):
    """A store that another release of the package wrote."""


def _unpack(file: int) -> tuple[Header, int]:
    """Read the header of a store and the offset of its numbers."""
    magic, version, checksum, n_text, n_voxels = _PREAMBLE.unpack(read_at(file, _PREAMBLE.size, 0))
    if magic != _MAGIC:
        raise ValueError("it does not begin like one")
    if version != _VERSION:
        raise _OtherLayoutError(version)
    n_body = n_text + n_voxels * _INDEX.itemsize
    if n_body > os.fstat(file).st_size:
        raise ValueError("it ends too early")
    body = read_at(file, n_body, _PREAMBLE.size)
    if crc32(body) != checksum:
        raise ValueError("its checksum is wrong")
    said = json.loads(body[:n_text])
    nx, ny, nz = said["shape"]
    header = Header(
        subject=said["subject"],
        session=said["session"],
        mask_source=said["mask_source"],
        grid=Grid((nx, ny, nz), np.array(said["affine"], dtype=np.float64)),
        voxels=np.frombuffer(body, _INDEX, offset=n_text),
        n_trials=said["n_trials"],
        betas=FileFingerprint(**said["betas"]),
        mask=FileFingerprint(**said["mask"]),
        width=said["width"],
    )
    end = _PREAMBLE.size + n_body
    return header, end + -end % _PAGE


def _unpack_checksums(file: int, n_blocks: int, n_bytes: int) -> NDArray[np.uint32]:
    """Read the CRC-32 of each block from the end of the file."""
    length = (n_blocks + 1) * _CHECKSUM.itemsize
    part = read_at(file, length, n_bytes - length)
    checksums = np.frombuffer(part, _CHECKSUM)
    if crc32(part[: -_CHECKSUM.itemsize]) != checksums[-1]:
        raise ValueError("the checksum of its checksums is wrong")
    return checksums[:-1]


def _reopened(path: Path, identity: int) -> BetasStore:
    """Reopen an unpickled store."""
    store = BetasStore.open(path)
    if crc32(store._checksums.tobytes()) != identity:
        raise DamagedFileError(
            path, "it was built again since this handle was pickled", "Open the store again."
        )
    return store


def _compact(places: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return increasing positions as a slice if they are consecutive."""
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def read_in_turn(file: int, n_bytes: int, offset: int) -> bytes:
    """Read bytes of an open file at `offset`, on systems without ``os.pread``."""
    with _place_lock:
        os.lseek(file, offset, os.SEEK_SET)
        return os.read(file, n_bytes)


# Not every system has positional reads.
read_at: Callable[[int, int, int], bytes] = getattr(os, "pread", read_in_turn)


def crc32(data: bytes | memoryview, before: int = 0) -> int:
    """Compute the CRC-32 of bytes, continuing from that of the preceding ones."""
    from isal import isal_zlib

    return isal_zlib.crc32(data, before)
