"""A subject's cortex: meshes, folds, ROIs, and the voxels at each vertex.

Every function takes a space: ``"fsnative"``, the subject's own surface, or ``"fsaverage"``,
fsaverage5 with 10,242 vertices per hemisphere. Meshes of fsaverage come with nilearn.

Examples
--------
>>> from laion_fmri.analysis.cortex import read_shape, vertex_voxels
>>> inflated = read_shape(sub, "inflated")
>>> inflated["L"].points.shape
(10242, 3)
>>> vertex_voxels(sub, "L", 812).dtype
dtype('bool')
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import UnknownNameError
from laion_fmri.layout import HEMISPHERES, natural_order
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.templates.cortex import N_DEPTHS, CortexSampler
from laion_fmri.templates.mapping import surface_to_template
from laion_fmri.volumes.flat_patch import find_flat_patch, flat_surface
from laion_fmri.volumes.masks import nonzero
from laion_fmri.volumes.surfaces import (
    SURFACE_KINDS,
    Surface,
    read_surface,
    read_underlay,
    require_same_vertices,
    surface_path,
)

if TYPE_CHECKING:
    from laion_fmri.maps import BrainMap
    from laion_fmri.subject import Subject

Space = Literal["fsnative", "fsaverage"]
SPACES: tuple[Space, ...] = ("fsnative", "fsaverage")
SHAPES = ("white", "pial", "inflated", "sphere", "flat")
Hemispheres = dict[str, NDArray[np.float32]]
RoiVertices = Mapping[str, Mapping[str, NDArray[np.bool_]]]
"""ROI to hemisphere to bool of shape (n_vertices,); a hemisphere may be absent."""

_OF_NILEARN = {"inflated": "infl", "L": "left", "R": "right"}


def available_shapes(sub: Subject, space: Space = "fsnative") -> list[str]:
    """List the available shapes; ``"flat"`` requires the patches of both hemispheres."""
    if space == "fsaverage":
        return list(SHAPES)
    recon = sub.get_freesurfer_dir()
    has_flat = all(find_flat_patch(recon, hemi) for hemi in HEMISPHERES)
    return [shape for shape in SHAPES if shape in SURFACE_KINDS or has_flat]


def read_shape(
    sub: Subject, shape: str = "inflated", space: Space = "fsnative"
) -> dict[str, Surface]:
    """Read the meshes of both hemispheres in one shape.

    Parameters
    ----------
    sub : Subject
    shape : {"white", "pial", "inflated", "sphere", "flat"}
        Points outside a flat patch are NaN, and no triangle crosses a cut.
    space : {"fsnative", "fsaverage"}

    Returns
    -------
    dict of str to Surface
        Keyed ``"L"`` and ``"R"``; points in mm.

    Raises
    ------
    UnknownNameError, DataNotDownloadedError, DamagedFileError
    """
    if shape not in SHAPES:
        raise UnknownNameError("surface", shape, SHAPES)
    if space == "fsaverage":
        return {hemi: _read_fsaverage(shape, hemi) for hemi in HEMISPHERES}
    recon = sub.get_freesurfer_dir()
    if shape != "flat":
        return {hemi: read_surface(recon, hemi, shape) for hemi in HEMISPHERES}
    patches = {hemi: find_flat_patch(recon, hemi) for hemi in HEMISPHERES}
    return {
        hemi: flat_surface(patch, read_surface(recon, hemi, "white"))
        for hemi, patch in patches.items()
        if patch is not None
    }


def read_folds(sub: Subject, kind: str = "sulc", space: Space = "fsnative") -> Hemispheres:
    """Read the folds of both hemispheres, positive in sulci.

    Parameters
    ----------
    sub : Subject
    kind : {"sulc", "curv"}
        Sulcal depth or curvature.
    space : {"fsnative", "fsaverage"}

    Returns
    -------
    dict of ndarray of float32, shape (n_vertices,)

    Raises
    ------
    UnknownNameError, DataNotDownloadedError, DamagedFileError
    """
    if space == "fsnative":
        recon = sub.get_freesurfer_dir()
        return {hemi: read_underlay(recon, hemi, kind) for hemi in HEMISPHERES}
    from nilearn.surface import load_surf_data

    return {
        hemi: np.asarray(load_surf_data(_fsaverage_file(kind, hemi)), dtype=np.float32)
        for hemi in HEMISPHERES
    }


def _fsaverage_file(what: str, hemi: str) -> Path:
    from nilearn import datasets

    files = datasets.fetch_surf_fsaverage("fsaverage5")
    return Path(files[f"{_OF_NILEARN.get(what, what)}_{_OF_NILEARN[hemi]}"])


def _read_fsaverage(shape: str, hemi: str) -> Surface:
    from nilearn.surface import load_surf_mesh

    mesh = load_surf_mesh(_fsaverage_file(shape, hemi))
    points = np.asarray(mesh.coordinates, dtype=np.float32).copy()
    triangles = np.asarray(mesh.faces, dtype=np.int32)
    if shape == "flat":  # vertices of the cut belong to no triangle
        points[np.setdiff1d(np.arange(len(points)), triangles)] = np.nan
    return Surface(points, triangles)


def recon_files(sub: Subject, *kinds: str) -> list[Path]:
    """Return the recon files of both hemispheres for kinds such as ``"white"`` or ``"sulc"``.

    Raises
    ------
    DataNotDownloadedError
    """
    recon = sub.get_freesurfer_dir()
    patches = [find_flat_patch(recon, hemi) for hemi in HEMISPHERES if "flat" in kinds]
    others = [kind for kind in kinds if kind != "flat"]
    return [
        *(patch for patch in patches if patch is not None),
        *(surface_path(recon, hemi, kind) for kind in others for hemi in HEMISPHERES),
    ]


# --- voxels and vertices ----------------------------------------------------------------


def cortex_samplers(
    sub: Subject,
    white: Mapping[str, Surface] | None = None,
    pial: Mapping[str, Surface] | None = None,
) -> dict[str, CortexSampler]:
    """Return the samplers that project voxels of the brain mask to each hemisphere's vertices.

    Parameters
    ----------
    sub : Subject
    white, pial : mapping of str to Surface, optional
        Surfaces that are already loaded.

    Raises
    ------
    DataNotDownloadedError, DamagedFileError
    """
    white, pial = white or read_shape(sub, "white"), pial or read_shape(sub, "pial")
    brain = SubjectFiles(sub.name, sub.data_dir).brain_volume()
    inside = np.flatnonzero(nonzero(brain))
    column_of = np.full(brain.grid.n_voxels, -1, dtype=np.int32)
    column_of[inside] = np.arange(len(inside), dtype=np.int32)
    return {
        hemi: CortexSampler(pial[hemi], white[hemi], brain.grid, column_of) for hemi in HEMISPHERES
    }


def sample_map(samplers: Mapping[str, CortexSampler], values: NDArray[np.floating]) -> Hemispheres:
    """Project a map of voxels, shape (n_voxels,), to the subject's own vertices."""
    with ThreadPoolExecutor(len(samplers)) as pool:  # the first time takes a second each
        means = pool.map(lambda sampler: sampler.means(values[None])[0], samplers.values())
        return dict(zip(samplers, means, strict=True))


def map_on_cortex(
    sub: Subject,
    brain_map: BrainMap,
    space: Space = "fsnative",
    samplers: Mapping[str, CortexSampler] | None = None,
) -> Hemispheres:
    """Project a map to the vertices of both hemispheres.

    Parameters
    ----------
    sub : Subject
    brain_map : BrainMap
        A map of `laion_fmri.maps.get_map`. A map of the subject's own vertices keeps its values.
    space : {"fsnative", "fsaverage"}
    samplers : mapping, optional
        Samplers of `cortex_samplers`, to avoid reading files again.

    Returns
    -------
    dict of ndarray of float32, shape (n_vertices,)

    Raises
    ------
    InconsistentDataError
        When a map of vertices belongs to another recon.
    DataNotDownloadedError, DamagedFileError

    Examples
    --------
    >>> from laion_fmri import maps
    >>> map_on_cortex(sub, maps.get_map(sub, "R², mean over sessions"))["L"].shape
    (10242,)
    """
    return values_on_cortex(sub, brain_map.read(), space, samplers)


def values_on_cortex(
    sub: Subject,
    values: NDArray[np.floating] | Mapping[str, NDArray],
    space: Space = "fsnative",
    samplers: Mapping[str, CortexSampler] | None = None,
) -> Hemispheres:
    """Project values of the brain mask's voxels, or of the subject's own vertices, to the cortex.

    Parameters
    ----------
    values : array of shape (n_voxels,), or mapping of hemisphere to (n_vertices,)
    sub, space, samplers
        As in `map_on_cortex`.

    Raises
    ------
    InconsistentDataError
        When values of vertices belong to another recon.
    DataNotDownloadedError, DamagedFileError
    """
    if not isinstance(values, Mapping):
        own = sample_map(samplers or cortex_samplers(sub), values)
    else:
        own = dict(values)
        for hemi, surface in read_shape(sub).items():
            if hemi in own:
                require_same_vertices(surface, own[hemi], "The map")
    return own if space == "fsnative" else to_fsaverage(sub, own)


def to_fsaverage(sub: Subject, values: Mapping[str, NDArray]) -> Hemispheres:
    """Resample values (…, n_vertices) of the subject's own vertices to fsaverage5."""
    return dict(surface_to_template(sub, values))


def vertex_positions(
    sub: Subject,
    space: Space = "fsnative",
    samplers: Mapping[str, CortexSampler] | None = None,
) -> Hemispheres:
    """Return each vertex's position in the subject's T1w, midway between white matter and pia.

    A vertex of fsaverage lies at the subject's corresponding point of the cortex.

    Parameters
    ----------
    sub : Subject
    space : {"fsnative", "fsaverage"}
    samplers : mapping of str to CortexSampler, optional
        Samplers of `cortex_samplers`, to avoid reading files again.

    Returns
    -------
    dict of ndarray of float32, shape (n_vertices, 3)
        In mm.
    """
    samplers = samplers or cortex_samplers(sub)
    own = {
        hemi: ((sampler.white.points + sampler.pial.points) / 2).astype(np.float32)
        for hemi, sampler in samplers.items()
    }
    if space == "fsnative":
        return own
    moved = to_fsaverage(sub, {hemi: points.T for hemi, points in own.items()})
    return {hemi: np.ascontiguousarray(points.T) for hemi, points in moved.items()}


def vertex_voxels(
    sub: Subject,
    hemi: str,
    vertex: int,
    space: Space = "fsnative",
    samplers: Mapping[str, CortexSampler] | None = None,
    positions: Mapping[str, NDArray] | None = None,
) -> NDArray[np.bool_]:
    """Return the voxels of the brain mask between white matter and pia at a vertex.

    Parameters
    ----------
    sub : Subject
    hemi : {"L", "R"}
    vertex : int
    space : {"fsnative", "fsaverage"}
        Space of the vertex. For fsaverage, the subject's nearest vertex is used.
    samplers, positions : mapping, optional
        Results of `cortex_samplers` and, for `space`, `vertex_positions`, to avoid reading files
        again.

    Returns
    -------
    ndarray of bool, shape (n_voxels,)
        All False when no voxel of the mask is there.

    Raises
    ------
    UnknownNameError
        When there is no such hemisphere or vertex.
    DataNotDownloadedError, DamagedFileError
    """
    samplers = samplers or cortex_samplers(sub)
    if hemi not in samplers:
        raise UnknownNameError("hemisphere", hemi, HEMISPHERES)
    sampler = samplers[hemi]
    if space == "fsaverage":
        at = (positions or vertex_positions(sub, space, samplers))[hemi][vertex]
        own = (sampler.white.points + sampler.pial.points) / 2
        vertex = int(np.argmin(((own - at) ** 2).sum(axis=1)))
    if not 0 <= vertex < sampler.n_vertices:
        raise UnknownNameError("vertex", str(vertex), [f"0 to {sampler.n_vertices - 1}"])
    depths = np.linspace(0, 1, N_DEPTHS)[:, None]
    pial, white = sampler.pial.points[vertex], sampler.white.points[vertex]
    return point_voxels(sampler, pial + depths * (white - pial))


def point_voxels(sampler: CortexSampler, points: NDArray) -> NDArray[np.bool_]:
    """Return the voxels of the brain mask that contain any of these points.

    Parameters
    ----------
    sampler : CortexSampler
        Of either hemisphere; provides the grid and the mask.
    points : array of shape (n_points, 3) or (3,)
        In mm of the T1w space.

    Returns
    -------
    ndarray of bool, shape (n_voxels,)
    """
    voxels = grid_voxels(sampler, points)
    inside = ((voxels >= 0) & (voxels < sampler.grid.shape)).all(axis=1)
    columns = sampler.column_of[np.ravel_multi_index(tuple(voxels[inside].T), sampler.grid.shape)]
    found = np.zeros(int(sampler.column_of.max(initial=-1)) + 1, dtype=bool)
    found[columns[columns >= 0]] = True
    return found


def grid_voxels(sampler: CortexSampler, points: NDArray) -> NDArray[np.intp]:
    """Return the voxel (n, 3) of each point (n, 3); it may lie outside the functional grid."""
    to_voxels = np.linalg.inv(sampler.grid.affine)
    at = np.atleast_2d(points) @ to_voxels[:3, :3].T + to_voxels[:3, 3]
    return np.floor(np.nan_to_num(at, nan=-1) + 0.5).astype(np.intp)


# --- ROIs ---------------------------------------------------------------------------------


def roi_vertices(sub: Subject, space: Space = "fsnative") -> RoiVertices:
    """Return the vertices of every downloaded ROI, ordered by category.

    Parameters
    ----------
    sub : Subject
    space : {"fsnative", "fsaverage"}
        A vertex of fsaverage belongs to an ROI when at least half of its weight does.

    Returns
    -------
    dict
        ROI to hemisphere to bool of shape (n_vertices,); absent hemispheres are left out. Empty
        when no ROI is downloaded.

    Raises
    ------
    DamagedFileError
    """
    categories = sub.get_available_categories()
    found = sub.get_roi_data(categories, format="func.gii") if categories else {}
    own = {
        roi: {
            side.removeprefix("hemi-"): forms["func.gii"]
            for side, forms in tree.get("gii", {}).items()
        }
        for roi, tree in found.items()
    }
    return own if space == "fsnative" else rois_on_fsaverage(sub, own)


def rois_on_fsaverage(sub: Subject, own: RoiVertices) -> RoiVertices:
    """Resample ROIs of the subject's own vertices, from `roi_vertices`, to fsaverage5."""
    moved: dict[str, dict[str, NDArray[np.bool_]]] = {roi: {} for roi in own}
    for hemi in HEMISPHERES:
        names = [roi for roi, sides in own.items() if hemi in sides]
        if names:
            stacked = np.stack([own[roi][hemi] for roi in names]).astype(np.float32)
            values = to_fsaverage(sub, {hemi: stacked})[hemi]
            for roi, of_roi in zip(names, values, strict=True):
                moved[roi][hemi] = of_roi >= 0.5
    return moved


def rois_of_vertex(rois: RoiVertices, hemi: str, vertex: int) -> list[str]:
    """Return the ROIs, from `roi_vertices`, that a vertex belongs to."""
    return [name for name, sides in rois.items() if hemi in sides and sides[hemi][vertex]]


def rois_of_any(subs: Iterable[Subject]) -> list[str]:
    """Return the ROIs of all subjects without duplicates, ordered by category."""
    by_category: dict[str, set[str]] = {}
    for sub in subs:
        for category in sub.get_available_categories():
            by_category.setdefault(category, set()).update(sub.get_available_rois(category))
    listed = [
        roi
        for category in sorted(by_category)
        for roi in sorted(by_category[category], key=natural_order)
    ]
    return list(dict.fromkeys(listed))


# --- files --------------------------------------------------------------------------------


def gifti_bytes(values: NDArray, hemi: str, name: str = "") -> bytes:
    """Return values of a hemisphere's vertices as the bytes of a ``.func.gii`` file.

    Parameters
    ----------
    values : array of shape (n_vertices,)
    hemi : {"L", "R"}
    name : str
        Name of the values.
    """
    from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

    array = GiftiDataArray(
        np.asarray(values, dtype=np.float32),
        intent="NIFTI_INTENT_NONE",
        datatype="NIFTI_TYPE_FLOAT32",
        meta=GiftiMetaData({"Name": name}),
    )
    structure = {"L": "CortexLeft", "R": "CortexRight"}[hemi]
    image = GiftiImage(
        darrays=[array], meta=GiftiMetaData({"AnatomicalStructurePrimary": structure})
    )
    return image.to_bytes()
