from __future__ import annotations

import base64
import io
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from laion_fmri.config import Settings
from laion_fmri.explorer import ImageView, ResponseProfile, TrialBrowser
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.trials.data import TrialSource
from laion_fmri.explorer.trials.marked_trials import MARKED
from laion_fmri.explorer.trials.trial_list import GRID, TABLE
from laion_fmri.subject import load_subject
from laion_fmri.trial_selection.filters import Filters
from laion_fmri.trial_selection.saved_selections import FILE
from laion_fmri.trial_selection.trial_table import trial_table


@pytest.fixture
def sub(tiny_home, tmp_path):
    """A subject whose data directory a test may write to."""
    data_dir = shutil.copytree(tiny_home.data_dir, tmp_path / "data", copy_function=shutil.copy)
    return load_subject("sub-01", data_dir)


@pytest.fixture
def browser(tiny_home):
    return TrialBrowser(load_subject("sub-01", tiny_home.data_dir))


@pytest.fixture
def table(tiny_home) -> pd.DataFrame:
    return trial_table(load_subject("sub-01", tiny_home.data_dir))


def tell(browser: TrialBrowser, **message) -> None:
    """Send what the table in the page sends."""
    browser.table.receive({"version": browser.table.view["version"], **message})


def listed(browser: TrialBrowser) -> list[str]:
    """The trials of the rows that the table sent last."""
    return [row[2] for row in browser.table.view["rows"]]


def options(browser: TrialBrowser, name: str) -> dict[str, int | None]:
    (found,) = [one for one in browser.panel.view["lists"] if one["name"] == name]
    return {value: count for value, _, count in found["options"]}


def choose(browser: TrialBrowser, name: str, value: str) -> None:
    browser.panel.receive({"filter": name, "value": value})


def test_filters_show_how_many_trials_they_leave(browser, table):
    choose(browser, "dataset", "NSD")
    nsd = table[table["dataset"] == "NSD"]
    assert browser.table.view["total"] == len(nsd)
    assert browser.trial == nsd.index[0]
    in_second = int((nsd["session"] == "ses-02").sum())
    assert options(browser, "session")["ses-02"] == in_second
    choose(browser, "session", "ses-02")
    assert browser.filters == Filters(session="ses-02", dataset="NSD")
    assert browser.table.view["total"] == in_second == len(browser.shown)
    browser.panel.receive({"clear": True})
    assert len(browser.shown) == len(table)


def test_nouns_captions_and_expressions_filter(browser, table):
    noun, count = next(iter(options(browser, "noun").items()))
    choose(browser, "noun", noun)
    assert len(browser.shown) == count
    browser.filters = Filters(where="repeats == 12 and not dataset == THINGS+")
    expected = (table["repeats"] == 12) & (table["dataset"] != "THINGS+")
    np.testing.assert_array_equal(browser.shown, np.flatnonzero(expected))
    browser.filters = Filters(where="repeats ==")
    assert "character" in browser.panel.view["problem"]
    browser.filters = Filters(caption="nobody-says-this")
    assert len(browser.shown) == 0
    assert browser.panel.view["filtered"]


def test_sides_of_a_split_are_the_librarys(browser, tiny_home):
    from laion_fmri.splits import get_split_masks

    sub = load_subject("sub-01", tiny_home.data_dir)
    choose(browser, "split", "random_1")
    choose(browser, "side", "test")
    _, test = get_split_masks(sub.metadata, "random_1", "shared", data_dir=tiny_home.data_dir)
    np.testing.assert_array_equal(browser.shown, np.flatnonzero(test))
    choose(browser, "pool", "sub-01")
    assert (browser.pool, browser.split) == ("sub-01", "random_1")
    choose(browser, "pool", "nowhere")
    choose(browser, "split", "nothing")
    assert browser.panel.view["problem"]


def test_steps_stay_within_the_filters_but_for_repeats(browser, table):
    choose(browser, "dataset", "OOD")
    ood = table.index[table["dataset"] == "OOD"]
    assert browser.trial == ood[0]
    browser.previous()
    assert browser.trial == ood[0]
    browser.next()
    assert browser.trial == ood[1]
    assert browser.around() == [ood[2], ood[0]]
    browser.random()
    assert browser.trial in ood
    choose(browser, "session", str(table.loc[browser.trial, "session"]))
    for _ in range(table.loc[browser.trial, "repeats"]):
        before = browser.trial
        browser.next_repeat()
        assert table.loc[browser.trial, "image_name"] == table.loc[before, "image_name"]
        assert browser.filters.session == table.loc[browser.trial, "session"]


def test_the_table_turns_to_the_chosen_trial_and_scrolls(browser, table, monkeypatch):
    browser.trial = 20
    assert listed(browser)[browser.table.current] == "20"
    choose(browser, "dataset", "NSD")
    outside = int(table.index[table["dataset"] != "NSD"][0])
    browser.param.update(trial=outside)
    assert browser.table.current == -1
    browser.filters = Filters()
    sent: list = []
    monkeypatch.setattr(browser.table, "_send_msg", sent.append)
    tell(browser, rows=[len(table) - 5, 100])
    assert [row[2] for row in sent[0]["rows"]] == [str(len(table) - n) for n in range(5, 0, -1)]
    tell(browser, check=[0, 0], checked=True)
    assert browser.marked == [0]
    assert browser.table.view["stay"]
    tell(browser, open=21)
    assert browser.trial == 21


def test_the_grid_is_given_what_it_asks_for(browser, monkeypatch):
    browser.look = GRID
    assert browser.grid.visible and not browser.table.visible
    sent = []
    monkeypatch.setattr(browser.grid, "_send_msg", sent.append)
    asked = {"list": browser.grid.view["list"], "places": [0, 5, 10**9, "x"]}
    browser.grid.receive(asked)
    ((answer,),) = [(message["tiles"],) for message in sent]
    assert [tile["place"] for tile in answer] == [0, 5]
    encoded = base64.b64decode(answer[0]["picture"].split(",")[1])
    assert Image.open(io.BytesIO(encoded)).size == (128, 128)
    browser.grid.receive({**asked, "list": -1})
    assert len(sent) == 1
    browser.grid.receive({"chosen": 7})
    browser.grid.receive({"mark": 8})
    assert (browser.trial, browser.marked) == (7, [8])
    browser.look = TABLE
    assert [row[2] for row in browser.table.view["rows"] if row[0]] == ["8"]


def test_whatever_the_page_sends_is_harmless(browser):
    for part in (browser.table, browser.grid, browser.panel):
        for data in (None, 3, "x", [], {}, {"page": "x"}, {"chosen": 10**9}, {"mark": -5},
                     {"filter": "__class__", "value": "x"}, {"filter": "where", "value": 3},
                     {"filter": "where", "value": "(" * 10**6}, {"trial": 10**30},
                     {"places": [None, {}]}, {"version": 1, "open": 10**9},
                     {"version": 1, "check": [-5, 0], "checked": True}):  # fmt: skip
            part.receive(data)
    assert browser.marked == []


def test_selections_are_kept_used_and_forgotten(sub):
    browser = TrialBrowser(sub)
    marks = browser.marks
    tell(browser, check=[2, 2], checked=True)
    tell(browser, check=[4, 4], checked=True)
    assert browser.marked == [2, 4]
    assert options(browser, "selection") == {MARKED: 2}
    marks.name_field.value = "dogs <b>"
    marks.save.clicks += 1
    assert (sub.data_dir / FILE).exists()
    choose(browser, "selection", "dogs <b>")
    assert browser.shown.tolist() == [2, 4]
    marks.none.clicks += 1
    other = TrialBrowser(sub)
    other.marks.use.clicks += 1
    assert other.marked == [2, 4]
    other.filters = Filters(where="trial < 2")
    other.marks.all.clicks += 1
    assert other.marked == [0, 1, 2, 4]
    other.marks.delete.clicks += 1
    assert other.marks.saved == {}
    other.marks.name_field.value = "  "
    other.marks.save.clicks += 1
    assert "needs a name" in other.marks.messages[0][0].object


def test_marked_trials_are_taken_along(sub, monkeypatch):
    browser = TrialBrowser(sub, marked=[])
    saved = {}
    monkeypatch.setattr(
        browser.marks.file, "hand_over", lambda name, mime, data: saved.update({name: data})
    )
    browser.marked = [2, 40]
    browser.marks.tsv.clicks += 1
    text = saved["sub-01_trials.tsv"].decode()
    rows = pd.read_csv(io.StringIO(text), sep="\t", keep_default_na=False)
    assert rows["trial"].tolist() == [2, 40]
    assert rows["image_name"].tolist() == sub.metadata.loc[[2, 40], "image_name"].tolist()
    browser.marks.sheet.clicks += 1
    sheet = np.asarray(Image.open(io.BytesIO(saved["sub-01_contact_sheet.jpg"])))
    thumb = sub.images.get(2)
    thumb.thumbnail((180, 180))
    shown = sheet[8 : 8 + 180, 8 : 8 + 180].astype(int)
    assert np.abs(shown - np.asarray(thumb)).mean() < 8


def test_no_contact_sheet_without_images(sub):
    (sub.data_dir / "stimuli" / "task-images_stimuli.h5").unlink()
    browser = TrialBrowser(load_subject("sub-01", sub.data_dir))
    browser.marked = [1]
    assert browser.marks.sheet.disabled and not browser.marks.tsv.disabled
    tiles = []
    browser.list.load_tiles([0, 1], tiles.extend)
    assert all(tile.words and not tile.picture for tile in tiles)


# --- pieces by themselves --------------------------------------------------------------------


def test_pieces_show_by_themselves_and_can_be_linked(tiny_home):
    sub = load_subject("sub-01", tiny_home.data_dir)
    browser = TrialBrowser(sub)
    assert ImageView(sub, trial=3).picture["name"] == sub.metadata.loc[3, "image_name"]
    image = ImageView(sub, trial=browser.param.trial)
    profile = ResponseProfile(sub, trial=browser.param.trial)
    browser.next()
    browser.next()
    assert image.picture["name"] == sub.metadata.loc[2, "image_name"]
    session, row = sub.metadata.loc[2, ["session", "session_trial"]]
    voxels = sub.get_betas(session, roi="PPA").astype(float)
    z = (voxels - voxels.mean(axis=0)) / voxels.std(axis=0)
    shown = dict(zip(profile.table["roi"], profile.table["value"], strict=True))
    assert shown["PPA"] == pytest.approx(z[row].mean(), abs=1e-9)
    image.trial = profile.trial = 10**6
    assert "no trial 1000000" in image.picture["text"]
    assert "no trial 1000000" in profile.messages[0][0].object


def test_a_name_is_looked_for_in_the_configured_directory(tiny_home, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tiny_home.data_dir))
    assert TrialBrowser("sub-01").table.view["total"] == ImageView("01").trial + len(
        load_subject("sub-01").metadata
    )


def test_parts_of_a_trial_are_kept_until_files_change(sub):
    source = TrialSource(ExplorerData(Settings(data_dir=sub.data_dir)), "sub-01")
    assert source.parts(3) is source.parts(3)
    path = sub.data_dir / "stimuli" / "task-images_desc-captions.csv"
    table = pd.read_csv(path)
    table["caption"] = "another"
    table.to_csv(path, index=False)
    assert {caption.text for caption in source.parts(3).captions} == {"another"}


def test_what_a_script_sets_is_shown_in_the_controls(tiny_home):
    sub = load_subject("sub-01", tiny_home.data_dir)
    browser = TrialBrowser(sub, trial=5, look="Pictures", marked=[2, 3])
    assert browser.panel.trial == 5
    assert browser.look_control.value == "Pictures"
    assert browser.grid.visible
    assert not browser.table.visible
    assert browser.marks.marked == [2, 3]
    browser.look = "Table"
    assert browser.look_control.value == "Table"
