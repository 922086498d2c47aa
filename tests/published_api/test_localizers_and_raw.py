"""Localizer paths and raw BIDS data as the published package's users call them."""

from __future__ import annotations

import inspect
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from local_copy import copy_local

from laion_fmri import (
    DataDirNotSetError,
    InvalidArgumentError,
    Subject,
    SubjectNotFoundError,
    UnknownNameError,
    layout,
    load_subject,
)
from laion_fmri.derivatives import localizer_effect_path, localizer_statmap_path

FLOC, SES = "ses-4BarScreenfLoc", "ses-01"


@pytest.mark.parametrize(
    "function, parameters",
    [
        (localizer_statmap_path, "subject task contrast session space hemi res data_dir"),
        (localizer_effect_path, "subject task condition session run space hemi res data_dir"),
        (Subject.has_raw, "self session run echo part"),
        (Subject.get_events, "self session run"),
        (Subject.get_raw_bold, "self session run echo part"),
        (Subject.get_sbref, "self session run echo part"),
    ],
)
def test_positions_and_defaults(function, parameters):
    found = inspect.signature(function).parameters
    assert " ".join(found) == parameters
    expected = {"space": "fsnative", "hemi": None, "res": "1pt5", "data_dir": None}
    if "space" in found:
        assert {name: found[name].default for name in expected} == expected


# --- localizers -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data_dir(tiny_bucket, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("localizers")
    copy_local(tiny_bucket, folder, ["sub-03"])
    return folder


@pytest.mark.parametrize(
    "task, session, contrast",
    [
        ("floc", FLOC, "faceVsOthers"),
        ("oloc", "ses-31", "objectVsScrambled"),
        ("MotionLeft", "ses-MotionLocBarsSML", "movingVsStatic"),
    ],
)
def test_z_maps_of_the_demo_are_where_the_paths_say(data_dir, task, session, contrast):
    root = data_dir / layout.LOCALIZERS_TREE / "sub-03" / session / "func"
    for hemi in ("L", "R"):
        path = localizer_statmap_path(
            "sub-03", task, contrast, session, "fsnative", hemi, "1pt5", data_dir
        )
        assert path == root / (
            f"sub-03_{session}_task-{task}_hemi-{hemi}_space-fsnative_contrast-{contrast}"
            "_stat-z_statmap.func.gii"
        )
        assert nibabel.load(path).darrays[0].data.ndim == 1
    shapes = []
    for res in ("1pt5", "1pt8"):
        path = localizer_statmap_path(
            subject="03", task=task, contrast=contrast, session=session.removeprefix("ses-"),
            space="T1w", res=res, data_dir=str(data_dir),
        )  # fmt: skip
        assert path == root / (
            f"sub-03_{session}_task-{task}_space-T1w_res-{res}_contrast-{contrast}"
            "_stat-z_statmap.nii.gz"
        )
        shapes.append(nibabel.load(path).shape)
    assert np.prod(shapes[0]) > np.prod(shapes[1])


@pytest.mark.parametrize("run", [2, "2", "02", "run-02", "run-2", np.int64(2), 2.0])
def test_effects_of_runs_are_where_the_paths_say(data_dir, run):
    path = localizer_effect_path("sub-03", "floc", "face", FLOC, run, hemi="L", data_dir=data_dir)
    assert path.name == (
        f"sub-03_{FLOC}_task-floc_run-02_hemi-L_space-fsnative_contrast-face"
        "_stat-effect_statmap.func.gii"
    )
    assert path.is_file()
    volume = localizer_effect_path(
        subject=3, task="floc", condition="face", session=FLOC, run=run, space="T1w", hemi=None,
        res="1pt8", data_dir=data_dir,
    )  # fmt: skip
    sub = load_subject("sub-03", data_dir)
    expected = nibabel.load(volume).get_fdata(dtype="f4").ravel()[sub.get_brain_mask()]
    got = sub.get_localizer_map("floc", "face", stat="effect", run=run)
    assert np.array_equal(got, expected, equal_nan=True)


def test_a_map_that_is_not_local_has_a_path_all_the_same(configured):
    path = localizer_statmap_path("sub-01", "floc", "houseVsBoat", FLOC, hemi="R")
    assert path.name.endswith("_contrast-houseVsBoat_stat-z_statmap.func.gii")
    assert not path.exists()


def test_what_is_no_localizer_map(tmp_path, nothing_configured):
    def path(subject="sub-01", task="floc", contrast="faceVsOthers", session=FLOC, **more):
        return localizer_statmap_path(subject, task, contrast, session, **more)

    with pytest.raises(DataDirNotSetError):
        path(hemi="L")
    for wrong, error in (
        ({"hemi": None}, InvalidArgumentError),
        ({"hemi": "left"}, UnknownNameError),
        ({"space": "MNI", "hemi": "L"}, UnknownNameError),
        ({"space": "T1w", "hemi": "L"}, InvalidArgumentError),
        ({"space": "T1w", "res": "2"}, UnknownNameError),
        ({"hemi": "L", "contrast": "../../x"}, InvalidArgumentError),
        ({"hemi": "L", "task": ""}, InvalidArgumentError),
        ({"hemi": "L", "session": "a/b"}, InvalidArgumentError),
        ({"hemi": "L", "subject": "sub-"}, SubjectNotFoundError),
    ):
        with pytest.raises(error):
            path(**{"data_dir": tmp_path, **wrong})
    for run in ("first", -1, 1.5, None, True):
        with pytest.raises(InvalidArgumentError, match="is no run"):
            localizer_effect_path("01", "floc", "face", FLOC, run, hemi="L", data_dir=tmp_path)


# --- raw data -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def raw(tiny_bucket) -> Subject:
    return Subject("sub-01", tiny_bucket)  # raw data have the same names in both places


def test_has_raw(raw, tiny_bucket):
    assert raw.has_raw(SES) is raw.has_raw(session="01") is raw.has_raw(1) is raw.has_raw() is True
    assert raw.has_raw(SES, 1, 2) and raw.has_raw(SES, run="01", echo="3", part="mag")
    for absent in ((SES, 9), (SES, 1, 4), ("ses-02",), ("ses-31",), (["ses-01", "ses-02"],)):
        assert raw.has_raw(*absent) is False
    assert Subject("sub-03", tiny_bucket).has_raw() is False
    assert Subject("sub-03", tiny_bucket).has_raw(SES) is False


def test_events_have_the_run(raw, tiny_bucket):
    events = raw.get_events(SES)
    assert {"onset", "duration", "stim_file", "run", "task"} <= set(events.columns)
    assert events["run"].unique().tolist() == [1, 2]
    assert events["onset"].dtype == float
    for run in (1, 2):
        name = f"sub-01_ses-01_task-images_run-{run:02d}_events.tsv"
        file = pd.read_csv(tiny_bucket / "sub-01" / SES / "func" / name, sep="\t")
        for given in (run, f"{run:02d}", [run], np.int64(run)):
            got = raw.get_events(SES, given)
            pd.testing.assert_frame_equal(got[list(file.columns)], file)
            assert (got["run"] == run).all()
    trials = pd.read_csv(tiny_bucket / layout.trials("sub-01", SES), sep="\t")
    rows = trials.iloc[events["beta_index"]]
    assert events["stim_file"].tolist() == rows["label"].tolist()
    assert events["run"].tolist() == rows["run"].tolist()


def test_paths_of_bold_and_sbref(raw):
    assert len(raw.get_raw_bold(SES)) == len(raw.get_sbref(SES)) == 2 * 3 * 2
    (path,) = raw.get_raw_bold(SES, 1, 2, "mag")
    assert path.name == "sub-01_ses-01_task-images_run-01_echo-2_part-mag_bold.nii.gz"
    assert nibabel.load(path).ndim == 4
    (path,) = raw.get_sbref(session=SES, run=2, echo=1, part="phase")
    assert path.name == "sub-01_ses-01_task-images_run-02_echo-1_part-phase_sbref.nii.gz"
    assert nibabel.load(path).ndim == 3
    assert [p.name for p in raw.get_raw_bold(1, echo=[1, 3], run="02", part="mag")] == [
        f"sub-01_ses-01_task-images_run-02_echo-{echo}_part-mag_bold.nii.gz" for echo in (1, 3)
    ]


@pytest.mark.parametrize("accessor", ["get_events", "get_raw_bold", "get_sbref"])
def test_sessions_are_one_or_many_and_what_is_missing_says_how_to_get_it(
    raw, tiny_bucket, accessor
):
    get = getattr(raw, accessor)
    for many in (None, [SES], np.array(["ses-01"])):
        found = get(many)
        assert list(found) == [SES]
        assert len(found[SES]) == len(get(SES))
    with pytest.raises(FileNotFoundError, match=r"run=9.*Local are .*download_raw\('sub-01'"):
        get(SES, 9)
    with pytest.raises(FileNotFoundError, match=r"download_raw\('sub-01', ses='ses-02'\)"):
        get("ses-02")
    with pytest.raises(FileNotFoundError, match="does not give out the raw data of ses-31"):
        get("ses-31")
    with pytest.raises(FileNotFoundError):
        getattr(Subject("sub-03", tiny_bucket), accessor)(SES)
    with pytest.raises(InvalidArgumentError):
        get("ses-01/..")


def test_unions_of_rois_and_unknown_categories(sub):
    for union in ("V1", "FFA"):
        parts = {"V1": ["V1v", "V1d"], "FFA": ["FFA1", "FFA2"]}[union]
        expected = sub.get_roi_mask(parts[0]) | sub.get_roi_mask(parts[1])
        assert np.array_equal(sub.get_roi_mask(union), expected)
        assert np.array_equal(sub.get_roi_masks([union])[union], expected)
        assert sub.get_betas(SES, union).shape[1] == expected.sum()
        assert union not in sub.get_available_rois()
    assert sub.get_available_rois("no such category") == []
    with pytest.raises(FileNotFoundError):
        sub.get_noise_ceiling(desc="no such desc")
