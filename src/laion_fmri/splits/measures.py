"""Distance and distribution shift between the two sides of a split.

All functions take unit vectors and compute similarities in blocks, so that the similarities of
25,052 images are never in memory at once. Distances are ``1 - cosine`` or Euclidean between unit
vectors (``sqrt(2 - 2 cosine)``), which order images in the same way.

The difference between the sides is the squared maximum mean discrepancy [1]_ with the
Gaussian kernel ``exp(-d² / (2 h²))`` on unit vectors. The bandwidth ``h`` is the median
distance between images of the pool, so that all splits of a pool share one kernel. Two
estimates of it are given:

- biased (equation 5), ``mean K(train, train) + mean K(test, test) - 2 mean K(train, test)``:
  never negative. For sides drawn from one distribution it is above 0, and larger for smaller
  sides, so values of splits of different sizes must not be compared.
- unbiased (equation 3), without the kernel of an image with itself: 0 on average for sides
  drawn from one distribution, at any size.

Distances to the nearest training image also depend on the sizes: they decrease with the number
of training images. A split is therefore compared with random splits of the *same images* into
sides of the *same sizes*, a permutation test: `random_sides`. The ratio of the biased estimate to
its mean over all such splits, which has a closed form, is 1 on average for a random split.

.. [1] A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf, A. Smola (2012). A kernel two-sample
   test. Journal of Machine Learning Research 13, 723-773.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InconsistentDataError, InvalidArgumentError, UnknownNameError

Metric = Literal["cosine", "euclidean"]
METRICS: tuple[Metric, ...] = ("cosine", "euclidean")

_BLOCK_BYTES = 64 * 2**20  # similarities in memory
_MEDIAN_OF = 2048  # images used for the bandwidth
_SAME = 0.01  # smaller distances between float16 embeddings are rounding errors
_ROUNDING = 1e-5  # relative; differences by the order of summation are smaller
_MOST_NEIGHBOURS = 32  # kept per image; if all are on its own side, the nearest is computed
_DRAWS_KEPT = 200  # draws with stored distances: 1 MB for a subject's pool
_ROWS_SORTED = 256  # rows sorted at once, which bounds the memory of the int64 indices


@dataclass(frozen=True, eq=False)
class Comparison:
    """The two sides of a split on one embedding.

    Attributes
    ----------
    nearest : ndarray of float32, shape (n_test,)
        Cosine similarity of every test image to its nearest training image.
    nearest_index : ndarray of int, shape (n_test,)
        Index of that training image.
    mmd2 : float
        Squared maximum mean discrepancy between the sides, biased estimate.
    mmd2_unbiased : float
        Unbiased estimate; NaN if a side has one image.
    mmd2_ratio : float
        `mmd2` over its mean over random splits of the same images and sizes; NaN if all images are
        identical.
    """

    nearest: NDArray[np.float32]
    nearest_index: NDArray[np.intp]
    mmd2: float
    mmd2_unbiased: float
    mmd2_ratio: float

    def distances(self, metric: Metric = "cosine") -> NDArray[np.float32]:
        """Return the distance of every test image to its nearest training image."""
        return as_distance(self.nearest, metric)

    def twins(self, threshold: float) -> NDArray[np.intp]:
        """Return test images with a training image of at least this cosine, most similar first."""
        order = np.argsort(-self.nearest, kind="stable")
        return order[: int((self.nearest >= threshold).sum())]


@dataclass(frozen=True, eq=False)
class AgainstRandom:
    """One measure of a split, compared with random splits of the same images and sizes.

    Attributes
    ----------
    value : float
        Of the split.
    random : ndarray of float64, shape (n_draws,)
        Of the random splits.
    mean : float
        Of the random splits.
    """

    value: float
    random: NDArray[np.float64]
    mean: float

    @property
    def ratio(self) -> float:
        """Value of the split divided by the mean of random splits; NaN if that mean is 0."""
        return self.value / self.mean if self.mean > 0 else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Central 95 % of the random splits, in units of `ratio`."""
        if not self.mean > 0:
            return float("nan"), float("nan")
        low, high = np.percentile(self.random, [2.5, 97.5]) / self.mean
        return float(low), float(high)

    @property
    def p_value(self) -> float:
        """Fraction of random splits with at least this value, counting the split itself."""
        rounding = _ROUNDING * abs(self.mean)
        n_above = int((self.random >= self.value - rounding).sum())
        return (1 + n_above) / (1 + len(self.random))


@dataclass(frozen=True, eq=False)
class RandomSides:
    """Measures of random splits of images into sides of given sizes.

    Attributes
    ----------
    mmd2 : ndarray of float64, shape (n_draws,)
        Biased estimates.
    mean_mmd2 : float
        Mean over all possible draws, in closed form.
    median_distance : ndarray of float64, shape (n_draws,)
        Median cosine distance of the test images to their nearest training image.
    nearest : ndarray of float32, shape (n_kept, n_test)
        Cosine similarity of every test image to its nearest training image, for the first draws, at
        most 200.
    """

    mmd2: NDArray[np.float64]
    mean_mmd2: float
    median_distance: NDArray[np.float64]
    nearest: NDArray[np.float32]

    def test_mmd2(self, found: Comparison) -> AgainstRandom:
        """Compare the MMD² of a split of these images and sizes."""
        return AgainstRandom(found.mmd2, self.mmd2, self.mean_mmd2)

    def test_distance(self, found: Comparison) -> AgainstRandom:
        """Compare the median cosine distance to the nearest training image."""
        value = float(np.median(found.distances()))
        return AgainstRandom(value, self.median_distance, float(self.median_distance.mean()))

    def test_twins(self, found: Comparison, threshold: float) -> AgainstRandom:
        """Compare the number of test images with a training image of at least this cosine."""
        counts = (self.nearest >= threshold).sum(axis=1).astype(np.float64)
        return AgainstRandom(float(len(found.twins(threshold))), counts, float(counts.mean()))


def unit_rows(features: NDArray) -> NDArray[np.float32]:
    """Scale rows to unit length.

    Parameters
    ----------
    features : array of shape (n_images, n_features)

    Raises
    ------
    InconsistentDataError
        When a row is zero, or contains NaN or infinity.
    """
    rows = np.asarray(features, dtype=np.float32)
    if rows.ndim != 2:
        raise InvalidArgumentError(f"Embeddings are 2-D, not of shape {rows.shape}.")
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    bad = ~(np.isfinite(length[:, 0]) & (length[:, 0] > 0))
    if bad.any():
        raise InconsistentDataError(
            f"{int(bad.sum())} of {len(rows)} images have no usable embedding in this model (the "
            f"first is number {int(np.flatnonzero(bad)[0])}), so their distances are not known. "
            "Choose another model, or leave these images out."
        )
    return rows / length


def as_distance(cosine: NDArray, metric: Metric = "cosine") -> NDArray:
    """Convert cosines of unit vectors to distances.

    Raises
    ------
    UnknownNameError
        When there is no such metric.
    """
    if metric not in METRICS:
        raise UnknownNameError("metric", metric, METRICS)
    gap = np.maximum(1 - cosine, 0)  # rounding may give a cosine above 1
    return gap if metric == "cosine" else np.sqrt(2 * gap)


def nearest_cosines(
    test: NDArray[np.float32], train: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return the cosine of each test row to its nearest training row, and that row's index.

    Parameters
    ----------
    test, train : array of shape (n_test, n_features) and (n_train, n_features)
        Unit vectors.

    Raises
    ------
    InvalidArgumentError
        When there is no training row.
    """
    _require_rows(train, "training")
    nearest = np.empty(len(test), dtype=np.float32)
    which = np.empty(len(test), dtype=np.intp)
    for rows, cosines in cosine_blocks(test, train):
        which[rows] = cosines.argmax(axis=1)
        nearest[rows] = np.take_along_axis(cosines, which[rows, None], axis=1)[:, 0]
    return nearest, which


def bandwidth(features: NDArray[np.float32]) -> float:
    """Return the median distance between different images, the bandwidth of the kernel.

    For more than 2,048 images, 2,048 evenly spaced rows are used.

    Parameters
    ----------
    features : array of shape (n_images, n_features)
        Unit vectors.
    """
    step = max(1, -(-len(features) // _MEDIAN_OF))
    some = features[::step]
    if len(some) < 2:
        return 1.0
    cosines = (some @ some.T)[np.triu_indices(len(some), 1)]
    median = float(np.median(as_distance(cosines, "euclidean")))
    return median if median > _SAME else 1.0


def kernel_sum(a: NDArray[np.float32], b: NDArray[np.float32] | None = None, *, h: float) -> float:
    """Sum the kernel over all pairs of rows; of `a` with itself when `b` is omitted."""
    if b is not None:
        return sum(float(_kernel(c, h).sum(dtype=np.float64)) for _, c in cosine_blocks(a, b))
    total, n = 0.0, len(a)
    height = _block_height(n)
    for begin in range(0, n, height):  # every pair of blocks once, off-diagonal ones counted twice
        block = a[begin : begin + height]
        total += float(_kernel(block @ block.T, h).sum(dtype=np.float64))
        if begin + height < n:
            rest = _kernel(block @ a[begin + height :].T, h)
            total += 2 * float(rest.sum(dtype=np.float64))
    return total


def mmd2(train: NDArray[np.float32], test: NDArray[np.float32], *, h: float) -> float:
    """Compute the squared MMD between two sets of unit vectors, biased estimate.

    Parameters
    ----------
    train, test : array of shape (n_train, n_features) and (n_test, n_features)
    h : float
        Bandwidth of the Gaussian kernel, from `bandwidth`.
    """
    _require_rows(train, "training")
    _require_rows(test, "test")
    sums = kernel_sum(train, h=h), kernel_sum(test, h=h), kernel_sum(train, test, h=h)
    return float(_biased(*sums, len(train), len(test)))


def expected_mmd2(total: float, n: int, n_test: int) -> float:
    """Compute the mean of the biased estimate over all draws of `n_test` of `n` images.

    Parameters
    ----------
    total : float
        Sum of the kernel over all pairs of images, including each with itself.
    n, n_test : int
    """
    n_train = n - n_test
    of_two = (total - n) / (n * (n - 1))  # mean kernel of two different images
    within = sum((1 + (m - 1) * of_two) / m for m in (n_train, n_test))
    return within - 2 * of_two


def compare(
    features: NDArray[np.float32],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    *,
    h: float,
    pool_sum: float | None = None,
    pool: NDArray[np.intp] | None = None,
) -> Comparison:
    """Compute all measures of two sides in one pass over the similarities.

    Parameters
    ----------
    features : array of shape (n_images, n_features)
        Unit vectors.
    train, test : array of int
        Rows of `features`.
    h : float
        Bandwidth, from `bandwidth`.
    pool_sum : float, optional
        ``kernel_sum(features[pool], h=h)``. If the two sides make up the pool, or the training set
        is the pool, it replaces the similarities within the training set, by far the largest part.
    pool : array of int, optional
        Rows of `features` in `pool_sum`; all by default.

    Raises
    ------
    InvalidArgumentError
        When a side is empty.
    """
    _require_rows(train, "training")
    _require_rows(test, "test")
    on_train, on_test = features[train], features[test]
    nearest = np.empty(len(test), dtype=np.float32)
    which = np.empty(len(test), dtype=np.intp)
    between = 0.0
    for rows, cosines in cosine_blocks(on_test, on_train):
        which[rows] = cosines.argmax(axis=1)
        nearest[rows] = np.take_along_axis(cosines, which[rows, None], axis=1)[:, 0]
        between += float(_kernel(cosines, h).sum(dtype=np.float64))
    of_tests = kernel_sum(on_test, h=h)
    of_trains = _train_sum(features, train, test, h, pool_sum, pool, between, of_tests)
    sums, sizes = (of_trains, of_tests, between), (len(train), len(test))
    value = float(_biased(*sums, *sizes))
    expected = expected_mmd2(of_trains + of_tests + 2 * between, sum(sizes), len(test))
    ratio = value / expected if expected > _ROUNDING / min(sizes) else float("nan")
    return Comparison(nearest, which, value, _unbiased(*sums, *sizes), ratio)


def random_sides(
    features: NDArray[np.float32], n_test: int, *, h: float, n_draws: int = 999, seed: int = 0
) -> RandomSides:
    """Measure random splits of images into sides of given sizes.

    All draws share one pass over the similarities of the images, in blocks.

    Parameters
    ----------
    features : array of shape (n_images, n_features)
        Unit vectors, of all images of both sides.
    n_test : int
        Size of the test set; all other images are in the training set.
    h : float
        Bandwidth, from `bandwidth`.
    n_draws : int
    seed : int

    Raises
    ------
    InvalidArgumentError
        When a side would be empty, or `n_draws` is below 1.
    """
    n = len(features)
    if not 0 < n_test < n or n_draws < 1:
        raise InvalidArgumentError(
            f"{n_draws} draws of {n_test} test images from {n} cannot be made. Both sides need an "
            "image, and there must be a draw."
        )
    rng = np.random.default_rng(seed)
    in_test = np.zeros((n_draws, n), dtype=bool)
    for draw in in_test:
        draw[rng.permutation(n)[:n_test]] = True
    # Sum the smaller side and derive the larger one, which reduces rounding errors.
    in_smaller = in_test if 2 * n_test <= n else ~in_test
    drawn = np.ascontiguousarray(in_smaller.T, dtype=np.float32)
    n_kept = min(_MOST_NEIGHBOURS, n - 1)
    neighbours = np.empty((n, n_kept), dtype=np.intp)
    cosine = np.empty((n, n_kept), dtype=np.float32)
    row_sums, of_smaller = np.empty(n), np.zeros(n_draws)
    # Subtracting a constant, which cancels out, reduces rounding errors of the sums.
    usual = np.float32(np.exp(-0.5))
    for rows, cosines in cosine_blocks(features, features):
        kernel = _kernel(cosines, h) - usual
        row_sums[rows] = kernel.sum(axis=1, dtype=np.float64)
        of_smaller += np.einsum("ij,ij->j", kernel @ drawn, drawn[rows], dtype=np.float64)
        neighbours[rows], cosine[rows] = _nearest_others(cosines, rows.start, n_kept)
    with_all = in_smaller @ row_sums
    of_larger, between = row_sums.sum() - 2 * with_all + of_smaller, with_all - of_smaller
    n_smaller = min(n_test, n - n_test)
    mmd2s = _biased(of_larger, of_smaller, between, n - n_smaller, n_smaller)
    expected = expected_mmd2(float(row_sums.sum()) + float(usual) * n**2, n, n_test)
    kept = np.empty((min(n_draws, _DRAWS_KEPT), n_test), dtype=np.float32)
    medians = np.empty(n_draws)
    for i, draw in enumerate(in_test):
        nearest = _nearest_in_draw(features, draw, neighbours, cosine)
        medians[i] = np.median(as_distance(nearest))
        if i < len(kept):
            kept[i] = nearest
    return RandomSides(mmd2s, expected, medians, kept)


def near_duplicates(features: NDArray[np.float32], threshold: float) -> NDArray[np.intp]:
    """Group near-duplicate images.

    Images are in one group when a chain of pairs, each with a cosine of at least
    `threshold`, links them.

    Parameters
    ----------
    features : array of shape (n_images, n_features)
        Unit vectors.
    threshold : float

    Returns
    -------
    ndarray of int, shape (n_images,)
        Group of each image, numbered by the row of its first image.
    """
    group = np.arange(len(features))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    for rows, cosines in cosine_blocks(features, features):
        a, b = np.nonzero(cosines >= threshold)
        for i, j in zip((a + rows.start).tolist(), b.tolist(), strict=True):
            if i < j and (one := root(i)) != (other := root(j)):
                group[max(one, other)] = min(one, other)
    return np.array([root(i) for i in range(len(group))], dtype=np.intp)


def identical_across(train: Mapping[str, str], test: Mapping[str, str]) -> list[tuple[str, str]]:
    """Find pairs of a training and a test image with equal hashes.

    Parameters
    ----------
    train, test : mapping of str to str
        Image name to the hash of its bytes.

    Returns
    -------
    list of (str, str)
        ``(train, test)``, sorted.
    """
    by_hash: dict[str, list[str]] = {}
    for name, value in train.items():
        by_hash.setdefault(value, []).append(name)
    return sorted((other, name) for name, value in test.items() for other in by_hash.get(value, ()))


def cosine_blocks(a: NDArray, b: NDArray) -> Iterator[tuple[slice, NDArray]]:
    """Yield rows of `a` and their cosines with all rows of `b`, in blocks of 64 MB."""
    height = _block_height(len(b))
    for begin in range(0, len(a), height):
        rows = slice(begin, min(begin + height, len(a)))
        yield rows, a[rows] @ b.T


def _block_height(n_columns: int) -> int:
    return max(1, _BLOCK_BYTES // (4 * max(n_columns, 1)))


def _kernel(cosines: NDArray[np.float32], h: float) -> NDArray[np.float32]:
    # exp(-d² / 2h²) with d² = 2 - 2 cosine
    return np.exp((cosines - 1) / np.float32(h * h))


def _train_sum(
    features: NDArray[np.float32],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    h: float,
    pool_sum: float | None,
    pool: NDArray[np.intp] | None,
    between: float,
    of_tests: float,
) -> float:
    """Sum the kernel over all pairs of training rows, from the pool's sum where possible."""
    if pool_sum is not None:
        in_pool = np.zeros(len(features), dtype=bool)
        in_pool[slice(None) if pool is None else pool] = True
        inside = int(in_pool[test].sum())
        if in_pool[train].all():
            if len(train) == in_pool.sum():
                return pool_sum
            if inside == len(test) and len(train) + len(test) == in_pool.sum():
                return pool_sum - 2 * between - of_tests
    return kernel_sum(features[train], h=h)


def _biased(of_trains: Any, of_tests: Any, between: Any, n_train: int, n_test: int) -> Any:
    """Compute the biased estimate from sums of the kernel: scalars or arrays."""
    within = of_trains / n_train**2 + of_tests / n_test**2
    return np.maximum(within - 2 * between / (n_train * n_test), 0.0)


def _unbiased(
    of_trains: float, of_tests: float, between: float, n_train: int, n_test: int
) -> float:
    if min(n_train, n_test) < 2:
        return float("nan")
    within = sum(
        (total - n) / (n * (n - 1)) for total, n in ((of_trains, n_train), (of_tests, n_test))
    )
    return within - 2 * between / (n_train * n_test)


def _nearest_others(
    cosines: NDArray[np.float32], first: int, n_kept: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the nearest other images of each row, nearest first; row i is image ``first + i``."""
    rows = np.arange(len(cosines))
    cosines[rows, first + rows] = -np.inf
    found = np.empty((len(cosines), n_kept), dtype=np.intp)
    for begin in range(0, len(cosines), _ROWS_SORTED):
        some = slice(begin, begin + _ROWS_SORTED)
        found[some] = np.argpartition(cosines[some], -n_kept, axis=1)[:, -n_kept:]
    values = np.take_along_axis(cosines, found, axis=1)
    order = np.argsort(-values, axis=1)
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(values, order, axis=1)


def _nearest_in_draw(
    features: NDArray[np.float32],
    in_test: NDArray[np.bool_],
    neighbours: NDArray[np.intp],
    cosine: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the cosine of every test image of a draw to its nearest training image."""
    tests = np.flatnonzero(in_test)
    trains = ~in_test[neighbours[tests]]
    first = trains.argmax(axis=1)
    nearest = cosine[tests, first]
    without = ~trains.any(axis=1)
    if without.any():
        nearest[without] = nearest_cosines(features[tests[without]], features[~in_test])[0]
    return nearest


def _require_rows(rows: NDArray, side: str) -> None:
    if not len(rows):
        raise InvalidArgumentError(
            f"There is no {side} image, so the two sides cannot be compared. Choose another split."
        )
