"""Tables of text, read exactly, with declared column types.

Text is not converted: ``007``, ``5.10``, ``NA`` and ``True`` are text. Empty cells and BIDS's
``n/a`` are missing. An undeclared column is numeric only if no information is lost; see `typed`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from laion_fmri._errors import DamagedFileError, LaionFmriError, UnreadableFileError

if TYPE_CHECKING:
    import pandas as pd

ColumnType = Literal["text", "integer", "number"]
Types = Mapping[str, ColumnType]
Cells = Sequence[str]

MISSING = frozenset({"", "n/a"})
_NO_NUMBER = MISSING | {"NA", "NaN", "nan", "None", "null"}  # in a column of numbers
_BATCH = 256  # rows
_EXACT, _EXACT_DIGITS = 2**53, 15  # whole numbers up to here are exact in floating point
_ADVICE = "Correct it, or delete it and download it again."


@dataclass(frozen=True)
class TextTable:
    """The cells of a table as text.

    Attributes
    ----------
    path : Path
    separator : str
    columns : mapping of str to sequence of str
        Columns of equal length, by name.
    n_rows : int
    """

    path: Path
    separator: str
    columns: Mapping[str, Cells]
    n_rows: int

    def require(self, column: str, what: str, is_so: Sequence[bool]) -> None:
        """Check every cell of a column.

        Raises
        ------
        DamagedFileError
            With the line number.
        """
        if not all(is_so):
            row = list(is_so).index(False)
            cell = self.columns[column][row]
            line = _line_of(self.path, self.separator, row)
            raise _damaged(self.path, line, f"{cell!r} in the column {column} is not {what}")


def read_table(
    path: Path, types: Types, needed: Iterable[str] | None = None, separator: str = ","
) -> pd.DataFrame:
    """Read a table of text.

    Parameters
    ----------
    path : Path
    types : mapping of str to {"text", "integer", "number"}
        The type of each column.
    needed : iterable of str, optional
        Required columns; all of `types` by default.
    separator : str
        A tab for BIDS tables.

    Returns
    -------
    DataFrame
        See `typed`.

    Raises
    ------
    DamagedFileError
        When it is not a valid table, or a cell does not have its column's type; with the line
        number.
    UnreadableFileError
    """
    return typed(read_text(path, separator), types, needed)


def read_text(path: Path, separator: str = ",") -> TextTable:
    """Read the cells of a table as text, without a byte-order mark.

    Separators at the end of a row, columns without a name, and empty rows at the end, which
    spreadsheets write, are left out.

    Raises
    ------
    DamagedFileError
        When a row has a wrong number of cells, a column name is duplicated, a quotation mark is not
        closed, or the text is not UTF-8; with the line number.
    UnreadableFileError
    """
    with _rows(path, separator) as rows:
        header = next(rows, None)
        if header is None:
            raise DamagedFileError(path, "it is empty", _ADVICE)
        while header and not header[-1]:
            header.pop()
        if twice := sorted({name for name in header if name and header.count(name) > 1}):
            raise DamagedFileError(path, f"two of its columns are called {twice[0]!r}", _ADVICE)
        columns: list[list[str]] = [[] for _ in header]
        n_rows = 0
        # In batches, because tens of thousands of lists slow down the garbage collector.
        while batch := list(islice(rows, _BATCH)):
            if {len(row) for row in batch} != {len(header)}:
                _cut_to(len(header), batch, path, separator, n_rows)
            for column, cells in zip(columns, zip(*batch, strict=True), strict=True):
                column.extend(cells)
            n_rows += len(batch)
    while n_rows and not any(column[n_rows - 1] for column in columns):
        n_rows -= 1
    named = {name: column[:n_rows] for name, column in zip(header, columns, strict=True) if name}
    return TextTable(path, separator, named, n_rows)


def typed(table: TextTable, types: Types, needed: Iterable[str] | None = None) -> pd.DataFrame:
    """Convert the cells of a table to values.

    Returns
    -------
    DataFrame
        ``"text"`` is str, with NaN for missing cells. ``"integer"`` is int64, or float64 with NaN
        for missing cells. ``"number"`` is float64. In columns of numbers ``NA``, ``NaN``, ``nan``,
        ``None`` and ``null`` are missing, too. An undeclared column is int64 or float64 if each of
        its cells is the canonical form of its number (``12``, ``0.5``, not ``007``, ``5.10``,
        ``1e5``, ``inf``), else text.

    Raises
    ------
    DamagedFileError
    """
    import pandas as pd

    lacking = [c for c in (types if needed is None else needed) if c not in table.columns]
    if lacking:
        raise DamagedFileError(
            table.path,
            f"it lacks the column {', '.join(lacking)} (it has {', '.join(table.columns)})",
            _ADVICE,
        )
    columns = {name: _values(table, name, types.get(name)) for name in table.columns}
    return pd.DataFrame(columns, index=pd.RangeIndex(table.n_rows))


def _values(table: TextTable, name: str, kind: ColumnType | None) -> pd.Series | np.ndarray:
    cells = table.columns[name]
    if kind is None:
        kind = _kind_of(cells)
    if kind == "text":
        return text_column(cells)
    if kind == "integer" and (whole := _all_numbers(cells, int)) is not None:
        return whole
    what = "a number" if kind == "number" else "a whole number"
    values = _all_numbers(cells, float)
    if values is None:
        numbers = [_number(cell) for cell in cells]
        table.require(name, what, [number is not None for number in numbers])
        values = np.array(numbers, dtype=np.float64)
    if kind == "number":
        return values
    is_missing = np.isnan(values)
    is_whole = (np.abs(values) <= _EXACT) & (np.trunc(values) == values)
    table.require(name, what, (is_whole | is_missing).tolist())
    return values if is_missing.any() else values.astype(np.int64)


def _all_numbers(cells: Cells, kind: type[int] | type[float]) -> np.ndarray | None:
    """Convert cells to numbers together; None if one is not a number."""
    if "_" in "".join(cells):  # only Python reads 1_0 as 10
        return None
    try:
        return np.array(list(map(kind, cells)), dtype=np.int64 if kind is int else np.float64)
    except (ValueError, OverflowError):
        return None


def _number(cell: str) -> float | None:
    """Convert a cell to a number; NaN if missing, None if not a number."""
    if cell in _NO_NUMBER:
        return math.nan
    try:
        return float(cell) if "_" not in cell else None
    except ValueError:
        return None


def text_column(cells: Cells) -> pd.Series:
    """Return a text column: dtype str from pandas 3 on, object before."""
    import pandas as pd

    known: Sequence[str | float] = cells
    if any(missing in cells for missing in MISSING):
        known = [np.nan if cell in MISSING else cell for cell in cells]
    return pd.Series(known, dtype=pd.Series([""]).dtype)


def _kind_of(cells: Cells) -> ColumnType:
    """Infer the type of an undeclared column: numeric only if no information is lost."""
    known = set(cells) - MISSING
    if all(_is_whole(cell) for cell in known):
        return "integer"
    return "number" if all(_is_whole(cell) or _is_decimal(cell) for cell in known) else "text"


def _is_whole(cell: str) -> bool:
    try:
        return len(cell) <= _EXACT_DIGITS and str(int(cell)) == cell
    except ValueError:
        return False


def _is_decimal(cell: str) -> bool:
    try:
        value = float(cell)
    except ValueError:
        return False
    return math.isfinite(value) and repr(value) == cell


# --- rows of a file ---------------------------------------------------------------------


@contextmanager
def _rows(path: Path, separator: str) -> Iterator[Iterator[list[str]]]:
    """Yield the rows of a file that are not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=separator, strict=True)
            try:
                yield filter(None, reader)
            except UnicodeDecodeError as error:
                raise DamagedFileError(
                    path, f"it is not UTF-8 text ({error.reason})", _ADVICE
                ) from error
            except csv.Error as error:
                problem = f"{error}; is a quotation mark missing?"
                raise _damaged(path, reader.line_num, problem) from error
    except LaionFmriError:
        raise
    except OSError as error:
        raise UnreadableFileError.from_os(path, error) from error


def _cut_to(width: int, batch: list[list[str]], path: Path, separator: str, first: int) -> None:
    """Remove extra separators at the ends of rows, so that each has one cell per column.

    `first` is the row number of the first of these rows.
    """
    for place, row in enumerate(batch):
        if len(row) < width or any(row[width:]):
            line = _line_of(path, separator, first + place)
            raise _damaged(path, line, f"it has {len(row)} cells, the table {width} columns")
        del row[width:]


def _line_of(path: Path, separator: str, row: int) -> int:
    """Return the line of a file at which a table row ends."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        next(islice(filter(None, reader), row + 1, None))
        return reader.line_num


def _damaged(path: Path, line: int, problem: str) -> DamagedFileError:
    return DamagedFileError(path, f"line {line}: {problem}", _ADVICE)
