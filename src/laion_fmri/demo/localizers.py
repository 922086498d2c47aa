"""Maps of the localizers: z maps of contrasts, effects of single runs, in the published names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from laion_fmri import layout
from laion_fmri.demo import files
from laion_fmri.demo.profiles import Profile, rng_for
from laion_fmri.demo.rois import SEEDS, Regions, write_volume_at_localizer_resolution
from laion_fmri.demo.templates import load_hemisphere

SESSIONS: Mapping[str, str] = {
    "floc": "ses-4BarScreenfLoc",
    "oloc": "ses-31",
    "MotionLoc": "ses-MotionLocBarsSML",
    "MotionLeft": "ses-MotionLocBarsSML",
    "MotionRight": "ses-MotionLocBarsSML",
}
"""Each localizer and the session it was run in."""

_CATEGORIES = ("face", "body", "place", "object", "character")
_MOTION = {"movingVsStatic": "motion", "movingVsBaseline": "motion", "staticVsBaseline": ""}
CONTRASTS: Mapping[str, Mapping[str, str]] = {
    "floc": {
        **{f"{category}VsOthers": category for category in _CATEGORIES},
        **{f"{category}VsBaseline": category for category in _CATEGORIES},
        "faceVsObject": "face",
        "bodyVsObject": "body",
        "placeVsObject": "place",
        "characterVsFace": "character",
    },
    "oloc": {
        "objectVsScrambled": "object",
        "objectVsBaseline": "object",
        "scrambledVsBaseline": "",
    },
    "MotionLoc": _MOTION,
    "MotionLeft": _MOTION,
    "MotionRight": _MOTION,
}
"""The published contrasts of each localizer, and the ROIs that respond to them (or none)."""

UNLISTED = "faces"
"""A contrast that is not published: what reads localizers must not rely on the list."""

_EFFECTS = (("floc", "face", 1), ("floc", "face", 2), ("oloc", "object", 1),
            ("MotionLeft", "moving", 1))  # fmt: skip
"""Task, condition and run of the effects of single runs."""

_RESPONDING = {"face": "face", "object": "object", "moving": "motion"}
_EFFECTS_SUBJECT = "sub-03"


def write_localizers(root: Path, profile: Profile, regions: Regions, seed: int) -> None:
    """The z maps of a subject, in the volume and on the surface, and for one the effects."""
    brain = regions.brain
    for task, session in SESSIONS.items():
        for contrast, category in CONTRASTS[task].items():
            if profile.all_contrasts or contrast.endswith(("VsOthers", "VsStatic", "VsScrambled")):
                _write(root, regions, f"{session}_task-{task}", contrast, "z", category, seed)
    for session in dict.fromkeys(SESSIONS.values()):
        task = next(task for task, of_task in SESSIONS.items() if of_task == session)
        name = f"{session}_task-{task}"
        _write(root, regions, name, UNLISTED, "z", "face", seed, surfaces=False)
    if brain.subject == _EFFECTS_SUBJECT:
        for task, condition, run in _EFFECTS:
            name = f"{SESSIONS[task]}_task-{task}_run-{run:02d}"
            _write(root, regions, name, condition, "effect", _RESPONDING[condition], seed)


def _write(
    root: Path,
    regions: Regions,
    name: str,
    contrast: str,
    stat: str,
    category: str,
    seed: int,
    surfaces: bool = True,
) -> None:
    """One map at both resolutions, and on both hemispheres."""
    brain = regions.brain
    session = name.partition("_")[0]
    folder = root / layout.LOCALIZERS_TREE / brain.subject / session / "func"
    rest = f"contrast-{contrast}_stat-{stat}_statmap"
    rng = rng_for(seed, "localizer", brain.subject, name, contrast)
    labels = [label for label in SEEDS.get(category, ()) if label in regions.vertices]
    inside = np.zeros(len(brain.fitted), dtype=bool)
    for label in labels:
        inside |= regions.voxels(label)
    values = rng.normal(0, 1, len(inside)) + inside * rng.uniform(4, 9, len(inside))
    volume = np.full(brain.functional.shape, np.nan, dtype=np.float32)
    volume[brain.mask] = np.where(brain.fitted, values, np.nan)

    def path(res: str) -> Path:
        return folder / f"{brain.subject}_{name}_space-T1w_res-{res}_{rest}.nii.gz"

    files.write_nifti(path(layout.FUNCTIONAL_RES), volume, brain.functional.affine)
    if not surfaces:
        return
    write_volume_at_localizer_resolution(
        path(layout.LOCALIZER_RES), volume, brain.functional.affine
    )
    for hemi in layout.HEMISPHERES:
        n = len(load_hemisphere(hemi).white)
        on_surface = rng.normal(0, 1, n)
        for label in labels:
            members = regions.vertices[label].get(hemi, np.empty(0, dtype=int))
            on_surface[members] += rng.uniform(4, 9, len(members))
        stem = f"{brain.subject}_{name}_hemi-{hemi}_space-fsnative_{rest}"
        files.write_gifti(folder / f"{stem}.func.gii", on_surface, hemi, contrast)
