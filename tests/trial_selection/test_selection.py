from __future__ import annotations

import shutil

import numpy as np
import pytest

from laion_fmri import layout, select_trials
from laion_fmri._errors import StimuliNotDownloadedError, UnknownNameError
from laion_fmri.splits import get_split_masks
from laion_fmri.stimuli.caption_search import search_captions
from laion_fmri.subject import Subject, load_subject
from laion_fmri.trial_selection.expressions import ExpressionError


@pytest.fixture
def sub(tiny_home) -> Subject:
    return load_subject("sub-01", tiny_home.data_dir)


def test_filters_join(sub):
    table = select_trials(sub)
    assert table.index.tolist() == sub.metadata.index.tolist()
    found = select_trials(sub, session=2, dataset="NSD", where="run > 1")
    rows = (table["session"] == "ses-02") & (table["dataset"] == "NSD") & (table["run"] > 1)
    assert found.index.tolist() == table.index[rows].tolist()
    assert set(select_trials(sub, seen_by="shared")["unique_or_shared"]) == {"shared"}


def test_sides_are_those_of_the_split(sub, tiny_home):
    for place, side in enumerate(("train", "test")):
        mask = get_split_masks(sub.metadata, "random_1", "shared", data_dir=tiny_home.data_dir)
        found = select_trials(sub, split="random_1", side=side)
        np.testing.assert_array_equal(found.index, np.flatnonzero(mask[place]))
    with pytest.raises(UnknownNameError):
        select_trials(sub, side="left")


def test_captions_rank_the_trials(sub, tiny_home):
    word = sub.captions.human(0)[0].split()[-1].strip(".,")
    found = select_trials(sub, caption=word)
    hits = search_captions(word, tiny_home.data_dir)
    assert (np.diff(hits["score"]) <= 0).all()
    own = [name for name in hits["image_name"] if name in set(sub.metadata["image_name"])]
    assert set(found["image_name"]) == set(own)
    assert found["image_name"].iloc[0] in own[: len(set(own))]


def test_problems_are_raised(sub, tiny_home, tmp_path):
    with pytest.raises(ExpressionError, match="character 7"):
        select_trials(sub, where="run ==")
    data_dir = shutil.copytree(tiny_home.data_dir, tmp_path / "data")
    layout.local_path(data_dir, layout.CAPTIONS).unlink()
    alone = load_subject("sub-01", data_dir)
    assert len(select_trials(alone)) == len(sub.metadata)
    with pytest.raises(StimuliNotDownloadedError):
        select_trials(alone, caption="dog")
