"""Cortex, volumes and ROIs for the brain view, remembered; no widgets."""

from __future__ import annotations

import colorsys
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import LaionFmriError, UnknownNameError
from laion_fmri.explorer.components.slices_data import SliceAnatomy, VolumeGrid
from laion_fmri.explorer.components.surface_data import Mesh, checked_mesh
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.flat_patch import find_flat_patch, flat_points
from laion_fmri.explorer.maps import BrainMap
from laion_fmri.masks import nonzero
from laion_fmri.subject import Subject
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.surfaces import (
    SURFACE_KINDS,
    Surface,
    read_surface,
    read_underlay,
    require_same_vertices,
    surface_path,
)
from laion_fmri.templates.cortex import CortexSampler
from laion_fmri.volumes import read_volume

Space = Literal["fsnative", "fsaverage"]
SPACES: tuple[Space, ...] = ("fsnative", "fsaverage")
SHAPES = ("white", "pial", "inflated", "sphere", "flat")
SPREAD = ("inflated", "sphere", "flat")
"""Shapes whose hemispheres would overlap."""
FIRST_SHAPE = "inflated"
UNDERLAYS = {"sulcal depth": "sulc", "curvature": "curv"}
ANATOMIES = {"T1w": ("T1w", None), "T1w, 1.8 mm": ("T1w", "1pt8"), "T2w": ("T2w", None)}
"""What slices can be drawn over: what it is called, which volume, which resolution."""

Hemispheres = dict[str, NDArray[np.float32]]
RoiSides = Mapping[str, Mapping[str, NDArray[np.bool_]]]
_GOLDEN_ANGLE = 0.381966  # of a turn: neighbours in the list get distant hues
_NILEARN = {
    "white": "white",
    "pial": "pial",
    "inflated": "infl",
    "sphere": "sphere",
    "flat": "flat",
}
_SIDES = {"L": "left", "R": "right"}


# --- surfaces -----------------------------------------------------------------------------


def shapes(sub: Subject, space: Space = "fsnative") -> list[str]:
    """The shapes there are of the cortex: flat only where both hemispheres have a patch."""
    if space == "fsaverage":
        return list(SHAPES)
    recon = sub.get_freesurfer_dir()
    has_flat = all(find_flat_patch(recon, hemi) for hemi in layout.HEMISPHERES)
    return [s for s in SHAPES if s in SURFACE_KINDS or has_flat]


def surfaces(
    data: ExplorerData, sub: Subject, shape: str = FIRST_SHAPE, space: Space = "fsnative"
) -> dict[str, Surface]:
    """Both hemispheres' meshes; points of a flat patch are NaN where it has none.

    Raises
    ------
    UnknownNameError, DataNotDownloadedError, DamagedFileError
    """
    if shape not in SHAPES:
        raise UnknownNameError("surface", shape, SHAPES)
    if space == "fsaverage":
        return data.remember(("fsaverage", shape), lambda: _read_fsaverage(shape))
    recon = sub.get_freesurfer_dir()
    if shape == "flat":
        white = surfaces(data, sub, "white")
        patches = {hemi: find_flat_patch(recon, hemi) for hemi in layout.HEMISPHERES}
        return data.remember(
            ("surface", sub.name, shape),
            lambda: {
                hemi: Surface(flat_points(patch, white[hemi]), white[hemi].triangles)
                for hemi, patch in patches.items()
                if patch is not None
            },
            [patch for patch in patches.values() if patch is not None],
        )
    return data.remember(
        ("surface", sub.name, shape),
        lambda: {hemi: read_surface(recon, hemi, shape) for hemi in layout.HEMISPHERES},
        _surface_files(sub, shape),
    )


def meshes(data: ExplorerData, sub: Subject, space: Space = "fsnative") -> dict[str, Mesh]:
    """Both hemispheres in the shape that is shown first, as they are drawn."""
    parts = surfaces(data, sub, FIRST_SHAPE, space)
    return data.remember(
        ("meshes", sub.name, space),
        lambda: {hemi: checked_mesh(hemi, s.points, s.triangles) for hemi, s in parts.items()},
        _surface_files(sub, FIRST_SHAPE) if space == "fsnative" else (),
    )


def _surface_files(sub: Subject, kind: str) -> list[Path]:
    recon = sub.get_freesurfer_dir()
    return [surface_path(recon, hemi, kind) for hemi in layout.HEMISPHERES]


def underlay(
    data: ExplorerData, sub: Subject, kind: str = "sulc", space: Space = "fsnative"
) -> Hemispheres:
    """Both hemispheres' sulcal depth or curvature, positive where the cortex folds in."""
    if space == "fsaverage":
        return data.remember(("fsaverage", kind), lambda: _read_fsaverage_underlay(kind))
    recon = sub.get_freesurfer_dir()
    return data.remember(
        ("underlay", sub.name, kind),
        lambda: {hemi: read_underlay(recon, hemi, kind) for hemi in layout.HEMISPHERES},
        _surface_files(sub, kind),
    )


def _fsaverage_file(what: str, hemi: str) -> Path:
    from nilearn import datasets

    return Path(datasets.fetch_surf_fsaverage("fsaverage5")[f"{what}_{_SIDES[hemi]}"])


def _read_fsaverage(shape: str) -> dict[str, Surface]:
    from nilearn.surface import load_surf_mesh

    found = {}
    for hemi in layout.HEMISPHERES:
        mesh = load_surf_mesh(_fsaverage_file(_NILEARN[shape], hemi))
        points = np.asarray(mesh.coordinates, dtype=np.float32).copy()
        triangles = np.asarray(mesh.faces, dtype=np.int32)
        if shape == "flat":  # vertices of the cut are in no triangle
            points[np.setdiff1d(np.arange(len(points)), triangles)] = np.nan
            sphere = load_surf_mesh(_fsaverage_file("sphere", hemi))
            triangles = np.asarray(sphere.faces, dtype=np.int32)
        found[hemi] = Surface(points, triangles)
    return found


def _read_fsaverage_underlay(kind: str) -> Hemispheres:
    from nilearn.surface import load_surf_data

    return {
        hemi: np.asarray(load_surf_data(_fsaverage_file(kind, hemi)), dtype=np.float32)
        for hemi in layout.HEMISPHERES
    }


# --- maps on the surface --------------------------------------------------------------------


def _mask_path(sub: Subject) -> Path:
    return sub.get_anatomical_brain_mask(layout.FUNCTIONAL_RES)


def samplers(data: ExplorerData, sub: Subject) -> dict[str, CortexSampler]:
    """What takes a subject's voxels to the vertices of both hemispheres; made once."""

    def make() -> dict[str, CortexSampler]:
        brain = SubjectFiles(sub.name, sub.data_dir).brain_volume()
        inside = np.flatnonzero(nonzero(brain))
        column_of = np.full(brain.grid.n_voxels, -1, dtype=np.int32)
        column_of[inside] = np.arange(len(inside), dtype=np.int32)
        white, pial = surfaces(data, sub, "white"), surfaces(data, sub, "pial")
        return {
            hemi: CortexSampler(pial[hemi], white[hemi], brain.grid, column_of)
            for hemi in layout.HEMISPHERES
        }

    files = [*_surface_files(sub, "white"), *_surface_files(sub, "pial"), _mask_path(sub)]
    return data.remember(("samplers", sub.name), make, files)


def map_values(data: ExplorerData, sub: Subject, brain_map: BrainMap) -> NDArray[np.float32] | None:
    """A map at every voxel of the brain mask; None for one that is only on the surface."""
    values = data.remember(_key("values", sub, brain_map), brain_map.read, brain_map.files)
    return None if isinstance(values, dict) else values


def map_on_surface(
    data: ExplorerData, sub: Subject, brain_map: BrainMap, space: Space = "fsnative"
) -> Hemispheres:
    """A map at every vertex of both hemispheres; made once for each state of its file."""

    def sample() -> Hemispheres:
        values = data.remember(_key("values", sub, brain_map), brain_map.read, brain_map.files)
        if isinstance(values, dict):
            own = values
            for hemi, surface in surfaces(data, sub, FIRST_SHAPE).items():
                if hemi in own:
                    require_same_vertices(surface, own[hemi], brain_map.name)
        else:
            of_side = samplers(data, sub)
            with ThreadPoolExecutor(len(of_side)) as pool:  # the first time takes a second each
                means = pool.map(lambda sampler: sampler.means(values[None])[0], of_side.values())
                own = dict(zip(of_side, means, strict=True))
        return own if space == "fsnative" else to_fsaverage(sub, own)

    files = [*brain_map.files, _mask_path(sub)]
    return data.remember((*_key("map", sub, brain_map), space), sample, files)


def _key(what: str, sub: Subject, brain_map: BrainMap) -> tuple[Hashable, ...]:
    return (what, sub.name, brain_map.name, brain_map.token)


def to_fsaverage(sub: Subject, own: Mapping[str, NDArray]) -> Hemispheres:
    """Values of the subject's own vertices at those of fsaverage5."""
    from laion_fmri.templates import surface_to_template

    moved = surface_to_template(sub, own)
    assert isinstance(moved, dict)
    return moved


def cortex_points(data: ExplorerData, sub: Subject, space: Space = "fsnative") -> Hemispheres:
    """Where each vertex is in the subject's T1w, midway between white matter and pia; mm.

    A vertex of fsaverage is where the subject's cortex that corresponds to it is.
    """

    def make() -> Hemispheres:
        white, pial = surfaces(data, sub, "white"), surfaces(data, sub, "pial")
        own = {
            h: ((white[h].points + pial[h].points) / 2).astype(np.float32)
            for h in layout.HEMISPHERES
        }
        if space == "fsnative":
            return own
        moved = to_fsaverage(sub, {h: points.T for h, points in own.items()})
        return {h: np.ascontiguousarray(points.T) for h, points in moved.items()}

    recon = sub.get_freesurfer_dir()
    files = [surface_path(recon, h, kind) for h in layout.HEMISPHERES for kind in ("white", "pial")]
    return data.remember(("cortex", sub.name, space), make, files)


def voxels_at_vertex(
    data: ExplorerData, sub: Subject, hemi: str, vertex: int, space: Space = "fsnative"
) -> NDArray[np.bool_]:
    """The voxels of the brain mask between white matter and pia at a vertex.

    Returns
    -------
    ndarray of bool, shape (n_voxels,)
        Empty where no voxel of the mask is there.
    """
    sampler = samplers(data, sub)[hemi]
    if space == "fsaverage":
        # The subject's own vertex nearest to where this one's cortex is.
        place = cortex_points(data, sub, space)[hemi][vertex]
        own = cortex_points(data, sub)[hemi]
        vertex = int(np.argmin(((own - place) ** 2).sum(axis=1)))
    depths = np.linspace(0, 1, 10)[:, None]
    pial, white = sampler.pial.points[vertex], sampler.white.points[vertex]
    return voxels_at_points(sampler, pial + depths * (white - pial))


def voxels_at_points(sampler: CortexSampler, points: NDArray) -> NDArray[np.bool_]:
    """The voxels of the brain mask that hold these points (n, 3) in mm; bool (n_voxels,)."""
    to_voxels = np.linalg.inv(sampler.grid.affine)
    voxels = np.floor(np.atleast_2d(points) @ to_voxels[:3, :3].T + to_voxels[:3, 3] + 0.5)
    voxels = voxels.astype(np.intp)
    inside = ((voxels >= 0) & (voxels < sampler.grid.shape)).all(axis=1)
    flat = np.ravel_multi_index(tuple(voxels[inside].T), sampler.grid.shape)
    found = np.zeros(int(sampler.column_of.max(initial=-1)) + 1, dtype=bool)
    columns = sampler.column_of[flat]
    found[columns[columns >= 0]] = True
    return found


# --- slices ---------------------------------------------------------------------------------


def anatomies(sub: Subject) -> list[str]:
    """The volumes that are local to draw slices over."""
    files = SubjectFiles(sub.name, sub.data_dir)
    return [
        name
        for name, (what, res) in ANATOMIES.items()
        if files.found(layout.anatomical(sub.name, what, res))
    ]


def slice_anatomy(data: ExplorerData, sub: Subject, name: str) -> SliceAnatomy:
    """A volume of `anatomies` in greys."""
    what, res = ANATOMIES[name]
    path = sub.get_t1w(res) if what == "T1w" else sub.get_t2w(res)

    def read() -> SliceAnatomy:
        volume = read_volume(path)
        return SliceAnatomy.from_values(volume.values, volume.grid.affine)

    return data.remember(("anatomy", sub.name, name), read, [path])


def volume_grid(data: ExplorerData, sub: Subject) -> VolumeGrid:
    """The box of the functional grid that slices know."""

    def make() -> VolumeGrid:
        brain = SubjectFiles(sub.name, sub.data_dir).brain_volume()
        return VolumeGrid.around(nonzero(brain).reshape(brain.grid.shape), brain.grid.affine)

    return data.remember(("volume grid", sub.name), make, [_mask_path(sub)])


# --- ROIs -----------------------------------------------------------------------------------


def _roi_files(sub: Subject, ending: str) -> list[Path]:
    return sorted((sub.data_dir / layout.ROIS_TREE / sub.name).glob(f"*/*{ending}"))


def rois_on_surface(
    data: ExplorerData, sub: Subject, space: Space = "fsnative"
) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """Every local ROI's vertices: ROI to hemisphere to mask, without absent hemispheres.

    In the order of categories, so that the ROIs of one category get distant colours. On
    fsaverage a vertex belongs to an ROI when half of the cortex it stands for does.
    """

    def read() -> dict[str, dict[str, NDArray[np.bool_]]]:
        found = sub.get_roi_data(sub.get_available_categories(), format="func.gii")
        return {
            roi: {side.removeprefix("hemi-"): forms["func.gii"] for side, forms in gii.items()}
            for roi, gii in ((roi, tree.get("gii", {})) for roi, tree in found.items())
        }

    def move() -> dict[str, dict[str, NDArray[np.bool_]]]:
        own = rois_on_surface(data, sub)
        moved: dict[str, dict[str, NDArray[np.bool_]]] = {roi: {} for roi in own}
        for hemi in layout.HEMISPHERES:
            names = [roi for roi, sides in own.items() if hemi in sides]
            if names:
                stacked = np.stack([own[roi][hemi] for roi in names]).astype(np.float32)
                for roi, values in zip(
                    names, to_fsaverage(sub, {hemi: stacked})[hemi], strict=True
                ):
                    moved[roi][hemi] = values >= 0.5
        return moved

    files = _roi_files(sub, ".func.gii")
    make = read if space == "fsnative" else move
    return data.remember(("rois", sub.name, space), make, files)


def roi_voxels(data: ExplorerData, sub: Subject, roi: str) -> NDArray[np.bool_]:
    """One ROI's voxels over the functional grid, flat in C order."""
    files = _roi_files(sub, f"_label-{roi}_mask.nii*")
    return data.remember(("roi voxels", sub.name, roi), lambda: sub.get_roi_mask(roi), files)


def roi_places(
    data: ExplorerData, sub: Subject, rois: Sequence[str]
) -> dict[str, NDArray[np.uint32]]:
    """Where the voxels of ROIs are in the slices' box; one without a volume is left out."""
    grid = volume_grid(data, sub)
    found = {}
    for roi in rois:
        try:
            found[roi] = data.remember(
                ("roi places", sub.name, roi),
                lambda roi=roi: grid.places(roi_voxels(data, sub, roi)),  # type: ignore[misc]
                _roi_files(sub, f"_label-{roi}_mask.nii*"),
            )
        except LaionFmriError:
            continue  # its outline on the surface is shown; the picker says what is missing
    return found


def roi_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each ROI, the same whichever are chosen; ``#rrggbb``."""
    colours = {}
    for place, name in enumerate(names):
        hue = (0.55 + place * _GOLDEN_ANGLE) % 1
        lightness = (0.5, 0.72, 0.36, 0.62)[place % 4]  # for hues that come round again
        rgb = colorsys.hls_to_rgb(hue, lightness, 0.85)
        colours[name] = "#" + "".join(f"{round(255 * channel):02x}" for channel in rgb)
    return colours


def rois_at(rois: RoiSides, hemi: str, vertex: int) -> list[str]:
    """The ROIs a vertex belongs to."""
    return [name for name, sides in rois.items() if hemi in sides and sides[hemi][vertex]]


@dataclass(frozen=True, eq=False)
class Picture:
    """Everything the view shows of one subject, map and space."""

    subject: Subject
    space: Space
    shapes: list[str]
    surfaces: dict[str, Surface]
    meshes: dict[str, Mesh]
    underlay: Hemispheres
    brain_map: BrainMap
    values: Hemispheres
    voxels: NDArray[np.float32] | None
    rois: RoiSides
    categories: list[str]


def picture(
    data: ExplorerData,
    sub: Subject,
    brain_map: BrainMap,
    space: Space = "fsnative",
    underlay_kind: str = "sulc",
) -> Picture:
    """Read, or remember, all that a view shows of a map.

    Raises
    ------
    LaionFmriError
        What is missing or damaged.
    """
    parts = surfaces(data, sub, FIRST_SHAPE, space)
    values = map_on_surface(data, sub, brain_map, space)
    for hemi, surface in parts.items():
        if hemi in values:
            require_same_vertices(surface, values[hemi], brain_map.name)
    categories = sub.get_available_categories()
    return Picture(
        subject=sub,
        space=space,
        shapes=shapes(sub, space),
        surfaces=parts,
        meshes=meshes(data, sub, space),
        underlay=underlay(data, sub, underlay_kind, space),
        brain_map=brain_map,
        values=values,
        voxels=map_values(data, sub, brain_map),
        rois=rois_on_surface(data, sub, space) if categories else {},
        categories=categories,
    )
