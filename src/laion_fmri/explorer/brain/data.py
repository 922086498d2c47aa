"""Cached cortex, volumes and ROIs for the brain view; no widgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import LaionFmriError, UnknownNameError
from laion_fmri.analysis import cortex, slices
from laion_fmri.analysis.cortex import SHAPES, Hemispheres, RoiVertices, Space, rois_of_any
from laion_fmri.analysis.locations import Location, point_location, vertex_location
from laion_fmri.explorer.brain.colours import roi_colours
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.maps import BrainMap, Values
from laion_fmri.subject import Subject
from laion_fmri.templates.cortex import CortexSampler
from laion_fmri.volumes.meshes import Mesh, checked_mesh
from laion_fmri.volumes.slices import SliceAnatomy, VolumeGrid
from laion_fmri.volumes.surfaces import Surface, require_same_vertices

SPREAD = ("inflated", "sphere", "flat")
"""Shapes whose hemispheres would overlap."""
CUT = ("flat",)
"""Shapes that lack some of the cortex's triangles."""
FIRST_SHAPE = "inflated"
UNDERLAYS = {"sulcal depth": "sulc", "curvature": "curv"}
T = TypeVar("T")


# --- surfaces -----------------------------------------------------------------------------


def _remember_cortex(
    data: ExplorerData, sub: Subject, space: Space, kind: str, what: str, read: Callable[[], T]
) -> T:
    """Cache the result of `read`; subjects share the data of fsaverage."""
    is_own = space == "fsnative"
    files = cortex.recon_files(sub, what) if is_own else ()
    return data.remember((kind, sub.name if is_own else space, what), read, files)


def surfaces(
    data: ExplorerData, sub: Subject, shape: str = FIRST_SHAPE, space: Space = "fsnative"
) -> dict[str, Surface]:
    """Return the meshes of both hemispheres; see `cortex.read_shape`."""
    if shape not in SHAPES:
        raise UnknownNameError("surface", shape, SHAPES)
    return _remember_cortex(
        data, sub, space, "surface", shape, lambda: cortex.read_shape(sub, shape, space)
    )


def meshes(data: ExplorerData, sub: Subject, space: Space = "fsnative") -> dict[str, Mesh]:
    """Return the meshes of both hemispheres in the initial shape, ready to draw."""

    def check() -> dict[str, Mesh]:
        parts = surfaces(data, sub, FIRST_SHAPE, space)
        return {hemi: checked_mesh(hemi, s.points, s.triangles) for hemi, s in parts.items()}

    return _remember_cortex(data, sub, space, "meshes", FIRST_SHAPE, check)


def underlay(
    data: ExplorerData, sub: Subject, kind: str = "sulc", space: Space = "fsnative"
) -> Hemispheres:
    """Return sulcal depth or curvature of both hemispheres; see `cortex.read_folds`."""
    return _remember_cortex(
        data, sub, space, "underlay", kind, lambda: cortex.read_folds(sub, kind, space)
    )


# --- maps and positions ---------------------------------------------------------------------


def _mask_path(sub: Subject) -> Path:
    return sub.get_anatomical_brain_mask(layout.FUNCTIONAL_RES)


def samplers(data: ExplorerData, sub: Subject) -> dict[str, CortexSampler]:
    """Return the samplers from a subject's voxels to the vertices of both hemispheres."""
    return data.remember(
        ("samplers", sub.name),
        lambda: cortex.cortex_samplers(
            sub, surfaces(data, sub, "white"), surfaces(data, sub, "pial")
        ),
        [*cortex.recon_files(sub, "white", "pial"), _mask_path(sub)],
    )


def map_values(data: ExplorerData, sub: Subject, brain_map: BrainMap) -> Values:
    """Return the values of a map in its own space, voxels or vertices."""
    key = ("values", sub.name, brain_map.name, brain_map.token)
    return data.remember(key, brain_map.read, brain_map.files)


def map_on_surface(
    data: ExplorerData, sub: Subject, brain_map: BrainMap, space: Space = "fsnative"
) -> Hemispheres:
    """Return the values of a map at every vertex of both hemispheres."""

    def sample() -> Hemispheres:
        values = map_values(data, sub, brain_map)
        of_voxels = None if isinstance(values, dict) else samplers(data, sub)
        return cortex.values_on_cortex(sub, values, space, of_voxels)

    key = ("map", sub.name, brain_map.name, brain_map.token, space)
    return data.remember(key, sample, [*brain_map.files, _mask_path(sub)])


def cortex_points(data: ExplorerData, sub: Subject, space: Space = "fsnative") -> Hemispheres:
    """Return vertex positions in the subject's T1w, in mm; see `cortex.vertex_positions`."""
    return data.remember(
        ("cortex", sub.name, space),
        lambda: cortex.vertex_positions(sub, space, samplers(data, sub)),
        cortex.recon_files(sub, "white", "pial"),
    )


# --- slices ---------------------------------------------------------------------------------


def slice_anatomy(data: ExplorerData, sub: Subject, name: str) -> SliceAnatomy:
    """Return a volume of `available_anatomies` in shades of grey."""
    return data.remember(
        ("anatomy", sub.name, name),
        lambda: slices.read_anatomy(sub, name),
        [slices.anatomy_path(sub, name)],
    )


def volume_grid(data: ExplorerData, sub: Subject) -> VolumeGrid:
    """Return the box of the functional grid that the slices use."""
    return data.remember(
        ("volume grid", sub.name), lambda: slices.brain_box(sub), [_mask_path(sub)]
    )


# --- ROIs -----------------------------------------------------------------------------------


def _roi_folder(sub: Subject) -> Path:
    return sub.data_dir / layout.ROIS_TREE / sub.name


def _roi_files(sub: Subject, ending: str) -> list[Path]:
    return sorted(_roi_folder(sub).glob(f"*/*{ending}"))


def rois_on_surface(data: ExplorerData, sub: Subject, space: Space = "fsnative") -> RoiVertices:
    """Return the vertices of every downloaded ROI, ordered by category for distinct colours."""

    def read() -> RoiVertices:
        if space == "fsnative":
            return cortex.roi_vertices(sub)
        return cortex.rois_on_fsaverage(sub, rois_on_surface(data, sub))

    return data.remember(("rois", sub.name, space), read, _roi_files(sub, ".func.gii"))


def roi_voxels(
    data: ExplorerData, sub: Subject, rois: Sequence[str]
) -> dict[str, NDArray[np.uint32]]:
    """Return ROI voxels as indices into the slices' box; ROIs without a volume are left out."""
    grid = volume_grid(data, sub)

    def read(roi: str) -> NDArray[np.uint32]:
        return data.remember(
            ("roi voxels", sub.name, roi),
            lambda: grid.places(sub.get_roi_grid_mask(roi)),
            _roi_files(sub, f"_label-{roi}_mask.nii*"),
        )

    found = {}
    for roi in rois:
        try:
            found[roi] = read(roi)
        except LaionFmriError:
            continue  # its outline on the surface is drawn; the picker lists the missing file
    return found


def known_rois(data: ExplorerData) -> list[str]:
    """Return every ROI that is downloaded for at least one subject."""
    subs = [data.subject(name) for name in data.local_subjects()]
    # A folder's modification time changes when a file in it is added or deleted.
    folders = [f for sub in subs for f in _roi_folder(sub).glob("*/")]
    return data.remember(("known rois",), lambda: rois_of_any(subs), folders)


@dataclass(frozen=True, eq=False)
class Picture:
    """All data displayed for one subject, map and space; `voxels` only for maps in voxels."""

    subject: Subject
    space: Space
    shapes: list[str]
    surfaces: dict[str, Surface]
    meshes: dict[str, Mesh]
    underlay: Hemispheres
    brain_map: BrainMap
    values: Hemispheres
    voxels: NDArray[np.float32] | None
    rois: RoiVertices
    roi_colours: Mapping[str, str]

    @property
    def title(self) -> str:
        """Subject and name of the map."""
        return f"{self.subject.name}: {self.brain_map.name}"


def picture(
    data: ExplorerData,
    sub: Subject,
    brain_map: BrainMap,
    space: Space = "fsnative",
    underlay_kind: str = "sulc",
) -> Picture:
    """Load all data displayed for a map.

    Raises
    ------
    LaionFmriError
        If a file is missing or damaged.
    """
    parts = surfaces(data, sub, FIRST_SHAPE, space)
    values = map_on_surface(data, sub, brain_map, space)
    for hemi, surface in parts.items():
        if hemi in values:
            require_same_vertices(surface, values[hemi], brain_map.name)
    own = map_values(data, sub, brain_map)
    return Picture(
        subject=sub,
        space=space,
        shapes=cortex.available_shapes(sub, space),
        surfaces=parts,
        meshes=meshes(data, sub, space),
        underlay=underlay(data, sub, underlay_kind, space),
        brain_map=brain_map,
        values=values,
        voxels=None if isinstance(own, dict) else own,
        rois=rois_on_surface(data, sub, space),
        roi_colours=roi_colours(known_rois(data)),
    )


# --- locations ----------------------------------------------------------------------------


def location(
    data: ExplorerData,
    shown: Picture,
    picked: Mapping[str, Any] | None,
    crosshair: Mapping[str, Any] | None,
) -> Location | None:
    """Return the location of the last click, on the surface or in the slices."""
    sub = shown.subject
    if crosshair and crosshair.get("source") == "volume":
        return point_location(sub, [crosshair[axis] for axis in "xyz"], samplers(data, sub))
    hemi, vertex = (picked or {}).get("hemisphere", ""), (picked or {}).get("vertex", -1)
    if hemi not in shown.surfaces or not 0 <= vertex < len(shown.surfaces[hemi].points):
        return None
    positions = cortex_points(data, sub, shown.space)
    return vertex_location(sub, hemi, vertex, shown.space, samplers(data, sub), positions)


def location_rois(data: ExplorerData, shown: Picture, at: Location) -> list[str]:
    """Return the ROIs that contain a vertex or voxel."""
    if at.hemi:
        return cortex.rois_of_vertex(shown.rois, at.hemi, at.vertex)
    if at.voxel is None or not shown.rois:
        return []
    place = volume_grid(data, shown.subject).place(at.voxel)
    voxels = roi_voxels(data, shown.subject, list(shown.rois))
    return [roi for roi, members in voxels.items() if place in members]


def map_profile(
    data: ExplorerData, shown: Picture, at: Location, listed: Iterable[BrainMap]
) -> dict[str, float]:
    """Return the value of each map at a location; for a vertex, the value on the surface."""

    def values(one: BrainMap) -> Values:
        if at.hemi:
            return map_on_surface(data, shown.subject, one, shown.space)
        return map_values(data, shown.subject, one)

    return {one.name: at.value(values(one)) for one in listed}
