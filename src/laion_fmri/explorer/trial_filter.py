"""Which trials pass the filters, and how many each choice would leave. No widgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import numpy as np
from numpy.typing import NDArray

from laion_fmri.explorer.caption_search import CaptionIndex
from laion_fmri.explorer.expression_reader import ExpressionError
from laion_fmri.explorer.trial_expression import Column, Several, rows_that_pass

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]
SIDES = ("train", "test", "neither")

FACETS: Mapping[str, str] = {
    "session": "session",
    "run": "run",
    "dataset": "dataset",
    "seen_by": "unique_or_shared",
    "repeats": "repeats",
    "ood_type": "ood_type",
}
"""Filters that compare one column, and the column."""

NOUN, SIDE, SELECTION = "noun", "side", "selection"
_LONGEST_ADDRESS = 4_000  # characters


@dataclass(frozen=True)
class Filters:
    """What trials are asked for; an empty filter lets every trial through.

    Attributes
    ----------
    session, run, dataset, seen_by, repeats, ood_type : str
        The value of a column.
    noun : str
        An object that was found in the image.
    side : {"", "train", "test", "neither"}
        Of the chosen split.
    selection : str
        The name of a selection of trials.
    caption : str
        Words in captions (see `CaptionIndex.search`).
    where : str
        An expression (see `laion_fmri.explorer.trial_expression`).
    """

    session: str = ""
    run: str = ""
    dataset: str = ""
    seen_by: str = ""
    repeats: str = ""
    ood_type: str = ""
    noun: str = ""
    side: str = ""
    selection: str = ""
    caption: str = ""
    where: str = ""

    @property
    def text(self) -> str:
        """All but the session, for the page's address."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "session"}
        return urlencode({name: value for name, value in named.items() if value})

    @classmethod
    def from_text(cls, text: str, session: str = "") -> Filters:
        """Read what `text` gave; what is not known there is left out."""
        known = {f.name for f in fields(cls)} - {"session"}
        try:
            given = dict(parse_qsl(text[:_LONGEST_ADDRESS], max_num_fields=50))
        except ValueError:  # more fields than that
            given = {}
        return cls(session=session, **{k: v for k, v in given.items() if k in known})

    def changed(self, **values: str) -> Filters:
        """The same with other values."""
        return replace(self, **values)


@dataclass(frozen=True, eq=False)
class Filtered:
    """The trials that pass, and what each choice would leave.

    Attributes
    ----------
    trials : ndarray of int, shape (n,)
        In the order to show them: as captions rank them where these are searched, else as
        they were shown.
    counts : mapping
        For each filter that lists its values: each value and the number of trials that
        pass all other filters and have it.
    problem : str
        What is wrong with the expression, which then lets every trial through.
    """

    trials: NDArray[np.intp]
    counts: Mapping[str, Mapping[str, int]]
    problem: str = ""


class TrialFilter:
    """A table of trials made ready to be filtered.

    Parameters
    ----------
    table : DataFrame
        As from `laion_fmri.explorer.trial_table.trial_table`.
    masks : DataFrame, optional
        The metadata of segmentations: image_name, noun.
    captions : DataFrame, optional
        image_name, caption; needed for expressions about captions.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        masks: pd.DataFrame | None = None,
        captions: pd.DataFrame | None = None,
    ) -> None:
        import pandas as pd

        self.table = table
        codes, names = pd.factorize(table["image_name"])
        self.image_of = codes.astype(np.intp)
        self.images = [str(name) for name in names]
        self._place = {name: place for place, name in enumerate(self.images)}
        self._codes: dict[str, NDArray[np.intp]] = {}
        self._values: dict[str, list[str]] = {}
        for facet, column in FACETS.items():
            values = table[column].astype(str)
            known = sorted(values.unique(), key=_in_order)
            self._values[facet] = known
            self._codes[facet] = pd.Categorical(values, categories=known).codes.astype(np.intp)
        self._noun_codes, self._noun_images, self.nouns = self._texts(masks, "noun", True)
        self.columns: dict[str, Column] = {
            "trial": np.arange(len(table)),
            **{str(name): table[name].to_numpy() for name in table.columns},
        }
        if masks is not None:
            owners = self._noun_images
            nouns = tuple(self.nouns[code] for code in self._noun_codes.tolist())
            self.columns[NOUN] = Several(nouns, owners, self.image_of, len(self.images))
        if captions is not None:
            codes, owners, texts = self._texts(captions, "caption", False)
            each = tuple(texts[code] for code in codes.tolist())
            self.columns["caption"] = Several(each, owners, self.image_of, len(self.images))

    def __len__(self) -> int:
        """Number of trials."""
        return len(self.table)

    def _texts(
        self, rows: pd.DataFrame | None, column: str, once: bool
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], list[str]]:
        """The texts of the images that are shown here: code, image, and what codes mean."""
        import pandas as pd

        if rows is None or not len(rows):
            nothing = np.array([], dtype=np.intp)
            return nothing, nothing, []
        here = rows[rows["image_name"].isin(self._place)].dropna(subset=column)
        if once:
            here = here.drop_duplicates(["image_name", column])
        codes, texts = pd.factorize(here[column].astype(str), sort=once)
        owners = np.array([self._place[name] for name in here["image_name"]], dtype=np.intp)
        return np.asarray(codes, dtype=np.intp), owners, [str(text) for text in texts]

    # --- filtering ----------------------------------------------------------------------

    def filtered(
        self,
        filters: Filters,
        *,
        search: CaptionIndex | None = None,
        sides: NDArray[np.intp] | None = None,
        selections: Mapping[str, NDArray[np.intp]] | None = None,
    ) -> Filtered:
        """The trials that pass.

        Parameters
        ----------
        filters : Filters
        search : CaptionIndex, optional
            Without it captions are not searched.
        sides : ndarray of int, shape (n_trials,), optional
            The side of each trial: its place in `SIDES`; without it none is asked for.
        selections : mapping of str to ndarray of int, optional
            Trials by the name of their selection.
        """
        marked = {name: self._mask(trials) for name, trials in (selections or {}).items()}
        ranking = None
        masks: dict[str, Mask] = {}
        for facet in FACETS:
            if value := getattr(filters, facet):
                masks[facet] = self._has(facet, value)
        if filters.noun:
            masks[NOUN] = self._has_noun(filters.noun)
        if filters.side and sides is not None:
            masks[SIDE] = sides == _place_in(SIDES, filters.side)
        if filters.selection:
            masks[SELECTION] = marked.get(filters.selection, self._mask(np.array([], dtype=int)))
        if filters.caption.strip() and search is not None:
            ranking = self._ranking(search, filters.caption)
            masks["caption"] = ranking > 0
        problem = ""
        if filters.where.strip():
            try:
                masks["where"] = rows_that_pass(filters.where, self.columns, len(self))
            except ExpressionError as error:
                problem = str(error)
        failed = np.zeros(len(self), dtype=np.int8)
        for mask in masks.values():
            failed += ~mask
        trials = np.flatnonzero(failed == 0)
        if ranking is not None:
            trials = trials[np.argsort(-ranking[trials], kind="stable")]
        return Filtered(trials, self._counts(filters, masks, failed, sides, marked), problem)

    def _counts(
        self,
        filters: Filters,
        masks: Mapping[str, Mask],
        failed: NDArray[np.int8],
        sides: NDArray[np.intp] | None,
        marked: Mapping[str, Mask],
    ) -> dict[str, dict[str, int]]:
        def passing_others(name: str) -> Mask:
            return failed - ~masks[name] == 0 if name in masks else failed == 0

        counts = {}
        for facet in FACETS:
            known = self._values[facet]
            here = np.bincount(self._codes[facet][passing_others(facet)], minlength=len(known))
            counts[facet] = dict(zip(known, here.tolist(), strict=True))
        shown = np.bincount(self.image_of[passing_others(NOUN)], minlength=len(self.images))
        with_noun = np.bincount(
            self._noun_codes, weights=shown[self._noun_images], minlength=len(self.nouns)
        )
        counts[NOUN] = dict(zip(self.nouns, with_noun.astype(int).tolist(), strict=True))
        if sides is not None:
            of_side = np.bincount(sides[passing_others(SIDE)], minlength=len(SIDES))
            counts[SIDE] = dict(zip(SIDES, of_side.tolist(), strict=True))
        others = passing_others(SELECTION)
        counts[SELECTION] = {name: int((mask & others).sum()) for name, mask in marked.items()}
        for name, of_values in counts.items():
            if chosen := getattr(filters, name):
                of_values.setdefault(chosen, 0)
        return counts

    def _has(self, facet: str, value: str) -> Mask:
        return self._codes[facet] == _place_in(self._values[facet], value)

    def _has_noun(self, noun: str) -> Mask:
        with_noun = np.zeros(len(self.images), dtype=bool)
        with_noun[self._noun_images[self._noun_codes == _place_in(self.nouns, noun)]] = True
        return with_noun[self.image_of]

    def _ranking(self, search: CaptionIndex, query: str) -> NDArray[np.float64]:
        """How well the captions of each trial's image answer; 0 where they do not."""
        hits = search.search(query)
        of_image = np.zeros(len(self.images))
        for image, score in zip(hits.images.tolist(), hits.scores.tolist(), strict=True):
            place = self._place.get(search.images[image])
            if place is not None:
                of_image[place] = score
        return of_image[self.image_of]

    def _mask(self, trials: NDArray[np.intp]) -> Mask:
        mask = np.zeros(len(self), dtype=bool)
        mask[trials] = True
        return mask


def _place_in(values: list[str] | tuple[str, ...], value: str) -> int:
    return values.index(value) if value in values else -1


def _in_order(value: str) -> tuple[float, str]:
    """Numbers by their size, before texts by their characters."""
    try:
        return float(value), ""
    except ValueError:
        return float("inf"), value
