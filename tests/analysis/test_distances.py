from __future__ import annotations

import numpy as np
import pytest
import rsatoolbox
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import pdist

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.analysis import distances
from laion_fmri.analysis.distances import (
    condensed,
    crossvalidated_distances,
    pattern_distances,
    squared,
    whitened,
)

PLAIN = ["correlation", "cosine", "euclidean"]


@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.integers(2, 40), st.sampled_from(PLAIN))
def test_distances_are_those_of_scipy(seed, n_images, n_channels, metric):
    rng = np.random.default_rng(seed)
    values = (rng.standard_normal((n_images, n_channels)) + rng.normal(0, 10)).astype(np.float32)
    expected = pdist(values.astype(float), {"euclidean": "sqeuclidean"}.get(metric, metric)) / (
        n_channels if metric == "euclidean" else 1
    )
    np.testing.assert_allclose(pattern_distances(values, metric), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("metric", ["correlation", "euclidean"])
def test_distances_are_those_of_rsatoolbox(metric):
    values = np.random.default_rng(0).standard_normal((9, 31)) + 3
    theirs = rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(values), metric)
    np.testing.assert_allclose(
        pattern_distances(values, metric), theirs.dissimilarities[0], rtol=1e-10
    )


@pytest.mark.parametrize("metric", PLAIN)
def test_blocks_change_nothing(metric, monkeypatch):
    values = np.random.default_rng(1).standard_normal((5, 23))
    whole = pattern_distances(values, metric)
    monkeypatch.setattr(distances, "_BLOCK_BYTES", 8 * 5 * 4)
    np.testing.assert_allclose(pattern_distances(values, metric), whole, rtol=1e-12)


@pytest.mark.parametrize(("metric", "row"), [("correlation", 0.1), ("cosine", 0.0)])
def test_a_pattern_without_direction_has_no_distance(metric, row):
    values = np.random.default_rng(2).standard_normal((4, 7))
    values[2] = row
    square = squared(pattern_distances(values, metric), 4)
    assert np.isnan(square[2, [0, 1, 3]]).all()
    assert np.isfinite(square[np.ix_([0, 1, 3], [0, 1, 3])]).all()


@given(st.integers(2, 30).flatmap(lambda n: hnp.arrays(float, n * (n - 1) // 2)))
def test_pairs_and_squares_are_the_same(pairs):
    n = round((1 + np.sqrt(1 + 8 * len(pairs))) / 2)
    square = squared(pairs, n)
    np.testing.assert_array_equal(condensed(square), pairs)
    np.testing.assert_array_equal(square, square.T)


# --- cross-validated ---------------------------------------------------------------------


def _trials(seed, n_images, n_folds, n_channels, per_fold=1):
    rng = np.random.default_rng(seed)
    rows_of = np.tile(np.arange(n_images), n_folds * per_fold)
    folds = np.repeat(np.arange(n_folds), n_images * per_fold)
    patterns = rng.standard_normal((n_images, n_channels))
    values = patterns[rows_of] + rng.standard_normal((len(rows_of), n_channels))
    order = rng.permutation(len(rows_of))
    return values[order], rows_of[order], folds[order]


@pytest.mark.parametrize("per_fold", [1, 2])
def test_a_balanced_design_gives_the_crossnobis_of_rsatoolbox(per_fold):
    values, rows_of, folds = _trials(3, 6, 4, 15, per_fold)
    data = rsatoolbox.data.Dataset(values, obs_descriptors={"image": rows_of, "fold": folds})
    theirs = rsatoolbox.rdm.calc_rdm(data, "crossnobis", descriptor="image", cv_descriptor="fold")
    np.testing.assert_allclose(
        crossvalidated_distances(values, rows_of, folds, 6), theirs.dissimilarities[0], rtol=1e-10
    )


def _slowly(values, rows_of, folds, n_images):
    """Mean products of all pairs of different folds, fold by fold."""

    def mean_product(one, other):
        products = []
        for a in np.unique(folds):
            for b in np.unique(folds):
                x, y = (rows_of == one) & (folds == a), (rows_of == other) & (folds == b)
                if a != b and x.any() and y.any():
                    products.append(values[x].mean(axis=0) @ values[y].mean(axis=0))
        return np.mean(products)

    return (
        np.array(
            [
                mean_product(i, i) + mean_product(j, j) - 2 * mean_product(i, j)
                for i in range(n_images)
                for j in range(i + 1, n_images)
            ]
        )
        / values.shape[1]
    )


@pytest.mark.parametrize("seed", range(3))
def test_an_unbalanced_design_uses_every_pair_of_different_folds(seed):
    rng = np.random.default_rng(seed)
    values, rows_of, folds = _trials(seed, 5, 4, 7)
    kept = np.flatnonzero((rng.random(len(values)) < 0.7) | (folds < 2))  # 2 to 4 folds an image
    some = values[kept], rows_of[kept], folds[kept]
    np.testing.assert_allclose(
        crossvalidated_distances(*some, 5), _slowly(*some, 5), rtol=1e-9, atol=1e-12
    )


def test_noise_alone_has_a_distance_of_0_on_average():
    rng = np.random.default_rng(4)
    rows_of, folds = np.tile(np.arange(4), 3), np.repeat(np.arange(3), 4)
    found = np.concatenate(
        [
            crossvalidated_distances(rng.standard_normal((12, 20)), rows_of, folds, 4)
            for _ in range(400)
        ]
    )
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(400)  # 6 pairs of 4 images depend
    plain = pattern_distances(rng.standard_normal((4, 20)), "euclidean")
    assert plain.mean() > 1  # the same distance without cross-validation


def test_an_image_of_one_fold_has_no_distance():
    values, rows_of, folds = _trials(5, 4, 2, 6)
    kept = (rows_of != 1) | (folds == 0)
    square = squared(crossvalidated_distances(values[kept], rows_of[kept], folds[kept], 4), 4)
    assert np.isnan(square[1, [0, 2, 3]]).all()
    assert np.isfinite(square[np.ix_([0, 2, 3], [0, 2, 3])]).all()


def test_noise_is_scaled_channel_by_channel():
    rng = np.random.default_rng(6)
    rows_of = np.tile(np.arange(5), 40)
    scale = np.array([0.5, 1, 4])
    values = rng.standard_normal((5, 3))[rows_of] + scale * rng.standard_normal((200, 3))
    scaled = whitened(values, rows_of, "diagonal")
    np.testing.assert_allclose(values / scaled, np.broadcast_to((values / scaled)[0], (200, 3)))
    np.testing.assert_allclose((values / scaled)[0], scale, rtol=0.15)
    residuals = np.concatenate(
        [scaled[rows_of == i] - scaled[rows_of == i].mean(0) for i in range(5)]
    )
    np.testing.assert_allclose((residuals**2).sum(axis=0) / 195, 1)


@pytest.mark.parametrize("noise", ["shrinkage", "array"])
def test_noise_with_correlations_gives_the_crossnobis_of_rsatoolbox(noise):
    values, rows_of, folds = _trials(7, 6, 4, 5)
    values = values @ np.random.default_rng(8).standard_normal((5, 5))
    data = rsatoolbox.data.Dataset(values, obs_descriptors={"image": rows_of, "fold": folds})
    precision = rsatoolbox.data.noise.prec_from_unbalanced(data, "image", method="shrinkage_eye")
    theirs = rsatoolbox.rdm.calc_rdm(
        data, "crossnobis", descriptor="image", cv_descriptor="fold", noise=precision
    )
    trials = whitened(values, rows_of, precision if noise == "array" else noise)
    np.testing.assert_allclose(
        crossvalidated_distances(trials, rows_of, folds, 6), theirs.dissimilarities[0], rtol=1e-8
    )


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (np.eye(2), r"\(3, 3\)"),
        (-np.eye(3), "not positive definite"),
        (np.triu(np.ones((3, 3))), "not symmetric"),
        (np.full((3, 3), np.nan), "holds NaN"),
        ("shrink", "Unknown kind of noise 'shrink'"),
        ("diagonal", "1 of 3 voxels do not vary"),
    ],
)
def test_noise_that_cannot_be_used_is_refused(noise, message):
    values = np.random.default_rng(9).standard_normal((6, 3))
    values[:, 1] = 1
    with pytest.raises(InvalidArgumentError, match=message):
        whitened(values, np.tile(np.arange(3), 2), noise)
