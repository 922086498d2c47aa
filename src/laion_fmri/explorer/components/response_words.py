"""What the profile of responses says in words."""

from __future__ import annotations

import numpy as np

from laion_fmri.explorer.roi_responses import Scale, TrialResponses


def value_text(value: float, n_voxels: int) -> str:
    """A mean over voxels."""
    if not n_voxels:
        return "no voxels"
    return f"{value:.2f}" if np.isfinite(value) else "no estimate (NaN)"


def spread_text(mean: float, deviation: float, n: int) -> str:
    """Mean and standard deviation over the showings of an image."""
    if not np.isfinite(mean):
        return "no estimate (NaN)"
    if not np.isfinite(deviation):
        return "shown once"
    return f"{mean:.2f} ± {deviation:.2f} (mean ± sd of {n} showings)"


def explained(shown: TrialResponses, scale: Scale) -> str:
    """What the bars, the band, the ticks and the dots are."""
    how = (
        "every voxel z-scored over the trials of its session"
        if scale == "z"
        else "in the units of the published betas"
    )
    of = (
        f"{shown.n_trials:,} trials of {len(shown.compared_with)} sessions"
        if len(shown.compared_with) > 1
        else f"{shown.n_trials:,} trials of {shown.compared_with[0].session}"
    )
    said = f"Mean over the voxels of each ROI, {how}. Band: 5 to 95 % of the {of}; tick: median."
    if len(shown.repeats) > 1:
        said += f" Dots: the {len(shown.repeats)} showings of this image, with mean ± sd."
    if len(shown.repeats) < shown.n_repeats:
        left = shown.n_repeats - len(shown.repeats)
        said += f" {left} more {'is' if left == 1 else 'are'} in other sessions (Across sessions)."
    return said


def about_problems(problems: dict[str, str]) -> str:
    """Why ROIs cannot be used."""
    first = next(iter(problems.values()))
    if len(problems) == 1:
        return first
    return f"{len(problems)} ROIs cannot be used ({', '.join(problems)}). The first: {first}"
