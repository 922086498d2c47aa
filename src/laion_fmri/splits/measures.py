"""How far apart the two sides of a split are. Pure functions from embeddings to numbers.

Everything works on unit vectors, block by block, so that the similarities of 25,052 images
are never held at once. Distances are ``1 - cosine`` or Euclidean between unit vectors
(``sqrt(2 - 2 cosine)``), which order images alike.

The difference between the sides is the squared maximum mean discrepancy [1]_ with the
Gaussian kernel ``exp(-d² / (2 h²))`` on unit vectors, by the biased (V-) estimator, equation
5 there: ``mean K(train, train) + mean K(test, test) - 2 mean K(train, test)``. It is
positive even when both sides are drawn alike, the more so the smaller they are, and is
therefore read against random splits of the same pool. The bandwidth ``h`` is the median
distance between images of the pool, so that all splits of a pool share one kernel.

.. [1] A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf, A. Smola (2012). A kernel two-sample
   test. Journal of Machine Learning Research 13, 723-773.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InconsistentDataError, InvalidArgumentError, UnknownNameError

Metric = Literal["cosine", "euclidean"]
METRICS: tuple[Metric, ...] = ("cosine", "euclidean")

_BLOCK_BYTES = 64 * 2**20  # similarities held at once
_MEDIAN_OF = 2048  # images whose distances give the bandwidth
_SAME = 0.01  # below this, distances between float16 embeddings are rounding


@dataclass(frozen=True, eq=False)
class Comparison:
    """The two sides of a split on one embedding.

    Attributes
    ----------
    nearest : ndarray of float32, shape (n_test,)
        Cosine of every test image with its nearest training image.
    nearest_index : ndarray of int, shape (n_test,)
        Which of the training images that is.
    mmd2 : float
        Squared maximum mean discrepancy between the sides.
    """

    nearest: NDArray[np.float32]
    nearest_index: NDArray[np.intp]
    mmd2: float

    def distances(self, metric: Metric = "cosine") -> NDArray[np.float32]:
        """Distance of every test image to its nearest training image."""
        return as_distance(self.nearest, metric)

    def twins(self, threshold: float) -> NDArray[np.intp]:
        """Test images whose nearest training image has at least this cosine, likest first."""
        order = np.argsort(-self.nearest, kind="stable")
        return order[: int((self.nearest >= threshold).sum())]


def unit_rows(features: NDArray) -> NDArray[np.float32]:
    """Rows scaled to length 1.

    Parameters
    ----------
    features : array of shape (n_images, n_features)

    Raises
    ------
    InconsistentDataError
        When a row has no direction: it is zero, or holds NaN or infinity.
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
    """Distances of unit vectors from their cosines.

    Raises
    ------
    UnknownNameError
        When there is no such metric.
    """
    if metric not in METRICS:
        raise UnknownNameError("metric", metric, METRICS)
    gap = np.maximum(1 - cosine, 0)  # rounding may put a cosine above 1
    return gap if metric == "cosine" else np.sqrt(2 * gap)


def nearest_cosines(
    test: NDArray[np.float32], train: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Cosine of every test row with its nearest training row, and which that is.

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
    """The median distance between different images: the width of the kernel.

    Of more than 2,048 images, as many evenly spaced rows stand for all.

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
    """Sum of the kernel over all pairs of rows; of `a` with itself when `b` is left out."""
    if b is not None:
        return sum(float(_kernel(c, h).sum(dtype=np.float64)) for _, c in cosine_blocks(a, b))
    total, n = 0.0, len(a)
    height = _block_height(n)
    for begin in range(0, n, height):  # every pair of blocks once, those off the diagonal twice
        block = a[begin : begin + height]
        total += float(_kernel(block @ block.T, h).sum(dtype=np.float64))
        if begin + height < n:
            rest = _kernel(block @ a[begin + height :].T, h)
            total += 2 * float(rest.sum(dtype=np.float64))
    return total


def mmd2(train: NDArray[np.float32], test: NDArray[np.float32], *, h: float) -> float:
    """Squared maximum mean discrepancy between two sets of unit vectors (biased estimator).

    Parameters
    ----------
    train, test : array of shape (n_train, n_features) and (n_test, n_features)
    h : float
        Width of the Gaussian kernel, as from `bandwidth`.
    """
    _require_rows(train, "training")
    _require_rows(test, "test")
    sums = kernel_sum(train, h=h), kernel_sum(test, h=h), kernel_sum(train, test, h=h)
    return _mmd2_of_sums(*sums, len(train), len(test))


def compare(
    features: NDArray[np.float32],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    *,
    h: float,
    pool_sum: float | None = None,
    pool: NDArray[np.intp] | None = None,
) -> Comparison:
    """Everything that the similarities between the two sides say, in one pass.

    Parameters
    ----------
    features : array of shape (n_images, n_features)
        Unit vectors.
    train, test : array of int
        Rows of `features`.
    h : float
        As from `bandwidth`.
    pool_sum : float, optional
        ``kernel_sum(features[pool], h=h)``. Where the two sides make up the pool, or the
        training side is the pool, it stands for the similarities within the training side,
        which are by far the most.
    pool : array of int, optional
        Rows of `features` that `pool_sum` is of; all by default.

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
    return Comparison(
        nearest, which, _mmd2_of_sums(of_trains, of_tests, between, len(train), len(test))
    )


def near_duplicates(features: NDArray[np.float32], threshold: float) -> NDArray[np.intp]:
    """Which images are the same but for details: a group number for each.

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
        The number of a group is the row of its first image.
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


def shared_tests(tests: Mapping[str, Sequence[str]]) -> NDArray[np.intp]:
    """Numbers of test images that splits have in common.

    Parameters
    ----------
    tests : mapping of str to sequence of str
        The test images of each split.

    Returns
    -------
    ndarray of int, shape (n_splits, n_splits)
        The sizes of the test sides on the diagonal.
    """
    sets = [set(ids) for ids in tests.values()]
    counts = [[len(a & b) for b in sets] for a in sets]
    return np.array(counts, dtype=np.intp).reshape(len(sets), len(sets))


def identical_across(train: Mapping[str, str], test: Mapping[str, str]) -> list[tuple[str, str]]:
    """Pairs of training and test images whose files are the same.

    Parameters
    ----------
    train, test : mapping of str to str
        A hash of each image's bytes, by name.

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
    """Cosines of some rows of `a` with all of `b`, and which rows; some 64 MB at a time."""
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
    """Kernel over all pairs of training rows, from that of the pool where it follows."""
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


def _mmd2_of_sums(
    of_trains: float, of_tests: float, between: float, n_train: int, n_test: int
) -> float:
    within = of_trains / n_train**2 + of_tests / n_test**2
    return max(within - 2 * between / (n_train * n_test), 0.0)


def _require_rows(rows: NDArray, side: str) -> None:
    if not len(rows):
        raise InvalidArgumentError(
            f"There is no {side} image, so the two sides cannot be compared. Choose another split."
        )
