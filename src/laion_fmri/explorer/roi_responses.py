"""Responses of ROIs by trial, from the library's public API. No widgets.

Voxels are those of a brain mask and, if so chosen, of a noise ceiling above a threshold:
that of the session, as in `Subject.get_betas`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import InconsistentDataError, LaionFmriError
from laion_fmri.responses import nan_mean, z_scored
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
        Voxels of each ROI inside the brain mask and above the noise ceiling.
    means : mapping
        ``"raw"``: means of the published betas; ``"z"``: every voxel z-scored over the
        session's trials, then averaged. float64 of shape (n_trials, n_rois). NaN voxels
        are left out of a mean; NaN where none is left.
    problems : dict
        ROIs whose mask cannot be used, and why.
    """

    session: str
    rois: tuple[str, ...]
    categories: tuple[str, ...]
    n_voxels: tuple[int, ...]
    means: dict[Scale, NDArray[np.float64]]
    problems: dict[str, str]

    @property
    def n_trials(self) -> int:
        """Trials of the session."""
        return len(self.means["raw"])


@dataclass(frozen=True)
class VoxelChoice:
    """Which voxels of an ROI count.

    Attributes
    ----------
    mask_source : {"anatomical", "rsquare"}
    nc_threshold : float
        Only voxels whose noise ceiling of the session is above this, in percent; 0 keeps all.
    """

    mask_source: MaskSource = "anatomical"
    nc_threshold: float = 0.0


def roi_response_files(sub: Subject, session: str) -> list[Path]:
    """The files that `roi_responses` depends on."""
    keys = [
        layout.betas(sub.name, session),
        layout.betas(sub.name, session, ".nii"),
        layout.trials(sub.name, session),
        layout.anatomical(sub.name, "desc-brain_mask", layout.FUNCTIONAL_RES),
        layout.mean_rsquare(sub.name),
        layout.session_noise_ceiling(sub.name, session),
    ]
    masks = (sub.data_dir / layout.ROIS_TREE / sub.name).glob("*/*.nii.gz")
    return [layout.local_path(sub.data_dir, key) for key in keys] + sorted(masks)


def roi_responses(sub: Subject, session: str, voxels: VoxelChoice | None = None) -> RoiResponses:
    """Mean responses of every local ROI, in one pass over the betas of a session.

    Raises
    ------
    LaionFmriError
        When betas, brain mask, noise ceiling or every ROI are missing, damaged, or do not fit
        each other.
    """
    chosen = voxels or VoxelChoice()
    brain = sub.get_brain_mask(chosen.mask_source)
    category_of: dict[str, str] = {}
    for category in sub.get_available_categories():
        for roi in sub.get_available_rois(category):
            category_of.setdefault(roi, category)
    masks, problems = _usable_masks(sub, list(category_of), brain)
    if not masks:
        # Says that there is no ROI here, or what is wrong with the first.
        sub.get_roi_mask(ALL)
        raise InconsistentDataError(" ".join(dict.fromkeys(problems.values())))
    betas = sub.get_betas(session, roi=list(masks), mask_source=chosen.mask_source)
    assert isinstance(betas, np.ndarray)

    columns = np.logical_or.reduce(list(masks.values())) & brain
    good = good_voxels(sub, session, chosen, list(masks), betas.shape[1])
    rois = tuple(category_of)
    inside = {roi: mask[columns] & good for roi, mask in masks.items()}
    nothing = np.zeros(betas.shape[1], dtype=bool)
    means: dict[Scale, NDArray[np.float64]] = {
        scale: np.full((len(betas), len(rois)), np.nan) for scale in ("raw", "z")
    }
    for place, roi in enumerate(rois):
        of_roi = betas[:, inside.get(roi, nothing)].astype(np.float64)
        means["raw"][:, place] = nan_mean(of_roi, axis=1)
        means["z"][:, place] = nan_mean(z_scored(of_roi), axis=1)
    return RoiResponses(
        session=session,
        rois=rois,
        categories=tuple(category_of[roi] for roi in rois),
        n_voxels=tuple(int(inside.get(roi, nothing).sum()) for roi in rois),
        means=means,
        problems=problems,
    )


def good_voxels(
    sub: Subject, session: str, chosen: VoxelChoice, roi: str | list[str], n_voxels: int
) -> NDArray[np.bool_]:
    """Which voxels of ROIs are above the noise ceiling chosen; shape (n_voxels,)."""
    if not chosen.nc_threshold:
        return np.ones(n_voxels, dtype=bool)
    ceiling = sub.get_noise_ceiling(session=session, roi=roi, mask_source=chosen.mask_source)
    assert isinstance(ceiling, np.ndarray)
    return ceiling > chosen.nc_threshold


def session_patterns(
    sub: Subject, session: str, roi: str, good: NDArray[np.bool_], mask_source: MaskSource
) -> NDArray[np.float32]:
    """Every trial's response pattern in an ROI, each voxel z-scored over the session's trials.

    Parameters
    ----------
    good : ndarray of bool, shape (n_voxels,)
        Voxels of the ROI to keep.

    Returns
    -------
    ndarray of float32, shape (n_trials, n_good_voxels)
    """
    betas = sub.get_betas(session, roi=roi, mask_source=mask_source)
    assert isinstance(betas, np.ndarray)
    return z_scored(betas[:, good].astype(np.float64)).astype(np.float32)


# --- one trial against others --------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class TrialResponses:
    """One trial's responses, what they are compared with, and those to the same image.

    Attributes
    ----------
    session : str
        Of the trial.
    responses : RoiResponses
        Of that session.
    row : int
        The trial in its session.
    compared_with : tuple of RoiResponses
        Of the sessions whose trials make up the distribution.
    repeats : tuple of (str, int)
        Session and row of each showing of the same image in those sessions, this one too.
    n_repeats : int
        Showings of the image in every local session.
    voxels : VoxelChoice
    """

    session: str
    responses: RoiResponses
    row: int
    compared_with: tuple[RoiResponses, ...]
    repeats: tuple[tuple[str, int], ...]
    n_repeats: int
    voxels: VoxelChoice

    @property
    def n_trials(self) -> int:
        """Trials in the distribution."""
        return sum(one.n_trials for one in self.compared_with)

    def all_means(self, scale: Scale) -> NDArray[np.float64]:
        """Means of every trial of the distribution; shape (n_trials, n_rois)."""
        return np.concatenate([one.means[scale] for one in self.compared_with])

    def repeat_means(self, scale: Scale) -> NDArray[np.float64]:
        """Means of each showing of the image; shape (n_showings, n_rois)."""
        of_session = {one.session: one.means[scale] for one in self.compared_with}
        return np.array([of_session[session][row] for session, row in self.repeats])


def percentiles(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The 5th, 50th and 95th percentile over trials; shape (3, n_rois), NaN where none is."""
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
