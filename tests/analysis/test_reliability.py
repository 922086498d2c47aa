from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_responses import simulated_responses

from laion_fmri._errors import InvalidArgumentError, NoMatchingDataError, UnknownNameError
from laion_fmri.analysis import reliability
from laion_fmri.analysis.reliability import ncsnr, noise_ceiling, reliability_table, split_half
from laion_fmri.group import load_subjects
from laion_fmri.subject import Subject, load_subject


@pytest.fixture
def sub(tiny_home) -> Subject:
    return load_subject("sub-01", tiny_home.data_dir)


def _simulated(seed=0, n_images=60, n_voxels=40, repeats=4, snr=0.7, **options):
    rng = np.random.default_rng(seed)
    signal = snr * rng.standard_normal((n_images, n_voxels))
    return simulated_responses(signal, 1.0, repeats, seed, **options)


# --- against the published maps ----------------------------------------------------------


@pytest.mark.parametrize(
    ("desc", "image_repeats"),
    [("Noiseceiling4rep", 4), ("Noiseceiling12rep", 12), ("NoiseceilingAllrep", None)],
)
def test_ceilings_across_sessions_are_the_published_ones(sub, desc, image_repeats):
    trials = sub.get_responses(roi="all", average=False)
    published = sub.get_noise_ceiling(desc=desc, roi="all")
    found = noise_ceiling(trials, image_repeats=image_repeats)
    np.testing.assert_allclose(np.nan_to_num(found), published, atol=2e-3)
    assert (published > 0).mean() > 0.5


def test_the_ceiling_of_a_session_is_the_published_one(sub):
    trials = sub.get_responses(roi="all", session="ses-02", zscore="run", average=False)
    published = sub.get_noise_ceiling(session="ses-02", roi="all")
    np.testing.assert_allclose(np.nan_to_num(noise_ceiling(trials)), published, atol=2e-3)


def test_averages_have_the_published_ratio(sub):
    averages = sub.get_responses(roi="all")
    published = averages.voxels["noise_ceiling_12rep"].to_numpy()
    np.testing.assert_allclose(noise_ceiling(averages, 12), published, rtol=1e-3)
    np.testing.assert_array_equal(ncsnr(averages), averages.voxels["ncsnr"].to_numpy("float32"))
    repeats = averages.images["repeats"]
    np.testing.assert_allclose(
        noise_ceiling(averages), noise_ceiling(averages, repeats.to_numpy()), rtol=1e-6
    )


# --- against another way of computing each -----------------------------------------------


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1]), st.floats(0, 0.3))
@settings(max_examples=25)
def test_the_noise_is_the_variance_over_repeats_that_pandas_computes(seed, ddof, missing):
    rng = np.random.default_rng(seed)
    trials = _simulated(seed, n_images=8, n_voxels=5, repeats=[1, 2, 3, 4, 4, 2, 5, 3])
    values = np.where(rng.random(trials.values.shape) < missing, np.nan, trials.values)
    trials = replace(trials, values=values.astype(np.float32))
    table = pd.DataFrame(values.astype(np.float32).astype(float)).groupby(
        trials.images["name"].to_numpy()
    )
    counts = table.count()
    noise = table.var(ddof=ddof).where(counts > 1).mean()
    share = (1 / counts.where(counts > 1)).mean()
    ratio = np.maximum(0, 1 - noise) / noise
    np.testing.assert_allclose(ncsnr(trials, ddof=ddof), np.sqrt(ratio), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        noise_ceiling(trials, ddof=ddof), 100 * ratio / (ratio + share), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(
        noise_ceiling(trials, [3, 6], ddof=ddof), 100 * ratio / (ratio + 0.25), rtol=1e-4, atol=1e-4
    )


def test_blocks_change_nothing(monkeypatch):
    trials = _simulated()
    whole = noise_ceiling(trials), split_half(trials, n_splits=2)
    monkeypatch.setattr(reliability, "_BLOCK_BYTES", 8 * 240 * 7)
    for one, again in zip(
        whole, (noise_ceiling(trials), split_half(trials, n_splits=2)), strict=True
    ):
        np.testing.assert_allclose(one, again, rtol=1e-5)


@pytest.mark.parametrize("repeats", [4, 12])
def test_split_halves_and_ceilings_estimate_the_same_share(repeats):
    trials = _simulated(3, n_images=300, repeats=repeats)
    true = 0.7**2 / (0.7**2 + 1 / repeats)
    assert noise_ceiling(trials).mean() / 100 == pytest.approx(true, abs=0.02)
    assert split_half(trials).mean() == pytest.approx(true, abs=0.02)
    r = split_half(trials, spearman_brown=False)
    assert r.mean() == pytest.approx(0.7**2 / (0.7**2 + 2 / repeats), abs=0.02)


def test_one_division_is_the_correlation_of_two_means():
    """With two repeats, there is one division; which half is first changes no correlation much."""
    trials = _simulated(4, n_images=400, n_voxels=6, repeats=2)
    values = pd.DataFrame(trials.values).groupby(trials.images["name"].to_numpy())
    expected = [np.corrcoef(values.first()[v], values.last()[v])[0, 1] for v in range(6)]
    found = split_half(trials, spearman_brown=False, n_splits=1)
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_noise_has_no_reliability():
    trials = _simulated(5, n_images=200, n_voxels=300, snr=0.0)
    assert abs(split_half(trials, spearman_brown=False).mean()) < 0.01
    assert noise_ceiling(trials).mean() < 10  # not below 0, so above it on average


def test_halves_that_disagree_have_a_bound():
    trials = _simulated(5, n_images=4, n_voxels=4000, repeats=2, snr=0.0)
    r = split_half(trials, n_splits=1, spearman_brown=False)
    found = split_half(trials, n_splits=1)
    assert r.min() < -0.99 and np.abs(found).max() <= 1
    assert abs(found.mean()) < 0.03  # its standard error is 0.01; with 0 for r < 0 it is 0.3
    np.testing.assert_allclose(found[r >= 0], (2 * r / (1 + r))[r >= 0], rtol=1e-5)
    np.testing.assert_allclose(found[r < 0], -(2 * -r / (1 - r))[r < 0], rtol=1e-5)
    trials.voxels["FFA1"] = True
    table = reliability_table(trials, ["FFA1"], n_bootstrap=0)
    assert abs(table["split_half"][0]) < 3


def test_a_voxel_without_repeats_is_nan():
    trials = _simulated(6, n_images=6, n_voxels=3, repeats=[2] * 5 + [1])
    values = trials.values.copy()
    values[trials.images["repeat"] == 2, 1] = np.nan
    values[:, 2] = np.nan
    trials = replace(trials, values=values)
    for found in (noise_ceiling(trials), ncsnr(trials), split_half(trials)):
        assert np.isnan(found).tolist() == [False, True, True]


# --- tables ------------------------------------------------------------------------------


def test_a_table_has_the_means_of_rois_with_intervals(sub):
    trials = sub.get_responses(roi=["FFA1", "PPA"], average=False)
    table = reliability_table(trials, ["FFA1", "PPA"], n_bootstrap=200).set_index("roi")
    for roi in ("FFA1", "PPA"):
        own = sub.get_responses(roi=roi, average=False)
        row = table.loc[roi]
        assert row["n_voxels"] == own.values.shape[1]
        assert row["noise_ceiling"] == pytest.approx(np.nanmean(noise_ceiling(own)), rel=1e-4)
        assert row["split_half"] == pytest.approx(100 * np.nanmean(split_half(own)), rel=1e-4)
        assert row["low"] < row["noise_ceiling"] < row["high"]
    everything = reliability_table(trials, n_bootstrap=0)
    assert set(everything["roi"]) >= {"FFA1", "PPA"}
    assert everything[["low", "high"]].isna().all(axis=None)
    union = reliability_table(trials, "FFA", n_bootstrap=0)
    assert union["n_voxels"][0] == trials.select(roi="FFA").values.shape[1]
    with pytest.raises(UnknownNameError, match="Unknown ROI or category 'FFB'"):
        reliability_table(trials, ["FFB"])
    with pytest.raises(NoMatchingDataError, match=r"None of the .* voxels .* is in V1v"):
        reliability_table(trials, ["V1v"])


def test_intervals_have_the_true_ceiling():
    true = 100 * 0.7**2 / (0.7**2 + 1 / 4)
    hits = 0
    for seed in range(40):
        trials = _simulated(seed, n_images=100, n_voxels=10)
        trials.voxels["FFA1"] = True
        row = reliability_table(trials, ["FFA1"], n_bootstrap=200).iloc[0]
        hits += row["low"] <= true <= row["high"]
    assert hits >= 33


def test_joined_averages_have_no_repeats_of_their_own(tiny_home):
    group = load_subjects("all", tiny_home.data_dir)
    found = group.get_responses("FFA1")
    with pytest.raises(InvalidArgumentError, match="those of all subjects together"):
        noise_ceiling(found.joined())
    each = [noise_ceiling(one, n_repeats=4) for one in found.values()]
    assert np.array_equal(
        noise_ceiling(found.joined(), n_repeats=4), np.concatenate(each), equal_nan=True
    )


# --- what cannot be computed -------------------------------------------------------------


def test_what_gives_no_reliability_is_named():
    trials = _simulated(7, n_images=5, repeats=1)
    for call in (noise_ceiling, ncsnr, split_half):
        with pytest.raises(InvalidArgumentError, match=r"0 of the 5 images .* two trials or more"):
            call(trials)
    trials = _simulated(8, n_images=5, n_voxels=3, repeats=2)
    averages = _simulated(8, n_images=5, n_voxels=3, repeats=2, average=True, ncsnr=np.ones(3))
    for call, message in [
        (lambda: noise_ceiling(trials, image_repeats=12), "have 12 trials"),
        (lambda: noise_ceiling(trials, image_repeats=1), "image_repeats=1"),
        (lambda: noise_ceiling(trials, 0), "n_repeats"),
        (lambda: noise_ceiling(trials, ddof=2), "ddof=2"),
        (lambda: noise_ceiling(replace(trials, zscore="none")), "z-scored"),
        (lambda: noise_ceiling(averages, image_repeats=2), "average=False"),
        (lambda: noise_ceiling(replace(averages, voxels=trials.voxels)), "ses='averages'"),
        (lambda: split_half(averages), "cannot be split"),
        (lambda: split_half(trials, n_splits=0), "n_splits=0"),
        (lambda: split_half(_simulated(9, n_images=2, repeats=2)), "at least 3 are needed"),
        (lambda: split_half(trials, seed=-1), "seed .* not -1"),
        (lambda: reliability_table(trials, seed="a"), "seed .* not 'a'"),
        (lambda: reliability_table(averages), "single trials"),
        (lambda: reliability_table(trials, confidence=2), "confidence=2"),
        (lambda: reliability_table(trials, n_bootstrap=2.5), "n_bootstrap=2.5"),
        (lambda: reliability_table(trials, []), "empty list of ROIs"),
        (lambda: noise_ceiling(trials, "all"), "n_repeats"),
        (lambda: noise_ceiling({"sub-01": trials}), "Give those of one"),
        (lambda: split_half(trials.values), "Responses were expected, not ndarray"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            call()
