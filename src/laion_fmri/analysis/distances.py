"""Distances between patterns: every pair of rows of an array, as numpy computes them in blocks.

They follow the conventions of rsatoolbox [1]_, so that both give the same numbers: the Euclidean
distance is squared, and it and the cross-validated one are divided by the number of channels
(voxels or features).

.. [1] H. H. Schütt, A. D. Kipnis, J. Diedrichsen, N. Kriegeskorte (2023). Statistical inference on
   representational geometries. eLife 12:e82566.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from laion_fmri import memory
from laion_fmri._errors import (
    InvalidArgumentError,
    MissingDependencyError,
    NotEnoughMemoryError,
)
from laion_fmri.arguments import one_of
from laion_fmri.transfer.plan import format_bytes

Metric = Literal["correlation", "cosine", "euclidean", "crossnobis"]
METRICS: tuple[Metric, ...] = get_args(Metric)
Noise = Literal["none", "diagonal", "shrinkage"]
NOISES: tuple[Noise, ...] = get_args(Noise)

_BLOCK_BYTES = 32 << 20  # of rows as float64
_SQUARES_AT_ONCE = 4  # n × n arrays while distances are computed


def condensed(square: NDArray) -> NDArray:
    """Return the pairs above the diagonal of a square matrix, row by row, shape (n_pairs,)."""
    return square[~np.tri(len(square), dtype=bool)]


def squared(pairs: NDArray, n: int) -> NDArray:
    """Return the square, symmetric matrix of condensed pairs; its diagonal is 0."""
    square = np.zeros((n, n), dtype=pairs.dtype)
    square[~np.tri(n, dtype=bool)] = pairs
    square += square.T
    return square


def require_room(n_rows: int) -> None:
    """Check that distances between so many rows fit into the free memory.

    Raises
    ------
    NotEnoughMemoryError
    """
    if not memory.has_room(n_bytes := _SQUARES_AT_ONCE * 8 * n_rows**2):
        raise NotEnoughMemoryError(
            f"Distances between {n_rows:,} images take {format_bytes(n_bytes)}, and "
            f"{format_bytes(memory.available())} of memory are free. Choose fewer images."
        )


def pattern_distances(values: NDArray, metric: Metric) -> NDArray[np.float64]:
    """Compute the distance of each pair of rows.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_channels)
        Finite numbers.
    metric : {"correlation", "cosine", "euclidean"}
        1 - Pearson's r, 1 - cosine, or the squared Euclidean distance divided by `n_channels`.

    Returns
    -------
    ndarray of float64, shape (n_pairs,)
        NaN for the pairs of a constant row (correlation) or a row of zeros (cosine).
    """
    require_room(len(values))
    n_channels = values.shape[1]
    # Subtracting what all rows share changes no Euclidean distance and saves it from rounding.
    axis = {"correlation": 1, "euclidean": 0}.get(metric)
    centre = None if axis is None else values.mean(axis=axis, dtype=np.float64, keepdims=True)
    products = np.zeros((len(values), len(values)))
    for some in _blocks(*values.shape):
        block = values[:, some].astype(np.float64)
        if centre is not None:
            block -= centre if axis == 1 else centre[:, some]
        products += block @ block.T
    sizes = np.diag(products).copy()
    if metric == "euclidean":
        products *= -2
        products += sizes
        products += sizes[:, None]
        return condensed(np.maximum(products, 0, out=products)) / n_channels
    # A constant row is not 0 after its mean is subtracted: rounding leaves a little.
    smallest = 1e-24 * np.einsum("ij,ij->i", values, values, dtype=np.float64)
    norms = np.sqrt(np.where(sizes > smallest, sizes, np.nan))
    products /= norms
    products /= norms[:, None]
    return condensed(np.clip(1 - products, 0, 2))


def crossvalidated_distances(
    values: NDArray, rows_of: NDArray[np.intp], folds: NDArray[np.intp], n_images: int
) -> NDArray[np.float64]:
    """Compute unbiased squared Euclidean distances from repeats in several folds.

    Parameters
    ----------
    values : ndarray, shape (n_trials, n_channels)
    rows_of : ndarray of int, shape (n_trials,)
        The image of each trial, 0 to ``n_images - 1``.
    folds : ndarray of int, shape (n_trials,)
        The noise of trials in different folds is independent.
    n_images : int

    Returns
    -------
    ndarray of float64, shape (n_pairs,)
        Divided by `n_channels`. The expectation is 0, and values are about as often negative as
        positive, where two images evoke the same pattern. NaN for an image of one fold only.

    Notes
    -----
    With `x` the mean of an image in a fold, the estimate is the mean of ``x·x'`` of either image
    over all pairs of different folds, minus twice that of ``x·y'`` of the two images. Where every
    image is in every fold, it is the leave-one-fold-out "crossnobis" of rsatoolbox, up to rounding.
    """
    require_room(n_images)
    n_channels = values.shape[1]
    names, fold_of = np.unique(folds, return_inverse=True)
    counts = np.zeros((len(names), n_images), dtype=np.intp)
    np.add.at(counts, (fold_of, rows_of), 1)
    is_there = (counts > 0).astype(np.float64)
    # Products of all folds, minus those of a fold with itself, are those of different folds.
    n_products = np.outer(is_there.sum(axis=0), is_there.sum(axis=0)) - is_there.T @ is_there
    products = np.zeros((n_images, n_images))
    order = np.lexsort([rows_of, fold_of])
    images_of_folds = [np.flatnonzero(count) for count in counts]
    sizes = [count[images] for count, images in zip(counts, images_of_folds, strict=True)]
    starts = np.cumsum(np.concatenate([[0], *sizes]))[:-1]
    for some in _blocks(2 * len(values), n_channels):
        block = values[order, some].astype(np.float64)
        means = np.add.reduceat(block, starts, axis=0) / np.concatenate(sizes)[:, None]
        total = np.zeros((n_images, block.shape[1]))
        first = 0
        for images in images_of_folds:
            mean = means[first : first + len(images)]
            first += len(images)
            products[np.ix_(images, images)] -= mean @ mean.T
            total[images] += mean
        products += total @ total.T
    with np.errstate(invalid="ignore", divide="ignore"):
        products /= np.where(n_products > 0, n_products, np.nan)
    own = np.diag(products).copy()
    return condensed(own + own[:, None] - 2 * products) / n_channels


def whitened(
    values: NDArray, rows_of: NDArray[np.intp], noise: Noise | NDArray = "none"
) -> NDArray:
    """Scale trials so that the noise of the channels has unit variance.

    Parameters
    ----------
    values : ndarray, shape (n_trials, n_channels)
    rows_of : ndarray of int, shape (n_trials,)
        The image of each trial: noise is what differs between its repeats.
    noise : {"none", "diagonal", "shrinkage"} or ndarray, shape (n_channels, n_channels)
        ``"diagonal"`` divides each channel by the standard deviation of its noise. ``"shrinkage"``
        takes the correlations of the noise into account, with the shrunk covariance of rsatoolbox
        (its method ``"shrinkage_eye"``). An array is the precision matrix of the noise.

    Returns
    -------
    ndarray, shape (n_trials, n_channels)

    Raises
    ------
    InvalidArgumentError
        When a channel has no noise, or the precision has another shape or is not symmetric and
        positive definite.
    MissingDependencyError
        When rsatoolbox is needed and not installed.
    """
    if not isinstance(noise, str):
        return values @ _root(np.asarray(noise, dtype=np.float64), values.shape[1])
    noise = one_of("kind of noise", noise, NOISES)
    if noise == "none":
        return values
    counts = np.bincount(rows_of)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, rows_of, values)
    residuals = values - (sums / np.maximum(counts, 1)[:, None])[rows_of]
    dof = len(values) - int((counts > 0).sum())
    if noise == "diagonal":
        deviation = np.sqrt((residuals**2).sum(axis=0) / dof)
        if not (deviation > 0).all():
            raise InvalidArgumentError(
                f"{int((deviation == 0).sum())} of {len(deviation)} voxels do not vary over the "
                "repeats of any image, so that their noise is unknown. Leave them out, or choose "
                'noise="none".'
            )
        return values / deviation
    prec_from_residuals = _rsatoolbox_precision()
    return values @ _root(
        prec_from_residuals(residuals, dof=dof, method="shrinkage_eye"), values.shape[1]
    )


def _rsatoolbox_precision() -> Callable[..., NDArray]:
    try:
        from rsatoolbox.data.noise import prec_from_residuals
    except ImportError as error:
        raise MissingDependencyError(
            'noise="shrinkage" needs rsatoolbox. Install the extra: '
            'pip install "laion-fmri-explorer[rsa]".'
        ) from error
    return prec_from_residuals


def _root(precision: NDArray, n_channels: int) -> NDArray[np.floating]:
    """Return the matrix that makes plain products of what the precision makes weighted ones."""
    if precision.shape != (n_channels, n_channels):
        raise InvalidArgumentError(
            f"The precision of the noise of {n_channels} voxels has the shape "
            f"({n_channels}, {n_channels}); this one has {precision.shape}."
        )
    if not np.allclose(precision, precision.T):  # nor if there is NaN
        raise InvalidArgumentError(
            "The precision of the noise is not symmetric, or holds NaN. It is the inverse of the "
            'covariance of the noise; noise="shrinkage" estimates it.'
        )
    try:
        return np.linalg.cholesky(precision)
    except np.linalg.LinAlgError as error:
        raise InvalidArgumentError(
            "The precision of the noise is not positive definite. Regularise its covariance "
            'before it is inverted, or choose noise="shrinkage".'
        ) from error


def _blocks(n_rows: int, n_channels: int) -> Iterator[slice]:
    width = max(1, _BLOCK_BYTES // (8 * max(n_rows, 1)))
    for start in range(0, math.ceil(n_channels / width) * width, width):
        yield slice(start, start + width)
