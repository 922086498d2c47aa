"""Searching all captions: an inverted index of their words, and ranked answers from it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+")
_QUERY = re.compile(r'"([^"]*)"?|(\S+)')
_BEGINNING = 0.5  # what a word that only begins like the one asked for counts, whole words 1
_ELSEWHERE = 0.3  # what words in other captions of the same image count, in the best caption 1
LONGEST = 300  # characters of a query that are read


@dataclass(frozen=True)
class CaptionHits:
    """Images whose captions say what was asked for, the best first.

    Attributes
    ----------
    images : ndarray of int, shape (n_hits,)
        Their places in `CaptionIndex.images`.
    scores : ndarray of float64, shape (n_hits,)
        Descending.
    """

    images: NDArray[np.intp]
    scores: NDArray[np.float64]


class CaptionIndex:
    """The words of captions, each with the captions it stands in.

    Parameters
    ----------
    images : sequence of str
        The image of each caption.
    captions : sequence of str
    """

    def __init__(self, images: Sequence[str], captions: Sequence[str]) -> None:
        import pandas as pd

        codes, names = pd.factorize(np.asarray(images, dtype=object))
        order = np.argsort(codes, kind="stable")
        self.images: list[str] = [str(name) for name in names]
        self._image_of = codes[order]
        self._texts = [" ".join(words_of(captions[i])) for i in order.tolist()]
        self._begins = np.searchsorted(self._image_of, np.arange(len(names)))
        vocabulary, words, rows = _postings(self._texts)
        self._vocabulary = vocabulary
        self._rows = rows
        self._word_begins = np.searchsorted(words, np.arange(len(vocabulary) + 1))

    def __len__(self) -> int:
        """Number of captions."""
        return len(self._texts)

    def search(self, query: str) -> CaptionHits:
        """Images that have every word of a query in their captions, ranked.

        A word finds words that begin with it; whole words rank higher, rare words count
        more, and words in the same caption more than words in different ones. What is
        ``"in quotation marks"`` is found word for word, in this order. Case and the way
        accents are encoded do not matter.
        """
        n_images = len(self.images)
        terms = _terms(query)
        if not terms or not n_images:
            return CaptionHits(np.array([], dtype=np.intp), np.array([]))
        together = np.zeros(len(self))
        apart = np.zeros(n_images)
        everywhere = np.ones(n_images, dtype=bool)
        for words, is_phrase in terms:
            scores = self._phrase_scores(words) if is_phrase else self._word_scores(words[0])
            best = np.maximum.reduceat(scores, self._begins)
            everywhere &= best > 0
            apart += best
            together += scores
        total = np.maximum.reduceat(together, self._begins)
        total += _ELSEWHERE * (apart - total)
        found = np.flatnonzero(everywhere)
        ranked = found[np.argsort(-total[found], kind="stable")]
        return CaptionHits(ranked, total[ranked])

    def _word_scores(self, word: str) -> NDArray[np.float64]:
        """How well each caption answers one word."""
        scores = np.zeros(len(self))
        first, whole_end, end = self._places(word)
        beginning = self._rows[self._word_begins[first] : self._word_begins[end]]
        if len(beginning):
            scores[beginning] = _BEGINNING * self._rarity(len(beginning))
        whole = self._rows[self._word_begins[first] : self._word_begins[whole_end]]
        if len(whole):
            scores[whole] = self._rarity(len(whole))
        return scores

    def _phrase_scores(self, words: list[str]) -> NDArray[np.float64]:
        """How well each caption answers words that must follow each other."""
        candidates: NDArray | None = None
        for word in words:
            first, whole_end, _ = self._places(word)
            rows = self._rows[self._word_begins[first] : self._word_begins[whole_end]]
            candidates = rows if candidates is None else np.intersect1d(candidates, rows)
        assert candidates is not None
        phrase = f" {' '.join(words)} "
        found = [row for row in candidates.tolist() if phrase in f" {self._texts[row]} "]
        scores = np.zeros(len(self))
        if found:
            scores[found] = len(words) * self._rarity(len(found))
        return scores

    def _places(self, word: str) -> tuple[int, int, int]:
        """In the vocabulary: where the word stands, one past it, one past those it begins."""
        first = int(np.searchsorted(self._vocabulary, word))
        is_known = first < len(self._vocabulary) and self._vocabulary[first] == word
        end = int(np.searchsorted(self._vocabulary, word + "\U0010ffff"))
        return first, first + is_known, max(end, first)

    def _rarity(self, n_captions: int) -> float:
        return float(np.log1p(len(self) / n_captions))


def words_of(text: object) -> list[str]:
    """The words of a text, in one case and one encoding."""
    plain = str(text)
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", plain)
    return _WORD.findall(plain.casefold())


def _terms(query: str) -> list[tuple[list[str], bool]]:
    """What a query asks for: single words, and phrases."""
    terms: list[tuple[list[str], bool]] = []
    for phrase, word in _QUERY.findall(query[:LONGEST]):
        if words := words_of(phrase):
            terms.append((words, True))
        terms += [([part], False) for part in words_of(word)]
    return terms


def _postings(
    texts: Iterable[str],
) -> tuple[NDArray[np.str_], NDArray[np.int32], NDArray[np.int32]]:
    """Sorted words; for each time a word stands in a text, the word and the text."""
    known: dict[str, int] = {}
    words: list[int] = []
    lengths: list[int] = []
    for text in texts:
        distinct = set(text.split(" ")) - {""}
        words += [known.setdefault(word, len(known)) for word in distinct]
        lengths.append(len(distinct))
    vocabulary = np.array(list(known), dtype=object)
    order = np.argsort(vocabulary) if len(vocabulary) else np.array([], dtype=np.intp)
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    word_of = rank[np.array(words, dtype=np.intp)]
    text_of = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    by_word = np.argsort(word_of, kind="stable")
    return vocabulary[order], word_of[by_word], text_of[by_word]
