"""Reliability of voxels: signal-to-noise ratios, noise ceilings and split halves.

The definitions are those of the published maps. Responses are z-scored with the population standard
deviation (``ddof=0``), so that the variance of a voxel over trials is 1. The noise variance is the
mean, over images, of the variance over repeats of an image (``ddof=1``), and the signal variance is
what is left of 1. Both are explained in the documentation under "Noise ceilings".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.arguments import (
    as_items,
    checked_seed,
    fraction,
    number_of_samples,
    whole_number,
)
from laion_fmri.responses import require_responses
from laion_fmri.responses.choices import chosen_columns
from laion_fmri.zscore import nan_mean

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.responses import Responses

_BLOCK_BYTES = 64 << 20  # of trials as float64


def ncsnr(
    responses: Responses, *, ddof: int = 1, image_repeats: int | None = None
) -> NDArray[np.float32]:
    """Compute the ratio of signal to noise of each voxel in single trials.

    Parameters
    ----------
    responses : Responses
        Of single trials, ``get_responses(average=False)``, z-scored. Of averages, the published
        ratio is returned.
    ddof : int
        The variance over the n repeats of an image divides by ``n - ddof``. Published maps use 1.
    image_repeats : int, optional
        Use images with exactly this many trials, as the published maps of 4 and 12 repeats do; by
        default all that are repeated.

    Returns
    -------
    ndarray of float32, shape (n_voxels,)
        Signal standard deviation divided by that of the noise of a single trial. 0 where nothing
        but noise is found; NaN where there are no repeats, or no published map.

    Raises
    ------
    InvalidArgumentError
        When no image is repeated, or responses are not z-scored.
    """
    return np.sqrt(_signal_to_noise(responses, ddof, image_repeats)[0]).astype(np.float32)


def noise_ceiling(
    responses: Responses,
    n_repeats: ArrayLike | None = None,
    *,
    ddof: int = 1,
    image_repeats: int | None = None,
) -> NDArray[np.float32]:
    """Compute the share of each voxel's variance that a perfect model can explain.

    Parameters
    ----------
    responses : Responses
        Of single trials, ``get_responses(average=False)``, z-scored; their images with two trials
        or more are used. Of averages, the published signal-to-noise ratio is used.
    n_repeats : int, or array of int with one entry an image, optional
        How many repeats are averaged in the responses that the ceiling is for, such as
        ``responses.images["repeats"]`` of a test set. By default the numbers of trials of the
        images that the noise is estimated from, as in the published maps; of averages, the
        repeats of their images.
    ddof : int
        The variance over the n repeats of an image divides by ``n - ddof``. Published maps use 1.
    image_repeats : int, optional
        Estimate from images with exactly this many trials, as the published maps of 4 and 12
        repeats do; by default from all that are repeated.

    Returns
    -------
    ndarray of float32, shape (n_voxels,)
        In percent; NaN where there are no repeats, or no published map.

    Raises
    ------
    InvalidArgumentError
        When no image is repeated, responses are not z-scored, a number of repeats is not
        positive, or `n_repeats` is not given for the averages of a joined group.

    Notes
    -----
    ``100 · ncsnr² / (ncsnr² + mean of 1 / n_repeats)``. Published maps are 0 where this is NaN. The
    responses of a session that are z-scored by run give the published map of that session.

    Examples
    --------
    >>> trials = sub.get_responses(roi="FFA1", average=False)  # doctest: +SKIP
    >>> noise_ceiling(trials, image_repeats=12)  # doctest: +SKIP
    >>> noise_ceiling(trials, n_repeats=1)  # of single trials  # doctest: +SKIP
    """
    ratio, mean_share = _signal_to_noise(responses, ddof, image_repeats)
    if n_repeats is not None:
        mean_share = _mean_share(n_repeats)
    elif responses.is_average and "subject" in responses.voxels:
        raise InvalidArgumentError(
            "The repeats of joined responses are those of all subjects together. Give n_repeats=, "
            "or compute the ceilings of each subject."
        )
    return _ceiling(ratio, mean_share).astype(np.float32)


def split_half(
    responses: Responses,
    *,
    n_splits: int = 20,
    spearman_brown: bool = True,
    image_repeats: int | None = None,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Compute how well one half of the repeats of the images predicts the other, voxel by voxel.

    Parameters
    ----------
    responses : Responses
        Of single trials, ``get_responses(average=False)``.
    n_splits : int
        Number of random divisions into halves; their correlations are averaged.
    spearman_brown : bool
        Whether to convert the correlation r of two halves to the reliability of the mean over both,
        ``2 r / (1 + |r|)``. It estimates the share of variance that `noise_ceiling` does.
    image_repeats : int, optional
        Use images with exactly this many trials; by default all that are repeated.
    seed : int
        Of the divisions.

    Returns
    -------
    ndarray of float32, shape (n_voxels,)
        Between -1 and 1. NaN where fewer than 3 images have values in both halves, or a half is
        constant.

    Raises
    ------
    InvalidArgumentError
        When fewer than 3 images are repeated, or responses are averages.

    Notes
    -----
    Both halves of an image have the same number of trials. Of an odd number of trials, each
    division leaves one out at random.

    The formula of Spearman and Brown, ``2 r / (1 + r)``, is made for r of 0 or more: a reliability
    is a share of variance, and a negative one has no meaning [1]_. Of noise, though, r is negative
    in half of the samples. Near -1 the formula has no bound, so that one voxel of few images would
    decide the mean of an ROI; with negative r set to 0, noise would have a positive mean. Negative
    values are mirrored instead: noise keeps a mean of 0. The formula is applied to the mean r over
    divisions.

    .. [1] D. J. Krus, G. C. Helmstadter (1993). The problem of negative reliabilities. Educational
       and Psychological Measurement 53:643-650.
    """
    n_splits = number_of_samples("n_splits", n_splits, fewest=1)
    rng = np.random.default_rng(checked_seed(seed))
    if require_responses(responses).is_average:
        raise InvalidArgumentError(
            f"These responses of {responses.subject} are averages over repeats, which cannot be "
            "split. Read single trials with get_responses(average=False)."
        )
    trials = _Repeats.of(responses.images, responses.subject, image_repeats, fewest_images=3)
    halves = [trials.halves(rng) for _ in range(n_splits)]
    found = np.empty(responses.values.shape[1], dtype=np.float32)
    for some, block in trials.blocks(responses.values):
        r = np.mean(
            [_correlation(*(trials.means(block, half) for half in pair)) for pair in halves], axis=0
        )
        found[some] = 2 * r / (1 + np.abs(r)) if spearman_brown else r
    return found


def reliability_table(
    responses: Responses,
    rois: Iterable[str] | None = None,
    *,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    image_repeats: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Compute the mean noise ceiling and split-half reliability of ROIs.

    Parameters
    ----------
    responses : Responses
        Of single trials, ``get_responses(average=False)``, z-scored.
    rois : str or iterable of str, optional
        ROIs, or unions such as ``"V1"``; by default all ROIs with a voxel here.
    n_bootstrap : int
        Bootstrap samples of the images for the interval.
    confidence : float
        Of the interval.
    image_repeats, seed
        As in `split_half`.

    Returns
    -------
    DataFrame
        One row an ROI: roi, n_voxels, n_images, noise_ceiling (mean over voxels, percent), low and
        high (the interval, from the standard deviation over bootstrap samples of the images),
        split_half (mean over voxels, Spearman-Brown, percent).

    Raises
    ------
    InvalidArgumentError
        As `split_half`, or when no ROI is named.
    NoMatchingDataError
        When an ROI has no voxel here.
    UnknownNameError
        When there is no such ROI.

    Notes
    -----
    A ceiling is not below 0, so that the mean over voxels of little signal is above the truth when
    there are few images; split halves have no such bias.
    """
    import pandas as pd

    if require_responses(responses).is_average or responses.zscore == "none":
        raise InvalidArgumentError(
            f"Reliability needs z-scored single trials of {responses.subject}: "
            "get_responses(average=False)."
        )
    confidence = fraction("confidence", confidence)
    n_bootstrap = number_of_samples("n_bootstrap", n_bootstrap)
    rng = np.random.default_rng(checked_seed(seed))
    inside = _rois(responses, rois)
    trials = _Repeats.of(responses.images, responses.subject, image_repeats, fewest_images=3)
    n_images = len(trials.counts)
    drawn = rng.multinomial(n_images, np.full(n_images, 1 / n_images), n_bootstrap)
    weights = np.concatenate([np.ones((1, n_images)), drawn])  # all images, then the samples
    ceilings = np.empty((len(weights), responses.values.shape[1]), dtype=np.float32)
    for some, block in trials.blocks(responses.values):
        variance, share, is_used = _of_images(block, trials, ddof=1)
        n_used = weights @ is_used
        with np.errstate(invalid="ignore", divide="ignore"):
            noise = weights @ variance / n_used
            ceilings[:, some] = _ceiling(_ratio(noise), weights @ share / n_used)
    halves = 100 * split_half(responses, image_repeats=image_repeats, seed=seed)
    z = NormalDist().inv_cdf((1 + confidence) / 2) * np.sqrt(n_images / (n_images - 1))
    rows = []
    for name, voxels in inside.items():
        means = nan_mean(ceilings[:, voxels], axis=1)
        half = z * np.nanstd(means[1:], ddof=1) if n_bootstrap > 1 else np.nan
        rows.append(
            {
                "roi": name,
                "n_voxels": int(voxels.sum()),
                "n_images": n_images,
                "noise_ceiling": float(means[0]),
                "low": np.maximum(means[0] - half, 0),
                "high": np.minimum(means[0] + half, 100),
                "split_half": float(nan_mean(halves[voxels], axis=0)),
            }
        )
    return pd.DataFrame(rows)


def _rois(responses: Responses, rois: Iterable[str] | None) -> dict[str, NDArray[np.bool_]]:
    """Return which voxels are in each ROI.

    Raises
    ------
    UnknownNameError, NoMatchingDataError, InvalidArgumentError
    """
    every = {name: responses.voxels[name].to_numpy(dtype=bool) for name in responses.rois}
    if rois is None:
        return {name: inside for name, inside in every.items() if inside.any()}
    inside = {}
    for name in dict.fromkeys(as_items(rois)):
        inside[name] = np.zeros(len(responses.voxels), dtype=bool)
        inside[name][chosen_columns(responses.voxels, responses.subject, name, None)] = True
    if not inside:
        raise InvalidArgumentError("An empty list of ROIs selects nothing. Name at least one.")
    return inside


# --- estimates ---------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Repeats:
    """The trials of images that are repeated, image after image.

    Attributes
    ----------
    rows : ndarray of int, shape (n_trials,)
        In the responses.
    starts, counts : ndarray of int, shape (n_images,)
        Where the trials of each image are in `rows`.
    """

    rows: NDArray[np.intp]
    starts: NDArray[np.intp]
    counts: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        images: pd.DataFrame,
        subject: str,
        image_repeats: int | None,
        fewest_images: int = 1,
    ) -> _Repeats:
        _, image_of, counts = np.unique(
            images["name"].astype(str).to_numpy(), return_inverse=True, return_counts=True
        )
        if image_repeats is None:
            is_used = counts > 1
        elif (whole_number(image_repeats) or 0) < 2:
            raise InvalidArgumentError(
                f"image_repeats={image_repeats!r}: noise is estimated from 2 repeats or more."
            )
        else:
            is_used = counts == image_repeats
        if (n_images := int(is_used.sum())) < fewest_images:
            how_many = "two trials or more" if image_repeats is None else f"{image_repeats} trials"
            raise InvalidArgumentError(
                f"{n_images} of the {len(counts)} images of these responses of {subject} have "
                f"{how_many}, and at least {fewest_images} are needed: one trial says nothing "
                'about noise. Read more sessions, or repeated images (images="shared").'
            )
        order = np.argsort(image_of, kind="stable")
        counts = counts[is_used]
        return cls(order[is_used[image_of[order]]], np.cumsum(counts) - counts, counts)

    def blocks(self, values: NDArray) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield blocks of voxels, with the trials as in `rows`."""
        width = max(1, _BLOCK_BYTES // (8 * len(self.rows)))
        for start in range(0, values.shape[1], width):
            some = slice(start, start + width)
            yield some, values[self.rows, some].astype(np.float64)

    def halves(self, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the trials of two random halves, as places in `rows`: equally many an image."""
        image_of = np.repeat(np.arange(len(self.counts)), self.counts)
        shuffled = np.lexsort([rng.random(len(image_of)), image_of])
        place = np.arange(len(image_of)) - self.starts[image_of]
        size = self.counts[image_of] // 2
        return shuffled[place < size], shuffled[(place >= size) & (place < 2 * size)]

    def means(self, block: NDArray[np.float64], half: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the mean of each image over one half, ignoring NaN; shape (n_images, n_voxels)."""
        sizes = self.counts // 2
        total, n_known = _sums(block[half], np.cumsum(sizes) - sizes)
        return np.divide(total, n_known, out=np.full(total.shape, np.nan), where=n_known > 0)


def _sums(
    values: NDArray[np.float64], starts: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Add up the values from each start to the next, ignoring NaN, and count them."""
    known = ~np.isnan(values)
    total = np.add.reduceat(np.where(known, values, 0), starts, axis=0)
    return total, np.add.reduceat(known, starts, axis=0, dtype=np.intp)


def _signal_to_noise(
    responses: Responses, ddof: int, image_repeats: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | float]:
    """Return ncsnr² and the mean of 1 / repeats of the images, each by voxel."""
    if require_responses(responses).is_average:
        if image_repeats is not None:
            raise InvalidArgumentError(
                "image_repeats= needs single trials: get_responses(average=False)."
            )
        if "ncsnr" not in responses.voxels:
            raise InvalidArgumentError(
                f"No noise ceiling of {responses.subject} was downloaded when these responses were "
                f"read. download(subject={responses.subject!r}, ses='averages') fetches them; or "
                "read single trials with get_responses(average=False)."
            )
        published = responses.voxels["ncsnr"].to_numpy(dtype=np.float64)
        return published**2, _mean_share(responses.images["repeats"])
    if responses.zscore == "none":
        raise InvalidArgumentError(
            "A noise ceiling needs z-scored responses, whose variance is 1. Read them with "
            'zscore="session" or "run".'
        )
    trials = _Repeats.of(responses.images, responses.subject, image_repeats)
    noise, share = noise_variance(responses.values, trials, ddof)
    return _ratio(noise), share


def noise_variance(
    values: NDArray, trials: _Repeats, ddof: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the noise variance of each voxel, and the mean of 1 / repeats of its images."""
    if ddof not in (0, 1):
        raise InvalidArgumentError(f"ddof={ddof!r} is neither 0 nor 1.")
    noise, mean_share = np.empty((2, values.shape[1]))
    for some, block in trials.blocks(values):
        variance, share, is_used = _of_images(block, trials, ddof)
        n_used = is_used.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            noise[some] = variance.sum(axis=0) / n_used
            mean_share[some] = share.sum(axis=0) / n_used
    return noise, mean_share


def _of_images(
    block: NDArray[np.float64], trials: _Repeats, ddof: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return variance over repeats, 1 / repeats, and whether there are two, by image and voxel."""
    total, n_known = _sums(block, trials.starts)
    mean = total / np.maximum(n_known, 1)
    squares, _ = _sums((block - np.repeat(mean, trials.counts, axis=0)) ** 2, trials.starts)
    is_used = n_known > 1
    variance = np.where(is_used, squares / np.maximum(n_known - ddof, 1), 0)
    return variance, np.where(is_used, 1 / np.maximum(n_known, 1), 0), is_used


def _ratio(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ncsnr² of voxels with a total variance of 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum(1 - noise, 0) / noise


def _ceiling(ratio: NDArray[np.float64], share: NDArray[np.float64] | float) -> NDArray:
    """Return the explainable variance, in percent."""
    with np.errstate(invalid="ignore"):
        return 100 * np.where(np.isinf(ratio), 1.0, ratio / (ratio + share))


def _mean_share(n_repeats: ArrayLike) -> float:
    try:
        counts = np.asarray(n_repeats, dtype=np.float64).ravel()
    except (TypeError, ValueError):  # text, or rows of several lengths
        counts = np.zeros(0)
    if not len(counts) or not (counts > 0).all():
        raise InvalidArgumentError(
            "n_repeats is how many trials are averaged: a positive number, or one an image."
        )
    return float((1 / counts).mean())


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute Pearson's r of each column over the rows with both values."""
    known = ~(np.isnan(a) | np.isnan(b))
    n_known = np.maximum(known.sum(axis=0), 1)
    a, b = (np.where(known, x, 0) for x in (a, b))
    a, b = (np.where(known, x - x.sum(axis=0) / n_known, 0) for x in (a, b))
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    usable = (size > 0) & (n_known >= 3)
    return np.divide((a * b).sum(axis=0), size, out=np.full(a.shape[1], np.nan), where=usable)
