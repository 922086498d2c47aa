"""The Brain tab and its pieces, without a browser: what they hand to the page."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest

from laion_fmri import layout, maps
from laion_fmri._errors import DataNotDownloadedError, InvalidArgumentError
from laion_fmri.analysis.cortex import SHAPES
from laion_fmri.analysis.map_figure import draw_montage
from laion_fmri.bucket import open_bucket
from laion_fmri.config import load_settings
from laion_fmri.explorer import BrainView, RoiPicker
from laion_fmri.explorer.assets import BrowserFiles
from laion_fmri.explorer.brain import data as brain_data
from laion_fmri.explorer.brain import location_panel
from laion_fmri.explorer.brain.standalone_page import html_page
from laion_fmri.explorer.brain.tab import BrainTab
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.missing_files import missing_parts


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
def view(data):
    return BrainView("sub-01", data=data)


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
    panel = tab.brain.inspector.preferred_panel
    first = panel.gallery.found.highest.iloc[0]
    for _ in range(2):  # also the same one again
        panel.highest.receive({"chosen": 0})
        assert (tab.state.tab, tab.state.trial) == ("Trials", first["trials"][0])
        tab.state.param.update(tab="Brain", trial=0)
    panel.mark_highest.clicks += 1
    names = tab.data.subject("sub-01").metadata["image_name"]
    assert first["image_name"] in set(names[tab.state.selected_trials])
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
    assert missing_parts("sub-01", data.data_dir, data.bucket()) == []


def test_what_is_missing_is_named_with_its_size_and_fetched_alone(own_copy):
    root = own_copy.data_dir
    shutil.rmtree(root / layout.freesurfer_dir("sub-01"))
    shutil.rmtree(root / layout.ROIS_TREE / "sub-01")
    tab = opened(own_copy, subject="sub-01")
    assert "The Download tab fetches it" in said(tab)
    assert tab.brain.missing.of_subject.titles == ["Cortical surface", "ROI masks"]

    parts = missing_parts("sub-01", tab.data.data_dir, open_bucket(own_copy))
    surface = next(p for p in parts if p.title == "Cortical surface")
    bucket_dir = open_bucket(own_copy).uri.removeprefix("file://")
    sizes = [len(open(f"{bucket_dir}/{key}", "rb").read()) for key in surface.keys]  # noqa: SIM115, PTH123
    assert surface.n_bytes == sum(sizes)
    assert not any("mri/" in key for key in surface.keys)

    row = next(r for r in tab.brain.missing.of_subject.rows if r.name == "Cortical surface")
    row[1].clicks += 1
    (job,) = tab.brain.missing.of_subject.jobs
    assert job.over.wait(30)
    tab.brain.missing.of_subject.update()
    assert not tab.brain.messages
    assert tab.brain.view.map_data["name"] == "Noise ceiling, 12 repeats"
    assert tab.brain.missing.of_subject.titles == ["ROI masks"]
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
    sub = view.picture.subject
    values = sub.get_voxel_coordinates()[:, 0]
    view.add_map(values, name="x", units="mm")
    assert (view.map, view.view.map_data["units"], view.view.symmetric) == ("x", "mm", True)
    np.testing.assert_allclose(
        shown_map(view.view, "L"), sub.to_template(values, "fsnative", hemi="L"), atol=1e-4
    )
    voxels = np.frombuffer(view.view.map_data["voxels"], np.float32)
    np.testing.assert_allclose(voxels, values, rtol=1e-6)
    view.add_map(-values, name="x")
    np.testing.assert_allclose(
        shown_map(view.view, "L"), sub.to_template(-values, "fsnative", hemi="L"), atol=1e-4
    )
    with pytest.raises(InvalidArgumentError):
        view.add_map(np.zeros(3), name="short")


def test_a_nifti_is_taken_from_the_page_or_refused(view, tmp_path):
    sub = view.picture.subject
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


def test_shapes_come_when_the_page_asks(view, data):
    assert view.view.shape_names == list(SHAPES)
    assert view.view.shape_data == {}
    view.view.wanted_shapes = ["white", "flat"]
    assert set(view.view.shape_data) == {"white", "flat"}
    assert view.view.wanted_shapes == []
    white = np.frombuffer(view.view.shape_data["white"]["L"]["points"], "<f4").reshape(-1, 3)
    expected = brain_data.surfaces(data, view.picture.subject, "white")["L"].points
    np.testing.assert_array_equal(white, expected)


def test_another_cortex_and_other_slices(view):
    view.space = "fsaverage"
    assert not view.messages
    expected = view.picture.subject.to_template(view.picture.voxels)["R"]
    np.testing.assert_allclose(shown_map(view.view, "R"), expected, atol=1e-4)
    before = view.view.volume_data["anatomy"]["shape"]
    view.controls.anatomy.value = "T1w, 1.8 mm"
    assert view.view.volume_data["anatomy"]["shape"] != before


def test_what_a_script_sets_is_shown_in_the_controls(tiny_home, tmp_path):
    data = ExplorerData(tiny_home.settings)
    view = BrainView(
        "sub-03", data=data, map="Noise ceiling, ses-02", rois=["face"], space="fsaverage",
        threshold=21.5, compare="HRF index, ses-01", compare_subject="sub-01", linked=False,
    )  # fmt: skip
    controls = view.controls

    def shown() -> tuple:
        return (
            controls.subject.value, controls.map.value, controls.picker.choice.value,
            controls.space.value, view.view.lower, controls.compare_map.value,
            controls.compare_subject.value, controls.linked.value,
        )  # fmt: skip

    given = ("sub-03", "Noise ceiling, ses-02", ["face"], "fsaverage", 21.5, "HRF index, ses-01")
    assert shown() == (*given, "sub-01", False)
    assert view.view.subject == "sub-03 on fsaverage"

    view.param.update(map="HRF index, ses-01", rois=["V1v"], space="fsnative", threshold=3)
    view.param.update(compare="Noise ceiling, 4 repeats", compare_subject="", linked=True)
    then = ("sub-03", "HRF index, ses-01", ["V1v"], "fsnative", 3.0, "Noise ceiling, 4 repeats")
    assert shown() == (*then, "sub-03", True)
    view.add_map(np.ones(view.picture.subject.get_n_voxels()), name="mine")
    assert controls.map.value == view.map == "mine"
    path = view.picture.subject.to_nifti(view.picture.voxels, tmp_path / "my own.nii.gz")
    controls.open_file.param.update(filename=path.name, value=path.read_bytes())
    assert controls.map.value == view.map == "my own"

    # What there is not is not named by a control while something else is shown.
    view.param.update(map="no such map", compare="no such map", compare_subject="sub-99")
    assert controls.map.value == view.map == view.view.map_data["name"] == "my own"
    assert (view.compare, view.compare_subject, len(view.stage.views)) == ("", "", 1)
    view.threshold = float("nan")
    assert view.threshold == view.view.lower == view.view.automatic_bounds[0]
    view.subject = "sub-01"
    assert controls.subject.value == "sub-01"


def test_two_maps_or_subjects_stand_side_by_side(view, data):
    assert len(view.stage.views) == 1
    view.controls.compare_map.value = "Noise ceiling, 4 repeats"
    assert [v.map_data["name"] for v in view.stage.views] == [
        "Noise ceiling, 12 repeats",
        "Noise ceiling, 4 repeats",
    ]
    assert view.view.group == view.stage.second.view.group != ""
    view.controls.compare_subject.value = "sub-03"
    expected = maps.available_maps(data.subject("sub-03"))[2].read()
    np.testing.assert_array_equal(view.stage.second.picture.voxels, expected)
    assert [v.subject for v in view.stage.views] == ["sub-01", "sub-03"]
    view.controls.compare_map.value = "nothing"
    assert len(view.stage.views) == 1


def test_an_roi_has_one_colour_in_every_subject(own_copy):
    # sub-03 lacks ROIs that come first in the list of sub-01.
    for file in (own_copy.data_dir / layout.ROIS_TREE / "sub-03" / "body").glob("*"):
        file.unlink()
    view = BrainView("sub-01", data=ExplorerData(own_copy), rois=["all"])
    view.param.update(compare="Noise ceiling, 4 repeats", compare_subject="sub-03")
    one, two = ({r["name"]: r["colour"] for r in v.roi_data} for v in view.stage.views)
    assert set(two) < set(one)
    assert two == {name: one[name] for name in two}
    assert len(set(one.values())) == len(one)


def test_compared_brains_are_linked_until_they_are_not(view):
    first, second = view.view, view.stage.second.view
    first.param.update(view="posterior", lower=20.0, upper=55.0, colormap="viridis")
    first.shape = 1
    view.compare = "Noise ceiling, 4 repeats"
    linked = ("view", "camera", "panes", "shape", "lower", "upper", "symmetric", "colormap")

    def looks() -> list[list]:
        return [[getattr(v, name) for name in linked] for v in (first, second)]

    assert looks()[0] == looks()[1]
    assert first.lower == 20.0
    second.param.update(view="dorsal", lower=30.0, panes="both")
    first.param.update(camera=[10.0, 20.0, 1.5], shape=4)
    assert looks() == [["dorsal", [10.0, 20.0, 1.5], "both", 4, 30.0, 55.0, False, "viridis"]] * 2
    assert second.volume_data["anatomy"] == first.volume_data["anatomy"]
    first.crosshair = {"x": 1.0, "y": 2.0, "z": 3.0, "source": "volume"}
    assert second.crosshair == first.crosshair

    # A threshold in percent says nothing of an index.
    view.compare = "HRF index, ses-01"
    assert (second.view, second.upper) == ("dorsal", second.automatic_bounds[1])
    first.lower = 12.0
    assert second.lower != 12.0

    view.compare = "Noise ceiling, 4 repeats"
    view.controls.linked.value = False
    assert first.group == second.group == ""
    first.param.update(view="ventral", lower=5.0)
    assert (second.view, second.lower, first.camera) == ("dorsal", 12.0, [])
    view.linked = True
    assert (second.view, second.lower) == ("ventral", 5.0)


def test_a_link_shows_what_was_seen(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-03", rois=["face"])
    brain = tab.brain
    assert tab.state.display == ""
    brain.map = "HRF index, ses-01"
    brain.view.param.update(lower=2.5, upper=9.0, view="posterior", panes="both")
    brain.view.camera = [200.0, -12.5, 1.3]
    brain.view.crosshair = {"x": 1.0, "y": -2.0, "z": 3.0, "source": "volume"}
    brain.view.shape = 1
    brain.picker.style = "fill"
    brain.controls.folds.value = "curv"
    brain.param.update(compare="Noise ceiling, 4 repeats", compare_subject="sub-01", linked=False)
    state = tab.state
    assert "camera=200+-12.5+1.3" in state.display

    choices = {n: getattr(state, n) for n in ("subject", "map", "rois", "display")}
    again = opened(tiny_home.settings, **choices)
    assert {n: getattr(again.state, n) for n in choices} == choices
    names = ("lower", "upper", "view", "camera", "panes", "shape", "roi_style", "symmetric")
    for name in names:
        assert getattr(again.brain.view, name) == getattr(brain.view, name), name
    assert again.brain.controls.folds.value == "curv"
    assert [v.map_data["name"] for v in again.brain.stage.views][1] == "Noise ceiling, 4 repeats"
    assert not again.brain.controls.linked.value

    # Back to an address without any of it.
    again.state.param.update(map="Noise ceiling, 12 repeats", display="")
    assert again.state.display == ""
    plain = opened(tiny_home.settings, subject="sub-03", rois=["face"]).brain
    for name in names:
        assert getattr(again.brain.view, name) == getattr(plain.view, name), name
    assert len(again.brain.stage.views) == 1


def test_an_address_with_nonsense_shows_the_brain(tiny_home):
    hostile = "view=<img src=x>&camera=1 2&lower=nan&compare=<b>&of=sub-99&space=../x"
    tab = opened(tiny_home.settings, subject="sub-01", display=hostile)
    assert tab.state.display == ""
    assert tab.brain.view.map_data["name"] == "Noise ceiling, 12 repeats"
    assert not tab.brain.messages


# --- what is at a place -------------------------------------------------------------------


def test_a_click_tells_coordinates_value_and_every_roi(view, data):
    rois = brain_data.rois_on_surface(data, view.picture.subject)
    vertex = int(np.flatnonzero(rois["FFA1"]["L"])[0])
    view.view.select_vertex("L", vertex)
    at = view.inspector.location
    assert "FFA1" in brain_data.location_rois(data, view.picture, at)
    assert at.value(view.picture.values) == shown_map(view.view, "L")[vertex]
    panel = view.inspector.location_panel
    assert f"vertex {vertex}" in panel.facts.object
    assert "FFA1" in panel.facts.object
    assert panel.profile.object.count("<tr") == len(view.maps)


def test_every_map_is_read_when_asked_for_and_not_before_a_click(view, monkeypatch):
    monkeypatch.setattr(location_panel, "_MAPS_AT_FIRST", 2)
    panel = view.inspector.location_panel
    panel.every_map.clicks += 1  # nothing was clicked in the brain
    assert panel.profile.object == ""
    view.view.select_vertex("L", 100)
    assert panel.every_map.visible
    assert panel.profile.object.count("<tr") == 2
    panel.every_map.clicks += 1
    assert panel.profile.object.count("<tr") == len(view.maps)
    assert not panel.every_map.visible


def test_a_point_of_the_slices_is_a_voxel(view, data):
    sub = view.picture.subject
    column = int(np.flatnonzero(sub.get_roi_mask("V1v"))[0])
    x, y, z = sub.get_voxel_coordinates()[column]
    view.view.crosshair = {"x": x, "y": y, "z": z, "source": "volume"}
    at = view.inspector.location
    assert np.flatnonzero(at.voxels).tolist() == [column]
    assert at.value(view.picture.voxels) == view.picture.voxels[column]
    assert "V1v" in brain_data.location_rois(data, view.picture, at)
    values = brain_data.map_profile(data, view.picture, at, view.maps[:3])
    assert list(values.values()) == [float(m.read()[column]) for m in view.maps[:3]]


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
    assert not picker.mask.any() and picker.mask.shape == (sub.get_n_voxels(),)
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
    name, _, content = view.export.nifti_file()
    (tmp_path / name).write_bytes(content)
    sub = view.picture.subject
    found = np.asarray(nib.load(tmp_path / name).dataobj).ravel()[sub.get_brain_mask()]
    np.testing.assert_array_equal(found, view.picture.voxels)
    name, _, content = view.export.gifti_file("R")
    (tmp_path / name).write_bytes(content)
    gifti = nib.load(tmp_path / name)
    np.testing.assert_array_equal(gifti.agg_data(), view.picture.values["R"])
    assert gifti.meta["AnatomicalStructurePrimary"] == "CortexRight"


def test_a_montage_is_a_picture_at_print_resolution(view, data):
    import io

    from PIL import Image

    name, mime, content = view.export.montage_file()
    picture = Image.open(io.BytesIO(content))
    assert (name, mime) == ("sub-01_Noise_ceiling_12_repeats_montage.png", "image/png")
    assert picture.width == 3000
    assert round(picture.info["dpi"][0]) == 300
    # The chosen ROIs are drawn, in the colours that the view has for them.
    view.rois = ["face", "V1v"]
    with_rois = np.asarray(Image.open(io.BytesIO(view.export.montage_file()[2])).convert("RGB"))
    for roi in view.view.roi_data:
        colour = [int(roi["colour"][k : k + 2], 16) for k in (1, 3, 5)]
        drawn = (np.abs(with_rois.astype(int) - colour) < 3).all(axis=2)
        on_brain, in_legend = drawn[: picture.height - 150], drawn[-150:]
        assert in_legend.sum() > 100, roi["name"]
        assert on_brain.sum() > 50, roi["name"]
    flat = brain_data.surfaces(data, view.picture.subject, "flat")
    with pytest.raises(InvalidArgumentError, match="flat"):
        draw_montage(flat, view.picture.values, view.picture.underlay, lower=1, upper=2)


def test_a_page_of_its_own_asks_nobody_for_anything(view):
    page = html_page(view.view, "<b>&").decode()
    assert "<title>&lt;b&gt;&amp;</title>" in page
    assert 'src="' not in page.partition("<script")[0]
    assert page.count('data-module="') == len(BrowserFiles.surface_view) > 10
