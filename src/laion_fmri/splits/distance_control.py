"""Test sets at a distance from the training set, with a distribution like that of random ones.

Cosines and kernels are rounded to multiples of 2⁻²⁰ before they are summed or compared, so that
sums do not depend on the order of additions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import NoMatchingDataError
from laion_fmri.splits import measures
from laion_fmri.splits.partition import Parting, compact, require_two

_STEP = 2.0**20
_PASSES = 20  # over the test set, to find exchanges
_PERCENTILES = 2.0  # step between the distances tried


def by_distance(
    features: NDArray[np.float32],
    groups: NDArray[np.intp],
    n_test: int,
    seed: int,
    min_distance: float | None,
    target_ratio: float,
) -> Parting:
    """Choose test images far from every other group, distributed like a random test set.

    See `laion_fmri.splits.make_split` for the definition.

    Parameters
    ----------
    features : array of shape (n_images, n_features)
        Unit vectors.
    groups : ndarray of int, shape (n_images,)
    n_test : int
    seed : int
    min_distance : float or None
        Cosine distance; None for the largest that reaches `target_ratio`.
    target_ratio : float
        MMD² between the sides, relative to its expectation for random sides of the same sizes.

    Raises
    ------
    NoMatchingDataError
        When too few images are at this distance from all others.
    """
    of_group, sizes = compact(groups)
    require_two(len(sizes))
    isolation = _isolation(features, of_group, len(sizes))
    h = measures.bandwidth(features)
    row_sums = _kernel_sums(features, of_group, len(sizes), h)
    total = float(row_sums.sum())
    percentiles: list[float | None]
    if min_distance is None:
        # Even the largest distance must leave enough candidates for the test set.
        order = np.argsort(-isolation, kind="stable")
        enough = int(np.searchsorted(np.cumsum(sizes[order]), n_test)) + 1
        highest = 100 * (1 - min(enough, len(sizes)) / len(sizes))
        percentiles = [*np.arange(np.floor(highest), 0, -_PERCENTILES).tolist(), 0.0]
    else:
        percentiles = [None]
    best: Parting | None = None
    for percentile in percentiles:
        # An actual distance, not an interpolated one, so that no candidate lies below it.
        tau = (
            float(min_distance)  # type: ignore[arg-type]
            if percentile is None
            else float(np.percentile(isolation, percentile, method="lower"))
        )
        candidates = np.flatnonzero(isolation >= tau)
        room = int(sizes[candidates].sum())
        if room < n_test or len(candidates) == len(sizes) == 1:
            if percentile is not None:
                continue
            raise NoMatchingDataError(
                f"Only {room:,} images are {tau:g} or farther from all others, fewer than the "
                f"{n_test:,} of the test side. Ask for a smaller min_distance or test_size."
            )
        chosen, value, ratio = _alike(
            features, of_group, sizes, candidates, n_test, seed, h, row_sums, total, target_ratio
        )  # fmt: skip
        found = {
            "min_distance": tau,
            "percentile": percentile,
            "mmd2": value,
            "ratio_to_random": ratio,
            "bandwidth": h,
        }
        now = Parting(np.isin(of_group, chosen), found)
        if best is None or ratio < best.found["ratio_to_random"]:
            best = now
        if ratio <= target_ratio:
            break
    assert best is not None
    return best


def _isolation(
    features: NDArray[np.float32], of_group: NDArray[np.intp], n_groups: int
) -> NDArray[np.float64]:
    """Return the distance of each group's images to the nearest image of another group."""
    wide = features.astype(np.float64)
    nearest = np.full(n_groups, -np.inf)
    for rows, cosines in measures.cosine_blocks(wide, wide):
        cosines[of_group[rows, None] == of_group[None, :]] = -np.inf
        np.maximum.at(nearest, of_group[rows], cosines.max(axis=1))
    return 1 - _rounded(nearest)


def _kernel_sums(
    features: NDArray[np.float32], of_group: NDArray[np.intp], n_groups: int, h: float
) -> NDArray[np.float64]:
    """Return the sums of the kernel of each group with all images."""
    wide = features.astype(np.float64)
    row_sums = np.zeros(n_groups)
    for rows, cosines in measures.cosine_blocks(wide, wide):
        np.add.at(row_sums, of_group[rows], _kernel(cosines, h).sum(axis=1))
    return row_sums


def _alike(
    features: NDArray[np.float32],
    of_group: NDArray[np.intp],
    sizes: NDArray[np.intp],
    candidates: NDArray[np.intp],
    n_test: int,
    seed: int,
    h: float,
    row_sums: NDArray[np.float64],
    total: float,
    target_ratio: float,
) -> tuple[NDArray[np.intp], float, float]:
    """Exchange groups among `candidates` until the sides are similar enough.

    Also return the MMD² between the sides, and its ratio to that of random sides.
    """
    place = np.full(len(sizes), -1)
    place[candidates] = np.arange(len(candidates))
    rows = np.flatnonzero(place[of_group] >= 0)
    kernel = _group_kernel(features[rows], place[of_group[rows]], len(candidates), h)
    rng = np.random.default_rng(seed)
    size, with_all = sizes[candidates], row_sums[candidates]
    inside = _drawn(rng, size, n_test)
    n = int(sizes.sum())

    def mmd2(within: NDArray | float, to_all: NDArray | float, m: NDArray | int) -> Any:
        rest = n - m
        trains = total - 2 * to_all + within
        return within / m**2 + trains / rest**2 - 2 * (to_all - within) / (m * rest)

    to_inside = kernel[:, inside].sum(axis=1)  # of each candidate with the test set
    within, to_all = float(to_inside[inside].sum()), float(with_all[inside].sum())
    m = int(size[inside].sum())  # groups may not fill the test set exactly
    expected = measures.expected_mmd2(total, n, m)
    target = target_ratio * expected
    value = mmd2(within, to_all, m)
    for _ in range(_PASSES):
        before = value
        for out in rng.permutation(np.flatnonzero(inside)):
            if value <= target:
                break
            others = np.flatnonzero(~inside & (size == size[out]))  # keeps the sizes of the sides
            if not len(others):
                continue
            new_within = (
                within
                - 2 * to_inside[out]
                + kernel[out, out]
                + 2 * to_inside[others]
                + kernel[others, others]
                - 2 * kernel[out, others]
            )
            new_to_all = to_all - with_all[out] + with_all[others]
            values = mmd2(new_within, new_to_all, m)
            best = int(values.argmin())
            if values[best] >= value:
                continue
            inn = others[best]
            inside[out], inside[inn] = False, True
            to_inside += kernel[:, inn] - kernel[:, out]
            within, to_all, value = (
                float(new_within[best]),
                float(new_to_all[best]),
                float(values[best]),
            )
        if value <= target or value >= before:
            break
    value = max(float(value), 0.0)
    return candidates[inside], value, value / expected if expected else 1.0


def _drawn(rng: np.random.Generator, size: NDArray[np.intp], n_test: int) -> NDArray[np.bool_]:
    """Draw candidates until the test set is full, skipping those that exceed it."""
    inside = np.zeros(len(size), dtype=bool)
    filled = 0
    for i in rng.permutation(len(size)):
        if filled + size[i] <= n_test:
            inside[i] = True
            filled += int(size[i])
    if not filled:  # every group is larger than the test set
        inside[int(size.argmin())] = True
    return inside


def _group_kernel(
    features: NDArray[np.float32], of_group: NDArray[np.intp], n_groups: int, h: float
) -> NDArray[np.float64]:
    """Return the sums of the kernel between groups, shape (n_groups, n_groups)."""
    wide = features.astype(np.float64)
    out = np.zeros((n_groups, n_groups))
    one_each = len(wide) == n_groups
    order = np.argsort(of_group, kind="stable")
    wide, of_group = wide[order], of_group[order]
    for rows, cosines in measures.cosine_blocks(wide, wide):
        block = _kernel(cosines, h)
        if one_each:
            out[rows] = block
        else:
            begins = np.searchsorted(of_group, np.arange(n_groups))
            np.add.at(out, of_group[rows], np.add.reduceat(block, begins, axis=1))
    return out


def _kernel(cosines: NDArray[np.float64], h: float) -> NDArray[np.float64]:
    return _rounded(np.exp((_rounded(cosines) - 1) / h**2))


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(values * _STEP) / _STEP
