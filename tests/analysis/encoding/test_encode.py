"""Encoding models of the demo: the same numbers by every route, and bad input refused."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge

from laion_fmri import Features, encode, load_subject
from laion_fmri._errors import (
    CancelledError,
    InvalidArgumentError,
    NoMatchingDataError,
    NotEnoughMemoryError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.analysis.encoding import split_statistics
from laion_fmri.analysis.encoding.statistics import interval
from laion_fmri.features import as_features
from laion_fmri.splits import evaluate, load_split, response_blocks

ROI, POOL = "face", "sub-01"
SCORES = ("correlation", "r2", "penalty", "noise_ceiling")


@pytest.fixture(scope="module")
def sub(tiny_home):
    return load_subject("sub-01", tiny_home.data_dir)


@pytest.fixture(scope="module")
def found(sub):
    return encode(
        ["CLIP", "DINOv2"], sub, ["random_0", "tau"], roi=[ROI, "place"], pool=POOL,
        n_bootstrap=200, n_flips=50, predictions=True, weights=True, voxel_intervals=True,
    )  # fmt: skip


def test_the_short_form_gives_the_same_scores(sub, found):
    short = evaluate(["random_0", "tau"], sub, [ROI, "place"], pool=POOL)
    for split, expected in short.scores.items():
        score = found.scores["CLIP"][split]
        assert (score.n_train, score.n_test) == (expected.n_train, expected.n_test)
        for name in SCORES:
            assert np.array_equal(getattr(score, name), getattr(expected, name), equal_nan=True)
    table = found.table.query("model == 'CLIP'").reset_index(drop=True)
    same = [c for c in short.table.columns if c in table.columns]
    assert len(same) == len(short.table.columns)
    assert table[same].equals(short.table[same])


def test_predictions_and_weights_are_those_of_scikit_learn(sub, found):
    predicted = found.predictions["DINOv2", "tau"]
    score, weights = found.score("DINOv2", "tau"), found.weights["DINOv2", "tau"]
    features = as_features("DINOv2", sub.data_dir)
    train = [n for n in score.split.train_ids if n in set(sub.metadata["image_name"])]
    x, x_test = (features.rows(n).astype(np.float64) for n in (train, predicted.images))
    mean, size = x.mean(axis=0), x.std(axis=0)
    size[size == 0] = np.inf
    blocks = response_blocks.open_blocks(sub, train, found.in_mask)
    ((_, y),) = blocks.read(type("Steps", (), {"next": lambda self, what: None})())
    for voxel in np.flatnonzero(np.isfinite(score.correlation))[::40]:
        model = Ridge(alpha=float(score.penalty[voxel]))
        model.fit((x - mean) / size, y[:, voxel].astype(np.float64))
        expected = model.predict((x_test - mean) / size)
        assert predicted.predicted[:, voxel] == pytest.approx(expected, abs=2e-5)
        assert x_test @ weights.values[:, voxel] + weights.intercept[voxel] == pytest.approx(
            expected, abs=2e-4
        )
        r = pearsonr(predicted.measured[:, voxel], expected)[0]
        assert score.correlation[voxel] == pytest.approx(r, abs=1e-5)


def test_the_table_has_intervals_around_the_scores(found):
    table = found.table
    assert len(table) == 8
    assert list(table.columns[:6]) == ["model", "split", "roi", "n_voxels", "n_train", "n_test"]
    for name in ("correlation", "r2"):
        assert (table[f"{name}_low"] < table[name]).all()
        assert (table[name] < table[f"{name}_high"]).all()
    low, high = found.voxel_intervals["CLIP", "tau"]
    known = np.isfinite(found.score("CLIP", "tau").correlation)
    assert (low[known] <= high[known]).all() and np.isnan(low[~known]).all()
    assert "CLIP" in found._repr_html_() and "tau" in repr(found)


def test_maps_hold_scores_where_the_voxels_are(sub, found, tmp_path):
    values = found.map("DINOv2", "tau", "r2")
    assert values.shape == (sub.get_n_voxels(),)
    assert np.array_equal(values[found.in_mask], found.score("DINOv2", "tau").r2, equal_nan=True)
    assert np.isnan(values[~found.in_mask]).all()
    score = found.score("CLIP", "random_0")
    share = found.map(score="share_of_correlation")[found.in_mask]
    has_ceiling = score.noise_ceiling > 1
    assert share[has_ceiling] == pytest.approx(
        (score.correlation / np.sqrt(score.noise_ceiling / 100))[has_ceiling], nan_ok=True
    )
    assert found.to_nifti(tmp_path / "map.nii.gz").exists()
    for arguments in (("CLPI",), ("CLIP", "tua"), ("CLIP", "tau", "r22")):
        with pytest.raises(UnknownNameError, match=r"CLIP|tau|r2"):
            found.map(*arguments)


def test_a_whole_brain_is_mapped_on_fsaverage(sub):
    brain = encode("CLIP", sub, "random_0", pool=POOL, n_bootstrap=50)
    assert list(brain.rois) == ["brain"] and brain.in_mask.all()
    part = encode("CLIP", sub, "random_0", roi=ROI, pool=POOL, n_bootstrap=50)
    ours, theirs = brain.map()[part.in_mask], part.map()[part.in_mask]
    assert ours == pytest.approx(theirs, abs=1e-5, nan_ok=True)
    row = brain.table.iloc[0]
    assert row["correlation_low"] < row["correlation"] < row["correlation_high"]
    surface = brain.to_surface("fsaverage")
    assert set(surface) == {"L", "R"} and np.isfinite(surface["L"]).any()
    with_rois = encode("CLIP", sub, "random_0", roi=ROI, voxels="brain", pool=POOL, n_bootstrap=50)
    assert list(with_rois.rois) == [ROI, "brain"]
    assert with_rois.map() == pytest.approx(brain.map(), abs=1e-6, nan_ok=True)
    for mask in (sub.get_roi_mask(ROI), sub.get_roi_grid_mask(ROI)):
        masked = encode("CLIP", sub, "random_0", mask=mask, pool=POOL, n_bootstrap=50)
        assert np.array_equal(masked.map(), part.map(), equal_nan=True)


def test_blocks_and_slabs_give_the_same_scores(sub, found, monkeypatch):
    monkeypatch.setattr(response_blocks, "VOXELS_AT_ONCE", 16)
    monkeypatch.setattr(response_blocks, "_BYTES_AT_ONCE", 1)
    read: list[str] = []
    with pytest.warns(UserWarning, match="read 3 times.*build_averages"):
        again = encode(
            ["CLIP", "DINOv2"], sub, ["random_0", "tau"], roi=[ROI, "place"], pool=POOL,
            n_bootstrap=200, n_flips=50, progress=lambda share, what: read.append(what),
        )  # fmt: skip
    n_sessions = len(sub.get_sessions())
    assert sum(what.startswith("Reading") for what in read) > n_sessions
    for name in SCORES:
        ours, theirs = (getattr(one.score("DINOv2", "tau"), name) for one in (again, found))
        assert ours == pytest.approx(theirs, abs=1e-5, nan_ok=True)
    numbers = found.table.select_dtypes("number").columns
    assert again.table[numbers].to_numpy() == pytest.approx(
        found.table[numbers].to_numpy(), abs=1e-5, rel=1e-5
    )
    ours, theirs = (one.compare("CLIP", "DINOv2", correction="fwer") for one in (again, found))
    assert ours.p_corrected == pytest.approx(theirs.p_corrected, abs=0.05, nan_ok=True)


def test_averages_give_the_same_scores(sub, found, tmp_path):
    for part in ("stimuli", "derivatives", "splits"):
        if (sub.data_dir / part).exists():
            (tmp_path / part).symlink_to(sub.data_dir / part)
    fast = load_subject("sub-01", tmp_path)
    fast.build_averages()
    read: list[str] = []
    again = encode(
        "CLIP", fast, "tau", roi=[ROI, "place"], pool=POOL, n_bootstrap=200,
        progress=lambda share, what: read.append(what),
    )  # fmt: skip
    assert not any(what.startswith("Reading") for what in read)
    for name in SCORES:
        ours, theirs = (getattr(one.score("CLIP", "tau"), name) for one in (again, found))
        assert ours == pytest.approx(theirs, abs=1e-6, nan_ok=True)


def test_two_models_are_compared_on_the_same_images(found):
    one = found.compare("CLIP", "DINOv2", "tau")
    other = found.compare("DINOv2", "CLIP", "tau")
    assert np.array_equal(one.difference, -other.difference, equal_nan=True)
    assert np.array_equal(one.p, other.p, equal_nan=True)
    known = np.isfinite(one.p)
    assert (one.p_corrected[known] >= one.p[known] - 1e-12).all()
    assert one.table["difference"].tolist() == (-other.table["difference"]).tolist()
    rows = found.table.query("split == 'tau' and roi == @ROI").set_index("model")["correlation"]
    assert one.table["difference"][0] == pytest.approx(rows["CLIP"] - rows["DINOv2"], abs=1e-6)
    uncorrected = found.compare("CLIP", "DINOv2", "tau", correction="none")
    assert np.array_equal(uncorrected.p_corrected, one.p, equal_nan=True)
    with pytest.raises(InvalidArgumentError, match="itself"):
        found.compare("CLIP", "CLIP")
    with pytest.raises(UnknownNameError, match="CLIP"):
        found.compare("CLIP", "CLPI")
    with pytest.raises(UnknownNameError, match="fdr"):
        found.compare("CLIP", "DINOv2", correction="fdx")
    assert "CLIP" in repr(one) and "difference" in one._repr_html_()


def test_the_same_model_twice_does_not_differ(sub):
    clip = as_features("CLIP", sub.data_dir)
    same = encode({"a": clip, "b": clip}, sub, "random_0", roi=ROI, pool=POOL, n_bootstrap=20)
    found = same.compare("a", "b")
    assert np.nanmax(np.abs(found.difference)) == 0 and np.nanmin(found.p) == 1
    assert found.table["p"].tolist() == [1.0]
    with pytest.raises(InvalidArgumentError, match="n_flips"):
        same.compare("a", "b", correction="fwer")


def test_results_pickle(found):
    again = pickle.loads(pickle.dumps(found))
    assert again.table.equals(found.table)


def test_intervals_of_few_images_stay_where_scores_can_be(sub):
    found = encode(features_of(sub), sub, "random_0", roi=ROI, pool=POOL, n_bootstrap=100)
    (samples,), table = found.roi_scores.values(), found.table
    assert interval(samples.r2)[1] > 1  # as it comes
    for name, least in (("correlation", -1), ("r2", -np.inf)):
        low, high = table[f"{name}_low"][0], table[f"{name}_high"][0]
        assert least <= low <= table[name][0] <= high <= 1


def features_of(sub, n_features=8, images=None, seed=0):
    """Features of noise, of all images of the dataset or some."""
    names = as_features("CLIP", sub.data_dir).images if images is None else images
    values = np.random.default_rng(seed).normal(size=(len(names), n_features))
    return Features.of(values.astype(np.float32), names, "noise")


def test_features_that_lack_images_are_refused_or_the_images_left_out(sub):
    split = load_split("random_0", POOL, data_dir=sub.data_dir)
    shown = set(sub.metadata["image_name"])
    gap = [n for n in split.train_ids if n in shown][:2]
    names = [n for n in as_features("CLIP", sub.data_dir).images if n not in gap]
    lacking = features_of(sub, images=names)
    with pytest.raises(
        InvalidArgumentError, match=rf"'noise' lack 2 of .*{gap[0]}.*missing=\"omit"
    ):
        encode(lacking, sub, split, roi=ROI)
    with pytest.warns(UserWarning, match="2 images without features in 'a'"):
        found = encode({"a": lacking, "CLIP": "CLIP"}, sub, split, roi=ROI, missing="omit",
                       n_bootstrap=20)  # fmt: skip
    n_train = len([n for n in split.train_ids if n in shown])
    assert set(found.table["n_train"]) == {n_train - 2}
    others = Features.of(np.eye(5), [f"other_{i}.jpg" for i in range(5)], "others")
    with pytest.raises(InvalidArgumentError, match=r"None of the .* 'other_0.jpg'"):
        encode(others, sub, split, roi=ROI)


def test_a_constant_column_changes_nothing(sub):
    noise = features_of(sub)
    with pytest.warns(UserWarning, match="1 of 9 columns"):
        more = Features.of(np.hstack([noise.values, np.ones((len(noise), 1))]), noise.images)
    one, other = (
        encode(f, sub, "random_0", roi=ROI, pool=POOL, n_bootstrap=20) for f in (noise, more)
    )
    assert one.map() == pytest.approx(other.map(), abs=1e-4, nan_ok=True)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"features": "CLPI"}, UnknownNameError, "CLIP"),
        ({"features": []}, InvalidArgumentError, "at least one"),
        ({"split": []}, InvalidArgumentError, "at least one"),
        ({"split": "tua"}, UnknownNameError, "tau"),
        ({"roi": "fase"}, UnknownNameError, "face"),
        ({"roi": []}, InvalidArgumentError, "at least one"),
        ({"roi": None, "mask": np.zeros(7, bool)}, InvalidArgumentError, "shape"),
        ({"voxels": "brian"}, UnknownNameError, "brain"),
        ({"missing": "drop"}, UnknownNameError, "omit"),
        ({"selection": "gvc"}, UnknownNameError, "gcv"),
        ({"penalties": [0]}, InvalidArgumentError, "positive"),
        ({"penalties": "x"}, InvalidArgumentError, "penalties='x'"),
        ({"seed": -1}, InvalidArgumentError, "seed .* not -1"),
        ({"seed": "a"}, InvalidArgumentError, "seed .* not 'a'"),
        ({"weights": "no"}, InvalidArgumentError, "weights='no'"),
        ({"features": (one for one in ())}, InvalidArgumentError, "at least one"),
        ({"n_bootstrap": 0}, InvalidArgumentError, "n_bootstrap"),
        ({"n_flips": -1}, InvalidArgumentError, "n_flips"),
        ({"pool": "sub-03"}, NoMatchingDataError, "fewest"),
        ({"estimator": "bandit"}, UnknownNameError, "banded"),
        ({"estimator": 3}, InvalidArgumentError, "fit and predict"),
        ({"nc_threshold": 100}, NoMatchingDataError, "nc_threshold"),
    ],
)
def test_bad_input_is_refused(sub, arguments, error, match):
    asked = {"features": "CLIP", "split": "random_0", "roi": ROI, "pool": POOL, **arguments}
    with pytest.raises(error, match=match):
        encode(asked.pop("features"), sub, asked.pop("split"), **asked)


def test_an_empty_mask_is_refused(sub):
    with pytest.raises(NoMatchingDataError, match="No voxel of mask"):
        encode("CLIP", sub, mask=np.zeros(sub.get_n_voxels(), bool))


def test_too_large_predictions_are_refused(sub, monkeypatch):
    monkeypatch.setattr(split_statistics.memory, "has_room", lambda n_bytes: n_bytes < 100)
    with pytest.raises(NotEnoughMemoryError, match="Predictions and weights"):
        encode("CLIP", sub, "random_0", roi=ROI, pool=POOL, predictions=True)


def test_what_is_not_downloaded_is_said(sub, tmp_path):
    (tmp_path / "derivatives").symlink_to(sub.data_dir / "derivatives")
    bare = load_subject("sub-01", tmp_path)
    split = load_split("random_0", POOL, data_dir=sub.data_dir)
    with pytest.raises(StimuliNotDownloadedError, match="download_embeddings"):
        encode("CLIP", bare, split, roi=ROI)


def test_it_can_be_cancelled(sub):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        encode("CLIP", sub, "random_0", roi=ROI, pool=POOL, cancel=cancel)
