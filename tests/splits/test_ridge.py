"""Ridge regressions that share a decomposition: the same as scikit-learn's, and as leaving out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeCV

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.splits.ridge import DecomposedFeatures, checked_penalties, predict_and_score

PENALTIES = np.logspace(-1, 5, 9)
SHAPES = [(60, 20), (40, 90), (30, 30)]  # more images than features, fewer, as many


def data(n_images: int, n_features: int, seed: int = 0):
    """Features and responses of training and test images; voxels from noise to signal."""
    rng = np.random.default_rng(seed)
    x = rng.normal(1, 2, (n_images + 15, n_features)).astype(np.float32)
    signal = (x - x.mean(axis=0)) @ rng.normal(0, 1 / np.sqrt(n_features), (n_features, 12))
    y = signal * np.linspace(0, 2, 12) + rng.normal(3, 1, signal.shape)
    y = y.astype(np.float32)
    return x[:n_images], y[:n_images], x[n_images:], y[n_images:]


@pytest.mark.parametrize("shape", SHAPES)
def test_penalties_and_scores_are_those_of_scikit_learn(shape):
    x, y, x_test, y_test = data(*shape)
    model = RidgeCV(PENALTIES, alpha_per_target=True).fit(x.astype(np.float64), y)
    predicted = model.predict(x_test)
    features = DecomposedFeatures.of(x)
    found = predict_and_score(features, y, features.projected(x_test), y_test, PENALTIES)
    assert found["penalty"] == pytest.approx(model.alpha_)
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(y_test.T, predicted.T, strict=True)]
    assert found["correlation"] == pytest.approx(r, abs=1e-5)
    r2 = 1 - ((y_test - predicted) ** 2).sum(axis=0) / ((y_test - y_test.mean(axis=0)) ** 2).sum(
        axis=0
    )
    assert found["r2"] == pytest.approx(r2, abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_leave_one_out_errors_are_those_of_leaving_out(shape):
    x, y, _, _ = data(*shape)
    features = DecomposedFeatures.of(x)
    centred = y - y.mean(axis=0)
    errors = features.leave_one_out(centred, features.u.T @ centred, PENALTIES[[2, 6]])
    for penalty, found in zip(PENALTIES[[2, 6]], errors, strict=True):
        squares = []
        for left_out in range(len(x)):
            others = np.arange(len(x)) != left_out
            model = Ridge(penalty).fit(x[others].astype(np.float64), y[others])
            squares.append((y[left_out] - model.predict(x[left_out : left_out + 1])[0]) ** 2)
        assert found == pytest.approx(np.mean(squares, axis=0), rel=1e-4)


@given(st.integers(3, 25), st.integers(1, 40), st.integers(0, 3), st.integers(0, 99))
def test_any_features_are_decomposed(n_images, n_features, n_constant, seed):
    x = np.random.default_rng(seed).normal(size=(n_images, n_features)).astype(np.float32)
    x[:, :n_constant] = 2.5  # directions without data
    features = DecomposedFeatures.of(x)
    centred = x - x.mean(axis=0, dtype=np.float64)
    assert features.projected(x) == pytest.approx(features.u, abs=1e-4)
    kernel = (features.u * features.s2) @ features.u.T
    assert kernel == pytest.approx(centred @ centred.T, abs=1e-3)


def test_voxels_without_a_response_have_no_score():
    x, y, x_test, y_test = data(40, 10)
    y[3, 0], y_test[2, 1] = np.nan, np.inf
    features = DecomposedFeatures.of(x)
    found = predict_and_score(features, y, features.projected(x_test), y_test, PENALTIES)
    for values in found.values():
        assert np.isnan(values).tolist() == [True, True] + [False] * 10
    nothing = predict_and_score(features, y * np.nan, features.projected(x_test), y_test, PENALTIES)
    assert all(np.isnan(values).all() for values in nothing.values())


@pytest.mark.parametrize("penalties", [(), (0,), (-1, 1), (np.nan,), (np.inf,)])
def test_penalties_are_positive_numbers(penalties):
    with pytest.raises(InvalidArgumentError, match="positive"):
        checked_penalties(penalties)
