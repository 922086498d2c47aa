"""Volumes in memory, and 4-D files read one volume at a time.

A 4-D file is masked on the way, so that memory holds the output and one volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InconsistentDataError, InvalidArgumentError
from laion_fmri.layout import split_extension
from laion_fmri.nifti import Grid, Stored


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D volume in memory: `values` as nibabel gives them, and the grid they lie on."""

    path: Path
    values: NDArray
    grid: Grid

    @property
    def flat(self) -> NDArray:
        """The values in C order over the grid, shape (n_total_voxels,)."""
        return self.values.ravel()


def read_volume(path: Path) -> Volume:
    """Read a 3-D volume.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, or not a 3-D NIfTI.
    """
    stored = Stored.open(path, n_axes=3)
    raw = next(stored.blocks(1, stored.grid.n_voxels))
    return Volume(path, stored.scaled(raw).reshape(stored.grid.shape, order="F"), stored.grid)


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
        out = np.empty((len(wanted), len(voxels)), dtype=np.float32)
        row_of = {volume: row for row, volume in enumerate(wanted)}
        # Files keep the first axis fastest; the package's voxel axis is C order.
        shape = self.grid.shape
        stored = np.ravel_multi_index(np.unravel_index(voxels, shape), shape, order="F")
        for volume, values in enumerate(self.stored.blocks(self.n_volumes, self.grid.n_voxels)):
            row = row_of.get(volume)
            if row is not None:
                out[row] = self.stored.scaled(values[stored])
        return out


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
