"""Volumes in memory, and 4-D files read one volume at a time.

A 4-D file is masked while it is decompressed, so that memory holds the output and about one volume.
At the published size this takes as long as decompression alone: one thread decompresses parts of
volumes, and another gathers the voxels of a part while it is in the CPU cache. Voxels are gathered
in file order and then reordered to columns, because gathering them in column order takes three
times as long.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, pairwise, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import memory
from laion_fmri._errors import InconsistentDataError, InvalidArgumentError
from laion_fmri.atomic_write import atomic_path
from laion_fmri.layout import split_extension
from laion_fmri.volumes.nifti import PART_BYTES, Grid, Stored

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

_SPARSE = 0.02  # of the voxels, at most
_VOXELS_AT_ONCE = 10_000


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D volume in memory: its grid, and `values` as in nibabel."""

    path: Path
    values: NDArray
    grid: Grid

    @property
    def flat(self) -> NDArray:
        """Return the values in C order over the grid, shape (n_total_voxels,)."""
        if self.values.dtype.kind not in "iu" or not self.values.flags.f_contiguous:
            return self.values.ravel()
        # ROI masks are nearly all zero, so copying only the nonzero values is faster.
        stored = self.values.ravel(order="K")
        places = np.flatnonzero(stored != 0)
        if len(places) > _SPARSE * len(stored):
            return self.values.ravel()
        flat = np.zeros(len(stored), dtype=stored.dtype)
        indices = np.unravel_index(places, self.grid.shape, order="F")
        flat[np.ravel_multi_index(indices, self.grid.shape)] = stored[places]
        return flat


def read_volume(path: Path) -> Volume:
    """Read a 3-D volume.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, or not one volume (of shape ``(x, y, z)``, or
        with more axes of length 1).
    """
    stored = Stored.open(path, n_axes=3)
    values = stored.scaled(stored.values()).reshape(stored.grid.shape, order="F")
    return Volume(path, values, stored.grid)


def require_same_grid(reference: Grid, other: Grid, path: Path) -> None:
    """Check that two grids are the same.

    Raises
    ------
    InconsistentDataError
    """
    if not reference.same_as(other):
        raise InconsistentDataError(
            f"{path} lies on another grid (shape {other.shape}) than the data it should go with "
            f"(shape {reference.shape}), or is placed elsewhere. Resample a file of your own to "
            "the grid of the data; `laion-fmri verify` checks published files."
        )


@dataclass(frozen=True, eq=False)
class Series:
    """A 4-D file, opened for reading one volume at a time.

    Attributes
    ----------
    stored : Stored
    """

    stored: Stored

    @classmethod
    def open(cls, path: Path) -> Series:
        """Read the header.

        Raises
        ------
        DamagedFileError
            When it is missing, or does not describe a 4-D series of real numbers.
        """
        return cls(Stored.open(path, n_axes=4))

    @property
    def path(self) -> Path:
        """The file."""
        return self.stored.path

    @property
    def grid(self) -> Grid:
        """The grid of every volume."""
        return self.stored.grid

    @property
    def n_volumes(self) -> int:
        """Number of volumes."""
        return self.stored.shape[3]

    def masked(
        self, voxels: NDArray[np.intp], volumes: Sequence[int] | NDArray[np.intp] | None = None
    ) -> NDArray[np.float32]:
        """Read selected voxels of selected volumes, in one pass over the file.

        Parameters
        ----------
        voxels : array of int, shape (n_voxels,)
            Flat indices in C order over the grid; the columns of the result.
        volumes : increasing sequence of int, optional
            Volumes to read, the rows of the result; all by default.

        Returns
        -------
        ndarray of float32, shape (n_volumes, n_voxels)

        Raises
        ------
        DamagedFileError
            When the file is truncated or its checksum is wrong, even after the last requested
            volume.
        """
        wanted = range(self.n_volumes) if volumes is None else [int(v) for v in volumes]
        out = memory.empty((len(wanted), len(voxels)), np.float32)
        row_of = {volume: row for row, volume in enumerate(wanted)}

        def row(volume: int) -> NDArray[np.float32] | None:
            return out[row_of[volume]] if volume in row_of else None

        for _ in self.fill(voxels, row):
            pass
        return out

    def fill(
        self,
        voxels: NDArray[np.intp],
        row: Callable[[int], NDArray[np.float32] | None],
    ) -> Generator[int, None, None]:
        """Read voxels of each volume into arrays of the caller.

        Parameters
        ----------
        voxels : array of int, shape (n_voxels,)
            Flat indices in C order over the grid.
        row : callable
            Returns, for the index of a volume, the output array of shape (n_voxels,), or None to
            skip it.

        Yields
        ------
        int
            The index of each volume, after its row is written. Exhaust the iterator to check that
            the file is complete.

        Raises
        ------
        DamagedFileError
        """
        gather = _Gather.plan(self.grid, voxels, self.stored.dtype.itemsize)
        buffer = np.empty(len(voxels), dtype=self.stored.dtype)
        with closing(
            self.stored.parts(chain.from_iterable(repeat(gather.sizes, self.n_volumes)))
        ) as parts:
            for volume in range(self.n_volumes):
                out = row(volume)
                for index in range(len(gather.sizes)):
                    part = next(parts)
                    if out is not None:
                        gather.take(index, part, buffer)
                    del part
                if out is not None:
                    out[gather.columns] = self.stored.scaled(buffer)
                yield volume
            for _ in parts:  # empty; checks the end of the file
                pass


@dataclass(frozen=True, eq=False)
class _Gather:
    """Index arrays for gathering voxels from the parts of a volume, in file order.

    Attributes
    ----------
    sizes : list of int
        Numbers in each part.
    picked : list of array of int
        For each part, the increasing positions of its voxels.
    found : list of slice
        For each part, the slice of its voxels in file order.
    columns : array of int
        Column of each voxel in file order.
    """

    sizes: list[int]
    picked: list[NDArray[np.intp]]
    found: list[slice]
    columns: NDArray[np.intp]

    @classmethod
    def plan(cls, grid: Grid, voxels: NDArray[np.intp], itemsize: int) -> _Gather:
        # Files keep the first axis fastest; the package's voxel axis is C order. In chunks, because
        # freed temporary arrays would still count as memory during reading.
        places = np.empty(len(voxels), dtype=np.intp)
        n_chunks = len(voxels) // _VOXELS_AT_ONCE + 1
        chunks = zip(
            np.array_split(voxels, n_chunks), np.array_split(places, n_chunks), strict=True
        )
        for some, their_places in chunks:
            indices = np.unravel_index(some, grid.shape)
            their_places[:] = np.ravel_multi_index(indices, grid.shape, order="F")
        columns = np.argsort(places)
        places.sort()
        n_parts = math.ceil(grid.n_voxels * itemsize / PART_BYTES)
        edges = np.linspace(0, grid.n_voxels, n_parts + 1).astype(np.intp)
        found = [slice(a, b) for a, b in pairwise(np.searchsorted(places, edges).tolist())]
        for inside, first in zip(found, edges[:-1], strict=True):
            places[inside] -= first
        return cls(np.diff(edges).tolist(), [places[inside] for inside in found], found, columns)

    def take(self, index: int, part: NDArray, buffer: NDArray) -> None:
        # No index is clipped; with mode "raise", numpy would copy the output.
        np.take(part, self.picked[index], out=buffer[self.found[index]], mode="clip")


def write_volume(path: Path, values: NDArray, grid: Grid) -> Path:
    """Write a volume as NIfTI, atomically.

    Raises
    ------
    InvalidArgumentError
        When the name ends in neither ``.nii`` nor ``.nii.gz``, its folder does not exist, or
        the values are not real numbers.
    """
    extension = split_extension(path.name)[1]
    if extension not in (".nii", ".nii.gz"):
        raise InvalidArgumentError(f"{path.name} is no NIfTI name; end it in .nii or .nii.gz.")
    if not path.parent.is_dir():
        raise InvalidArgumentError(f"{path.parent} is no folder. Make it first.")
    image = volume_image(values, grid)
    with atomic_path(path) as temporary:
        image.to_filename(temporary)
    return path


def volume_image(values: NDArray, grid: Grid) -> Nifti1Image:
    """Return a volume as an image in memory, for nilearn and nibabel.

    Raises
    ------
    InvalidArgumentError
        When the values are not real numbers.
    """
    import nibabel

    return nibabel.nifti1.Nifti1Image(_storable(values), grid.affine)


def _storable(values: NDArray) -> NDArray:
    """Convert values to a type that every NIfTI reader supports."""
    if values.dtype.kind not in "biuf":
        raise InvalidArgumentError(f"Values of type {values.dtype} are not real numbers.")
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        limits = np.iinfo(np.int32)
        fits = values.size == 0 or limits.min <= values.min() <= values.max() <= limits.max
        return values.astype(np.int32 if fits else np.float64)
    return values
