"""The ways from a subject's voxels to surfaces and templates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.masks import MaskSource, nonzero
from laion_fmri.nifti import Grid
from laion_fmri.rois import ALL, hemispheres
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.surfaces import read_sphere, read_surface, require_same_vertices, surface_path
from laion_fmri.templates.arguments import as_trials, by_hemisphere, require_extra
from laion_fmri.templates.cortex import CortexSampler
from laion_fmri.templates.files import MapFiles
from laion_fmri.templates.fsaverage import find_density, read_template_sphere
from laion_fmri.templates.sphere import barycentric_weights
from laion_fmri.templates.talairach import at_voxel_size, read_talairach
from laion_fmri.templates.volume import volume_weights
from laion_fmri.templates.weights import weighted_means

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

    from laion_fmri.subject import Subject

FolderName = str | os.PathLike[str]
Hemispheres = dict[str, NDArray[np.float32]]
TEMPLATE_SPACES = ("fsnative", "fsaverage", "MNI305")


def to_template(
    sub: Subject,
    values: NDArray,
    space: str = "fsaverage",
    hemi: str = ALL,
    *,
    fsaverage_density: str = "fsaverage5",
    mask_source: MaskSource = "anatomical",
    voxel_size: float | None = None,
    output_dir: FolderName | None = None,
    desc: str | None = None,
) -> NDArray[np.float32] | Hemispheres | Nifti1Image:
    """Take values of brain-mask voxels to a surface or to a template.

    Parameters
    ----------
    sub : Subject
    values : array of shape (n_voxels,) or (n_trials, n_voxels)
        One value a voxel of the brain mask; betas as `Subject.get_betas` gives them.
    space : {"fsaverage", "fsnative", "MNI305"}
        ``"fsnative"`` is the subject's own surface, see `volume_to_surface`;
        ``"fsaverage"`` goes on from there, see `surface_to_template`; ``"MNI305"`` is a
        volume, see `volume_to_template`.
    hemi : {"L", "R", "all"}
        For the surfaces.
    fsaverage_density : {"fsaverage5", "fsaverage6", "fsaverage7"}
        10,242, 40,962 or 163,842 vertices a hemisphere. ``"fsaverage"`` is the last.
    mask_source : {"anatomical", "rsquare"}
        The brain mask the values belong to.
    voxel_size : float, optional
        In mm, for MNI305. By default that of the template's volume, 1 mm.
    output_dir : path, optional
        Also write the result there, as BIDS-named ``.func.gii`` or ``.nii.gz`` files.
    desc : str, optional
        What the values are, the ``desc`` of the files' names.

    Returns
    -------
    ndarray of float32, shape (n_vertices,) or (n_trials, n_vertices)
        For one hemisphere.
    dict of ndarray
        For both, keyed ``"L"`` and ``"R"``.
    Nifti1Image of float32, shape (x, y, z) or (x, y, z, n_trials)
        For MNI305.

    Raises
    ------
    UnknownNameError, InvalidArgumentError
        When an argument, or the shape of the values, cannot be used.
    DataNotDownloadedError
        When the recon, the brain mask or fsaverage is not local.
    MissingDependencyError
        When the extra ``template`` is not installed.
    """
    if space not in TEMPLATE_SPACES:
        raise UnknownNameError("template space", space, TEMPLATE_SPACES)
    if space == "MNI305":
        if hemi != ALL:
            raise InvalidArgumentError(
                f"MNI305 is a volume of both hemispheres; hemi={hemi!r} is for surfaces."
            )
        return volume_to_template(
            sub, values, mask_source, voxel_size=voxel_size, output_dir=output_dir, desc=desc
        )
    if voxel_size is not None:
        raise InvalidArgumentError(f"voxel_size is for MNI305; {space} is a surface.")
    if space == "fsnative":
        return volume_to_surface(sub, values, hemi, mask_source, output_dir=output_dir, desc=desc)
    find_density(fsaverage_density)  # before the work that would be lost
    own = volume_to_surface(sub, values, hemi, mask_source)
    return surface_to_template(sub, own, hemi, fsaverage_density, output_dir=output_dir, desc=desc)


@overload
def volume_to_surface(  # type: ignore[overload-overlap]  # "all" is a str as well
    sub: Subject,
    values: NDArray,
    hemi: Literal["all"] = "all",
    mask_source: MaskSource = ...,
    *,
    output_dir: FolderName | None = ...,
    desc: str | None = ...,
) -> Hemispheres: ...
@overload
def volume_to_surface(
    sub: Subject,
    values: NDArray,
    hemi: str,
    mask_source: MaskSource = ...,
    *,
    output_dir: FolderName | None = ...,
    desc: str | None = ...,
) -> NDArray[np.float32]: ...
def volume_to_surface(
    sub: Subject,
    values: NDArray,
    hemi: str = ALL,
    mask_source: MaskSource = "anatomical",
    *,
    output_dir: FolderName | None = None,
    desc: str | None = None,
) -> NDArray[np.float32] | Hemispheres:
    """Sample values of the T1w volume at the vertices of the subject's own surface.

    The numbers are those of `nilearn.surface.vol_to_surf` between the white and the pial
    surface, on the volume of `Subject.to_nifti`: ten samples a vertex, linearly
    interpolated and averaged. Voxels outside the brain mask count as 0, as they are in the
    published volumes. A sample next to a NaN voxel is left out of its vertex's mean.

    Parameters
    ----------
    sub : Subject
    values : array of shape (n_voxels,) or (n_trials, n_voxels)
        One value a voxel of the brain mask.
    hemi : {"L", "R", "all"}
    mask_source : {"anatomical", "rsquare"}
        The brain mask the values belong to.
    output_dir, desc
        As in `to_template`.

    Returns
    -------
    ndarray of float32, shape (n_vertices,) or (n_trials, n_vertices), or dict of both
        NaN where no voxel of the mask is near, and where every sample is next to NaN.

    Raises
    ------
    UnknownNameError, InvalidArgumentError
        When an argument, or the shape of the values, cannot be used.
    DataNotDownloadedError
        When the recon or the brain mask is not local.
    MissingDependencyError
        When the extra ``template`` is not installed.
    """
    require_extra()
    sides = hemispheres(hemi)
    grid, column_of = _voxels(sub, mask_source)
    trials, single = as_trials(values, _n_voxels(column_of), f"voxel of the {mask_source} mask")
    recon = sub.get_freesurfer_dir()
    files = _files(sub, output_dir, desc)
    found: Hemispheres = {}
    for side in sides:
        pial, white = (read_surface(recon, side, kind) for kind in ("pial", "white"))
        require_same_vertices(white, pial.points, surface_path(recon, side, "pial"))
        sampled = CortexSampler(pial, white, grid, column_of).means(trials)
        found[side] = sampled[0] if single else sampled
        if files:
            files.write_surface(found[side], side, "fsnative")
    return found if hemi == ALL else found[hemi]


def surface_to_template(
    sub: Subject,
    values: NDArray | Mapping[str, NDArray],
    hemi: str = ALL,
    fsaverage_density: str = "fsaverage5",
    *,
    output_dir: FolderName | None = None,
    desc: str | None = None,
) -> NDArray[np.float32] | Hemispheres:
    """Take values of the subject's own surface to fsaverage, through ``sphere.reg``.

    Each vertex of fsaverage lies in a triangle of the registered sphere and takes from its
    three corners by barycentric weights, as ``nitransforms.surface.SurfaceResampler`` does.
    Corners that are NaN are left out as long as those with a value hold half of the weight.

    Parameters
    ----------
    sub : Subject
    values : array of shape (n_vertices,) or (n_trials, n_vertices), or dict of them
        One hemisphere's values with `hemi` to say which, or a dict keyed by hemisphere;
        one that is absent stays absent. Masks may be bool.
    hemi : {"L", "R", "all"}
    fsaverage_density : {"fsaverage5", "fsaverage6", "fsaverage7"}
    output_dir, desc
        As in `to_template`.

    Returns
    -------
    ndarray of float32, shape (n_vertices,) or (n_trials, n_vertices), or dict of them
        NaN where less than half of the weight falls on values.

    Raises
    ------
    UnknownNameError, InvalidArgumentError
        When an argument, or the shape of the values, cannot be used.
    DataNotDownloadedError
        When the recon or that density of fsaverage is not local.
    MissingDependencyError
        When the extra ``template`` is not installed.
    """
    require_extra()
    density = find_density(fsaverage_density)
    given = by_hemisphere(values, hemi)
    recon = sub.get_freesurfer_dir()
    files = _files(sub, output_dir, desc)
    found: Hemispheres = {}
    for side, of_side in given.items():
        own = read_sphere(surface_path(recon, side, "sphere.reg"))
        trials, single = as_trials(of_side, len(own.points), f"vertex of hemisphere {side}")
        target = read_template_sphere(density, side)
        weights = barycentric_weights(own.points, own.triangles, target)
        moved = weighted_means(weights, trials)
        found[side] = moved[0] if single else moved
        if files:
            files.write_surface(found[side], side, "fsaverage", density.den)
    return found if hemi == ALL else found[hemi]


def volume_to_template(
    sub: Subject,
    values: NDArray,
    mask_source: MaskSource = "anatomical",
    *,
    voxel_size: float | None = None,
    output_dir: FolderName | None = None,
    desc: str | None = None,
) -> Nifti1Image:
    """Take values of the T1w volume to MNI305, through ``talairach.lta``.

    Linear interpolation between the voxels that have a value: those outside the brain mask
    and NaN are left out as long as the others hold half of the weight.

    Parameters
    ----------
    sub : Subject
    values : array of shape (n_voxels,) or (n_trials, n_voxels)
        One value a voxel of the brain mask.
    mask_source : {"anatomical", "rsquare"}
        The brain mask the values belong to.
    voxel_size : float, optional
        In mm. By default the grid is that of the volume the registration was made to,
        256 voxels of 1 mm along each axis: 67 MB a trial. Voxels of 2 mm make it 8 MB.
    output_dir, desc
        As in `to_template`.

    Returns
    -------
    Nifti1Image of float32, shape (x, y, z) or (x, y, z, n_trials)
        In memory. NaN where less than half of the weight falls on values.

    Raises
    ------
    UnknownNameError, InvalidArgumentError
        When an argument, or the shape of the values, cannot be used.
    DataNotDownloadedError
        When the recon or the brain mask is not local.
    MissingDependencyError
        When the extra ``template`` is not installed.
    """
    require_extra()
    grid, column_of = _voxels(sub, mask_source)
    trials, single = as_trials(values, _n_voxels(column_of), f"voxel of the {mask_source} mask")
    talairach = read_talairach(sub.get_freesurfer_dir())
    target = talairach.grid
    if voxel_size is not None:
        target = at_voxel_size(target, voxel_size)
    files = _files(sub, output_dir, desc)
    reached, weights = volume_weights(grid, column_of, target, talairach.to_mni305)
    image = _as_image(weighted_means(weights, trials), reached, target, single)
    if files:
        files.write_volume(image, "MNI305", voxel_size)
    return image


def _voxels(sub: Subject, mask_source: MaskSource) -> tuple[Grid, NDArray[np.int32]]:
    """The functional grid, and the place of each of its voxels among the mask's; -1 outside."""
    brain = SubjectFiles(sub.name, sub.data_dir).brain_volume(mask_source)
    column_of = np.full(brain.grid.n_voxels, -1, dtype=np.int32)
    masked = np.flatnonzero(nonzero(brain))
    column_of[masked] = np.arange(len(masked), dtype=np.int32)
    return brain.grid, column_of


def _n_voxels(column_of: NDArray[np.int32]) -> int:
    return int(column_of.max(initial=-1)) + 1


def _as_image(
    values: NDArray[np.float32], voxels: NDArray[np.intp], grid: Grid, single: bool
) -> Nifti1Image:
    """Values of some voxels (flat, Fortran order) as a volume that is NaN elsewhere."""
    import nibabel

    filled = np.full((grid.n_voxels, len(values)), np.nan, dtype=np.float32, order="F")
    filled[voxels] = values.T
    volumes = filled.reshape((*grid.shape, len(values)), order="F")
    return nibabel.nifti1.Nifti1Image(volumes[..., 0] if single else volumes, grid.affine)


def _files(sub: Subject, output_dir: FolderName | None, desc: str | None) -> MapFiles | None:
    return None if output_dir is None else MapFiles(output_dir, sub.name, desc)
