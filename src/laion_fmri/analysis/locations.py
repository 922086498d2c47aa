"""Locations in the brain: a vertex, a voxel or an ROI, each with its voxels.

Examples
--------
>>> from laion_fmri.analysis.locations import roi_location, vertex_location
>>> from laion_fmri.analysis.preferred_images import preferred_images
>>> ffa = roi_location(sub, "FFA1")
>>> ffa.value(sub.get_noise_ceiling(desc="Noiseceiling12rep")) > 0
True
>>> vertex = vertex_location(sub, "L", 812)
>>> vertex.label
'left hemisphere, vertex 812'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri.analysis.cortex import (
    Space,
    cortex_samplers,
    grid_voxels,
    point_voxels,
    vertex_positions,
    vertex_voxels,
)

if TYPE_CHECKING:
    from laion_fmri.subject import Subject
    from laion_fmri.templates.cortex import CortexSampler

HEMISPHERE_NAMES = {"L": "left", "R": "right"}


@dataclass(frozen=True, eq=False)
class Location:
    """A vertex, a voxel or an ROI.

    Attributes
    ----------
    label : str
        ``"left hemisphere, vertex 812"``, ``"voxel 71 20 45"`` or the ROI's name.
    voxels : ndarray of bool, shape (n_voxels,)
        Over the brain mask; all False when no voxel of the mask is there.
    point : tuple of float or None
        In mm of the T1w space; None for an ROI.
    voxel : tuple of int or None
        Of the functional grid; None for an ROI and outside the grid.
    hemi, vertex : str, int
        ``""`` and -1 unless the location is a vertex.
    """

    label: str
    voxels: NDArray[np.bool_]
    point: tuple[float, ...] | None = None
    voxel: tuple[int, ...] | None = None
    hemi: str = ""
    vertex: int = -1

    def value(self, values: NDArray | Mapping[str, NDArray] | None) -> float:
        """Return the value of a map at this location.

        Parameters
        ----------
        values : array of shape (n_voxels,), or mapping of hemisphere to (n_vertices,), or None
            A map of voxels is averaged over the location's voxels, ignoring NaN; a map of vertices
            gives the value of the vertex.

        Returns
        -------
        float
            NaN when the map has no value there.
        """
        if values is None:
            return float("nan")
        if isinstance(values, Mapping):
            return float(values[self.hemi][self.vertex]) if self.hemi in values else float("nan")
        inside = np.asarray(values)[self.voxels]
        known = inside[np.isfinite(inside)]
        return float(known.mean()) if known.size else float("nan")


def vertex_location(
    sub: Subject,
    hemi: str,
    vertex: int,
    space: Space = "fsnative",
    samplers: Mapping[str, CortexSampler] | None = None,
    positions: Mapping[str, NDArray] | None = None,
) -> Location:
    """Return the location of a vertex: the voxels between white matter and pia.

    Parameters
    ----------
    sub : Subject
    hemi : {"L", "R"}
    vertex : int
    space : {"fsnative", "fsaverage"}
        Space of the vertex.
    samplers, positions : mapping, optional
        As in `laion_fmri.analysis.cortex.vertex_voxels`.

    Raises
    ------
    UnknownNameError
        When there is no such hemisphere or vertex.
    DataNotDownloadedError, DamagedFileError
    """
    samplers = samplers or cortex_samplers(sub)
    positions = positions or vertex_positions(sub, space, samplers)
    voxels = vertex_voxels(sub, hemi, vertex, space, samplers, positions)
    point = positions[hemi][vertex]
    return Location(
        label=f"{HEMISPHERE_NAMES[hemi]} hemisphere, vertex {vertex}",
        voxels=voxels,
        point=tuple(float(v) for v in point),
        voxel=_voxel_of(samplers[hemi], point),
        hemi=hemi,
        vertex=vertex,
    )


def point_location(
    sub: Subject,
    point: Iterable[float],
    samplers: Mapping[str, CortexSampler] | None = None,
) -> Location:
    """Return the location of a point in mm of the T1w space: the voxel that contains it.

    Parameters
    ----------
    sub : Subject
    point : iterable of float
        x, y, z.
    samplers : mapping, optional
        Samplers of `laion_fmri.analysis.cortex.cortex_samplers`, to avoid reading files again.

    Raises
    ------
    DataNotDownloadedError, DamagedFileError
    """
    at = np.array(list(point), dtype=np.float64)
    sampler = next(iter((samplers or cortex_samplers(sub)).values()))
    voxel = _voxel_of(sampler, at)
    return Location(
        label="voxel " + (" ".join(map(str, voxel)) if voxel else "outside the grid"),
        voxels=point_voxels(sampler, at),
        point=tuple(float(v) for v in at),
        voxel=voxel,
    )


def roi_location(sub: Subject, roi: str) -> Location:
    """Return the location of an ROI: its voxels in the brain mask.

    Raises
    ------
    UnknownNameError, DataNotDownloadedError, DamagedFileError
    """
    return Location(label=roi, voxels=sub.get_roi_mask(roi))


def _voxel_of(sampler: CortexSampler, point: NDArray) -> tuple[int, ...] | None:
    voxel = tuple(int(v) for v in grid_voxels(sampler, point)[0])
    is_inside = all(0 <= v < n for v, n in zip(voxel, sampler.grid.shape, strict=True))
    return voxel if is_inside else None
