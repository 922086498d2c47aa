"""A piece of cortex that something is asked about: a vertex, a voxel or an ROI. No widgets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri.explorer import brain_data
from laion_fmri.explorer.brain_data import Picture
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.maps import BrainMap
from laion_fmri.subject import Subject

HEMISPHERE_NAMES = {"L": "left", "R": "right"}


@dataclass(frozen=True, eq=False)
class Place:
    """A vertex, a voxel or an ROI.

    Attributes
    ----------
    label : str
        ``"left hemisphere, vertex 812"``, ``"voxel 71 20 45"`` or the ROI's name.
    voxels : ndarray of bool, shape (n_voxels,)
        Over the brain mask; may be empty.
    point : tuple of float or None
        In mm of the T1w space; None for an ROI.
    voxel : tuple of int or None
        Of the functional grid.
    value : float
        Of the map that is shown.
    rois : tuple of str
        Every ROI there.
    hemi, vertex : str, int
        ``""`` and -1 where it is no vertex.
    """

    label: str
    voxels: NDArray[np.bool_]
    point: tuple[float, ...] | None = None
    voxel: tuple[int, ...] | None = None
    value: float = float("nan")
    rois: tuple[str, ...] = ()
    hemi: str = ""
    vertex: int = -1

    @property
    def key(self) -> tuple[str, int]:
        """What tells places of one subject apart."""
        return self.label, int(self.voxels.sum())


def at_vertex(data: ExplorerData, picture: Picture, hemi: str, vertex: int) -> Place:
    """The place of a vertex of the surface that is shown."""
    sub, space = picture.subject, picture.space
    point = brain_data.cortex_points(data, sub, space)[hemi][vertex]
    value = picture.values[hemi][vertex] if hemi in picture.values else np.nan
    return Place(
        label=f"{HEMISPHERE_NAMES[hemi]} hemisphere, vertex {vertex}",
        voxels=brain_data.voxels_at_vertex(data, sub, hemi, vertex, space),
        point=tuple(float(v) for v in point),
        voxel=_voxel_of(data, sub, point),
        value=float(value),
        rois=tuple(brain_data.rois_at(picture.rois, hemi, vertex)),
        hemi=hemi,
        vertex=vertex,
    )


def at_point(data: ExplorerData, picture: Picture, point: Iterable[float]) -> Place:
    """The place of the voxel that holds a point in mm of the T1w space."""
    sub = picture.subject
    where = np.array(list(point), dtype=np.float64)
    sampler = next(iter(brain_data.samplers(data, sub).values()))
    inside = brain_data.voxels_at_points(sampler, where)
    voxel = _voxel_of(data, sub, where)
    value = np.nan
    if picture.voxels is not None and inside.any():
        value = picture.voxels[inside][0]
    return Place(
        label="voxel " + (" ".join(map(str, voxel)) if voxel else "outside the grid"),
        voxels=inside,
        point=tuple(float(v) for v in where),
        voxel=voxel,
        value=float(value),
        rois=tuple(_rois_at_voxel(data, picture, voxel)),
    )


def of_roi(data: ExplorerData, picture: Picture, roi: str) -> Place:
    """All of an ROI."""
    sub = picture.subject
    voxels = brain_data.roi_voxels(data, sub, roi)[sub.get_brain_mask()]
    values = picture.voxels[voxels] if picture.voxels is not None else np.empty(0)
    known = values[np.isfinite(values)]
    return Place(
        label=roi,
        voxels=voxels,
        value=float(known.mean()) if known.size else float("nan"),
        rois=(roi,),
    )


def profile(
    data: ExplorerData, picture: Picture, place: Place, maps: Iterable[BrainMap]
) -> dict[str, float]:
    """The value of a place in each map; the mean over its voxels where it has several.

    A vertex takes the value that the surface shows. NaN where a map has none.
    """
    found = {}
    for brain_map in maps:
        if place.hemi:
            values = brain_data.map_on_surface(data, picture.subject, brain_map, picture.space)
            here = values[place.hemi][place.vertex] if place.hemi in values else np.nan
        else:
            voxels = brain_data.map_values(data, picture.subject, brain_map)
            inside = voxels[place.voxels] if voxels is not None else np.empty(0)
            known = inside[np.isfinite(inside)]
            here = known.mean() if known.size else np.nan
        found[brain_map.name] = float(here)
    return found


def from_choice(
    data: ExplorerData,
    picture: Picture,
    picked: Mapping[str, Any] | None,
    crosshair: Mapping[str, Any] | None,
) -> Place | None:
    """The place that was clicked last, on the surface or in the slices."""
    if crosshair and crosshair.get("source") == "volume":
        return at_point(data, picture, (crosshair["x"], crosshair["y"], crosshair["z"]))
    if picked and picked["hemisphere"] in picture.surfaces:
        n_vertices = len(picture.surfaces[picked["hemisphere"]].points)
        if 0 <= picked["vertex"] < n_vertices:
            return at_vertex(data, picture, picked["hemisphere"], picked["vertex"])
    return None


def _voxel_of(data: ExplorerData, sub: Subject, point: NDArray) -> tuple[int, ...] | None:
    sampler = brain_data.samplers(data, sub)[layout.HEMISPHERES[0]]
    to_voxels = np.linalg.inv(sampler.grid.affine)
    voxel = np.floor(to_voxels[:3, :3] @ point + to_voxels[:3, 3] + 0.5)
    if not np.isfinite(voxel).all():
        return None
    found = tuple(int(v) for v in voxel)
    inside = all(0 <= v < n for v, n in zip(found, sampler.grid.shape, strict=True))
    return found if inside else None


def _rois_at_voxel(
    data: ExplorerData, picture: Picture, voxel: tuple[int, ...] | None
) -> list[str]:
    if voxel is None or not picture.rois:
        return []
    sub = picture.subject
    grid = brain_data.volume_grid(data, sub)
    inside = [v - o for v, o in zip(voxel, grid.offset, strict=True)]
    if not all(0 <= v < n for v, n in zip(inside, grid.shape, strict=True)):
        return []
    place = np.ravel_multi_index(tuple(inside), grid.shape, order="F")
    places = brain_data.roi_places(data, sub, list(picture.rois))
    return [roi for roi, members in places.items() if np.any(members == place)]
