"""Encoding models find what was put into responses, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from laion_fmri import Features
from laion_fmri.analysis.encoding import variance
from laion_fmri.analysis.encoding.result import Encoding
from laion_fmri.analysis.encoding.split_statistics import Options, fit_and_score
from laion_fmri.analysis.encoding.statistics import interval
from laion_fmri.ridge import PENALTIES
from laion_fmri.splits.chosen_voxels import ChosenVoxels
from laion_fmri.splits.fitting import Sides, Steps, ridge_models
from laion_fmri.splits.response_blocks import BlocksInMemory
from laion_fmri.splits.split import Split, SplitVariant

N_TRAIN, N_TEST, N_FEATURES, N_VOXELS = 700, 250, 12, 40
NAMES = [f"{i}.jpg" for i in range(N_TRAIN + N_TEST)]
SPLIT = Split("own", "own", {}, (SplitVariant(0, tuple(NAMES[:N_TRAIN]), tuple(NAMES[N_TRAIN:])),))
ROIS = {
    name: np.repeat([name == other for other in ("A", "B", "noise")], N_VOXELS)
    for name in ("A", "B", "noise")
}
SEEDS = range(20)


def spaces(rng):
    return {
        name: Features.of(rng.normal(size=(len(NAMES), N_FEATURES)), NAMES, name)
        for name in ("a", "b")
    }


def encoded(models, values, rois, **options) -> Encoding:
    """Encode responses in memory."""
    blocks = BlocksInMemory(NAMES, values.astype(np.float32), np.ones(len(NAMES), dtype=int))
    n = values.shape[1]
    voxels = ChosenVoxels(np.ones(n, bool), rois, np.full(n, np.nan))
    sides = {"own": Sides.of(SPLIT, models, blocks)}
    make = ridge_models(np.array(PENALTIES), "gcv")
    steps = Steps(blocks.n_blocks, None, None)
    found = fit_and_score(blocks, sides, models, make, voxels, Options(**options), steps)
    return Encoding(
        "sub-01", None, (), "anatomical", rois, voxels.in_mask, found.scores, found.roi_scores,
        found.pairs,
    )  # fmt: skip


@pytest.fixture(scope="module")
def compared():
    """Encodings of 20 seeds of noise: A is driven by a, B by b, and nothing drives the rest."""
    found = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        models = spaces(rng)
        signal = np.hstack(
            [
                one.values @ rng.normal(size=(N_FEATURES, N_VOXELS)) / np.sqrt(N_FEATURES)
                for one in models.values()
            ]
        )
        signal = np.hstack([0.4 * signal, np.zeros((len(NAMES), N_VOXELS))])
        values = signal + rng.normal(size=signal.shape)
        found.append(encoded(models, values, ROIS, n_bootstrap=200, n_flips=200))
    return found


def test_the_model_that_made_the_responses_wins_where_it_drives_and_only_there(compared):
    n_false, n_tests = 0, 0
    for found in compared:
        table = found.compare("a", "b").table.set_index("roi")
        assert (table["p_corrected"][["A", "B"]] < 0.05).all()
        assert table["difference"]["A"] > 0 > table["difference"]["B"]
        assert table["difference_low"]["A"] > 0 > table["difference_high"]["B"]
        n_false += int(table["p"]["noise"] < 0.05)
        n_tests += 1
    # Of 20 tests at 5 %, more than 4 come by chance once in 400 times.
    assert n_false <= 4, f"{n_false} of {n_tests}"


def test_false_discoveries_over_voxels_are_within_the_rate(compared):
    shares, wrong, power = [], 0, []
    for found in compared:
        one = found.compare("a", "b")
        is_found = one.p_corrected < 0.05
        is_false = is_found & (
            ROIS["noise"] | (ROIS["A"] & (one.difference < 0)) | (ROIS["B"] & (one.difference > 0))
        )
        shares.append(is_false.sum() / max(is_found.sum(), 1))
        power.append(is_found[ROIS["A"] | ROIS["B"]].mean())
        strict = found.compare("a", "b", correction="fwer").p_corrected < 0.05
        wrong += bool((strict & ROIS["noise"]).any())
    assert np.mean(shares) < 0.05, shares
    assert np.mean(power) > 0.8
    assert wrong <= 4, wrong


def test_a_null_model_scores_zero_within_its_interval(compared):
    covered = []
    for found in compared:
        for model, roi in (("a", "B"), ("b", "A"), ("a", "noise"), ("b", "noise")):
            low, high = interval(found.roi_scores[model, "own", roi].correlation)
            covered.append(low < 0 < high)
    assert np.mean(covered) > 0.87


def test_unique_variance_of_planted_spaces_is_within_its_interval(monkeypatch):
    covered, shares = [], []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        models = spaces(rng)
        part = {
            name: one.values @ rng.normal(size=(N_FEATURES, N_VOXELS)) / np.sqrt(N_FEATURES)
            for name, one in models.items()
        }
        noise = rng.normal(size=part["a"].shape)
        values = 1.0 * part["a"] + 0.6 * part["b"] + noise
        test = slice(N_TRAIN, None)
        total = values[test].var(axis=0)
        # What the true weights explain of these test images beyond those of the other space.
        rest = {"a": 0.6 * part["b"] + noise, "b": part["a"] + noise}
        truth = {
            name: ((one[test] ** 2).mean(0) - (noise[test] ** 2).mean(0)) / total
            for name, one in (
                ("a", values - 0.6 * part["b"]),
                ("b", values - part["a"]),
            )
        }
        rois = {"all voxels": np.ones(N_VOXELS, bool)}

        def encode_here(models, sub, split, rois=rois, values=values, **options):
            return encoded(models, values, rois, **options)

        monkeypatch.setattr(variance, "encode", encode_here)
        monkeypatch.setattr(variance, "load_subject", lambda *_: type("Sub", (), {"data_dir": ""}))
        found = variance.variance_partition(models, "sub-01", n_bootstrap=300)
        table = found.table.set_index("part")
        for name in models:
            row, true = table.loc[name], truth[name].mean()
            # Weights that are estimated from few images explain a little less than the true ones.
            shares.append(row["r2"] / true)
            covered.append(row["low"] - 0.02 < true < row["high"] + 0.02)
        unique = table["r2"]["a"] + table["r2"]["b"]
        assert table["r2"]["shared"] == pytest.approx(table["r2"]["all"] - unique, abs=1e-6)
        assert abs(table["r2"]["shared"]) < 0.05  # the spaces are independent
        assert np.isfinite(found.map("a")).all() and rest
    assert np.mean(covered) > 0.9
    assert 0.93 < np.mean(shares) < 1.02
