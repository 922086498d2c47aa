"""Single-trial betas with a known truth, and the maps that go with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from laion_fmri.demo.names import ImageRecord
from laion_fmri.demo.profiles import Profile, rng_for
from laion_fmri.demo.rois import SEEDS, Regions, expected_ceiling
from laion_fmri.demo.sessions import Trials
from laion_fmri.demo.tuning import GENERAL

STEP = 512
"""Betas are multiples of 1 / 512, which compresses to half."""

# Where ROIs of different categories overlap, the later category drives the voxel.
_DRIVING_ORDER = ("object", "retinotopy", "motion", "body", "place", "face", "character")
_CHUNK = 1024
_ROUNDS, _OVERSHOOT = 8, 1.5


@dataclass(frozen=True)
class Truth:
    """The signals simulated in the betas of one subject. Voxels of the brain mask, C order.

    Attributes
    ----------
    drivers : tuple of str
        Published labels of the tunings; the last is ``"general"``.
    weights : array of shape (n_drivers, 1024), float32
        From standardised CLIP embeddings to responses.
    driver : array of shape (n_voxels,), int16
        Which tuning drives a voxel; -1 where there is no fit, so no betas.
    gain : array of shape (n_voxels,), float32
        Beta for one sd of the tuning's response.
    noise_sd : array of shape (n_voxels,), float32
        Standard deviation of the noise of a single trial.
    baseline : array of shape (n_voxels,), float32
        Mean beta.
    session_scale, session_shift : array of shape (n_sessions,), float32
        Each session's betas are ``scale · (baseline + gain · response + noise) + shift``.
    """

    drivers: tuple[str, ...]
    weights: np.ndarray
    driver: np.ndarray
    gain: np.ndarray
    noise_sd: np.ndarray
    baseline: np.ndarray
    session_scale: np.ndarray
    session_shift: np.ndarray

    def noise_ceiling(self, n_repeats: float) -> np.ndarray:
        """The true noise ceiling (%) of the mean over `n_repeats`, shape (n_voxels,)."""
        ratio = np.divide(
            self.gain**2, self.noise_sd**2, out=np.zeros_like(self.gain), where=self.noise_sd > 0
        )
        return 100 * ratio / (ratio + 1 / n_repeats)


def driving_labels() -> tuple[str, ...]:
    """Every tuning, weakest claim first, ``"general"`` last."""
    return (*(label for category in _DRIVING_ORDER for label in SEEDS[category]), GENERAL)


def make_truth(profile: Profile, regions: Regions, weights: np.ndarray, seed: int) -> Truth:
    """Decide what every voxel of a subject responds to, and how well."""
    brain = regions.brain
    rng = rng_for(seed, "truth", brain.subject)
    labels = driving_labels()
    fitted = brain.fitted
    driver = np.full(len(fitted), len(labels) - 1, dtype=np.int16)
    for i, label in enumerate(labels):
        if label in regions.vertices:
            driver[regions.voxels(label)] = i
    grey = np.exp(-((np.maximum(regions.distance - max(1.8, profile.voxel_mm / 2), 0) / 3) ** 2))
    ceiling = expected_ceiling(brain.to_template(brain.voxel_centres)) * (0.1 + 0.9 * grey)
    ceiling = np.where(driver < len(labels) - 1, np.maximum(ceiling, 30), ceiling)
    ceiling = np.clip(ceiling * rng.uniform(0.9, 1.05), 0, 80) / 100
    noise_sd = rng.uniform(0.8, 1.3, len(fitted))
    gain = np.sqrt(ceiling / (1 - ceiling) / 12) * noise_sd
    n = profile.n_sessions
    return Truth(
        drivers=labels,
        weights=weights,
        driver=np.where(fitted, driver, -1).astype(np.int16),
        gain=np.where(fitted, gain, 0).astype(np.float32),
        noise_sd=np.where(fitted, noise_sd, 0).astype(np.float32),
        baseline=np.where(fitted, 0.2 + 2.0 * gain, 0).astype(np.float32),
        session_scale=rng.uniform(0.8, 1.25, n).astype(np.float32),
        session_shift=rng.normal(0, 0.25, n).astype(np.float32),
    )


def balance_noise(noise: np.ndarray, trials: Trials, sets: Sequence[np.ndarray]) -> None:
    """Scale noise, in place, until its sample variances are its nominal one.

    Without this, the few trials of a small dataset would give voxels without any signal a
    noise ceiling of tens of percent by chance. With it, maps look as those of a large
    dataset do: dark where there is nothing.

    Parameters
    ----------
    noise : array of shape (n_trials, n_voxels), float32
    trials : Trials
    sets : sequence of arrays of int
        Sets of trials (one session's, or of images of one number of repeats) in which the
        variance over repeats of an image is to be 1.
    """
    runs = np.unique(np.stack([trials.session, trials.run]), axis=1).T
    in_runs = [np.flatnonzero((trials.session == s) & (trials.run == r)) for s, r in runs]
    repeats = [_repeats(trials.image, rows) for rows in sets]
    for _ in range(_ROUNDS):
        for blocks_of in repeats:
            within = np.zeros(noise.shape[1], dtype=np.float32)
            blocks = []
            for rows in blocks_of:
                apart = noise[rows]
                mean = apart.mean(axis=1, keepdims=True)
                apart -= mean
                within += np.einsum("irv,irv->v", apart, apart) / np.float32(rows.shape[1] - 1)
                blocks.append((rows, mean, apart))
            n_images = sum(len(rows) for rows in blocks_of)
            # More than a whole step: each correction undoes a part of the others.
            scale = (within / np.float32(n_images)) ** np.float32(-_OVERSHOOT / 2) if blocks else 1
            for rows, mean, apart in blocks:
                apart *= scale
                apart += mean
                noise[rows] = apart
        for rows in in_runs:
            block = noise[rows]
            block -= block.mean(axis=0)
            noise[rows] = block / block.std(axis=0)


def _repeats(images: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Trials among `rows` whose image recurs there: for each number of repeats, an array
    of shape (n_images, n_repeats).
    """
    rows = rows[np.argsort(images[rows], kind="stable")]
    _, starts, count = np.unique(images[rows], return_index=True, return_counts=True)
    return [rows[starts[count == n][:, None] + np.arange(n)] for n in np.unique(count) if n > 1]


@dataclass(frozen=True)
class Betas:
    """The betas of one subject, given out trial by trial.

    Attributes
    ----------
    truth : Truth
    values : callable
        Betas of one trial over the voxels of the brain mask, float32; 0 where there is no
        fit, NaN where there is no estimate.
    """

    truth: Truth
    values: Callable[[int], np.ndarray]


def _missing(trials: Trials, truth: Truth, rng: np.random.Generator) -> dict[int, list[int]]:
    """A few voxels that have no estimate on some trials: ``{trial: voxels}``."""
    fitted = np.flatnonzero(truth.driver >= 0)
    missing: dict[int, list[int]] = {}
    for voxel in rng.choice(fitted, 6, replace=False):
        for trial in rng.choice(len(trials), 5, replace=False):
            missing.setdefault(int(trial), []).append(int(voxel))
    return missing


def make_betas(
    profile: Profile,
    subject: str,
    truth: Truth,
    trials: Trials,
    responses: np.ndarray,
    records: Sequence[ImageRecord],
    seed: int,
) -> Betas:
    """Betas of all trials of one subject.

    Parameters
    ----------
    responses : array of shape (n_images, n_drivers), float32
        Response of each tuning to each image.
    """
    fitted = truth.driver >= 0
    driver, gain = truth.driver[fitted], truth.gain[fitted]
    baseline, sd = truth.baseline[fitted], truth.noise_sd[fitted]
    missing = _missing(trials, truth, rng_for(seed, "missing", subject))

    def finish(trial: int, noise: np.ndarray) -> np.ndarray:
        session = trials.session[trial]
        signal = responses[trials.image[trial]][driver] * gain
        beta = truth.session_scale[session] * (baseline + signal + sd * noise)
        beta = np.rint((beta + truth.session_shift[session]) * STEP) / STEP
        values = np.zeros(len(fitted), dtype=np.float32)
        # A beta of exactly 0 would read as "no fit".
        values[fitted] = np.where(beta == 0, 1 / STEP, beta)
        values[missing.get(trial, [])] = np.nan
        return values

    if not profile.balanced_noise:

        def independent(trial: int) -> np.ndarray:
            rng = rng_for(seed, "noise", subject, trial)
            return finish(trial, rng.standard_normal(len(driver), dtype=np.float32))

        return Betas(truth, independent)

    repeats = np.array([record.n_reps for record in records])[trials.image]
    sets = [trials.of_session(k) for k in range(profile.n_sessions)]
    sets += [np.flatnonzero(repeats == n) for n in (4, 12)]
    noise = np.empty((len(trials), len(driver)), dtype=np.float32)
    for start in range(0, len(driver), _CHUNK):
        rng = rng_for(seed, "noise", subject, start)
        block = rng.standard_normal(
            (len(trials), len(driver[start : start + _CHUNK])), dtype=np.float32
        )
        balance_noise(block, trials, sets)
        noise[:, start : start + _CHUNK] = block
    all_values = np.stack([finish(t, noise[t]) for t in range(len(trials))])
    return Betas(truth, all_values.__getitem__)
