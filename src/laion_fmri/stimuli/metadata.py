"""The table of all images, and look-up of rows by image name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import (
    InconsistentDataError,
    InvalidArgumentError,
    RowNotFoundError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.arguments import whole_number
from laion_fmri.names import as_name, as_names
from laion_fmri.tables import Types, read_text, typed

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    import pandas as pd

TYPES: Types = {
    "image_name": "text",
    "dataset": "text",
    "participant": "text",
    "unique_or_shared": "text",
    "n_reps": "integer",
}
COLUMNS = tuple(TYPES)

_HOW_TO_GET = {
    layout.STIMULI_IMAGES: "download_stimuli()",
    layout.STIMULI_METADATA: "download_stimuli()",
    layout.SEGMENTATIONS: "download_segmentations()",
    layout.SEGMENTATIONS_METADATA: "download_segmentations()",
    layout.CAPTIONS: "download_captions()",
}


def require_stimulus_file(data_dir: Path, key: str) -> Path:
    """Return the path of a stimulus file; raise an error when it is not downloaded.

    Raises
    ------
    StimuliNotDownloadedError
        With the call that downloads it.
    """
    path = layout.local_path(data_dir, key)
    if not path.exists():
        model = layout.embedding_model(key)
        call = f'download_embeddings("{model}")' if model else _HOW_TO_GET[key]
        raise StimuliNotDownloadedError(
            f"{path.name} is not in {data_dir}. laion_fmri.{call} fetches it."
        )
    return path


def read_metadata(data_dir: Path) -> pd.DataFrame:
    """Read the table with one row per image; row i is image i of the stimulus HDF5.

    Returns
    -------
    DataFrame
        Columns image_name, dataset, participant, unique_or_shared, n_reps.

    Raises
    ------
    StimuliNotDownloadedError, DamagedFileError, UnreadableFileError
    """
    path = require_stimulus_file(data_dir, layout.STIMULI_METADATA)
    cells = read_text(path)
    table = typed(cells, TYPES)
    cells.require("image_name", "the name of an image", table["image_name"].notna().tolist())
    return table


class RowsByName:
    """Row look-up by ``image_name`` in a table with any number of rows per image."""

    def __init__(self, table: pd.DataFrame) -> None:
        import pandas as pd

        codes, names = pd.factorize(table["image_name"])
        self._code_of = {name: code for code, name in enumerate(names)}
        self._rows = np.argsort(codes, kind="stable")
        # Rows without a name have the code -1 and come first.
        self._begins = np.searchsorted(codes[self._rows], np.arange(len(names) + 1))

    def __contains__(self, name: object) -> bool:
        return is_among(name, self._code_of)

    @property
    def names(self) -> list[str]:
        """Return the images that have rows, in the order of their first row."""
        return list(self._code_of)

    def of(self, name: str) -> NDArray[np.intp]:
        """Return the rows of one image, in the order of the table; may be empty.

        Raises
        ------
        InvalidArgumentError
            When `name` is not a valid name.
        """
        code = self._code_of.get(as_name(name))
        if code is None:
            return np.array([], dtype=np.intp)
        return self._rows[self._begins[code] : self._begins[code + 1]]


def is_among(name: object, known: Container[str]) -> bool:
    """Whether a value is one of the known names; False for values that are not names."""
    try:
        return as_name(name) in known
    except InvalidArgumentError:
        return False


def row_number(kind: str, row: object, n: int) -> int:
    """Check a row number below `n`, counted from 0.

    Raises
    ------
    RowNotFoundError
    """
    number = whole_number(row)
    if number is None or number >= n:
        known = f"rows are 0 to {n - 1}" if n else "there is none"
        raise RowNotFoundError(f"{row!r} is no row of the {kind}s: {known}.")
    return number


class NameIndex:
    """Row look-up by image name, to join files with different orders.

    Parameters
    ----------
    names : iterable of str
        The name of each row.
    source : Path
        The file of the names, for messages.

    Raises
    ------
    InconsistentDataError
        When a name is in two rows.
    """

    def __init__(self, names: Iterable[str], source: Path) -> None:
        self.source = source
        self.names = list(names)
        self._rows = {name: row for row, name in enumerate(self.names)}
        if len(self._rows) != len(self.names):
            seen: set[str] = set()
            twice = next(n for n in self.names if n in seen or seen.add(n))  # type: ignore[func-returns-value]
            raise InconsistentDataError(
                f"{source} names {twice} twice, so rows cannot be told apart. Download it again."
            )

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return is_among(name, self._rows)

    def row(self, name: str) -> int:
        """Return the row of one name.

        Raises
        ------
        UnknownNameError
            Only the closest names are shown.
        """
        try:
            return self._rows[as_name(name)]
        except (KeyError, InvalidArgumentError):
            raise UnknownNameError(
                "image", name, self.names, f"The names are in {self.source.name}."
            ) from None

    def rows(self, names: Iterable[str]) -> NDArray[np.intp]:
        """Return the rows of names, in their order."""
        return np.array([self.row(name) for name in as_names(names)], dtype=np.intp)

    def lacking(self, names: Iterable[str]) -> list[str]:
        """Return the names without a row, in order and without duplicates."""
        return [name for name in dict.fromkeys(as_names(names)) if name not in self._rows]
