"""Reading filter expressions into a tree; nothing of one is ever run as code."""

from __future__ import annotations

import re
from dataclasses import dataclass

from laion_fmri._errors import InvalidArgumentError

LONGEST = 2_000  # characters
DEEPEST = 50  # brackets and "not"s inside each other


class ExpressionError(InvalidArgumentError):
    """An expression cannot be read, or does not fit the columns.

    Parameters
    ----------
    problem : str
    text : str
        The expression.
    position : int
        The character at which it goes wrong, counted from 0.
    """

    def __init__(self, problem: str, text: str, position: int) -> None:
        self.position = position
        around = text[max(0, position - 20) : position + 20].replace("\n", " ")
        at = min(position, 20)
        where = f"at character {position + 1}: …{around[:at]}▸{around[at:]}…"
        super().__init__(f"{problem} ({where})" if text.strip() else problem)


# --- the tree ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Value:
    """A number, a text or a bare word, and where it stands."""

    value: float | str
    position: int
    quoted: bool = False


@dataclass(frozen=True)
class Comparison:
    """A column compared with values; with several only for ``in``."""

    column: str
    operation: str
    values: tuple[Value, ...]
    position: int


@dataclass(frozen=True)
class Not:
    """What does not pass."""

    part: Node


@dataclass(frozen=True)
class Joined:
    """Parts that must all pass (``and``), or one of them (``or``)."""

    word: str
    parts: tuple[Node, ...]


Node = Comparison | Not | Joined


# --- reading ----------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.+-]))
    | (?P<word>[\w+][\w.+-]*)
    | (?P<text>"[^"]*"|'[^']*')
    | (?P<sign>==|!=|<=|>=|=|<|>|\(|\)|\[|\]|,)
    )""",
    re.VERBOSE,
)
_KEYWORDS = ("and", "or", "not", "in", "contains")
_SIGNS = ("==", "!=", "<=", ">=", "=", "<", ">")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


def _tokens(text: str) -> list[_Token]:
    found = []
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            place += len(text[place:]) - len(text[place:].lstrip())
            what = (
                "A quotation mark is never closed"
                if text[place] in "\"'"
                else f"{text[place]!r} means nothing here"
            )
            raise ExpressionError(what, text, place)
        kind = str(match.lastgroup)
        word = match[kind]
        if kind == "word" and word.lower() in _KEYWORDS:
            kind, word = "keyword", word.lower()
        found.append(_Token(kind, word, match.start(str(match.lastgroup))))
        place = match.end()
    return [*found, _Token("end", "", len(text))]


class _Reader:
    """Reads tokens from left to right: ``or`` binds weakest, then ``and``, then ``not``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.place = 0
        self.depth = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.place]

    def take(self, *texts: str) -> _Token | None:
        """The next token if it is one of these signs or keywords."""
        token = self.token
        if token.kind not in ("sign", "keyword") or token.text not in texts:
            return None
        self.place += 1
        return token

    def fail(self, problem: str) -> ExpressionError:
        return ExpressionError(problem, self.text, self.token.position)

    def whole(self) -> Node:
        node = self.joined("or")
        if self.token.kind != "end":
            raise self.fail(f"Expected 'and' or 'or' before {self.token.text!r}")
        return node

    def joined(self, word: str) -> Node:
        part = self.negated if word == "and" else lambda: self.joined("and")
        parts = [part()]
        while self.take(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def negated(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fail(f"More than {DEEPEST} brackets and 'not's inside each other")
        try:
            if self.take("not"):
                return Not(self.negated())
            if self.take("("):
                inside = self.joined("or")
                if not self.take(")"):
                    raise self.fail("A bracket is never closed: expected ')'")
                return inside
            return self.comparison()
        finally:
            self.depth -= 1

    def comparison(self) -> Node:
        column = self.token
        if column.kind != "word":
            raise self.fail("Expected the name of a column")
        self.place += 1
        if sign := self.take(*_SIGNS):
            operation = "==" if sign.text == "=" else sign.text
            return Comparison(column.text, operation, (self.value(),), column.position)
        turned = self.take("not")
        if word := self.take("in", "contains"):
            values = self.listed() if word.text == "in" else (self.value(),)
            found = Comparison(column.text, word.text, values, column.position)
            return Not(found) if turned else found
        raise self.fail(f"Expected a comparison after {column.text!r} (==, <, in, contains …)")

    def value(self) -> Value:
        token = self.token
        if token.kind not in ("number", "word", "text"):
            raise self.fail("Expected a number, a text or a column")
        self.place += 1
        if token.kind == "number":
            return Value(float(token.text), token.position)
        if token.kind == "text":
            return Value(token.text[1:-1], token.position, quoted=True)
        return Value(token.text, token.position)

    def listed(self) -> tuple[Value, ...]:
        opening = self.take("(", "[")
        if opening is None:
            raise self.fail("Expected a list after 'in', as in: session in (ses-01, ses-02)")
        closing = ")" if opening.text == "(" else "]"
        values = [self.value()]
        while self.take(","):
            values.append(self.value())
        if not self.take(closing):
            raise self.fail(f"The list is never closed: expected {closing!r}")
        return tuple(values)


def read_expression(text: str) -> Node:
    """An expression as a tree.

    Raises
    ------
    ExpressionError
        Which says what is wrong and where.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"An expression has at most {LONGEST:,} characters", text, LONGEST)
    if not text.strip():
        raise ExpressionError("The expression is empty", text, 0)
    return _Reader(text).whole()
