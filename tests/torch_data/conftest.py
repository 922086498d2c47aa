"""Two sessions of a subject, with images."""

from __future__ import annotations

import pytest
from builders import GRID, LABELS, SES, SmallData, picture

SECOND = [LABELS[3], LABELS[0], LABELS[0]]
REDS = {LABELS[2]: 0, LABELS[1]: 1, LABELS[0]: 2, LABELS[3]: 3}


@pytest.fixture
def small(tmp_path):
    data = SmallData(tmp_path)
    data.brain()
    data.betas()
    data.trials()
    data.betas(data.rng.normal(size=(*GRID, 3)), ses="ses-10")
    data.trials(SECOND, ses="ses-10")
    data.metadata(list(REDS))
    data.images([picture(colour=(red, 0, 9)) for red in REDS.values()])
    data.roi("face", "FFA1", (data.rng.random(GRID) < 0.4).astype("u1"))
    for ses in (SES, "ses-10"):
        data.session_ceiling(data.rng.uniform(0, 60, GRID), ses=ses)
    return data


@pytest.fixture
def torch():
    return pytest.importorskip("torch")
