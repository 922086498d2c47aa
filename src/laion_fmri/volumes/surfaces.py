"""Cortical surfaces of a FreeSurfer recon, placed in the subject's T1w space.

FreeSurfer stores vertices in tkregister RAS. The header of the recon's volume, copied in every
surface file, defines the transform to scanner RAS, the space of T1w volumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import (
    DamagedFileError,
    DataNotDownloadedError,
    InconsistentDataError,
    UnknownNameError,
)
from laion_fmri.layout import HEMISPHERES
from laion_fmri.volumes.nifti import is_invertible, translated_errors

SURFACE_KINDS = ("inflated", "white", "pial", "sphere")
UNDERLAY_KINDS = ("sulc", "curv")
_ROUNDNESS = 0.01  # tolerance of the radii of a sphere
HEMISPHERE_PREFIXES = {"L": "lh", "R": "rh"}
"""Prefixes of FreeSurfer's files for the hemispheres."""


@dataclass(frozen=True, eq=False)
class Surface:
    """One hemisphere's mesh.

    Attributes
    ----------
    points : ndarray of float32, shape (n_vertices, 3)
        In mm of the T1w space.
    triangles : ndarray of int32, shape (n_triangles, 3)
    """

    points: NDArray[np.float32]
    triangles: NDArray[np.int32]


def surface_path(freesurfer_dir: Path, hemi: str, what: str) -> Path:
    """Return the path of a file in the recon's ``surf`` folder, by FreeSurfer's names.

    Raises
    ------
    UnknownNameError
        When `hemi` is not ``"L"`` or ``"R"``.
    DataNotDownloadedError
        When the file is not downloaded.
    """
    if hemi not in HEMISPHERE_PREFIXES:
        raise UnknownNameError("hemisphere", hemi, HEMISPHERES)
    path = freesurfer_dir / "surf" / f"{HEMISPHERE_PREFIXES[hemi]}.{what}"
    if not path.exists():
        raise DataNotDownloadedError(
            f"{path.name} is not in {path.parent}. "
            f"download(subject={freesurfer_dir.name!r}, include_freesurfer=True) fetches it if "
            "the bucket has it."
        )
    return path


def read_surface(freesurfer_dir: Path, hemi: str, kind: str = "inflated") -> Surface:
    """Read the mesh of one hemisphere.

    Parameters
    ----------
    freesurfer_dir : Path
        Folder of `Subject.get_freesurfer_dir`.
    hemi : {"L", "R"}
    kind : {"inflated", "white", "pial", "sphere"}

    Raises
    ------
    UnknownNameError, DataNotDownloadedError, DamagedFileError
    """
    from nibabel.freesurfer import read_geometry

    if kind not in SURFACE_KINDS:
        raise UnknownNameError("surface", kind, SURFACE_KINDS)
    path = surface_path(freesurfer_dir, hemi, kind)
    with translated_errors(path):
        points, triangles, header = read_geometry(path, read_metadata=True)
    to_scanner = tkregister_to_scanner(header, path)
    placed = points @ to_scanner[:3, :3].T + to_scanner[:3, 3]
    return Surface(placed.astype(np.float32), triangles.astype(np.int32))


def read_sphere(path: Path) -> Surface:
    """Read a sphere, such as ``lh.sphere.reg``, centred on the origin.

    A sphere encodes positions on the cortical sheet, not in the head, so its vertices are not
    transformed to the T1w space.

    Raises
    ------
    DamagedFileError
        When the file is truncated, or is not a sphere around the origin.
    """
    from nibabel.freesurfer import read_geometry

    with translated_errors(path):
        points, triangles = read_geometry(path)
    radii = np.linalg.norm(points, axis=1)
    if not len(radii) or not radii.max() < radii.min() * (1 + _ROUNDNESS):
        raise DamagedFileError(path, "it is no sphere around the origin")
    used = np.zeros(len(points), dtype=bool)
    try:
        used[triangles] = True
    except IndexError as error:
        raise DamagedFileError(path, "a triangle has a corner that is no vertex") from error
    if not used.all():
        raise DamagedFileError(path, "a vertex belongs to no triangle")
    return Surface(points.astype(np.float32), triangles.astype(np.int32))


def read_underlay(freesurfer_dir: Path, hemi: str, kind: str = "sulc") -> NDArray[np.float32]:
    """Read sulcal depth or curvature, one value per vertex; positive in sulci.

    Raises
    ------
    UnknownNameError, DataNotDownloadedError, DamagedFileError
    """
    from nibabel.freesurfer import read_morph_data

    if kind not in UNDERLAY_KINDS:
        raise UnknownNameError("underlay", kind, UNDERLAY_KINDS)
    path = surface_path(freesurfer_dir, hemi, kind)
    with translated_errors(path):
        return np.asarray(read_morph_data(path), dtype=np.float32)


def tkregister_to_scanner(header: Mapping[str, Any], path: Path) -> NDArray[np.float64]:
    """Compute the affine from tkregister RAS to scanner RAS from a surface file's header.

    It combines the transforms of both spaces to the voxels of the recon's volume, FreeSurfer's
    ``vox2ras`` and ``vox2ras-tkr``.

    Raises
    ------
    DamagedFileError
        When the file does not describe its volume, or the volume's affine is not invertible.
    """
    try:
        size = np.asarray(header["voxelsize"], dtype=float)
        half = np.asarray(header["volume"], dtype=float) / 2
        directions = np.stack(
            [np.asarray(header[k], dtype=float) for k in ("xras", "yras", "zras")], 1
        )
        centre = np.asarray(header["cras"], dtype=float)
    except KeyError as error:
        raise DamagedFileError(path, "it does not say which volume it belongs to") from error
    to_scanner, to_tkregister = np.eye(4), np.eye(4)
    to_scanner[:3, :3] = directions * size
    to_scanner[:3, 3] = centre - to_scanner[:3, :3] @ half
    to_tkregister[:3, :3] = np.array([[-1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=float) * size
    to_tkregister[:3, 3] = -to_tkregister[:3, :3] @ half
    if not (is_invertible(to_scanner) and is_invertible(to_tkregister)):
        raise DamagedFileError(path, "the volume that it says it belongs to has no proper grid")
    return to_scanner @ np.linalg.inv(to_tkregister)


def require_same_vertices(surface: Surface, values: NDArray, what: object) -> None:
    """Check that there is one value per vertex.

    Raises
    ------
    InconsistentDataError
    """
    if len(values) != len(surface.points):
        raise InconsistentDataError(
            f"{what} has {len(values)} values but the surface {len(surface.points)} vertices. "
            "They are of different recons; download both again."
        )
