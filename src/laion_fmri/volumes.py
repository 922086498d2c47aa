"""Volumes in memory, and 4-D files read one volume at a time.

A 4-D file is masked while it is inflated, so that memory holds the output and about one
volume. At the published size that takes as long as inflating alone: one thread inflates,
part of a volume after part, and the other gathers the voxels of a part while it is still in
the processor's cache. Voxels are gathered in the order of the file and then put into the
order of the columns, since picking them across the file's order costs three times as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, pairwise, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri import memory
from laion_fmri._errors import InconsistentDataError, InvalidArgumentError
from laion_fmri.layout import split_extension
from laion_fmri.nifti import PART_BYTES, Grid, Stored

_SPARSE = 0.02  # of the voxels, at most
_VOXELS_AT_ONCE = 10_000


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D volume in memory: `values` as nibabel gives them, and the grid they lie on."""

    path: Path
    values: NDArray
    grid: Grid

    @property
    def flat(self) -> NDArray:
        """The values in C order over the grid, shape (n_total_voxels,)."""
        if self.values.dtype.kind not in "iu" or not self.values.flags.f_contiguous:
            return self.values.ravel()
        # Masks of ROIs are nearly all zero: a few numbers are moved sooner than all of them.
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
        When the file is truncated, corrupt, or not a 3-D NIfTI.
    """
    stored = Stored.open(path, n_axes=3)
    values = stored.scaled(stored.values()).reshape(stored.grid.shape, order="F")
    return Volume(path, values, stored.grid)


def require_same_grid(reference: Grid, other: Grid, path: Path) -> None:
    """Refuse to combine two grids that are not one.

    Raises
    ------
    InconsistentDataError
    """
    if not reference.same_as(other):
        raise InconsistentDataError(
            f"{path} lies on another grid (shape {other.shape}) than the data it should go with "
            f"(shape {reference.shape}), or is placed elsewhere. Download both files again; if "
            "they are your own, resample one to the other."
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
            When there is none, or it does not describe a 4-D series of real numbers.
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
        """Some voxels of some volumes, in one pass over the file.

        Parameters
        ----------
        voxels : array of int, shape (n_voxels,)
            Flat indices in C order over the grid; the columns of the result.
        volumes : increasing sequence of int, optional
            Which volumes; the rows of the result. All by default.

        Returns
        -------
        ndarray of float32, shape (n_volumes, n_voxels)

        Raises
        ------
        DamagedFileError
            When the file is truncated or does not inflate to what its checksum says, even
            behind the last volume asked for.
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
        """Some voxels of each volume, written where the caller wants them.

        Parameters
        ----------
        voxels : array of int, shape (n_voxels,)
            Flat indices in C order over the grid.
        row : callable
            From the index of a volume to the array of shape (n_voxels,) to write it to, or
            None to pass over it.

        Yields
        ------
        int
            The index of each volume, when its row is written. Only the end of this iterator
            says that the file was whole.

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
            for _ in parts:  # none: this is where the end of the file is checked
                pass


@dataclass(frozen=True, eq=False)
class _Gather:
    """How to pick voxels out of the parts of a volume, in the order of the file.

    Attributes
    ----------
    sizes : list of int
        Numbers in each part.
    picked : list of array of int
        For each part, the places in it of the voxels, increasing.
    found : list of slice
        For each part, where its voxels are among all of them in the order of the file.
    columns : array of int
        For each voxel in the order of the file, its column.
    """

    sizes: list[int]
    picked: list[NDArray[np.intp]]
    found: list[slice]
    columns: NDArray[np.intp]

    @classmethod
    def plan(cls, grid: Grid, voxels: NDArray[np.intp], itemsize: int) -> _Gather:
        # Files keep the first axis fastest; the package's voxel axis is C order. Some at a
        # time: what is freed here would still count while the betas are read.
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
        # Clipping changes no index here; numpy would copy the output to be able to raise.
        np.take(part, self.picked[index], out=buffer[self.found[index]], mode="clip")


def write_volume(path: Path, values: NDArray, grid: Grid) -> Path:
    """Write a volume as NIfTI; the file appears under its name only when it is whole.

    Raises
    ------
    InvalidArgumentError
        When the name ends in neither ``.nii`` nor ``.nii.gz``, its folder does not exist, or
        the values are no real numbers.
    """
    import nibabel

    extension = split_extension(path.name)[1]
    if extension not in (".nii", ".nii.gz"):
        raise InvalidArgumentError(f"{path.name} is no NIfTI name; end it in .nii or .nii.gz.")
    if not path.parent.is_dir():
        raise InvalidArgumentError(f"{path.parent} is no folder. Make it first.")
    values = _storable(values)
    temporary = path.with_name(f".{path.name.removesuffix(extension)}.partial{extension}")
    try:
        nibabel.nifti1.Nifti1Image(values, grid.affine).to_filename(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _storable(values: NDArray) -> NDArray:
    """The same numbers in a type that every NIfTI reader knows."""
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
