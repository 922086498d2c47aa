"""The transform from the T1w space to MNI305 in a recon's ``talairach.lta``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DamagedFileError, DataNotDownloadedError, InvalidArgumentError
from laion_fmri.volumes.nifti import Grid, is_invertible, translated_errors

_VOX_TO_VOX, _RAS_TO_RAS = 0, 1
_MOST_VOXELS = 1024  # along an axis
# FreeSurfer's default for a volume whose info is marked invalid.
_CORONAL = {
    "volume": "256 256 256",
    "voxelsize": "1 1 1",
    "xras": "-1 0 0",
    "yras": "0 0 -1",
    "zras": "0 1 0",
    "cras": "0 0 0",
}


@dataclass(frozen=True, eq=False)
class Talairach:
    """A recon's affine to MNI305.

    Attributes
    ----------
    to_mni305 : ndarray of shape (4, 4)
        From mm of the T1w space to mm of MNI305.
    grid : Grid
        Grid of the template's volume.
    """

    to_mni305: NDArray[np.float64]
    grid: Grid


def read_talairach(freesurfer_dir: Path) -> Talairach:
    """Read ``mri/transforms/talairach.lta`` of a recon.

    Raises
    ------
    DataNotDownloadedError
        When it is not downloaded.
    DamagedFileError
        When it is not a linear transform between two volumes.
    """
    path = freesurfer_dir / "mri" / "transforms" / "talairach.lta"
    if not path.exists():
        raise DataNotDownloadedError(
            f"{path.name} is not in {path.parent}. "
            f"download(subject={freesurfer_dir.name!r}, include_freesurfer=True) fetches it if "
            "the bucket has it."
        )
    with translated_errors(path):
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return _parse(text)
    except (ValueError, LookupError, np.linalg.LinAlgError) as error:
        raise DamagedFileError(path, f"it is no linear transform ({error})") from error


def _parse(text: str) -> Talairach:
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    start = lines.index("1 4 4")
    header = _fields(lines[:start])
    if int(header["nxforms"]) != 1:
        raise ValueError(f"{header['nxforms']} transforms instead of 1")
    rows = [line.split() for line in lines[start + 1 : start + 5]]
    matrix = np.array(rows, dtype=np.float64).reshape(4, 4)
    source, target = lines.index("src volume info"), lines.index("dst volume info")
    source_grid = _grid(_fields(lines[source:target]))
    target_grid = _grid(_fields(lines[target:]))
    kind = int(header["type"])
    if kind == _VOX_TO_VOX:
        matrix = target_grid.affine @ matrix @ np.linalg.inv(source_grid.affine)
    elif kind != _RAS_TO_RAS:
        raise ValueError(f"type {kind} goes neither from voxels to voxels nor from mm to mm")
    if not is_invertible(matrix):
        raise ValueError("it cannot be undone")
    return Talairach(matrix, target_grid)


def _fields(lines: list[str]) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _grid(fields: Mapping[str, str]) -> Grid:
    if int(fields["valid"]) != 1:
        fields = _CORONAL
    nx, ny, nz = (int(n) for n in fields["volume"].split())
    if min(nx, ny, nz) < 1:
        raise ValueError("a volume without voxels")
    axes = [_vector(fields[name]) for name in ("xras", "yras", "zras")]
    affine = np.eye(4)
    affine[:3, :3] = np.stack(axes, axis=1) * _vector(fields["voxelsize"])
    affine[:3, 3] = _vector(fields["cras"]) - affine[:3, :3] @ [nx / 2, ny / 2, nz / 2]
    return Grid((nx, ny, nz), affine)


def _vector(text: str) -> NDArray[np.float64]:
    x, y, z = (float(part) for part in text.split())
    return np.array([x, y, z])


def at_voxel_size(grid: Grid, voxel_size: float) -> Grid:
    """Return a grid over the same box, with cubic voxels of a size in mm.

    Raises
    ------
    InvalidArgumentError
        When the size is not a number, or gives an unusable grid.
    """
    sizes = np.linalg.norm(grid.affine[:3, :3], axis=0)
    extent = sizes * grid.shape
    usable = (
        isinstance(voxel_size, (int, float, np.number))
        and math.isfinite(voxel_size)
        and extent.max() / _MOST_VOXELS <= voxel_size <= extent.min()
    )
    if not usable:
        raise InvalidArgumentError(
            f"A voxel size between {extent.max() / _MOST_VOXELS:.2g} and {extent.min():g} mm was "
            f"expected, not {voxel_size!r}. None takes the template's own."
        )
    # Round off floating-point errors: 256 mm in voxels of 0.1 mm are 2560, not 2561.
    nx, ny, nz = (int(n) for n in np.ceil(np.round(extent / voxel_size, 6)))
    corner = grid.affine @ [-0.5, -0.5, -0.5, 1]
    affine = np.eye(4)
    affine[:3, :3] = grid.affine[:3, :3] / sizes * voxel_size
    affine[:3, 3] = corner[:3] + affine[:3, :3] @ [0.5, 0.5, 0.5]
    return Grid((nx, ny, nz), affine)
