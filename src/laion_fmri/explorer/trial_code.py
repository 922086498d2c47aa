"""Python that gives what the Trials tab shows, through the library's public API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from laion_fmri.explorer.roi_responses import VoxelChoice

if TYPE_CHECKING:
    import pandas as pd


def trial_code(
    subject: str, trial: int, row: pd.Series, voxels: VoxelChoice, model: str = "", roi: str = ""
) -> str:
    """What is shown of one trial: image, captions, masks, responses and, if any, neighbours."""
    source = f", mask_source={voxels.mask_source!r}" if voxels.mask_source != "anatomical" else ""
    threshold = f", nc_threshold={voxels.nc_threshold!r}" if voxels.nc_threshold else ""
    mask = repr(voxels.mask_source) if source else ""
    code = f"""\
import numpy as np
from laion_fmri import load_subject

sub = load_subject({subject!r})
trial = {trial}
print(sub.metadata.loc[trial])

image = sub.images.get(trial)  # as displayed
human, ai = sub.captions.human(trial), sub.captions.ai(trial)
masks = {{
    (row.noun, row.instance_id): sub.segmentations.get(trial, row.noun, row.instance_id)
    for row in sub.segmentations.for_image(trial).itertuples()
}}

session, row = {str(row["session"])!r}, {int(row["session_trial"])}


def pattern(roi):  # each voxel z-scored over the session's trials
    betas = sub.get_betas(session=session, roi=roi{threshold}{source}).astype(float)
    with np.errstate(invalid="ignore"):  # a voxel that never varies has no z-score
        return (betas - np.nanmean(betas, axis=0)) / np.nanstd(betas, axis=0)


brain = sub.get_brain_mask({mask})
rois = [roi for roi in sub.get_available_rois() if (brain & sub.get_roi_mask(roi)).any()]
responses = {{roi: np.nanmean(pattern(roi)[row]) for roi in rois}}
"""
    if model:
        code += f"""
features = sub.embeddings.all({model!r}).astype(np.float32)
features /= np.linalg.norm(features, axis=1, keepdims=True)
cosine = features @ features[trial]
nearest = np.argsort(-cosine)  # trials, this one first
"""
    if roi:
        code += f"""
patterns = pattern({roi!r})
patterns = patterns[:, np.isfinite(patterns).all(axis=0)]
similarity = np.corrcoef(patterns)[row]  # with every trial of the session
"""
    return code


def marked_code(subject: str, trials: Sequence[int], table: pd.DataFrame) -> str:
    """The marked trials, by session and row so that they stay the same trials."""
    rows = table.iloc[list(trials)]
    by_session: dict[str, list[int]] = {}
    for session, row in zip(rows["session"], rows["session_trial"].tolist(), strict=True):
        by_session.setdefault(str(session), []).append(row)
    listed = "\n".join(f"    {session!r}: {places!r}," for session, places in by_session.items())
    return f"""\
import numpy as np
from laion_fmri import load_subject

sub = load_subject({subject!r})
marked = {{  # session: rows
{listed}
}}
betas = np.concatenate([sub.get_betas(session=ses)[rows] for ses, rows in marked.items()])
mean_map = np.nanmean(betas, axis=0)  # one value a voxel of the brain mask
"""
