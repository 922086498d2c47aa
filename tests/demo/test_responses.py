"""The betas of the demo dataset, worked out again from the files alone."""

from __future__ import annotations

from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from laion_fmri import layout
from laion_fmri.demo import load_truth
from laion_fmri.demo.profiles import PROFILES

TINY = PROFILES["tiny"]
SUBJECT = "sub-01"


def _map(root: Path, key: str) -> np.ndarray:
    return np.asarray(nib.load(root / key).dataobj)


@pytest.fixture(scope="module")
def mask(tiny_bucket: Path) -> np.ndarray:
    return _map(tiny_bucket, layout.anatomical(SUBJECT, "desc-brain_mask", "1pt8")) > 0


@pytest.fixture(scope="module")
def trials(tiny_bucket: Path) -> pd.DataFrame:
    return pd.concat(
        [pd.read_csv(tiny_bucket / layout.trials(SUBJECT, s), sep="\t") for s in TINY.sessions],
        ignore_index=True,
    )


@pytest.fixture(scope="module")
def betas(tiny_bucket: Path, mask: np.ndarray) -> np.ndarray:
    """All trials of all sessions, (n_trials, n_voxels)."""
    return np.concatenate(
        [_map(tiny_bucket, layout.betas(SUBJECT, s))[mask].T for s in TINY.sessions]
    )


def _ceiling(betas: np.ndarray, groups: np.ndarray, labels: np.ndarray, wanted) -> np.ndarray:
    """The formula as it is written down, one voxel at a time."""
    z = np.full(betas.shape, np.nan)
    for group in np.unique(groups):
        rows = groups == group
        z[rows] = (betas[rows] - np.nanmean(betas[rows], axis=0)) / np.nanstd(betas[rows], axis=0)
    ceilings = np.zeros(z.shape[1])
    for v in range(z.shape[1]):
        variances, shares = [], []
        for label in wanted:
            repeats = z[labels == label, v]
            repeats = repeats[np.isfinite(repeats)]
            if len(repeats) > 1:
                variances.append(repeats.var(ddof=1))
                shares.append(1 / len(repeats))
        noise = np.mean(variances)
        ratio = max(0.0, 1 - noise) / noise
        ceilings[v] = 100 * ratio / (ratio + np.mean(shares))
    return ceilings


def test_trial_tables_number_the_volumes(tiny_bucket: Path, trials: pd.DataFrame) -> None:
    assert list(trials.columns) == ["session", "run", "beta_index", "label"]
    lengths = trials.groupby("session").size()
    assert lengths.nunique() > 1, "sessions differ in length"
    for session, rows in trials.groupby("session"):
        assert list(rows["beta_index"]) == list(range(len(rows)))
        assert rows["run"].nunique() == TINY.n_runs
        assert _map(tiny_bucket, layout.betas(SUBJECT, session)).shape[3] == len(rows)


def test_noise_ceilings_follow_from_the_written_betas(
    tiny_bucket: Path, mask: np.ndarray, betas: np.ndarray, trials: pd.DataFrame
) -> None:
    fitted = (betas[0] != 0) | np.isnan(betas[0])
    some = np.flatnonzero(fitted)[::25]
    some = np.union1d(some, np.flatnonzero(np.isnan(betas).any(axis=0)))
    labels = trials["label"].to_numpy()
    first = (trials["session"] == "ses-01").to_numpy()
    published = _map(tiny_bucket, layout.session_noise_ceiling(SUBJECT, "ses-01"))[mask]
    again = _ceiling(
        betas[first][:, some], trials["run"].to_numpy()[first], labels[first], np.unique(labels)
    )
    assert np.allclose(published[some], again, atol=0.01)
    assert (published[~fitted] == 0).all()

    counts = trials["label"].value_counts()
    for desc, wanted in (
        ("Noiseceiling4rep", counts.index[counts == 4]),
        ("Noiseceiling12rep", counts.index[counts == 12]),
        ("NoiseceilingAllrep", counts.index[counts > 1]),
    ):
        published = _map(tiny_bucket, layout.subject_noise_ceiling(SUBJECT, desc))[mask]
        again = _ceiling(betas[:, some], trials["session"].to_numpy(), labels, wanted)
        assert np.allclose(published[some], again, atol=0.01), desc
        assert published.min() >= 0
        assert published.max() <= 100


def test_z_scores_have_population_sd_and_repeats_sample_variance(
    tiny_bucket: Path, mask: np.ndarray, betas: np.ndarray, trials: pd.DataFrame
) -> None:
    first = (trials["session"] == "ses-01").to_numpy()
    runs, labels = trials["run"].to_numpy()[first], trials["label"].to_numpy()[first]
    published = _map(tiny_bucket, layout.session_noise_ceiling(SUBJECT, "ses-01"))[mask]
    table = pd.DataFrame(betas[first]).loc[:, published > 0]

    def ceiling(ddof_z: int, ddof_repeats: int) -> np.ndarray:
        by_run = table.groupby(runs)
        z = (table - by_run.transform("mean")) / by_run.transform("std", ddof=ddof_z)
        by_image = z.groupby(labels)
        shown = by_image.count()
        noise = by_image.var(ddof=ddof_repeats)[shown > 1].mean()
        ratio = (1 - noise).clip(lower=0) / noise
        return (100 * ratio / (ratio + (1 / shown)[shown > 1].mean())).to_numpy()

    expected = published[published > 0]
    assert len(expected) > 100
    assert np.allclose(ceiling(0, 1), expected, atol=0.01)
    for other in ((0, 0), (1, 0), (1, 1)):
        assert np.abs(ceiling(*other) - expected).max() > 1


def test_noise_ceilings_agree_with_the_truth(tiny_bucket: Path, mask: np.ndarray) -> None:
    truth = load_truth(tiny_bucket).subjects[SUBJECT]
    published = _map(tiny_bucket, layout.subject_noise_ceiling(SUBJECT, "NoiseceilingAllrep"))
    fitted = truth.driver >= 0
    expected = truth.noise_ceiling(12)
    assert np.corrcoef(published[mask][fitted], expected[fitted])[0, 1] > 0.6
    dark, bright = fitted & (expected < 1), fitted & (expected > 50)
    assert np.median(published[mask][dark]) < 8
    assert np.median(published[mask][bright]) > 25


@pytest.mark.parametrize("roi", ["FFA1", "PPA", "V1d"])
def test_betas_are_linear_in_the_embeddings(
    tiny_bucket: Path, betas: np.ndarray, trials: pd.DataFrame, roi: str
) -> None:
    truth = load_truth(tiny_bucket)
    with h5py.File(tiny_bucket / layout.embeddings("CLIP")) as h5:
        rows = {name.decode(): i for i, name in enumerate(h5["image_ids"][:])}
        embedding = h5["embedding"][:]
    response = truth.response(SUBJECT, roi, embedding)
    assert abs(response.mean()) < 1e-5
    assert abs(response.std() - 1) < 1e-5
    shown = response[[rows[name] for name in trials["label"]]]
    one = truth.subjects[SUBJECT]
    voxels = np.flatnonzero(truth.voxels(SUBJECT, roi))
    session = trials["session"].map({s: i for i, s in enumerate(TINY.sessions)}).to_numpy()
    scale, shift = one.session_scale[session][:, None], one.session_shift[session][:, None]
    level = (betas[:, voxels] - shift) / scale - one.baseline[voxels]
    noise = level - shown[:, None] * one.gain[voxels]
    assert np.allclose(np.nanstd(noise, axis=0), one.noise_sd[voxels], rtol=0.1)
    average = np.nanmean(level / one.noise_sd[voxels], axis=1)
    slope = np.polyfit(shown, average, 1)[0]
    assert slope == pytest.approx((one.gain[voxels] / one.noise_sd[voxels]).mean(), rel=0.35)


def test_sessions_differ_in_scale(betas: np.ndarray, trials: pd.DataFrame) -> None:
    first = (trials["session"] == "ses-01").to_numpy()
    spread = np.nanstd(betas[first], axis=0), np.nanstd(betas[~first], axis=0)
    fitted = spread[0] > 0
    ratio = np.median(spread[0][fitted] / spread[1][fitted])
    assert abs(ratio - 1) > 0.02
