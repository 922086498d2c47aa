"""A subject's accessors, against nibabel and numpy on the same files."""

from __future__ import annotations

import gzip
import pickle

import nibabel
import numpy as np
import pandas as pd
import pytest
from builders import (
    AFFINE,
    GRID,
    LABELS,
    SES,
    SUB,
    SmallData,
    expected_betas,
    gzipped,
    read_nifti,
)

from laion_fmri import layout
from laion_fmri._errors import (
    DamagedFileError,
    DataDirNotSetError,
    DataNotDownloadedError,
    InconsistentDataError,
    InvalidArgumentError,
    NotEnoughMemoryError,
    SubjectNotFoundError,
    UnknownNameError,
    UnreadableFileError,
)
from laion_fmri.subject import load_subject


@pytest.fixture
def small(tmp_path) -> SmallData:
    """Brain mask, R², two sessions and ROIs."""
    data = SmallData(tmp_path / "data")
    data.brain()
    rsquare = data.rng.normal(size=GRID).astype("f4")
    rsquare[data.rng.random(GRID) < 0.3] = 0
    rsquare[0, 0, :2] = np.nan
    data.rsquare(rsquare)
    stored = data.rng.integers(-3000, 3000, size=(*GRID, len(LABELS))).astype(">i2")
    data.betas(stored, slope=1 / 300, inter=-0.25)
    values = data.rng.normal(size=(*GRID, 2)).astype("<f4")
    values[1, 1] = np.nan
    data.betas(values, ses="ses-10")
    data.trials()
    data.trials(LABELS[:2], ses="ses-10")
    for ses in (SES, "ses-10"):
        data.session_ceiling(data.rng.uniform(0, 60, GRID), ses=ses)
    data.subject_ceiling(data.rng.integers(0, 100, GRID).astype("u1"), "Noiseceiling12rep")
    for category, name in (("face", "FFA1"), ("face", "OFA"), ("place", "PPA")):
        mask = data.rng.random(GRID) < 0.4
        data.roi(category, name, mask.astype("u1"))
    with_nan = np.full(GRID, np.nan, "f4")
    with_nan[2, :2] = 1
    data.roi("motion", "MT", with_nan)
    return data


def volume_of(data: SmallData, key: str) -> np.ndarray:
    return read_nifti(data.at(key))


def inside(values: np.ndarray) -> np.ndarray:
    return (values != 0) & ~np.isnan(values)


def brain_of(data: SmallData, source: str = "anatomical") -> np.ndarray:
    key = layout.anatomical(SUB, "desc-brain_mask", "1pt8")
    return inside(volume_of(data, layout.mean_rsquare(SUB) if source == "rsquare" else key))


def roi_of(data: SmallData, category: str, name: str) -> np.ndarray:
    return inside(volume_of(data, layout.roi_volume(SUB, category, name)))


# --- loading ------------------------------------------------------------------------------


def test_load_subject(small, monkeypatch):
    with pytest.raises(DataDirNotSetError):
        load_subject(SUB)
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(small.path))
    assert load_subject("01").name == load_subject(SUB).name == SUB
    assert repr(load_subject(SUB)) == f"<Subject sub-01: 2 sessions in {small.path}>"
    assert load_subject(SUB).get_sessions() == [SES, "ses-10"]


@pytest.mark.parametrize(
    "bad", ["", "sub-", None, "../sub-01", True, 1.5, -1, ["01", "03"], [["01"]], {}]
)
def test_malformed_subjects(small, bad):
    with pytest.raises(SubjectNotFoundError, match="full form"):
        load_subject(bad, small.path)


def test_subjects_that_are_not_here(small, tmp_path):
    for asked in ("sub-02", 2, "sub-1", "1"):
        with pytest.raises(
            DataNotDownloadedError, match=r"Downloaded: sub-01.*Did you mean sub-01"
        ):
            load_subject(asked, small.path)
    with pytest.raises(DataDirNotSetError, match="does not exist"):
        load_subject(SUB, tmp_path / "gone")


def test_subjects_pickle(small):
    twin = pickle.loads(pickle.dumps(small.subject))
    assert twin.get_betas(SES).tobytes() == small.subject.get_betas(SES).tobytes()


# --- masks --------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["anatomical", "rsquare"])
def test_brain_masks(small, source):
    got = small.subject.get_brain_mask(source)
    expected = brain_of(small, source)
    assert got.dtype == bool
    assert np.array_equal(got, expected.ravel())
    assert small.subject.get_n_voxels(source) == expected.sum()


def test_the_full_resolution_brain_mask(small):
    full = np.ones((2, 2, 9), "i2")
    path = small.brain()
    data = SmallData(small.path)
    key = layout.anatomical(SUB, "desc-brain_mask")
    data.at(key).write_bytes(path.read_bytes())
    nibabel.Nifti1Image(full, np.eye(4)).to_filename(data.at(key))
    assert small.subject.get_brain_mask(res=None).shape == (36,)


@pytest.mark.parametrize(
    "query, parts",
    [
        ("FFA1", [("face", "FFA1")]),
        ("face", [("face", "FFA1"), ("face", "OFA")]),
        (["PPA", "face"], [("place", "PPA"), ("face", "FFA1"), ("face", "OFA")]),
        ("MT", [("motion", "MT")]),
    ],
)
def test_roi_masks_are_unions(small, query, parts):
    expected = np.logical_or.reduce([roi_of(small, *part) for part in parts])
    sub = small.subject
    for source in ("anatomical", "rsquare"):
        got = sub.get_roi_mask(query, source)
        assert got.dtype == bool
        assert np.array_equal(got, expected[brain_of(small, source)])
        betas = sub.get_betas(SES, mask_source=source)[:, got]
        assert betas.tobytes() == sub.get_betas(SES, roi=query, mask_source=source).tobytes()
    assert np.array_equal(sub.get_roi_grid_mask(query), expected.ravel())
    image = sub.get_roi_image(query)
    assert np.array_equal(image.get_fdata(), expected)
    assert np.allclose(image.affine, AFFINE)


def test_roi_names(small):
    sub = small.subject
    assert sub.get_available_categories() == ["face", "motion", "place"]
    assert sub.get_available_rois() == ["FFA1", "MT", "OFA", "PPA"]
    assert sub.get_available_rois("face") == ["FFA1", "OFA"]
    assert list(sub.get_roi_masks(["FFA1", "face"])) == ["FFA1", "face"]
    assert np.array_equal(sub.get_roi_mask("visual"), sub.get_roi_mask("all"))


def test_unknown_rois(small, tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'FFA1'"):
        small.subject.get_roi_mask("FFA2")
    empty = SmallData(tmp_path / "empty")
    with pytest.raises(DataNotDownloadedError, match="ses='averages'"):
        empty.subject.get_roi_mask("FFA1")


def test_an_interrupted_download_is_no_roi(small):
    path = small.roi("body", "EBA", np.ones(GRID, "u1"))
    path.rename(path.with_name(f".{path.name}.0123456789ab.part"))
    assert "EBA" not in small.subject.get_available_rois()


def test_rois_of_which_only_the_surface_is_here(small):
    small.surface("body", "EBA", "L", [0, 1, 1])
    with pytest.raises(DataNotDownloadedError, match=r"label-EBA_mask\.nii\.gz"):
        small.subject.get_roi_mask("EBA")


# --- betas --------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["anatomical", "rsquare"])
@pytest.mark.parametrize("ses", [SES, "ses-10"])
def test_betas_of_the_whole_brain(small, source, ses):
    got = small.subject.get_betas(ses, mask_source=source)
    expected = expected_betas(small.at(layout.betas(SUB, ses)), brain_of(small, source))
    assert got.tobytes() == expected.tobytes()
    assert got.shape == expected.shape
    assert small.subject.get_betas(ses, mask_source=source, streaming=True).tobytes() == (
        expected.tobytes()
    )


def test_every_filter_at_once(small):
    path = small.at(layout.betas(SUB, SES))
    nc = volume_of(small, layout.session_noise_ceiling(SUB, SES)).astype("f4")
    where = brain_of(small, "rsquare") & roi_of(small, "face", "FFA1") & (nc > 20.5)
    got = small.subject.get_betas(
        SES, roi="FFA1", nc_threshold=20.5, stimuli="shared", mask_source="rsquare"
    )
    assert got.tobytes() == expected_betas(path, where)[[0, 2]].tobytes()
    unique = small.subject.get_betas(SES, roi="FFA1", stimuli="unique")
    where = brain_of(small) & roi_of(small, "face", "FFA1")
    assert unique.tobytes() == expected_betas(path, where)[[1, 3]].tobytes()


def test_custom_masks(small):
    brain = brain_of(small)
    mask = small.rng.random(brain.size) < 0.5
    expected = expected_betas(
        small.at(layout.betas(SUB, SES)), brain & mask.reshape(GRID)
    ).tobytes()
    assert small.subject.get_betas(SES, mask=mask).tobytes() == expected
    assert small.subject.get_betas(SES, mask=mask[brain.ravel()]).tobytes() == expected
    with pytest.raises(InvalidArgumentError, match="not both"):
        small.subject.get_betas(SES, mask=mask, roi="FFA1")
    with pytest.raises(InvalidArgumentError, match="1-D array of bool"):
        small.subject.get_betas(SES, mask=mask.astype(int))


def test_betas_that_do_not_fit_into_memory(tmp_path):
    """Said from the headers, before anything is read: these files hold nothing else."""
    data = SmallData(tmp_path)
    for ses in (SES, "ses-02"):
        data.huge_betas(ses)
    for session, said in ((SES, r"1 session \(.*take 524 GB"), (None, r"2 sess.*take 1\.05 TB")):
        with pytest.raises(NotEnoughMemoryError, match=f"{said}.*roi=.*one session at a time"):
            data.subject.get_betas(session)
    with pytest.raises(MemoryError, match=r"32,000 trials, 4,096,000 voxels"):
        data.subject.get_betas(1, streaming=True)
    few = np.zeros(160**3, bool)
    few[:5] = True
    with pytest.raises(DamagedFileError, match="truncated"):  # now they are read
        data.subject.get_betas(SES, mask=few)


def test_filters_that_leave_nothing(small):
    small.trials(["unique_a_p01.jpg"] * 4)
    n_voxels = small.subject.get_n_voxels()
    assert small.subject.get_betas(SES, stimuli="shared").shape == (0, n_voxels)
    assert small.subject.get_betas(SES, nc_threshold=100).shape == (4, 0)


def test_uncompressed_files_are_as_good(small):
    before = small.subject.get_betas(SES, roi="face", nc_threshold=10)
    for path in small.path.rglob("*.nii.gz"):
        image = nibabel.load(path)
        plain = path.with_suffix("")
        plain.write_bytes(image.to_bytes() if path.stat().st_size == 0 else _inflated(path))
        path.unlink()
    after = small.subject.get_betas(SES, roi="face", nc_threshold=10)
    assert after.tobytes() == before.tobytes()
    assert small.subject.get_sessions() == [SES, "ses-10"]
    assert small.subject.get_available_noise_ceilings() == ["Noiseceiling12rep"]


def _inflated(path):
    return gzip.decompress(path.read_bytes())


def test_several_sessions_give_a_dict(small):
    sub = small.subject
    for asked in (
        None,
        [SES, "ses-10"],
        ("01", "10"),
        iter([SES, "10"]),
        [1, 10],
        np.array([1, 10]),
        pd.Series([1.0, 10.0], index=[5, 6]),
        pd.Index([SES, "ses-10"]),
        {SES, "ses-10"},
        {SES: "a", "ses-10": "b"}.keys(),
        [np.array(SES), b"ses-10"],
    ):
        got = sub.get_betas(asked, roi="FFA1")
        assert list(got) == [SES, "ses-10"]
        assert got["ses-10"].tobytes() == sub.get_betas("10", roi="FFA1").tobytes()
    assert sub.get_betas([]) == {}
    assert list(sub.get_trial_info()) == [SES, "ses-10"]
    assert len(sub.get_trial_info("ses-10")) == 2


def test_one_session_however_it_is_named(small):
    sub = small.subject
    expected = sub.get_betas(SES, roi="FFA1").tobytes()
    for session in (1, 1.0, np.int64(1), np.array("ses-01"), np.str_("01"), b"ses-01"):
        for roi in ("FFA1", np.array("FFA1"), np.array(["FFA1"]), pd.Series(["FFA1"]), {"FFA1"}):
            assert sub.get_betas(session, roi).tobytes() == expected
    masks = sub.get_roi_masks([["FFA1", "PPA"], np.str_("FFA1"), "face"])
    assert list(masks) == [("FFA1", "PPA"), "FFA1", "face"]
    assert np.array_equal(masks["FFA1", "PPA"], sub.get_roi_mask(["FFA1", "PPA"]))
    assert list(sub.get_roi_masks(np.array("FFA1"))) == ["FFA1"]
    assert load_subject(np.array("sub-01"), small.path).name == load_subject(1, small.path).name
    for mask_source in (np.array("rsquare"), np.str_("rsquare")):
        assert sub.get_n_voxels(mask_source) == sub.get_n_voxels("rsquare")


def test_a_single_trial(small):
    small.betas(small.rng.normal(size=(*GRID, 1)), ses="ses-02")
    assert small.subject.get_betas("ses-02").shape == (1, small.subject.get_n_voxels())


def test_betas_without_a_trial_table(small):
    small.at(layout.trials(SUB, SES)).unlink()
    assert small.subject.get_betas(SES).shape[0] == 4
    with pytest.raises(DataNotDownloadedError, match=r"trials\.tsv"):
        small.subject.get_betas(SES, stimuli="shared")


def test_a_threshold_below_one_warns(small):
    with pytest.warns(UserWarning, match="percent|%"):
        got = small.subject.get_betas(SES, nc_threshold=0.2)
    assert got.shape[1] > 0


@pytest.mark.parametrize("bad", ["20", float("nan"), [20], np.array([1.0, 2.0]), True])
def test_thresholds_that_are_no_number(small, bad):
    with pytest.raises(InvalidArgumentError, match="percentage"):
        small.subject.get_betas(SES, nc_threshold=bad)


def test_numpy_thresholds(small):
    for twenty in (np.float32(20), np.array(20)):
        ours = small.subject.get_betas(SES, nc_threshold=twenty)
        assert ours.tobytes() == small.subject.get_betas(SES, nc_threshold=20).tobytes()


@pytest.mark.parametrize(
    "arguments, error, said",
    [
        ({"session": "ses-1"}, DataNotDownloadedError, "no session ses-1 .*mean ses-01"),
        ({"session": "1"}, DataNotDownloadedError, "Did you mean ses-01"),
        ({"session": ["ses-01", "ses-010"]}, DataNotDownloadedError, "Did you mean ses-10"),
        ({"session": 77}, DataNotDownloadedError, r"download\(subject='sub-01', ses='ses-77'"),
        ({"session": "ses-77"}, DataNotDownloadedError, "SingletrialBetas"),
        ({"session": True}, InvalidArgumentError, "session identifier"),
        ({"session": 1.5}, InvalidArgumentError, "session identifier"),
        ({"session": [["ses-01"]]}, InvalidArgumentError, "session identifier"),
        ({"session": np.array([["ses-01"]])}, InvalidArgumentError, "one axis"),
        ({"session": SES, "roi": [["FFA1"]]}, InvalidArgumentError, "name of an ROI"),
        ({"session": SES, "roi": True}, InvalidArgumentError, "name of an ROI"),
        ({"session": [None]}, InvalidArgumentError, "session identifier"),
        ({"session": "../x"}, InvalidArgumentError, "session identifier"),
        ({"session": SES, "roi": "FFA9"}, UnknownNameError, "Did you mean"),
        ({"session": SES, "roi": []}, InvalidArgumentError, "at least one"),
        ({"session": SES, "roi": 3}, InvalidArgumentError, "name of an ROI"),
        ({"session": SES, "stimuli": "both"}, UnknownNameError, "shared, unique"),
        ({"session": SES, "mask_source": "epi"}, UnknownNameError, "anatomical, rsquare"),
    ],
)
def test_arguments_that_cannot_be_used(small, arguments, error, said):
    with pytest.raises(error, match=said):
        small.subject.get_betas(**arguments)


def test_missing_files_say_how_to_get_them(tmp_path):
    data = SmallData(tmp_path)
    data.betas()
    sub = data.subject
    advice = r"download\(subject='sub-01', ses='averages', include_anatomical=True\)"
    with pytest.raises(DataNotDownloadedError, match=advice):
        sub.get_betas(SES)
    with pytest.raises(DataNotDownloadedError, match=r"R2mean.*ses='averages'\)"):
        sub.get_brain_mask("rsquare")
    with pytest.raises(DataNotDownloadedError, match="include_freesurfer=True"):
        sub.get_freesurfer_dir()
    data.brain()
    with pytest.raises(DataNotDownloadedError, match=r"ses='ses-01'\)"):
        sub.get_betas(SES, nc_threshold=10)
    assert not sub.has_freesurfer()
    assert not sub.has_stimuli()


@pytest.mark.parametrize("n_labels", [3, 5, 0])
def test_a_trial_table_of_another_length(small, n_labels):
    small.trials(["shared_x.jpg"] * n_labels)
    for stimuli in (None, "shared"):
        with pytest.raises(InconsistentDataError, match=f"4 volumes but .* {n_labels} trials"):
            small.subject.get_betas(SES, stimuli=stimuli)


def test_a_beta_index_that_does_not_count(small):
    small.trials(beta_index=[1, 2, 3, 4])
    with pytest.raises(InconsistentDataError, match="beta_index"):
        small.subject.get_betas(SES)


def test_grids_that_differ(small):
    elsewhere = AFFINE.copy()
    elsewhere[1, 3] += 2
    for header, shape in (({"affine": elsewhere}, GRID), ({}, (3, 4, 5))):
        small.roi("body", "EBA", np.ones(shape, "u1"), **header)
        small.session_ceiling(np.ones(shape, "f4"), **header)
        for arguments in ({"roi": "EBA"}, {"nc_threshold": 10}, {"roi": "all"}):
            with pytest.raises(InconsistentDataError, match="another grid"):
                small.subject.get_betas(SES, **arguments)
        with pytest.raises(InconsistentDataError, match="another grid"):
            small.subject.get_roi_mask(["FFA1", "EBA"])
        small.brain(np.ones(shape, "u1"), **header)
        with pytest.raises(InconsistentDataError, match=r"Betas_statmap\.nii\.gz lies"):
            small.subject.get_betas(SES)
        small.brain()


@pytest.mark.parametrize("key", [
    layout.betas(SUB, SES),
    layout.anatomical(SUB, "desc-brain_mask", "1pt8"),
    layout.session_noise_ceiling(SUB, SES),
    layout.roi_volume(SUB, "face", "FFA1"),
])  # fmt: skip
def test_truncated_files(small, key):
    path = small.at(key)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DamagedFileError, match="download it again") as caught:
        small.subject.get_betas(SES, roi="FFA1", nc_threshold=1, stimuli="shared")
    assert path.name in str(caught.value)


def test_a_folder_in_the_place_of_betas(small):
    path = small.at(layout.betas(SUB, SES))
    path.unlink()
    path.mkdir()
    with pytest.raises(UnreadableFileError, match="directory"):
        small.subject.get_betas(SES)


# --- noise ceilings -------------------------------------------------------------------------


def test_noise_ceilings(small):
    sub, brain = small.subject, brain_of(small)
    session = volume_of(small, layout.session_noise_ceiling(SUB, SES))
    got = sub.get_noise_ceiling(session=SES)
    assert got.tobytes() == session[brain].astype("f4").tobytes()
    across = volume_of(small, layout.subject_noise_ceiling(SUB, "Noiseceiling12rep"))
    where = brain_of(small, "rsquare") & roi_of(small, "place", "PPA")
    got = sub.get_noise_ceiling(desc="Noiseceiling12rep", roi="PPA", mask_source="rsquare")
    assert got.tobytes() == across[where].astype("f4").tobytes()
    assert list(sub.get_noise_ceiling(session=[SES, "10"])) == [SES, "ses-10"]
    assert sub.get_available_noise_ceilings() == ["Noiseceiling12rep"]


@pytest.mark.parametrize(
    "arguments, error, said",
    [
        ({}, InvalidArgumentError, "Give either session"),
        ({"session": SES, "desc": "Noiseceiling12rep"}, InvalidArgumentError, "Give either"),
        ({"desc": "12rep"}, DataNotDownloadedError, "Noiseceiling12rep"),
        ({"desc": "../x"}, DataNotDownloadedError, "Noiseceiling12rep"),
        ({"desc": "Noiseceiling3rep"}, FileNotFoundError, "mean Noiseceiling"),
        ({"desc": 12}, InvalidArgumentError, "no noise ceiling name"),
        ({"desc": "NoiseceilingAllrep"}, DataNotDownloadedError, "ses='averages'"),
        ({"session": "ses-09"}, DataNotDownloadedError, "ses='ses-09'"),
    ],
)
def test_noise_ceilings_that_are_not_there(small, arguments, error, said):
    with pytest.raises(error, match=said):
        small.subject.get_noise_ceiling(**arguments)


# --- ROI data -------------------------------------------------------------------------------


@pytest.fixture
def with_surfaces(small) -> SmallData:
    small.surface("face", "FFA1", "L", [0, 1, 1])
    small.surface("face", "FFA1", "R", [1, 0, 0, 1])
    small.label("face", "FFA1", "L", [1, 2])
    small.label("face", "FFA1", "R", [0, 3])
    small.surface("face", "OFA", "R", [0, 0, 0, 1])
    small.label("face", "OFA", "R", [3])
    return small


def test_roi_data_in_every_form(with_surfaces):
    got = with_surfaces.subject.get_roi_data("FFA1")["FFA1"]
    assert np.array_equal(got["volume"], with_surfaces.subject.get_roi_mask("FFA1"))
    assert got["gii"]["hemi-L"]["func.gii"].tolist() == [False, True, True]
    assert got["gii"]["hemi-L"]["label"].tolist() == [1, 2]
    assert got["gii"]["hemi-R"]["func.gii"].tolist() == [True, False, False, True]
    assert got["gii"]["hemi-R"]["label"].tolist() == [0, 3]


def test_roi_data_is_pruned(with_surfaces):
    sub = with_surfaces.subject
    assert list(sub.get_roi_data("FFA1", format="volume")["FFA1"]) == ["volume"]
    assert list(sub.get_roi_data("FFA1", format="nii.gz")["FFA1"]) == ["volume"]
    left = sub.get_roi_data("FFA1", format="gii", hemi="L")["FFA1"]
    assert list(left) == ["gii"]
    assert list(left["gii"]) == ["hemi-L"]
    assert list(left["gii"]["hemi-L"]) == ["func.gii", "label"]
    only = sub.get_roi_data("FFA1", format="label")["FFA1"]["gii"]
    assert all(list(side) == ["label"] for side in only.values())
    assert list(sub.get_roi_data("face", format="volume")) == ["FFA1", "OFA"]


def test_an_roi_with_one_hemisphere(with_surfaces):
    sub = with_surfaces.subject
    assert list(sub.get_roi_data("OFA", format="gii")["OFA"]["gii"]) == ["hemi-R"]
    assert list(sub.get_roi_data("OFA", hemi="R")["OFA"]["gii"]) == ["hemi-R"]
    with pytest.raises(DataNotDownloadedError, match="hemi-L"):
        sub.get_roi_data("OFA", format="gii", hemi="L")
    assert sub.get_roi_data("PPA", format="gii") == {"PPA": {"gii": {}}}


def test_roi_data_refuses_other_forms(with_surfaces):
    with pytest.raises(UnknownNameError, match=r"ROI format"):
        with_surfaces.subject.get_roi_data("FFA1", format="mgz")
    with pytest.raises(UnknownNameError, match="hemisphere"):
        with_surfaces.subject.get_roi_data("FFA1", hemi="left")
    path = with_surfaces.at(layout.roi_surface(SUB, "face", "FFA1", "L", ".label"))
    path.write_text(path.read_text()[:-30])
    with pytest.raises(DamagedFileError):
        with_surfaces.subject.get_roi_data("FFA1", format="label")


# --- brain space ----------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["anatomical", "rsquare"])
def test_values_go_back_to_their_voxels(small, tmp_path, source):
    sub, brain = small.subject, brain_of(small, source)
    values = small.rng.normal(size=brain.sum()).astype("f4")
    values[0] = np.nan
    path = sub.to_nifti(values, tmp_path / "map.nii.gz", mask_source=source)
    image = nibabel.load(path)
    assert np.allclose(image.affine, AFFINE)
    expected = np.zeros(GRID, "f4")
    expected[brain] = values
    assert np.asarray(image.dataobj).tobytes("F") == expected.tobytes("F")
    assert sub.to_image(values, mask_source=source).get_fdata().tobytes() == (
        image.get_fdata().tobytes()
    )
    with pytest.raises(InvalidArgumentError, match="mask_source"):
        sub.to_nifti(values[1:], tmp_path / "other.nii.gz", mask_source=source)


@pytest.mark.parametrize("source", ["anatomical", "rsquare"])
@pytest.mark.parametrize("whole_brain", [True, False])
@pytest.mark.parametrize("by", ["roi", "mask", "grid mask"])
def test_values_of_some_voxels_go_back_to_them(small, tmp_path, source, whole_brain, by):
    sub = small.subject
    where = brain_of(small, source) & roi_of(small, "face", "FFA1")
    chosen = {
        "roi": {"roi": "FFA1"},
        "mask": {"mask": sub.get_roi_mask("FFA1", source)},
        "grid mask": {"mask": sub.get_roi_grid_mask("FFA1")},
    }[by]
    everywhere = {} if whole_brain else chosen
    values = sub.get_noise_ceiling(SES, **everywhere, mask_source=source)
    expected = np.zeros(GRID, "f4")
    expected[where] = volume_of(small, layout.session_noise_ceiling(SUB, SES))[where]
    image = sub.to_image(values, **chosen, mask_source=source)
    assert np.array_equal(np.asarray(image.dataobj), expected)
    path = sub.to_nifti(values, tmp_path / "map.nii.gz", **chosen, mask_source=source)
    assert np.array_equal(read_nifti(path), expected)
    at = sub.get_voxel_coordinates(**chosen, mask_source=source)
    every = sub.get_voxel_coordinates(mask_source=source)
    assert np.array_equal(at, every[sub.get_roi_mask("FFA1", source)])
    assert np.allclose(at, nibabel.affines.apply_affine(AFFINE, np.argwhere(where)))


def test_values_that_are_not_of_the_voxels_chosen(small, tmp_path):
    sub = small.subject
    n = int(sub.get_roi_mask("FFA1").sum())
    for values in (np.zeros(n + 1), np.zeros((1, n)), np.float32(0)):
        with pytest.raises(InvalidArgumentError, match="One value"):
            sub.to_image(values, "FFA1")
    with pytest.raises(InvalidArgumentError, match=f"{n} voxels chosen, or of the"):
        sub.to_nifti(np.zeros(n + 1), tmp_path / "map.nii", roi="FFA1")
    with pytest.raises(InvalidArgumentError, match="not both"):
        sub.to_image(np.zeros(n), roi="FFA1", mask=sub.get_roi_mask("FFA1"))


def test_masks_and_maps_have_one_axis(small, tmp_path):
    """As people write it: masks are combined with maps, and written as maps."""
    sub = small.subject
    roi, ceiling = sub.get_roi_mask("FFA1"), sub.get_noise_ceiling(session=SES)
    good = roi & (ceiling > 25)
    betas = sub.get_betas(session=SES)[:, good]
    assert betas.tobytes() == sub.get_betas(SES, roi="FFA1", nc_threshold=25).tobytes()
    assert len(sub.get_voxel_coordinates()[good]) == good.sum()
    image = nibabel.load(sub.to_nifti(roi.astype("float32"), tmp_path / "roi.nii.gz"))
    assert np.array_equal(image.get_fdata(), brain_of(small) & roi_of(small, "face", "FFA1"))
    assert sub.get_roi_data("FFA1", format="volume")["FFA1"]["volume"].tobytes() == roi.tobytes()


def test_an_roi_on_the_axis_of_a_brain_mask_that_is_not_here(small):
    small.at(layout.anatomical(SUB, "desc-brain_mask", "1pt8")).unlink()
    with pytest.raises(DataNotDownloadedError, match="include_anatomical=True"):
        small.subject.get_roi_mask("FFA1")
    assert small.subject.get_roi_mask("FFA1", mask_source="rsquare").any()
    assert small.subject.get_roi_grid_mask("FFA1").any()
    assert list(small.subject.get_roi_data("FFA1", "gii")) == ["FFA1"]


def test_voxel_coordinates(small):
    for source in ("anatomical", "rsquare"):
        voxels = np.argwhere(brain_of(small, source))
        expected = nibabel.affines.apply_affine(AFFINE.astype("f4").astype("f8"), voxels)
        got = small.subject.get_voxel_coordinates(mask_source=source)
        assert np.allclose(got, expected)


# --- anatomy --------------------------------------------------------------------------------


def test_anatomy_paths(small):
    sub = small.subject
    assert sub.has_anatomical()
    assert sub.get_anatomical_brain_mask(res="1pt8").is_file()
    assert sub.get_anatomical_dir().is_dir()
    for ask in (sub.get_t1w, sub.get_t2w, sub.get_anatomical_brain_mask):
        with pytest.raises(DataNotDownloadedError, match="include_anatomical=True"):
            ask()
    (small.path / layout.freesurfer_dir(SUB) / "surf").mkdir(parents=True)
    assert sub.has_freesurfer()
    assert sub.get_freesurfer_dir().name == SUB


def test_bits_that_flip_behind_the_last_trial_asked_for(small):
    """A file is read to its checksum, also when only early trials are wanted."""
    path = small.at(layout.betas(SUB, SES))
    data = bytearray(gzipped(_inflated(path), 1))
    data[-6] ^= 1  # in the checksum
    path.write_bytes(data)
    small.trials([LABELS[0], *[LABELS[1]] * 3])
    with pytest.raises(DamagedFileError, match="checksum"):
        small.subject.get_betas(SES, stimuli="shared")
