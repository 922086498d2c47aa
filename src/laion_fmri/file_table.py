"""Table of all files of the bucket, with filters, sorting, counts and totals.

Columns with few values are stored as integer codes, so that filtering, counting and sorting 100,000
files take well under 0.1 s.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri import discovery, layout
from laion_fmri._errors import UnsafeKeyError
from laion_fmri.availability import Availability
from laion_fmri.bucket import Bucket, BucketObject, open_bucket
from laion_fmri.config import load_settings
from laion_fmri.transfer.plan import LocalFiles

if TYPE_CHECKING:
    import pandas as pd

STATUS = "status"
FACETS = ("tree", "subject", "session", "desc", "suffix", "extension", STATUS)
"""Columns with few values, in the order of the page."""

Rows = NDArray[np.intp]  # row numbers of a `FileTable`

_STATES = tuple(Availability)
_NEVER_DOWNLOADED = (Availability.HELD_OUT, Availability.UNUSABLE_NAME)


def find_files(
    text: str = "",
    *,
    tree: str | Sequence[str] | None = None,
    subject: str | Sequence[str] | None = None,
    session: str | Sequence[str] | None = None,
    desc: str | Sequence[str] | None = None,
    suffix: str | Sequence[str] | None = None,
    extension: str | Sequence[str] | None = None,
    status: str | Sequence[str] | None = None,
    bucket: Bucket | None = None,
    data_dir: Path | None = None,
) -> pd.DataFrame:
    """Find files of the bucket.

    Parameters
    ----------
    text : str
        Words that must all occur in a file's key, in any order and case.
    tree, subject, session, desc, suffix, extension : str or sequence of str, optional
        Values to keep; ``""`` keeps files without a value.
    status : str or sequence of str, optional
        Values of `laion_fmri.availability.Availability`, such as ``"not downloaded"``.
    bucket : Bucket, optional
        The configured one by default.
    data_dir : Path, optional
        The configured one by default; without one, nothing counts as downloaded.

    Returns
    -------
    DataFrame
        Columns key, size (bytes), status, tree, subject, session, desc, suffix and extension;
        one row per file, in key order.

    Raises
    ------
    BucketUnreachableError

    Examples
    --------
    >>> from laion_fmri.file_table import find_files
    >>> files = find_files("trials", subject="sub-01", session="ses-01")
    >>> files["suffix"].unique().tolist()
    ['trials']
    """
    bucket = bucket or open_bucket()
    table = FileTable(discovery.list_objects("", bucket))
    table = table.compare(data_dir or load_settings().data_dir, bucket)
    asked = (tree, subject, session, desc, suffix, extension, status)
    values = {
        name: (value,) if isinstance(value, str) else tuple(value)
        for name, value in zip(FACETS, asked, strict=True)
        if value is not None
    }
    return table.to_frame(table.find(FileFilter(values, text)).rows)


@dataclass(frozen=True, eq=False)
class Facet:
    """A column with few values.

    Attributes
    ----------
    values : tuple of str
        In natural order; ``""`` for files without a value.
    codes : ndarray of int32, shape (n_files,)
        Index of each file's value in `values`.
    """

    values: tuple[str, ...]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, column: Sequence[str]) -> Facet:
        """Create the facet of a column."""

        def order(value: str) -> tuple:
            return (not value, *layout.natural_order(value.lower()))

        values = tuple(sorted(set(column), key=order))
        codes = {value: code for code, value in enumerate(values)}
        return cls(values, np.fromiter((codes[v] for v in column), np.int32, len(column)))

    def passing(self, wanted: Iterable[str]) -> NDArray[np.bool_]:
        """Return which files have one of these values."""
        wanted = set(wanted)
        return np.array([value in wanted for value in self.values], dtype=bool)[self.codes]

    def counts(self, among: NDArray[np.bool_]) -> dict[str, int]:
        """Count the files of `among` by value; values without files are left out."""
        found = np.bincount(self.codes[among], minlength=len(self.values))
        return {value: int(n) for value, n in zip(self.values, found, strict=True) if n}


@dataclass(frozen=True)
class FileFilter:
    """A filter of files.

    Attributes
    ----------
    values : mapping of str to tuple of str
        The values to keep of each of `FACETS`; a facet that is missing keeps all files.
    text : str
        Words that must all occur in the key, ignoring case.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    text: str = ""

    @property
    def code(self) -> str:
        """Return Python code that finds the same files."""
        arguments = [repr(self.text)] if self.text.strip() else []
        for facet, values in self.values.items():
            if values:
                arguments.append(f"{facet}={[str(value) for value in values]!r}")
        return (
            "from laion_fmri.file_table import find_files\n\n"
            f"files = find_files({', '.join(arguments)})\n"
            'print(files, files["size"].sum())'
        )


@dataclass(frozen=True, eq=False)
class FoundFiles:
    """The files that pass a filter.

    Attributes
    ----------
    rows : ndarray of int, shape (n_found,)
        Row numbers of the table, in the order asked for.
    options : mapping of str to (mapping of str to int)
        For each of `FACETS`, its values with the number of files that pass all other filters.
        Values in the filter are listed even if no file has them.
    """

    rows: Rows
    options: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Totals:
    """Totals over some files.

    Attributes
    ----------
    n_files, n_bytes : int
    n_downloaded : int
        Files that are complete in the data directory.
    bytes_to_download : int
        Bytes still missing of the files that the bucket serves.
    """

    n_files: int = 0
    n_bytes: int = 0
    n_downloaded: int = 0
    bytes_to_download: int = 0


class FileTable:
    """The files of a bucket, in key order.

    Parameters
    ----------
    objects : iterable of BucketObject

    Attributes
    ----------
    objects : tuple of BucketObject
    sizes : ndarray of int64, shape (n_files,)
        Bytes.
    bytes_downloaded : ndarray of int64, shape (n_files,)
        0 unless set by `compare`.
    facets : mapping of str to Facet
        One for each of `FACETS`.
    """

    def __init__(self, objects: Iterable[BucketObject]) -> None:
        self.objects = tuple(sorted(objects, key=lambda found: found.key))
        self.sizes = np.fromiter((o.size for o in self.objects), np.int64, len(self.objects))
        self.bytes_downloaded = np.zeros(len(self), dtype=np.int64)
        columns: dict[str, list[str]] = {name: [] for name in FACETS if name != STATUS}
        states = np.zeros(len(self), dtype=np.int32)
        for row, found in enumerate(self.objects):
            for name, value in _described(found.key).items():
                columns[name].append(value)
            states[row] = _STATES.index(_without_data_dir(found.key))
        self.facets = {name: Facet.of(column) for name, column in columns.items()}
        self.facets[STATUS] = Facet(_STATES, states)
        self._searched = [found.key.lower() for found in self.objects]

    def __len__(self) -> int:
        return len(self.objects)

    def compare(self, data_dir: Path | None, bucket: Bucket) -> FileTable:
        """Return the table with the status of every file in a data directory.

        Parameters
        ----------
        data_dir : Path or None
            With None, nothing counts as downloaded.
        bucket : Bucket
            The bucket of the files.

        Returns
        -------
        FileTable
        """
        compared = copy.copy(self)
        states = np.full(len(self), _STATES.index(Availability.NOT_DOWNLOADED), dtype=np.int32)
        never = ~self.can_be_downloaded
        states[never] = self.facets[STATUS].codes[never]
        compared.bytes_downloaded = np.zeros(len(self), dtype=np.int64)
        if data_dir is not None:
            local_files = LocalFiles(data_dir, bucket)
            for row in np.flatnonzero(~never):
                file = local_files.compare(self.objects[row])
                states[row] = _STATES.index(Availability.of(file.status))
                compared.bytes_downloaded[row] = file.bytes_downloaded
        compared.facets = {**self.facets, STATUS: Facet(_STATES, states)}
        return compared

    @cached_property
    def can_be_downloaded(self) -> NDArray[np.bool_]:
        """Which files the bucket serves and the data directory can store."""
        return ~self.facets[STATUS].passing(_NEVER_DOWNLOADED)

    @cached_property
    def _rows_by_key(self) -> dict[str, int]:
        return {found.key: row for row, found in enumerate(self.objects)}

    def rows_of(self, keys: Iterable[str]) -> Rows:
        """Return the rows of the given keys that are in the table."""
        by_key = self._rows_by_key
        return np.array([by_key[key] for key in keys if key in by_key], dtype=np.intp)

    def value(self, row: int, facet: str) -> str:
        """Return the value of a file in one of `FACETS`."""
        column = self.facets[facet]
        return column.values[column.codes[row]]

    def containing(self, text: str) -> NDArray[np.bool_]:
        """Return which keys contain every word of a text, ignoring case."""
        passing = np.ones(len(self), dtype=bool)
        for word in text.lower().split():
            passing &= np.array([word in key for key in self._searched], dtype=bool)
        return passing

    def find(self, wanted: FileFilter, sort: str = "file", descending: bool = False) -> FoundFiles:
        """Return the files that pass a filter, sorted, with the options of each facet.

        Parameters
        ----------
        wanted : FileFilter
        sort : str
            ``"file"``, ``"size"`` or one of `FACETS`.
        descending : bool

        Returns
        -------
        FoundFiles
        """
        failing = {n: ~self.facets[n].passing(v) for n, v in wanted.values.items() if v}
        n_failed = (~self.containing(wanted.text)).astype(np.int8)
        for fails in failing.values():
            n_failed += fails
        passing = n_failed == 0
        options = {}
        for name in FACETS:
            facet, asked = self.facets[name], wanted.values.get(name, ())
            counts = facet.counts(n_failed == failing[name] if name in failing else passing)
            options[name] = {v: counts.get(v, 0) for v in facet.values if v in counts or v in asked}
        rows: Rows = np.flatnonzero(passing)
        if sort != "file":
            column = self.sizes if sort == "size" else self.facets[sort].codes
            rows = rows[np.argsort(column[rows], kind="stable")]
        return FoundFiles(rows[::-1] if descending else rows, options)

    def totals(self, rows: Rows) -> Totals:
        """Return the totals over some rows."""
        sizes = self.sizes[rows]
        left = sizes - np.minimum(self.bytes_downloaded[rows], sizes)
        downloaded = self.facets[STATUS].codes[rows] == _STATES.index(Availability.DOWNLOADED)
        return Totals(
            len(rows),
            int(sizes.sum()),
            int(downloaded.sum()),
            int(left[self.can_be_downloaded[rows]].sum()),
        )

    def to_frame(self, rows: Rows) -> pd.DataFrame:
        """Return some rows as a DataFrame; see `find_files` for its columns."""
        import pandas as pd

        names = (STATUS, *(name for name in FACETS if name != STATUS))
        return pd.DataFrame(
            {
                "key": [self.objects[row].key for row in rows],
                "size": self.sizes[rows],
                **{name: [str(self.value(row, name)) for row in rows] for name in names},
            }
        )


class ChosenFiles:
    """The files of a table that are chosen for download."""

    def __init__(self, table: FileTable, keys: Iterable[str] = ()) -> None:
        self.table = table
        self.mask = np.zeros(len(table), dtype=bool)
        self.choose(table.rows_of(keys))

    def choose(self, rows: Rows, chosen: bool = True) -> None:
        """Select or deselect the rows that can be downloaded."""
        self.mask[rows[self.table.can_be_downloaded[rows]]] = chosen

    @property
    def rows(self) -> Rows:
        """The chosen rows."""
        return np.flatnonzero(self.mask)

    @property
    def keys(self) -> list[str]:
        """The chosen keys, in key order."""
        return [self.table.objects[row].key for row in self.rows]

    def share(self, rows: Rows) -> Literal["none", "some", "all"]:
        """Return whether none, some or all of these rows are chosen."""
        chosen = self.mask[rows[self.table.can_be_downloaded[rows]]]
        if not chosen.any():
            return "none"
        return "all" if chosen.all() else "some"


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


def _without_data_dir(key: str) -> Availability:
    if layout.is_held_out(key):
        return Availability.HELD_OUT
    try:
        layout.require_safe(key)
    except UnsafeKeyError:
        return Availability.UNUSABLE_NAME
    return Availability.NOT_DOWNLOADED
