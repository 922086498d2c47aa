"""Nouns and words that one side of a split has more of. Pure functions."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_COMMON_WORDS = (
    "a about above after against all also an and another any are around as at away back be "
    "been being behind below beside between both but by can could do down each far few for from "
    "front has have he her his how i in inside into is it its just like many more most near next "
    "no not of off on one only onto or other out over own she side so some such than that the "
    "their them then there these they this those three through to top towards two under up very "
    "was we were what when where which while who with without you"
)
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True, eq=False)
class TermIndex:
    """Which terms each image has, for counting in any set of images at once.

    Attributes
    ----------
    terms : list of str
    images : mapping of str to int
        The images that have any information, and their number.
    of_image, of_term : ndarray of int, shape (n_entries,)
        One entry for every image and term that it has.
    """

    terms: list[str]
    images: Mapping[str, int]
    of_image: NDArray[np.intp]
    of_term: NDArray[np.intp]

    def count(self, names: Iterable[str]) -> tuple[NDArray[np.intp], int]:
        """How many of the images have each term, and of how many anything is known."""
        chosen = np.zeros(len(self.images), dtype=bool)
        chosen[[self.images[name] for name in names if name in self.images]] = True
        entries = self.of_term[chosen[self.of_image]]
        return np.bincount(entries, minlength=len(self.terms)), int(chosen.sum())


def index_terms(images: Sequence[str], terms: Sequence[Collection[str]]) -> TermIndex:
    """Index the terms of images.

    Parameters
    ----------
    images : sequence of str
        An image may stand there several times; its terms are then taken together.
    terms : sequence of collections of str
        Those of each.
    """
    rows: dict[str, int] = {}
    columns: dict[str, int] = {}
    of_image: list[int] = []
    of_term: list[int] = []
    for image, own in zip(images, terms, strict=True):
        row = rows.setdefault(image, len(rows))
        for term in own:
            of_image.append(row)
            of_term.append(columns.setdefault(term, len(columns)))
    n_terms = max(len(columns), 1)
    once = np.unique(np.array(of_image, dtype=np.int64) * n_terms + np.array(of_term, np.int64))
    return TermIndex(list(columns), rows, *np.divmod(once, n_terms))


def words_of(caption: str) -> set[str]:
    """The different words of a caption in lower case, without the commonest ones.

    Examples
    --------
    >>> sorted(words_of("Two RED dogs on the mat"))
    ['dogs', 'mat', 'red']
    """
    return {word for found in _WORD.findall(caption) if (word := found.lower()) not in _COMMON}


def differing_terms(
    index: TermIndex, train: Iterable[str], test: Iterable[str], least: int = 5
) -> pd.DataFrame:
    """Terms that images of one side have more often than those of the other.

    An image has a term or has it not, however often. The odds of having it are compared by
    the log odds ratio with 0.5 added to each of the four counts (Haldane, 1956; Anscombe,
    1956), divided by its standard error; two-sided p-values of this z are turned into false
    discovery rates over all terms (Benjamini and Hochberg, 1995).

    Parameters
    ----------
    index : TermIndex
    train, test : iterable of str
        Image names.
    least : int
        Terms of fewer images in all are left out.

    Returns
    -------
    DataFrame
        term, n_train, n_test, share_train, share_test (of the images of which anything is
        known), log_odds (positive: more in test), z, q; the clearest difference first.
        ``attrs`` has n_train and n_test, the images of which anything is known.
    """
    import pandas as pd

    in_train, n_train = index.count(train)
    in_test, n_test = index.count(test)
    kept = np.flatnonzero(in_train + in_test >= least)
    a, b = in_test[kept] + 0.5, n_test - in_test[kept] + 0.5
    c, d = in_train[kept] + 0.5, n_train - in_train[kept] + 0.5
    log_odds = np.log(a * d / (b * c))
    z = log_odds / np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    table = pd.DataFrame(
        {
            "term": [index.terms[i] for i in kept],
            "n_train": in_train[kept],
            "n_test": in_test[kept],
            "share_train": in_train[kept] / max(n_train, 1),
            "share_test": in_test[kept] / max(n_test, 1),
            "log_odds": log_odds,
            "z": z,
            "q": false_discovery_rates([math.erfc(abs(v) / math.sqrt(2)) for v in z]),
        }
    )
    table = table.sort_values(["z", "term"], key=_clearest, kind="stable", ignore_index=True)
    table.attrs.update(n_train=n_train, n_test=n_test)
    return table


def false_discovery_rates(p: Sequence[float]) -> NDArray[np.float64]:
    """Benjamini-Hochberg adjusted p-values, in the order given."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    rank = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum.accumulate(np.minimum(values[order] * len(values) / rank, 1.0))
    return adjusted


def _clearest(column: pd.Series) -> pd.Series:
    return -column.abs() if column.name == "z" else column
