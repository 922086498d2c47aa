"""One subject with three sessions, NaN, overlapping ROIs and noise ceilings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders import GRID, SmallData
from small_responses import NAMES, SHOWN

from laion_fmri.subject import Subject


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallData:
    data = SmallData(tmp_path_factory.mktemp("responses") / "data")
    brain = data.rng.random(GRID) < 0.7
    data.brain(brain.astype("u1"))
    inside = np.argwhere(brain)
    for session, letters in SHOWN.items():
        values = data.rng.normal(3, 2, size=(*GRID, len(letters))).astype("f4")
        values[tuple(inside[4])] = np.nan  # a voxel without any value
        values[tuple(inside[7])] = 5  # a constant one
        if session == "ses-01":
            values[(*tuple(inside[2]), 0)] = np.nan  # one repeat of A
        data.betas(values, ses=session)
        data.trials([NAMES[letter] for letter in letters], ses=session)
    for category, name in (("face", "FFA1"), ("face", "FFA2"), ("retinotopy", "V1v")):
        data.roi(category, name, (data.rng.random(GRID) < 0.5).astype("u1"))
    data.roi("place", "PPA", (~brain).astype("u1"))
    data.label("motion", "MT", "L", [1, 2])
    for desc in ("Noiseceiling4rep", "Noiseceiling12rep"):
        data.subject_ceiling(data.rng.uniform(0, 90, GRID).astype("f4"), desc)
    return data


@pytest.fixture(scope="session")
def sub(small: SmallData) -> Subject:
    return small.subject


@pytest.fixture(scope="session")
def trials(sub: Subject) -> pd.DataFrame:
    """z-scored betas of every trial, by pandas: columns session, image, and one per voxel."""
    parts = []
    for session, table in sub.get_trial_info().items():
        values = pd.DataFrame(sub.get_betas(session).astype(np.float64))
        z = (values - values.mean()) / values.std(ddof=0).where(values.nunique() > 1)
        z.insert(0, "image", table["label"])
        z.insert(0, "session", session)
        parts.append(z)
    return pd.concat(parts, ignore_index=True)
