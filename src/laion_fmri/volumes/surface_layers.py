"""Values and labels on the meshes of two hemispheres, checked and packed for drawing.

Examples
--------
>>> import numpy as np
>>> from laion_fmri.volumes.meshes import checked_mesh
>>> from laion_fmri.volumes.surface_layers import RoiLayer, vertex_values
>>> meshes = {"L": checked_mesh("L", np.eye(3), [[0, 1, 2]])}
>>> vertex_values("map", {"L": [1, 2, np.inf]}, meshes)["L"]
array([ 1.,  2., nan], dtype=float32)
>>> RoiLayer("V1", "#3399ff", {"L": [True, False, True]}).packed(meshes)["masks"]
{'L': b'\xa0'}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from laion_fmri._errors import InconsistentDataError, InvalidArgumentError
from laion_fmri.volumes.meshes import HEMISPHERES, Mesh, spread_offsets, triangle_members


@dataclass(frozen=True)
class RoiLayer:
    """A label to draw.

    Parameters
    ----------
    name : str
        Name in the legend and the readout.
    colour : str
        ``"#rrggbb"``.
    masks : mapping
        Hemisphere to bool (n,), True at the label's vertices; a hemisphere may be absent
        or empty.
    voxels : array of int, optional
        The label's voxels as indices into the grid of the slices (see `VolumeGrid`).
    """

    name: str
    colour: str
    masks: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    voxels: npt.NDArray[np.integer] | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch("#[0-9a-fA-F]{6}", self.colour):
            raise InvalidArgumentError(
                f"ROI {self.name} has the colour {self.colour!r}; give it as '#rrggbb'."
            )

    def packed(self, meshes: Mapping[str, Mesh]) -> dict[str, Any]:
        """Return the label data for the page.

        Raises
        ------
        InconsistentDataError
            See `vertex_values`.
        """
        masks = vertex_values(f"ROI {self.name}", self.masks, meshes)
        return {
            "name": self.name,
            "colour": self.colour,
            "masks": {side: np.packbits(mask != 0).tobytes() for side, mask in masks.items()},
            "voxels": None if self.voxels is None else self.voxels.astype("<u4").tobytes(),
        }


def vertex_counts(meshes: Mapping[str, Mesh]) -> dict[str, int]:
    """Number of vertices of each hemisphere."""
    return {side: len(meshes[side].points) for side in HEMISPHERES if side in meshes}


def vertex_values(
    what: str, values: Mapping[str, npt.ArrayLike] | None, meshes: Mapping[str, Mesh]
) -> dict[str, npt.NDArray[np.float32]]:
    """Check values of each hemisphere: one float32 per vertex of its mesh, infinities as NaN.

    Parameters
    ----------
    what : str
        Description of the values, for messages.
    values : mapping or None
        Hemisphere to values (n_vertices,).
    meshes : mapping of str to Mesh

    Raises
    ------
    InconsistentDataError
        If a hemisphere has no mesh or another number of vertices.
    """
    counts, checked = vertex_counts(meshes), {}
    for side, given in (values or {}).items():
        if side not in counts:
            raise InconsistentDataError(
                f"The {what} has a hemisphere {side!r}, the surface has "
                f"{sorted(counts) or 'none'}. Call set_surface with it first."
            )
        flat = np.asarray(given, dtype=np.float32)
        if flat.shape != (counts[side],):
            raise InconsistentDataError(
                f"The {what} has {flat.shape} values for hemisphere {side}, its surface has "
                f"{counts[side]} vertices. Use values computed on this surface."
            )
        checked[side] = np.where(np.isfinite(flat), flat, np.float32(np.nan))
    return checked


def packed_surface(meshes: Mapping[str, Mesh], spread: bool) -> dict[str, dict[str, Any]]:
    """Return the mesh data for the page; with `spread`, shifted apart along x."""
    offsets = spread_offsets(meshes, spread)
    return {
        side: {
            "points": mesh.points.tobytes(),
            "triangles": mesh.triangles.tobytes(),
            "offset": offsets[side],
        }
        for side, mesh in meshes.items()
    }


def packed_shape(
    name: str,
    meshes: Mapping[str, Mesh],
    points: Mapping[str, npt.ArrayLike],
    triangles: Mapping[str, npt.ArrayLike] | None = None,
    spread: bool = False,
) -> dict[str, dict[str, Any]]:
    """Return the data of another shape of these meshes for the page.

    Parameters
    ----------
    name : str
        Name of the shape, for messages.
    meshes : mapping of str to Mesh
    points : mapping
        Hemisphere to points (n, 3), NaN where a vertex is not part of the shape.
    triangles : mapping, optional
        Hemisphere to the subset of the mesh's triangles (m, 3) of a cut shape; all by default.
    spread : bool
        Shift the hemispheres apart along x.

    Raises
    ------
    InconsistentDataError
        When a hemisphere is missing or has another number of vertices.
    """
    placed = {}
    for side, mesh in meshes.items():
        xyz = np.array(points.get(side, ()), dtype="<f4")
        if xyz.shape != mesh.points.shape:
            raise InconsistentDataError(
                f"The shape {name!r} has points {xyz.shape} for hemisphere {side}, the surface "
                f"{mesh.points.shape}. Use shapes of one recon."
            )
        xyz[~np.isfinite(xyz).all(axis=1)] = np.nan
        placed[side] = Mesh(xyz, mesh.triangles)
    members = {
        side: np.packbits(triangle_members(meshes[side].triangles, kept)).tobytes()
        for side, kept in (triangles or {}).items()
    }
    return {
        side: part | {"triangles": members.get(side)}
        for side, part in packed_surface(placed, spread).items()
    }


def float_bytes(values: npt.ArrayLike) -> bytes:
    """Convert values to little-endian float32 bytes, for a Float32Array."""
    return np.asarray(values, dtype="<f4").tobytes()
