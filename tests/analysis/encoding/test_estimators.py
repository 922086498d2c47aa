"""Estimators: ours in scikit-learn, and those of scikit-learn and himalaya in `encode`."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from laion_fmri import Features, RidgeEncoder, encode, load_subject, split_cv
from laion_fmri._errors import InvalidArgumentError, NoMatchingDataError, UnknownNameError
from laion_fmri.features import as_features
from laion_fmri.splits import load_split
from laion_fmri.splits.split import Split, SplitVariant

ROI, POOL = "face", "sub-01"
RNG = np.random.default_rng(0)
X = RNG.normal(1, [1, 2, 3, 0.5, 1], (60, 5))
Y = X @ RNG.normal(size=(5, 3)) + RNG.normal(2, 1, (60, 3))


@pytest.fixture(scope="module")
def sub(tiny_home):
    return load_subject("sub-01", tiny_home.data_dir)


@pytest.mark.parametrize("selection", ["gcv", "loo"])
def test_the_encoder_is_a_ridge_on_standardised_features(selection):
    ours = RidgeEncoder(np.logspace(-1, 4, 6), selection=selection).fit(X, Y)
    theirs = make_pipeline(StandardScaler(), Ridge(ours.alpha_)).fit(X, Y)
    assert ours.predict(X) == pytest.approx(theirs.predict(X), abs=1e-5)
    assert ours.coef_.shape == (3, 5) and ours.n_features_in_ == 5
    if selection == "loo":
        chosen = RidgeCV(np.logspace(-1, 4, 6), alpha_per_target=True)
        make_pipeline(StandardScaler(), chosen).fit(X, Y)
        assert ours.alpha_ == pytest.approx(chosen.alpha_)
    one = RidgeEncoder(np.logspace(-1, 4, 6), selection=selection).fit(X, Y[:, 0])
    assert one.predict(X) == pytest.approx(ours.predict(X)[:, 0], abs=1e-5)
    assert one.coef_.shape == (5,) and isinstance(one.intercept_, float)
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(Y.T, ours.predict(X).T, strict=True)]
    assert ours.score(X, Y) == pytest.approx(np.mean(r), abs=1e-6)


def test_the_encoder_works_in_scikit_learn():
    copy = clone(RidgeEncoder((1.0, 10.0), selection="loo"))
    assert copy.get_params() == {"penalties": (1.0, 10.0), "selection": "loo"}
    scores = cross_val_score(RidgeEncoder(), X, Y, cv=4)
    assert scores.shape == (4,) and (scores > 0.5).all()
    predicted = cross_val_predict(make_pipeline(StandardScaler(), RidgeEncoder()), X, Y)
    assert predicted.shape == Y.shape
    grid = GridSearchCV(RidgeEncoder(), {"selection": ["gcv", "loo"]}, cv=3).fit(X, Y)
    assert grid.best_params_["selection"] in ("gcv", "loo")
    assert "gcv" in repr(RidgeEncoder())


@pytest.mark.parametrize(
    ("x", "y", "match"),
    [
        (X[:, 0], Y, "X has the shape"),
        (X[:-1], Y, "59 rows"),
        (np.where(X > 3, np.nan, X), Y, "NaN"),
        (X, np.where(Y > 3, np.inf, Y), "infinite"),
    ],
)
def test_the_encoder_refuses_bad_input(x, y, match):
    with pytest.raises(InvalidArgumentError, match=match):
        RidgeEncoder().fit(x, y)


def test_the_encoder_says_what_is_wrong_with_it():
    with pytest.raises(InvalidArgumentError, match="not fitted"):
        RidgeEncoder().predict(X)
    with pytest.raises(InvalidArgumentError, match="fitted with 5"):
        RidgeEncoder().fit(X, Y).predict(X[:, :2])
    with pytest.raises(UnknownNameError, match="penalties"):
        RidgeEncoder().set_params(penalty=3)
    assert RidgeEncoder().set_params(selection="loo").selection == "loo"
    with pytest.raises(UnknownNameError, match="gcv"):
        RidgeEncoder(selection="gvc").fit(X, Y)


def some_split(name, train, test):
    return Split(name, "own", {}, (SplitVariant(0, tuple(train), tuple(test)),))


def test_splits_are_folds_of_cross_validation():
    names = [f"{i}.jpg" for i in range(60)]
    splits = [some_split("a", names[:40], names[40:]), some_split("b", names[20:], names[:20])]
    cv = split_cv(splits, names)
    assert cv.get_n_splits() == 2 and "a, b" in repr(cv)
    (train, test), _ = cv.split(X)
    assert train.tolist() == list(range(40)) and test.tolist() == list(range(40, 60))
    scores = cross_val_score(RidgeEncoder(), X, Y, cv=cv)
    expected = RidgeEncoder().fit(X[:40], Y[:40]).score(X[40:], Y[40:])
    assert scores[0] == pytest.approx(expected, abs=1e-6)
    twice = split_cv(splits[0], [*names, *names])
    assert len(next(twice.split())[0]) == 80
    with pytest.raises(InvalidArgumentError, match="more images"):
        next(cv.split(X[:10]))
    with pytest.raises(NoMatchingDataError, match="fewest"):
        split_cv(splits, names[:41])
    with pytest.raises(InvalidArgumentError, match="at least one"):
        split_cv([], names)


def test_published_splits_are_folds(sub):
    responses = sub.get_responses(roi=ROI)
    names = responses.images["name"]
    cv = split_cv(["random_0", "tau"], names, POOL, data_dir=sub.data_dir)
    x = as_features("CLIP", sub.data_dir).rows(list(names))
    y = responses.values[:, np.isfinite(responses.values).all(axis=0)]
    scores = cross_val_score(RidgeEncoder(), x, y, cv=cv)
    found = encode("CLIP", sub, ["random_0", "tau"], roi=ROI, pool=POOL, n_bootstrap=10)
    assert scores == pytest.approx(found.table["correlation"], abs=1e-4)


def test_other_models_can_be_fitted(sub):
    options = {"roi": ROI, "pool": POOL, "n_bootstrap": 10}
    ours = encode("CLIP", sub, "random_0", **options, penalties=[100.0], weights=True)
    theirs = encode("CLIP", sub, "random_0", **options, estimator=Ridge(100.0), weights=True)
    assert ours.map() == pytest.approx(theirs.map(), abs=1e-4, nan_ok=True)
    one, other = (found.weights["CLIP", "random_0"] for found in (ours, theirs))
    assert one.values == pytest.approx(other.values, abs=1e-4, nan_ok=True)
    assert one.intercept == pytest.approx(other.intercept, abs=1e-3, nan_ok=True)
    encoder = encode("CLIP", sub, "random_0", **options, estimator=RidgeEncoder([100.0]))
    assert encoder.map() == pytest.approx(ours.map(), abs=1e-4, nan_ok=True)
    assert np.nanmax(encoder.score().penalty) == 100

    class OneVoxel:
        def fit(self, x, y):
            return self

        def predict(self, x):
            return np.zeros(len(x))

    with pytest.raises(InvalidArgumentError, match="all voxels"):
        encode("CLIP", sub, "random_0", **options, estimator=OneVoxel())

    class Weightless:
        def fit(self, x, y):
            self.model = LinearRegression().fit(x, y)

        def predict(self, x):
            return self.model.predict(x)

    with pytest.raises(InvalidArgumentError, match="no weights"):
        encode("CLIP", sub, "random_0", **options, estimator=Weightless(), weights=True)


def test_banded_ridge_is_himalayas(sub):
    clip = as_features("CLIP", sub.data_dir)
    noise = np.random.default_rng(0).normal(size=(len(clip), 6)).astype(np.float32)
    both = {"both": {"clip": clip, "noise": Features.of(noise, clip.images, "noise")}}
    options = {"roi": ROI, "pool": POOL, "n_bootstrap": 10, "penalties": [1e2, 1e4]}
    found = encode(both, sub, "random_0", estimator="banded", **options, weights=True)
    again = encode(both, sub, "random_0", estimator="banded", **options)
    assert np.isfinite(found.map()).any()
    assert found.map() == pytest.approx(again.map(), nan_ok=True)
    assert found.weights["both", "random_0"].values.shape == (clip.n_features + 6, 
                                                             int(found.in_mask.sum()))  # fmt: skip
    assert load_split("random_0", POOL, data_dir=sub.data_dir).name in found.splits
