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
import panel as pn
import pytest
from bokeh.models import GlyphRenderer

from laion_fmri import layout
from laion_fmri.config import Settings
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.splits.inspector import SplitInspector
from laion_fmri.splits import get_split_masks, list_splits, load_split

SIDES = ("unused", "train", "test")
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


def dots(view: SplitInspector, title: str) -> dict[str, set[str]]:
    """The images that a map draws on each side."""
    sides = view.sections.space.map.table[title]
    return {name: set(sides.index[sides == code]) for code, name in enumerate(SIDES)}


def test_the_measures_shown_are_those_of_the_code(home, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(home.data_dir))
    view = inspector(home, "ood")
    names: dict = {}
    exec(view.controls.code.code, names)
    found, measures = names["found"], view.sections.measures
    shown = measures.measured.splits["ood"]
    assert np.array_equal(found.splits["ood"].distances(), shown.distances())
    assert found.splits["ood"].mmd2 == shown.mmd2
    assert f"{shown.mmd2:.5f}" in text(measures.comparison)
    assert f"{np.median(shown.distances()):.3f}" in text(measures.comparison)
    assert f"{shown.mmd2_unbiased:.5f}" in text(measures.comparison)
    random, one = found.random["ood"], found.splits["ood"]
    for test in (random.test_distance(one), random.test_mmd2(one)):
        said = (
            f"{test.ratio:.2f} ({test.interval[0]:.2f}–{test.interval[1]:.2f}) {test.p_value:.3f}"
        )
        assert said in text(measures.comparison)
    assert "(random: 0 to 0)" in text(view.sections.leaks.summary)
    of_mmd2 = random.test_mmd2(one)
    dots, ranges = (measures.differences.object.traverse(None, [kind])[0]
                    for kind in ("Scatter", "Rectangles"))  # fmt: skip
    assert dots.dimension_values(0).tolist() == [of_mmd2.ratio]
    drawn = ranges.dimension_values(0)[0], ranges.dimension_values(2)[0]
    assert drawn == of_mmd2.interval
    (shapes,) = measures.distances.object.traverse(None, ["Polygons"])
    assert len(shapes.split()) == 2  # the split, before random ones
    view.compared = ["random_0", "tau"]
    (shapes,) = measures.distances.object.traverse(None, ["Polygons"])
    assert len(shapes.split()) == 6


def test_random_splits_that_cannot_be_measured_leave_the_rest(home):
    view = inspector(home)
    view.sections.measures.show_random_problem("<b>no memory</b>")
    assert "&lt;b&gt;no memory" in view.sections.measures.comparison.object
    assert "tau" in text(view.sections.measures.comparison)


def test_several_splits_side_by_side(home):
    view = inspector(home, compared=["random_0", "cluster_k5_1"])
    titles = ["tau", "random_0", "cluster_k5_1"]
    assert list(view.sections.measures.measured.splits) == titles
    split_map = view.sections.space.map
    assert list(split_map.table.columns[2:]) == titles
    names = set(split_map.image_map.names)
    for title in titles:
        split = load_split(title, "sub-01", data_dir=home.data_dir)
        shown = dots(view, title)
        assert shown["test"] == set(split.test_ids)
        assert shown["train"] == set(split.train_ids)
        assert shown["unused"] == names - set(split.test_ids) - set(split.train_ids)
    (overlap,) = view.sections.contents.overlap.object.traverse(None, ["HeatMap"])
    assert set(overlap.dimension_values(0)) == set(list_splits("sub-01", home.data_dir))
    view.compared = []
    assert list(split_map.table.columns[2:]) == ["tau"]
    view.split = "random_1"
    assert list(view.sections.measures.measured.splits) == ["random_1"]
    random = load_split("random_1", "sub-01", data_dir=home.data_dir)
    assert dots(view, "random_1")["test"] == set(random.test_ids)


def test_a_region_shows_its_images(home):
    view = inspector(home)
    space = view.sections.space
    names = space.map.table.index
    dots = pn.panel(space.map).get_root().select_one({"type": GlyphRenderer}).data_source
    dots.selected.indices = [0, 3, 5]
    assert "3 images in the region" in space.region.heading.object
    shown = {item["title"]: item for item in space.region.grid.items}
    assert list(shown) == [names[0], names[3], names[5]]
    assert all(item["picture"].startswith("data:image/jpeg") for item in shown.values())
    dots.selected.indices = []
    assert not space.region.visible


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
    leaks = view.sections.leaks
    leaks.threshold.value_throttled = 0.999
    assert test in leaks.pairs.object and train in leaks.pairs.object
    assert "cosine 1.000" in leaks.pairs.object
    leaks.button.clicks += 1
    assert f"{test} = {train}" in leaks.identical[0][0].object


def test_no_leak_is_said_too(home):
    view = inspector(home)
    view.sections.leaks.threshold.value = 1.0
    view.sections.leaks.threshold.param.trigger("value_throttled")
    view.sections.leaks.button.clicks += 1
    assert "No file is on both sides" in view.sections.leaks.identical[0][0].object


def test_files_to_take_away(home):
    view = inspector(home, "random_2", session="ses-01")
    split = view.report.split
    stored = json.load(view.make_file("json"))
    assert stored["edition"] == "v1" and "Edition v1" in text(view.heading)
    assert stored["variants"][0]["test_ids"] == list(split.test_ids)
    assert stored["params"] == dict(split.params)
    table = pd.read_csv(view.make_file("tsv"), sep="\t", keep_default_na=False)
    assert table[table["side"] == "test"]["image_name"].tolist() == list(split.test_ids)
    assert len(table) == split.n_train + split.n_test
    assert set(table["edition"]) == {"v1"}
    masks = np.load(io.BytesIO(view.make_file("npz").read()), allow_pickle=False)
    assert masks["edition"] == "v1"
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
    assert "was made" in maker.messages[0][0].object
    assert "far" in view.controls.split.options
    assert "Distance-controlled" not in text(view.heading)
    assert "keep away from every training image" in text(view.heading)
    assert list(view.sections.measures.measured.splits) == ["far"]
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
    assert view.sections.measures.measured.random
    assert "a list of images of your own" in text(view.heading)


def test_without_embeddings_the_rest_goes_on(home):
    for path in (home.data_dir / layout.STIMULI_TREE).glob("*_embeddings.h5"):
        path.unlink()
    view = inspector(home)
    assert "Train images" in text(view.heading)
    assert view.sections.without_space.visible and not view.sections.in_space.visible
    assert not view.sections.examples.sides["isolated"].visible
    assert "Test images in common" in view.sections.contents.overlap_text.object


def test_without_images_captions_stand_for_them(home):
    (home.data_dir / layout.STIMULI_IMAGES).unlink()
    view = inspector(home)
    name = view.report.split.test_ids[0]
    caption = ExplorerData(home).stimuli().captions.human(name)[0]
    shown = view.sections.examples.sides["test"].grid.items[0]
    assert (shown["title"], shown["words"], shown["picture"]) == (name, caption[:200], "")
    assert not view.sections.leaks.button.visible


def test_hostile_captions_nouns_and_names_are_text(home):
    (home.data_dir / layout.STIMULI_IMAGES).unlink()
    for key, column in ((layout.CAPTIONS, "caption"), (layout.SEGMENTATIONS_METADATA, "noun")):
        path = home.data_dir / key
        table = pd.read_csv(path, keep_default_na=False)
        table[column] = HOSTILE
        table.to_csv(path, index=False)
    view = inspector(home, compared=["<img src=x>"])
    view.sections.space.map.select([0, 1])
    view.sections.leaks.threshold.value = 0.5
    view.sections.leaks.threshold.param.trigger("value_throttled")
    sides = view.sections.examples.sides
    for pane in (
        *(gallery.heading for gallery in sides.values()),
        *view.sections.contents.terms.values(),
        view.sections.space.region.heading,
        view.sections.leaks.pairs,
    ):
        assert "<img" not in pane.object
    assert sides["test"].grid.items[0]["words"] == HOSTILE  # as text, by the script of the grid


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
