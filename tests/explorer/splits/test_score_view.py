"""Scoring from the Splits tab: the library's numbers, told as they come, taken to the brain."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from laion_fmri.explorer.brain.tab import BrainTab
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.splits.code import score_code
from laion_fmri.explorer.splits.inspector import SplitInspector
from laion_fmri.explorer.splits.score_view import ScoreView, roi_choices, score_maps
from laion_fmri.explorer.splits.tab import SplitsTab
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.features import as_features, register_features
from laion_fmri.splits import evaluate, load_split


@pytest.fixture
def inspector(tiny_home) -> SplitInspector:
    data = ExplorerData(tiny_home.settings)
    return SplitInspector("tau", "sub-01", subject="sub-01", compared=["random_0"], data=data)


def scored(view: SplitInspector | ScoreView) -> None:
    section = view if isinstance(view, ScoreView) else view.sections.scores
    section.button.clicks += 1
    if section.job is None:  # over before it was first looked at: then it has come to something
        assert section.evaluation is not None or section.messages
        return
    section.job.wait()


def test_the_table_is_that_of_the_library(inspector, tiny_home):
    section = inspector.sections.scores
    section.rois.value = ["face", "PPA"]
    scored(inspector)
    assert inspector.evaluation is not None and not section.messages
    expected = evaluate(["tau", "random_0"], "sub-01", ["face", "PPA"], pool="sub-01",
                        data_dir=tiny_home.data_dir).table  # fmt: skip
    pd.testing.assert_frame_equal(inspector.evaluation.table, expected)
    shown = re.findall(r"<td>([^<]*)</td>", section.table.object)
    assert shown[:2] == ["tau", "face"] and len(shown) == 9 * 4
    assert shown[4] == f"{expected['correlation'][0]:.3f}"
    saved = pd.read_csv(io.BytesIO(section.as_tsv().getvalue()), sep="\t")
    pd.testing.assert_frame_equal(saved, expected)


def test_the_code_gives_the_same(inspector, tiny_home, monkeypatch):
    section = inspector.sections.scores
    section.rois.value, section.threshold.value = ["face"], 1.0
    scored(inspector)
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tiny_home.data_dir))
    names: dict = {}
    exec(section.code.code, names)
    pd.testing.assert_frame_equal(names["found"].table, inspector.evaluation.table)
    assert np.array_equal(names["correlation"], inspector.evaluation.values("tau"), equal_nan=True)


def test_a_problem_is_told_and_the_next_try_is_open(inspector):
    section = inspector.sections.scores
    section.threshold.value = 99.0
    scored(inspector)
    assert "nc_threshold" in section.messages[0][0].object
    assert not section.button.disabled and not section.results.visible
    section.threshold.value = 0.0
    scored(inspector)
    assert section.results.visible and not section.messages


def test_cancelling_leaves_nothing_behind(inspector):
    section = inspector.sections.scores
    section.button.clicks += 1
    job = section.job
    section.cancel.clicks += 1
    job.wait()
    assert section.job is None and not section.results.visible and not section.button.disabled
    assert job.is_over


def test_another_split_takes_the_scores_away(inspector):
    scored(inspector)
    inspector.split = "cluster_k5_0"
    assert inspector.evaluation is None and not inspector.sections.scores.results.visible


def test_another_embedding_leaves_the_scores_of_the_first(inspector):
    scored(inspector)
    evaluation, table = inspector.evaluation, inspector.sections.scores.table.object
    assert "Predicted from CLIP" in table
    inspector.model = "DINOv2"
    assert inspector.evaluation is evaluation and inspector.sections.scores.table.object == table
    assert inspector.sections.scores.results.visible and not inspector.sections.scores.messages
    assert 'embedding="DINOv2"' in inspector.sections.scores.code.code
    assert score_maps(inspector.evaluation)[0].name == "Correlation, CLIP, tau"
    scored(inspector)
    assert inspector.evaluation.embedding == "DINOv2"
    assert "Predicted from DINOv2" in inspector.sections.scores.table.object


def test_registered_features_are_offered_and_scored_as_embeddings_are(tiny_home, tmp_path):
    for part in tiny_home.data_dir.iterdir():
        if not part.name.startswith("."):
            (tmp_path / part.name).symlink_to(part)
    data = ExplorerData(replace(tiny_home.settings, data_dir=tmp_path))
    clip = as_features("CLIP", tmp_path)
    register_features("my-resnet", clip.values[:, :9], clip.images, data_dir=tmp_path)
    tab = SplitsTab(ExplorerState(tab="Splits", subject="sub-01", pool="sub-01"), data)
    tab.open()
    view = tab.inspector
    assert "my-resnet" in view.controls.model.options
    assert "my-resnet" in view.maker.model.options
    view.controls.model.value = "my-resnet"
    assert 'embedding="my-resnet"' in view.sections.scores.code.code
    view.sections.scores.rois.value = ["FFA1"]
    scored(view)
    expected = evaluate([view.split], "sub-01", ["FFA1"], pool="sub-01", embedding="my-resnet",
                        data_dir=tmp_path).table  # fmt: skip
    pd.testing.assert_frame_equal(view.evaluation.table, expected)


def test_scores_go_to_the_brain(tiny_home):
    data, state = ExplorerData(tiny_home.settings), ExplorerState(tab="Splits", subject="sub-01")
    state.param.update(pool="sub-01", split="random_1")
    splits, brain = SplitsTab(state, data), BrainTab(state, data)
    splits.open()
    scored(splits.inspector)
    evaluation = splits.inspector.evaluation
    splits.inspector.sections.scores.to_brain.clicks += 1
    assert state.tab == "Brain" and state.map == "Correlation, CLIP, random_1"
    assert brain.brain.map == state.map
    shown = brain.brain.picture.brain_map
    assert np.array_equal(shown.read(), evaluation.values("random_1"), equal_nan=True)
    assert shown.units == "r"


def test_without_responses_it_says_what_is_missing(tiny_home, tmp_path):
    settings = replace(tiny_home.settings, data_dir=tmp_path)
    (tmp_path / "stimuli").symlink_to(tiny_home.data_dir / "stimuli")
    (tmp_path / "splits").symlink_to(tiny_home.data_dir / "splits")
    inspector = SplitInspector("random_0", data=ExplorerData(settings))
    assert "betas and ROIs" in inspector.sections.scores.problem.object
    assert not inspector.sections.scores.controls.visible


def test_what_can_be_scored_and_the_code_of_it(tiny_home):
    sub = ExplorerData(tiny_home.settings).subject("sub-01")
    choices = roi_choices(sub)
    assert choices[0] in sub.get_available_categories() and choices[-1] == "all"
    code = score_code("sub-01", "shared", ["tau", "ood"], ["V1d", "face"], embedding="CLIP",
                      session="ses-01", nc_threshold=10)  # fmt: skip
    assert '["tau", "ood"]' in code and 'session="ses-01"' in code and "nc_threshold=10" in code
    compile(code, "code", "exec")


def test_jobs_take_turns(tiny_home):
    data = ExplorerData(tiny_home.settings)
    split = load_split("random_0", "sub-01", data_dir=tiny_home.data_dir)
    views = [ScoreView(data) for _ in range(3)]
    for view in views:
        view.set_splits({"random_0": split}, "sub-01", "sub-01", "", "CLIP")
        view.rois.value = ["face"]
        scored(view)
    assert all(view.evaluation is not None and not view.messages for view in views)


def test_without_embeddings_each_model_is_named_with_its_size(tiny_home, tmp_path):
    for tree in ("derivatives", "splits"):
        (tmp_path / tree).symlink_to(tiny_home.data_dir / tree)
    inspector = SplitInspector(data=ExplorerData(replace(tiny_home.settings, data_dir=tmp_path)))
    assert inspector.sections.without_space.visible
    assert "CLIP embeddings" in inspector.sections.missing.titles
    assert "MB" in str(inspector.sections.missing.rows[0][0].object) or "kB" in str(
        inspector.sections.missing.rows[0][0].object
    )
