"""Reading NIfTI files: whole volumes, and 4-D files one volume at a time.

Numbers are those that nibabel gives, to the last bit: same byte order, same scaling, in
the same precision. What this adds is that a compressed 4-D file is inflated in another
thread and masked on the way, so that memory holds the output and one volume.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    InvalidArgumentError,
    LaionFmriError,
)
from laion_fmri.layout import split_extension

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

_AFFINE_TOLERANCE = 1e-3  # mm; headers keep float32 affines


@dataclass(frozen=True, eq=False)
class Grid:
    """The voxel grid of a volume.

    Attributes
    ----------
    shape : tuple of int
        Three dimensions.
    affine : ndarray of shape (4, 4)
        Voxel indices to mm.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @property
    def n_voxels(self) -> int:
        """Number of voxels of the whole grid."""
        return int(np.prod(self.shape))

    def same_as(self, other: Grid) -> bool:
        """Whether both have the same shape and place the voxels at the same points."""
        return self.shape == other.shape and np.allclose(
            self.affine, other.affine, atol=_AFFINE_TOLERANCE
        )


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
    image = open_nifti(path)
    if len(image.shape) != 3:
        raise DamagedFileError(path, f"a 3-D volume was expected, it has {len(image.shape)} axes")
    with translated_errors(path):
        values = np.asarray(image.dataobj)
    return Volume(path, values, grid_of(image))


def open_nifti(path: Path) -> Nifti1Image:
    """Open a NIfTI, reading no more than its header.

    Raises
    ------
    DamagedFileError
        When it has no readable header.
    """
    import nibabel

    with translated_errors(path):
        return nibabel.nifti1.load(path)


def grid_of(image: Nifti1Image) -> Grid:
    """The grid of the first three axes."""
    nx, ny, nz = image.shape[:3]
    return Grid((int(nx), int(ny), int(nz)), np.asarray(image.affine, dtype=np.float64))


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


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Turn what a damaged file makes nibabel and the inflater raise into our own error."""
    from xml.parsers.expat import ExpatError

    from isal.igzip_lib import IsalError
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    corrupt: tuple[type[Exception], ...] = (
        zlib.error,
        IsalError,  # type: ignore[assignment]  # its stub calls it an instance
        ExpatError,
        ImageFileError,
        HeaderDataError,
        WrapStructError,
        ValueError,
    )
    try:
        yield
    except (LaionFmriError, FileNotFoundError):
        raise
    except EOFError as error:
        raise DamagedFileError(path, "it ends too early (truncated)") from error
    except corrupt as error:
        raise DamagedFileError(path, f"it is corrupt ({error})") from error
    except OSError as error:
        if error.errno is not None:  # the disk's fault, not the file's
            raise
        raise DamagedFileError(path, f"it is corrupt or truncated ({error})") from error


@dataclass(frozen=True, eq=False)
class Series:
    """A 4-D file, opened for reading one volume at a time.

    Attributes
    ----------
    path : Path
    grid : Grid
    n_volumes : int
    dtype : numpy dtype
        As stored, with its byte order.
    """

    path: Path
    grid: Grid
    n_volumes: int
    dtype: np.dtype
    offset: int
    slope: float
    inter: float

    @classmethod
    def open(cls, path: Path) -> Series:
        """Read the header.

        Raises
        ------
        DamagedFileError
            When there is none, or it does not describe a 4-D series of numbers.
        """
        from nibabel.arrayproxy import ArrayProxy

        image = open_nifti(path)
        if len(image.shape) != 4:
            raise DamagedFileError(
                path, f"a 4-D series was expected, it has {len(image.shape)} axes"
            )
        dtype = image.get_data_dtype()
        if dtype.kind not in "iuf":
            raise DamagedFileError(path, f"voxels of type {dtype} are not real numbers")
        proxy = cast(ArrayProxy, image.dataobj)
        return cls(
            path=path,
            grid=grid_of(image),
            n_volumes=int(image.shape[3]),
            dtype=dtype,
            offset=int(proxy.offset),
            slope=proxy.slope,
            inter=proxy.inter,
        )

    @property
    def bytes_per_volume(self) -> int:
        """Bytes of one volume as stored."""
        return self.grid.n_voxels * self.dtype.itemsize

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
            When the file ends before the last volume asked for, or does not inflate.
        """
        wanted = range(self.n_volumes) if volumes is None else [int(v) for v in volumes]
        out = np.empty((len(wanted), len(voxels)), dtype=np.float32)
        row_of = {volume: row for row, volume in enumerate(wanted)}
        # Files keep the first axis fastest; the package's voxel axis is C order.
        stored = np.ravel_multi_index(
            np.unravel_index(voxels, self.grid.shape), self.grid.shape, order="F"
        )
        last = wanted[-1] if row_of else -1
        for volume, values in enumerate(self._volumes(last + 1, check_end=volumes is None)):
            row = row_of.get(volume)
            if row is not None:
                out[row] = self._scaled(values[stored])
        return out

    def _scaled(self, values: NDArray) -> NDArray:
        from nibabel.volumeutils import apply_read_scaling

        # The proxy's own way: scale factors as arrays, so that integers become float64.
        slope: Any = np.asanyarray(self.slope)
        inter: Any = np.asanyarray(self.inter)
        return apply_read_scaling(values, slope, inter)

    def _volumes(self, count: int, check_end: bool) -> Iterator[NDArray]:
        """The first `count` volumes as stored, each valid until the next is asked for."""
        buffer = bytearray(self.bytes_per_volume)
        view = memoryview(buffer)
        values = np.frombuffer(buffer, dtype=self.dtype)
        with translated_errors(self.path), _opened(self.path) as file:
            _skip(file, self.offset)
            for volume in range(count):
                if _read_into(file, view) != len(view):
                    raise DamagedFileError(
                        self.path, f"it ends in volume {volume} of {self.n_volumes} (truncated)"
                    )
                yield values
            if check_end:
                file.read(1)  # the inflater verifies its checksum when it meets the end


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as raw:
        if raw.peek(2)[:2] != b"\x1f\x8b":  # what the file is, not what it is called
            yield raw
            return
        from isal import igzip_threaded

        with igzip_threaded.open(raw, "rb", threads=1) as inflated:
            yield inflated


def _skip(file: BinaryIO, n_bytes: int) -> None:
    while n_bytes:
        n_bytes -= len(file.read(n_bytes)) or n_bytes


def _read_into(file: BinaryIO, view: memoryview) -> int:
    done = 0
    while done < len(view):
        n = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not n:
            break
        done += n
    return done


def write_volume(path: Path, values: NDArray, grid: Grid) -> Path:
    """Write a volume as NIfTI; the file appears under its name only when it is whole.

    Raises
    ------
    InvalidArgumentError
        When the name ends in neither ``.nii`` nor ``.nii.gz``.
    """
    import nibabel

    extension = split_extension(path.name)[1]
    if extension not in (".nii", ".nii.gz"):
        raise InvalidArgumentError(f"{path.name} is no NIfTI name; end it in .nii or .nii.gz.")
    if values.dtype == bool:
        values = values.astype(np.uint8)
    elif values.dtype in (np.int64, np.uint64, np.float16):
        values = values.astype(np.float32)
    temporary = path.with_name(f".{path.name.removesuffix(extension)}.partial{extension}")
    try:
        nibabel.nifti1.Nifti1Image(values, grid.affine).to_filename(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
