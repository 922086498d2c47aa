"""Mean responses of ROIs by trial.

The voxels of an ROI are those inside a brain mask and, with a threshold, with a noise ceiling of
the session above it, as in `Subject.get_betas`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import InconsistentDataError, InvalidArgumentError, LaionFmriError
from laion_fmri.stimuli.by_trial import local_trials
from laion_fmri.volumes.rois import ALL
from laion_fmri.zscore import nan_mean, z_scored

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.subject import Subject
    from laion_fmri.volumes.masks import MaskSource

Scale = Literal["z", "raw"]


@dataclass(frozen=True)
class RoiResponses:
    """The mean response of every ROI in every trial of one session.

    Attributes
    ----------
    session : str
    rois : tuple of str
        Sorted by category, then name; an ROI with two categories is under the first.
    categories : tuple of str
        The category of each ROI.
    n_voxels : tuple of int
        Voxels of each ROI inside the brain mask and above the noise ceiling.
    means : mapping
        ``"raw"``: means of the published betas; ``"z"``: every voxel z-scored over the
        session's trials, then averaged. float64 of shape (n_trials, n_rois). NaN voxels are
        ignored; NaN when no voxel is left.
    problems : dict
        ROI to the reason why its mask cannot be used.
    """

    session: str
    rois: tuple[str, ...]
    categories: tuple[str, ...]
    n_voxels: tuple[int, ...]
    means: dict[Scale, NDArray[np.float64]]
    problems: dict[str, str]

    @property
    def n_trials(self) -> int:
        """Number of trials of the session."""
        return len(self.means["raw"])


@dataclass(frozen=True)
class VoxelChoice:
    """The selection of an ROI's voxels.

    Attributes
    ----------
    mask_source : {"anatomical", "rsquare"}
    nc_threshold : float
        Use only voxels whose noise ceiling in the session is above this, in percent; 0 means all.
    """

    mask_source: MaskSource = "anatomical"
    nc_threshold: float = 0.0


def roi_response_table(
    sub: Subject,
    session: str,
    *,
    scale: Scale = "z",
    nc_threshold: float = 0.0,
    mask_source: MaskSource = "anatomical",
) -> pd.DataFrame:
    """Compute the mean response of every downloaded ROI in every trial of a session.

    Parameters
    ----------
    sub : Subject
    session : str
    scale : {"z", "raw"}
        ``"z"`` z-scores every voxel over the trials of the session before the mean over voxels;
        ``"raw"`` is in the units of the published betas.
    nc_threshold : float
        Use only voxels whose noise ceiling in the session is above this, in percent.
    mask_source : {"anatomical", "rsquare"}

    Returns
    -------
    DataFrame of float64, shape (n_trials, n_rois)
        The index is the global trial index; the columns are ROIs by category and name. NaN when no
        voxel of an ROI has a value.

    Raises
    ------
    LaionFmriError
        As `roi_responses`.

    Examples
    --------
    >>> sub = laion_fmri.load_subject("sub-01")
    >>> table = roi_response_table(sub, "ses-01", nc_threshold=10)
    >>> "PPA" in table.columns
    True
    """
    import pandas as pd

    found = roi_responses(sub, session, VoxelChoice(mask_source, nc_threshold))
    trials = np.flatnonzero((local_trials(sub)["session"] == found.session).to_numpy())
    return pd.DataFrame(found.means[scale], pd.Index(trials, name="trial"), list(found.rois))


def roi_response_files(sub: Subject, session: str) -> list[Path]:
    """Return the files that `roi_responses` depends on."""
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
    """Compute the mean responses of every downloaded ROI in one pass over a session's betas.

    Raises
    ------
    LaionFmriError
        When betas, brain mask, noise ceiling or all ROIs are missing, damaged or inconsistent.
    """
    chosen = voxels or VoxelChoice()
    brain = sub.get_brain_mask(chosen.mask_source)
    category_of: dict[str, str] = {}
    for category in sub.get_available_categories():
        for roi in sub.get_available_rois(category):
            category_of.setdefault(roi, category)
    masks, problems = _usable_masks(sub, list(category_of), brain)
    if not masks:
        # Raises the error that names the missing file.
        sub.get_roi_grid_mask(ALL)
        raise InconsistentDataError(" ".join(dict.fromkeys(problems.values())))
    betas = sub.get_betas(session, roi=list(masks), mask_source=chosen.mask_source)

    in_rois = np.logical_or.reduce(list(masks.values())) & brain
    good = good_voxels(sub, session, chosen, list(masks), betas.shape[1])
    rois = tuple(category_of)
    inside = {roi: mask[in_rois] & good for roi, mask in masks.items()}
    nothing = np.zeros(betas.shape[1], dtype=bool)
    means: dict[Scale, NDArray[np.float64]] = {
        scale: np.full((len(betas), len(rois)), np.nan) for scale in ("raw", "z")
    }
    for column, roi in enumerate(rois):
        of_roi = betas[:, inside.get(roi, nothing)].astype(np.float64)
        means["raw"][:, column] = nan_mean(of_roi, axis=1)
        means["z"][:, column] = nan_mean(z_scored(of_roi), axis=1)
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
    """Return which voxels of ROIs pass the noise ceiling threshold; shape (n_voxels,)."""
    if not chosen.nc_threshold:
        return np.ones(n_voxels, dtype=bool)
    ceiling = sub.get_noise_ceiling(session=session, roi=roi, mask_source=chosen.mask_source)
    return ceiling > chosen.nc_threshold


def session_patterns(
    sub: Subject, session: str, roi: str, good: NDArray[np.bool_], mask_source: MaskSource
) -> NDArray[np.float32]:
    """Return every trial's response pattern in an ROI, z-scored by voxel over the session's trials.

    Parameters
    ----------
    good : ndarray of bool, shape (n_voxels,)
        Voxels of the ROI to keep.

    Returns
    -------
    ndarray of float32, shape (n_trials, n_good_voxels)
    """
    betas = sub.get_betas(session, roi=roi, mask_source=mask_source)
    return z_scored(betas[:, good])


# --- one trial against others --------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class TrialResponses:
    """The responses in one trial, with other trials and repeats of its image for comparison.

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
        Session and row of each presentation of the same image in those sessions, including this
        one.
    n_repeats : int
        Number of presentations of the image in all downloaded sessions.
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
        """Number of trials in the distribution."""
        return sum(one.n_trials for one in self.compared_with)

    def table(self, scale: Scale = "z") -> pd.DataFrame:
        """Return the response of every ROI with its distribution over trials.

        Returns
        -------
        DataFrame
            One row per ROI: roi, category, n_voxels; value (the mean response in the trial);
            q05, median and q95 (percentiles over the trials of the distribution); mean and sd
            (over the presentations of the image; sd with ``ddof=1``, NaN with fewer than two
            values).
        """
        import pandas as pd

        own, repeats = self.responses, self.repeat_means(scale)
        q05, median, q95 = percentiles(self.all_means(scale))
        return pd.DataFrame(
            {
                "roi": list(own.rois),
                "category": list(own.categories),
                "n_voxels": list(own.n_voxels),
                "value": own.means[scale][self.row],
                "q05": q05,
                "median": median,
                "q95": q95,
                "mean": nan_mean(repeats, axis=0),
                "sd": pd.DataFrame(repeats).std(axis=0, ddof=1).to_numpy(),
            }
        )

    def all_means(self, scale: Scale) -> NDArray[np.float64]:
        """Return the means of every trial of the distribution; shape (n_trials, n_rois)."""
        return np.concatenate([one.means[scale] for one in self.compared_with])

    def repeat_means(self, scale: Scale) -> NDArray[np.float64]:
        """Return the means of each presentation of the image; shape (n_presentations, n_rois)."""
        of_session = {one.session: one.means[scale] for one in self.compared_with}
        return np.array([of_session[session][row] for session, row in self.repeats])


def trial_responses(
    sub: Subject,
    trial: int,
    voxels: VoxelChoice | None = None,
    across_sessions: bool = False,
    read: Callable[[Subject, str, VoxelChoice], RoiResponses] = roi_responses,
    table: pd.DataFrame | None = None,
) -> TrialResponses:
    """Read the responses in one trial, with other trials and repeats of its image.

    Sessions whose files are damaged or have other ROIs are left out of the comparison.

    Parameters
    ----------
    sub : Subject
    trial : int
        Global trial index, a row of `Subject.metadata`.
    voxels : VoxelChoice, optional
    across_sessions : bool
        Compare with the trials of all downloaded sessions, not only the trial's own.
    read : callable, optional
        Replaces `roi_responses`, for callers that cache its results.
    table : DataFrame, optional
        The trials, if already loaded.

    Raises
    ------
    InvalidArgumentError
        When the subject has no such trial.
    LaionFmriError
        When the trial's own session cannot be read; see `roi_responses`.
    """
    chosen = voxels or VoxelChoice()
    table = local_trials(sub) if table is None else table
    row = global_trial(table, trial, sub.name)
    session = str(row["session"])
    own = read(sub, session, chosen)
    compared = []
    for other in sub.get_sessions() if across_sessions else [session]:
        try:
            one = own if other == session else read(sub, other, chosen)
        except LaionFmriError:
            continue
        if one.rois == own.rois:
            compared.append(one)
    sessions = {one.session for one in compared}
    same = table[table["image_name"] == row["image_name"]]
    repeats = zip(same["session"], same["session_trial"].tolist(), strict=True)
    return TrialResponses(
        session=session,
        responses=own,
        row=int(row["session_trial"]),
        compared_with=tuple(compared),
        repeats=tuple(pair for pair in repeats if pair[0] in sessions),
        n_repeats=len(same),
        voxels=chosen,
    )


def global_trial(table: pd.DataFrame, trial: int, subject: str) -> pd.Series:
    """Return the row of a trial.

    Raises
    ------
    InvalidArgumentError
        When there is no such trial.
    """
    if not 0 <= trial < len(table):
        known = (
            f"local trials are numbered 0 to {len(table) - 1}"
            if len(table)
            else "none is downloaded"
        )
        raise InvalidArgumentError(f"{subject} has no trial {trial}: {known}.")
    return table.iloc[trial]


def percentiles(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the 5th, 50th and 95th percentile over trials; shape (3, n_rois)."""
    out = np.full((3, means.shape[1]), np.nan)
    known = ~np.isnan(means).all(axis=0)
    if len(means) and known.any():
        out[:, known] = np.nanpercentile(means[:, known], [5, 50, 95], axis=0)
    return out


def _usable_masks(
    sub: Subject, rois: list[str], brain: NDArray[np.bool_]
) -> tuple[dict[str, NDArray[np.bool_]], dict[str, str]]:
    """Return masks over the grid, and the problem of each ROI without a usable mask."""
    masks, problems = {}, {}
    for roi in rois:
        try:
            mask = sub.get_roi_grid_mask(roi)
        except LaionFmriError as error:
            problems[roi] = str(error)
            continue
        if len(mask) == len(brain):
            masks[roi] = mask
        else:
            problems[roi] = f"The mask of {roi} does not lie on the grid of the brain mask."
    return masks, problems
