"""Ridge regression of many voxels on one set of features, with a penalty of its own for each voxel.

The training features are decomposed once, in float64, for all voxels, penalties and test images:
with centred features ``X = U S Vᵀ``, the fit of a voxel with penalty α is
``U (S² / (S² + α)) Uᵀ y``. Only ``Uᵀ Y`` and the predictions are products over all images and
voxels; they are float32. Sums over images are float64.

The penalty of a voxel is chosen on the training images:

- by default as the one with the smallest generalised cross-validation error [1]_, which needs no
  fit: with ``a = Uᵀ y`` and ``d = S² / (S² + α)`` the residual sum of squares is
  ``Σ (1 - d)² a² + ‖y‖² - Σ a²``, and the error is this divided by ``(n - 1 - Σ d)²``;
- or as the one with the smallest leave-one-out error [2]_, whose residuals follow from those of one
  fit: ``(y - ŷ)ᵢ / (1 - hᵢ)``, where ``h`` is the diagonal of the matrix that turns ``y`` into
  ``ŷ``. Generalised cross-validation replaces each ``hᵢ`` by their mean.

.. [1] G. H. Golub, M. Heath, G. Wahba (1979). Generalized cross-validation as a method for choosing
   a good ridge parameter. Technometrics 21(2).
.. [2] R. M. Rifkin, R. A. Lippert (2007). Notes on regularized least squares.
   MIT-CSAIL-TR-2007-025.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.arguments import one_of

PENALTIES = tuple(float(alpha) for alpha in np.logspace(0, 7, 15))
"""Penalties to choose from, voxel by voxel; features have unit variance."""

Selection = Literal["gcv", "loo"]
SELECTIONS: tuple[Selection, ...] = get_args(Selection)

_SMALLEST = 1e-10  # of the largest S²: smaller ones are rounding, and their directions have no data
_ROWS_AT_ONCE = 64  # images summed in float32, before their sums are added in float64


def checked_penalties(penalties: Sequence[float]) -> NDArray[np.float64]:
    """Penalties to choose from.

    Raises
    ------
    InvalidArgumentError
    """
    try:
        values = np.asarray(penalties, dtype=np.float64).ravel()
    except (TypeError, ValueError):  # text, a generator, or rows of several lengths
        values = np.zeros(0)
    if not len(values) or not np.isfinite(values).all() or (values <= 0).any():
        raise InvalidArgumentError(
            f"penalties={penalties!r}: penalties are positive numbers; give at least one."
        )
    return values


def checked_selection(selection: str) -> Selection:
    """How a penalty is chosen: ``"gcv"`` or ``"loo"``.

    Raises
    ------
    UnknownNameError
    """
    return one_of("selection of penalties", selection, SELECTIONS)


@dataclass(frozen=True, eq=False)
class DecomposedFeatures:
    """The features of training images, decomposed.

    Attributes
    ----------
    mean : ndarray of float64, shape (n_features,)
    u : ndarray of float32, shape (n_images, n_components)
        Left singular vectors of the centred features.
    s2 : ndarray of float64, shape (n_components,)
        Squared singular values.
    to_u : ndarray of float64, shape (n_features, n_components)
        Takes centred features of any image to `u`: ``V / S``.
    """

    mean: NDArray[np.float64]
    u: NDArray[np.float32]
    s2: NDArray[np.float64]
    to_u: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray) -> DecomposedFeatures:
        """Decompose features.

        Parameters
        ----------
        features : ndarray, shape (n_images, n_features)
        """
        values = features.astype(np.float64)
        mean = values.mean(axis=0)
        values -= mean
        is_tall = values.shape[0] >= values.shape[1]
        # The smaller of the two products has the same eigenvalues, S², that are not 0.
        product = values.T @ values if is_tall else values @ values.T
        with _one_thread():
            s2, vectors = np.linalg.eigh(product)
        largest = float(s2[-1]) if len(s2) else 0.0
        has_data = s2 > _SMALLEST * max(largest, np.finfo(np.float64).tiny)
        s2, vectors = s2[has_data], vectors[:, has_data]
        if is_tall:
            to_u = vectors / np.sqrt(s2)
            u = values @ to_u
        else:
            u = vectors
            to_u = values.T @ (vectors / s2)
        return cls(mean, u.astype(np.float32), s2, to_u)

    def projected(self, features: NDArray) -> NDArray[np.float32]:
        """Features of other images as components: rows that `u` would have for them.

        Parameters
        ----------
        features : ndarray, shape (n_images, n_features)

        Returns
        -------
        ndarray of float32, shape (n_images, n_components)
        """
        return ((features - self.mean) @ self.to_u).astype(np.float32)

    def shrinkage(self, penalties: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much of each component a fit keeps, shape (n_components, n_penalties)."""
        return self.s2[:, None] / (self.s2[:, None] + penalties)

    def generalised_error(
        self,
        squares: NDArray[np.float64],
        components: NDArray[np.float32],
        penalties: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Generalised cross-validation errors.

        Parameters
        ----------
        squares : ndarray of float64, shape (n_voxels,)
            Sum of the squared centred responses.
        components : ndarray of float32, shape (n_components, n_voxels)
        penalties : ndarray of float64, shape (n_penalties,)

        Returns
        -------
        ndarray of float64, shape (n_penalties, n_voxels)
        """
        n = len(self.u)
        shrinkage = self.shrinkage(penalties)
        power = np.square(components, dtype=np.float64)
        # What no component has: nothing if they span all responses without a mean.
        beyond = np.maximum(squares - power.sum(axis=0), 0) * (len(self.s2) < n - 1)
        residual = ((1 - shrinkage) ** 2).T @ power + beyond
        freedom = np.maximum(n - 1 - shrinkage.sum(axis=0), _SMALLEST)
        return n * residual / freedom[:, None] ** 2

    def leave_one_out(
        self,
        responses: NDArray[np.float32],
        components: NDArray[np.float32],
        penalties: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Mean squared errors of leaving each image out in turn.

        Parameters
        ----------
        responses : ndarray of float32, shape (n_images, n_voxels)
            Centred.
        components : ndarray of float32, shape (n_components, n_voxels)
            ``u.T @ responses``.
        penalties : ndarray of float64, shape (n_penalties,)

        Returns
        -------
        ndarray of float64, shape (n_penalties, n_voxels)
        """
        shrinkage = self.shrinkage(penalties)
        leverage = 1 / len(self.u) + (self.u.astype(np.float64) ** 2) @ shrinkage
        errors = np.empty((len(penalties), responses.shape[1]))
        for i in range(len(penalties)):
            fitted = self.u @ (shrinkage[:, i, None].astype(np.float32) * components)
            residual = np.subtract(responses, fitted, out=fitted)
            residual /= np.maximum(1 - leverage[:, i, None], _SMALLEST).astype(np.float32)
            errors[i] = sum_of_products(residual, residual)
        return errors / len(self.u)

    def weights(
        self, kept: NDArray[np.float32], scale: NDArray[np.float64] | float = 1.0
    ) -> NDArray[np.float32]:
        """Weights of the features: of components that a fit has kept.

        Parameters
        ----------
        kept : ndarray of float32, shape (n_components, n_voxels)
            Components times their shrinkage, as in `Fit`.
        scale : ndarray of float64, shape (n_features,), optional
            What the features were multiplied by before they were decomposed.

        Returns
        -------
        ndarray of float32, shape (n_features, n_voxels)
        """
        to_u = self.to_u * np.reshape(scale, (-1, 1))
        return to_u.astype(np.float32) @ kept


def _one_thread() -> AbstractContextManager:
    """Let the linear algebra use one thread, if threadpoolctl is installed.

    Eigenvectors of some thousand features gain little from more threads, and take ten times as long
    where the threads have to wait for other programs.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1, "blas")


@dataclass(frozen=True, eq=False)
class CentredResponses:
    """Responses of some voxels to the images of a side, which models share.

    Attributes
    ----------
    values : ndarray, shape (n_images, n_voxels)
        Without their mean.
    mean, squares : ndarray of float64, shape (n_voxels,)
        The mean, and the sum of the squared values.
    """

    values: NDArray[np.floating]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, responses: NDArray) -> CentredResponses:
        """Centre the responses of some voxels, shape (n_images, n_voxels)."""
        with np.errstate(invalid="ignore", over="ignore"):
            mean = responses.mean(axis=0, dtype=np.float64)
            values = responses - mean.astype(responses.dtype)
            return cls(values, mean, sum_of_products(values, values))


@dataclass(frozen=True, eq=False)
class Fit:
    """A fit of some voxels.

    Attributes
    ----------
    kept : ndarray of float32, shape (n_components, n_voxels)
        ``x @ kept`` predicts responses without their training mean to images whose projected
        features are ``x``.
    penalty : ndarray of float64, shape (n_voxels,)
        NaN, as all of the voxel, where a training response is not a number.
    """

    kept: NDArray[np.float32]
    penalty: NDArray[np.float64]


def fit(
    features: DecomposedFeatures,
    responses: CentredResponses,
    penalties: NDArray[np.float64],
    selection: Selection = "gcv",
) -> Fit:
    """Choose the penalty of each voxel, and fit.

    Parameters
    ----------
    features : DecomposedFeatures
        Of the training images.
    responses : CentredResponses
        To the training images.
    penalties : ndarray of float64
        To choose from.
    selection : {"gcv", "loo"}
    """
    with np.errstate(invalid="ignore", over="ignore"):
        components = features.u.T @ responses.values
        if len(penalties) == 1:
            chosen = np.zeros(components.shape[1], dtype=np.intp)
        elif selection == "gcv":
            errors = features.generalised_error(responses.squares, components, penalties)
            chosen = errors.argmin(axis=0)
        else:
            errors = features.leave_one_out(responses.values, components, penalties)
            chosen = errors.argmin(axis=0)
        components *= features.shrinkage(penalties).astype(np.float32)[:, chosen]
    return Fit(components, np.where(np.isfinite(responses.squares), penalties[chosen], np.nan))


def standardised(
    train: NDArray[np.float32], test: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Standardise both sides by the mean and standard deviation of the training set."""
    mean, scale = standards(train)
    return ((train - mean) * scale).astype(np.float32), ((test - mean) * scale).astype(np.float32)


def standards(train: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean, and 1 / standard deviation (0 for a constant column), of each column."""
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    return mean, np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)


# --- comparison of measured and predicted responses ---------------------------------------


def sum_of_products(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """Sum of ``a * b`` over each column: in their own type over few rows, then in float64."""
    total = np.zeros(a.shape[1])
    for start in range(0, len(a), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        total += np.einsum("ij,ij->j", a[rows], b[rows])
    return total


@dataclass(frozen=True, eq=False)
class Scored:
    """Predictions of test responses, with what scores are calculated from.

    Attributes
    ----------
    correlation, r2 : ndarray of float32, shape (n_voxels,)
        Correlation: NaN if either column is constant. R², relative to the mean of the measured
        responses: NaN where those are constant, -inf where they are nearly so.
    centred : ndarray, shape (n_images, n_voxels)
        Predictions without their mean.
    squares : ndarray of float64, shape (n_voxels,)
        Their sum of squares.
    rest : ndarray, shape (n_images, n_voxels)
        Measured less predicted responses.
    """

    correlation: NDArray[np.float32]
    r2: NDArray[np.float32]
    centred: NDArray[np.floating]
    squares: NDArray[np.float64]
    rest: NDArray[np.floating]


def scored(
    measured: NDArray[np.floating], of_measured: CentredResponses, predicted: NDArray[np.floating]
) -> Scored:
    """Compute Pearson's r and R² of each column.

    Parameters
    ----------
    measured : ndarray, shape (n_images, n_voxels)
    of_measured : CentredResponses
        Of `measured`, which models share.
    predicted : ndarray, shape (n_images, n_voxels)
    """
    a, b = of_measured.values, centred(predicted)
    # The mean of a float32 array is rounded, so that the sums of a and b are not quite 0.
    sum_a, sum_b = a.sum(axis=0, dtype=np.float64), b.sum(axis=0, dtype=np.float64)
    n = len(a)
    total = of_measured.squares - sum_a**2 / n
    squares = sum_of_products(b, b)
    size = np.sqrt(np.maximum(total * (squares - sum_b**2 / n), 0))
    common = sum_of_products(a, b) - sum_a * sum_b / n
    nothing = np.full(a.shape[1], np.nan)
    r = np.divide(common, size, out=nothing.copy(), where=size > 0)
    rest = np.subtract(measured, predicted)
    share = np.divide(sum_of_products(rest, rest), total, out=nothing, where=total > 0)
    with np.errstate(over="ignore"):
        r, r2 = np.clip(r, -1, 1).astype(np.float32), (1 - share).astype(np.float32)
    return Scored(r, r2, b, squares, rest)


def score(measured: NDArray, predicted: NDArray) -> dict[str, NDArray[np.float32]]:
    """Compute Pearson's r and R² of each column; see `Scored`.

    Parameters
    ----------
    measured, predicted : ndarray, shape (n_images, n_voxels)

    Returns
    -------
    dict of str to ndarray of float32, shape (n_voxels,)
        ``"correlation"`` and ``"r2"``.
    """
    found = scored(measured, CentredResponses.of(measured), predicted)
    return {"correlation": found.correlation, "r2": found.r2}


def centred(values: NDArray) -> NDArray[np.floating]:
    """Values without the mean of their column, which is calculated in float64."""
    return values - values.mean(axis=0, dtype=np.float64).astype(values.dtype)
