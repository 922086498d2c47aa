"""Values of voxels as volumes, and the anatomical files of one subject."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.betas import brain_mask, chosen_voxels
from laion_fmri.subject_files import LocalSubject, RoiQuery
from laion_fmri.volumes.masks import MaskSource, filled, on_voxels
from laion_fmri.volumes.nifti import Grid

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image


class VolumeAccessors(LocalSubject):
    """The accessors of `Subject` for volumes and anatomical files."""

    def to_nifti(
        self,
        values: NDArray,
        output_path: str | os.PathLike[str],
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        mask_source: MaskSource = "anatomical",
    ) -> Path:
        """Write one value per voxel as a volume on the functional grid.

        Parameters
        ----------
        values : array of shape (n_voxels,)
            One value per voxel of `roi` or `mask`, as from ``get_betas(roi=…)``, or per voxel of
            the brain mask.
        output_path : path
            Ends in ``.nii`` or ``.nii.gz``.
        roi, mask, mask_source
            Voxels, as in `get_betas`. All other voxels are 0.

        Returns
        -------
        Path
            `output_path`.

        Raises
        ------
        InvalidArgumentError
            When the length of the values is wrong, or the name is not that of a NIfTI.
        """
        from laion_fmri.volumes.grid import write_volume

        grid, volume = self.to_volume(values, roi, mask, mask_source)
        return write_volume(Path(output_path), volume, grid)

    def to_image(
        self,
        values: NDArray,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        mask_source: MaskSource = "anatomical",
    ) -> Nifti1Image:
        """Return the image of `to_nifti` in memory, for nilearn and nibabel."""
        from laion_fmri.volumes.grid import volume_image

        grid, volume = self.to_volume(values, roi, mask, mask_source)
        return volume_image(volume, grid)

    def to_volume(
        self,
        values: NDArray,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        mask_source: MaskSource = "anatomical",
    ) -> tuple[Grid, NDArray]:
        """Return the functional grid, and the values of `to_nifti` as an array of its shape."""
        grid, brain = brain_mask(self._files, mask_source)
        values = np.asarray(values)
        if values.ndim != 1:
            raise InvalidArgumentError(
                f"One value a voxel was expected; this array has shape {values.shape}."
            )
        chosen = self._files.chosen(grid, roi, mask)
        volume = np.zeros(grid.n_voxels, dtype=values.dtype)
        volume[brain] = filled(values, on_voxels(brain, brain if chosen is None else chosen), 0)
        return grid, volume.reshape(grid.shape)

    def get_voxel_coordinates(
        self,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        mask_source: MaskSource = "anatomical",
    ) -> NDArray[np.float64]:
        """Return the positions of voxels, in mm of the T1w space.

        Parameters
        ----------
        roi, mask, mask_source
            Voxels, as in `get_betas`: every voxel of the brain mask by default.

        Returns
        -------
        ndarray of float64, shape (n_voxels, 3)
            One row per voxel, in the order of the columns of the betas.
        """
        grid, wanted = chosen_voxels(self._files, roi, mask, mask_source)
        indices = np.stack(np.unravel_index(wanted, grid.shape), axis=1)
        return indices @ grid.affine[:3, :3].T + grid.affine[:3, 3]

    def has_anatomical(self) -> bool:
        """Whether any anatomical volume is downloaded."""
        return any(self._files.path(layout.anatomical_dir(self.name)).glob("*.nii.gz"))

    def get_anatomical_dir(self) -> Path:
        """Return the subject's folder below ``derivatives/anatomical``."""
        return self._files.local(f"{layout.ANATOMICAL_TREE}/{self.name}", include="anatomical")

    def get_t1w(self, res: str | None = None) -> Path:
        """Return the path of the T1w volume; ``res="1pt8"`` for the functional grid."""
        return self._files.local(layout.anatomical(self.name, "T1w", res), include="anatomical")

    def get_t2w(self, res: str | None = None) -> Path:
        """Return the path of the T2w volume; ``res="1pt8"`` for the functional grid."""
        return self._files.local(layout.anatomical(self.name, "T2w", res), include="anatomical")

    def get_anatomical_brain_mask(self, res: str | None = None) -> Path:
        """Return the path of the anatomical brain mask; ``res="1pt8"`` for the functional grid."""
        what = layout.anatomical(self.name, "desc-brain_mask", res)
        return self._files.local(what, include="anatomical")

    def has_freesurfer(self) -> bool:
        """Whether the FreeSurfer recon is downloaded."""
        return (self._files.path(layout.freesurfer_dir(self.name)) / "surf").is_dir()

    def get_freesurfer_dir(self) -> Path:
        """Return the folder of the FreeSurfer recon, a FreeSurfer subject directory."""
        return self._files.freesurfer_dir()
