"""Flat patches of a recon: part of the cortex, cut open and laid out in a plane."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DamagedFileError
from laion_fmri.nifti import translated_errors
from laion_fmri.surfaces import HEMISPHERE_PREFIXES, Surface

_HEADER = np.dtype([("magic", ">i4"), ("count", ">i4")])
_RECORD = np.dtype([("vertex", ">i4"), ("xyz", ">f4", 3)])


def find_flat_patch(freesurfer_dir: Path, hemi: str) -> Path | None:
    """The flat patch of a hemisphere, the largest where there are several; None without one."""
    surf = freesurfer_dir / "surf"
    found = [p for p in surf.glob(f"{HEMISPHERE_PREFIXES[hemi]}.*flat*patch*") if p.is_file()]
    return max(found, key=lambda path: (path.stat().st_size, path.name), default=None)


def read_flat_patch(path: Path) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The vertices of a FreeSurfer patch and where they lie.

    Returns
    -------
    vertices : ndarray of int, shape (n_in_patch,)
    points : ndarray of float32, shape (n_in_patch, 3)
        In mm, in the plane's own coordinates.

    Raises
    ------
    DamagedFileError
    """
    with translated_errors(path):
        data = path.read_bytes()
    if len(data) < _HEADER.itemsize:
        raise DamagedFileError(path, "it is too short for a FreeSurfer patch")
    header = np.frombuffer(data, _HEADER, 1)[0]
    expected = _HEADER.itemsize + int(header["count"]) * _RECORD.itemsize
    if header["magic"] != -1 or header["count"] < 0 or len(data) != expected:
        raise DamagedFileError(path, "it is no binary FreeSurfer patch, or it is truncated")
    records = np.frombuffer(data, _RECORD, offset=_HEADER.itemsize)
    # Vertices count from 1; those on the patch's border are negative.
    return np.abs(records["vertex"]).astype(np.intp) - 1, records["xyz"].astype(np.float32)


def flat_points(path: Path, white: Surface) -> NDArray[np.float32]:
    """Where every vertex lies in the flat patch; NaN for those that are not in it.

    The patch is turned in its plane so that what is higher in the head is higher, and shown
    from outside.

    Parameters
    ----------
    path : Path
    white : Surface
        Of the same hemisphere.

    Returns
    -------
    ndarray of float32, shape (n_vertices, 3)

    Raises
    ------
    DamagedFileError
        When the patch names vertices that the surface does not have.
    """
    vertices, points = read_flat_patch(path)
    if not len(vertices) or vertices.max() >= len(white.points) or vertices.min() < 0:
        raise DamagedFileError(path, "it names vertices that the white surface does not have")
    placed = np.full((len(white.points), 3), np.nan, dtype=np.float32)
    flat = points - points.mean(axis=0)
    placed[vertices] = flat
    a, b, c = (placed[white.triangles[:, k]] for k in range(3))
    if np.nansum(np.cross(b - a, c - a)[:, 2]) < 0:
        flat = flat * np.array([-1, 1, -1], dtype=np.float32)
    height = white.points[vertices, 2] - white.points[vertices, 2].mean()
    up = height @ flat[:, :2]
    length = float(np.hypot(*up))
    if length > 0:
        x, y = up / length
        flat[:, :2] = flat[:, :2] @ np.array([[y, x], [-x, y]], dtype=np.float32)
    placed[vertices] = flat
    return placed
