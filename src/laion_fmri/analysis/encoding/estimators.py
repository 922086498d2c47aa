"""Models with scikit-learn's interface: ours for scikit-learn, and others for `encode`."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from laion_fmri._errors import (
    InvalidArgumentError,
    MissingDependencyError,
    NoMatchingDataError,
    UnknownNameError,
)
from laion_fmri.arguments import as_items
from laion_fmri.names import as_names
from laion_fmri.ridge import (
    PENALTIES,
    CentredResponses,
    DecomposedFeatures,
    Selection,
    checked_penalties,
    checked_selection,
    fit,
    score,
    standards,
)
from laion_fmri.splits.catalogue import load_split
from laion_fmri.splits.fitting import FEWEST_IMAGES, FitOfBlock, MakeModel
from laion_fmri.splits.split import Split

BANDED = "banded"
_BANDED_TRIES = 60  # random mixtures of feature spaces
_FOLDS = 5


class Estimator(Protocol):
    """What `encode` needs of a model."""

    def fit(self, X: Any, y: Any) -> Any:  # noqa: N803
        """Fit on features (n_images, n_features) and responses (n_images, n_voxels)."""
        ...

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Predict responses, shape (n_images, n_voxels)."""
        ...


class RidgeEncoder:
    """The ridge regression of `laion_fmri.encode` as an estimator of scikit-learn.

    Features are standardised by the training images; each voxel has a penalty of its own. It works
    in ``cross_val_score``, ``clone`` and pipelines, and needs no scikit-learn of its own.

    Parameters
    ----------
    penalties : sequence of float
        To choose from.
    selection : {"gcv", "loo"}
        Choose penalties by generalised cross-validation, or by leaving each image out in turn.

    Attributes
    ----------
    alpha_ : ndarray of float64, shape (n_voxels,)
        Penalty of each voxel.
    coef_ : ndarray of float32, shape (n_voxels, n_features), or (n_features,) for one voxel
    intercept_ : ndarray of float64, shape (n_voxels,), or float
    n_features_in_ : int

    Examples
    --------
    >>> cross_val_score(RidgeEncoder(), X, Y, cv=split_cv("tau", images))  # doctest: +SKIP
    """

    _estimator_type = "regressor"

    def __init__(
        self, penalties: Sequence[float] = PENALTIES, selection: Selection = "gcv"
    ) -> None:
        self.penalties = penalties
        self.selection = selection

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Fit.

        Parameters
        ----------
        X : array, shape (n_images, n_features)
        y : array, shape (n_images, n_voxels) or (n_images,)

        Raises
        ------
        InvalidArgumentError
            When the shapes differ, or there is a value that is no finite number.
        """
        penalties, selection = checked_penalties(self.penalties), checked_selection(self.selection)
        x = _matrix(X, "X")
        responses = np.asarray(y, dtype=np.float64)
        is_single = responses.ndim == 1
        responses = _matrix(responses.reshape(len(responses), -1), "y")
        if len(x) != len(responses):
            raise InvalidArgumentError(f"X has {len(x):,} rows and y {len(responses):,}.")
        mean, scale = standards(x)
        features = DecomposedFeatures.of((x - mean) * scale)
        train = CentredResponses.of(responses)
        found = fit(features, train, penalties, selection)
        weights = features.weights(found.kept, scale)
        intercept = train.mean - mean @ weights
        self.n_features_in_ = x.shape[1]
        self.alpha_: NDArray[np.float64] = found.penalty
        self.coef_: NDArray[np.float32] = weights[:, 0] if is_single else weights.T
        self.intercept_: Any = float(intercept[0]) if is_single else intercept
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Predict responses, shape (n_images, n_voxels) or (n_images,)."""
        if not hasattr(self, "coef_"):
            raise InvalidArgumentError("This RidgeEncoder is not fitted. Call fit(X, y) first.")
        x = _matrix(X, "X")
        if x.shape[1] != self.n_features_in_:
            raise InvalidArgumentError(
                f"X has {x.shape[1]:,} features; the model was fitted with {self.n_features_in_:,}."
            )
        return x @ self.coef_.T + self.intercept_

    def score(self, X: ArrayLike, y: ArrayLike) -> float:  # noqa: N803
        """Return the mean correlation of predicted and measured responses over voxels."""
        predicted = self.predict(X)
        measured = np.asarray(y, dtype=np.float64)
        n = len(predicted)
        found = score(measured.reshape(n, -1), predicted.reshape(n, -1))["correlation"]
        return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters."""
        return {"penalties": self.penalties, "selection": self.selection}

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        Raises
        ------
        UnknownNameError
        """
        for name, value in params.items():
            if name not in self.get_params():
                raise UnknownNameError("parameter of RidgeEncoder:", name, self.get_params())
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=True, multi_output=True),
            regressor_tags=RegressorTags(),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")

    def __repr__(self) -> str:
        return f"RidgeEncoder(selection={self.selection!r})"


def _matrix(values: ArrayLike, name: str) -> NDArray[np.float64]:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or not len(matrix):
        raise InvalidArgumentError(
            f"{name} has the shape {matrix.shape}. Give one row an image and one column a feature "
            "or voxel."
        )
    if not np.isfinite(matrix).all():
        raise InvalidArgumentError(
            f"{name} holds NaN or infinite values. Leave these rows or columns out."
        )
    return matrix


# --- cross-validation ---------------------------------------------------------------------


class SplitCV:
    """Cross-validation folds of scikit-learn, made from splits; see `split_cv`."""

    def __init__(self, folds: Mapping[str, tuple[NDArray[np.intp], NDArray[np.intp]]]) -> None:
        self.folds = dict(folds)

    def split(
        self,
        X: Any = None,  # noqa: N803
        y: Any = None,
        groups: Any = None,
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the training and test rows of each split.

        Raises
        ------
        InvalidArgumentError
            When `X` has fewer rows than there are images.
        """
        largest = max(int(np.max(rows)) for fold in self.folds.values() for rows in fold)
        if X is not None and len(X) <= largest:
            raise InvalidArgumentError(
                f"X has {len(X):,} rows, but the folds are of more images. Give one row for each "
                "of the images of split_cv."
            )
        yield from self.folds.values()

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803
        """Return the number of splits."""
        return len(self.folds)

    def __repr__(self) -> str:
        return f"<SplitCV of {', '.join(self.folds)}>"


def split_cv(
    split: str | Split | Iterable[str | Split],
    images: Iterable[str],
    pool: str = "shared",
    data_dir: Any = None,
) -> SplitCV:
    """Return splits as the ``cv=`` of scikit-learn's ``cross_val_score`` and the like.

    Parameters
    ----------
    split : str, Split, or list of them
        Each is a fold.
    images : iterable of str
        The image of each row of ``X``. An image may have several rows; all are on the same side.
    pool : str
        Pool of splits given by name.
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    NoMatchingDataError
        When a side has too few of the images.

    Examples
    --------
    >>> responses = sub.get_responses(roi="FFA1")  # doctest: +SKIP
    >>> cv = split_cv(["random_0", "random_1"], responses.images["name"])  # doctest: +SKIP
    """
    names = as_names(images)
    folds = {}
    for one in as_items(split):
        found = one if isinstance(one, Split) else load_split(one, pool, data_dir=data_dir)
        train, test = (np.flatnonzero(mask) for mask in found.get_masks(names))
        if min(len(train), len(test)) < FEWEST_IMAGES:
            raise NoMatchingDataError(
                f"Of {found.name} (pool {found.pool}) {len(train)} training and {len(test)} test "
                f"rows are among the {len(names):,} images; {FEWEST_IMAGES} of each are the "
                "fewest. Give more images, or another pool."
            )
        folds[found.name] = train, test
    if not folds:
        raise InvalidArgumentError("No split was given. Name at least one.")
    return SplitCV(folds)


# --- models of others ---------------------------------------------------------------------


def estimator_models(estimator: Estimator | str, penalties: NDArray[np.float64]) -> MakeModel:
    """Return what makes a model of an estimator, or himalaya's of ``"banded"``.

    Raises
    ------
    InvalidArgumentError
        When it has no ``fit`` and ``predict``.
    MissingDependencyError
        When himalaya is not installed.
    """
    if isinstance(estimator, str):
        if estimator != BANDED:
            raise UnknownNameError("estimator", estimator, [BANDED])
        _himalaya()
        return lambda x_train, x_test, layers: EstimatorOfSide(
            x_train, x_test, _banded(x_train, layers, penalties)
        )
    if not callable(getattr(estimator, "fit", None)) or not callable(
        getattr(estimator, "predict", None)
    ):
        raise InvalidArgumentError(
            f"{estimator!r} has no fit and predict. Give an estimator such as those of "
            f"scikit-learn, or {BANDED!r}."
        )
    return lambda x_train, x_test, _: EstimatorOfSide(x_train, x_test, estimator)


class EstimatorOfSide:
    """An estimator with the features of one split, standardised by the training images."""

    def __init__(self, x_train: NDArray, x_test: NDArray, estimator: Estimator) -> None:
        mean, self._scale = standards(x_train)
        self._train = ((x_train - mean) * self._scale).astype(np.float32)
        self._test = ((x_test - mean) * self._scale).astype(np.float32)
        self._estimator = estimator

    def fit_block(self, train: CentredResponses) -> FitOfBlock:
        """Fit a copy on the training responses without gaps, and predict the test responses."""
        known = np.isfinite(train.squares)
        shape = len(self._test), len(known)
        predicted = np.full(shape, np.nan, dtype=np.float32)
        penalty = np.full(len(known), np.nan, dtype=np.float32)
        model = _copied(self._estimator)
        if known.any():
            model.fit(self._train, train.values[:, known])
            found = np.asarray(model.predict(self._test), dtype=np.float32)
            if found.size != shape[0] * int(known.sum()):
                raise InvalidArgumentError(
                    f"{self._estimator!r} predicts an array of shape {found.shape} for "
                    f"{shape[0]:,} images and {int(known.sum()):,} voxels. It must predict all "
                    "voxels of a fit at once."
                )
            predicted[:, known] = found.reshape(shape[0], -1)
            alpha = getattr(model, "alpha_", getattr(model, "best_alphas_", None))
            if alpha is not None and np.ndim(alpha) <= 1:
                penalty[known] = np.asarray(alpha, dtype=np.float32)
        return FitOfBlock(predicted, penalty, lambda: self._weights(model, known))

    def _weights(self, model: Any, known: NDArray[np.bool_]) -> NDArray[np.float32]:
        weights = getattr(model, "coef_", None)
        shape = self._train.shape[1], int(known.sum())
        if weights is None:
            raise InvalidArgumentError(
                f"{self._estimator!r} has no weights (coef_). Encode without weights=True."
            )
        weights = np.asarray(weights, dtype=np.float32)
        # scikit-learn has a row a voxel, himalaya a column.
        weights = weights if weights.shape == shape else weights.reshape(shape[::-1]).T
        out = np.full((shape[0], len(known)), np.nan, dtype=np.float32)
        out[:, known] = weights * self._scale[:, None]
        return out


def _copied(estimator: Any) -> Any:
    if hasattr(estimator, "get_params"):
        try:
            from sklearn.base import clone
        except ImportError:
            pass
        else:
            return clone(estimator)
    return copy.deepcopy(estimator)


def _himalaya() -> Any:
    try:
        import himalaya.ridge
    except ImportError as error:
        raise MissingDependencyError(
            "Banded ridge regression is himalaya's. Install the extra: "
            'pip install "laion-fmri-explorer[encoding]".'
        ) from error
    return himalaya.ridge


def _banded(
    x_train: NDArray, layers: Mapping[str, slice], penalties: NDArray[np.float64]
) -> Estimator:
    """himalaya's banded ridge regression with a penalty for each feature space."""
    groups = np.zeros(x_train.shape[1], dtype=int)
    for number, columns in enumerate(layers.values()):
        groups[columns] = number
    parameters = {
        "n_iter": _BANDED_TRIES,
        "alphas": penalties,
        "progress_bar": False,
        "warn": False,
    }
    return _himalaya().GroupRidgeCV(
        groups=groups, solver_params=parameters, cv=_FOLDS, fit_intercept=True, random_state=0
    )
