"""Models of voxels: fitted on the training images of splits, and predicting the test images.

`predictions` goes through the responses once, block of voxels by block, and fits every model on
every split in each block. So memory holds a block of responses to all images, and not more.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import CancelledError, InvalidArgumentError, NoMatchingDataError
from laion_fmri.arguments import as_items
from laion_fmri.features.table import Features, some
from laion_fmri.ridge import (
    CentredResponses,
    DecomposedFeatures,
    Selection,
    fit,
    standards,
)
from laion_fmri.splits.catalogue import load_split
from laion_fmri.splits.response_blocks import ResponseBlocks
from laion_fmri.splits.split import Split

Progress = Callable[[float, str], None]
FEWEST_IMAGES = 3
"""Images on each side, for a correlation."""


class Steps:
    """Reports progress and cancels on request."""

    def __init__(
        self, n_steps: int, progress: Progress | None, cancel: threading.Event | None
    ) -> None:
        self._n_steps, self._n_done = n_steps, 0
        self._progress, self._cancel = progress, cancel

    def next(self, what: str) -> None:
        """Start the next step, or raise CancelledError."""
        if self._cancel is not None and self._cancel.is_set():
            raise CancelledError("The scoring was cancelled.")
        if self._progress is not None:
            self._progress(min(self._n_done / self._n_steps, 1.0), what)
        self._n_done += 1

    def end(self) -> None:
        """Report that everything is done."""
        if self._progress is not None:
            self._progress(1.0, "Done")


# --- sides ----------------------------------------------------------------------------------


def chosen_splits(
    splits: str | Split | Iterable[str | Split], pool: str, data_dir: Any
) -> dict[str, Split]:
    """Return splits by name.

    Raises
    ------
    InvalidArgumentError
        When there is none, or two different ones have the same name.
    UnknownNameError
    """
    listed = as_items(splits)
    if not listed:
        raise InvalidArgumentError("No split was given. Name at least one.")
    found: dict[str, Split] = {}
    for one in listed:
        split = one if isinstance(one, Split) else load_split(one, pool, data_dir=data_dir)
        if found.setdefault(split.name, split) is not split and found[split.name] != split:
            raise InvalidArgumentError(
                f"Two splits are called {split.name!r}. Score them one after the other."
            )
    return found


@dataclass(frozen=True, eq=False)
class Sides:
    """The images of a split that were shown and have features.

    Attributes
    ----------
    split : Split
    train, test : tuple of str
    train_rows, test_rows : ndarray of int
        Their rows in the responses.
    test_repeats : ndarray of int
        Number of trials with each test image.
    """

    split: Split
    train: tuple[str, ...]
    test: tuple[str, ...]
    train_rows: NDArray[np.intp]
    test_rows: NDArray[np.intp]
    test_repeats: NDArray[np.intp]

    @classmethod
    def of(cls, split: Split, models: Mapping[str, Features], blocks: ResponseBlocks) -> Sides:
        """Find the images of both sides that were shown and that all models have features of.

        Raises
        ------
        NoMatchingDataError
            When there are too few of a side.
        """
        place = {name: row for row, name in enumerate(blocks.names)}

        def usable(names: Iterable[str]) -> tuple[str, ...]:
            return tuple(
                n for n in names if n in place and all(n in one for one in models.values())
            )

        train, test = usable(split.train_ids), usable(split.test_ids)
        if min(len(train), len(test)) < FEWEST_IMAGES:
            raise NoMatchingDataError(
                f"Of {split.name} (pool {split.pool}) {len(train)} training and {len(test)} test "
                f"images were shown in these sessions and have features; {FEWEST_IMAGES} of each "
                "are the fewest. Use more sessions, or another pool."
            )
        train_rows, test_rows = (
            np.array([place[n] for n in side], dtype=np.intp) for side in (train, test)
        )
        return cls(split, train, test, train_rows, test_rows, blocks.n_repeats[test_rows])


def require_features(
    splits: Iterable[Split],
    models: Mapping[str, Features],
    blocks: ResponseBlocks,
    missing: str = "raise",
) -> None:
    """Check that every image of the splits that was shown has features in all models.

    Parameters
    ----------
    missing : {"raise", "omit"}
        Whether a gap is an error, or a warning: the images are then left out of all models.

    Raises
    ------
    InvalidArgumentError
    """
    shown = set(blocks.names)
    wanted = [n for split in splits for n in (*split.train_ids, *split.test_ids) if n in shown]
    for one in models.values():
        lacking = one.lacking(wanted)
        if not lacking:
            continue
        if missing == "raise":
            try:
                one.require(wanted)
            except InvalidArgumentError as error:
                raise InvalidArgumentError(
                    f'{error} missing="omit" leaves them out of all models.'
                ) from None
        warnings.warn(
            f"{len(lacking):,} images without features in {one.name!r} are left out of all "
            f"models: {some(lacking)}.",
            UserWarning,
            stacklevel=3,
        )


# --- models ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FitOfBlock:
    """A model's predictions in a block of voxels.

    Attributes
    ----------
    predicted : ndarray of float32, shape (n_test_images, n_voxels)
        Less the mean training response.
    penalty : ndarray of float32, shape (n_voxels,)
        NaN where there is none, or a training response is missing.
    weights : callable
        Returns the weights of the features, float32 of shape (n_features, n_voxels).
    """

    predicted: NDArray[np.floating]
    penalty: NDArray[np.float32]
    weights: Callable[[], NDArray[np.float32]] = field(repr=False)


class ModelOfSide(Protocol):
    """A model with the features of one split, to be fitted in blocks of voxels."""

    def fit_block(self, train: CentredResponses) -> FitOfBlock:
        """Fit on the training responses, and predict the test responses."""
        ...


MakeModel = Callable[[NDArray, NDArray, Mapping[str, slice]], ModelOfSide]
"""Makes a model of training features, test features and layers."""


class RidgeOfSide:
    """Ridge regression with the features of one split, standardised by the training images."""

    def __init__(
        self,
        x_train: NDArray,
        x_test: NDArray,
        penalties: NDArray[np.float64],
        selection: Selection,
    ) -> None:
        x_train, x_test = x_train.astype(np.float64), x_test.astype(np.float64)
        mean, self._scale = standards(x_train)
        self._features = DecomposedFeatures.of((x_train - mean) * self._scale)
        self._x_test = self._features.projected((x_test - mean) * self._scale)
        self._penalties, self._selection = penalties, selection

    def fit_block(self, train: CentredResponses) -> FitOfBlock:
        """Fit on the training responses, and predict the test responses."""
        found = fit(self._features, train, self._penalties, self._selection)
        with np.errstate(invalid="ignore", over="ignore"):
            predicted = self._x_test @ found.kept
        return FitOfBlock(
            predicted,
            found.penalty.astype(np.float32),
            lambda: self._features.weights(found.kept, self._scale),
        )


def ridge_models(penalties: NDArray[np.float64], selection: Selection) -> MakeModel:
    """Return what makes a ridge regression of features."""
    return lambda x_train, x_test, _: RidgeOfSide(x_train, x_test, penalties, selection)


# --- predictions ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PredictedBlock:
    """Measured and predicted test responses of a block of voxels on one split.

    Attributes
    ----------
    voxels : slice
    split : str
    measured : ndarray of float32, shape (n_test_images, n_voxels)
        Less the mean training response.
    centred : CentredResponses
        The same without their own mean.
    mean : ndarray of float64, shape (n_voxels,)
        The mean training response.
    is_known : ndarray of bool, shape (n_voxels,)
        Whether every image has a response.
    fits : mapping of str to FitOfBlock
        By model.
    """

    voxels: slice
    split: str
    measured: NDArray[np.float32]
    centred: CentredResponses
    mean: NDArray[np.float64]
    is_known: NDArray[np.bool_]
    fits: Mapping[str, FitOfBlock]


def predictions(
    blocks: ResponseBlocks,
    sides: Mapping[str, Sides],
    models: Mapping[str, Features],
    make: MakeModel,
    steps: Steps,
) -> Iterator[PredictedBlock]:
    """Fit all models on all splits, block by block.

    Parameters
    ----------
    blocks : ResponseBlocks
    sides : mapping of str to Sides
        By split.
    models : mapping of str to Features
    make : callable
        Makes the model of features, such as `ridge_models`.
    steps : Steps
    """
    prepared: dict[tuple[str, str], ModelOfSide] = {}
    for voxels, values in blocks.read(steps):
        for split, side in sides.items():
            steps.next(f"Fitting {split}")
            for name, one in models.items():
                if (name, split) not in prepared:
                    x_train, x_test = one.rows(side.train), one.rows(side.test)
                    prepared[name, split] = make(x_train, x_test, one.layers)
            train = CentredResponses.of(values[side.train_rows])
            with np.errstate(invalid="ignore", over="ignore"):
                measured = values[side.test_rows] - train.mean.astype(np.float32)
            centred = CentredResponses.of(measured)
            is_known = np.isfinite(train.squares) & np.isfinite(centred.squares)
            fits = {name: prepared[name, split].fit_block(train) for name in models}
            yield PredictedBlock(voxels, split, measured, centred, train.mean, is_known, fits)


def n_steps(blocks: ResponseBlocks, splits: Sequence[object] | Mapping[str, object]) -> int:
    """Return the number of steps of `predictions`."""
    return blocks.n_reads + blocks.n_blocks * len(splits)
