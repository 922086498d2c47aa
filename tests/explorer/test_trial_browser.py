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
from laion_fmri.explorer.components.image_view import mask_colours
from laion_fmri.explorer.components.marked_trials import MARKED
from laion_fmri.explorer.components.trial_browser import GRID, TABLE
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.selections import FILE
from laion_fmri.explorer.trial_data import ObjectMask
from laion_fmri.explorer.trial_filter import Filters
from laion_fmri.explorer.trial_source import TrialSource
from laion_fmri.explorer.trial_table import trial_table
from laion_fmri.subject import load_subject


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


def listed(browser: TrialBrowser) -> list[str]:
    return [row[0] for row in browser.table.view["rows"]]


def options(browser: TrialBrowser, name: str) -> dict[str, int | None]:
    (found,) = [one for one in browser.panel.view["lists"] if one["name"] == name]
    return {value: count for value, _, count in found["options"]}


def choose(browser: TrialBrowser, name: str, value: str) -> None:
    browser.panel._handle_msg({"filter": name, "value": value})


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
    browser.panel._handle_msg({"clear": True})
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


def test_the_table_turns_to_the_chosen_trial_and_its_pages_can_be_leafed(browser, table):
    browser.trial = 20
    assert listed(browser)[browser.table.view["chosen"]] == "20"
    browser.table._handle_msg({"page": 0})
    assert listed(browser)[0] == "0"
    assert browser.table.view["chosen"] == -1
    browser.table._handle_msg({"page": 10**9})
    assert listed(browser)[-1] == str(len(table) - 1)
    browser.table._handle_msg({"mark": 0})
    assert listed(browser)[-1] == str(len(table) - 1)  # the page stays
    browser.table._handle_msg({"step": 1})
    assert browser.trial == 21


def test_the_grid_is_given_what_it_asks_for(browser, monkeypatch):
    browser.look = GRID
    assert browser.grid.visible and not browser.table.visible
    sent = []
    monkeypatch.setattr(browser.grid, "_send_msg", sent.append)
    asked = {"list": browser.grid.view["list"], "places": [0, 5, 10**9, "x"]}
    browser.grid._handle_msg(asked)
    ((answer,),) = [(message["tiles"],) for message in sent]
    assert [tile["place"] for tile in answer] == [0, 5]
    encoded = base64.b64decode(answer[0]["picture"].split(",")[1])
    assert Image.open(io.BytesIO(encoded)).size == (128, 128)
    browser.grid._handle_msg({**asked, "list": -1})
    assert len(sent) == 1
    browser.grid._handle_msg({"chosen": 7})
    browser.grid._handle_msg({"mark": 8})
    assert (browser.trial, browser.marked) == (7, [8])
    browser.look = TABLE
    assert browser.table.view["marked"][8]


def test_whatever_the_page_sends_is_harmless(browser):
    for part in (browser.table, browser.grid, browser.panel):
        for data in (None, 3, "x", [], {}, {"page": "x"}, {"chosen": 10**9}, {"mark": -5},
                     {"filter": "__class__", "value": "x"}, {"filter": "where", "value": 3},
                     {"filter": "where", "value": "(" * 10**6}, {"trial": 10**30},
                     {"places": [None, {}]}):  # fmt: skip
            part._handle_msg(data)
    assert browser.marked == []


def test_selections_are_kept_used_and_forgotten(sub):
    browser = TrialBrowser(sub)
    marks = browser.marks
    browser.table._handle_msg({"mark": 2})
    browser.table._handle_msg({"mark": 4})
    assert browser.marked == [2, 4]
    assert options(browser, "selection") == {MARKED: 2}
    marks.name_field.value = "dogs <b>"
    marks.keep.clicks += 1
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
    other.marks.forget.clicks += 1
    assert other.marks.kept == {}
    other.marks.name_field.value = "  "
    other.marks.keep.clicks += 1
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
    browser._make_tiles([0, 1], tiles.extend)
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
    shown = dict(zip(profile.bars.data["roi"], profile.bars.data["value"], strict=True))
    assert shown["PPA"] == pytest.approx(z[row].mean(), abs=1e-9)
    image.trial = profile.trial = 10**6
    assert "no trial 1000000" in image.picture["text"]
    assert "no trial 1000000" in profile.messages[0][0].object


def test_a_name_is_looked_for_in_the_configured_directory(tiny_home, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tiny_home.data_dir))
    assert TrialBrowser("sub-01").table.view["total"] == ImageView("01").trial + len(
        load_subject("sub-01").metadata
    )


def test_every_mask_has_its_own_colour():
    masks = [
        ObjectMask(noun, instance, 1.0, True, (1, 1), np.zeros((0, 2), np.uint32))
        for noun in "abcdefghijkl"
        for instance in range(5)
    ]
    assert len(set(mask_colours(masks))) == len(masks)


def test_parts_of_a_trial_are_kept_until_files_change(sub):
    source = TrialSource(ExplorerData(Settings(data_dir=sub.data_dir)), "sub-01")
    assert source.parts(3) is source.parts(3)
    path = sub.data_dir / "stimuli" / "task-images_desc-captions.csv"
    table = pd.read_csv(path)
    table["caption"] = "another"
    table.to_csv(path, index=False)
    assert {caption.text for caption in source.parts(3).captions} == {"another"}
