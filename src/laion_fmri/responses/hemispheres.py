"""The hemisphere of each voxel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import DamagedFileError
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.nifti import Grid, translated_errors

RIBBON = "mri/ribbon.mgz"
_LABELS = {"L": (2, 3), "R": (41, 42)}  # FreeSurfer: white matter and cortex of each hemisphere


def hemispheres(
    files: SubjectFiles, grid: Grid, brain: NDArray[np.bool_], points: NDArray[np.float64]
) -> NDArray[np.str_]:
    """Return the hemisphere of points in the brain.

    A point in white matter or cortex has the hemisphere of FreeSurfer's ribbon. Other points have
    that of their side of the plane halfway between the hemispheres. Without a recon, this is the
    sagittal plane through the middle of the brain mask.

    Parameters
    ----------
    files : SubjectFiles
    grid : Grid
    brain : ndarray of bool, shape (n_total_voxels,)
        The brain mask on the grid.
    points : ndarray of float, shape (n_points, 3)
        In mm of the T1w space.

    Returns
    -------
    ndarray of str, shape (n_points,)
        ``"L"`` or ``"R"``.

    Raises
    ------
    DamagedFileError
        When the ribbon cannot be read, or lacks a hemisphere.
    """
    path = files.path(layout.freesurfer_dir(files.name)) / RIBBON
    if not path.is_file():
        inside = np.stack(np.unravel_index(np.flatnonzero(brain), grid.shape), axis=1)
        middle = (inside @ grid.affine[:3, :3].T + grid.affine[:3, 3])[:, 0].mean()
        return np.where(points[:, 0] < middle, "L", "R")
    import nibabel

    with translated_errors(path):
        image = nibabel.loadsave.load(path)
        labels = np.asarray(image.dataobj)  # type: ignore[attr-defined]
        affine: NDArray[np.float64] = image.affine  # type: ignore[attr-defined]
    sides = {side: np.isin(labels, found) for side, found in _LABELS.items()}
    if not all(inside.any() for inside in sides.values()):
        raise DamagedFileError(path, "it lacks the labels of a hemisphere")
    left, right = (
        np.argwhere(inside).mean(axis=0) @ affine[:3, :3].T + affine[:3, 3]
        for inside in sides.values()
    )
    is_right = (points - (left + right) / 2) @ (right - left) > 0
    found = np.where(is_right, "R", "L")
    at = np.rint((points - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T).astype(np.intp)
    known = np.flatnonzero(((at >= 0) & (at < labels.shape)).all(axis=1))
    places = tuple(at[known].T)
    for side, of_side in sides.items():
        found[known[of_side[places]]] = side
    return found
