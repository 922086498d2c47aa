"""Flat patches of a recon: part of the cortex, cut and flattened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DamagedFileError
from laion_fmri.volumes.nifti import translated_errors
from laion_fmri.volumes.surfaces import HEMISPHERE_PREFIXES, Surface

_HEADER = np.dtype([("magic", ">i4"), ("count", ">i4")])
_RECORD = np.dtype([("vertex", ">i4"), ("xyz", ">f4", 3)])
_STRETCH_ACROSS_A_CUT = 4  # times the usual; triangles at the rim stay below 2


def find_flat_patch(freesurfer_dir: Path, hemi: str) -> Path | None:
    """Find the flat patch of a hemisphere, the largest if there are several; None without one."""
    surf = freesurfer_dir / "surf"
    found = [p for p in surf.glob(f"{HEMISPHERE_PREFIXES[hemi]}.*flat*patch*") if p.is_file()]
    return max(found, key=lambda path: (path.stat().st_size, path.name), default=None)


def read_flat_patch(path: Path) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Read the vertices of a FreeSurfer patch and their positions.

    Returns
    -------
    vertices : ndarray of int, shape (n_in_patch,)
    points : ndarray of float32, shape (n_in_patch, 3)
        In mm, in the plane's own coordinates.

    Raises
    ------
    DamagedFileError
    """
    records = _records(path)
    # Vertices count from 1; those on the patch's border are negative.
    return np.abs(records["vertex"]).astype(np.intp) - 1, records["xyz"].astype(np.float32)


def _records(path: Path) -> NDArray[np.void]:
    with translated_errors(path):
        data = path.read_bytes()
    if len(data) < _HEADER.itemsize:
        raise DamagedFileError(path, "it is too short for a FreeSurfer patch")
    header = np.frombuffer(data, _HEADER, 1)[0]
    expected = _HEADER.itemsize + int(header["count"]) * _RECORD.itemsize
    if header["magic"] != -1 or header["count"] < 0 or len(data) != expected:
        raise DamagedFileError(path, "it is no binary FreeSurfer patch, or it is truncated")
    return np.frombuffer(data, _RECORD, offset=_HEADER.itemsize)


def flat_surface(path: Path, white: Surface) -> Surface:
    """Read the flat patch as a mesh, without triangles outside it or across a cut.

    The file lists vertices, not triangles. A triangle of the white surface whose corners are
    all in the patch may still join the two sides of a cut: its corners are then on the patch's
    border, and it is stretched.

    Parameters
    ----------
    path : Path
    white : Surface
        Of the same hemisphere.

    Returns
    -------
    Surface
        Points as `flat_points`; triangles (n_in_patch, 3).

    Raises
    ------
    DamagedFileError
        When the patch has vertices that are not in the surface.
    """
    points = flat_points(path, white)
    inside = ~np.isnan(points[:, 0])
    triangles = white.triangles[inside[white.triangles].all(axis=1)]
    numbers = _records(path)["vertex"].astype(np.intp)
    on_border = np.zeros(len(points), dtype=bool)
    on_border[-numbers[numbers < 0] - 1] = True
    lengths = np.maximum(_edge_lengths(white.points, triangles), 1e-6)
    stretch = (_edge_lengths(points, triangles) / lengths).max(axis=1)
    usual = np.median(stretch) if len(stretch) else 0
    across = on_border[triangles].all(axis=1) & (stretch > _STRETCH_ACROSS_A_CUT * usual)
    return Surface(points, triangles[~across])


def _edge_lengths(points: NDArray[np.float32], triangles: NDArray[np.int32]) -> NDArray:
    corners = points[triangles]
    return np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)


def flat_points(path: Path, white: Surface) -> NDArray[np.float32]:
    """Return the position of every vertex in the flat patch; NaN for vertices outside it.

    The patch is rotated so that up is superior, and shown from outside.

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
        When the patch has vertices that are not in the surface.
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
