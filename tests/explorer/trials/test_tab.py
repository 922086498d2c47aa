from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from laion_fmri import layout
from laion_fmri.config import Settings
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.trials.captions_and_metadata import NO_CAPTIONS
from laion_fmri.explorer.trials.image_view import NO_IMAGES, NO_MASKS
from laion_fmri.explorer.trials.neighbours_view import ALL, OWN, SHARED, SHOWN
from laion_fmri.explorer.trials.tab import TrialsTab
from laion_fmri.trial_selection.filters import Filters


def opened(settings: Settings, **choices) -> TrialsTab:
    tab = TrialsTab(ExplorerState(tab="Trials", **choices), ExplorerData(settings))
    tab.open()
    return tab


@pytest.fixture
def own_settings(tiny_home, tmp_path):
    data_dir = shutil.copytree(tiny_home.data_dir, tmp_path / "data")
    return Settings(data_dir=data_dir, bucket=tiny_home.settings.bucket)


def stimuli(settings: Settings, key: str):
    return layout.local_path(settings.data_dir, key)


def bars(tab: TrialsTab) -> dict[str, float]:
    rows = tab.profile.table
    return dict(zip(rows["roi"], rows["value"], strict=True))


def captions(tab: TrialsTab) -> list[str]:
    return [caption["text"] for caption in tab.text.view["captions"]]


def first_of(tab: TrialsTab, **wanted) -> int:
    table = tab.data.subject(tab.state.subject).metadata
    rows = table[np.logical_and.reduce([table[c] == v for c, v in wanted.items()])]
    return int(rows.index[0])


def test_the_trial_of_the_state_is_shown(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-03", trial=7)
    sub = tab.data.subject("sub-03")
    row = sub.metadata.loc[7]
    assert tab.image.picture["name"] == row["image_name"]
    assert len(tab.image.masks) == len(sub.segmentations.for_image(7))
    assert captions(tab) == sub.captions.list(7)
    voxels = sub.get_betas(row["session"]).astype(float)[:, sub.get_roi_mask("PPA")]
    z = (voxels - voxels.mean(axis=0)) / voxels.std(axis=0)
    expected = z[row["session_trial"]].mean()
    assert bars(tab)["PPA"] == pytest.approx(expected, abs=1e-9)

    tab.state.trial = 9
    assert tab.image.picture["name"] == sub.metadata.loc[9, "image_name"]
    assert tab.browser.trial == 9


def test_choosing_in_the_tab_changes_the_state(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    table = tab.browser.table
    table.receive({"version": table.view["version"], "open": 3})
    assert tab.state.trial == 3
    tab.subject.value = "sub-03"
    assert (tab.state.subject, tab.state.trial) == ("sub-03", 0)
    assert tab.subject.options == ["sub-01", "sub-03"]


def test_the_code_gives_what_is_shown(tiny_home, monkeypatch):
    tab = opened(tiny_home.settings, subject="sub-01", trial=11)
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tiny_home.data_dir))
    names: dict = {}
    exec(tab.code.code, names)
    assert names["image"].size == (1000, 1000)
    shown = bars(tab)
    known = names["responses"].dropna().index
    assert set(known) == {roi for roi, mean in shown.items() if np.isfinite(mean)}
    for roi, mean in names["responses"].items():
        assert mean == pytest.approx(shown[roi], abs=1e-9)


def test_the_code_follows_the_voxels_the_model_and_the_roi(tiny_home, monkeypatch):
    tab = opened(tiny_home.settings, subject="sub-01", trial=11)
    tab.profile.param.update(across=False, nc_threshold=10.0, mask_source="rsquare")
    tab.neighbours.roi = "PPA"
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tiny_home.data_dir))
    names: dict = {}
    exec(tab.code.code, names)
    shown = bars(tab)
    for roi, mean in names["responses"].items():
        assert mean == pytest.approx(shown[roi], abs=1e-9)
    nearest = names["nearest"]["image_name"].tolist()
    assert [item["title"] for item in tab.neighbours.near.items] == nearest
    best = tab.neighbours.alike.items[0]
    assert float(best["number"]) == pytest.approx(names["similar"]["similarity"].max(), abs=6e-4)


def test_a_unique_image_has_no_masks_and_says_so(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    tab.state.trial = first_of(tab, unique_or_shared="unique")
    assert (tab.image.masks, tab.image.note) == ([], NO_MASKS)


def test_without_images_everything_else_is_there(own_settings):
    stimuli(own_settings, layout.STIMULI_IMAGES).unlink()
    tab = opened(own_settings, subject="sub-01")
    assert tab.image.picture["text"] == NO_IMAGES
    assert tab.image.masks
    assert captions(tab)
    assert np.isfinite(list(bars(tab).values())).all()


@pytest.mark.parametrize(
    "key", [layout.SEGMENTATIONS, layout.SEGMENTATIONS_METADATA, layout.CAPTIONS]
)
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_one_part_less_leaves_the_others(own_settings, key, damage):
    path = stimuli(own_settings, key)
    path.unlink()
    if damage == "damaged":
        path.write_bytes(b"no such file\n")
    tab = opened(own_settings, subject="sub-01")
    said = tab.text.view["otherwise"] if key == layout.CAPTIONS else tab.image.note
    assert path.name in said
    assert tab.image.picture["data"]
    assert bars(tab)


def test_betas_that_do_not_fit_are_named_and_other_sessions_go_on(own_settings):
    path = layout.local_path(own_settings.data_dir, layout.betas("sub-01", "ses-01"))
    path.write_bytes(path.read_bytes()[:5000])
    tab = opened(own_settings, subject="sub-01")
    assert path.name in tab.profile.messages[0][0].object
    assert tab.image.picture["data"]
    tab.state.trial = first_of(tab, session="ses-02")
    assert len(tab.profile.messages) == 0
    assert bars(tab)


def test_without_rois_the_responses_say_so(own_settings):
    shutil.rmtree(own_settings.data_dir / layout.ROIS_TREE)
    tab = opened(own_settings, subject="sub-01")
    assert "ROI" in tab.profile.messages[0][0].object


def test_what_comes_later_shows_at_once(own_settings):
    path = stimuli(own_settings, layout.CAPTIONS)
    text = path.read_text()
    path.unlink()
    tab = opened(own_settings, subject="sub-01")
    path.write_text(text)
    tab.state.param.trigger("files_changed")
    assert captions(tab)


def test_unknown_subjects_and_trials_are_explained(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-99")
    assert "sub-99" in tab.messages[0][0].object
    tab.state.param.update(subject="sub-01", trial=10**6)
    assert "no trial 1000000" in tab.image.picture["text"]
    tab.state.trial = 2
    assert tab.image.picture["data"]


def test_no_subject_at_all(tmp_path):
    tab = opened(Settings(data_dir=tmp_path), subject="")
    assert "Download" in tab.messages[0][0].object


def test_an_image_without_captions_says_so(own_settings):
    path = stimuli(own_settings, layout.CAPTIONS)
    pd.read_csv(path).iloc[:0].to_csv(path, index=False)
    view = opened(own_settings, subject="sub-01").text.view
    assert (view["captions"], view["otherwise"]) == ([], NO_CAPTIONS)


# --- the address, selections, other tabs --------------------------------------------------------


def test_the_state_says_what_is_shown_and_brings_it_back(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    tab.browser.panel.receive({"filter": "dataset", "value": "NSD"})
    tab.browser.panel.receive({"filter": "where", "value": "run > 1"})
    tab.browser.panel.receive({"filter": "session", "value": "ses-02"})
    tab.neighbours.model_control.value = "DINOv2"
    state = tab.state
    assert state.trial_filters == "dataset=NSD&where=run+%3E+1"
    assert (state.session, state.model) == ("ses-02", "DINOv2")
    again = opened(
        tiny_home.settings,
        subject="sub-01",
        trial=state.trial,
        session=state.session,
        trial_filters=state.trial_filters,
        model=state.model,
    )
    assert again.browser.filters == Filters(session="ses-02", dataset="NSD", where="run > 1")
    np.testing.assert_array_equal(again.browser.shown, tab.browser.shown)
    assert again.neighbours.model == "DINOv2"
    state.param.update(trial_filters="", session="")
    assert tab.browser.filters == Filters()


def test_marked_trials_are_the_states_and_go_to_the_brain(tiny_home, monkeypatch):
    tab = opened(tiny_home.settings, subject="sub-01")
    tab.browser.marked = [3, 60]
    assert tab.state.selected_trials == [3, 60]
    tab.mean_on_brain.clicks += 1
    assert (tab.state.tab, tab.state.map) == ("Brain", "Mean response over 2 trials")
    tab.state.tab = "Trials"
    tab.on_brain.clicks += 1
    assert tab.state.map == f"Response in trial {tab.state.trial}"
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tiny_home.data_dir))
    names: dict = {}
    exec(tab.browser.marks.code.code, names)
    betas = np.concatenate(list(tab.data.subject("sub-01").get_betas().values()))
    np.testing.assert_array_equal(names["mean_map"], np.nanmean(betas[[3, 60]], axis=0))
    tab.state.tab = "Trials"
    tab.subject.value = "sub-03"
    assert tab.state.selected_trials == tab.browser.marked == []


def test_the_grey_card_leads_to_the_form(own_settings):
    stimuli(own_settings, layout.STIMULI_IMAGES).unlink()
    tab = opened(own_settings, subject="sub-01")
    assert tab.image.picture["action"]
    tab.image.receive("act")
    assert tab.state.tab == "Download"
    assert layout.STIMULI_IMAGES in tab.state.wanted


# --- responses and neighbours -------------------------------------------------------------------


def test_repeats_are_shown_with_their_spread(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    table = tab.data.subject("sub-01").metadata
    name = table.loc[table["n_reps"] == 12, "image_name"].iloc[0]
    trials = table.index[table["image_name"] == name]
    tab.state.trial = int(trials[0])
    assert tab.profile.across  # little to read: every session is compared
    rows, dots = tab.profile.table, tab.profile.showings
    place = rows["roi"].tolist().index("PPA")
    at = np.asarray(dots["y"]) == rows["y"][place]
    expected = []
    for trial in trials:
        tab.state.trial = int(trial)
        expected.append(bars(tab)["PPA"])
    np.testing.assert_allclose(np.sort(np.asarray(dots["x"])[at]), np.sort(expected))
    np.testing.assert_allclose(rows["mean"][place], np.mean(expected))
    np.testing.assert_allclose(rows["sd"][place], np.std(expected, ddof=1))
    tab.profile.across = False
    session = table.loc[trials[-1], "session"]
    inside = int((table.loc[trials, "session"] == session).sum())
    assert len(tab.profile.responses.repeats) == inside
    assert tab.profile.responses.n_trials == (table["session"] == session).sum()


def test_neighbours_in_every_scope(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    sub, stimuli = tab.data.subject("sub-01"), tab.data.stimuli()
    name = sub.metadata.loc[0, "image_name"]
    tab.browser.filters = Filters(dataset="NSD")
    tab.state.trial = 0
    ids = stimuli.embeddings.names("CLIP")
    units = np.asarray(stimuli.embeddings["CLIP"], dtype=float)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    cosine = dict(zip(ids, units @ units[ids.index(name)], strict=True))
    own = set(sub.metadata["image_name"])
    nsd = set(sub.metadata.loc[sub.metadata["dataset"] == "NSD", "image_name"])
    shared = {n for n in ids if n.startswith("shared_")}
    for among, names in [(ALL, set(ids)), (OWN, own), (SHOWN, nsd), (SHARED, shared)]:
        tab.neighbours.among = among
        expected = sorted((cosine[n] for n in names - {name}), reverse=True)[:12]
        shown = [float(item["number"]) for item in tab.neighbours.near.items]
        np.testing.assert_allclose(shown, expected, atol=6e-4)
        assert {item["title"] for item in tab.neighbours.near.items} <= names
    tab.neighbours.near.receive({"chosen": 0})
    assert tab.browser.trial != 0


def test_patterns_find_the_repeats_and_agreement_is_told(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    tab.neighbours.param.update(roi="PPA", across=True)
    items = tab.neighbours.alike.items
    assert len(items) == 12
    similarity = [float(item["number"]) for item in items]
    assert similarity == sorted(similarity, reverse=True)
    assert "nearest images" in tab.neighbours.agreement.object
    tab.neighbours.alike.receive({"chosen": 0})
    assert f"trial {tab.state.trial}" in items[0]["under"] or items[0]["under"] == "same image"


def test_without_embeddings_or_rois_neighbours_say_why(own_settings):
    for path in (own_settings.data_dir / layout.STIMULI_TREE).glob("*_embeddings.h5"):
        path.unlink()
    shutil.rmtree(own_settings.data_dir / layout.ROIS_TREE)
    tab = opened(own_settings, subject="sub-01")
    assert "No embeddings" in tab.neighbours.near_message[0][0].object
    assert list(tab.neighbours.roi_control.options.values()) == [""]
