"""Trial tables: one row per trial; row i corresponds to volume i of the betas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InconsistentDataError
from laion_fmri.arguments import one_of
from laion_fmri.tables import TextTable, Types, read_text, text_column, typed

if TYPE_CHECKING:
    import pandas as pd

TYPES: Types = {"session": "text", "run": "integer", "beta_index": "integer", "label": "text"}
COLUMNS = tuple(TYPES)
STIMULI_GROUPS = ("shared", "unique")
_DATASET = re.compile(r"(?:shared_[^_]+|unique)_([^_]+)_")


def read_trials(path: Path) -> pd.DataFrame:
    """Read one session's trial table.

    Returns
    -------
    DataFrame
        At least the columns session, run, beta_index, label. Further columns are numeric only if no
        information is lost; see `laion_fmri.tables.typed`.

    Raises
    ------
    DamagedFileError
        When it is not a trial table.
    InconsistentDataError
        When ``beta_index`` does not count the rows from 0.
    UnreadableFileError
    """
    return checked(read_text(path, "\t"))


def checked(cells: TextTable) -> pd.DataFrame:
    """Convert the cells of one session's trial table to values; see `read_trials`."""
    table = typed(cells, TYPES)
    cells.require("label", "the name of an image", table["label"].notna().tolist())
    if not np.array_equal(table["beta_index"], np.arange(len(table))):
        raise InconsistentDataError(
            f"{cells.path}: beta_index does not count the rows from 0, so rows and volumes cannot "
            "be matched. Download the table again."
        )
    return table


def join_trials(paths: Mapping[str, Path]) -> pd.DataFrame:
    """Concatenate the trials of several sessions.

    Parameters
    ----------
    paths : mapping of str to Path
        The trial table of each session, in order.

    Returns
    -------
    DataFrame
        Columns session, session_trial (0-based in its session), image_name, repeat (1-based
        presentation number of the image over all these trials), run, beta_index, label and every
        further column with another name. Columns that a session lacks are missing values; each
        column has one type over all sessions.

    Raises
    ------
    DamagedFileError, InconsistentDataError, UnreadableFileError
    """
    import pandas as pd

    tables = {session: read_text(path, "\t") for session, path in paths.items()}
    for table in tables.values():
        checked(table)
    names = dict.fromkeys([*COLUMNS, *(name for t in tables.values() for name in t.columns)])
    cells: dict[str, list[str]] = {
        name: [cell for t in tables.values() for cell in t.columns.get(name, [""] * t.n_rows)]
        for name in names
    }
    lengths = [table.n_rows for table in tables.values()]
    joined = typed(TextTable(Path("trials.tsv"), "\t", cells, sum(lengths)), TYPES)
    image_name = joined["label"].rename("image_name")
    own = {
        "session": text_column([s for s, n in zip(tables, lengths, strict=True) for _ in range(n)]),
        "session_trial": np.concatenate([np.arange(0), *map(np.arange, lengths)]),
        "image_name": image_name,
        "repeat": image_name.groupby(image_name, sort=False).cumcount() + 1,
    }
    return pd.DataFrame(own).join(joined.drop(columns=list(own), errors="ignore"))


def is_shared(labels: pd.Series) -> NDArray[np.bool_]:
    """Return which labels are images that every subject saw."""
    return labels.str.startswith("shared_").to_numpy(dtype=bool)


def dataset_of(name: str) -> str:
    """Return the source dataset of an image, parsed from its name; empty if unknown.

    Examples
    --------
    >>> dataset_of("shared_12rep_THINGS+_kmeans_12_whisk.jpg")
    'THINGS+'
    """
    match = _DATASET.match(name)
    return match[1] if match else ""


def select_stimuli(trials: pd.DataFrame, stimuli: str) -> NDArray[np.intp]:
    """Return the rows whose image is shared, or unique to this subject.

    Raises
    ------
    UnknownNameError
        When `stimuli` is neither ``"shared"`` nor ``"unique"``.
    """
    stimuli = one_of("stimuli", stimuli, STIMULI_GROUPS)
    shared = is_shared(trials["label"])
    return np.flatnonzero(shared if stimuli == "shared" else ~shared)


def require_one_row_a_volume(n_trials: int, n_volumes: int, table: Path, betas: Path) -> None:
    """Check that betas and trial table have the same length, so that rows cannot shift.

    Raises
    ------
    InconsistentDataError
    """
    if n_trials != n_volumes:
        raise InconsistentDataError(
            f"{betas.name} has {n_volumes} volumes but {table.name} has {n_trials} trials, so "
            "rows and volumes cannot be matched. Download both again."
        )
