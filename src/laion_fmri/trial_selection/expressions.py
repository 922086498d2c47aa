"""Expressions over columns: a small grammar evaluated on arrays, without running code.

    session in (ses-01, ses-02) and repeats >= 4 and not dataset == OOD
    noun contains dog or caption contains "a red car"

The left side of a comparison is a column; the right side is a number, a quoted text, a bare word
or another column. ``==``, ``in`` and ``contains`` compare text by its characters and ignore case:
``code == 007`` is not ``code == 7``. Only ``<``, ``<=``, ``>`` and ``>=`` compare text with a bare
number by size; text that is not a number does not pass. A missing value equals nothing. A row with
several values in a column (nouns, captions) passes if one of them does.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, closest

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.exceptions import UnexpectedToken

Mask = NDArray[np.bool_]

MAX_LENGTH = 2_000  # characters
MAX_DEPTH = 50  # nested brackets and "not"s

_DIGITS = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_NUMBER = re.compile(_DIGITS, re.ASCII)
_GRAMMAR = rf"""
?start: all_of (_OR all_of)*          -> any_of
?all_of: part (_AND part)*
?part: _NOT part                      -> negation
     | "(" start ")"
     | WORD COMPARE value             -> comparison
     | WORD CONTAINS value            -> comparison
     | WORD _NOT CONTAINS value       -> negated_comparison
     | WORD IN _list                  -> comparison
     | WORD _NOT IN _list             -> negated_comparison
_list: "(" value ("," value)* ")" | "[" value ("," value)* "]"
?value: NUMBER | STRING | WORD

_AND.3: /and(?![\w.+-])/i
_OR.3: /or(?![\w.+-])/i
_NOT.3: /not(?![\w.+-])/i
IN.3: /in(?![\w.+-])/i
CONTAINS.3: /contains(?![\w.+-])/i
NUMBER.2: /{_DIGITS}(?![\w.+-])/
WORD: /[\w+][\w.+-]*/
STRING: /"[^"]*"|'[^']*'/
COMPARE: /[=!<>]=|[=<>]/
%ignore /\s+/
"""
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class ExpressionError(InvalidArgumentError):
    """Raised when an expression cannot be read or does not fit the columns.

    Parameters
    ----------
    problem : str
    text : str
        The expression.
    position : int
        Position of the error in characters, from 0.
    """

    def __init__(self, problem: str, text: str, position: int) -> None:
        self.position = position
        around = text[max(0, position - 20) : position + 20].replace("\n", " ")
        at = min(position, 20)
        where = f"at character {position + 1}: …{around[:at]}▸{around[at:]}…"
        super().__init__(f"{problem} ({where})" if text.strip() else problem)


@dataclass(frozen=True)
class Several:
    """A column with any number of strings per row.

    Attributes
    ----------
    values : tuple of str
        Strings, one entry per owner that has it.
    owners : ndarray of int, shape (n_values,)
        The owner (for example, an image) of each string.
    owner_of_row : ndarray of int, shape (n_rows,)
    n_owners : int
    """

    values: tuple[str, ...]
    owners: NDArray[np.intp]
    owner_of_row: NDArray[np.intp]
    n_owners: int

    def rows_where(self, passing: Mask) -> Mask:
        """Return the rows with any string that passes; shape (n_rows,)."""
        owner_passes = np.zeros(self.n_owners, dtype=bool)
        owner_passes[self.owners[passing]] = True
        return owner_passes[self.owner_of_row]


Column = NDArray | Several


def rows_that_pass(text: str, columns: Mapping[str, Column], n_rows: int) -> Mask:
    """Evaluate an expression for every row.

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

    Examples
    --------
    >>> import numpy as np
    >>> rows_that_pass("run > 1 and run < 4", {"run": np.arange(1, 6)}, 5)
    array([False,  True,  True, False, False])
    """

    def passes(node: Any) -> Mask:
        if node.data == "negation":
            return ~passes(node.children[0])
        if node.data in ("any_of", "all_of"):
            join = np.logical_or if node.data == "any_of" else np.logical_and
            return join.reduce([passes(part) for part in node.children])
        column, sign, *values = node.children
        mask = _Comparison(column, str(sign).lower(), values, columns, text).mask()
        return ~mask if node.data == "negated_comparison" else mask

    mask = passes(read_expression(text))
    assert mask.shape == (n_rows,)
    return mask


# --- reading ----------------------------------------------------------------------------


def read_expression(text: str) -> Tree:
    """Parse an expression.

    Returns
    -------
    lark.Tree

    Raises
    ------
    ExpressionError
        With the problem and its position.
    """
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"An expression has at most {MAX_LENGTH:,} characters", text, MAX_LENGTH
        )
    if not text.strip():
        raise ExpressionError("The expression is empty", text, 0)
    try:
        tokens = list(_parser().lex(text))
        _check_depth(tokens, text)
        return _parser().parse(text)
    except UnexpectedCharacters as error:
        position = int(error.pos_in_stream or 0)
        is_quote = text[position] in "\"'"
        problem = (
            "A quotation mark is never closed" if is_quote else f"{text[position]!r} means nothing"
        )
        raise ExpressionError(problem, text, position) from None
    except UnexpectedToken as error:
        position = len(text) if error.token.type == "$END" else _start(error.token)
        raise ExpressionError(_expected(error, tokens), text, position) from None


@functools.cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr", lexer="basic")


def _check_depth(tokens: list[Token], text: str) -> None:
    """Raise an error for deep nesting, which would exhaust the stack."""
    outer: list[int] = []  # depth around each open bracket
    depth = 0
    for token in tokens:
        if token.type == "LPAR":
            outer.append(depth)
        elif token.type == "RPAR" and outer:
            depth = outer.pop()
        elif token.type in ("_AND", "_OR"):
            depth = outer[-1] + 1 if outer else 0
        if token.type in ("LPAR", "_NOT"):
            depth += 1
        if depth > MAX_DEPTH:
            problem = f"More than {MAX_DEPTH} brackets and 'not's inside each other"
            raise ExpressionError(problem, text, _start(token))


def _expected(error: UnexpectedToken, tokens: list[Token]) -> str:
    """Describe what was expected in place of a token."""
    accepted = error.accepts or error.expected
    if {"_NOT", "LPAR"} <= accepted:
        return "Expected the name of a column"
    if "IN" in accepted:
        end = np.inf if error.token.type == "$END" else _start(error.token)
        before = [token for token in tokens if token.type == "WORD" and _start(token) < end]
        return f"Expected a comparison after {str(before[-1])!r} (==, <, in, contains …)"
    if "NUMBER" in accepted:
        return "Expected a number, a text or a column"
    if "LSQB" in accepted:
        return "Expected a list after 'in', as in: session in (ses-01, ses-02)"
    if "COMMA" in accepted:
        return f"The list is never closed: expected {')' if 'RPAR' in accepted else ']'!r}"
    if "RPAR" in accepted:
        return "A bracket is never closed: expected ')'"
    return f"Expected 'and' or 'or' before {str(error.token)!r}"


def _start(token: Token) -> int:
    return token.start_pos or 0


# --- comparing --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Comparison:
    """A comparison of a column with one value, or several for ``in``."""

    name: Token
    sign: str
    values: list[Token]
    columns: Mapping[str, Column]
    text: str

    def mask(self) -> Mask:
        column = self.columns.get(str(self.name))
        if column is None:
            near = closest(str(self.name), list(self.columns))
            known = f"There are: {', '.join(self.columns)}."
            hint = f"Did you mean {' or '.join(near)}?" if near else known
            raise self.error(f"There is no column {str(self.name)!r}. {hint}", self.name)
        if isinstance(column, Several):
            mask = column.rows_where(self.any_value(np.array(column.values, dtype=object), {}))
        else:
            mask = self.any_value(column, self.columns)
        return ~mask if self.sign == "!=" else mask

    def error(self, problem: str, token: Token) -> ExpressionError:
        return ExpressionError(problem, self.text, _start(token))

    def any_value(self, column: NDArray, others: Mapping[str, Column]) -> Mask:
        """Compare a column with any of the values, which may name one of `others`."""
        sign = {"=": "==", "!=": "==", "in": "=="}.get(self.sign, self.sign)
        is_text = column.dtype.kind not in "biuf"
        if sign == "contains" and not is_text:
            raise self.error(f"{self.name} holds numbers; 'contains' is for text", self.name)
        mask = np.zeros(len(column), dtype=bool)
        for value in self.values:
            is_word = value.type == "WORD" and _number(value) is None
            other = others.get(str(value)) if is_word else None
            array = other if isinstance(other, np.ndarray) else None
            if is_text:
                mask |= _compare_text(column, sign, value, array)
            else:
                mask |= _COMPARE[sign](column, self.number_or_column(value, array))
        return mask

    def number_or_column(self, value: Token, other: NDArray | None) -> float | NDArray:
        against = _number(_unquoted(value)) if other is None else other
        if against is None or (other is not None and other.dtype.kind not in "biuf"):
            problem = f"{self.name} holds numbers and cannot be compared with {_unquoted(value)!r}"
            raise self.error(problem, value)
        return against


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _unquoted(value: Token) -> str:
    return value[1:-1] if value.type == "STRING" else str(value)


def _compare_text(column: NDArray, sign: str, value: Token, other: NDArray | None) -> Mask:
    import pandas as pd

    if other is None:
        by_size = None if value.type == "STRING" else _number(value)
        codes, known = pd.factorize(np.asarray(column, dtype=object))
        good = [_text_passes(str(text), sign, _unquoted(value), by_size) for text in known]
        return np.array([*good, False], dtype=bool)[codes]  # missing values have the code -1
    passing = np.zeros(len(column), dtype=bool)
    for row in np.flatnonzero(~(pd.isna(column) | pd.isna(other))).tolist():
        passing[row] = _text_passes(str(column[row]), sign, str(other[row]), None)
    return passing


def _text_passes(text: str, sign: str, wanted: str, by_size: float | None) -> bool:
    if sign == "contains":
        return wanted.casefold() in text.casefold()
    if sign == "==":
        return wanted.casefold() == text.casefold()
    if by_size is None:
        return bool(_COMPARE[sign](text, wanted))
    number = _number(text.strip())
    return number is not None and bool(_COMPARE[sign](number, by_size))
