"""Maps as the bytes of a NIfTI file.

Files to read are untrusted: their size is bounded and their header is checked.

Examples
--------
>>> from laion_fmri.analysis.map_bytes import nifti_bytes, read_map_bytes
>>> content = nifti_bytes(sub, sub.get_brain_mask()[sub.get_brain_mask()])
>>> bool(read_map_bytes(sub, content, "ones.nii.gz").all())
True
"""

from __future__ import annotations

import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DamagedFileError, InvalidArgumentError, LaionFmriError
from laion_fmri.layout import split_extension
from laion_fmri.maps import values_on_mask
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.grid import require_same_grid
from laion_fmri.volumes.nifti import Stored

if TYPE_CHECKING:
    from laion_fmri.subject import Subject

MOST_BYTES = 64 << 20
"""Largest file accepted, in bytes; a full-size map is 12 MB uncompressed."""

MOST_INFLATED = 256 << 20
"""Largest decompressed size accepted, in bytes."""

_GZIP = b"\x1f\x8b"
_PART = 1 << 20
_MAX_NAME = 120  # characters


def safe_name(name: object) -> str:
    """Return a file name without its folder, truncated if too long."""
    last = str(name or "map.nii.gz").replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in last if letter.isprintable())
    return shown[-_MAX_NAME:] or "map.nii.gz"


def read_map_bytes(sub: Subject, content: object, name: str) -> NDArray[np.float32]:
    """Read a NIfTI on the functional grid at the voxels of the brain mask.

    Parameters
    ----------
    sub : Subject
    content : bytes
        Content of the file; any other type is refused.
    name : str
        As from `safe_name`.

    Returns
    -------
    ndarray of float32, shape (n_voxels,)

    Raises
    ------
    InvalidArgumentError
        When it is not a NIfTI on this grid, or too large.
    """
    is_named_so = split_extension(name.lower())[1] in (".nii", ".nii.gz")
    if not is_named_so or not isinstance(content, bytes):
        raise InvalidArgumentError(f"{name} is no NIfTI; its name should end in .nii or .nii.gz.")
    if len(content) > MOST_BYTES:
        raise InvalidArgumentError(too_large(name))
    plain = inflated(content, name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "given.nii"
        path.write_bytes(plain)
        try:
            # The grid is checked before the values are read, which bounds the memory.
            brain = SubjectFiles(sub.name, sub.data_dir).brain_volume()
            require_same_grid(brain.grid, Stored.open(path, n_axes=3).grid, path)
            return values_on_mask(sub, path)
        except DamagedFileError as error:
            said = f"{name} cannot be read: {error.problem}. {error.advice or ''}".rstrip()
            raise InvalidArgumentError(said.replace(str(path), name)) from error
        except LaionFmriError as error:
            raise InvalidArgumentError(str(error).replace(str(path), name)) from error


def nifti_bytes(sub: Subject, values: NDArray) -> bytes:
    """Return values of the brain mask's voxels, shape (n_voxels,), as the bytes of a ``.nii.gz``.

    Raises
    ------
    InvalidArgumentError
        When the values have another shape.
    DataNotDownloadedError
        When the brain mask is not downloaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        return sub.to_nifti(values, Path(folder) / "map.nii.gz").read_bytes()


def inflated(content: bytes, name: str) -> bytes:
    """Decompress a file if it is compressed.

    Raises
    ------
    InvalidArgumentError
        When it is damaged, or too large after decompression.
    """
    if not content.startswith(_GZIP):
        return content
    parts: list[bytes] = []
    n_bytes, rest = 0, content
    while rest.startswith(_GZIP):  # a file may consist of several gzip members
        inflater = zlib.decompressobj(wbits=31)
        while not inflater.eof:
            try:
                part = inflater.decompress(rest, _PART)
            except zlib.error as error:
                raise InvalidArgumentError(f"{name} cannot be read: it is corrupt.") from error
            rest = inflater.unconsumed_tail
            if not part and not rest and not inflater.eof:
                raise InvalidArgumentError(f"{name} cannot be read: it ends too early.")
            parts.append(part)
            n_bytes += len(part)
            if n_bytes > MOST_INFLATED:
                raise InvalidArgumentError(too_large(name))
        rest = inflater.unused_data.lstrip(b"\0")  # zeros may pad a block
    return b"".join(parts)


def too_large(name: str) -> str:
    """Return the message for a file that is too large."""
    return (
        f"{name} is too large: {MOST_BYTES >> 20} MB is the most, {MOST_INFLATED >> 20} MB when "
        "uncompressed. A map on this grid is far smaller."
    )
