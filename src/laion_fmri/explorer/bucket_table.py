"""Every file of a bucket as a table that is filtered, sorted and added up. No widgets, no I/O.

A hundred thousand rows answer within a frame or two of a screen: columns of few values are
kept as codes, so that filters, counts and sorting are arithmetic on arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri.bucket import BucketObject

STATUS = "status"
FACETS = ("tree", "subject", "session", "desc", "suffix", "extension", STATUS)
"""What files are told apart by, in the order it is shown."""

Rows = NDArray[np.intp]
"""Places in a `BucketTable`."""


class FileStanding(StrEnum):
    """How a file of the bucket stands to the data directory, in the words of the page."""

    HERE = "here"
    PARTIAL = "partly here"
    MISSING = "not here"
    STALE = "outdated"
    HELD_OUT = "held out"
    REFUSED = "unusable name"


STANDINGS = tuple(FileStanding)
_IS_FETCHED = np.array([s not in (FileStanding.HELD_OUT, FileStanding.REFUSED) for s in STANDINGS])


@dataclass(frozen=True, eq=False)
class Facet:
    """A column of few values.

    Attributes
    ----------
    values : tuple of str
        In natural order; ``""`` stands for files that have none.
    codes : ndarray of int32, shape (n_files,)
        Place of each file's value in `values`.
    """

    values: tuple[str, ...]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, column: Sequence[str]) -> Facet:
        """The facet of a column."""
        values = tuple(sorted(set(column), key=lambda value: (not value, *_natural(value))))
        places = {value: place for place, value in enumerate(values)}
        return cls(values, np.fromiter((places[v] for v in column), np.int32, len(column)))

    def passing(self, wanted: Iterable[str]) -> NDArray[np.bool_]:
        """Which files have one of these values."""
        wanted = set(wanted)
        return np.array([value in wanted for value in self.values], dtype=bool)[self.codes]

    def counts(self, among: NDArray[np.bool_]) -> dict[str, int]:
        """How many of some files have each value; values that none has are left out."""
        found = np.bincount(self.codes[among], minlength=len(self.values))
        return {value: int(n) for value, n in zip(self.values, found, strict=True) if n}


def _natural(value: str) -> tuple:
    return layout.natural_order(value.lower())


@dataclass(frozen=True)
class FileFilter:
    """What is asked for.

    Attributes
    ----------
    values : mapping of str to tuple of str
        For a facet the values that pass; a facet that is not there lets everything through.
    text : str
        Every word must occur in the key, in any case.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True)
class Totals:
    """What some files add up to.

    Attributes
    ----------
    n_files, n_bytes : int
    n_here : int
        Files that are here whole.
    bytes_to_fetch : int
        What is not here of those that are served.
    """

    n_files: int = 0
    n_bytes: int = 0
    n_here: int = 0
    bytes_to_fetch: int = 0


@dataclass(frozen=True, eq=False)
class Standings:
    """How every file of a table stands to the data directory.

    Attributes
    ----------
    codes : ndarray of int32, shape (n_files,)
        Places in `STANDINGS`.
    bytes_here : ndarray of int64, shape (n_files,)
    """

    codes: NDArray[np.int32]
    bytes_here: NDArray[np.int64]


class BucketTable:
    """The files of a bucket, in key order.

    Parameters
    ----------
    objects : iterable of BucketObject

    Attributes
    ----------
    objects : tuple of BucketObject
    sizes : ndarray of int64, shape (n_files,)
    facets : mapping of str to Facet
        One for each of `FACETS` but the status, which changes with what is downloaded.
    """

    def __init__(self, objects: Iterable[BucketObject]) -> None:
        self.objects = tuple(sorted(objects, key=lambda found: found.key))
        self.sizes = np.fromiter((o.size for o in self.objects), np.int64, len(self.objects))
        columns: dict[str, list[str]] = {name: [] for name in FACETS if name != STATUS}
        for found in self.objects:
            for name, value in _described(found.key).items():
                columns[name].append(value)
        self.facets = {name: Facet.of(column) for name, column in columns.items()}
        self._searched = [found.key.lower() for found in self.objects]

    def __len__(self) -> int:
        return len(self.objects)

    @cached_property
    def _rows_by_key(self) -> dict[str, int]:
        return {found.key: row for row, found in enumerate(self.objects)}

    def rows_of(self, keys: Iterable[str]) -> Rows:
        """The rows of those of these keys that are in the table."""
        by_key = self._rows_by_key
        return np.array([by_key[key] for key in keys if key in by_key], dtype=np.intp)

    def containing(self, text: str) -> NDArray[np.bool_]:
        """Which keys hold every word of a text, in any case."""
        passing = np.ones(len(self), dtype=bool)
        for word in text.lower().split():
            passing &= np.fromiter((word in key for key in self._searched), bool, len(self))
        return passing


def _described(key: str) -> dict[str, str]:
    entities = layout.parse_entities(key)
    subject, session = entities.get("sub"), entities.get("ses")
    return {
        "tree": layout.tree_of(key),
        "subject": f"sub-{subject}" if subject else "",
        "session": f"ses-{session}" if session else "",
        "desc": entities.get("desc") or "",
        "suffix": entities.suffix,
        "extension": entities.extension,
    }


class FileView:
    """The files that pass a filter, in an order, with counts of what each facet offers.

    Parameters
    ----------
    table : BucketTable
    standings : Standings
    wanted : FileFilter
    sort : str
        ``"file"``, ``"size"`` or one of `FACETS`.
    descending : bool

    Attributes
    ----------
    rows : ndarray
        The files that pass, in the order asked for.
    options : mapping of str to (mapping of str to int)
        For each facet its values with the number of files that would pass were this facet
        alone not filtered; values that were asked for stand there even when they are none.
    """

    def __init__(
        self,
        table: BucketTable,
        standings: Standings,
        wanted: FileFilter,
        sort: str = "file",
        descending: bool = False,
    ) -> None:
        self.table, self.standings, self.wanted = table, standings, wanted
        facets = {**table.facets, STATUS: Facet(STANDINGS, standings.codes)}
        failing = {
            name: ~facets[name].passing(values) for name, values in wanted.values.items() if values
        }
        n_failed = (~table.containing(wanted.text)).astype(np.int8)
        for fails in failing.values():
            n_failed += fails
        passing = n_failed == 0
        self.options = {
            name: _offered(
                facets[name],
                n_failed == failing[name] if name in failing else passing,
                wanted.values.get(name, ()),
            )
            for name in FACETS
        }
        self.rows: Rows = np.flatnonzero(passing)
        if sort != "file":
            column = table.sizes if sort == "size" else facets[sort].codes
            order = np.argsort(column[self.rows], kind="stable")
            self.rows = self.rows[order]
        if descending:
            self.rows = self.rows[::-1]

    def choosable(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of these rows can be downloaded: held-out and unusable files cannot."""
        return _IS_FETCHED[self.standings.codes[rows]]

    def totals(self, rows: Rows) -> Totals:
        """What these rows add up to."""
        return totals(self.table, self.standings, rows)


def _offered(facet: Facet, among: NDArray[np.bool_], asked: Iterable[str]) -> dict[str, int]:
    counts, asked = facet.counts(among), set(asked)
    return {v: counts.get(v, 0) for v in facet.values if v in counts or v in asked}


def can_be_fetched(standings: Standings) -> NDArray[np.bool_]:
    """Which files the bucket would serve and the data directory could hold."""
    return _IS_FETCHED[standings.codes]


def totals(table: BucketTable, standings: Standings, rows: Rows) -> Totals:
    """What rows of a table add up to."""
    sizes, codes = table.sizes[rows], standings.codes[rows]
    served = _IS_FETCHED[codes]
    left = sizes - np.minimum(standings.bytes_here[rows], sizes)
    return Totals(
        len(rows),
        int(sizes.sum()),
        int((codes == STANDINGS.index(FileStanding.HERE)).sum()),
        int(left[served].sum()),
    )
