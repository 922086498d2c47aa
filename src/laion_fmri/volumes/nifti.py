"""Reading of NIfTI files: stored numbers, and their scaling to values.

Values are identical to those of nibabel: same byte order, scaling and precision. In addition, a
compressed file is decompressed in another thread, part by part, and its checksum is verified.
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
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import (
    DamagedFileError,
    DataNotFoundError,
    LaionFmriError,
    UnreadableFileError,
)

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

_AFFINE_TOLERANCE = 1e-3  # mm; headers keep float32 affines
_MOST_INFLATED = 1032  # times; the format cannot compress more
_TRUNCATED = "it ends too early (it is truncated, or another process is still writing it)"
_GZIP = b"\x1f\x8b"
_FIRST_BYTES = 348  # the NIfTI-1 header, which distinguishes it from NIfTI-2
_INPUT = 1 << 18  # compressed bytes read at a time
_DRAINED = 1 << 20  # bytes read at a time to verify the checksum only
_PARTS_AHEAD = 3
PART_BYTES = 1_500_000
"""Bytes decompressed at a time: small enough to stay in the CPU cache until masked."""


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
        """Whether both have the same shape and the same voxel positions."""
        return self.shape == other.shape and np.allclose(
            self.affine, other.affine, atol=_AFFINE_TOLERANCE
        )


@dataclass(frozen=True, eq=False)
class Stored:
    """The stored numbers of a NIfTI file, and their scaling to values.

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
        """Read the header of a NIfTI-1 or NIfTI-2 file.

        Trailing axes of length 1 beyond `n_axes` are dropped, so that ``(x, y, z, 1)`` is the shape
        of a map.

        Raises
        ------
        DamagedFileError
            When there is none, it does not describe real numbers along `n_axes` axes, its affine is
            not invertible (see `grid_of`), or the file is too small.
        """
        header = read_header(path)
        with translated_errors(path):
            shape, dtype = _without_ones(header.get_data_shape(), n_axes), header.get_data_dtype()
            slope, inter = header.get_slope_inter()
        if len(shape) != n_axes:
            raise DamagedFileError(
                path,
                f"{n_axes} axes were expected, it has {len(shape)}, of lengths {shape}",
                "Use a file with one volume."
                if n_axes == 3
                else "Use a file with a volume a trial.",
            )
        if min(shape[:3]) < 1:  # a session may have no trials
            raise DamagedFileError(path, f"axes of lengths {shape} are impossible")
        if dtype.kind not in "iuf":
            advice = "Save its values as integers or floating-point numbers."
            raise DamagedFileError(path, f"voxels of type {dtype} are not real numbers", advice)
        offset = header.get_data_offset()
        if offset < 0:
            raise DamagedFileError(path, f"its values begin at byte {offset}")
        # Checked before memory is allocated for a wrong header.
        n_bytes = math.prod(shape) * dtype.itemsize
        if n_bytes > path.stat().st_size * _MOST_INFLATED:
            raise DamagedFileError(path, _TRUNCATED)
        return cls(
            path=path,
            shape=shape,
            grid=grid_of(header, path),
            dtype=dtype,
            offset=offset,
            slope=1.0 if slope is None else slope,
            inter=0.0 if inter is None else inter,
        )

    def scaled(self, values: NDArray) -> NDArray:
        """Scale stored numbers to values, as nibabel does."""
        from nibabel.volumeutils import apply_read_scaling

        # As in nibabel's proxy: scale factors are arrays, so that integers become float64.
        slope: Any = np.asanyarray(self.slope)
        inter: Any = np.asanyarray(self.inter)
        return apply_read_scaling(values, slope, inter)

    def values(self) -> NDArray:
        """Read all stored numbers in file order, shape (n_values,), read-only."""
        n_bytes = math.prod(self.shape) * self.dtype.itemsize
        with translated_errors(self.path), _opened(self.path) as file:
            _skip(file, self.offset)
            data = _read(file, n_bytes)
            _check_end(file)
        return np.frombuffer(data, dtype=self.dtype)

    def parts(self, sizes: Iterable[int]) -> Generator[NDArray, None, None]:
        """Yield the stored numbers in file order, in parts of these sizes.

        Another thread reads and decompresses ahead. Exhaust the generator, because the checksum is
        verified at the end of the file; close it to stop earlier.
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
                    _check_end(file)
                ready.put(None)
            except Exception as error:  # re-raised in the consuming thread
                ready.put(error)

        reader = threading.Thread(target=read_ahead, name=f"inflating {self.path.name}")
        reader.daemon = True  # an unfinished reader must not keep the interpreter alive
        reader.start()
        try:
            with translated_errors(self.path):
                while (part := ready.get()) is not None:
                    if isinstance(part, Exception):
                        raise part
                    yield np.frombuffer(part, dtype=self.dtype)
                    del part  # free it before another is read
                    permits.release()
        finally:
            abandoned.set()
            permits.release()
            reader.join()


def read_header(path: Path) -> Nifti1Header:
    """Read the header of a NIfTI-1 or NIfTI-2 file.

    Raises
    ------
    DamagedFileError
        When it has none, or is not a single file named ``.nii`` or ``.nii.gz`` (a pair of
        ``.hdr`` and ``.img``, an ``.mgz``, another compression).
    """
    with translated_errors(path):
        with path.open("rb") as raw:
            first_bytes = raw.read(_FIRST_BYTES)
        _require_fitting_name(path, first_bytes)
        with _opened(path) as file:
            start = _read(file, _FIRST_BYTES)
            kind = header_class(start)
            if kind is None:
                raise DamagedFileError(path, "it is no NIfTI")
            return kind(start + _read(file, kind.sizeof_hdr - _FIRST_BYTES))


def header_class(start: bytes) -> type[Nifti1Header] | None:
    """Return the header class for the first 348 or more bytes of a file; None if not a NIfTI."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    # As nibabel does: NIfTI-1 by its magic, NIfTI-2 by the size of its header.
    if Nifti1Header.may_contain_header(start):
        return Nifti1Header
    sizes = [Nifti2Header.sizeof_hdr.to_bytes(4, order) for order in ("little", "big")]
    return Nifti2Header if start[:4] in sizes else None


def _require_fitting_name(path: Path, first_bytes: bytes) -> None:
    """Check that the name has a NIfTI extension that matches the compression."""
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        raise DamagedFileError(
            path,
            "its name ends in neither .nii nor .nii.gz",
            "Convert it, for instance with nibabel.save(nibabel.load(old), 'new.nii.gz').",
        )
    if first_bytes.startswith(_GZIP) and not name.endswith(".gz"):
        advice = f"Rename it to {path.name}.gz."
        raise DamagedFileError(path, "it is compressed and its name does not say so", advice)
    if header_class(first_bytes) is not None and name.endswith(".gz"):
        advice = f"Rename it to {path.name[:-3]}."
        raise DamagedFileError(path, "its name ends in .gz and it is not compressed", advice)


def grid_of(header: Nifti1Header, path: Path) -> Grid:
    """Return the grid of the first three axes.

    The affine is that of nibabel: the sform; without one the qform; without either,
    with both codes 0, the voxel sizes with the middle of the grid as the origin and the first
    axis pointing left.

    Parameters
    ----------
    header : Nifti1Header
    path : Path
        The file, for error messages.

    Raises
    ------
    DamagedFileError
        When the affine is not finite or not invertible.
    """
    nx, ny, nz = header.get_data_shape()[:3]
    with translated_errors(path):
        affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    if not is_invertible(affine):
        raise DamagedFileError(
            path,
            "its affine does not place voxels at points (zeros, NaN or a singular matrix)",
            "Set its sform (image.set_sform in nibabel); `laion-fmri verify` checks published "
            "files.",
        )
    return Grid((int(nx), int(ny), int(nz)), affine)


def is_invertible(affine: NDArray) -> bool:
    """Whether an affine of shape (4, 4) maps different voxels to different points."""
    return bool(np.isfinite(affine).all() and np.linalg.matrix_rank(affine[:3, :3]) == 3)


def _without_ones(shape: tuple[int, ...], n_axes: int) -> tuple[int, ...]:
    """Drop the axes of length 1 after the first `n_axes` of a shape."""
    lengths = [int(n) for n in shape]
    while len(lengths) > n_axes and lengths[-1] == 1:
        lengths.pop()
    return tuple(lengths)


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Convert errors of nibabel, the decompressor and the disk to the package's.

    Raises
    ------
    DamagedFileError
        When the content is wrong.
    UnreadableFileError
        When the file cannot be opened or read.
    """
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
    except LaionFmriError:
        raise
    except FileNotFoundError as error:
        raise DataNotFoundError(f"{path} is not there. Check its name, or download it.") from error
    except EOFError as error:
        raise DamagedFileError(path, _TRUNCATED) from error
    except corrupt as error:
        raise DamagedFileError(path, f"it is corrupt ({error})") from error
    except OSError as error:
        if error.errno is not None:  # an error of the disk, not of the file
            raise UnreadableFileError.from_os(path, error) from error
        raise DamagedFileError(path, f"it is corrupt or truncated ({error})") from error


@contextmanager
def own_file() -> Iterator[None]:
    """Replace the advice of damaged-file errors by that for a user's own file.

    Raises
    ------
    DamagedFileError
    """
    try:
        yield
    except DamagedFileError as error:
        advice = error.advice or "Write it again, or choose another file."
        raise DamagedFileError(error.path, error.problem, advice) from error


class _Inflated:
    """The decompressed bytes of a gzip file with one or several members.

    As in nibabel and the gzip tool, trailing data after the last member are ignored; Python's gzip
    raises an error there, before returning all data.
    """

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._start_member()

    def _start_member(self) -> None:
        from isal import igzip_lib

        self._member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        self._rest = b""  # bytes read but not yet decompressed

    def read(self, n_bytes: int) -> bytes:
        """Return at least one and at most `n_bytes` bytes; empty after the last member."""
        part = b""
        while n_bytes and not part:
            if self._member.eof and not self._next_member():
                break
            part = self._inflate(n_bytes)
        return part

    def check_member(self) -> None:
        """Read the current member to its end, which verifies its checksum."""
        while not self._member.eof:
            self._inflate(_DRAINED)

    def _inflate(self, n_bytes: int) -> bytes:
        data = b""
        if self._member.needs_input:
            data = self._rest or self._raw.read(_INPUT)
            self._rest = b""
            if not data:
                raise EOFError
        return self._member.decompress(data, n_bytes)

    def _next_member(self) -> bool:
        rest = self._member.unused_data
        while len(rest := rest.lstrip(b"\0")) < len(_GZIP):  # zeros may pad a block
            more = self._raw.read(_INPUT)
            if not more:
                return False
            rest += more
        if not rest.startswith(_GZIP):
            return False
        self._start_member()
        self._rest = rest
        return True


@contextmanager
def _opened(path: Path) -> Iterator[_Inflated | BinaryIO]:
    with path.open("rb") as raw:
        is_gzip = raw.peek(2)[:2] == _GZIP  # by content, not by name
        yield _Inflated(raw) if is_gzip else raw


def _skip(file: _Inflated | BinaryIO, n_bytes: int) -> None:
    while n_bytes and (skipped := file.read(min(n_bytes, _DRAINED))):
        n_bytes -= len(skipped)


def _read(file: _Inflated | BinaryIO, n_bytes: int) -> bytes:
    first = file.read(n_bytes)
    if len(first) == n_bytes:
        return first
    parts, missing = [first], n_bytes - len(first)
    while missing and parts[-1]:
        parts.append(file.read(missing))
        missing -= len(parts[-1])
    if missing:
        raise EOFError
    return b"".join(parts)


def _check_end(file: _Inflated | BinaryIO) -> None:
    if isinstance(file, _Inflated):
        file.check_member()
