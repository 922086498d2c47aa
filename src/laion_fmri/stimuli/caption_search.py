"""Full-text search in captions: an inverted index and a ranking of images."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri.names import as_names
from laion_fmri.stimuli.captions import Captions

if TYPE_CHECKING:
    import pandas as pd

_WORD = re.compile(r"\w+")
_QUERY = re.compile(r'"([^"]*)"?|(\S+)')
_PREFIX_WEIGHT = 0.5  # of a word that begins with the query word; whole words have 1
_OTHER_CAPTION_WEIGHT = 0.3  # of words in other captions of the same image; the best caption has 1
LONGEST = 300  # characters of a query; the rest is ignored


def search_captions(query: str, data_dir: str | PathLike[str] | None = None) -> pd.DataFrame:
    """Find images whose captions contain every word of a query.

    Parameters
    ----------
    query : str
        Words, which also match words that begin with them, and phrases in quotation marks; see
        `CaptionIndex.search`.
    data_dir : path-like, optional
        By default the configured data directory.

    Returns
    -------
    DataFrame
        Columns image_name and score, best match first.

    Raises
    ------
    StimuliNotDownloadedError
        When the captions are not downloaded.

    Examples
    --------
    >>> search_captions('dog "on the grass"').columns.tolist()
    ['image_name', 'score']
    """
    import pandas as pd

    index = CaptionIndex.read(Captions(data_dir))
    hits = index.search(query)
    names = [index.images[image] for image in hits.images.tolist()]
    return pd.DataFrame({"image_name": names, "score": hits.scores})


@dataclass(frozen=True)
class CaptionHits:
    """Images whose captions match a query, best first.

    Attributes
    ----------
    images : ndarray of int, shape (n_hits,)
        Indices into `CaptionIndex.images`.
    scores : ndarray of float64, shape (n_hits,)
        Descending.
    """

    images: NDArray[np.intp]
    scores: NDArray[np.float64]


class CaptionIndex:
    """An index of the words of captions.

    Parameters
    ----------
    images : sequence of str
        The image of each caption.
    captions : sequence of str
    """

    def __init__(self, images: Sequence[str], captions: Sequence[str]) -> None:
        import pandas as pd

        codes, names = pd.factorize(np.array(as_names(images), dtype=object))
        order = np.argsort(codes, kind="stable")
        self.images: list[str] = names.tolist()
        self._image_of = codes[order]
        self._texts = [" ".join(words_of(captions[i])) for i in order.tolist()]
        self._begins = np.searchsorted(self._image_of, np.arange(len(names)))
        vocabulary, words, rows = _postings(self._texts)
        self._vocabulary = vocabulary
        self._rows = rows
        self._word_begins = np.searchsorted(words, np.arange(len(vocabulary) + 1))

    @classmethod
    def read(cls, captions: Captions) -> CaptionIndex:
        """Index every caption of the dataset."""
        rows = captions.metadata.dropna(subset=["image_name", "caption"])
        return cls(rows["image_name"].tolist(), rows["caption"].tolist())

    def __len__(self) -> int:
        """Number of captions."""
        return len(self._texts)

    def search(self, query: str) -> CaptionHits:
        """Rank the images whose captions contain every word of a query.

        A word also matches words that begin with it. Whole words, rare words, and words in the
        same caption rank higher. A phrase ``"in quotation marks"`` matches word for word. Case and
        the encoding of accents are ignored.
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
        total += _OTHER_CAPTION_WEIGHT * (apart - total)
        found = np.flatnonzero(everywhere)
        ranked = found[np.argsort(-total[found], kind="stable")]
        return CaptionHits(ranked, total[ranked])

    def _word_scores(self, word: str) -> NDArray[np.float64]:
        """Score each caption for one word."""
        scores = np.zeros(len(self))
        first, whole_end, end = self._places(word)
        beginning = self._rows[self._word_begins[first] : self._word_begins[end]]
        if len(beginning):
            scores[beginning] = _PREFIX_WEIGHT * self._rarity(len(beginning))
        whole = self._rows[self._word_begins[first] : self._word_begins[whole_end]]
        if len(whole):
            scores[whole] = self._rarity(len(whole))
        return scores

    def _phrase_scores(self, words: list[str]) -> NDArray[np.float64]:
        """Score each caption for consecutive words."""
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
        """Return vocabulary positions: of the word, past it, and past words it begins."""
        first = int(np.searchsorted(self._vocabulary, word))
        is_known = first < len(self._vocabulary) and self._vocabulary[first] == word
        end = int(np.searchsorted(self._vocabulary, word + "\U0010ffff"))
        return first, first + is_known, max(end, first)

    def _rarity(self, n_captions: int) -> float:
        return float(np.log1p(len(self) / n_captions))


def words_of(text: object) -> list[str]:
    """Split a text into words, with case and encoding normalized."""
    plain = str(text)
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", plain)
    return _WORD.findall(plain.casefold())


def _terms(query: str) -> list[tuple[list[str], bool]]:
    """Split a query into words and phrases."""
    terms: list[tuple[list[str], bool]] = []
    for phrase, word in _QUERY.findall(query[:LONGEST]):
        if words := words_of(phrase):
            terms.append((words, True))
        terms += [([part], False) for part in words_of(word)]
    return terms


def _postings(
    texts: Iterable[str],
) -> tuple[NDArray[np.str_], NDArray[np.int32], NDArray[np.int32]]:
    """Return sorted words, and the word and text index of each occurrence."""
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
