"""The large array of a store: its shard, written and read by blocks of voxels.

A block that is read completely is checked against its CRC-32C; reading some rows reads a part of
each block, which only `Shard.verify` checks. Blocks are read rather than memory-mapped: a page
fault every few kilobytes costs more than copying whole blocks. All are read into the same memory,
which stays in the processor's cache. Only for many single rows is a memory map faster
(`Shard.mapped`).
"""

from __future__ import annotations

import math
import mmap
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
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
        room = np.empty(len(index), np.uint8)
        if read_at(self._file, [room], begin) != len(index) or room.tobytes() != index:
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

    def mapped(self, columns: NDArray[np.intp] | None) -> NDArray[np.float32]:
        """Return a read-only memory map of all values, of shape (n_rows, n_blocks, width).

        For many reads of single rows: after the first ones, all pages are in memory, which
        processes share. The system reads the blocks of `columns` ahead (None for all). Checksums
        are not verified.
        """
        shape = self.shape[0], self.n_blocks, self.width
        if not math.prod(self.shape):
            return np.empty(shape, NUMBER)
        pages = mmap.mmap(self._file, 0, access=mmap.ACCESS_READ)
        if hasattr(mmap, "MADV_RANDOM"):  # neighbouring pages are of other rows or columns
            pages.madvise(mmap.MADV_RANDOM)
        if hasattr(os, "posix_fadvise"):
            for start in (self._blocks(columns)[0] * self._block_bytes).tolist():
                os.posix_fadvise(self._file, start, self._block_bytes, os.POSIX_FADV_WILLNEED)
        n_bytes = self.width * NUMBER.itemsize
        strides = n_bytes, self._block_bytes, NUMBER.itemsize
        return np.ndarray(shape, NUMBER, pages, 0, strides)

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

    def _whole_blocks(self, blocks: NDArray[np.intp]) -> Iterator[NDArray[np.float32]]:
        """Yield the values of blocks, each in the same memory, after comparing its checksum."""
        room = np.empty(self._block_bytes, np.uint8)
        whole = room.view()
        whole.flags.writeable = False
        values = room[: -CHECKSUM.itemsize].view(NUMBER).reshape(self.shape[0], self.width)
        offsets = blocks * self._block_bytes
        self._announce(offsets, self._block_bytes)
        for block, offset in zip(blocks.tolist(), offsets.tolist(), strict=True):
            self._read_into([room], [offset])
            if crc32c(whole) != _INTACT:
                raise DamagedFileError(
                    self.path, f"block {block} of {self.n_blocks} has a wrong checksum", AGAIN
                )
            yield values

    def _parts_of_blocks(
        self, blocks: NDArray[np.intp], first: int, n_rows: int
    ) -> Iterator[NDArray[np.float32]]:
        """Yield consecutive rows of blocks, each in the same memory."""
        values = np.empty((n_rows, self.width), NUMBER)
        offsets = blocks * self._block_bytes + first * self.width * NUMBER.itemsize
        self._announce(offsets, values.nbytes)
        for offset in offsets.tolist():
            self._read_into([values], [offset])
            yield values

    def _read_rows(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp] | None, out: NDArray[np.float32]
    ) -> None:
        """Read row by row, only the requested part of each block."""
        blocks, starts = self._blocks(columns)
        places: slice | NDArray[np.intp] = slice(self.shape[1])
        if columns is not None:  # positions in the concatenated columns of the blocks
            skipped = (blocks - np.arange(len(blocks))) * self.width
            places = columns - np.repeat(skipped, np.diff(starts))
        values = np.empty((len(blocks), self.width), NUMBER)
        parts, n_bytes = [*values], self.width * NUMBER.itemsize
        for row, into in zip(rows.tolist(), out, strict=True):
            offsets = blocks * self._block_bytes + row * n_bytes
            self._announce(offsets, n_bytes)
            self._read_into(parts, offsets.tolist())
            into[:] = values.reshape(-1)[places]

    def _read_blocks(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp] | None, out: NDArray[np.float32]
    ) -> None:
        """Read block by block, from the first to the last requested row."""
        first, n_read = int(rows[0]), int(rows[-1] - rows[0]) + 1
        blocks, starts = self._blocks(columns)
        if 2 * n_read > self.shape[0]:  # whole blocks, so that checksums are verified
            first, read = 0, self._whole_blocks(blocks)
        else:
            read = self._parts_of_blocks(blocks, first, n_read)
        wanted = _compact(rows - first)
        edges = pairwise(starts.tolist())
        for block, values, (a, b) in zip(blocks.tolist(), read, edges, strict=True):
            inside: slice | NDArray[np.intp] = slice(b - a)
            if columns is not None:
                inside = _compact(columns[a:b] - block * self.width)
            if isinstance(inside, slice):
                out[:, a:b] = values[wanted, inside]
            else:
                out[:, a:b] = values[wanted][:, inside]

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

    def _announce(self, offsets: NDArray[np.intp], n_bytes: int) -> None:
        """Let the disk serve many requests at the same time, which is faster."""
        if hasattr(os, "posix_fadvise"):
            file, size, advice = self._file, repeat(n_bytes), repeat(os.POSIX_FADV_WILLNEED)
            any(map(os.posix_fadvise, repeat(file), offsets.tolist(), size, advice))

    def _read_into(self, parts: Sequence[NDArray], offsets: Iterable[int]) -> None:
        n_bytes = sum(map(read_at, repeat(self._file), zip(parts), offsets))
        if n_bytes != sum(part.nbytes for part in parts):
            raise DamagedFileError(self.path, "it has become shorter", AGAIN)


def _compact(places: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return increasing positions as a slice if they are consecutive."""
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def read_in_turn(file: int, parts: Sequence[NDArray], offset: int) -> int:
    """Read bytes of an open file at `offset` into an array, without ``os.preadv``."""
    (part,) = parts
    with _place_lock:
        os.lseek(file, offset, os.SEEK_SET)
        data = os.read(file, part.nbytes)
    if len(data) == part.nbytes:
        part.reshape(-1).view(np.uint8)[:] = np.frombuffer(data, np.uint8)
    return len(data)


# Not every system has positional reads.
read_at: Callable[[int, Sequence[NDArray], int], int] = getattr(os, "preadv", read_in_turn)
