"""Maps of the functional localizers."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from builders import GRID, SUB, SmallData, read_nifti, write_nifti
from local_copy import copy_local

from laion_fmri import layout
from laion_fmri._errors import (
    DamagedFileError,
    DataNotDownloadedError,
    InconsistentDataError,
    InvalidArgumentError,
    UnknownNameError,
)
from laion_fmri.subject import load_subject


class Localizers(SmallData):
    """Small localizer maps, written by hand."""

    def volume(self, ses, task, contrast, res="1pt8", stat="z", run=None, stored=None):
        if stored is None:
            stored = self.rng.normal(size=GRID).astype("f4")
        stem = self.stem(ses, task, run)
        name = f"{stem}_space-T1w_res-{res}_contrast-{contrast}_stat-{stat}_statmap.nii.gz"
        write_nifti(self.at(name), stored)
        return stored

    def surface_map(self, ses, task, contrast, hemi, values):
        stem = f"{self.stem(ses, task)}_hemi-{hemi}_space-fsnative"
        path = self.at(f"{stem}_contrast-{contrast}_stat-z_statmap.func.gii")
        array = nibabel.gifti.GiftiDataArray(np.asarray(values, "f4"), intent="NIFTI_INTENT_NONE")
        nibabel.gifti.GiftiImage(darrays=[array]).to_filename(path)
        return path

    @staticmethod
    def stem(ses, task, run=None):
        folder = f"{layout.LOCALIZERS_TREE}/{SUB}/{ses}/func"
        return f"{folder}/{SUB}_{ses}_task-{task}" + (f"_run-{run:02d}" if run else "")


@pytest.fixture
def data(tmp_path) -> Localizers:
    """Localizers of two sessions, named as they are published."""
    data = Localizers(tmp_path)
    data.mask = data.rng.random(GRID) < 0.6
    data.brain(data.mask.astype("u1"))
    category, motion = "ses-4BarScreenfLoc", "ses-MotionLocBarsSML"
    data.z = data.volume(category, "floc", "faceVsOthers")
    data.other = data.volume(category, "floc", "placeVsOthers")
    data.fine = data.volume(category, "floc", "faceVsOthers", res="1pt5", stored=np.ones((2, 3, 4)))
    data.effects = {
        run: data.volume(category, "floc", "face", stat="effect", run=run) for run in (1, 2)
    }
    for task in ("MotionLoc", "MotionLeft"):
        data.volume(motion, task, "movingVsStatic")
    data.left = np.arange(5)
    data.surface_map(category, "floc", "faceVsOthers", "L", data.left)
    data.surface_map(category, "floc", "faceVsOthers", "R", [7, np.nan])
    return data


def test_the_listing(data):
    table = data.subject.get_localizer_maps()
    assert table.columns.tolist() == [
        "task", "contrast", "session", "space", "hemi", "res", "stat", "run", "path",
    ]  # fmt: skip
    assert len(table) == 9
    assert all(path.is_file() for path in table["path"])
    assert table["task"].tolist() == ["floc"] * 7 + ["MotionLeft", "MotionLoc"]
    assert set(table["hemi"]) == {None, "L", "R"}
    effects = data.subject.get_localizer_maps(stat="effect")
    assert effects["run"].tolist() == ["01", "02"]
    assert effects["contrast"].tolist() == ["face", "face"]
    motion = data.subject.get_localizer_maps(task=["MotionLoc", "MotionLeft"])
    assert motion["contrast"].tolist() == ["movingVsStatic"] * 2
    assert len(data.subject.get_localizer_maps(session="4BarScreenfLoc", space="fsnative")) == 2
    assert len(data.subject.get_localizer_maps(run=2)) == 1
    assert len(data.subject.get_localizer_maps(hemi="R")) == 1


def test_no_maps(tmp_path):
    sub = SmallData(tmp_path).subject
    assert len(sub.get_localizer_maps()) == len(sub.get_localizer_maps(task="floc")) == 0
    assert "path" in sub.get_localizer_maps().columns
    with pytest.raises(
        DataNotDownloadedError, match=r"task='oloc', include_localizers=True\) fetches"
    ):
        sub.get_localizer_map("oloc", "objectVsScrambled")
    with pytest.raises(UnknownNameError, match="Did you mean 'oloc'"):
        sub.get_localizer_map("olocs", "objectVsScrambled")


def test_other_files_are_no_maps(data):
    path = data.subject.get_localizer_maps()["path"][0]
    path.with_name(f".{path.name}.0123456789ab.part").touch()
    path.with_name(path.name.replace(".nii.gz", ".json")).touch()
    path.with_name("notes.txt").touch()
    assert len(data.subject.get_localizer_maps()) == 9


def test_a_map_on_the_voxels_of_the_betas(data):
    got = data.subject.get_localizer_map("floc", "faceVsOthers")
    assert got.dtype == np.float32
    assert got.tobytes() == data.z[data.mask].tobytes()
    again = data.subject.get_localizer_map("floc", "faceVsOthers", session="4BarScreenfLoc")
    assert again.tobytes() == got.tobytes()


def test_both_mask_sources(data):
    rsquare = (data.rng.random(GRID) < 0.5).astype("f4")
    data.rsquare(rsquare)
    got = data.subject.get_localizer_map("floc", "placeVsOthers", mask_source="rsquare")
    assert got.tobytes() == data.other[rsquare != 0].tobytes()


def test_nan_stays_nan(data):
    stored = data.rng.normal(size=GRID).astype("f4")
    stored[data.rng.random(GRID) < 0.4] = np.nan
    data.volume("ses-4BarScreenfLoc", "floc", "faceVsOthers", stored=stored)
    got = data.subject.get_localizer_map("floc", "faceVsOthers")
    assert np.array_equal(got, stored[data.mask], equal_nan=True)


def test_another_resolution_has_a_grid_of_its_own(data):
    got = data.subject.get_localizer_map("floc", "faceVsOthers", res="1pt5")
    assert got.dtype == np.float32
    assert np.array_equal(got, np.ones(24))
    with pytest.raises(InvalidArgumentError, match="with res 1pt5, 1pt8"):
        data.subject.get_localizer_map("floc", "faceVsOthers", res=None)


def test_effects_of_single_runs(data):
    for run in (1, "1", "02", "run-02"):
        number = int(str(run)[-1])
        got = data.subject.get_localizer_map("floc", "face", stat="effect", run=run)
        assert got.tobytes() == data.effects[number][data.mask].tobytes()
    with pytest.raises(InvalidArgumentError, match="with run 01, 02"):
        data.subject.get_localizer_map("floc", "face", stat="effect")


def test_surface_maps(data):
    def get(hemi):
        return data.subject.get_localizer_map("floc", "faceVsOthers", space="fsnative", hemi=hemi)

    assert get("L").dtype == np.float32
    assert get("L").tolist() == data.left.tolist()
    both = get("all")
    assert list(both) == ["L", "R"]
    assert np.array_equal(both["R"], [7, np.nan], equal_nan=True)
    with pytest.raises(UnknownNameError, match="hemisphere"):
        get("left")
    with pytest.raises(InvalidArgumentError, match="holds both hemispheres"):
        data.subject.get_localizer_map("floc", "faceVsOthers", hemi="L")


def test_a_hemisphere_that_is_not_here(data):
    (data.subject.get_localizer_maps(hemi="R")["path"][0]).unlink()
    with pytest.raises(UnknownNameError, match="localizer hemi 'R'"):
        data.subject.get_localizer_map("floc", "faceVsOthers", space="fsnative", hemi="R")


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"task": "flock", "contrast": "faceVsOthers"}, "localizer task 'flock'.*mean 'floc'"),
        ({"task": "floc", "contrast": "facesVsOthers"}, "Did you mean 'faceVsOthers'"),
        ({"task": "floc", "contrast": "movingVsStatic"}, "contrast 'movingVsStatic'.*task='floc'"),
        ({"task": "floc", "contrast": "faceVsOthers", "space": "MNI"}, "localizer space 'MNI'"),
        ({"task": "floc", "contrast": "faceVsOthers", "res": "1pt9"}, "Did you mean '1pt"),
        ({"task": "floc", "contrast": "faceVsOthers", "stat": "t"}, "Known: effect, z"),
        ({"task": "floc", "contrast": "faceVsOthers", "session": "ses-09"}, "session 'ses-09'"),
        ({"task": "floc", "contrast": "face", "stat": "effect", "run": 9}, "Known: 01, 02"),
    ],
)
def test_unknown_names(data, arguments, said):
    with pytest.raises(UnknownNameError, match=said):
        data.subject.get_localizer_map(**arguments)
    with pytest.raises(UnknownNameError, match=said):
        data.subject.get_localizer_maps(**arguments)


def test_two_sessions_with_the_same_map(data):
    second = data.volume("ses-Second", "floc", "faceVsOthers")
    with pytest.raises(InvalidArgumentError, match="session ses-4BarScreenfLoc, ses-Second"):
        data.subject.get_localizer_map("floc", "faceVsOthers")
    got = data.subject.get_localizer_map("floc", "faceVsOthers", session="ses-Second")
    assert got.tobytes() == second[data.mask].tobytes()


def test_maps_that_do_not_fit_or_cannot_be_read(data):
    data.volume("ses-4BarScreenfLoc", "floc", "faceVsOthers", stored=np.ones((5, 3, 4), "f4"))
    with pytest.raises(InconsistentDataError, match="lies on another grid"):
        data.subject.get_localizer_map("floc", "faceVsOthers")
    table = data.subject.get_localizer_maps(contrast="faceVsOthers", hemi="L")
    table["path"][0].write_text("<gifti")
    with pytest.raises(DamagedFileError):
        data.subject.get_localizer_map("floc", "faceVsOthers", space="fsnative", hemi="L")


def test_uncompressed_volumes(data):
    import gzip

    path = data.subject.get_localizer_maps(contrast="placeVsOthers")["path"][0]
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    assert len(data.subject.get_localizer_maps(contrast="placeVsOthers")) == 1
    path.unlink()
    got = data.subject.get_localizer_map("floc", "placeVsOthers")
    assert got.tobytes() == data.other[data.mask].tobytes()


def test_the_demo_dataset(tiny_bucket, tmp_path):
    copy_local(tiny_bucket, tmp_path, ["sub-03"])
    sub = load_subject("sub-03", tmp_path)
    everything = sub.get_localizer_maps()
    assert sorted(set(zip(everything["session"], everything["task"], strict=True))) == [
        ("ses-31", "oloc"), ("ses-4BarScreenfLoc", "floc"), ("ses-MotionLocBarsSML", "MotionLeft"),
        ("ses-MotionLocBarsSML", "MotionLoc"), ("ses-MotionLocBarsSML", "MotionRight"),
    ]  # fmt: skip
    table = sub.get_localizer_maps(task="floc", stat="z")
    published = {f"{c}VsOthers" for c in ("face", "body", "place", "object", "character")}
    assert set(table["contrast"]) == {*published, "faces"}
    brain = read_nifti(tmp_path / layout.anatomical("sub-03", "desc-brain_mask", "1pt8")) != 0
    for row in table[table["res"] == "1pt8"].itertuples():
        got = sub.get_localizer_map("floc", row.contrast)
        assert got.tobytes() == read_nifti(row.path)[brain].astype("f4").tobytes()
    rsquare = sub.get_brain_mask("rsquare")[brain.ravel()]
    for (task, contrast), category in {
        ("floc", "faceVsOthers"): "face", ("oloc", "objectVsScrambled"): "object",
        ("MotionLeft", "movingVsStatic"): "motion", ("floc", "faces"): "face",
    }.items():  # fmt: skip
        z, inside = sub.get_localizer_map(task, contrast), sub.get_roi_mask(category)
        assert np.array_equal(np.isnan(z), ~rsquare)
        assert np.nanmean(z[inside]) > 3 > abs(np.nanmean(z[~inside]))
    for row in table[table["res"] == "1pt5"].itertuples():
        fine = nibabel.load(row.path)
        assert np.allclose(fine.header.get_zooms(), 7.5 * 1.5 / 1.778, atol=1e-3)
        assert np.nanmean(np.asarray(fine.dataobj)) == pytest.approx(
            np.nanmean(sub.get_localizer_map("floc", row.contrast)), abs=0.1
        )
    effect = sub.get_localizer_map("floc", "face", stat="effect", run=2)
    assert np.nanmean(effect[sub.get_roi_mask("face")]) > 3
    for row in table[table["space"] == "fsnative"].itertuples():
        got = sub.get_localizer_map("floc", row.contrast, space="fsnative", hemi=row.hemi)
        assert np.array_equal(got, nibabel.load(row.path).agg_data())
