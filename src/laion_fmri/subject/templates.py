"""Values of voxels on surfaces and in template spaces."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from laion_fmri.subject_files import LocalSubject, RoiQuery
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

Values = NDArray | str | os.PathLike[str]
Hemispheres = dict[str, NDArray[np.float32]]


class TemplateAccessors(LocalSubject):
    """The accessors of `Subject` for surfaces and template spaces."""

    @overload
    def to_template(
        self, values: Values, target: Literal["MNI305"], **kwargs: Any
    ) -> Nifti1Image: ...

    @overload
    def to_template(
        self,
        values: Values,
        target: Literal["fsaverage", "fsnative"] = ...,
        *,
        hemi: Literal["L", "R"],
        **kwargs: Any,
    ) -> NDArray[np.float32]: ...

    @overload
    def to_template(
        self,
        values: Values,
        target: Literal["fsaverage", "fsnative"] = ...,
        *,
        hemi: Literal["all"] | None = ...,
        **kwargs: Any,
    ) -> Hemispheres: ...

    @overload
    def to_template(
        self, values: Values, target: str, *, hemi: str | None = ..., **kwargs: Any
    ) -> NDArray[np.float32] | Hemispheres | Nifti1Image: ...

    def to_template(  # type: ignore[misc]  # its overloads leave out what decides nothing
        self,
        values: Values,
        target: str = "fsaverage",
        *,
        hemi: str | None = None,
        route: str = "auto",
        surface: str = "white",
        fsaverage_density: str = "fsaverage5",
        fslr_density: str = "32k",
        interpolation: str = "linear",
        output_dir: str | os.PathLike[str] | None = None,
        desc: str | None = None,
        session: str | int | None = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        mask_source: MaskSource = "anatomical",
        voxel_size: float | None = None,
    ) -> NDArray[np.float32] | Hemispheres | Nifti1Image:
        """Map values of voxels to a surface or to a template.

        See `laion_fmri.templates.to_template` for details of the arguments.

        Parameters
        ----------
        values : array of shape (n_voxels,) or (n_trials, n_voxels), or path
            One value per voxel of the brain mask, or of `roi` or `mask`; or a NIfTI volume on the
            functional grid.
        target : {"fsaverage", "fsnative", "MNI305"}
        hemi : {"L", "R", "all"}, optional
            Both by default.
        route : {"auto", "surface", "volume"}
        surface : {"white"}
        fsaverage_density : {"fsaverage5", "fsaverage6", "fsaverage7"}
        fslr_density : {"32k"}
        interpolation : {"linear"}
        output_dir : path, optional
            Also write BIDS-named files there, with `desc` and `session` in their names.
        roi, mask, mask_source
            Voxels, as in `get_betas`. Other voxels have no value.
        voxel_size : float, optional
            In mm, for MNI305.

        Returns
        -------
        ndarray of float32, shape (n_vertices,) or (n_trials, n_vertices)
            For one hemisphere; for both a dict keyed ``"L"`` and ``"R"``; for MNI305 a
            Nifti1Image of shape (x, y, z) or (x, y, z, n_trials). NaN where there is no value.

        Raises
        ------
        DataNotDownloadedError
            When the recon is not downloaded: ``download(subject, include_freesurfer=True)``.
        MissingDependencyError
            When the extra ``template`` is not installed.
        """
        from laion_fmri.templates import to_template

        return to_template(
            self, values, target, hemi=hemi, route=route, surface=surface,
            fsaverage_density=fsaverage_density, fslr_density=fslr_density,
            interpolation=interpolation, output_dir=output_dir, desc=desc, session=session,
            roi=roi, mask=mask, mask_source=mask_source, voxel_size=voxel_size,
        )  # fmt: skip

    @overload
    def volume_to_surface(
        self, values: Values, target: str = ..., *, hemi: Literal["L", "R"], **options: Any
    ) -> NDArray[np.float32]: ...

    @overload
    def volume_to_surface(
        self,
        values: Values,
        target: str = ...,
        *,
        hemi: Literal["all"] | None = ...,
        **options: Any,
    ) -> Hemispheres: ...

    @overload
    def volume_to_surface(
        self, values: Values, target: str = ..., **options: Any
    ) -> NDArray[np.float32] | Hemispheres: ...

    def volume_to_surface(
        self, values: Values, target: str = "fsaverage", **options: Any
    ) -> NDArray[np.float32] | Hemispheres:
        """Call `laion_fmri.templates.volume_to_surface` for this subject."""
        from laion_fmri.templates import volume_to_surface

        return volume_to_surface(self, values, target, **options)

    @overload
    def surface_to_template(
        self,
        values: Values | Mapping[str, Values],
        target: str = ...,
        *,
        hemi: Literal["L", "R"],
        **options: Any,
    ) -> NDArray[np.float32]: ...

    @overload
    def surface_to_template(
        self,
        values: Values | Mapping[str, Values],
        target: str = ...,
        *,
        hemi: Literal["all"] | None = ...,
        **options: Any,
    ) -> Hemispheres: ...

    @overload
    def surface_to_template(
        self, values: Values | Mapping[str, Values], target: str = ..., **options: Any
    ) -> NDArray[np.float32] | Hemispheres: ...

    def surface_to_template(
        self,
        values: Values | Mapping[str, Values],
        target: str = "fsaverage",
        **options: Any,
    ) -> NDArray[np.float32] | Hemispheres:
        """Call `laion_fmri.templates.surface_to_template` for this subject."""
        from laion_fmri.templates import surface_to_template

        return surface_to_template(self, values, target, **options)

    def volume_to_template(
        self, values: Values, target: str = "MNI305", **options: Any
    ) -> Nifti1Image:
        """Call `laion_fmri.templates.volume_to_template` for this subject."""
        from laion_fmri.templates import volume_to_template

        return volume_to_template(self, values, target, **options)
