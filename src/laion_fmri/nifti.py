"""The numbers of a NIfTI as they lie in the file, and how to make values of them.

Values are those that nibabel gives, to the last bit: same byte order, same scaling, in
the same precision. What this adds is that a compressed file is inflated in another
thread, block by block, and that its checksum is verified.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DamagedFileError, LaionFmriError

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

_AFFINE_TOLERANCE = 1e-3  # mm; headers keep float32 affines
_MOST_INFLATED = 1032  # times; the format cannot compress more
_DRAINED = 1 << 20  # bytes read at a time where only the checksum matters


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
class Stored:
    """The numbers of a NIfTI as they lie in the file, and how to make values of them.

    Attributes
    ----------
    path : Path
    shape : tuple of int
    grid : Grid
    dtype : numpy dtype
        As stored, with its byte order.
    """

    path: Path
    shape: tuple[int, ...]
    grid: Grid
    dtype: np.dtype
    offset: int
    slope: float
    inter: float

    @classmethod
    def open(cls, path: Path, n_axes: int) -> Stored:
        """Read the header.

        Raises
        ------
        DamagedFileError
            When there is none, it does not describe real numbers along `n_axes` axes, or
            the file is too small to hold them.
        """
        from nibabel.arrayproxy import ArrayProxy

        image = open_nifti(path)
        shape, dtype = image.shape, image.get_data_dtype()
        if len(shape) != n_axes:
            raise DamagedFileError(path, f"{n_axes} axes were expected, it has {len(shape)}")
        if min(shape) < 1:
            raise DamagedFileError(path, f"axes of lengths {shape} are impossible")
        if dtype.kind not in "iuf":
            raise DamagedFileError(path, f"voxels of type {dtype} are not real numbers")
        # Refused before anything is allocated for a header that lies.
        n_bytes = math.prod(int(n) for n in shape) * dtype.itemsize
        if n_bytes > path.stat().st_size * _MOST_INFLATED:
            raise DamagedFileError(path, "it ends too early (truncated)")
        proxy = cast(ArrayProxy, image.dataobj)
        return cls(
            path=path,
            shape=tuple(int(n) for n in shape),
            grid=grid_of(image),
            dtype=dtype,
            offset=int(proxy.offset),
            slope=proxy.slope,
            inter=proxy.inter,
        )

    def scaled(self, values: NDArray) -> NDArray:
        """The values that stored numbers stand for, as nibabel computes them."""
        from nibabel.volumeutils import apply_read_scaling

        # The proxy's own way: scale factors as arrays, so that integers become float64.
        slope: Any = np.asanyarray(self.slope)
        inter: Any = np.asanyarray(self.inter)
        return apply_read_scaling(values, slope, inter)

    def blocks(self, count: int, n_values: int) -> Iterator[NDArray]:
        """`count` blocks of `n_values` stored numbers, each valid until the next is asked for.

        The file is read to its end before the last block is given, since only there does
        the inflater verify its checksum.
        """
        buffer = bytearray(n_values * self.dtype.itemsize)
        view = memoryview(buffer)
        values = np.frombuffer(buffer, dtype=self.dtype)
        with translated_errors(self.path), _opened(self.path) as file:
            _skip(file, self.offset)
            for block in range(count):
                if _read_into(file, view) != len(view):
                    raise DamagedFileError(
                        self.path, f"it ends in volume {block} of {count} (truncated)"
                    )
                if block == count - 1:
                    while file.read(_DRAINED):
                        pass
                yield values


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
            advice = "Check the disk, and that you may read it."
            raise DamagedFileError(path, str(error.strerror), advice) from error
        raise DamagedFileError(path, f"it is corrupt or truncated ({error})") from error


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
