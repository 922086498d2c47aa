"""The numbers of a NIfTI as they lie in the file, and how to make values of them.

Values are those that nibabel gives, to the last bit: same byte order, same scaling, in
the same precision. What this adds is that a compressed file is inflated in another
thread, part by part, and that its checksum is verified.
"""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DamagedFileError, LaionFmriError

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

_AFFINE_TOLERANCE = 1e-3  # mm; headers keep float32 affines
_MOST_INFLATED = 1032  # times; the format cannot compress more
_DRAINED = 1 << 20  # bytes read at a time where only the checksum matters
_PARTS_AHEAD = 3
PART_BYTES = 1_500_000
"""What is best inflated at a time: little enough to still be in the cache when it is masked."""


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
        if min(shape[:3]) < 1:  # a session may well have no trial
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

    def values(self) -> NDArray:
        """Every stored number in the order of the file, shape (n_values,), read only."""
        n_bytes = math.prod(self.shape) * self.dtype.itemsize
        with translated_errors(self.path), _opened(self.path) as file:
            _skip(file, self.offset)
            data = _read(file, n_bytes)
            _drain(file)
        return np.frombuffer(data, dtype=self.dtype)

    def parts(self, sizes: Iterable[int]) -> Generator[NDArray, None, None]:
        """The stored numbers in the order of the file, in parts of these sizes.

        Another thread reads and inflates ahead of what is asked for. Ask until there is no
        more: only at the end of the file does the inflater verify its checksum. Close the
        generator to stop earlier.
        """
        permits = threading.Semaphore(_PARTS_AHEAD)
        ready: SimpleQueue[bytes | Exception | None] = SimpleQueue()
        abandoned = threading.Event()

        def read_ahead() -> None:
            try:
                with _opened(self.path) as file:
                    _skip(file, self.offset)
                    for size in sizes:
                        permits.acquire()
                        if abandoned.is_set():
                            return
                        ready.put(_read(file, size * self.dtype.itemsize))
                    _drain(file)
                ready.put(None)
            except Exception as error:  # it belongs to whoever asked for the parts
                ready.put(error)

        reader = threading.Thread(target=read_ahead, name=f"inflating {self.path.name}")
        reader.daemon = True  # parts that nobody asks for must not keep the interpreter alive
        reader.start()
        try:
            with translated_errors(self.path):
                while (part := ready.get()) is not None:
                    if isinstance(part, Exception):
                        raise part
                    yield np.frombuffer(part, dtype=self.dtype)
                    del part  # before there is room for another
                    permits.release()
        finally:
            abandoned.set()
            permits.release()
            reader.join()


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
        from isal import igzip

        with igzip.IGzipFile(fileobj=raw, mode="rb") as inflated:
            yield cast(BinaryIO, inflated)


def _skip(file: BinaryIO, n_bytes: int) -> None:
    while n_bytes:
        n_bytes -= len(file.read(n_bytes)) or n_bytes


def _read(file: BinaryIO, n_bytes: int) -> bytes:
    data = file.read(n_bytes)
    if len(data) != n_bytes:
        raise EOFError
    return data


def _drain(file: BinaryIO) -> None:
    while file.read(_DRAINED):
        pass
