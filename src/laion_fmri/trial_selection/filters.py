"""Filters of trials, with the number of trials for each option."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import numpy as np
from numpy.typing import NDArray

from laion_fmri.stimuli.caption_search import CaptionIndex
from laion_fmri.trial_selection.expressions import (
    Column,
    ExpressionError,
    Several,
    rows_that_pass,
)
from laion_fmri.trial_selection.trial_table import as_text

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
"""Filters of a single column, with the column name."""

NOUN, SIDE, SELECTION = "noun", "side", "selection"
_LONGEST_ADDRESS = 4_000  # characters


@dataclass(frozen=True)
class Filters:
    """Filters of trials; empty filters match every trial.

    Attributes
    ----------
    session, run, dataset, seen_by, repeats, ood_type : str
        The value of a column.
    noun : str
        An object found in the image.
    side : {"", "train", "test", "neither"}
        Side of the chosen split.
    selection : str
        The name of a selection of trials.
    caption : str
        Words in captions (see `CaptionIndex.search`).
    where : str
        An expression (see `laion_fmri.trial_selection.expressions`).
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
        """Return all filters except the session as text, for the page's address."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "session"}
        return urlencode({name: value for name, value in named.items() if value})

    @classmethod
    def from_text(cls, text: str, session: str = "") -> Filters:
        """Parse text written by `text`; unknown names are ignored."""
        known = {f.name for f in fields(cls)} - {"session"}
        try:
            given = dict(parse_qsl(text[:_LONGEST_ADDRESS], max_num_fields=50))
        except ValueError:  # too many fields
            given = {}
        return cls(session=session, **{k: v for k, v in given.items() if k in known})

    def changed(self, **values: str) -> Filters:
        """Return the filters with changed values."""
        return replace(self, **values)


@dataclass(frozen=True, eq=False)
class Filtered:
    """The trials that pass, with the number of trials for each option.

    Attributes
    ----------
    trials : ndarray of int, shape (n,)
        In display order: by rank of a caption search, else in order of presentation.
    counts : mapping
        For each filter with options: option to number of trials with it that pass all other
        filters.
    problem : str
        The error of the expression, which is then ignored.
    """

    trials: NDArray[np.intp]
    counts: Mapping[str, Mapping[str, int]]
    problem: str = ""

    def beside(self, trial: int) -> list[int]:
        """Return the next and the previous trial in the list; empty if the trial is not listed."""
        places = np.flatnonzero(self.trials == trial)
        beside = [int(places[0]) + 1, int(places[0]) - 1] if len(places) else []
        return [int(self.trials[place]) for place in beside if 0 <= place < len(self.trials)]

    def step(self, trial: int, step: int) -> int | None:
        """Return the next or previous trial in the list.

        Parameters
        ----------
        trial : int
            If not listed, the nearest listed trial in the direction of the step is returned.
        step : {1, -1}

        Returns
        -------
        int or None
            None at the end of the list.
        """
        places = np.flatnonzero(self.trials == trial)
        if not len(places):
            beyond = self.trials[(self.trials - trial) * step > 0]
            return int(beyond[0 if step > 0 else -1]) if len(beyond) else None
        place = int(places[0]) + step
        return int(self.trials[place]) if 0 <= place < len(self.trials) else None

    def another(self, trial: int) -> int | None:
        """Return another random trial of the list; None if there is no other."""
        others = self.trials[self.trials != trial]
        return int(np.random.default_rng().choice(others)) if len(others) else None


class TrialFilter:
    """An index of a table of trials, for filtering.

    Parameters
    ----------
    table : DataFrame
        Table of `laion_fmri.trial_selection.trial_table.trial_table`.
    masks : DataFrame, optional
        The metadata of segmentations: image_name, noun.
    captions : DataFrame, optional
        image_name, caption; required for expressions on captions.
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
            codes, values = pd.factorize(table[column])
            texts = [as_text(value) for value in values]
            known = self._values[facet] = sorted(texts, key=_in_order)
            # Missing values have the code -1 and match no value.
            place = np.array([*map(known.index, texts), -1], dtype=np.intp)
            self._codes[facet] = place[codes]
        self._noun_codes, self._noun_images, self.nouns = self._texts(masks, "noun", True)
        self.columns: dict[str, Column] = {
            **{str(name): table[name].to_numpy() for name in table.columns},
            "trial": np.arange(len(table)),
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
        """Return code and image of each string of the trials' images, and the strings by code."""
        import pandas as pd

        if rows is None or not len(rows):
            nothing = np.array([], dtype=np.intp)
            return nothing, nothing, []
        rows = rows[rows["image_name"].isin(self._place)].dropna(subset=column)
        if once:
            rows = rows.drop_duplicates(["image_name", column])
        codes, texts = pd.factorize(rows[column].astype(str), sort=once)
        owners = np.array([self._place[name] for name in rows["image_name"]], dtype=np.intp)
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
        """Return the trials that pass.

        Parameters
        ----------
        filters : Filters
        search : CaptionIndex, optional
            Index for caption searches; without it, captions are not searched.
        sides : ndarray of int, shape (n_trials,), optional
            The side of each trial as an index into `SIDES`; without it, sides are not filtered.
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
            codes = self._codes[facet]
            counted = codes[passing_others(facet) & (codes >= 0)]
            n_trials = np.bincount(counted, minlength=len(known))
            counts[facet] = dict(zip(known, n_trials.tolist(), strict=True))
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
        """Score the captions of each trial's image for a query; 0 without a match."""
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
    """Return a sort key: numbers by value, then strings alphabetically."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    return (number, "") if math.isfinite(number) else (math.inf, value)
