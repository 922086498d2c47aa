from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laion_fmri.trial_selection.expressions import (
    MAX_DEPTH,
    MAX_LENGTH,
    ExpressionError,
    Several,
    read_expression,
    rows_that_pass,
)

COLUMNS = {
    "session": np.array(["ses-01", "ses-01", "ses-02", "ses-02"], dtype=object),
    "dataset": np.array(["NSD", "OOD", "NSD", None], dtype=object),
    "run": np.array([1, 2, 3, 4]),
    "repeat": np.array([1, 2, 3, 1]),
    "score": np.array([0.5, np.nan, -1.0, 2.0]),
    "coco": np.array(["COCO 1234565", "391895", None, "1234565"], dtype=object),
    "code": np.array(["007", "7", "07", np.nan], dtype=object),
    "version": np.array(["5.10", "5.1", "5.9", "x"], dtype=object),
    "odd": np.array(["nan", "None", None, "inf"], dtype=object),
    "noun": Several(
        ("dog", "fire truck", "dog"), np.array([0, 0, 1]), np.array([0, 1, 2, 0]), n_owners=3
    ),
}


def passing(text: str) -> list[int]:
    return np.flatnonzero(rows_that_pass(text, COLUMNS, 4)).tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("run == 2", [1]),
        ("run = 2", [1]),
        ("run != 2", [0, 2, 3]),
        ("run >= 2 and run < 4", [1, 2]),
        ("session == ses-02", [2, 3]),
        ("session == 'SES-02'", [2, 3]),
        ("session in (ses-01, 'ses-09')", [0, 1]),
        ("run in [1, 4]", [0, 3]),
        ("session not in (ses-01)", [2, 3]),
        ("dataset contains sd", [0, 2]),
        ("dataset not contains sd", [1, 3]),
        ("dataset == NSD", [0, 2]),
        ("dataset != NSD", [1, 3]),  # what is missing equals nothing
        ("score < 1", [0, 2]),
        ("score == -1", [2]),
        ("not score < 1", [1, 3]),
        ("run == repeat", [0, 1, 2]),
        ("session > ses-01", [2, 3]),
        ("run == 1 or run == 2 and session == ses-02", [0]),
        ("(run == 1 or run == 2) and session == ses-01", [0, 1]),
        ("not (run == 1 or run == 2)", [2, 3]),
        ("NOT run == 1 AND run < 3", [1]),
        ("noun == dog", [0, 1, 3]),
        ("noun != dog", [2]),
        ("noun contains TRUCK", [0, 3]),
        ('noun in ("fire truck", cat)', [0, 3]),
        ("not noun contains o", [2]),
        ("coco contains 1234565", [0, 3]),
        ("coco == 1234565", [3]),
        ("coco in (391895, 1234565)", [1, 3]),
        ("coco != 391895", [0, 2, 3]),
        ("code == 007", [0]),
        ("code == 7", [1]),
        ("code contains 07", [0, 2]),
        ("code == '007'", [0]),
        ("code < 8", [0, 1, 2]),
        ("version == 5.10", [0]),
        ("version == 5.1", [1]),
        ("version >= 5.5", [2]),
        ("version < '5.2'", [0, 1]),
        ("odd == nan", [0]),
        ("odd == None", [1]),
        ("odd in (inf, nan)", [0, 3]),
        ("code == version", []),
        ("coco == code", []),
        ("dataset == session or dataset == dataset", [0, 1, 2]),
        ("run == '2'", [1]),
        ("score > '0.4'", [0, 3]),
    ],
)
def test_expressions_let_the_right_rows_through(text, rows):
    assert passing(text) == rows


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("", 0, "empty"),
        ("run ==", 6, "Expected a number"),
        ("run == 1 and", 12, "Expected the name of a column"),
        ("run 3", 4, "Expected a comparison after 'run'"),
        ("runn == 3", 0, "Did you mean run"),
        ("run == 1 run == 2", 9, "Expected 'and' or 'or'"),
        ("(run == 1", 9, "never closed"),
        ("session in ses-01", 11, "Expected a list"),
        ("session in (ses-01", 18, "never closed"),
        ("session == 'ses-01", 11, "quotation mark"),
        ("run == ses-01", 7, "holds numbers"),
        ("run contains 3", 0, "'contains' is for text"),
        ("run == 1; import os", 8, "means nothing"),
        ("__import__('os').system('x') == 1", 16, "means nothing"),
        ("session.__class__ == 1", 0, "no column"),
        ("run == 1 and (lambda: 0)()", 20, "means nothing"),
    ],
)
def test_errors_say_what_and_where(text, position, says):
    with pytest.raises(ExpressionError) as error:
        rows_that_pass(text, COLUMNS, 4)
    said = str(error.value)
    assert (says in said, error.value.position) == (True, position)
    if text:
        assert f"character {error.value.position + 1}" in said


def test_endless_and_bottomless_expressions_are_refused():
    with pytest.raises(ExpressionError, match="at most"):
        read_expression("run == 1 or " * MAX_LENGTH)
    for opening in ("(", "not "):
        with pytest.raises(ExpressionError, match="inside each other"):
            read_expression(opening * (MAX_DEPTH + 5) + "run == 1")


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_whatever_is_typed_is_read_or_refused_readably(text):
    try:
        rows_that_pass(text, COLUMNS, 4)
    except ExpressionError as error:
        assert 0 <= error.position <= len(text)
        assert str(error)


WORDS = """run session noun dataset == != < ( ) [ ] , in contains not and or 3 -1.5 'x' " ses-01"""
words = st.sampled_from(WORDS.split(" "))


@given(st.lists(words, max_size=25))
@settings(max_examples=300, deadline=None)
def test_words_in_any_order_are_read_or_refused_readably(parts):
    try:
        rows_that_pass(" ".join(parts), COLUMNS, 4)
    except ExpressionError as error:
        assert str(error)


comparisons = st.one_of(
    st.tuples(
        st.sampled_from(["run", "repeat"]),
        st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
        st.integers(0, 5).map(str),
    ),
    st.tuples(st.just("session"), st.sampled_from(["==", "!="]), st.just("'ses-01'")),
)
trees = st.recursive(
    comparisons.map(" ".join),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda t: f"({t[0]}) {t[1]} ({t[2]})"
        ),
        inner.map(lambda t: f"not ({t})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), comparisons.map(" ".join)).map(
            lambda t: f"{t[0]} {t[1]} {t[2]}"
        ),
    ),
    max_leaves=8,
)


@given(trees)
@settings(max_examples=200, deadline=None)
def test_the_rules_of_precedence_are_pythons(text):
    expected = [
        row
        for row in range(4)
        if eval(text, {}, {n: COLUMNS[n][row] for n in ("run", "repeat", "session")})
    ]
    assert passing(text) == expected
