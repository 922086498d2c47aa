"""Names and numbers out of whatever holds them."""

from __future__ import annotations

import contextlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError, LaionFmriError, UnknownNameError
from laion_fmri.arguments import (
    as_items,
    as_scalar,
    checked_seed,
    fraction,
    is_single,
    number_of_jobs,
    number_of_samples,
    one_of,
    same_number,
    whole_number,
    yes_or_no,
)

NAMES = st.text("abcXYZ019-_", min_size=1, max_size=8)
CONTAINERS = [
    list, tuple, iter, np.array, pd.Series, pd.Index, pd.Categorical, dict.fromkeys,
    lambda values: dict.fromkeys(values).keys(), lambda values: (one for one in values),
    lambda values: np.array(values, dtype=object), lambda values: [np.str_(v) for v in values],
    lambda values: [np.array(v) for v in values], lambda values: [v.encode() for v in values],
    lambda values: np.array(values, dtype="S"),
]  # fmt: skip
SINGLE = [str, np.str_, np.array, str.encode, np.bytes_]


@given(st.lists(NAMES, max_size=4, unique=True), st.sampled_from(CONTAINERS))
def test_many_names(names, container):
    found = as_items(container(names))
    assert found == names
    assert all(type(name) is str for name in found)


@given(NAMES, st.sampled_from(SINGLE))
def test_one_name(name, kind):
    assert is_single(kind(name))
    assert as_items(kind(name)) == [name]
    assert type(as_scalar(kind(name))) is str


@given(st.sets(NAMES))
def test_sets_have_one_order(names):
    assert as_items(names) == as_items(frozenset(names)) == sorted(names)


@given(
    st.integers(0, 999),
    st.sampled_from([int, float, np.int8, np.uint16, np.int64, np.float32, np.array]),
)
def test_numbers_of_subjects_and_sessions(number, kind):
    if kind is np.int8:
        number %= 100
    value = kind(number)
    assert whole_number(value) == number
    assert layout.session_id(value) == f"ses-{number:02d}"
    assert layout.subject_id(value) == f"sub-{number:02d}"
    assert layout.as_list([value, "x"], "run") == [f"{number:02d}", "x"]


@pytest.mark.parametrize(
    "bad",
    [True, np.True_, 1.5, -1, np.nan, np.inf, None, [], [1], [["ses-01"]], {}, "", "ses-", "a b",
     b"\xff", object(), np.array([1, 2]), pd.NA, pd.NaT],
)  # fmt: skip
def test_what_is_no_session_and_no_subject(bad):
    for ask in (layout.session_id, layout.subject_id, layout.resolve_subject_id):
        with pytest.raises(LaionFmriError, match="identifier"):
            ask(bad)


def test_a_subject_that_is_resolved_is_text():
    assert layout.resolve_subject_id(np.array("03")) == "sub-03"
    with pytest.raises(LaionFmriError, match="identifier"):
        layout.resolve_subject_id(3)


@pytest.mark.parametrize("bad", [np.array([["a"]]), pd.DataFrame({"a": ["b"]}), np.zeros((2, 0))])
def test_several_axes_are_refused(bad):
    with pytest.raises(InvalidArgumentError, match="one axis"):
        as_items(bad)


def test_one_of_some_names():
    known = ("left", "right")
    assert [one_of("side", one, known) for one in ("left", np.array("right"))] == list(known)
    for bad in ("up", ["left"], np.array(["left", "right"]), None, 3, pd.NA, pd.Series(["left"])):
        with pytest.raises(UnknownNameError, match="Unknown side"):
            one_of("side", bad, known)


def test_numbers_of_jobs():
    assert [number_of_jobs(n) for n in (1, 2.0, np.int64(3))] == [1, 2, 3]
    assert number_of_jobs(-1) == number_of_jobs(np.array(-1)) >= 1
    for bad in (0, -2, 1.5, None, "2", True):
        with pytest.raises(InvalidArgumentError, match="n_jobs"):
            number_of_jobs(bad)


def test_numbers_of_samples_and_fractions():
    assert [number_of_samples("n", n) for n in (0, 2.0, np.int64(3))] == [0, 2, 3]
    for bad in (-1, 1.5, None, "2", True):
        with pytest.raises(InvalidArgumentError, match=r"n=.*whole number, 0 or more"):
            number_of_samples("n", bad)
    with pytest.raises(InvalidArgumentError, match="1 or more"):
        number_of_samples("n", 0, fewest=1)
    assert fraction("confidence", np.float32(0.5)) == 0.5
    for bad in (0, 1, 95, np.nan, None, "0.5"):
        with pytest.raises(InvalidArgumentError, match="confidence"):
            fraction("confidence", bad)


def test_seeds():
    assert [checked_seed(n) for n in (0, 2.0, np.int64(3), 2**32 - 1)] == [0, 2, 3, 2**32 - 1]
    for bad in (-1, "a", None, 1.5, True, 2**32, [1]):
        with pytest.raises(InvalidArgumentError, match="seed is a whole number"):
            checked_seed(bad)


def test_yes_or_no():
    assert [yes_or_no("average", one) for one in (True, np.bool_(False), 1, 0)] == [1, 0, 1, 0]
    for bad in ("no", "", None, 2, 1.0, [True]):
        with pytest.raises(InvalidArgumentError, match=r"average=.* neither True nor False"):
            yes_or_no("average", bad)


def test_names_that_differ_in_their_zeros():
    known = ["ses-01", "ses-10", "ses-PrismaAnat"]
    assert same_number("ses-1", known) == same_number("ses-001", known) == ["ses-01"]
    assert same_number("ses-prismaanat", known) == ["ses-PrismaAnat"]
    assert same_number("ses-2", known) == same_number("ses-100", known) == []
    assert layout.sessions_like("10", known) == ["ses-10"]


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.binary(max_size=3) | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
))  # fmt: skip
def test_whatever_comes_it_is_taken_or_refused(value):
    for ask in (layout.session_id, layout.subject_id, lambda v: layout.as_list(v, "run"),
                lambda v: [layout.session_id(one) for one in as_items(v)]):  # fmt: skip
        with contextlib.suppress(LaionFmriError):
            found = ask(value)
            assert value in (None, [], {}) or found
