"""Filter expressions over columns: read into a tree of our own, never run as code.

    session in (ses-01, ses-02) and repeats >= 4 and not dataset == OOD
    noun contains dog or caption contains "a red car"

A comparison has a column on its left; on its right a number, a quoted text, a bare word or
another column. Text is compared by its characters, ``contains`` and ``==`` whatever the case.
A missing value equals nothing. A column that holds several values for a row (nouns,
captions) passes when any of them does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import closest
from laion_fmri.explorer.expression_reader import (
    Comparison,
    ExpressionError,
    Joined,
    Node,
    Not,
    Value,
    read_expression,
)

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Several:
    """A column with any number of texts for each row.

    Attributes
    ----------
    values : tuple of str
        Every text, each stored once for each of its owners.
    owners : ndarray of int, shape (n_values,)
        Which thing has the text.
    owner_of_row : ndarray of int, shape (n_rows,)
        The thing that each row shows.
    n_owners : int
    """

    values: tuple[str, ...]
    owners: NDArray[np.intp]
    owner_of_row: NDArray[np.intp]
    n_owners: int

    def rows_where(self, passing: Mask) -> Mask:
        """The rows one of whose texts passes; shape (n_rows,)."""
        owner_passes = np.zeros(self.n_owners, dtype=bool)
        owner_passes[self.owners[passing]] = True
        return owner_passes[self.owner_of_row]


Column = NDArray | Several

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def rows_that_pass(text: str, columns: Mapping[str, Column], n_rows: int) -> Mask:
    """Which rows an expression lets through.

    Parameters
    ----------
    text : str
    columns : mapping of str to ndarray of shape (n_rows,), or Several
    n_rows : int

    Returns
    -------
    ndarray of bool, shape (n_rows,)

    Raises
    ------
    ExpressionError
    """

    def passes(node: Node) -> Mask:
        if isinstance(node, Not):
            return ~passes(node.part)
        if isinstance(node, Joined):
            join = np.logical_and if node.word == "and" else np.logical_or
            return join.reduce([passes(part) for part in node.parts])
        return _compared(node, columns, text)

    mask = passes(read_expression(text))
    assert mask.shape == (n_rows,)
    return mask


def _compared(node: Comparison, columns: Mapping[str, Column], text: str) -> Mask:
    if node.column not in columns:
        near = closest(node.column, list(columns))
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(columns)}."
        raise ExpressionError(f"There is no column {node.column!r}. {hint}", text, node.position)
    column = columns[node.column]
    if isinstance(column, Several):
        values = np.array(column.values, dtype=object)
        if node.operation == "!=":
            return ~column.rows_where(_one_by_one(node, values, "==", {}, text))
        return column.rows_where(_one_by_one(node, values, node.operation, {}, text))
    if node.operation == "!=":
        return ~_one_by_one(node, column, "==", columns, text)
    return _one_by_one(node, column, node.operation, columns, text)


def _one_by_one(
    node: Comparison, column: NDArray, operation: str, columns: Mapping[str, Column], text: str
) -> Mask:
    """Compare a column of one value a row with each of the values of a comparison."""
    is_text = column.dtype.kind not in "biuf"
    if operation == "contains" and not is_text:
        raise ExpressionError(
            f"{node.column} holds numbers; 'contains' is for text", text, node.position
        )
    passing = np.zeros(len(column), dtype=bool)
    for value in node.values:
        other = _other_side(value, columns)
        if is_text:
            passing |= _text_passes(column, operation, other)
        else:
            passing |= _number_passes(column, operation, other, node.column, value, text)
    return passing


def _other_side(value: Value, columns: Mapping[str, Column]) -> float | str | NDArray:
    if isinstance(value.value, str) and not value.quoted:
        column = columns.get(value.value)
        if isinstance(column, np.ndarray):
            return column
    return value.value


def _number_passes(
    column: NDArray, operation: str, other: object, name: str, value: Value, text: str
) -> Mask:
    if isinstance(other, str) or (isinstance(other, np.ndarray) and other.dtype.kind not in "biuf"):
        raise ExpressionError(
            f"{name} holds numbers and cannot be compared with {value.value!r}",
            text,
            value.position,
        )
    return _COMPARE["==" if operation == "in" else operation](column, other)


def _text_passes(column: NDArray, operation: str, other: float | str | NDArray) -> Mask:
    known, codes = _distinct(column)
    if isinstance(other, np.ndarray):
        left, right = np.array(known, dtype=object)[codes], other.astype(str)
        pairs = zip(left, right, codes >= 0, strict=True)
        compare = _COMPARE.get("==" if operation == "in" else operation)
        if compare is None:
            return np.array([here and b.casefold() in a.casefold() for a, b, here in pairs])
        return np.array([bool(here and compare(a, b)) for a, b, here in pairs], dtype=bool)
    wanted = f"{other:g}" if isinstance(other, float) else other
    folded = wanted.casefold()
    if operation == "contains":
        good = [folded in text.casefold() for text in known]
    elif operation in ("==", "in"):
        good = [folded == text.casefold() for text in known]
    else:
        good = [bool(_COMPARE[operation](text, wanted)) for text in known]
    return np.array([*good, False], dtype=bool)[codes]


def _distinct(column: NDArray) -> tuple[list[str], NDArray[np.intp]]:
    """The distinct texts of a column and the one of each row; -1 where it is missing."""
    import pandas as pd

    codes, known = pd.factorize(np.asarray(column, dtype=object))
    return [str(text) for text in known], codes
