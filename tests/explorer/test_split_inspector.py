"""`SplitInspector`: measures, leaks, files to take away, and splits made in the form."""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from laion_fmri import layout
from laion_fmri.config import Settings
from laion_fmri.explorer.components.split_inspector import SplitInspector
from laion_fmri.explorer.components.split_map import COLOURS
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.splits import get_split_masks, list_splits, load_split

HOSTILE = '<img src=x onerror="alert(1)"> \u202e{{7*7}} 🦆'


@pytest.fixture
def home(tiny_home, tmp_path) -> Settings:
    """A copy of the demo's stimuli, splits and trials that may be changed."""
    for tree in (layout.STIMULI_TREE, layout.SPLITS_TREE, layout.BETAS_TREE):
        ignore = shutil.ignore_patterns("*_desc-segmentations.h5", "sub-03")
        shutil.copytree(tiny_home.data_dir / tree, tmp_path / tree, ignore=ignore)
    return replace(tiny_home.settings, data_dir=tmp_path)


def inspector(settings: Settings, split: str = "tau", **choices) -> SplitInspector:
    choices = {"pool": "sub-01", "subject": "sub-01", **choices}
    return SplitInspector(split, data=ExplorerData(settings), **choices)


def text(*panes) -> str:
    return " ".join(" ".join(re.sub(r"<[^>]*>", " ", p.object).split()) for p in panes)


def dots(plot, names) -> dict[str, set[str]]:
    """The images that a map draws on each side, told by their colour."""
    found = {}
    for renderer in plot.renderers:
        chosen, colour = renderer.view.filter, renderer.glyph.fill_color
        (side,) = (side for side, shown in COLOURS.items() if shown == colour)
        column = renderer.data_source.data[chosen.column_name]
        found[side] = {names[i] for i in np.flatnonzero(column == chosen.group)}
    return found


def test_the_measures_shown_are_those_of_the_code(home, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(home.data_dir))
    view = inspector(home, "ood")
    names: dict = {}
    exec(view.controls.code.code, names)
    shown = view.measures.measured.splits["ood"]
    assert np.array_equal(names["distances"], shown.distances())
    assert names["mmd2"] == shown.mmd2
    assert f"{shown.mmd2:.5f}" in text(view.measures.comparison)
    assert f"{np.median(shown.distances()):.3f}" in text(view.measures.comparison)


def test_several_splits_side_by_side(home):
    view = inspector(home, compared=["random_0", "cluster_k5_1"])
    assert list(view.measures.measured.splits) == ["tau", "random_0", "cluster_k5_1"]
    assert len(view.space.map.figures) == 3
    assert len({id(plot.x_range) for plot in view.space.map.figures}) == 1
    names = view.space.map.image_map.names
    titles = ("tau", "random_0", "cluster_k5_1")
    for plot, title in zip(view.space.map.figures, titles, strict=True):
        split = load_split(title, "sub-01", data_dir=home.data_dir)
        shown = dots(plot, names)
        assert shown["test"] == set(split.test_ids)
        assert shown["train"] == set(split.train_ids)
        assert shown["unused"] == set(names) - set(split.test_ids) - set(split.train_ids)
    overlap = text(view.contents.overlap)
    assert all(name in overlap for name in list_splits("sub-01", home.data_dir))
    view.compared = []
    assert len(view.space.map.figures) == 1
    view.split = "random_1"
    assert list(view.measures.measured.splits) == ["random_1"]
    random = load_split("random_1", "sub-01", data_dir=home.data_dir)
    assert dots(view.space.map.figures[0], names)["test"] == set(random.test_ids)


def test_a_region_shows_its_images(home):
    view = inspector(home)
    source, names = view.space.map.source, view.space.map.image_map.names
    source.selected.indices = [0, 3, 5]
    shown = view.space.region.object
    assert "3 images in the region" in shown
    assert all(names[i] in shown for i in (0, 3, 5))
    assert "data:image/jpeg" in shown
    source.selected.indices = []
    assert not view.space.region.visible


def test_a_planted_leak_is_found(home):
    split = load_split("tau", "sub-01", data_dir=home.data_dir)
    test, train = split.test_ids[1], split.train_ids[4]
    path = home.data_dir / layout.embeddings("CLIP")
    with h5py.File(path, "r+") as file:
        row = {name: i for i, name in enumerate(file["image_ids"].asstr()[:])}
        file["embedding"][row[test]] = file["embedding"][row[train]]
    stored = home.data_dir / layout.STIMULI_IMAGES
    images = pd.read_csv(home.data_dir / layout.STIMULI_METADATA)["image_name"].tolist()
    with h5py.File(stored, "r+") as file:
        file["images"][images.index(test)] = file["images"][images.index(train)]
    view = inspector(home)
    leaks = view.leaks
    leaks.threshold.value_throttled = 0.999
    assert test in leaks.pairs.object and train in leaks.pairs.object
    assert "cosine 1.000" in leaks.pairs.object
    leaks.button.clicks += 1
    assert f"{test} = {train}" in leaks.identical[0][0].object


def test_no_leak_is_said_too(home):
    view = inspector(home)
    view.leaks.threshold.value = 1.0
    view.leaks.threshold.param.trigger("value_throttled")
    view.leaks.button.clicks += 1
    assert "No file is on both sides" in view.leaks.identical[0][0].object


def test_files_to_take_away(home):
    view = inspector(home, "random_2", session="ses-01")
    split = view.report.split
    stored = json.load(view._file("json"))
    assert stored["variants"][0]["test_ids"] == list(split.test_ids)
    assert stored["params"] == dict(split.params)
    table = pd.read_csv(view._file("tsv"), sep="\t", keep_default_na=False)
    assert table[table["side"] == "test"]["image_name"].tolist() == list(split.test_ids)
    assert len(table) == split.n_train + split.n_test
    masks = np.load(io.BytesIO(view._file("npz").read()), allow_pickle=False)
    trials = view.data.subject("sub-01").get_trial_info("ses-01")
    train, test = get_split_masks(trials, "random_2", "sub-01", data_dir=home.data_dir)
    assert np.array_equal(masks["train"], train) and np.array_equal(masks["test"], test)
    assert masks["label"].tolist() == trials["label"].tolist()
    assert set(masks["session"]) == {"ses-01"}
    assert view.controls.files["npz"].filename == "sub-01_random_2_sub-01_ses-01.npz"


def test_a_split_is_made_in_the_form(home, monkeypatch):
    view = inspector(home)
    maker = view.maker
    assert maker.button.disabled
    maker.name_input.value_input = "far"
    maker.seed.value = 7
    assert not maker.button.disabled
    maker.button.clicks += 1
    assert (view.split, view.report.split.name) == ("far", "far")
    assert "is made" in maker.messages[0][0].object
    assert "far" in view.controls.split.options
    assert "Distance-controlled" not in text(view.heading)
    assert "keep away from every training image" in text(view.heading)
    assert list(view.measures.measured.splits) == ["far"]
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(home.data_dir))
    names: dict = {}
    exec(maker.code.code, names)  # the same again
    assert names["split"] == view.report.split
    maker.seed.value = 8
    maker.button.clicks += 1
    assert "another split 'far'" in maker.messages[0][0].object
    maker.name_input.value_input = "../tau"
    maker.button.clicks += 1
    assert "cannot be the name" in maker.messages[0][0].object


@pytest.mark.parametrize("method", ["random", "cluster", "distance"])
def test_the_form_gives_what_the_method_takes(home, method):
    maker = inspector(home).maker
    maker.method.value = method
    maker.joins_near.value = maker.sets_distance.value = True
    maker.held_out.value = 2
    arguments = maker.arguments
    assert ("held_out_cluster" in arguments) == (method == "cluster")
    assert ("min_distance" in arguments) == (method == "distance")
    assert arguments["near_duplicates"] == 0.95
    assert arguments["embedding"] == "CLIP"
    compile(maker.code.code, "form", "exec")


def test_a_pool_of_ones_own(home):
    from laion_fmri.splits import make_split

    images = load_split("random_0", "sub-01", data_dir=home.data_dir).train_ids
    make_split("mine", images=images, pool="pilot", data_dir=home.data_dir)
    view = inspector(home, "mine", pool="pilot")
    assert not view.messages
    assert not view.measures.measured.are_published
    assert "a list of images of your own" in text(view.heading)


def test_without_embeddings_the_rest_goes_on(home):
    for path in (home.data_dir / layout.STIMULI_TREE).glob("*_embeddings.h5"):
        path.unlink()
    view = inspector(home)
    assert "Train images" in text(view.heading)
    assert view._without_space.visible and not view._in_space.visible
    assert not view.galleries.sides["isolated"].visible
    assert "Test images in common" in view.contents.overlap.object


def test_without_images_captions_stand_for_them(home):
    (home.data_dir / layout.STIMULI_IMAGES).unlink()
    view = inspector(home)
    name = view.report.split.test_ids[0]
    caption = ExplorerData(home).stimuli().captions.list(name)[0]
    assert caption in text(view.galleries.sides["test"])
    assert "<img" not in view.galleries.sides["test"].object
    assert not view.leaks.button.visible


def test_hostile_captions_nouns_and_names_are_text(home):
    (home.data_dir / layout.STIMULI_IMAGES).unlink()
    for key, column in ((layout.CAPTIONS, "caption"), (layout.SEGMENTATIONS_METADATA, "noun")):
        path = home.data_dir / key
        table = pd.read_csv(path, keep_default_na=False)
        table[column] = HOSTILE
        table.to_csv(path, index=False)
    view = inspector(home, compared=["<img src=x>"])
    view.space.map.source.selected.indices = [0, 1]
    view.leaks.threshold.value = 0.5
    view.leaks.threshold.param.trigger("value_throttled")
    for pane in (
        *view.galleries.sides.values(),
        *view.contents.terms.values(),
        view.space.region,
        view.leaks.pairs,
    ):
        assert "<img" not in pane.object
    assert "&lt;img src=x" in view.galleries.sides["test"].object


@pytest.mark.parametrize("name", ['x"); import os; ("', "a\nimport os"])
def test_code_of_hostile_names_is_one_call(home, name):
    import ast

    view = inspector(home, name)
    tree = ast.parse(view.controls.code.code)
    imported = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert all(module.startswith("laion_fmri") for module in imported)
    assert "Unknown split" in view.messages[0][0].object


def test_alone_it_works_on_what_is_configured(home, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(home.data_dir))
    from laion_fmri.explorer import SplitInspector as Exported

    view = Exported("random_0")
    assert view.report.split.pool == "shared"
    assert Path(view.data.data_dir) == home.data_dir
