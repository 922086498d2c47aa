"""From the T1w volume to the cortical surface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import MissingDependencyError
from laion_fmri.masks import MaskSource
from laion_fmri.surfaces import read_surface

if TYPE_CHECKING:
    from laion_fmri.subject import Subject


def volume_to_surface(
    sub: Subject, values: NDArray, hemi: str, mask_source: MaskSource = "anatomical"
) -> NDArray[np.float32]:
    """Sample a map of the T1w volume at the vertices of the subject's own surface.

    The volume is averaged between the white and the pial surface at each vertex, by
    `nilearn.surface.vol_to_surf`.

    Parameters
    ----------
    sub : Subject
    values : array of shape (n_voxels,)
        One value a voxel of the brain mask.
    hemi : {"L", "R"}
    mask_source : {"anatomical", "rsquare"}
        The brain mask the values belong to.

    Returns
    -------
    ndarray of float32, shape (n_vertices,)
        NaN where no voxel of the grid is near.

    Raises
    ------
    DataNotDownloadedError
        When the recon is not local.
    MissingDependencyError
        When nilearn is not installed.
    """
    try:
        from nilearn.surface import vol_to_surf
    except ImportError as error:
        raise MissingDependencyError(
            "Surface maps need nilearn. Install the extra: "
            'pip install "laion-fmri-explorer[template]".'
        ) from error
    import nibabel

    grid, volume = sub.to_volume(np.asarray(values, dtype=np.float32), mask_source)
    recon = sub.get_freesurfer_dir()
    pial, white = (read_surface(recon, hemi, kind) for kind in ("pial", "white"))
    sampled = vol_to_surf(
        nibabel.nifti1.Nifti1Image(volume, grid.affine),
        surf_mesh=(pial.points, pial.triangles),
        inner_mesh=(white.points, white.triangles),
    )
    return np.asarray(sampled, dtype=np.float32)
