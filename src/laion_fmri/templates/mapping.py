"""Mapping of a subject's voxels to surfaces and templates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.arguments import one_of
from laion_fmri.betas import brain_mask
from laion_fmri.subject_files import LocalSubject, RoiQuery, SubjectFiles
from laion_fmri.templates.arguments import as_trials, by_hemisphere, require_extra
from laion_fmri.templates.cortex import CortexSampler
from laion_fmri.templates.files import MapFiles
from laion_fmri.templates.fsaverage import find_density, read_template_sphere
from laion_fmri.templates.sphere import barycentric_weights
from laion_fmri.templates.talairach import at_voxel_size, read_talairach
from laion_fmri.templates.volume import volume_weights
from laion_fmri.templates.weights import weighted_means
from laion_fmri.volumes.grid import read_volume, require_same_grid
from laion_fmri.volumes.masks import MaskSource, filled, on_voxels
from laion_fmri.volumes.nifti import Grid, own_file
from laion_fmri.volumes.rois import ALL, hemispheres, read_surface_values
from laion_fmri.volumes.surfaces import (
    read_sphere,
    read_surface,
    require_same_vertices,
    surface_path,
)

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

FolderName = str | os.PathLike[str]
Hemispheres = dict[str, NDArray[np.float32]]
Values = NDArray | FolderName
SURFACE_SPACES = ("fsnative", "fsaverage")
TEMPLATE_SPACES = (*SURFACE_SPACES, "MNI305")
ROUTES = ("auto", "surface", "volume")
_ELSEWHERE = "neuromaps takes maps on from fsaverage to fsLR, civet and MNI152."


@overload
def to_template(
    sub: LocalSubject, values: Values, target: Literal["MNI305"], **kwargs: Any
) -> Nifti1Image: ...


@overload
def to_template(
    sub: LocalSubject,
    values: Values,
    target: Literal["fsaverage", "fsnative"] = ...,
    *,
    hemi: Literal["L", "R"],
    **kwargs: Any,
) -> NDArray[np.float32]: ...


@overload
def to_template(
    sub: LocalSubject,
    values: Values,
    target: Literal["fsaverage", "fsnative"] = ...,
    *,
    hemi: Literal["all"] | None = ...,
    **kwargs: Any,
) -> Hemispheres: ...


@overload
def to_template(
    sub: LocalSubject, values: Values, target: str, *, hemi: str | None = ..., **kwargs: Any
) -> NDArray[np.float32] | Hemispheres | Nifti1Image: ...


def to_template(  # type: ignore[misc]  # its overloads leave out what decides nothing
    sub: LocalSubject,
    values: Values,
    target: str = "fsaverage",
    *,
    hemi: str | None = None,
    route: str = "auto",
    surface: str = "white",
    fsaverage_density: str = "fsaverage5",
    fslr_density: str = "32k",
    interpolation: str = "linear",
    output_dir: FolderName | None = None,
    desc: str | None = None,
    session: str | int | None = None,
    roi: RoiQuery | None = None,
    mask: NDArray[np.bool_] | None = None,
    mask_source: MaskSource = "anatomical",
    voxel_size: float | None = None,
) -> NDArray[np.float32] | Hemispheres | Nifti1Image:
    """Map values of voxels to a surface or to a template.

    Parameters
    ----------
    sub : Subject
    values : array of shape (n_voxels,) or (n_trials, n_voxels), or path
        One value per voxel of `roi` or `mask`, or of the brain mask, as from `Subject.get_betas`;
        or a NIfTI volume on the functional grid, as from `Subject.to_nifti`.
    target : {"fsaverage", "fsnative", "MNI305"}
        ``"fsnative"`` is the subject's own surface; ``"fsaverage"`` is mapped from it, see
        `volume_to_surface`; ``"MNI305"`` is a volume, see `volume_to_template`.
    hemi : {"L", "R", "all"}, optional
        For the surfaces; both by default.
    route : {"auto", "surface", "volume"}
        Surfaces are mapped via the subject's own surface, MNI305 via its volume; ``"auto"`` selects
        the route of the target.
    surface : {"white"}
        Surface at which sampling starts; it ends at the pial surface.
    fsaverage_density : {"fsaverage5", "fsaverage6", "fsaverage7"}
        10,242, 40,962 or 163,842 vertices per hemisphere. ``"fsaverage"`` is the last.
    fslr_density : {"32k"}
        For fsLR, which is not among the targets.
    interpolation : {"linear"}
    output_dir : path, optional
        Also write the result there, as BIDS-named ``.func.gii`` or ``.nii.gz`` files.
    desc, session : str, optional
        Description and session of the values, for the file names.
    roi, mask, mask_source
        Voxels, as in `Subject.get_betas`. Other voxels have no value.
    voxel_size : float, optional
        In mm, for MNI305; 1 mm by default, as in the template's volume.

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
        When an argument, or the shape of the values, is invalid.
    InconsistentDataError
        When a file of values has another grid.
    DataNotDownloadedError
        When the recon, the brain mask or fsaverage is not available locally.
    MissingDependencyError
        When the extra ``template`` is not installed.
    """
    target = one_of("template space", target, TEMPLATE_SPACES, _ELSEWHERE)
    one_of("fsLR density", fslr_density, ("32k",), _ELSEWHERE)
    way = "volume" if target == "MNI305" else "surface"
    if one_of("route", route, ROUTES) not in ("auto", way):
        raise InvalidArgumentError(
            f"There is no route by way of the {route} to {target}. Leave out route={route!r}."
        )
    if target == "MNI305":
        if hemi not in (None, ALL):
            raise InvalidArgumentError(
                f"MNI305 is a volume of both hemispheres; hemi={hemi!r} is for surfaces."
            )
        return volume_to_template(
            sub, values, target, interpolation=interpolation, output_dir=output_dir, desc=desc,
            session=session, roi=roi, mask=mask, mask_source=mask_source, voxel_size=voxel_size,
        )  # fmt: skip
    if voxel_size is not None:
        raise InvalidArgumentError(f"voxel_size is for MNI305; {target} is a surface.")
    return volume_to_surface(
        sub, values, target, hemi=hemi, surface=surface, fsaverage_density=fsaverage_density,
        interpolation=interpolation, output_dir=output_dir, desc=desc, session=session,
        roi=roi, mask=mask, mask_source=mask_source,
    )  # fmt: skip


@overload
def volume_to_surface(
    sub: LocalSubject, values: Values, target: str = ..., *, hemi: Literal["L", "R"], **kwargs: Any
) -> NDArray[np.float32]: ...


@overload
def volume_to_surface(
    sub: LocalSubject,
    values: Values,
    target: str = ...,
    *,
    hemi: Literal["all"] | None = ...,
    **kwargs: Any,
) -> Hemispheres: ...


@overload
def volume_to_surface(
    sub: LocalSubject, values: Values, target: str = ..., *, hemi: str | None, **kwargs: Any
) -> NDArray[np.float32] | Hemispheres: ...


def volume_to_surface(  # type: ignore[misc]  # its overloads leave out what decides nothing
    sub: LocalSubject,
    values: Values,
    target: str = "fsaverage",
    *,
    hemi: str | None = None,
    surface: str = "white",
    fsaverage_density: str = "fsaverage5",
    interpolation: str = "linear",
    output_dir: FolderName | None = None,
    desc: str | None = None,
    session: str | int | None = None,
    roi: RoiQuery | None = None,
    mask: NDArray[np.bool_] | None = None,
    mask_source: MaskSource = "anatomical",
) -> NDArray[np.float32] | Hemispheres:
    """Sample values of the T1w volume at the vertices of a surface.

    On the subject's own surface, the values equal those of `nilearn.surface.vol_to_surf` between
    the white and the pial surface, on the volume of `Subject.to_nifti`: ten samples per vertex,
    linearly interpolated and averaged. Voxels outside the brain mask count as 0, as in the
    published volumes. NaN voxels, and voxels outside `roi` or `mask`, are ignored: a vertex has a
    value if other voxels of the mask hold at least half of its weight. `surface_to_template` then
    maps the values to fsaverage.

    Parameters
    ----------
    sub : Subject
    values : array of shape (n_voxels,) or (n_trials, n_voxels), or path
    target : {"fsaverage", "fsnative"}
    hemi, surface, fsaverage_density, interpolation, output_dir, desc, session
        As in `to_template`.
    roi, mask, mask_source
        Voxels, as in `to_template`.

    Returns
    -------
    ndarray of float32, shape (n_vertices,) or (n_trials, n_vertices), or dict of both
        NaN where no voxel of the mask is near, or NaN voxels leave too little weight.

    Raises
    ------
    UnknownNameError, InvalidArgumentError
        When an argument, or the shape of the values, is invalid.
    InconsistentDataError
        When a file of values has another grid.
    DataNotDownloadedError
        When the recon, the brain mask or fsaverage is not available locally.
    MissingDependencyError
        When the extra ``template`` is not installed.
    """
    require_extra()
    target = one_of("surface space", target, SURFACE_SPACES, _ELSEWHERE)
    one_of("surface", surface, ("white",), "Samples run from the white to the pial surface.")
    one_of("interpolation", interpolation, ("linear",))
    find_density(fsaverage_density)  # validated before the expensive work
    sides = hemispheres(hemi)
    grid, column_of, trials, single = _voxel_values(sub, values, roi, mask, mask_source)
    recon = SubjectFiles(sub.name, sub.data_dir).freesurfer_dir()
    files = _files(sub, output_dir, desc, session)
    found: Hemispheres = {}
    for side in sides:
        pial, white = (read_surface(recon, side, kind) for kind in ("pial", "white"))
        require_same_vertices(white, pial.points, surface_path(recon, side, "pial"))
        sampled = CortexSampler(pial, white, grid, column_of).means(trials)
        found[side] = sampled[0] if single else sampled
        if files and target == "fsnative":
            files.write_surface(found[side], side, "fsnative")
    if target == "fsaverage":
        return surface_to_template(
            sub, found, target, hemi=hemi, fsaverage_density=fsaverage_density,
            output_dir=output_dir, desc=desc, session=session,
        )  # fmt: skip
    return found if len(sides) > 1 else found[sides[0]]


@overload
def surface_to_template(
    sub: LocalSubject,
    values: Values | Mapping[str, Values],
    target: str = ...,
    *,
    hemi: Literal["L", "R"],
    **kwargs: Any,
) -> NDArray[np.float32]: ...


@overload
def surface_to_template(
    sub: LocalSubject,
    values: Values | Mapping[str, Values],
    target: str = ...,
    *,
    hemi: Literal["all"] | None = ...,
    **kwargs: Any,
) -> Hemispheres: ...


@overload
def surface_to_template(
    sub: LocalSubject,
    values: Values | Mapping[str, Values],
    target: str = ...,
    *,
    hemi: str | None,
    **kwargs: Any,
) -> NDArray[np.float32] | Hemispheres: ...


def surface_to_template(  # type: ignore[misc]  # its overloads leave out what decides nothing
    sub: LocalSubject,
    values: Values | Mapping[str, Values],
    target: str = "fsaverage",
    *,
    hemi: str | None = None,
    fsaverage_density: str = "fsaverage5",
    interpolation: str = "linear",
    output_dir: FolderName | None = None,
    desc: str | None = None,
    session: str | int | None = None,
) -> NDArray[np.float32] | Hemispheres:
    """Map values of the subject's own surface to fsaverage, through ``sphere.reg``.

    Each vertex of fsaverage lies in a triangle of the registered sphere, whose corners are averaged
    with barycentric weights, as in ``nitransforms.surface.SurfaceResampler``. NaN corners are
    ignored if the others hold at least half of the weight.

    Parameters
    ----------
    sub : Subject
    values : array of shape (n_vertices,) or (n_trials, n_vertices), path, or dict of them
        Values of the hemisphere `hemi`, or a dict keyed by hemisphere, which may lack one. Masks
        may be bool. A path is a GIFTI file with one value per vertex.
    target : {"fsaverage"}
    hemi, fsaverage_density, interpolation, output_dir, desc, session
        As in `to_template`.

    Returns
    -------
    ndarray of float32, shape (n_vertices,) or (n_trials, n_vertices), or dict of them
        NaN where valid values hold less than half of the weight.

    Raises
    ------
    UnknownNameError, InvalidArgumentError
        When an argument, or the shape of the values, is invalid.
    DataNotDownloadedError
        When the recon or this density of fsaverage is not available locally.
    MissingDependencyError
        When the extra ``template`` is not installed.
    """
    require_extra()
    one_of("surface template", target, ("fsaverage",), _ELSEWHERE)
    one_of("interpolation", interpolation, ("linear",))
    density = find_density(fsaverage_density)
    given = by_hemisphere(values, hemi)
    recon = SubjectFiles(sub.name, sub.data_dir).freesurfer_dir()
    files = _files(sub, output_dir, desc, session)
    found: Hemispheres = {}
    for side, of_side in given.items():
        if isinstance(of_side, str | os.PathLike):
            with own_file():
                of_side = read_surface_values(Path(of_side))
        own = read_sphere(surface_path(recon, side, "sphere.reg"))
        trials, single = as_trials(of_side, len(own.points), f"vertex of hemisphere {side}")
        template = read_template_sphere(density, side)
        weights = barycentric_weights(own.points, own.triangles, template)
        moved = weighted_means(weights, trials)
        found[side] = moved[0] if single else moved
        if files:
            files.write_surface(found[side], side, "fsaverage", density.den)
    sides = hemispheres(hemi)
    return found if len(sides) > 1 else found[sides[0]]


def volume_to_template(
    sub: LocalSubject,
    values: Values,
    target: str = "MNI305",
    *,
    interpolation: str = "linear",
    output_dir: FolderName | None = None,
    desc: str | None = None,
    session: str | int | None = None,
    roi: RoiQuery | None = None,
    mask: NDArray[np.bool_] | None = None,
    mask_source: MaskSource = "anatomical",
    voxel_size: float | None = None,
) -> Nifti1Image:
    """Map values of the T1w volume to MNI305, through ``talairach.lta``.

    Linear interpolation between voxels with a value: voxels outside the brain mask and NaN voxels
    are ignored if the others hold at least half of the weight.

    Parameters
    ----------
    sub : Subject
    values : array of shape (n_voxels,) or (n_trials, n_voxels), or path
    target : {"MNI305"}
    interpolation, output_dir, desc, session
        As in `to_template`.
    roi, mask, mask_source
        Voxels, as in `to_template`.
    voxel_size : float, optional
        In mm. By default, the grid of the registration target: 256 voxels of 1 mm along each axis,
        67 MB per trial. Voxels of 2 mm need 8 MB.

    Returns
    -------
    Nifti1Image of float32, shape (x, y, z) or (x, y, z, n_trials)
        In memory. NaN where valid values hold less than half of the weight.

    Raises
    ------
    UnknownNameError, InvalidArgumentError
        When an argument, or the shape of the values, is invalid.
    InconsistentDataError
        When a file of values has another grid.
    DataNotDownloadedError
        When the recon or the brain mask is not downloaded.
    MissingDependencyError
        When the extra ``template`` is not installed.
    """
    require_extra()
    one_of("volume template", target, ("MNI305",), "volume_to_surface goes to surfaces.")
    one_of("interpolation", interpolation, ("linear",))
    grid, column_of, trials, single = _voxel_values(sub, values, roi, mask, mask_source)
    talairach = read_talairach(SubjectFiles(sub.name, sub.data_dir).freesurfer_dir())
    template = talairach.grid
    if voxel_size is not None:
        template = at_voxel_size(template, voxel_size)
    files = _files(sub, output_dir, desc, session)
    reached, weights = volume_weights(grid, column_of, template, talairach.to_mni305)
    image = _as_image(weighted_means(weights, trials), reached, template, single)
    if files:
        files.write_volume(image, "MNI305", voxel_size)
    return image


def _voxel_values(
    sub: LocalSubject,
    values: Values,
    roi: RoiQuery | None,
    mask: NDArray[np.bool_] | None,
    mask_source: str,
) -> tuple[Grid, NDArray[np.int32], NDArray, bool]:
    """Return grid, mask index of each grid voxel (-1 outside), values, and whether single."""
    own = SubjectFiles(sub.name, sub.data_dir)
    grid, brain = brain_mask(own, mask_source)
    if isinstance(values, str | os.PathLike):
        with own_file():
            volume = read_volume(Path(values))
        require_same_grid(grid, volume.grid, volume.path)
        values = volume.flat[brain]
    values = np.asarray(values)
    chosen = own.chosen(grid, roi, mask)
    if chosen is not None:
        values = filled(values, on_voxels(brain, chosen), np.nan)
    n_voxels = int(np.count_nonzero(brain))
    trials, single = as_trials(values, n_voxels, f"voxel of the {mask_source} mask")
    column_of = np.full(grid.n_voxels, -1, dtype=np.int32)
    column_of[brain] = np.arange(n_voxels, dtype=np.int32)
    return grid, column_of, trials, single


def _as_image(
    values: NDArray[np.float32], voxels: NDArray[np.intp], grid: Grid, single: bool
) -> Nifti1Image:
    """Return values of voxels (flat, Fortran order) as a volume that is NaN elsewhere."""
    import nibabel

    filled = np.full((grid.n_voxels, len(values)), np.nan, dtype=np.float32, order="F")
    filled[voxels] = values.T
    volumes = filled.reshape((*grid.shape, len(values)), order="F")
    return nibabel.nifti1.Nifti1Image(volumes[..., 0] if single else volumes, grid.affine)


def _files(
    sub: LocalSubject, output_dir: FolderName | None, desc: str | None, session: str | int | None
) -> MapFiles | None:
    return None if output_dir is None else MapFiles(output_dir, sub.name, desc, session)
