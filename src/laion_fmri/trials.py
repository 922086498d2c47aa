"""Trial tables: one row a trial, row i being volume i of the betas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    UnknownNameError,
)

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("session", "run", "beta_index", "label")
STIMULI_GROUPS = ("shared", "unique")


def no_trials() -> pd.DataFrame:
    """A trial table without a row; its columns are of the types that rows would have."""
    import pandas as pd

    nothing = pd.DataFrame({name: [] for name in COLUMNS}, dtype=object)
    return nothing.astype({"run": np.int64, "beta_index": np.int64})


def read_trials(path: Path) -> pd.DataFrame:
    """Read one session's trial table.

    Returns
    -------
    DataFrame
        At least the columns session, run, beta_index, label.

    Raises
    ------
    DamagedFileError
        When it is not such a table.
    InconsistentDataError
        When ``beta_index`` does not count the rows from 0.
    """
    import pandas as pd

    try:
        table = pd.read_csv(
            path,
            sep="\t",
            dtype={"label": str, "session": str},
            keep_default_na=False,  # an image may well be called "NA"
            na_values=["", "n/a"],
        )
    except ValueError as error:  # pandas' parser errors and wrong encodings are ValueErrors
        raise DamagedFileError(path, f"it is not a table ({error})") from error
    missing = [c for c in COLUMNS if c not in table.columns]
    if missing:
        raise DamagedFileError(path, f"it lacks the column {', '.join(missing)}")
    if table.empty:  # of no rows, pandas cannot tell the type
        table = table.astype({"run": np.int64, "beta_index": np.int64})
    if table["label"].isna().any():
        raise DamagedFileError(path, "a trial has no label")
    if not np.array_equal(table["beta_index"], np.arange(len(table))):
        raise InconsistentDataError(
            f"{path}: beta_index does not count the rows from 0, so rows and volumes cannot be "
            "matched. Download the table again."
        )
    return table


def is_shared(labels: pd.Series) -> NDArray[np.bool_]:
    """Which labels name images that every subject saw."""
    return labels.str.startswith("shared_").to_numpy(dtype=bool)


def select_stimuli(trials: pd.DataFrame, stimuli: str) -> NDArray[np.intp]:
    """Rows whose image is shared, or unique to this subject.

    Raises
    ------
    UnknownNameError
        When `stimuli` is neither ``"shared"`` nor ``"unique"``.
    """
    if stimuli not in STIMULI_GROUPS:
        raise UnknownNameError("stimuli", stimuli, STIMULI_GROUPS)
    shared = is_shared(trials["label"])
    return np.flatnonzero(shared if stimuli == "shared" else ~shared)


def require_one_row_a_volume(n_trials: int, n_volumes: int, table: Path, betas: Path) -> None:
    """Refuse betas and a trial table of different lengths: rows must never shift.

    Raises
    ------
    InconsistentDataError
    """
    if n_trials != n_volumes:
        raise InconsistentDataError(
            f"{betas.name} has {n_volumes} volumes but {table.name} has {n_trials} trials, so "
            "rows and volumes cannot be matched. Download both again."
        )
