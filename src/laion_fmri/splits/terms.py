"""Nouns and caption words that are more frequent on one side of a split."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import UnknownNameError
from laion_fmri.names import as_names

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

    from laion_fmri.splits.split import Split
    from laion_fmri.stimuli.hub import LocalStimuli

Terms = Literal["nouns", "words"]
TERMS: tuple[Terms, ...] = ("nouns", "words")

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
    """An index of the terms of images, for fast counts in any set of images.

    Attributes
    ----------
    terms : list of str
    images : mapping of str to int
        Row number of each indexed image.
    of_image, of_term : ndarray of int, shape (n_entries,)
        One entry per pair of an image and its term.
    """

    terms: list[str]
    images: Mapping[str, int]
    of_image: NDArray[np.intp]
    of_term: NDArray[np.intp]

    def count(self, names: Iterable[str]) -> tuple[NDArray[np.intp], int]:
        """Count the images with each term, and the images that are indexed."""
        chosen = np.zeros(len(self.images), dtype=bool)
        chosen[[self.images[name] for name in as_names(names) if name in self.images]] = True
        entries = self.of_term[chosen[self.of_image]]
        return np.bincount(entries, minlength=len(self.terms)), int(chosen.sum())


def index_terms(images: Sequence[str], terms: Sequence[Collection[str]]) -> TermIndex:
    """Index the terms of images.

    Parameters
    ----------
    images : sequence of str
        An image may occur several times; its terms are then merged.
    terms : sequence of collections of str
        Those of each.
    """
    rows: dict[str, int] = {}
    columns: dict[str, int] = {}
    of_image: list[int] = []
    of_term: list[int] = []
    for image, own in zip(as_names(images), terms, strict=True):
        row = rows.setdefault(image, len(rows))
        for term in own:
            of_image.append(row)
            of_term.append(columns.setdefault(term, len(columns)))
    n_terms = max(len(columns), 1)
    once = np.unique(np.array(of_image, dtype=np.int64) * n_terms + np.array(of_term, np.int64))
    return TermIndex(list(columns), rows, *np.divmod(once, n_terms))


def term_index(terms: Terms, stimuli: LocalStimuli) -> TermIndex:
    """Index the terms of all images.

    Parameters
    ----------
    terms : {"nouns", "words"}
        Nouns with masks in the images (shared images only), or the words of all captions.
    stimuli : Stimuli

    Raises
    ------
    StimuliNotDownloadedError
        When the table of segmentations, or the captions, are not downloaded.
    """
    if terms == "nouns":
        table = stimuli.segmentations.metadata.dropna(subset=["image_name", "noun"])
        return index_terms(table["image_name"].tolist(), [[noun] for noun in table["noun"]])
    if terms != "words":
        raise UnknownNameError("kind of terms", terms, TERMS)
    table = stimuli.captions.metadata.dropna(subset=["image_name", "caption"])
    return index_terms(table["image_name"].tolist(), [words_of(c) for c in table["caption"]])


def compare_terms(
    split: Split, terms: Terms = "nouns", *, data_dir: str | PathLike[str] | None = None
) -> pd.DataFrame:
    """Find nouns or caption words that are more frequent on one side of a split.

    Parameters
    ----------
    split : Split
    terms : {"nouns", "words"}
        As in `term_index`.
    data_dir : path, optional
        Instead of the configured one.

    Returns
    -------
    DataFrame
        See `differing_terms`.

    Raises
    ------
    StimuliNotDownloadedError
        When the table of segmentations, or the captions, are not downloaded.

    Examples
    --------
    >>> from laion_fmri.splits import compare_terms, load_split
    >>> table = compare_terms(load_split("random_0"), "words")
    >>> table[["term", "share_train", "share_test", "q"]].head()  # doctest: +SKIP
    """
    from laion_fmri.config import load_settings
    from laion_fmri.stimuli.hub import LocalStimuli

    stimuli = LocalStimuli(load_settings(data_dir=data_dir).require_data_dir())
    return differing_terms(term_index(terms, stimuli), split.train_ids, split.test_ids)


def words_of(caption: str) -> set[str]:
    """Return the distinct words of a caption in lower case, without common English words.

    Examples
    --------
    >>> sorted(words_of("Two RED dogs on the mat"))
    ['dogs', 'mat', 'red']
    """
    return {word for found in _WORD.findall(caption) if (word := found.lower()) not in _COMMON}


def differing_terms(
    index: TermIndex, train: Iterable[str], test: Iterable[str], least: int = 5
) -> pd.DataFrame:
    """Find terms that are more frequent on one side than on the other.

    Each image counts at most once per term. The odds of having it are
    compared by the log odds ratio with 0.5 added to each of the four counts (Haldane, 1956;
    Anscombe, 1956), divided by its standard error; two-sided p-values of this z become false
    discovery rates over all terms (Benjamini and Hochberg, 1995).

    Parameters
    ----------
    index : TermIndex
    train, test : iterable of str
        Image names.
    least : int
        Terms with fewer images in total are left out.

    Returns
    -------
    DataFrame
        term, n_train, n_test, share_train, share_test (fractions of the indexed images), log_odds
        (positive: more in test), z, q; the clearest difference first. ``attrs`` has n_train and
        n_test, the numbers of indexed images.
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
    """Return Benjamini-Hochberg adjusted p-values, in the given order."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    rank = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum.accumulate(np.minimum(values[order] * len(values) / rank, 1.0))
    return adjusted


def _clearest(column: pd.Series) -> pd.Series:
    return -column.abs() if column.name == "z" else column
