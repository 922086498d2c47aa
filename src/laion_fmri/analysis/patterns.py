"""Patterns that distances are computed between: rows of responses, features or an array."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri import memory
from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.analysis.distances import (
    Metric,
    Noise,
    crossvalidated_distances,
    pattern_distances,
    whitened,
)
from laion_fmri.arguments import one_of
from laion_fmri.features import as_features
from laion_fmri.responses import Responses
from laion_fmri.responses.choices import chosen_images
from laion_fmri.trials import STIMULI_GROUPS
from laion_fmri.zscore import nan_mean

if TYPE_CHECKING:
    import pandas as pd

Folds = Literal["session", "repeat"]
FEWEST_IMAGES = 3
_SHOWN = 3  # names in a message


@dataclass(frozen=True, eq=False)
class Patterns:
    """Rows of numbers, with the image of each.

    Attributes
    ----------
    name : str
        The subject, or the name of the features.
    images : tuple of str
    values : ndarray, shape (n_rows, n_channels)
    rows_of : ndarray of int, shape (n_rows,)
        The image of each row.
    trials : DataFrame or None
        One row a row of single trials, with the columns session and repeat; None where each image
        has one row.
    folds : ndarray of int, shape (n_rows,), or None
        Of each trial, once they are prepared for a cross-validated distance.
    """

    name: str
    images: tuple[str, ...]
    values: NDArray
    rows_of: NDArray[np.intp]
    trials: pd.DataFrame | None = None
    folds: NDArray[np.intp] | None = None

    @classmethod
    def of(
        cls,
        source: Any,
        images: tuple[str, ...] | None = None,
        data_dir: str | os.PathLike[str] | None = None,
    ) -> Patterns:
        """Return the rows of some images, in that order, or of all.

        Parameters
        ----------
        source : Responses, Features, ndarray, or what names features
        images : tuple of str, optional
            For an array, the names of its rows. ``("shared",)`` and ``("unique",)`` are groups.
        data_dir : path, optional
            Of features given by name.

        Raises
        ------
        InvalidArgumentError
            When an array has another shape, or two rows are of one image.
        UnknownNameError
            When an image has no row.
        """
        if isinstance(source, np.ndarray):
            return cls._of_array(source, images)
        trials = None
        if isinstance(source, Responses):
            names, name, values = list(source.names), source.subject, source.values
            trials = None if source.is_average else source.images[["session", "repeat"]]
        else:
            features = as_features(source, data_dir)
            name, values, names = features.name, features.values, list(features.images)
        if trials is None and (twice := repeated(names)):
            raise InvalidArgumentError(
                f"{name} has several rows of an image: {listed(twice)}. Keep one of each."
            )
        known = dict.fromkeys(names)
        if images is None or (len(images) == 1 and images[0] in STIMULI_GROUPS):
            images = tuple(chosen_images(list(known), images and images[0])[0])
        if twice := repeated(images):
            raise InvalidArgumentError(f"images= has some twice: {listed(twice)}. Name each once.")
        row_of = {one: row for row, one in enumerate(images)}
        rows_of = np.array([row_of.get(one, -1) for one in names], dtype=np.intp)
        for one in images:
            if one not in known:
                raise UnknownNameError(f"image of {name}", one, known)
        order = np.argsort(rows_of, kind="stable")
        order = order[rows_of[order] >= 0]
        is_whole = len(order) == len(values) and bool((np.diff(order) == 1).all())
        return cls(
            name,
            images,
            values if is_whole else values[order],
            rows_of[order],
            None if trials is None else trials.iloc[order],
        )

    @classmethod
    def _of_array(cls, values: NDArray, images: tuple[str, ...] | None) -> Patterns:
        if values.ndim != 2 or values.dtype.kind not in "biuf":
            raise InvalidArgumentError(
                "Real numbers of shape (n_images, n_channels) were expected; this array has dtype "
                f"{values.dtype} and shape {values.shape}."
            )
        names = tuple(map(str, range(len(values)))) if images is None else images
        if len(values) != len(names):
            raise InvalidArgumentError(
                f"The array has {len(values)} rows, and images= has {len(names)} names. Give one "
                "name a row."
            )
        return cls("array", names, values, np.arange(len(names)))

    def prepared(self, metric: Metric, folds: Folds) -> Patterns:
        """Return what a metric needs: one row an image, or the fold of each trial.

        Raises
        ------
        InvalidArgumentError
            When there are fewer than 3 images, a value is infinite, or a cross-validated distance
            is asked for and these are no single trials, or an image is in one fold only.
        """
        if len(self.images) < FEWEST_IMAGES:
            raise InvalidArgumentError(
                f"An RDM needs at least {FEWEST_IMAGES} images; {self.name} has {len(self.images)}."
            )
        if np.isinf(self.values).any():
            rows = self.rows_of[np.isinf(self.values).any(axis=1)]
            names = listed(self.images[row] for row in np.unique(rows))
            raise InvalidArgumentError(f"{self.name} has infinite values for {names}.")
        if metric == "crossnobis":
            return replace(self, folds=self._folds(folds))
        if self.trials is None:
            return self
        starts = np.flatnonzero(np.diff(self.rows_of, prepend=-1))
        dtype = np.result_type(self.values.dtype, np.float32)
        means = memory.empty((len(self.images), self.values.shape[1]), dtype)
        for mean, repeats in zip(means, np.split(self.values, starts[1:]), strict=True):
            mean[:] = nan_mean(repeats, axis=0)
        return replace(self, values=means, rows_of=np.arange(len(means)), trials=None)

    def _folds(self, kind: Folds) -> NDArray[np.intp]:
        kind = one_of("kind of fold", kind, ("session", "repeat"))
        if self.trials is None:
            raise InvalidArgumentError(
                f"A cross-validated distance needs single trials, and {self.name} has one row an "
                "image. Read responses with get_responses(average=False)."
            )
        folds = np.unique(self.trials[kind].to_numpy(), return_inverse=True)[1]
        is_there = np.zeros((len(self.images), int(folds.max()) + 1), dtype=bool)
        is_there[self.rows_of, folds] = True
        alone = np.flatnonzero(is_there.sum(axis=1) < 2)
        if len(alone):
            other = ' or take folds="repeat"' if kind == "session" else ""
            raise InvalidArgumentError(
                f"A cross-validated distance needs every image in two {kind}s or more; "
                f"{len(alone)} of the {len(self.images)} images of {self.name} have one: "
                f"{listed(self.images[row] for row in alone)}. Leave them out (for example with "
                f'images="shared"){other}.'
            )
        return folds

    def known(self) -> NDArray[np.bool_]:
        """Return which channels have a value in every row, shape (n_channels,)."""
        return ~np.isnan(self.values).any(axis=0)

    def distances(
        self, channels: NDArray[np.intp] | slice, metric: Metric, noise: Noise | NDArray = "none"
    ) -> NDArray[np.float64]:
        """Compute the distances between images from some channels, once `prepared`.

        Returns
        -------
        ndarray of float64, shape (n_pairs,)

        Raises
        ------
        InvalidArgumentError
            When there are too few channels.
        """
        values = self.values[:, channels]
        fewest = 2 if metric == "correlation" else 1
        if values.shape[1] < fewest:
            raise InvalidArgumentError(
                f"{values.shape[1]} of the {self.values.shape[1]} voxels or features of "
                f'{self.name} have a value for every image, and metric="{metric}" needs at least '
                f"{fewest}. Choose another ROI, or fewer images."
            )
        if self.folds is None:
            return pattern_distances(values, metric)
        trials = whitened(values, self.rows_of, noise)
        return crossvalidated_distances(trials, self.rows_of, self.folds, len(self.images))


def listed(names: Iterable[str]) -> str:
    """Return the first of many names as text for a message."""
    names = list(names)
    text = ", ".join(names[:_SHOWN])
    return text + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]
