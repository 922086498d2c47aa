"""Noise ceilings, worked out from betas trial by trial as the published maps are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np


def _z_scales(
    values: Callable[[int], np.ndarray], groups: np.ndarray
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Mean and 1 / sd of every voxel in every group of trials; NaN left out."""
    scales = {}
    for group in np.unique(groups):
        trials = np.flatnonzero(groups == group)
        total, square, count = np.zeros((3, len(values(int(trials[0])))))
        for t in trials:
            x = values(int(t)).astype(np.float64)
            known = np.isfinite(x)
            x = np.where(known, x, 0.0)
            total, square, count = total + x, square + x * x, count + known
        mean = total / np.maximum(count, 1)
        variance = np.maximum(square / np.maximum(count, 1) - mean**2, 0)
        sd = np.sqrt(variance)
        inverse = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 1e-8)
        scales[int(group)] = (mean.astype(np.float32), inverse.astype(np.float32))
    return scales


def noise_ceilings(
    values: Callable[[int], np.ndarray],
    z_groups: np.ndarray,
    images: np.ndarray,
    selections: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Noise ceilings (%) of every voxel for several selections of images.

    Betas are z-scored (population sd) per voxel within each of `z_groups`. The noise
    variance is the mean over images of the sample variance over an image's repeats, the
    signal variance what is left of 1, not below 0. NaN trials are left out of all of it.

    Parameters
    ----------
    values : callable
        Gives the betas of one trial, array of shape (n_voxels,).
    z_groups : array of shape (n_trials,), int
        Run of each trial (inside a session) or its session (across sessions).
    images : array of shape (n_trials,), int
        Image of each trial.
    selections : mapping of str to array of int
        The images each ceiling is worked out from; those shown once play no part.

    Returns
    -------
    dict of str to array of shape (n_voxels,), float32
    """
    scales = _z_scales(values, z_groups)
    sums: dict[str, list] = {name: [0.0, 0.0, 0.0] for name in selections}
    chosen = {name: set(np.asarray(rows).tolist()) for name, rows in selections.items()}
    for image in np.unique(images):
        wanted = [name for name in selections if int(image) in chosen[name]]
        trials = np.flatnonzero(images == image)
        if not wanted or len(trials) < 2:
            continue
        z = np.stack(
            [(values(int(t)) - scales[int(z_groups[t])][0]) * scales[int(z_groups[t])][1]
             for t in trials]
        )  # fmt: skip
        known = np.isfinite(z)
        n = known.sum(axis=0)
        z = np.where(known, z, 0)
        mean = z.sum(axis=0) / np.maximum(n, 1)
        within = (np.where(known, z - mean, 0) ** 2).sum(axis=0)
        usable = n >= 2
        variance = np.where(usable, within / np.maximum(n - 1, 1), 0)
        share = np.where(usable, 1 / np.maximum(n, 1), 0)
        for name in wanted:
            for k, term in enumerate((variance, share, usable)):
                sums[name][k] = sums[name][k] + term
    return {name: _ceiling(*terms) for name, terms in sums.items()}


def _ceiling(variance: np.ndarray, share: np.ndarray, n_images: np.ndarray) -> np.ndarray:
    count = np.maximum(n_images, 1)
    noise = variance / count
    signal = np.maximum(0, 1 - noise)
    ratio = np.divide(signal, noise, out=np.zeros_like(signal), where=noise > 1e-8)
    with np.errstate(invalid="ignore"):
        ceiling = 100 * ratio / (ratio + share / count)
    return np.where(n_images > 0, np.nan_to_num(ceiling), 0).astype(np.float32)
