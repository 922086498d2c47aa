"""Whatever comes as an argument is taken, or refused by an error of the package's own."""

from __future__ import annotations

import warnings
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import laion_fmri
from laion_fmri import LaionFmriError, discovery, splits
from laion_fmri.download_plans import plan_download

ANYTHING = [
    "face", "all", "", "é", "../x", "\0", b"face", b"\xff", np.str_("face"), np.array("face"),
    np.array(["face"]), np.array([["face"]]), ["face"], [["face"]], ("face",), {"face"},
    {"face": 1}, pd.Series(["face"]), pd.Categorical(["face"]), pd.DataFrame({"face": [1]}),
    [], {}, True, 3, -1, 1.5, np.nan, np.int8(1), np.float64(2), np.array(3), np.ma.masked,
    None, pd.NA, pd.NaT, object(),
]  # fmt: skip

CALLS = {
    "load_subject": lambda at, x: laion_fmri.load_subject(x),
    "Subject": lambda at, x: laion_fmri.Subject(x, at.sub.data_dir),
    "load_subjects": lambda at, x: laion_fmri.load_subjects(x),
    "group[]": lambda at, x: at.group[x],
    "in group": lambda at, x: x in at.group,
    "get_shared_betas": lambda at, x: at.group.get_shared_betas(x, "FFA1"),
    "get_shared_images": lambda at, x: at.group.get_shared_images(x),
    "get_available_rois": lambda at, x: at.sub.get_available_rois(x),
    "get_roi_mask": lambda at, x: at.sub.get_roi_mask(x),
    "get_roi_mask source": lambda at, x: at.sub.get_roi_mask("FFA1", x),
    "get_roi_masks": lambda at, x: at.sub.get_roi_masks(x),
    "get_roi_image": lambda at, x: at.sub.get_roi_image(x),
    "get_roi_data": lambda at, x: at.sub.get_roi_data("FFA1", x),
    "get_roi_data hemi": lambda at, x: at.sub.get_roi_data("FFA1", "gii", x),
    "get_brain_mask": lambda at, x: at.sub.get_brain_mask(x),
    "get_t1w": lambda at, x: at.sub.get_t1w(x),
    "get_n_stimuli": lambda at, x: at.sub.get_n_stimuli(x),
    "get_trial_info": lambda at, x: at.sub.get_trial_info(x),
    "get_betas": lambda at, x: at.sub.get_betas(x, "FFA1"),
    "get_betas roi": lambda at, x: at.sub.get_betas(1, "FFA1" if x is None else x),
    "get_betas mask": lambda at, x: at.sub.get_betas(1, at.roi(x), x),
    "get_betas nc_threshold": lambda at, x: at.sub.get_betas(1, "FFA1", nc_threshold=x),
    "get_betas stimuli": lambda at, x: at.sub.get_betas(1, "FFA1", stimuli=x),
    "get_noise_ceiling": lambda at, x: at.sub.get_noise_ceiling(x),
    "get_noise_ceiling desc": lambda at, x: at.sub.get_noise_ceiling(desc=x),
    "to_image": lambda at, x: at.sub.to_image(x),
    "to_image roi": lambda at, x: at.sub.to_image(at.values, x),
    "get_localizer_maps": lambda at, x: at.sub.get_localizer_maps(x),
    "get_localizer_maps session": lambda at, x: at.sub.get_localizer_maps(session=x),
    "get_localizer_maps run": lambda at, x: at.sub.get_localizer_maps(run=x),
    "get_localizer_map": lambda at, x: at.sub.get_localizer_map("floc", "faces", space=x),
    "embeddings": lambda at, x: at.sub.embeddings.all("CLIP", x),
    "embeddings model": lambda at, x: at.sub.embeddings.all(x),
    "images": lambda at, x: at.sub.images.get(x),
    "captions": lambda at, x: at.sub.captions.human(x),
    "load_embeddings": lambda at, x: laion_fmri.load_embeddings(x),
    "get_rois": lambda at, x: discovery.get_rois(x),
    "get_rois category": lambda at, x: discovery.get_rois("sub-01", x),
    "plan_download": lambda at, x: plan_download(x, ses="ses-01"),
    "plan_download ses": lambda at, x: plan_download("sub-01", ses=x),
    "plan_download run": lambda at, x: plan_download("sub-01", run=x),
    "load_split": lambda at, x: splits.load_split(x),
    "load_split pool": lambda at, x: splits.load_split("random_0", x),
    "load_split ood_types": lambda at, x: splits.load_split("ood", ood_types=x),
    "get_train_test_ids": lambda at, x: splits.get_train_test_ids("random_0", "shared", x),
    "get_split_masks": lambda at, x: splits.get_split_masks(x, "random_0", "shared"),
    "list_splits": lambda at, x: splits.list_splits(x),
    "split_sizes": lambda at, x: splits.split_sizes(x),
}


@pytest.fixture
def at(sub, tiny_home, monkeypatch) -> SimpleNamespace:
    monkeypatch.setenv("LAION_FMRI_BUCKET", tiny_home.bucket_dir.as_uri())
    return SimpleNamespace(
        sub=sub,
        group=laion_fmri.load_subjects(["sub-01", "sub-03"]),
        values=np.zeros(sub.get_n_voxels()),
        roi=lambda x: "FFA1" if x is None else None,  # so that never the whole brain is read
    )


@pytest.mark.parametrize("name", CALLS)
def test_it_is_taken_or_refused(name, at):
    for anything in ANYTHING:
        with warnings.catch_warnings(), suppress(LaionFmriError):
            warnings.simplefilter("ignore")
            CALLS[name](at, anything)
