"""Mean responses of ROIs by trial, from the library's public API. No widgets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import InconsistentDataError, LaionFmriError
from laion_fmri.rois import ALL

if TYPE_CHECKING:
    from laion_fmri.masks import MaskSource
    from laion_fmri.subject import Subject

Scale = Literal["z", "raw"]


@dataclass(frozen=True)
class RoiResponses:
    """The mean response of every ROI in every trial of one session.

    Attributes
    ----------
    session : str
    rois : tuple of str
        Sorted by category, then name; an ROI filed under two categories stands under the
        first.
    categories : tuple of str
        The category of each ROI.
    n_voxels : tuple of int
        Voxels of each ROI inside the brain mask.
    means : mapping
        ``"raw"``: means of the published betas; ``"z"``: every voxel z-scored over the
        session's trials, then averaged. float64 of shape (n_trials, n_rois). NaN voxels
        are left out of a mean; NaN where none is left.
    spread : mapping
        For each scale the 5th, 50th and 95th percentile over trials; shape (3, n_rois).
    problems : dict
        ROIs whose mask cannot be used, and why.
    """

    session: str
    rois: tuple[str, ...]
    categories: tuple[str, ...]
    n_voxels: tuple[int, ...]
    means: dict[Scale, NDArray[np.float64]]
    spread: dict[Scale, NDArray[np.float64]]
    problems: dict[str, str]

    @property
    def n_trials(self) -> int:
        """Trials of the session."""
        return len(self.means["raw"])


def roi_response_files(sub: Subject, session: str) -> list[Path]:
    """The files that `roi_responses` depends on."""
    keys = [
        layout.betas(sub.name, session),
        layout.betas(sub.name, session, ".nii"),
        layout.trials(sub.name, session),
        layout.anatomical(sub.name, "desc-brain_mask", layout.FUNCTIONAL_RES),
    ]
    masks = (sub.data_dir / layout.ROIS_TREE / sub.name).glob("*/*.nii.gz")
    return [layout.local_path(sub.data_dir, key) for key in keys] + sorted(masks)


def roi_responses(
    sub: Subject, session: str, mask_source: MaskSource = "anatomical"
) -> RoiResponses:
    """Mean responses of every local ROI, in one pass over the betas of a session.

    Raises
    ------
    LaionFmriError
        When betas, brain mask or every ROI are missing, damaged, or do not fit each other.
    """
    brain = sub.get_brain_mask(mask_source)
    category_of: dict[str, str] = {}
    for category in sub.get_available_categories():
        for roi in sub.get_available_rois(category):
            category_of.setdefault(roi, category)
    masks, problems = _usable_masks(sub, list(category_of), brain)
    if not masks:
        # Says that there is no ROI here, or what is wrong with the first.
        sub.get_roi_mask(ALL)
        raise InconsistentDataError(" ".join(dict.fromkeys(problems.values())))
    betas = sub.get_betas(session, roi=list(masks), mask_source=mask_source)
    assert isinstance(betas, np.ndarray)

    columns = np.logical_or.reduce(list(masks.values())) & brain
    rois = tuple(category_of)
    inside = {roi: mask[columns] for roi, mask in masks.items()}
    nothing = np.zeros(betas.shape[1], dtype=bool)
    means: dict[Scale, NDArray[np.float64]] = {
        scale: np.full((len(betas), len(rois)), np.nan) for scale in ("raw", "z")
    }
    for place, roi in enumerate(rois):
        voxels = betas[:, inside.get(roi, nothing)].astype(np.float64)
        means["raw"][:, place] = nan_mean(voxels, axis=1)
        means["z"][:, place] = nan_mean(z_scored(voxels), axis=1)
    return RoiResponses(
        session=session,
        rois=rois,
        categories=tuple(category_of[roi] for roi in rois),
        n_voxels=tuple(int(inside.get(roi, nothing).sum()) for roi in rois),
        means=means,
        spread={scale: _percentiles(values) for scale, values in means.items()},
        problems=problems,
    )


def z_scored(betas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each voxel over trials: mean 0, standard deviation 1 (of the trials that have a value).

    Parameters
    ----------
    betas : ndarray of float64, shape (n_trials, n_voxels)

    Returns
    -------
    ndarray of float64, shape (n_trials, n_voxels)
        NaN stays NaN; a voxel that never varies is NaN, for it has no z-score.
    """
    centred = betas - nan_mean(betas, axis=0)
    deviation = np.sqrt(nan_mean(centred**2, axis=0))
    return np.divide(centred, deviation, out=np.full_like(centred, np.nan), where=deviation > 0)


def nan_mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean of what is not NaN along an axis; NaN, without a warning, where nothing is."""
    here = ~np.isnan(values)
    count = here.sum(axis=axis)
    total = np.sum(values, axis=axis, where=here)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _percentiles(means: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.full((3, means.shape[1]), np.nan)
    known = ~np.isnan(means).all(axis=0)
    if len(means) and known.any():
        out[:, known] = np.nanpercentile(means[:, known], [5, 50, 95], axis=0)
    return out


def _usable_masks(
    sub: Subject, rois: list[str], brain: NDArray[np.bool_]
) -> tuple[dict[str, NDArray[np.bool_]], dict[str, str]]:
    """Masks over the grid, and what is wrong with the ROIs that have none of use."""
    masks, problems = {}, {}
    for roi in rois:
        try:
            mask = sub.get_roi_mask(roi)
        except LaionFmriError as error:
            problems[roi] = str(error)
            continue
        if len(mask) == len(brain):
            masks[roi] = mask
        else:
            problems[roi] = f"The mask of {roi} does not lie on the grid of the brain mask."
    return masks, problems
