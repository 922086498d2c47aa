"""The large array of a store: its shard, written and read by blocks of voxels.

A block that is read completely is checked against its CRC-32C; reading some rows reads a part of
each block, which only `Shard.verify` checks. Blocks are read rather than memory-mapped: a page
fault every few kilobytes costs more than copying whole blocks.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from itertools import pairwise, repeat
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DamagedFileError
from laion_fmri.store.zarr_format import (
    CHECKSUM,
    NUMBER,
    as_text,
    block_bytes,
    crc32c,
    shard_bytes,
    shard_index,
)

AGAIN = "Build it again (build_store or build_averages, or `laion-fmri store build`)."
_BLOCKS_AT_ONCE = 64
_FEW_ROWS = 16  # above this, reading whole blocks is faster
_INTACT = 0x48674BC7  # the CRC-32C of any bytes that are followed by their own
_place_lock = threading.Lock()


class ShardWriter:
    """Write the values of a shard, in any number of rows at a time.

    Parameters
    ----------
    file : binary file
        Empty and writable.
    shape : tuple of int
    width : int
    """

    def __init__(self, file: BinaryIO, shape: tuple[int, int], width: int) -> None:
        self._file, self.shape, self.width = file, shape, width
        self.n_blocks = math.ceil(shape[1] / width)
        self._checksums = [0] * self.n_blocks

    def columns(self, block: int) -> slice:
        """Return the columns of a block."""
        return slice(block * self.width, min((block + 1) * self.width, self.shape[1]))

    def write(self, block: int, first: int, values: NDArray[np.float32]) -> None:
        """Write the next rows of a block, from row `first`: all of its columns."""
        n_rows, n_columns = values.shape
        if n_columns < self.width:  # the last block is padded with the fill value
            padded = np.full((n_rows, self.width), np.nan, NUMBER)
            padded[:, :n_columns] = values
            values = padded
        data = values.astype(NUMBER, copy=False).tobytes()
        self._checksums[block] = checksum = crc32c(data, self._checksums[block])
        if first + n_rows == self.shape[0]:
            data += CHECKSUM.type(checksum).tobytes()
        start = block * block_bytes(self.shape[0], self.width)
        self._file.seek(start + first * self.width * NUMBER.itemsize)
        self._file.write(data)

    def finish(self) -> str:
        """Write the index and return the checksum of the checksums of all blocks."""
        if math.prod(self.shape):
            self._file.seek(self.n_blocks * block_bytes(self.shape[0], self.width))
            self._file.write(shard_index(self.n_blocks, self.shape[0], self.width))
        return as_text(crc32c(np.array(self._checksums, CHECKSUM).tobytes()))


class Shard:
    """An open shard.

    It stays readable when its file is replaced or removed, from any thread and after a fork.

    Parameters
    ----------
    path : Path
    shape : tuple of int
    width : int

    Raises
    ------
    FileNotFoundError
    ValueError
        When the length or the index of the file is wrong.
    """

    def __init__(self, path: Path, shape: tuple[int, int], width: int) -> None:
        self.path, self.shape, self.width = path, shape, width
        self.n_blocks = math.ceil(shape[1] / width)
        self._block_bytes = block_bytes(shape[0], width)
        if not math.prod(shape):  # Zarr keeps no file of no values
            return
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._file)
        n_bytes, expected = os.fstat(self._file).st_size, shard_bytes(shape, width)
        if n_bytes != expected:
            raise ValueError(f"{path.name} has {n_bytes} bytes where {expected} were expected")
        begin = self.n_blocks * self._block_bytes
        index = shard_index(self.n_blocks, shape[0], width)
        if read_at(self._file, len(index), begin) != index:
            raise ValueError("the index of its blocks is wrong")

    def read(
        self, rows: NDArray[np.intp] | None, columns: NDArray[np.intp] | None,
        out: NDArray[np.float32],
    ) -> None:  # fmt: skip
        """Read rows and columns, each increasing, None for all; `out` has their shape.

        Raises
        ------
        DamagedFileError
            When the file has become shorter, or a checksum is wrong.
        """
        if not out.size:
            return
        rows = np.arange(self.shape[0]) if rows is None else rows
        few = len(rows) <= min(_FEW_ROWS, self.shape[0] // 2)
        (self._read_rows if few else self._read_blocks)(rows, columns, out)

    def verify(self, progress: Callable[[float], None] | None = None) -> None:
        """Read everything and compare each block with its checksum.

        Parameters
        ----------
        progress : callable, optional
            Called periodically with the completed fraction.

        Raises
        ------
        DamagedFileError
        """
        if not math.prod(self.shape):
            return
        for first in range(0, self.n_blocks, _BLOCKS_AT_ONCE):
            blocks = np.arange(first, min(first + _BLOCKS_AT_ONCE, self.n_blocks))
            for _ in self._whole_blocks(blocks):
                pass
            if progress is not None:
                progress((first + len(blocks)) / self.n_blocks)

    def _whole_blocks(self, blocks: NDArray[np.intp]) -> Iterator[bytes]:
        pieces = self._pieces(blocks * self._block_bytes, self._block_bytes)
        return map(self._intact, blocks.tolist(), pieces)

    def _intact(self, block: int, piece: bytes) -> bytes:
        if crc32c(piece) != _INTACT:
            raise DamagedFileError(
                self.path, f"block {block} of {self.n_blocks} has a wrong checksum", AGAIN
            )
        return piece

    def _read_rows(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp] | None, out: NDArray[np.float32]
    ) -> None:
        """Read row by row, only the requested part of each block."""
        blocks, starts = self._blocks(columns)
        places: slice | NDArray[np.intp] = slice(self.shape[1])
        if columns is not None:  # positions in the concatenated columns of the blocks
            skipped = (blocks - np.arange(len(blocks))) * self.width
            places = columns - np.repeat(skipped, np.diff(starts))
        n_bytes = self.width * NUMBER.itemsize
        for row, into in zip(rows.tolist(), out, strict=True):
            pieces = self._pieces(blocks * self._block_bytes + row * n_bytes, n_bytes)
            into[:] = np.frombuffer(b"".join(pieces), NUMBER)[places]

    def _read_blocks(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp] | None, out: NDArray[np.float32]
    ) -> None:
        """Read block by block, from the first to the last requested row."""
        first, n_read = int(rows[0]), int(rows[-1] - rows[0]) + 1
        blocks, starts = self._blocks(columns)
        if 2 * n_read > self.shape[0]:  # whole blocks, so that checksums are verified
            first, n_read = 0, self.shape[0]
            pieces = self._whole_blocks(blocks)
        else:
            row_bytes = self.width * NUMBER.itemsize
            offsets = blocks * self._block_bytes + first * row_bytes
            pieces = self._pieces(offsets, n_read * row_bytes)
        wanted = _compact(rows - first)
        edges = pairwise(starts.tolist())
        for block, piece, (a, b) in zip(blocks.tolist(), pieces, edges, strict=True):
            numbers = np.frombuffer(piece, NUMBER, n_read * self.width).reshape(n_read, -1)
            inside: slice | NDArray[np.intp] = slice(b - a)
            if columns is not None:
                inside = _compact(columns[a:b] - block * self.width)
            if isinstance(inside, slice):
                out[:, a:b] = numbers[wanted, inside]
            else:
                out[:, a:b] = numbers[wanted][:, inside]

    def _blocks(
        self, columns: NDArray[np.intp] | None
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the blocks of increasing columns, with the start of each block's columns."""
        if columns is None:
            blocks = np.arange(self.n_blocks)
            return blocks, np.append(blocks * self.width, self.shape[1])
        block_of = columns // self.width
        starts = np.flatnonzero(np.diff(block_of, prepend=-1, append=-1))
        return block_of[starts[:-1]], starts

    def _pieces(self, starts: NDArray[np.intp], n_bytes: int) -> Iterator[bytes]:
        """Yield as many bytes from each start."""
        offsets, file, size = starts.tolist(), repeat(self._file), repeat(n_bytes)
        if hasattr(os, "posix_fadvise"):  # disks serve many concurrent requests faster
            any(map(os.posix_fadvise, file, offsets, size, repeat(os.POSIX_FADV_WILLNEED)))
        return map(self._whole, map(read_at, file, size, offsets), size)

    def _whole(self, piece: bytes, size: int) -> bytes:
        if len(piece) != size:
            raise DamagedFileError(self.path, "it has become shorter", AGAIN)
        return piece


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
