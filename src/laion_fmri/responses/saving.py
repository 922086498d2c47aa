"""Responses in one file: a ``.npz`` that numpy opens, with an array per column of each table."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri import memory
from laion_fmri._errors import (
    DamagedFileError,
    DataNotFoundError,
    NotEnoughMemoryError,
    UnreadableFileError,
)
from laion_fmri.atomic_write import atomic_file
from laion_fmri.responses.tables import as_text
from laion_fmri.transfer.plan import format_bytes

if TYPE_CHECKING:
    import pandas as pd

_FORMAT = "laion_fmri.responses/1"
_TABLES = ("images", "voxels", "left_out")
_BETWEEN_SESSIONS = " "
_ADVICE = "Write it again with Responses.save, or choose another file."


def save_fields(path: str | os.PathLike[str], fields: Mapping[str, Any]) -> None:
    """Write responses to one file, replacing it when it is complete.

    ``numpy.load(path)["values"]`` reads the values without this package; columns of tables are
    arrays such as ``"images/name"`` and ``"voxels/x"``.

    Parameters
    ----------
    path : path
        Such as ``"ffa1.npz"``; its folder is created.
    fields : mapping of str to anything
        The fields of `Responses`.

    Raises
    ------
    OSError
        When the file cannot be written; no partial file remains.
    """
    arrays: dict[str, NDArray] = {"format": np.array(_FORMAT)}
    for name, value in fields.items():
        if name not in _TABLES:
            arrays[name] = np.asarray(value)
            continue
        arrays[f"{name}.columns"] = np.array(list(value.columns), dtype=str)
        for column in value.columns:
            arrays[f"{name}/{column}"] = _as_array(value[column])
    with atomic_file(Path(path)) as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_fields(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the fields of responses from a file of `save_fields`.

    Raises
    ------
    DataNotFoundError
        When there is no such file.
    DamagedFileError
        When it is damaged, or no file of responses.
    UnreadableFileError
        When it cannot be read now.
    NotEnoughMemoryError
        When the values do not fit into memory.
    """
    file = Path(path)
    if not file.exists():
        raise DataNotFoundError(f"{file} is not there. Responses.save writes such a file.")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return _fields_of(file, arrays)
    except OSError as error:
        if isinstance(error, DamagedFileError):
            raise
        raise UnreadableFileError.from_os(file, error) from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise DamagedFileError(file, f"it holds no responses ({error})", _ADVICE) from error


def _fields_of(path: Path, arrays: Mapping[str, NDArray]) -> dict[str, Any]:
    if str(arrays["format"]) != _FORMAT:
        problem = f"its format is {str(arrays['format'])[:40]!r}, not {_FORMAT!r}"
        raise DamagedFileError(path, problem, _ADVICE)
    size = path.stat().st_size
    if not memory.has_room(size):
        raise NotEnoughMemoryError(
            f"The responses in {path} take {format_bytes(size)}, and "
            f"{format_bytes(memory.available())} of memory are free."
        )
    found: dict[str, Any] = {name: _as_table(arrays, name) for name in _TABLES}
    values = arrays["values"]
    if values.shape != (len(found["images"]), len(found["voxels"])) or math.prod(values.shape) == 0:
        raise DamagedFileError(path, "its tables and values have other lengths", _ADVICE)
    return found | {
        "subject": str(arrays["subject"]),
        "values": values,
        "is_average": bool(arrays["is_average"]),
        "zscore": str(arrays["zscore"]),
    }


def _as_array(column: pd.Series) -> NDArray:
    if column.dtype.kind in "biuf":
        return column.to_numpy()
    if column.name == "sessions":
        return np.array([_BETWEEN_SESSIONS.join(sessions) for sessions in column], dtype=str)
    return column.to_numpy().astype(str)


def _as_table(arrays: Mapping[str, NDArray], name: str) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, Any] = {}
    for column in arrays[f"{name}.columns"].tolist():
        stored = arrays[f"{name}/{column}"]
        if stored.dtype.kind != "U":
            columns[column] = stored
        elif column == "sessions":
            listed = [tuple(text.split(_BETWEEN_SESSIONS)) for text in stored.tolist()]
            columns[column] = pd.Series(listed, dtype=object)
        else:
            columns[column] = as_text(stored.tolist())
    return pd.DataFrame(columns)
