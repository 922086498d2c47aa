"""Files besides the betas: dataset-level files, raw data, held-out sessions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from laion_fmri import layout
from laion_fmri.demo import files
from laion_fmri.demo.anatomy import Brain
from laion_fmri.demo.names import ImageRecord
from laion_fmri.demo.profiles import PARTICIPANT_CODES, Profile, rng_for
from laion_fmri.demo.sessions import TRIAL_COLUMNS, Trials

POLICY_FILE = ".bucket-policy.json"
DENIED = (
    *(
        f"{tree}/{session}/*"
        for session in layout.HELD_OUT_SESSIONS
        for tree in (f"{layout.BETAS_TREE}/*", "sub-*")
    ),
    *sorted(layout.GATED_KEYS),
)
"""Patterns (`fnmatch` over keys) of what the bucket lists but does not serve."""

_TR = 1.9


def write_dataset_files(root: Path, profile: Profile) -> None:
    """The objects at the top of the bucket, and what it refuses to serve."""
    files.write_json(
        root / "dataset_description.json",
        {
            "Name": "LAION-fMRI demo",
            "BIDSVersion": "1.10.0",
            "DatasetType": "raw",
            "License": "CC0",
            "GeneratedBy": [{"Name": "laion_fmri.demo"}],
            "Authors": ["nobody: the data are synthetic"],
        },
    )
    rng = rng_for("participants")
    rows = [(s, int(rng.integers(22, 36)), str(rng.choice(("F", "M"))), PARTICIPANT_CODES[s])
            for s in profile.subjects]  # fmt: skip
    columns = ("participant_id", "age", "sex", "stimulus_code")
    files.write_table(root / "participants.tsv", columns, rows, separator="\t")
    files.write_json(
        root / "participants.json",
        {
            "age": {"Description": "Age", "Units": "years"},
            "sex": {"Description": "Sex", "Levels": {"F": "female", "M": "male"}},
            "stimulus_code": {"Description": "Code in the file names of unique images"},
        },
    )
    files.write_text(
        root / "README",
        "LAION-fMRI demo\n\nA synthetic dataset in the published layout of LAION-fMRI. Pictures\n"
        "are drawn, brains are bent from a template, responses follow from a known model:\n"
        "nothing here was measured in anyone.\n",
    )
    files.write_json(root / POLICY_FILE, {"deny": list(DENIED)})


def write_held_out(root: Path, brain: Brain, seed: int) -> None:
    """Keys of the held-out sessions of one subject, with small content."""
    affine = np.diag([-8.0, 8.0, 8.0, 1.0])
    for session in layout.HELD_OUT_SESSIONS:
        rng = rng_for(seed, "held out", brain.subject, session)
        betas = rng.standard_normal((8, 9, 10, 6)).astype(np.float32)
        files.write_nifti(root / layout.betas(brain.subject, session), betas, affine)
        ceiling = rng.uniform(0, 60, (8, 9, 10)).astype(np.float32)
        path = root / layout.session_noise_ceiling(brain.subject, session)
        files.write_nifti(path, ceiling, affine)
        rows = [(session, 1 + i // 3, i, f"heldout_{i:03d}.jpg") for i in range(6)]
        path = root / layout.trials(brain.subject, session)
        files.write_table(path, TRIAL_COLUMNS, rows, separator="\t")


def write_raw(
    root: Path, subject: str, trials: Trials, records: Sequence[ImageRecord], seed: int
) -> None:
    """A little raw BIDS: the first session of one subject, a few voxels of everything."""
    session = "ses-01"
    folder = root / subject / session
    rng = rng_for(seed, "raw", subject)
    affine = np.diag([-12.0, 12.0, 12.0, 1.0])

    def scan(kind: str, rest: str, shape: tuple[int, ...], sidecar: dict) -> None:
        stem = folder / kind / f"{subject}_{session}_{rest}"
        data = rng.integers(80, 1200, shape).astype(np.int16)
        tr = _TR if len(shape) == 4 else None
        files.write_nifti(stem.with_name(stem.name + ".nii.gz"), data, affine, tr=tr)
        files.write_json(stem.with_name(stem.name + ".json"), sidecar)

    rows = trials.of_session(0)
    for run in (1, 2):
        task = f"task-images_run-{run:02d}"
        for echo in (1, 2, 3):
            timing = {"RepetitionTime": _TR, "EchoTime": 0.011 * echo, "TaskName": "images"}
            for part in ("mag", "phase"):
                rest = f"{task}_echo-{echo}_part-{part}"
                scan("func", f"{rest}_bold", (8, 9, 7, 20), timing)
                scan("func", f"{rest}_sbref", (8, 9, 7), timing)
        shown = [t for t in rows if trials.run[t] == run]
        events = [(round(4 + 4.0 * i, 1), 2.5, records[trials.image[t]].name, int(t - rows[0]))
                  for i, t in enumerate(shown)]  # fmt: skip
        path = folder / "func" / f"{subject}_{session}_{task}_events.tsv"
        files.write_table(
            path, ("onset", "duration", "stim_file", "beta_index"), events, separator="\t"
        )
    for direction in ("AP", "PA"):
        scan("fmap", f"dir-{direction}_epi", (8, 9, 7, 3), {"PhaseEncodingDirection": "j"})
    scan("anat", "echo-1_part-mag_MEGRE", (10, 11, 9), {"EchoTime": 0.003})
    scan("dwi", "dir-AP_dwi", (8, 9, 7, 7), {"EchoTime": 0.07})
    directions = rng.standard_normal((3, 6))
    directions /= np.linalg.norm(directions, axis=0)
    stem = f"{subject}_{session}_dir-AP_dwi"
    files.write_text(folder / "dwi" / f"{stem}.bval", "0 " + " ".join(["1000"] * 6) + "\n")
    files.write_text(
        folder / "dwi" / f"{stem}.bvec",
        "\n".join("0 " + " ".join(f"{v:.6f}" for v in axis) for axis in directions) + "\n",
    )
