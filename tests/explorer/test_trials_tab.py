from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from laion_fmri import layout
from laion_fmri.config import Settings
from laion_fmri.explorer.components.image_view import mask_colours
from laion_fmri.explorer.components.trial_browser import TrialBrowser
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.tabs.trials import NO_CAPTIONS, NO_IMAGES, NO_MASKS, TrialsTab
from laion_fmri.explorer.trial_data import ObjectMask


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
    rows = tab.profile.bars.data
    return dict(zip(rows["roi"], rows["value"], strict=True))


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
    assert sub.captions.human(7)[0] in tab.captions.object
    betas, brain = sub.get_betas(row["session"]).astype(float), sub.get_brain_mask()
    voxels = betas[:, sub.get_roi_mask("PPA")[brain]]
    z = (voxels - voxels.mean(axis=0)) / voxels.std(axis=0)
    expected = z[row["session_trial"]].mean()
    assert bars(tab)["PPA"] == pytest.approx(expected, abs=1e-9)

    tab.state.trial = 9
    assert tab.image.picture["name"] == sub.metadata.loc[9, "image_name"]
    assert tab.browser.trial == 9


def test_choosing_in_the_tab_changes_the_state(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    tab.browser.table._handle_msg({"chosen": 3})
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
    assert set(names["responses"]) == set(shown)
    for roi, mean in names["responses"].items():
        assert mean == pytest.approx(shown[roi], abs=1e-5)


def test_a_unique_image_has_no_masks_and_says_so(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    tab.state.trial = first_of(tab, unique_or_shared="unique")
    assert (tab.image.masks, tab.image.note) == ([], NO_MASKS)


def test_without_images_everything_else_is_there(own_settings):
    stimuli(own_settings, layout.STIMULI_IMAGES).unlink()
    tab = opened(own_settings, subject="sub-01")
    assert tab.image.picture["text"] == NO_IMAGES
    assert tab.image.masks
    assert "<li" in tab.captions.object
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
    said = tab.captions.object if key == layout.CAPTIONS else tab.image.note
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
    assert "<li" in tab.captions.object


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


def test_markup_in_captions_is_text(own_settings):
    path = stimuli(own_settings, layout.CAPTIONS)
    table = pd.read_csv(path)
    table["caption"] = "<img src=x onerror=alert(1)> & \u202eso"
    table.to_csv(path, index=False)
    tab = opened(own_settings, subject="sub-01")
    assert "&lt;img src=x onerror=alert(1)&gt; &amp;" in tab.captions.object
    assert "<img" not in tab.captions.object


def test_an_image_without_captions_says_so(own_settings):
    path = stimuli(own_settings, layout.CAPTIONS)
    pd.read_csv(path).iloc[:0].to_csv(path, index=False)
    assert NO_CAPTIONS in opened(own_settings, subject="sub-01").captions.object


# --- pieces -----------------------------------------------------------------------------


@pytest.fixture
def browser(tiny_home):
    browser = TrialBrowser()
    from laion_fmri.explorer import trial_data
    from laion_fmri.subject import load_subject

    sub = load_subject("sub-01", tiny_home.data_dir)
    browser.set_trials(
        trial_data.trial_table(sub), trial_data.caption_search(sub._stimuli.captions)
    )
    browser.known = trial_data.trial_table(sub)
    return browser


def listed(browser: TrialBrowser) -> list[str]:
    return [row[0] for row in browser.table.view["rows"]]


def test_filters_show_how_many_trials_they_leave(browser):
    table = browser.known
    browser.dataset_control.value = "NSD"
    nsd = table[table["dataset"] == "NSD"]
    assert browser.table.view["total"] == len(nsd)
    assert browser.trial == nsd.index[0]
    in_second = int((nsd["session"] == "ses-02").sum())
    assert f"ses-02 ({in_second})" in browser.session_control.options
    browser.session_control.value = "ses-02"
    assert browser.session == "ses-02"
    assert browser.table.view["total"] == in_second


def test_steps_stay_within_the_filters_but_for_repeats(browser):
    table = browser.known
    browser.dataset_control.value = "OOD"
    ood = table.index[table["dataset"] == "OOD"]
    assert browser.trial == ood[0]
    browser.previous()
    assert browser.trial == ood[0]
    browser.next()
    assert browser.trial == ood[1]
    browser.random()
    assert browser.trial in ood
    browser.session = str(table.loc[browser.trial, "session"])
    for _ in range(table.loc[browser.trial, "repeats"]):
        before = browser.trial
        browser.next_repeat()
        assert table.loc[browser.trial, "image_name"] == table.loc[before, "image_name"]
        assert browser.session == table.loc[browser.trial, "session"]


def test_the_table_turns_to_the_chosen_trial_and_its_pages_can_be_leafed(browser):
    browser.trial = 20
    assert "20" in listed(browser)
    assert listed(browser)[browser.table.view["chosen"]] == "20"
    browser.table._handle_msg({"page": 0})
    assert listed(browser)[0] == "0"
    assert browser.table.view["chosen"] == -1
    browser.table._handle_msg({"page": 10**9})
    assert listed(browser)[-1] == str(len(browser.known) - 1)
    browser.table._handle_msg({"step": 1})
    assert browser.trial == 21


def test_every_mask_has_its_own_colour():
    masks = [
        ObjectMask(noun, instance, 1.0, True, (1, 1), np.zeros((0, 2), np.uint32))
        for noun in "abcdefghijkl"
        for instance in range(5)
    ]
    assert len(set(mask_colours(masks))) == len(masks)
