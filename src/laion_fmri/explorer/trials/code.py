"""The code behind "Copy code" in the Trials tab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from laion_fmri.analysis.roi_responses import VoxelChoice

if TYPE_CHECKING:
    import pandas as pd


def trial_code(
    subject: str,
    trial: int,
    row: pd.Series,
    voxels: VoxelChoice,
    model: str = "",
    roi: str = "",
    across: bool = False,
    among: str = "subject",
) -> str:
    """Return code for one trial: image, captions, masks, responses and, if any, neighbours."""
    source = f", mask_source={voxels.mask_source!r}" if voxels.mask_source != "anatomical" else ""
    chosen = (f", nc_threshold={voxels.nc_threshold!r}" if voxels.nc_threshold else "") + source
    code = f"""\
import laion_fmri

sub, trial = laion_fmri.load_subject({subject!r}), {trial}
image, captions = sub.images.get(trial), sub.captions.list(trial)
masks = sub.segmentations.for_image(trial)
responses = laion_fmri.roi_response_table(sub, {str(row["session"])!r}{chosen}).loc[trial]
"""
    if model:
        code += f"nearest = laion_fmri.nearest_images(sub, trial, {model!r}, among={among!r})\n"
    if roi:
        sessions = ", across_sessions=True" if across else ""
        code += f"similar = laion_fmri.similar_trials(sub, trial, {roi!r}{sessions}{chosen})\n"
    return code


def marked_code(subject: str, trials: Sequence[int], table: pd.DataFrame) -> str:
    """Return code for the marked trials, identified by session and row."""
    rows = table.iloc[list(trials)]
    by_session: dict[str, list[int]] = {}
    for session, row in zip(rows["session"], rows["session_trial"].tolist(), strict=True):
        by_session.setdefault(str(session), []).append(row)
    return f"""\
import laion_fmri
import numpy as np

sub = laion_fmri.load_subject({subject!r})
marked = {by_session!r}  # rows by session
betas = np.concatenate([sub.get_betas(ses)[rows] for ses, rows in marked.items()])
mean_map = np.nanmean(betas, axis=0)  # one value per voxel of the brain mask
"""
