"""Ridge regression of many voxels on one set of features, with a penalty of its own for each voxel.

The training features are decomposed once, in float64, for all voxels, penalties and test images:
with centred features ``X = U S Vᵀ``, the fit of a voxel with penalty α is
``U (S² / (S² + α)) Uᵀ y``. Only ``Uᵀ Y`` and the fits are products over all images and voxels.

The penalty of a voxel is the one with the smallest leave-one-out error [1]_, whose residuals follow
from those of one fit: ``(y - ŷ)ᵢ / (1 - hᵢ)``, where ``h`` is the diagonal of the matrix that turns
``y`` into ``ŷ``.

.. [1] R. M. Rifkin, R. A. Lippert (2007). Notes on regularized least squares.
   MIT-CSAIL-TR-2007-025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError

PENALTIES = tuple(float(alpha) for alpha in np.logspace(0, 7, 15))
"""Penalties to choose from, voxel by voxel; features have unit variance."""

_SMALLEST = 1e-10  # of the largest S²: smaller ones are rounding, and their directions have no data


def checked_penalties(penalties: Sequence[float]) -> NDArray[np.float64]:
    """Penalties to choose from.

    Raises
    ------
    InvalidArgumentError
    """
    values = np.asarray(penalties, dtype=np.float64).ravel()
    if not len(values) or not np.isfinite(values).all() or (values <= 0).any():
        raise InvalidArgumentError("penalties are positive numbers; give at least one.")
    return values


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
        s2, vectors = np.linalg.eigh(values.T @ values if is_tall else values @ values.T)
        has_data = s2 > _SMALLEST * max(float(s2[-1]), np.finfo(np.float64).tiny)
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
            errors[i] = np.einsum("ij,ij->j", residual, residual, dtype=np.float64)
        return errors / len(self.u)


def predict_and_score(
    features: DecomposedFeatures,
    y_train: NDArray[np.float32],
    x_test: NDArray[np.float32],
    y_test: NDArray[np.float32],
    penalties: NDArray[np.float64],
) -> dict[str, NDArray[np.float32]]:
    """Fit on the training images, predict the test images, compare.

    Parameters
    ----------
    features : DecomposedFeatures
        Of the training images.
    y_train, y_test : ndarray of float32, shape (n_images, n_voxels)
    x_test : ndarray of float32, shape (n_test_images, n_components)
        ``features.projected`` of the test images.
    penalties : ndarray of float64
        To choose from by leaving each training image out in turn.

    Returns
    -------
    dict of str to ndarray of float32, shape (n_voxels,)
        correlation, r2 and penalty; NaN where a voxel lacks a response.
    """
    found = {
        name: np.full(y_train.shape[1], np.nan, dtype=np.float32)
        for name in ("correlation", "r2", "penalty")
    }
    known = np.isfinite(y_train).all(axis=0) & np.isfinite(y_test).all(axis=0)
    if not known.any():
        return found
    y_train, y_test = y_train[:, known], y_test[:, known]
    mean = y_train.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = y_train - mean
    components = features.u.T @ centred
    errors = features.leave_one_out(centred, components, penalties)
    chosen = errors.argmin(axis=0)
    components *= features.shrinkage(penalties).astype(np.float32)[:, chosen]
    # Without the mean, which would round a small prediction.
    predicted, y_test = x_test @ components, y_test - mean
    found["correlation"][known] = correlation(y_test, predicted)
    found["r2"][known] = explained(y_test, predicted)
    found["penalty"][known] = penalties[chosen]
    return found


def standardised(
    train: NDArray[np.float32], test: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Standardise both sides by the mean and standard deviation of the training set."""
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    return ((train - mean) * scale).astype(np.float32), ((test - mean) * scale).astype(np.float32)


def correlation(measured: NDArray, predicted: NDArray) -> NDArray[np.float32]:
    """Compute Pearson's r of each column; NaN if either is constant."""
    a = measured - measured.mean(axis=0, dtype=np.float64)
    b = predicted - predicted.mean(axis=0, dtype=np.float64)
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    r = np.divide((a * b).sum(axis=0), size, out=np.full(len(size), np.nan), where=size > 0)
    return r.astype(np.float32)


def explained(measured: NDArray, predicted: NDArray) -> NDArray[np.float32]:
    """Compute R² of each column; NaN where `measured` is constant."""
    total = ((measured - measured.mean(axis=0, dtype=np.float64)) ** 2).sum(axis=0)
    residual = ((measured.astype(np.float64) - predicted) ** 2).sum(axis=0)
    share = np.divide(residual, total, out=np.full(len(total), np.nan), where=total > 0)
    with np.errstate(over="ignore"):  # R² may be -inf for nearly constant columns
        return (1 - share).astype(np.float32)
