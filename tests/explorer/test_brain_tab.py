from __future__ import annotations

import shutil

import numpy as np
import pytest

from laion_fmri import layout
from laion_fmri.config import load_settings
from laion_fmri.explorer import brain_data
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.tabs.brain import BrainTab


def opened(settings, **choices) -> BrainTab:
    tab = BrainTab(ExplorerState(tab="Brain", **choices), ExplorerData(settings))
    tab.open()
    return tab


def said(tab: BrainTab) -> str:
    return " ".join(message[0].object for message in tab.messages)


def test_the_map_and_rois_of_the_state_are_shown(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-03", rois=["face"])
    sub = tab.data.subject("sub-03")
    brain_map = brain_data.find_map(sub, "")
    expected = brain_data.map_on_surface(tab.data, sub, brain_map)["L"]
    shown = np.frombuffer(tab.view.map_data["values"]["L"], dtype=np.float32)
    np.testing.assert_array_equal(shown, expected)
    assert [layer["name"] for layer in tab.view.roi_data] == sub.get_available_rois("face")
    assert not tab.messages


def test_choosing_a_map_in_the_page_changes_state_and_view(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    tab.map.value = "Noise ceiling, ses-02"
    assert tab.state.map == "Noise ceiling, ses-02"
    assert tab.view.map_data["name"] == "Noise ceiling, ses-02"


def test_a_click_names_every_roi_there(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    rois = brain_data.rois_on_surface(tab.data, tab.data.subject("sub-01"))
    tab.view.select_vertex("L", int(np.flatnonzero(rois["FFA1"]["L"])[0]))
    assert "FFA1" in tab.there.object


def test_the_code_runs_and_gives_what_is_shown(tiny_home, monkeypatch):
    tab = opened(tiny_home.settings, subject="sub-01", rois=["FFA1"])
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tiny_home.data_dir))
    names: dict = {}
    exec(tab.code.code, names)
    shown = np.frombuffer(tab.view.map_data["values"]["R"], dtype=np.float32)
    np.testing.assert_array_equal(names["right"], shown)
    assert list(names["rois"]) == ["FFA1"]


def test_without_a_data_directory_the_tab_says_what_to_do(tmp_path):
    tab = opened(load_settings(data_dir=tmp_path / "nowhere"))
    assert "Download tab" in said(tab)
    assert not tab.view.visible


@pytest.fixture
def own_copy(tiny_home, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(tiny_home.data_dir, copy)
    return load_settings(data_dir=copy, bucket=tiny_home.settings.bucket)


def test_a_missing_recon_is_named(own_copy):
    shutil.rmtree(own_copy.data_dir / layout.freesurfer_dir("sub-01"))
    tab = opened(own_copy, subject="sub-01")
    assert "include_freesurfer=True" in said(tab)


def test_a_damaged_map_is_a_message_and_the_next_one_shows(own_copy):
    path = layout.local_path(
        own_copy.data_dir, layout.subject_noise_ceiling("sub-01", "Noiseceiling12rep")
    )
    path.write_bytes(path.read_bytes()[:200])
    tab = opened(own_copy, subject="sub-01")
    assert "cannot be read" in said(tab)
    tab.map.value = "Noise ceiling, 4 repeats"
    assert not tab.messages
    assert tab.view.map_data["name"] == "Noise ceiling, 4 repeats"


def test_an_old_link_to_what_does_not_exist_shows_something(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-99", map="no such map", rois=["nothing"])
    assert tab.view.map_data["name"] == "Noise ceiling, 12 repeats"
    assert tab.view.roi_data == []
