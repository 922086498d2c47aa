"""A table of features: one row an image, in one or several feature spaces."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.arguments import whole_number
from laion_fmri.names import as_names

_SHOWN = 3  # names in a message


@dataclass(frozen=True, eq=False)
class Features:
    """Features of images.

    Attributes
    ----------
    name : str
    images : tuple of str
        The image of each row, as the dataset names it.
    values : ndarray of float16, float32 or float64, shape (n_images, n_features)
        In the precision that was given.
    layers : mapping of str to slice
        Columns of each feature space; empty for a single one.

    Raises
    ------
    InvalidArgumentError
        When the values are no array of floating-point numbers, there is no image, rows and names
        differ in number, an image occurs twice, a value is no finite number, or a layer has no
        columns or those of another.
    """

    name: str
    images: tuple[str, ...]
    values: NDArray[np.floating]
    layers: Mapping[str, slice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.values, np.ndarray) or self.values.dtype.kind != "f":
            raise InvalidArgumentError(
                f"The values of the features {self.name!r} are no array of floating-point numbers. "
                "Features.of(values, images) makes one."
            )
        object.__setattr__(self, "images", tuple(as_names(self.images)))
        shape = self.values.shape
        if self.values.ndim != 2 or not shape[1]:
            raise InvalidArgumentError(
                f"The features {self.name!r} have the shape {shape}. Give one row an image and at "
                "least one column."
            )
        if shape[0] != len(self.images):
            raise InvalidArgumentError(
                f"The features {self.name!r} have {shape[0]:,} rows and {len(self.images):,} image "
                "names. Give one name a row, in the same order."
            )
        if not self.images:
            raise InvalidArgumentError(
                f"The features {self.name!r} have no image. Give at least one row."
            )
        if len(self._row_of) != len(self.images):
            twice = {n for row, n in enumerate(self.images) if self._row_of[n] != row}
            raise InvalidArgumentError(
                f"The features {self.name!r} have several rows of {some(sorted(twice))}. Keep one "
                "row an image."
            )
        bad = np.flatnonzero(~np.isfinite(self.values).all(axis=1))
        if len(bad):
            raise InvalidArgumentError(
                f"The features {self.name!r} hold NaN or infinite values for "
                f"{some([self.images[row] for row in bad])}. Correct them, or leave these images "
                "out."
            )
        object.__setattr__(self, "layers", _checked_layers(self.name, self.layers, shape[1]))

    @classmethod
    def of(
        cls,
        values: ArrayLike,
        images: Iterable[str],
        name: str = "features",
        layers: Mapping[str, slice] | None = None,
    ) -> Features:
        """Make features of an array.

        Parameters
        ----------
        values : array, shape (n_images, ...)
            Real numbers; further axes are flattened. Integers become float32.
        images : iterable of str
            The image of each row.
        name : str
        layers : mapping of str to slice, optional

        Raises
        ------
        InvalidArgumentError
            As the class, and when the values are not real numbers.

        Warns
        -----
        UserWarning
            When a column is the same for all images, so that no model can use it.
        """
        try:
            array = np.asarray(values)
        except (TypeError, ValueError, RuntimeError) as error:  # rows of several lengths, tensors
            raise InvalidArgumentError(
                f"The features {name!r} do not make an array ({str(error).splitlines()[0]}). Give "
                "an array with one row an image."
            ) from error
        if array.dtype.kind not in "biuf" or array.ndim < 1:
            raise InvalidArgumentError(
                f"The features {name!r} are of type {array.dtype} and shape {array.shape}. Give "
                "an array of real numbers with one row an image."
            )
        if array.dtype.kind != "f" or array.dtype.itemsize > np.dtype(np.float64).itemsize:
            array = array.astype(np.float64 if array.dtype.kind == "f" else np.float32)
        array = array.reshape(len(array), -1) if array.size else array
        found = cls(name, tuple(as_names(images)), array, layers or {})
        if n_constant := found.n_constant:
            warnings.warn(
                f"{n_constant:,} of {found.n_features:,} columns of the features {name!r} are the "
                "same for all images. No model can use them.",
                UserWarning,
                stacklevel=2,
            )
        return found

    @classmethod
    def joined(cls, parts: Mapping[str, Features], name: str | None = None) -> Features:
        """Join several features as feature spaces side by side, on the images that all have.

        Parameters
        ----------
        parts : mapping of str to Features
            By the name of the feature space.
        name : str, optional
            By default, the names of the parts.

        Warns
        -----
        UserWarning
            When the parts have different images.
        """
        return _joined(parts, name)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.images)}

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self.values.shape[1]

    @property
    def n_constant(self) -> int:
        """Number of columns that are the same for all images."""
        return int((self.values == self.values[:1]).all(axis=0).sum())

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def __contains__(self, image: object) -> bool:
        """Whether an image has features."""
        return image in self._row_of

    def lacking(self, images: Iterable[str]) -> list[str]:
        """Return the images without features, in order and without duplicates."""
        return [name for name in dict.fromkeys(images) if name not in self._row_of]

    def rows(self, images: Sequence[str]) -> NDArray[np.floating]:
        """Return the features of images, in their order; shape (n, n_features).

        Raises
        ------
        InvalidArgumentError
            When an image has none.
        """
        self.require(images)
        return self.values[[self._row_of[name] for name in images]]

    def require(self, images: Iterable[str]) -> None:
        """Check that images have features.

        Raises
        ------
        InvalidArgumentError
            With the number of images without features, and some of their names.
        """
        wanted = list(dict.fromkeys(images))
        lacking = self.lacking(wanted)
        if not lacking:
            return
        if len(lacking) == len(wanted):
            raise InvalidArgumentError(
                f"None of the {len(wanted):,} images has features in {self.name!r}, whose images "
                f"are named as {self.images[0]!r}; the dataset's as {lacking[0]!r}. Name the rows "
                "as the column image_name of the metadata does."
            )
        raise InvalidArgumentError(
            f"The features {self.name!r} lack {len(lacking):,} of {len(wanted):,} images: "
            f"{some(lacking)}. Add them, or choose images that have features."
        )

    def select(self, images: Sequence[str]) -> Features:
        """Return the features of some images, in their order."""
        return Features(self.name, tuple(images), self.rows(images), self.layers)

    def layer(self, name: str) -> Features:
        """Return one feature space.

        Raises
        ------
        UnknownNameError
        """
        if name not in self.layers:
            raise UnknownNameError(f"layer of {self.name!r}:", name, self.layers)
        return Features(name, self.images, self.values[:, self.layers[name]])

    def __repr__(self) -> str:
        layers = f" in {len(self.layers)} layers" if self.layers else ""
        return (
            f"<Features {self.name!r}: {len(self):,} images x {self.n_features:,} features"
            f"{layers}, {self.values.dtype}>"
        )


def _checked_layers(name: str, layers: object, n_features: int) -> dict[str, slice]:
    """Return the columns of each feature space, with numbers at both ends."""
    if not isinstance(layers, Mapping):
        raise InvalidArgumentError(
            f"The layers of the features {name!r} are no mapping. Give names and slices of columns."
        )
    found: dict[str, slice] = {}
    for layer, columns in layers.items():
        start = stop = None
        if isinstance(columns, slice) and columns.step in (None, 1):
            start = 0 if columns.start is None else whole_number(columns.start)
            stop = n_features if columns.stop is None else whole_number(columns.stop)
        if start is None or stop is None or not start < stop <= n_features:
            raise InvalidArgumentError(
                f"The layer {layer!r} of the features {name!r} is {columns!r}. Give a slice of the "
                f"{n_features:,} columns, from 0, with at least one column and no step."
            )
        for other, taken in found.items():
            if start < taken.stop and taken.start < stop:
                raise InvalidArgumentError(
                    f"The layers {other!r} and {layer!r} of the features {name!r} have columns in "
                    "common. Give each column to one layer."
                )
        found[str(layer)] = slice(start, stop)
    return found


def _joined(parts: Mapping[str, Features], name: str | None) -> Features:
    if not parts:
        raise InvalidArgumentError("No features were given. Give at least one.")
    title = name or " + ".join(parts)
    first, *others = parts.values()
    images = [n for n in first.images if all(n in other for other in others)]
    most = max(len(part.images) for part in parts.values())
    if not images:
        raise InvalidArgumentError(
            f"The features {', '.join(parts)} have no image in common. Are the names of one "
            "of them those of the dataset?"
        )
    if len(images) < most:
        warnings.warn(
            f"The features {', '.join(parts)} have {len(images):,} images in common, of up to "
            f"{most:,}. The others are left out.",
            UserWarning,
            stacklevel=3,
        )
    layers, begin = {}, 0
    for key, part in parts.items():
        for layer, columns in (part.layers or {"": slice(0, part.n_features)}).items():
            label = f"{key}/{layer}" if layer else key
            layers[label] = slice(begin + columns.start, begin + columns.stop)
        begin += part.n_features
    values = np.hstack([part.rows(images) for part in parts.values()])
    return Features(title, tuple(images), values, layers)


def some(names: Sequence[str]) -> str:
    """List a few names, and say how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
