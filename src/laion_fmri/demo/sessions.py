"""Which image each subject sees on which trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from laion_fmri import layout
from laion_fmri.demo import files
from laion_fmri.demo.names import ImageRecord
from laion_fmri.demo.profiles import Profile, rng_for

TRIAL_COLUMNS = ("session", "run", "beta_index", "label")


@dataclass(frozen=True)
class Trials:
    """All trials of one subject, session after session.

    Attributes
    ----------
    session : array of shape (n_trials,), int
        Index of the session.
    run : array of shape (n_trials,), int
        1-based run inside the session.
    image : array of shape (n_trials,), int
        Row of the image in the stimulus metadata.
    """

    session: np.ndarray
    run: np.ndarray
    image: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    def of_session(self, index: int) -> np.ndarray:
        """Trial numbers of one session."""
        return np.flatnonzero(self.session == index)


def schedule(profile: Profile, subject: str, records: Sequence[ImageRecord], seed: int) -> Trials:
    """Spread the repeats of every image over sessions and runs.

    Images shown 12 times appear in every session, those shown 4 times in two sessions
    (twice in each), so there are repeats both inside sessions and across them; unique
    images fill up, unevenly, so that sessions differ in length.
    """
    rng = rng_for(seed, "trials", subject)
    sessions: list[list[int]] = [[] for _ in range(profile.n_sessions)]
    unique = []
    for row, record in enumerate(records):
        if record.is_shared:
            first = int(rng.integers(profile.n_sessions))
            stride = max(2, record.n_reps // profile.n_sessions)
            for k in range(record.n_reps):
                sessions[(first + k // stride) % profile.n_sessions].append(row)
        elif record.participant == subject:
            unique.append(row)
    share = rng.dirichlet(np.full(profile.n_sessions, 40.0))
    ends = np.rint(np.cumsum(share) * len(unique)).astype(int)
    for k, part in enumerate(np.split(rng.permutation(unique), ends[:-1])):
        sessions[k] += [int(r) for r in part]
    session, run, image = [], [], []
    for k, rows in enumerate(sessions):
        for number, part in enumerate(np.array_split(rng.permutation(rows), profile.n_runs), 1):
            session += [k] * len(part)
            run += [number] * len(part)
            image += [int(r) for r in part]
    return Trials(np.array(session), np.array(run), np.array(image))


def write_trial_tables(
    root: Path, profile: Profile, subject: str, trials: Trials, records: Sequence[ImageRecord]
) -> None:
    """``trials.tsv`` of every session; row i is volume i of the betas."""
    for k, session in enumerate(profile.sessions):
        rows = [
            (session, int(trials.run[t]), i, records[trials.image[t]].name)
            for i, t in enumerate(trials.of_session(k))
        ]
        path = root / layout.trials(subject, session)
        files.write_table(path, TRIAL_COLUMNS, rows, separator="\t")
        files.write_json(
            path.with_suffix(".json"),
            {
                "session": {"Description": "Session identifier"},
                "run": {"Description": "Run inside the session, from 1"},
                "beta_index": {"Description": "Volume of the single-trial betas, from 0"},
                "label": {"Description": "File name of the image shown"},
            },
        )
