"""Conversion of names of images, models and nouns to text."""

from __future__ import annotations

import math
from typing import Any

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.arguments import as_items, as_scalar


def as_name(value: Any, kind: str = "image") -> str:
    """Convert a name to str.

    Parameters
    ----------
    value : str, bytes or 0-d array
        Bytes, as in h5py and numpy's ``S`` arrays, are UTF-8.
    kind : str
        The kind of name, for messages.

    Raises
    ------
    InvalidArgumentError
        When it is not text or UTF-8 bytes.
    """
    name = as_scalar(value)
    if isinstance(name, str):
        return str(name)  # also for numpy.str_
    raise InvalidArgumentError(f"{value!r} is no {kind} name. Give text, or bytes that are UTF-8.")


def as_names(values: Any, kind: str = "image") -> list[str]:
    """Convert names to a list of str.

    Parameters
    ----------
    values : iterable of str or bytes, array, Series, Index, HDF5 dataset, or one name
    kind : str
        The kind of names, for messages.

    Raises
    ------
    InvalidArgumentError
        When an item is not a name (missing, a number), or `values` has several axes.
    """
    return [value if type(value) is str else as_name(value, kind) for value in _items(values)]


def as_labels(values: Any, kind: str = "image") -> list[str | None]:
    """Convert names as `as_names` does, with missing values (None, NaN, NA) as None."""
    return [
        value if type(value) is str else None if _is_missing(value) else as_name(value, kind)
        for value in _items(values)
    ]


def _items(values: Any) -> list[Any]:
    # Iterating over an HDF5 dataset would read from disk once per name.
    return as_items(values[:] if hasattr(values, "asstr") else values)


def _is_missing(value: object) -> bool:
    is_nan = isinstance(value, float) and math.isnan(value)
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")
