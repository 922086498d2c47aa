"""The Brain tab and its pieces, without a browser: what they hand to the page."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest

from laion_fmri import layout
from laion_fmri._errors import DataNotDownloadedError, InvalidArgumentError
from laion_fmri.bucket import open_bucket
from laion_fmri.config import load_settings
from laion_fmri.explorer import BrainView, RoiPicker, brain_data, figures, maps, place
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.missing_files import missing_parts
from laion_fmri.explorer.roi_facts import histogram, roi_facts
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.tabs.brain import BrainTab


def opened(settings, **choices) -> BrainTab:
    tab = BrainTab(ExplorerState(tab="Brain", **choices), ExplorerData(settings))
    tab.open()
    return tab


def said(tab: BrainTab) -> str:
    return " ".join(message[0].object for message in tab.brain.messages)


def shown_map(view, hemi: str) -> np.ndarray:
    return np.frombuffer(view.map_data["values"][hemi], dtype=np.float32)


@pytest.fixture
def data(tiny_home):
    return ExplorerData(tiny_home.settings)


@pytest.fixture
def view(tiny_home):
    return BrainView("sub-01", data=ExplorerData(tiny_home.settings))


@pytest.fixture
def own_copy(tiny_home, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(tiny_home.data_dir, copy)
    return load_settings(data_dir=copy, bucket=tiny_home.settings.bucket)


# --- the tab ------------------------------------------------------------------------------


def test_the_map_and_rois_of_the_state_are_shown(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-03", rois=["face"])
    brain, sub = tab.brain, tab.data.subject("sub-03")
    expected = brain_data.map_on_surface(tab.data, sub, maps.available_maps(sub)[0])["L"]
    np.testing.assert_array_equal(shown_map(brain.view, "L"), expected)
    assert [layer["name"] for layer in brain.view.roi_data] == sub.get_available_rois("face")
    assert not brain.messages


def test_choosing_in_the_page_changes_state_and_view(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    tab.brain.controls.map.value = "Noise ceiling, ses-02"
    assert tab.state.map == "Noise ceiling, ses-02"
    assert tab.brain.view.map_data["name"] == "Noise ceiling, ses-02"
    tab.brain.controls.subject.value = "sub-03"
    assert tab.state.subject == "sub-03"
    assert tab.brain.view.map_data["name"] == "Noise ceiling, ses-02"
    tab.state.map = "HRF index, ses-01"
    assert tab.brain.view.map_data["units"] == "index"
    assert tab.brain.view.colormap == "viridis"


def test_marked_trials_become_a_map_and_an_image_leads_to_its_trial(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    tab.state.selected_trials = [1, 2, 3]
    assert "Mean response over 3 trials" in tab.brain.controls.map.options
    tab.brain.map = "Response in trial 0"
    tab.state.trial = 4
    assert tab.brain.map == "Response in trial 4"
    expected = maps.response_map(tab.data.subject("sub-01"), [4]).read()
    np.testing.assert_array_equal(tab.brain.picture.voxels, expected)

    tab.brain.inspector.tabs.active = 1
    tab.brain.view.select_vertex("L", 100)
    card = tab.brain.inspector.highest.items[0]
    tab.brain.inspector.highest.chosen = card["trial"]
    assert (tab.state.tab, tab.state.trial) == ("Trials", card["trial"])
    tab.state.tab = "Brain"
    tab.brain.inspector.mark_highest.clicks += 1
    names = tab.data.subject("sub-01").metadata["image_name"]
    assert card["name"] in set(names[tab.state.selected_trials])
    assert tab.state.tab == "Trials"


def test_without_a_data_directory_the_tab_says_what_to_do(tmp_path):
    tab = opened(load_settings(data_dir=tmp_path / "nowhere"))
    assert "Download tab" in said(tab)
    assert not tab.brain.view.visible


def test_a_damaged_map_is_a_message_and_the_next_one_shows(own_copy):
    path = layout.local_path(
        own_copy.data_dir, layout.subject_noise_ceiling("sub-01", "Noiseceiling12rep")
    )
    path.write_bytes(path.read_bytes()[:200])
    tab = opened(own_copy, subject="sub-01")
    assert "cannot be read" in said(tab)
    tab.brain.controls.map.value = "Noise ceiling, 4 repeats"
    assert not tab.brain.messages
    assert tab.brain.view.map_data["name"] == "Noise ceiling, 4 repeats"


def test_an_old_link_to_what_does_not_exist_shows_something(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-99", map="no such map", rois=["nothing"])
    assert tab.brain.view.map_data["name"] == "Noise ceiling, 12 repeats"
    assert tab.brain.view.roi_data == []


# --- what is missing ----------------------------------------------------------------------


def test_nothing_is_missing_from_the_whole_demo(data):
    assert missing_parts(data.subject("sub-01"), data.bucket()) == []


def test_what_is_missing_is_named_with_its_size_and_fetched_alone(own_copy):
    root = own_copy.data_dir
    shutil.rmtree(root / layout.freesurfer_dir("sub-01"))
    shutil.rmtree(root / layout.ROIS_TREE / "sub-01")
    tab = opened(own_copy, subject="sub-01")
    assert "include_freesurfer=True" in said(tab)
    assert tab.brain.missing.titles == ["Cortical surface", "ROI masks"]

    parts = missing_parts(tab.data.subject("sub-01"), open_bucket(own_copy))
    surface = next(p for p in parts if p.title == "Cortical surface")
    bucket_dir = open_bucket(own_copy).uri.removeprefix("file://")
    sizes = [len(open(f"{bucket_dir}/{key}", "rb").read()) for key in surface.keys]  # noqa: SIM115, PTH123
    assert surface.n_bytes == sum(sizes)
    assert not any("mri/" in key for key in surface.keys)

    row = next(r for r in tab.brain.missing.rows if r.name == "Cortical surface")
    row[1].clicks += 1
    (job,) = tab.brain.missing._jobs
    assert job.over.wait(30)
    tab.brain.missing._look()
    assert not tab.brain.messages
    assert tab.brain.view.map_data["name"] == "Noise ceiling, 12 repeats"
    assert tab.brain.missing.titles == ["ROI masks"]
    assert not (root / layout.freesurfer_dir("sub-01") / "mri").exists()


# --- the view on its own ------------------------------------------------------------------


def test_the_code_runs_and_gives_what_is_shown(view, tiny_home, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tiny_home.data_dir))
    view.rois = ["FFA1"]
    for name in ("Noise ceiling, ses-01", "R², mean over sessions"):
        view.map = name
        names: dict = {}
        exec(view.code.code, names)
        np.testing.assert_allclose(names["surface"]["R"], shown_map(view.view, "R"), atol=1e-5)
        np.testing.assert_array_equal(names["mask"], view.mask)
    assert list(names["rois"]) == ["FFA1"]


def test_a_map_of_ones_own_is_shown_under_its_name(view):
    sub = view._subject()
    values = sub.get_voxel_coordinates()[:, 0]
    view.add_map(values, name="x", units="mm")
    assert (view.map, view.view.map_data["units"], view.view.symmetric) == ("x", "mm", True)
    np.testing.assert_allclose(
        shown_map(view.view, "L"), sub.to_template(values, "fsnative", "L"), atol=1e-4
    )
    voxels = np.frombuffer(view.view.map_data["voxels"], np.float32)
    np.testing.assert_allclose(voxels, values, rtol=1e-6)
    view.add_map(-values, name="x")
    np.testing.assert_allclose(
        shown_map(view.view, "L"), sub.to_template(-values, "fsnative", "L"), atol=1e-4
    )
    with pytest.raises(InvalidArgumentError):
        view.add_map(np.zeros(3), name="short")


def test_a_nifti_is_taken_from_the_page_or_refused(view, tmp_path):
    sub = view._subject()
    path = sub.to_nifti(np.arange(sub.get_n_voxels(), dtype=np.float32), tmp_path / "mine.nii.gz")
    view.controls.open_file.param.update(filename="mine.nii.gz", value=path.read_bytes())
    assert view.map == "mine"

    nib.Nifti1Image(np.zeros((3, 3, 3), np.float32), np.eye(4)).to_filename(tmp_path / "other.nii")
    other = (tmp_path / "other.nii").read_bytes()
    for name, content, reason in (
        ("other.nii", other, "another grid"),
        ("notes.txt", b"text", "no NIfTI"),
        ("../../mine.nii.gz", b"nothing", "cannot be read"),
    ):
        view.messages.clear()
        view.controls.open_file.param.update(filename=name, value=content)
        assert reason in view.messages[0][0].object
        assert str(tmp_path) not in view.messages[0][0].object
    assert view.map == "mine"


def test_shapes_come_when_the_page_asks(view):
    assert view.view.shape_names == list(brain_data.SHAPES)
    assert view.view.shape_data == {}
    view.view.wanted_shapes = ["white", "flat"]
    assert set(view.view.shape_data) == {"white", "flat"}
    assert view.view.wanted_shapes == []
    white = np.frombuffer(view.view.shape_data["white"]["L"]["points"], "<f4").reshape(-1, 3)
    expected = brain_data.surfaces(view._data, view._subject(), "white")["L"].points
    np.testing.assert_array_equal(white, expected)


def test_another_cortex_and_other_slices(view):
    view.space = "fsaverage"
    assert not view.messages
    expected = view._subject().to_template(view.picture.voxels)["R"]
    np.testing.assert_allclose(shown_map(view.view, "R"), expected, atol=1e-4)
    before = view.view.volume_data["anatomy"]["shape"]
    view.controls.anatomy.value = "T1w, 1.8 mm"
    assert view.view.volume_data["anatomy"]["shape"] != before


def test_two_maps_or_subjects_stand_side_by_side(view):
    assert len(view.stage.views) == 1
    view.controls.compare_map.value = "Noise ceiling, 4 repeats"
    assert [v.map_data["name"] for v in view.stage.views] == [
        "Noise ceiling, 12 repeats",
        "Noise ceiling, 4 repeats",
    ]
    assert view.view.group == view.stage.other.group != ""
    view.controls.compare_subject.value = "sub-03"
    expected = maps.available_maps(view._data.subject("sub-03"))[2].read()
    np.testing.assert_array_equal(view.stage.beside.voxels, expected)
    view.controls.compare_map.value = "nothing"
    assert len(view.stage.views) == 1


# --- what is at a place -------------------------------------------------------------------


def test_a_click_tells_coordinates_value_and_every_roi(view):
    rois = brain_data.rois_on_surface(view._data, view._subject())
    vertex = int(np.flatnonzero(rois["FFA1"]["L"])[0])
    view.view.select_vertex("L", vertex)
    here = view.inspector.place
    assert "FFA1" in here.rois
    assert here.value == shown_map(view.view, "L")[vertex]
    assert f"vertex {vertex}" in view.inspector.here.object
    assert "FFA1" in view.inspector.here.object
    assert view.inspector.profile.object.count("<tr") == len(view._maps)


def test_a_point_of_the_slices_is_a_voxel(view):
    sub = view._subject()
    column = int(np.flatnonzero(sub.get_roi_mask("V1v")[sub.get_brain_mask()])[0])
    x, y, z = sub.get_voxel_coordinates()[column]
    view.view.crosshair = {"x": x, "y": y, "z": z, "source": "volume"}
    here = view.inspector.place
    assert np.flatnonzero(here.voxels).tolist() == [column]
    assert here.value == view.picture.voxels[column]
    assert "V1v" in here.rois
    values = place.profile(view._data, view.picture, here, view._maps[:3])
    assert list(values.values()) == [float(m.read()[column]) for m in view._maps[:3]]


def test_an_roi_in_numbers(data):
    sub = data.subject("sub-01")
    values = maps.available_maps(sub)[0].read()
    surface = brain_data.rois_on_surface(data, sub)
    facts = roi_facts(data, sub, "FFA1", ["FFA1", "EBA", "OFA"], surface, values)
    mask = sub.get_roi_mask("FFA1")
    in_brain = mask[sub.get_brain_mask()]
    x = sub.get_voxel_coordinates()[in_brain, 0]
    assert facts.voxels == {"L": (x < 0).sum(), "R": (x >= 0).sum(), "all": mask.sum()}
    assert facts.in_mask["anatomical"] == in_brain.sum()
    assert facts.in_mask["rsquare"] == (mask & sub.get_brain_mask("rsquare")).sum()
    assert facts.overlaps == {r: (mask & sub.get_roi_mask(r)).sum() for r in ("EBA", "OFA")}
    np.testing.assert_array_equal(facts.values, values[in_brain])
    assert facts.vertices["L"] == surface["FFA1"]["L"].sum()
    counts, edges = histogram(np.append(facts.values, np.nan))
    assert counts.sum() == len(facts.values)
    assert len(edges) == len(counts) + 1


# --- choosing ROIs ------------------------------------------------------------------------


def test_a_picker_speaks_the_librarys_grammar(data):
    sub = data.subject("sub-01")
    picker = RoiPicker(sub, value=["face", "V1v"])
    assert picker.rois == sub.resolve_rois(["face", "V1v"])
    np.testing.assert_array_equal(picker.mask, sub.get_roi_mask(["face", "V1v"]))
    names = {"sub": sub}
    exec(picker.code, names)
    np.testing.assert_array_equal(names["mask"], picker.mask)
    picker.choice.value = []
    assert picker.rois == []
    assert not picker.mask.any() and picker.mask.shape == sub.get_brain_mask().shape
    picker.choice.value = ["all"]
    assert picker.rois == sub.get_available_rois()
    with pytest.raises(DataNotDownloadedError, match="Give the picker"):
        _ = RoiPicker().mask


def test_a_picker_forgets_what_another_subject_lacks(data):
    picker = RoiPicker(data.subject("sub-01"), value=["face", "V1v"])
    picker.param.update(value=["face", "nothing"])
    picker.set_subject(data.subject("sub-03"))
    assert picker.value == ["face"]


# --- files to keep ------------------------------------------------------------------------


def test_the_map_is_kept_as_nifti_and_gifti(view, tmp_path):
    name, _, content = view.export._nifti()
    (tmp_path / name).write_bytes(content)
    sub = view._subject()
    found = np.asarray(nib.load(tmp_path / name).dataobj).ravel()[sub.get_brain_mask()]
    np.testing.assert_array_equal(found, view.picture.voxels)
    name, _, content = view.export._gifti("R")
    (tmp_path / name).write_bytes(content)
    gifti = nib.load(tmp_path / name)
    np.testing.assert_array_equal(gifti.agg_data(), view.picture.values["R"])
    assert gifti.meta["AnatomicalStructurePrimary"] == "CortexRight"


def test_a_montage_is_a_picture_at_print_resolution(view):
    import io

    from PIL import Image

    name, mime, content = view.export._montage()
    picture = Image.open(io.BytesIO(content))
    assert (name, mime) == ("sub-01_Noise_ceiling_12_repeats_montage.png", "image/png")
    assert picture.width == 3000
    assert round(picture.info["dpi"][0]) == 300
    flat = brain_data.surfaces(view._data, view._subject(), "flat")
    with pytest.raises(InvalidArgumentError, match="flat"):
        figures.montage(flat, view.picture.values, view.picture.underlay, figures.Scale(1, 2))


def test_a_page_of_its_own_asks_nobody_for_anything(view):
    page = figures.html_page(view.view, "<b>&").decode()
    assert "<title>&lt;b&gt;&amp;</title>" in page
    assert 'src="' not in page.partition("<script")[0]
    assert page.count('data-module="') == 11
