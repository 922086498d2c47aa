"""The Splits tab: every number is the library's, every problem is said."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from laion_fmri import layout
from laion_fmri.config import Settings
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.splits import data as split_data
from laion_fmri.explorer.splits import views as split_views
from laion_fmri.explorer.splits.code import split_code
from laion_fmri.explorer.splits.data import SplitChoice
from laion_fmri.explorer.splits.inspector import SplitInspector
from laion_fmri.explorer.splits.tab import SplitsTab
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.widgets.image_grid import Tile
from laion_fmri.splits import get_split_masks, list_splits, load_split


def opened(settings: Settings, **choices) -> SplitInspector:
    """The inspector in the Splits tab."""
    tab = SplitsTab(ExplorerState(tab="Splits", **choices), ExplorerData(settings))
    tab.open()
    tab.inspector.state = tab.state  # what the tab shares with others
    return tab.inspector


def said(inspector: SplitInspector) -> str:
    return " ".join(message[0].object for message in inspector.messages)


def text(pane) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", pane.object).split())


@pytest.fixture
def partial_home(tiny_home, tmp_path) -> Settings:
    """The trial tables of the demo and nothing else."""
    tree = tiny_home.data_dir / layout.BETAS_TREE
    shutil.copytree(tree, tmp_path / layout.BETAS_TREE)
    return replace(tiny_home.settings, data_dir=tmp_path)


@pytest.mark.parametrize("pool", ["shared", "sub-01"])
def test_the_figures_are_those_of_the_library(tiny_home, pool):
    tab = opened(tiny_home.settings, subject="sub-01", pool=pool)
    trials = pd.concat(list(tab.data.subject("sub-01").get_trial_info().values()))
    for name in ("random_3", "cluster_k5_1", "tau", "ood"):
        tab.split = name
        split = load_split(name, pool, data_dir=tiny_home.data_dir)
        assert not tab.messages
        assert f"{split.n_train:,} Train images" in text(tab.heading)
        assert f"{split.n_test:,} Test images" in text(tab.heading)
        train, test = get_split_masks(trials, name, pool, data_dir=tiny_home.data_dir)
        shown = tab.report.trials["n_trials"]
        assert shown.to_list() == [train.sum(), test.sum(), (~train & ~test).sum()]
        assert f"Train {train.sum():,}" in text(tab.trials)
        assert tab.report.composition[["train", "test"]].sum().to_list() == [
            split.n_train,
            split.n_test,
        ]


def test_choices_go_to_the_state_and_back(tiny_home):
    tab = opened(tiny_home.settings, subject="sub-01")
    assert tab.controls.ood_types.visible is False
    tab.controls.pool.value, tab.controls.split.value = "sub-03", "ood"
    assert (tab.state.pool, tab.state.split) == ("sub-03", "ood")
    assert tab.controls.ood_types.visible is True
    assert "images that only sub-01 saw are on neither side" in text(tab.trials)
    tab.controls.ood_types.value = ["shape", "gabor"]
    assert tab.report.split.params["ood_types"] == ["gabor", "shape"]
    assert "OOD · shape" in text(tab.composition)
    tab.state.param.update(session="ses-02", split="random_1")
    assert (tab.controls.session.value, tab.controls.split.value) == ("ses-02", "random_1")
    assert tab.controls.ood_types.visible is False
    assert "sub-01, ses-02" in text(tab.trials)


@pytest.mark.parametrize("session", ["", "ses-02"])
@pytest.mark.parametrize("types", [[], ["shape"]])
def test_the_code_gives_what_is_shown(tiny_home, monkeypatch, session, types):
    tab = opened(tiny_home.settings, subject="sub-01", split="ood", session=session)
    tab.controls.ood_types.value = types
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tiny_home.data_dir))
    names: dict = {}
    exec(tab.controls.code.code, names)
    assert tuple(names["train_ids"]) == tab.report.split.train_ids
    assert tuple(names["test_ids"]) == tab.report.split.test_ids
    assert names["test"].sum() == tab.report.trials.n_trials["test"]
    assert names["train"].sum() == tab.report.trials.n_trials["train"]


def test_pictures_are_shown_where_images_are_local(tiny_home, tmp_path):
    tab = opened(tiny_home.settings, subject="sub-01", split="ood")
    shown = tab.sections.examples.sides["test"].grid.items
    assert len(shown) == min(tab.report.split.n_test, 12)
    assert all(item["picture"].startswith("data:image/jpeg;base64,") for item in shown)
    shutil.copytree(tiny_home.data_dir / "splits", tmp_path / "splits")
    tab = opened(replace(tiny_home.settings, data_dir=tmp_path), split="ood")
    shown = tab.sections.examples.sides["test"].grid.items[0]
    assert (shown["picture"], shown["words"]) == ("", tab.report.split.test_ids[0])


def test_without_a_data_directory_published_sizes_are_shown(tmp_path):
    tab = opened(Settings(data_dir=None, bucket=tmp_path.as_uri()), pool="sub-06", split="tau")
    assert "No data directory is set" in said(tab)
    assert "4,666 Train images" in text(tab.heading)
    assert not tab.composition.visible
    assert tab.controls.split.options == list_splits()


def test_names_that_do_not_make_up_the_pool_are_refused(partial_home):
    tab = opened(partial_home, subject="sub-01", split="random_0")
    assert "of 1,121 are there" in said(tab)
    assert "The Download tab fetches it" in said(tab)
    assert "897 Train images" in text(tab.heading)
    assert not tab.trials.visible
    tab.controls.split.value = "tau"
    assert "The Download tab fetches it" in said(tab)


def test_a_damaged_declaration_is_said(partial_home):
    path = partial_home.data_dir / "splits" / "declared.json"
    path.parent.mkdir()
    path.write_text("{")
    assert "declared.json cannot be read" in said(opened(partial_home))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"split": "tua"}, "Unknown split 'tua'. Did you mean 'tau'?"),
        ({"pool": "sub-99"}, "Unknown pool 'sub-99'"),
        ({"subject": "sub-05"}, "sub-05 has no files"),
        ({"subject": "sub-01", "session": "ses-30"}, "ses-30"),
    ],
)
def test_old_links_are_answered_and_the_tab_goes_on(tiny_home, choices, message):
    tab = opened(tiny_home.settings, **choices)
    assert message in said(tab)
    tab.state.param.update(pool="shared", split="random_0", subject="sub-01", session="")
    assert not tab.messages
    assert tab.heading.visible and tab.trials.visible


def test_markup_in_names_does_nothing():
    name = "shared_4rep_<img src=x onerror=alert(1)>_1.jpg"
    for tile in (Tile(name), Tile(name, words="<img src=x>"), Tile(name, picture=b"x")):
        assert "<img src=x" not in split_views.pairs_list([(tile, tile, 0.99)])
    row = ("<b>", "", "unique", 1, 0)
    table = pd.DataFrame([row], columns=["dataset", "ood_type", "group", "train", "test"])
    assert "<b>" not in split_views.composition_table(table, "<b>")


def test_tables_of_nothing():
    empty = pd.DataFrame(
        {"n_trials": 0, "n_images": 0, "min_repeats": np.nan, "mean_repeats": np.nan},
        index=["train", "test", "neither"],
    ).assign(max_repeats=np.nan)
    assert "0 trials" in split_views.trials_table(empty, split_data.SplitSizes(1, 1), "sub-01")
    code = split_code(SplitChoice("shared", "tau"))
    assert "load_subject" not in code
