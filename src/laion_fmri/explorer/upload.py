"""A NIfTI that somebody handed to the page: read with no trust in what it says of itself."""

from __future__ import annotations

import tempfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, LaionFmriError
from laion_fmri.explorer.maps import values_on_mask
from laion_fmri.layout import split_extension
from laion_fmri.nifti import grid_of, open_nifti
from laion_fmri.subject import Subject
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes import require_same_grid

MOST_BYTES = 64 << 20
"""The largest file that is taken; a full-size map is 12 MB uncompressed."""

MOST_INFLATED = 256 << 20
"""What a compressed file may become, whatever it says."""

_GZIP = b"\x1f\x8b"
_PART = 1 << 20
_LONGEST_NAME = 120  # characters


def safe_name(name: object) -> str:
    """What a file is called, without a folder and not too long."""
    last = str(name or "map.nii.gz").replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in last if letter.isprintable())
    return shown[-_LONGEST_NAME:] or "map.nii.gz"


def values_of_upload(sub: Subject, content: object, name: str) -> NDArray[np.float32]:
    """The values of a NIfTI on the functional grid, at the voxels of the brain mask.

    Parameters
    ----------
    sub : Subject
    content : bytes
        The file; anything else is refused.
    name : str
        As from `safe_name`.

    Returns
    -------
    ndarray of float32, shape (n_voxels,)

    Raises
    ------
    InvalidArgumentError
        When it is no NIfTI on this grid, or too large.
    """
    if split_extension(name)[1] not in (".nii", ".nii.gz") or not isinstance(content, bytes):
        raise InvalidArgumentError(f"{name} is no NIfTI; its name should end in .nii or .nii.gz.")
    if len(content) > MOST_BYTES:
        raise InvalidArgumentError(too_large(name))
    plain = inflated(content, name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "given.nii"
        path.write_bytes(plain)
        try:
            # Compared before a number is read, so that no more is read than the grid has voxels.
            brain = SubjectFiles(sub.name, sub.data_dir).brain_volume()
            image = open_nifti(path)
            if len(image.shape) != 3:
                raise InvalidArgumentError(f"{name} has {len(image.shape)} axes; a map has three.")
            require_same_grid(brain.grid, grid_of(image), path)
            return values_on_mask(sub, path)
        except LaionFmriError as error:
            raise InvalidArgumentError(str(error).replace(str(path), name)) from error


def inflated(content: bytes, name: str) -> bytes:
    """A file without its compression, if it has one.

    Raises
    ------
    InvalidArgumentError
        When it is damaged, or becomes too large.
    """
    if not content.startswith(_GZIP):
        return content
    parts: list[bytes] = []
    n_bytes, rest = 0, content
    while rest.startswith(_GZIP):  # a file may consist of several
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
        rest = inflater.unused_data
    return b"".join(parts)


def too_large(name: str) -> str:
    """What to say of a file that is."""
    return (
        f"{name} is too large: {MOST_BYTES >> 20} MB is the most, {MOST_INFLATED >> 20} MB when "
        "uncompressed. A map on this grid is far smaller."
    )
