"""Parsing of arguments that are names or numbers: scalars, arrays or lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from laion_fmri._errors import InvalidArgumentError, UnknownNameError

T = TypeVar("T", bound=str)


def as_scalar(value: Any) -> Any:
    """Convert a numpy scalar or 0-d array to a Python value, and bytes to str.

    Other values are returned unchanged.
    """
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value


def is_single(value: Any) -> bool:
    """Whether an argument is a single value, not a collection."""
    value = as_scalar(value)
    return isinstance(value, str | bytes) or not isinstance(value, Iterable)


def as_items(value: Any) -> list[Any]:
    """Return the values of an argument that may be one or many.

    Parameters
    ----------
    value : scalar, or iterable of scalars
        A list, tuple, array, Series, Index, dict (its keys), generator, or a set, which is sorted
        for a stable order.

    Raises
    ------
    InvalidArgumentError
        When it is an array or a table with several axes.
    """
    if is_single(value):
        return [as_scalar(value)]
    if getattr(value, "ndim", 1) != 1:
        raise InvalidArgumentError(
            f"A list or an array of one axis was expected; this {type(value).__name__} has the "
            f"shape {value.shape}."
        )
    values = [as_scalar(one) for one in value]
    return sorted(values, key=str) if isinstance(value, set | frozenset) else values


def is_word(values: Sequence[Any], word: str) -> bool:
    """Whether an argument, parsed by `as_items`, is one special word such as ``"all"``."""
    return len(values) == 1 and isinstance(values[0], str) and values[0] == word


def whole_number(value: Any) -> int | None:
    """Convert an int or whole float of 0 or more to int; None for anything else."""
    value = as_scalar(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if value >= 0 and value == value // 1 else None
    return None


def number_of_jobs(n_jobs: Any) -> int:
    """Return the number of jobs to run in parallel; -1 is one for each processor.

    Raises
    ------
    InvalidArgumentError
        When it is neither a whole number of 1 or more nor -1.
    """
    if as_scalar(n_jobs) == -1:
        return os.cpu_count() or 1
    number = whole_number(n_jobs)
    if not number:
        raise InvalidArgumentError(
            f"n_jobs={n_jobs!r} is no number of jobs. Give 1 or more, or -1 for one for each "
            "processor."
        )
    return number


def number_of_samples(name: str, value: Any, fewest: int = 0) -> int:
    """Return an argument that is a number of samples.

    Raises
    ------
    InvalidArgumentError
        When it is no whole number, or fewer than `fewest`.
    """
    number = whole_number(value)
    if number is None or number < fewest:
        raise InvalidArgumentError(f"{name}={value!r}: give a whole number, {fewest} or more.")
    return number


def checked_seed(seed: Any) -> int:
    """Return an argument that is the seed of random numbers.

    Raises
    ------
    InvalidArgumentError
        When it is no whole number from 0 to 2³² - 1, which all libraries take.
    """
    number = whole_number(seed)
    if number is None or number >= 2**32:
        raise InvalidArgumentError(f"seed is a whole number from 0 to 2³² - 1, not {seed!r}.")
    return number


def yes_or_no(name: str, value: Any) -> bool:
    """Return an argument that is True or False; 1 and 0 are taken too.

    Raises
    ------
    InvalidArgumentError
        For anything else: the text ``"no"`` would count as true.
    """
    choice = as_scalar(value)
    if isinstance(choice, int) and choice in (0, 1):
        return bool(choice)
    raise InvalidArgumentError(f"{name}={value!r} is neither True nor False.")


def fraction(name: str, value: Any) -> float:
    """Return an argument that is a number between 0 and 1, both excluded.

    Raises
    ------
    InvalidArgumentError
    """
    number = as_scalar(value)
    if isinstance(number, int | float) and 0 < number < 1:
        return float(number)
    raise InvalidArgumentError(f"{name}={value!r} is not between 0 and 1.")


def one_of(kind: str, value: Any, known: Sequence[T], advice: str = "") -> T:
    """Return the known name that matches an argument.

    Parameters
    ----------
    kind : str
        The kind of name, for messages.
    value : str, or scalar or array that holds one
    known : sequence of str
    advice : str
        What to do next, for the error message.

    Raises
    ------
    UnknownNameError
    """
    name = as_scalar(value)
    if isinstance(name, str):
        for one in known:
            if name == one:
                return one
    raise UnknownNameError(kind, name, known, advice)


def same_number(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that differ from `name` only in leading zeros or case.

    People write ``"ses-1"`` for ``"ses-01"``.
    """
    wanted = _unpadded(name)
    return [one for one in known if _unpadded(one) == wanted]


def _unpadded(name: str) -> tuple[str, str]:
    stem = name.rstrip("0123456789")
    return stem.lower(), name[len(stem) :].lstrip("0")
