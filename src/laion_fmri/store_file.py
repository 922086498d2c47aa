"""The file of a store: the betas of one session, masked, uncompressed, in blocks of voxels.

Three parts follow each other: a header that says what is kept and what it was made from;
the voxels, flat grid indices in C order (int64, increasing); and the numbers (float32,
little endian). The numbers are cut into blocks of 64 neighbouring voxels, the last one may
be narrower, and inside a block each trial follows the one before. A checksum covers the
first two parts.

The layout was measured (``tests/benchmarks/bench_store.py --layouts``) with 1,066 trials
of 320,332 voxels, 1.37 GB, on two busy cores and a virtual disk. Median ms for an ROI of
513 voxels over all trials, 500 voxels drawn at random over all trials, one trial of the
whole brain, and the whole session; cold is with nothing of the file in memory:

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

Trial after trial is slow for an ROI, voxel after voxel for a trial and slower than the
compressed file for a session; keeping both would double the cost. Blocks of 64 voxels are
quick in every direction, also from a disk. They are read and not mapped: a page fault for
every few kilobytes costs more than copying whole blocks.
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
from laion_fmri._errors import DamagedFileError
from laion_fmri.nifti import Grid

WIDTH = 64
"""Voxels of a block."""

_MAGIC = b"LAIONBET"
_VERSION = 1
_PREAMBLE = struct.Struct("<8sIIQQ")  # magic, version, checksum, bytes of header, voxels
NUMBER = np.dtype("<f4")
"""How betas are kept."""

_INDEX = np.dtype("<i8")
_PAGE = 4096  # the numbers begin at a multiple of it
_FEW_TRIALS = 16  # reading more than these is quicker in whole blocks
_AGAIN = "Build it again (build_store, or `laion-fmri store build`)."
_UNREADABLE = (struct.error, ValueError, KeyError, TypeError, OSError)
_place_lock = threading.Lock()


@dataclass(frozen=True)
class Source:
    """What a store was made from: a file as it was then."""

    name: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Source:
        """A file as it is now."""
        status = path.stat()
        return cls(path.name, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, eq=False)
class Header:
    """What a store holds and what it was made from.

    Attributes
    ----------
    subject, session, mask_source : str
    grid : Grid
    voxels : ndarray of int64, shape (n_voxels,)
        The voxels of the brain mask: flat grid indices in C order, increasing.
    n_trials : int
    betas, mask : Source
        The files they came from.
    width : int
        Voxels of a block.
    """

    subject: str
    session: str
    mask_source: str
    grid: Grid
    voxels: NDArray[np.int64]
    n_trials: int
    betas: Source
    mask: Source
    width: int = WIDTH

    def pack(self) -> bytes:
        """The first two parts of the file, up to where the numbers begin."""
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
        preamble = _PREAMBLE.pack(_MAGIC, _VERSION, _checksum(body), len(text), len(self.voxels))
        return preamble + body + bytes(-(len(preamble) + len(body)) % _PAGE)

    @property
    def n_bytes(self) -> int:
        """Size of the whole file."""
        return len(self.pack()) + self.n_trials * len(self.voxels) * NUMBER.itemsize


class BetasStore:
    """An opened store, asked like a `Series` of the betas it was made from.

    It stays readable when its file is replaced or removed, from any thread and after a fork.

    Attributes
    ----------
    path : Path
    header : Header
    """

    def __init__(self, path: Path, header: Header, begin: int, file: int) -> None:
        self.path = path
        self.header = header
        self._begin = begin
        self._file = file
        weakref.finalize(self, os.close, file)

    @classmethod
    def open(cls, path: Path) -> BetasStore:
        """Open a store and check that it is whole.

        Raises
        ------
        FileNotFoundError
        DamagedFileError
            When it is no store, of another version, or its length or checksum is wrong.
        """
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            header, begin = _unpack(file)
            n_bytes = os.fstat(file).st_size
            expected = begin + header.n_trials * len(header.voxels) * NUMBER.itemsize
            if n_bytes != expected:
                raise ValueError(f"it has {n_bytes} bytes where {expected} were expected")
        except BaseException as error:
            os.close(file)
            if isinstance(error, _UNREADABLE):
                raise DamagedFileError(path, f"it is no whole store ({error})", _AGAIN) from error
            raise
        return cls(path, header, begin, file)

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
        """Some voxels of some trials.

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
            When the disk gives less than there was.
        """
        trials = np.arange(self.n_volumes) if volumes is None else np.asarray(volumes, np.intp)
        out = memory.empty((len(trials), len(voxels)), np.float32)
        if out.size:
            # All of them are the common case, and looking for each takes longer than reading.
            whole = len(voxels) == len(self.header.voxels)
            columns = None if whole else np.searchsorted(self.header.voxels, voxels)
            read = self._read_trials if len(trials) <= _FEW_TRIALS else self._read_blocks
            read(trials, columns, out)
        return out

    def _read_trials(
        self, trials: NDArray[np.intp], columns: NDArray[np.intp] | None, out: NDArray[np.float32]
    ) -> None:
        """Trial by trial, no more than that of each block."""
        blocks, starts = self._blocks(columns)
        widths = self._widths(blocks)
        places: slice | NDArray[np.intp] = slice(None)
        if columns is not None:  # where they are among these blocks' voxels, put side by side
            skipped = blocks * self.header.width - (np.cumsum(widths) - widths)
            places = columns - np.repeat(skipped, np.diff(starts))
        for trial, row in zip(trials.tolist(), out, strict=True):
            numbers = b"".join(self._pieces(blocks, widths, trial, 1))
            row[:] = np.frombuffer(numbers, NUMBER)[places]

    def _read_blocks(
        self, trials: NDArray[np.intp], columns: NDArray[np.intp] | None, out: NDArray[np.float32]
    ) -> None:
        """Block by block, all from the first to the last of the trials."""
        first, n_read = int(trials[0]), int(trials[-1] - trials[0]) + 1
        rows = _compact(trials - first)
        blocks, starts = self._blocks(columns)
        pieces = self._pieces(blocks, self._widths(blocks), first, n_read)
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
        """The blocks that increasing columns are in; where those of each begin, and the end."""
        width, n_voxels = self.header.width, len(self.header.voxels)
        if columns is None:
            blocks = np.arange(math.ceil(n_voxels / width))
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
        """What each of some blocks holds of some trials that follow each other."""
        before = blocks * self.header.width * self.n_volumes + widths * first
        offsets = (self._begin + before * NUMBER.itemsize).tolist()
        sizes = (widths * n_trials * NUMBER.itemsize).tolist()
        file = repeat(self._file)
        if hasattr(os, "posix_fadvise"):  # a disk answers many questions at once much sooner
            any(map(os.posix_fadvise, file, offsets, sizes, repeat(os.POSIX_FADV_WILLNEED)))
        return map(self._whole, map(_read_at, file, sizes, offsets), sizes)

    def _whole(self, piece: bytes, size: int) -> bytes:
        if len(piece) != size:
            raise DamagedFileError(self.path, "it has become shorter", _AGAIN)
        return piece


def _unpack(file: int) -> tuple[Header, int]:
    """The header of a store, and where its numbers begin."""
    magic, version, checksum, n_text, n_voxels = _PREAMBLE.unpack(_read_at(file, _PREAMBLE.size, 0))
    if magic != _MAGIC:
        raise ValueError("it does not begin like one")
    if version != _VERSION:
        raise ValueError(f"it is of version {version}, not {_VERSION}")
    n_body = n_text + n_voxels * _INDEX.itemsize
    if n_body > os.fstat(file).st_size:
        raise ValueError("it ends too early")
    body = _read_at(file, n_body, _PREAMBLE.size)
    if _checksum(body) != checksum:
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
        betas=Source(**said["betas"]),
        mask=Source(**said["mask"]),
        width=said["width"],
    )
    end = _PREAMBLE.size + n_body
    return header, end + -end % _PAGE


def _compact(places: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Increasing places as a slice where they follow each other."""
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def _read_in_turn(file: int, n_bytes: int, offset: int) -> bytes:
    with _place_lock:
        os.lseek(file, offset, os.SEEK_SET)
        return os.read(file, n_bytes)


# Not every system can read at a place without going there.
_read_at: Callable[[int, int, int], bytes] = getattr(os, "pread", _read_in_turn)


def _checksum(data: bytes | memoryview) -> int:
    from isal import isal_zlib

    return isal_zlib.crc32(data)
