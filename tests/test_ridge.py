"""Ridge regressions that share a decomposition: the same as scikit-learn's, and as leaving out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import r2_score

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.ridge import (
    CentredResponses,
    DecomposedFeatures,
    checked_penalties,
    checked_selection,
    fit,
    score,
)

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


def predict_and_score(features, y_train, x_test, y_test, penalties, selection="gcv"):
    """What the encoding models do with a block of voxels."""
    train = CentredResponses.of(y_train)
    fitted = fit(features, train, penalties, selection)
    with np.errstate(invalid="ignore"):
        found = score(y_test - train.mean.astype(np.float32), x_test @ fitted.kept)
    return found | {"penalty": fitted.penalty}


@pytest.mark.parametrize("shape", SHAPES)
def test_leaving_out_gives_the_penalties_and_scores_of_scikit_learn(shape):
    x, y, x_test, y_test = data(*shape)
    model = RidgeCV(PENALTIES, alpha_per_target=True).fit(x.astype(np.float64), y)
    predicted = model.predict(x_test)
    features = DecomposedFeatures.of(x)
    found = predict_and_score(features, y, features.projected(x_test), y_test, PENALTIES, "loo")
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


@pytest.mark.parametrize("shape", SHAPES)
def test_generalised_errors_are_those_of_the_definition(shape):
    x, y, _, _ = data(*shape)
    features, train = DecomposedFeatures.of(x), CentredResponses.of(y)
    components = features.u.T @ train.values
    errors = features.generalised_error(train.squares, components, PENALTIES)
    centred, n = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64), len(x)
    for penalty, found in zip(PENALTIES, errors, strict=True):
        hat = centred @ np.linalg.solve(
            centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T
        )
        residual = train.values - hat @ train.values
        expected = n * (residual**2).sum(axis=0) / (n - 1 - np.trace(hat)) ** 2
        # Without a penalty to speak of, fewer images than features leave no residual.
        assert found == pytest.approx(expected, rel=2e-3 if n <= x.shape[1] else 1e-5)
    assert PENALTIES[errors.argmin(axis=0)] == pytest.approx(
        fit(features, train, PENALTIES).penalty
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_and_weights_are_those_of_a_ridge_with_the_penalties_chosen(shape):
    x, y, x_test, y_test = data(*shape)
    features, train = DecomposedFeatures.of(x), CentredResponses.of(y)
    found = predict_and_score(features, y, features.projected(x_test), y_test, PENALTIES)
    fitted = fit(features, train, PENALTIES)
    model = Ridge(fitted.penalty).fit(x.astype(np.float64), y)
    predicted = model.predict(x_test)
    assert features.weights(fitted.kept) == pytest.approx(model.coef_.T, abs=1e-4)
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(y_test.T, predicted.T, strict=True)]
    assert found["correlation"] == pytest.approx(r, abs=1e-5)
    assert found["r2"] == pytest.approx(r2_score(y_test, predicted, multioutput="raw_values"),
                                        abs=1e-5)  # fmt: skip


def test_a_large_mean_and_scale_do_not_change_the_scores():
    x, y, x_test, y_test = data(60, 20)
    features = DecomposedFeatures.of(x)
    small, large = (
        predict_and_score(features, a, features.projected(x_test), b, PENALTIES)
        for a, b in ((y, y_test), (y * 8 + 512, y_test * 8 + 512))
    )
    for name, values in small.items():
        assert large[name] == pytest.approx(values, abs=1e-4)


@given(
    arrays(np.float32, (12, 3), elements=st.floats(-10, 10, width=32)),
    arrays(np.float32, (12, 3), elements=st.floats(-10, 10, width=32)),
)
def test_correlation_and_r2_are_those_of_other_libraries(measured, predicted):
    found = score(measured, predicted)
    for column in range(3):
        a, b = measured[:, column].astype(float), predicted[:, column].astype(float)
        if a.std() > 1e-3 and b.std() > 1e-3:
            assert found["correlation"][column] == pytest.approx(pearsonr(a, b)[0], abs=1e-5)
        if a.std() > 1e-3:
            assert found["r2"][column] == pytest.approx(r2_score(a, b), rel=1e-4, abs=1e-4)
        if not np.ptp(a):
            assert np.isnan(found["correlation"][column]) and np.isnan(found["r2"][column])


def test_a_way_of_choosing_penalties_has_a_name():
    with pytest.raises(UnknownNameError, match="gcv"):
        checked_selection("gvc")


@given(st.integers(3, 25), st.integers(1, 40), st.integers(0, 3), st.integers(0, 99))
def test_any_features_are_decomposed(n_images, n_features, n_constant, seed):
    x = np.random.default_rng(seed).normal(size=(n_images, n_features)).astype(np.float32)
    x[:, :n_constant] = 2.5  # directions without data
    features = DecomposedFeatures.of(x)
    centred = x - x.mean(axis=0, dtype=np.float64)
    assert features.projected(x) == pytest.approx(features.u, abs=1e-4)
    kernel = (features.u * features.s2) @ features.u.T
    assert kernel == pytest.approx(centred @ centred.T, abs=1e-3)


def test_voxels_without_a_response_have_no_penalty():
    x, y, _, _ = data(40, 10)
    y[3, 0], y[2, 1] = np.nan, np.inf
    found = fit(DecomposedFeatures.of(x), CentredResponses.of(y), PENALTIES)
    assert np.isnan(found.penalty).tolist() == [True, True] + [False] * 10
    assert np.isfinite(found.kept[:, 2:]).all()


@pytest.mark.parametrize(
    "penalties", [(), (0,), (-1, 1), (np.nan,), (np.inf,), "x", [[1], [1, 2]], None]
)
def test_penalties_are_positive_numbers(penalties):
    with pytest.raises(InvalidArgumentError, match="positive"):
        checked_penalties(penalties)
