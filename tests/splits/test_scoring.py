"""Scores of splits: recomputed independently, and never informed by the test side."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from laion_fmri import load_subject
from laion_fmri._errors import (
    CancelledError,
    InvalidArgumentError,
    NoMatchingDataError,
    UnknownNameError,
)
from laion_fmri.responses import ResponsesRequest
from laion_fmri.splits import SplitVariant, evaluate, load_split
from laion_fmri.splits.scoring import CEILINGS, ceiling_of_means
from laion_fmri.stimuli.embeddings import Embeddings

ROI = "face"


@pytest.fixture(scope="module")
def sub(tiny_home):
    return load_subject("sub-01", tiny_home.data_dir)


@pytest.fixture(scope="module")
def found(sub):
    return evaluate(["random_0", "tau"], sub, [ROI, "place"], pool="sub-01")


def shown(sub, names):
    labels = set(sub.metadata["image_name"])
    return [name for name in names if name in labels]


def test_scores_are_those_of_scikit_learn_with_the_penalty_chosen(sub, found):
    split = load_split("random_0", "sub-01", data_dir=sub.data_dir)
    train, test = shown(sub, split.train_ids), shown(sub, split.test_ids)
    averages = sub.get_responses([*train, *test], mask=found.in_mask)
    place = {name: row for row, name in enumerate(averages.names)}
    with Embeddings("all", sub.data_dir) as embeddings:
        rows = embeddings.rows("CLIP", list(place)).astype(np.float64)
    x = dict(zip(place, rows, strict=True))
    x_train = np.array([x[n] for n in train])
    mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
    y = averages.values.astype(np.float64)
    score = found.scores["random_0"]
    assert (score.n_train, score.n_test) == (len(train), len(test))
    for voxel in np.flatnonzero(np.isfinite(score.correlation))[::25]:
        model = Ridge(alpha=float(score.penalty[voxel]))
        model.fit((x_train - mean) / deviation, y[[place[n] for n in train], voxel])
        predicted = model.predict((np.array([x[n] for n in test]) - mean) / deviation)
        measured = y[[place[n] for n in test], voxel]
        assert score.correlation[voxel] == pytest.approx(pearsonr(measured, predicted)[0], abs=2e-3)
        assert score.r2[voxel] == pytest.approx(r2_score(measured, predicted), abs=2e-3)


def test_the_test_side_has_no_part_in_the_penalty(sub):
    split = load_split("random_0", "sub-01", data_dir=sub.data_dir)
    images = shown(sub, [*split.train_ids, *split.test_ids])
    train, test = tuple(images[:7]), tuple(images[7:])
    all_of_it, less = (
        evaluate(replace(split, variants=(SplitVariant(0, train, side),)), sub, ROI)
        for side in (test, test[1:])
    )
    one, other = all_of_it.scores["random_0"], less.scores["random_0"]
    assert np.array_equal(one.penalty, other.penalty, equal_nan=True)
    assert not np.array_equal(one.correlation, other.correlation, equal_nan=True)


def test_the_same_arguments_give_the_same_scores(sub, found):
    again = evaluate(["random_0", "tau"], "sub-01", [ROI, "place"], pool="sub-01",
                     data_dir=sub.data_dir)  # fmt: skip
    for name, score in found.scores.items():
        for values in ("correlation", "r2", "penalty", "noise_ceiling"):
            ours, theirs = getattr(score, values), getattr(again.scores[name], values)
            assert np.array_equal(ours, theirs, equal_nan=True)


def test_the_table_has_a_row_for_each_split_and_roi(sub, found):
    table = found.table
    assert list(zip(table["split"], table["roi"], strict=True)) == [
        (split, roi) for split in ("random_0", "tau") for roi in (ROI, "place")
    ]
    row = table.iloc[0]
    inside = found.rois[ROI]
    score = found.scores["random_0"]
    assert row["n_voxels"] == np.isfinite(score.correlation[inside]).sum()
    assert row["correlation"] == pytest.approx(np.nanmean(score.correlation[inside]), abs=1e-6)
    assert row["share_of_r2"] == pytest.approx(100 * row["r2"] / row["noise_ceiling"], rel=1e-6)
    assert "random_0" in found._repr_html_() and "tau" in repr(found)


def test_a_map_holds_the_scores_where_the_voxels_are(sub, found, tmp_path):
    values = found.values("tau", "r2")
    assert values.shape == (sub.get_n_voxels(),)
    assert np.array_equal(values[found.in_mask], found.scores["tau"].r2, equal_nan=True)
    assert np.isnan(values[~found.in_mask]).all()
    assert np.array_equal(found.values(), found.values("random_0"), equal_nan=True)
    sub.to_nifti(values, tmp_path / "tau.nii.gz")
    for arguments in (("tua",), ("tau", "r22")):
        with pytest.raises(UnknownNameError, match=r"tau|r2"):
            found.values(*arguments)


def test_the_ceiling_is_the_published_one_at_its_own_repeats():
    published = np.array([0.0, 10.0, 55.5, 100.0])
    for n_repeats in CEILINGS.values():
        with np.errstate(divide="ignore"):
            ncsnr2 = published / (n_repeats * (100 - published))
        same = ceiling_of_means(ncsnr2, np.full(7, n_repeats))
        np.testing.assert_allclose(same, published, rtol=1e-6)
        once = ceiling_of_means(ncsnr2, np.ones(7, dtype=int))
        assert (once[1:3] < published[1:3]).all()
        mixed = ceiling_of_means(ncsnr2, np.array([1, n_repeats]))
        assert (once[1:3] < mixed[1:3]).all() and (mixed[1:3] < published[1:3]).all()


def test_voxels_below_the_noise_ceiling_are_left_out(sub):
    ceiling = sub.get_noise_ceiling(desc="Noiseceiling12rep")
    threshold = float(np.median(ceiling[sub.get_roi_mask(ROI)]))
    found = evaluate("random_0", sub, ROI, pool="sub-01", nc_threshold=threshold)
    inside = sub.get_roi_mask(ROI)
    assert np.array_equal(found.in_mask, inside & (ceiling > threshold))
    with pytest.raises(NoMatchingDataError, match="nc_threshold"):
        evaluate("random_0", sub, ROI, pool="sub-01", nc_threshold=100)


def test_progress_goes_from_nothing_to_all_and_names_what_is_done(sub):
    told: list[tuple[float, str]] = []
    evaluate("random_0", sub, ROI, pool="sub-01", progress=lambda *step: told.append(step))
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert told[0][1] == f"Reading {sub.get_sessions()[0]}"
    assert any(what == "Fitting random_0" for _, what in told)


@pytest.mark.parametrize("after", [0, 1])
def test_it_can_be_cancelled(sub, after):
    cancel, told = threading.Event(), []

    def progress(share: float, what: str) -> None:
        told.append(what)
        if len(told) > after:
            cancel.set()

    with pytest.raises(CancelledError):
        evaluate("random_0", sub, ROI, pool="sub-01", progress=progress, cancel=cancel)
    assert len(told) == after + 1


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"splits": []}, InvalidArgumentError, "at least one"),
        ({"splits": "tua"}, UnknownNameError, "tau"),
        ({"roi": []}, InvalidArgumentError, "at least one"),
        ({"roi": "fase"}, UnknownNameError, "face"),
        ({"embedding": "CLPI"}, UnknownNameError, "CLIP"),
        ({"penalties": []}, InvalidArgumentError, "positive"),
        ({"penalties": [0.0]}, InvalidArgumentError, "positive"),
        ({"pool": "sub-03"}, NoMatchingDataError, "fewest"),
        ({"session": "ses-77"}, Exception, "ses-77"),
        ({"nc_threshold": "much"}, InvalidArgumentError, "nc_threshold"),
    ],
)
def test_bad_input_is_told(sub, arguments, error, match):
    asked = {"splits": "random_0", "subject": sub, "roi": ROI, "pool": "sub-01", **arguments}
    with pytest.raises(error, match=match):
        evaluate(**asked)


def test_two_splits_of_one_name_are_refused(sub):
    one = load_split("random_0", "sub-01", data_dir=sub.data_dir)
    other = load_split("random_0", "shared", data_dir=sub.data_dir)
    with pytest.raises(InvalidArgumentError, match="random_0"):
        evaluate([one, other], sub, ROI)
    assert list(evaluate([one, one], sub, ROI).scores) == ["random_0"]


def test_a_voxel_without_an_estimate_has_no_score(sub, monkeypatch):
    read = ResponsesRequest.read

    def with_a_gap(*arguments, **options):
        responses = read(*arguments, **options)
        responses.values[3, 0] = np.nan
        return responses

    monkeypatch.setattr(ResponsesRequest, "read", with_a_gap)
    found = evaluate("random_0", sub, ROI, pool="sub-01")
    score = found.scores["random_0"]
    assert np.isnan(score.correlation[0]) and np.isnan(score.penalty[0])
    assert np.isfinite(score.correlation[1:]).any()
    assert found.table["n_voxels"][0] <= len(score.correlation) - 1
