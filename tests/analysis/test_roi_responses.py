from __future__ import annotations

import numpy as np
import pytest

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.analysis.roi_responses import VoxelChoice, roi_response_table, trial_responses
from laion_fmri.subject import Subject, load_subject
from laion_fmri.zscore import z_scored


@pytest.fixture
def sub(tiny_home) -> Subject:
    return load_subject("sub-01", tiny_home.data_dir)


@pytest.mark.parametrize("scale", ["z", "raw"])
def test_a_table_has_the_mean_of_each_roi_in_each_trial(sub, scale):
    table = roi_response_table(sub, "ses-02", scale=scale, nc_threshold=5)
    trials = sub.metadata.index[sub.metadata["session"] == "ses-02"]
    assert table.index.tolist() == trials.tolist()
    assert sorted(table.columns) == sub.get_available_rois()
    betas = sub.get_betas("ses-02", roi="PPA", nc_threshold=5).astype(float)
    values = z_scored(betas) if scale == "z" else betas
    np.testing.assert_allclose(table["PPA"], np.nanmean(values, axis=1), rtol=1e-9, atol=1e-12)


def test_a_trial_is_compared_with_its_session_or_all(sub):
    own = trial_responses(sub, 3)
    every = trial_responses(sub, 3, across_sessions=True)
    assert own.n_trials == int((sub.metadata["session"] == own.session).sum())
    assert every.n_trials == len(sub.metadata)
    assert every.n_repeats == int(
        (sub.metadata["image_name"] == sub.metadata["image_name"][3]).sum()
    )
    assert len(every.repeats) == every.n_repeats >= len(own.repeats)
    place = own.responses.rois.index("PPA")
    table = roi_response_table(sub, own.session)
    assert own.responses.means["z"][own.row, place] == table.loc[3, "PPA"]


def test_results_of_a_caller_are_used(sub):
    asked = []

    def read(_, session, voxels):
        asked.append((session, voxels))
        return trial_responses(sub, 0).responses

    voxels = VoxelChoice("rsquare", 3.0)
    trial_responses(sub, 0, voxels, read=read)
    assert asked == [(sub.metadata["session"][0], voxels)]


@pytest.mark.parametrize("trial", [-1, 10**6])
def test_a_trial_that_does_not_exist_is_named(sub, trial):
    with pytest.raises(InvalidArgumentError, match=f"no trial {trial}"):
        trial_responses(sub, trial)
