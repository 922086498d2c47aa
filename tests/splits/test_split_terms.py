"""Terms that differ between the sides: counts, shares and the statistic."""

from __future__ import annotations

import math

import numpy as np
import pytest

from laion_fmri.splits.terms import (
    differing_terms,
    false_discovery_rates,
    index_terms,
    words_of,
)


def test_words_are_lower_case_whole_and_of_any_script() -> None:
    assert words_of("The CAT's two red-hot 42 <b>tins</b>") == {"cat's", "red", "hot", "b", "tins"}
    assert words_of("ein Übermut, кошка") == {"ein", "übermut", "кошка"}
    assert words_of("") == set()


def test_counts_and_statistic_equal_plain_ones() -> None:
    images = [f"i{n}" for n in range(40)]
    terms = [{"sky"} | ({"dog"} if n < 14 else set()) for n in range(40)]
    index = index_terms([*images, "i0"], [*terms, ["dog", "hat"]])
    train, test = images[10:], [*images[:10], "unknown.jpg"]
    table = differing_terms(index, train, test, least=1).set_index("term")
    assert table.loc["dog", ["n_train", "n_test"]].tolist() == [4, 10]
    assert table.loc["hat", ["n_train", "n_test"]].tolist() == [0, 1]
    assert (table.attrs["n_train"], table.attrs["n_test"]) == (30, 10)
    assert table.loc["dog", "share_test"] == 1.0
    a, b, c, d = 10.5, 0.5, 4.5, 26.5
    log_odds = math.log(a * d / (b * c))
    assert table.loc["dog", "log_odds"] == pytest.approx(log_odds)
    z = log_odds / math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    assert table.loc["dog", "z"] == pytest.approx(z)
    assert table.index[0] == "dog"
    p = [math.erfc(abs(v) / math.sqrt(2)) for v in table["z"]]
    assert table["q"].to_numpy() == pytest.approx(false_discovery_rates(p))
    assert "hat" not in set(differing_terms(index, train, test, least=2)["term"])


def test_rates_of_false_discovery() -> None:
    # Worked by hand: sorted p times n over rank, then the least from the right.
    assert false_discovery_rates([0.01, 0.04, 0.03, 0.5]) == pytest.approx(
        [0.04, 0.16 / 3, 0.16 / 3, 0.5]
    )
    assert len(false_discovery_rates([])) == 0


def test_nothing_differs_where_nothing_is_known() -> None:
    table = differing_terms(index_terms([], []), ["a"], ["b"])
    assert table.empty
    assert table.attrs["n_test"] == 0


def test_sides_drawn_alike_hardly_differ() -> None:
    rng = np.random.default_rng(0)
    images = [str(n) for n in range(600)]
    has = rng.random((600, 40)) < rng.uniform(0.05, 0.4, 40)
    index = index_terms(images, [[f"t{j}" for j in np.flatnonzero(row)] for row in has])
    order = rng.permutation(600)
    drawn = differing_terms(
        index, [images[i] for i in order[120:]], [images[i] for i in order[:120]]
    )
    assert (drawn["q"] < 0.05).sum() <= 1
    sorted_out = differing_terms(
        index, [n for n, r in zip(images, has, strict=True) if not r[3]],
        [n for n, r in zip(images, has, strict=True) if r[3]],
    )  # fmt: skip
    assert sorted_out["term"][0] == "t3"
    assert sorted_out["q"][0] < 1e-6
