"""Intervals and tests of scores over test images.

What a test image adds to a score is its influence: with ``y`` and ``p`` as z-scores over the n test
images, that on Pearson's r is ``yp - r (y² + p²) / 2``, as if the image had no part in r itself
divided by ``1 - (1 + y² + p²) / n``, which is near to what leaving it out changes. The standard
error of a score is the standard deviation of influences over √n. So differences of two models on
the same images, and means over voxels, follow from influences, whatever the distribution of
responses, as long as images are independent of each other. The fitted models are held fixed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from laion_fmri.ridge import CentredResponses, Scored, centred, sum_of_products

CONFIDENCE = 95.0
"""Of intervals, in percent."""

_LEAST = 0.25  # of the share that an image has no part in


class Influence(NamedTuple):
    """Influence of each test image on scores, float32 of shape (n_images, n_voxels)."""

    correlation: NDArray[np.float32]
    r2: NDArray[np.float32]


def power(measured: CentredResponses) -> NDArray[np.floating]:
    """Squared z-scores of measured responses over test images; NaN for a constant voxel."""
    return measured.values**2 / _per_image(measured.squares, measured.values)


def influence(measured: CentredResponses, squares: NDArray, predicted: Scored) -> Influence:
    """Influence of each test image on r and R² of each voxel; NaN where a score has no value.

    Parameters
    ----------
    measured : CentredResponses
    squares : ndarray, shape (n_images, n_voxels)
        `power` of the measured responses, which models share.
    predicted : Scored
        The arrays in it are used up.
    """
    y, p, rest = measured.values, predicted.centred, predicted.rest
    n, variance = len(y), _per_image(measured.squares, y)
    variance_p = _per_image(predicted.squares, p)
    of_r = y * p
    of_r /= np.sqrt(variance * variance_p)
    np.square(p, out=p)
    p /= variance_p
    p += squares
    of_r -= p * (predicted.correlation / 2)
    # Leaving out changes more than a small step does; few images would give errors too small.
    p += 1
    p /= -n
    p += 1
    of_r /= np.maximum(p, _LEAST, out=p)
    np.square(rest, out=rest)
    rest /= variance
    of_r2 = squares * (1 - predicted.r2)
    of_r2 -= rest
    return Influence(of_r, of_r2)


def _per_image(squares: NDArray[np.float64], values: NDArray) -> NDArray[np.floating]:
    """Variance of each column in the type of its values; NaN where it is 0."""
    return np.where(squares > 0, squares / len(values), np.nan).astype(values.dtype)


def _z_scored(values: NDArray) -> tuple[NDArray, NDArray]:
    z = centred(values)
    size = np.sqrt(sum_of_products(z, z) / len(z))
    size[size == 0] = np.nan
    size = size.astype(z.dtype)
    z /= size
    return z, size


def standard_error(influences: NDArray) -> NDArray[np.float64]:
    """Standard error of the scores that these are the influences on, by column."""
    n = len(influences)
    squares = sum_of_products(influences, influences)
    return np.sqrt(squares / (n * max(n - 1, 1)))


# --- bootstrap ------------------------------------------------------------------------------


def resampled_weights(n_images: int, n_draws: int, seed: int) -> NDArray[np.float32]:
    """Weights of the images in bootstrap samples: shape (n_draws, n_images); rows sum to 1."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n_images, np.full(n_images, 1 / n_images), n_draws)
    return (counts / n_images).astype(np.float32)


def resampled_scores(
    measured: NDArray, predicted: NDArray, weights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """r and R² of each bootstrap sample and voxel, each of shape (n_draws, n_voxels).

    NaN where all images of a sample have the same value.
    """
    a, size_a = _z_scored(measured)
    c, size_c = _z_scored(predicted)
    shift = ((predicted.mean(axis=0) - measured.mean(axis=0)) / size_a).astype(np.float32)
    scale = (size_c / size_a).astype(np.float32)
    mean_a, mean_c = weights @ a, weights @ c
    square_a, square_c, product = weights @ (a * a), weights @ (c * c), weights @ (a * c)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance_a = np.maximum(square_a - mean_a**2, 0)
        variance_c = np.maximum(square_c - mean_c**2, 0)
        r = (product - mean_a * mean_c) / np.sqrt(variance_a * variance_c)
        error = square_a - 2 * (shift * mean_a + scale * product)
        error += shift**2 + 2 * shift * scale * mean_c + scale**2 * square_c
        return np.clip(r, -1, 1), 1 - error / variance_a


def interval(draws: NDArray) -> NDArray[np.float64]:
    """Ends of the central interval of draws, along the first axis; shape (2, ...)."""
    tail = (100 - CONFIDENCE) / 2
    return np.nanpercentile(draws, [tail, 100 - tail], axis=0)


# --- tests ----------------------------------------------------------------------------------


def two_sided_p(t: NDArray, freedom: int) -> NDArray[np.float64]:
    """Two-sided p-value of Student's t, by Wallace's approximation (1959); NaN stays NaN.

    It turns t into a normal deviate. From 10 degrees of freedom on it is within 2 % of the exact
    p-value down to 0.001.
    """
    t = np.asarray(t, dtype=np.float64)
    scale = (8 * freedom + 1) / (8 * freedom + 3)
    z = scale * np.sqrt(freedom * np.log1p(t**2 / freedom))
    return np.vectorize(math.erfc, otypes=[np.float64])(z / math.sqrt(2))


def false_discovery_rate(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values corrected by Benjamini and Hochberg (1995); NaN is not a test, and stays NaN."""
    out = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    n = len(order)
    ranked = p[order] * n / np.arange(1, n + 1)
    out[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1)
    return out


def random_signs(n_images: int, n_flips: int, seed: int) -> NDArray[np.float32]:
    """Signs for a sign-flip test, shape (n_flips, n_images)."""
    rng = np.random.default_rng(seed)
    return (2 * rng.integers(0, 2, (n_flips, n_images)) - 1).astype(np.float32)


def flipped_statistics(
    differences: NDArray[np.float32], signs: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Largest statistic of a sign-flip test over voxels for each set of signs, shape (n_flips,).

    Parameters
    ----------
    differences : ndarray of float32, shape (n_images, n_voxels)
        What each image adds to the difference of two scores: the difference of its influences,
        plus that of the scores. Voxels in which all are 0 are left out.
    signs : ndarray of float32, shape (n_flips, n_images)
    """
    size = np.sqrt(sum_of_products(differences, differences))
    tested = size > 0
    if not tested.any():
        return np.zeros(len(signs), dtype=np.float32)
    return np.abs(signs @ (differences[:, tested] / size[tested].astype(np.float32))).max(axis=1)


def family_wise_p(t: NDArray, largest: NDArray, n_images: int) -> NDArray[np.float64]:
    """p-values corrected for all voxels by the distribution of the largest statistic.

    Parameters
    ----------
    t : ndarray, shape (n_voxels,)
        Student's t of the differences.
    largest : ndarray, shape (n_flips,)
        Of `flipped_statistics`, whose statistic is larger the larger t is: it divides by the root
        of the mean square instead of the standard deviation.
    """
    statistic = np.abs(t) * np.sqrt(n_images) / np.sqrt(n_images - 1 + np.square(t))
    ranked = np.sort(largest)
    n_larger = len(ranked) - np.searchsorted(ranked, statistic, side="left")
    return np.where(np.isnan(t), np.nan, (1 + n_larger) / (1 + len(ranked)))
