"""Calls give the type that their arguments decide: mypy reads this file, and the calls run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
import pandas as pd
import pytest
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray

from laion_fmri import load_subject
from laion_fmri.betas import BetasRequest
from laion_fmri.group import load_subjects
from laion_fmri.responses import Responses, ResponsesRequest
from laion_fmri.subject import Subject

Betas = NDArray[np.float32]


@pytest.fixture(scope="module")
def sub(data_dir: Path) -> Subject:
    return load_subject("sub-01", data_dir)


def test_betas(sub: Subject):
    one = assert_type(sub.get_betas("ses-01", roi="FFA1"), Betas)
    several = assert_type(sub.get_betas(["ses-01"], "FFA1"), dict[str, Betas])
    every = assert_type(sub.get_betas(roi="FFA1"), dict[str, Betas])
    assert one.shape == several["ses-01"].shape == every["ses-01"].shape
    assert assert_type(sub.request_betas(1, roi="FFA1"), BetasRequest).shape == one.shape


def test_responses(sub: Subject):
    one = assert_type(sub.get_responses(roi="FFA1"), Responses)
    request = assert_type(sub.request_responses("shared", "FFA1"), ResponsesRequest)
    assert assert_type(one.select("shared"), Responses).values.shape == request.shape


def test_noise_ceilings(sub: Subject):
    one = assert_type(sub.get_noise_ceiling("ses-01"), Betas)
    of_sessions = assert_type(sub.get_noise_ceiling(["ses-01"]), dict[str, Betas])
    across = assert_type(sub.get_noise_ceiling(desc="Noiseceiling4rep"), Betas)
    by_desc = assert_type(sub.get_noise_ceiling(desc=["Noiseceiling4rep"]), dict[str, Betas])
    assert np.array_equal(one, of_sessions["ses-01"], equal_nan=True)
    assert np.array_equal(across, by_desc["Noiseceiling4rep"], equal_nan=True)


def test_tables(sub: Subject):
    one = assert_type(sub.get_trial_info("ses-01"), pd.DataFrame)
    every = assert_type(sub.get_trial_info(), dict[str, pd.DataFrame])
    assert one.equals(every["ses-01"])


def test_rois(sub: Subject):
    one = assert_type(sub.get_roi_mask("FFA1"), NDArray[np.bool_])
    assert np.array_equal(one, sub.get_roi_masks(["FFA1"])["FFA1"])


def test_images_of_trials(sub: Subject):
    vectors = assert_type(sub.embeddings.all("CLIP", "ses-01"), NDArray[np.float16])
    every = assert_type(sub.embeddings.all("CLIP"), NDArray[np.float16])
    by_session = assert_type(sub.embeddings.all("CLIP", ["ses-01"]), dict[str, NDArray[np.float16]])
    assert vectors.shape == by_session["ses-01"].shape and len(every) >= len(vectors)


def test_groups(data_dir: Path):
    group = load_subjects(["sub-01"], data_dir)
    one = assert_type(group.get_shared_betas("ses-01", "FFA1"), dict[str, Betas])
    several = assert_type(group.get_shared_betas(["ses-01"], "FFA1"), dict[str, dict[str, Betas]])
    assert one["sub-01"].shape == several["sub-01"]["ses-01"].shape


def test_templates(sub: Subject):
    pytest.importorskip("nilearn")
    ceiling = sub.get_noise_ceiling("ses-01")
    left = assert_type(sub.to_template(ceiling, "fsnative", hemi="L"), Betas)
    both = assert_type(sub.to_template(ceiling, "fsnative"), dict[str, Betas])
    volume = assert_type(sub.to_template(ceiling, "MNI305", voxel_size=4), Nifti1Image)
    assert np.array_equal(left, both["L"], equal_nan=True) and volume.ndim == 3
