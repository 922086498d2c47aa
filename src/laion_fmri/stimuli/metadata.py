"""The table of all images, and how names become rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    StimuliNotDownloadedError,
    UnknownNameError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

COLUMNS = ("image_name", "dataset", "participant", "unique_or_shared", "n_reps")

_HOW_TO_GET = {
    layout.STIMULI_IMAGES: "download_stimuli()",
    layout.STIMULI_METADATA: "download_stimuli()",
    layout.SEGMENTATIONS: "download_segmentations()",
    layout.SEGMENTATIONS_METADATA: "download_segmentations()",
    layout.CAPTIONS: "download_captions()",
}


def require_stimulus_file(data_dir: Path, key: str) -> Path:
    """The path of a stimulus file that must be here.

    Raises
    ------
    StimuliNotDownloadedError
        Naming the call that fetches it.
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
    """One row an image; row i is image i of the stimulus HDF5.

    Returns
    -------
    DataFrame
        Columns image_name, dataset, participant, unique_or_shared, n_reps.

    Raises
    ------
    StimuliNotDownloadedError, DamagedFileError
    """
    path = require_stimulus_file(data_dir, layout.STIMULI_METADATA)
    table = read_table(path, COLUMNS)
    if table["image_name"].isna().any():
        raise DamagedFileError(path, "an image has no name")
    return table


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV that must have `columns`; text is kept as it is, never guessed to be missing.

    Raises
    ------
    DamagedFileError
    """
    import pandas as pd

    try:
        # An image may well be called "NA" or be captioned "None": only empty is missing.
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"image_name": str})
    except ValueError as error:  # pandas' parser errors and wrong encodings are ValueErrors
        raise DamagedFileError(path, f"it is not a table ({error})") from error
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise DamagedFileError(path, f"it lacks the column {', '.join(missing)}")
    return table


class RowsByName:
    """The rows of each ``image_name`` of a table in which an image has several, or none."""

    def __init__(self, table: pd.DataFrame) -> None:
        import pandas as pd

        codes, names = pd.factorize(table["image_name"])
        self._code_of = {name: code for code, name in enumerate(names)}
        self._rows = np.argsort(codes, kind="stable")
        # Rows without a name have the code -1 and stand before the first.
        self._begins = np.searchsorted(codes[self._rows], np.arange(len(names) + 1))

    def __contains__(self, name: object) -> bool:
        return name in self._code_of

    def of(self, name: str) -> NDArray[np.intp]:
        """The rows of one image, in the order of the table; none where it has none."""
        code = self._code_of.get(name)
        if code is None:
            return np.array([], dtype=np.intp)
        return self._rows[self._begins[code] : self._begins[code + 1]]


class NameIndex:
    """Rows by image name; the join between files whose orders differ.

    Parameters
    ----------
    names : iterable of str
        The name of each row.
    source : Path
        The file they come from, for messages.

    Raises
    ------
    InconsistentDataError
        When a name stands in two rows.
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
        return name in self._rows

    def row(self, name: str) -> int:
        """The row of one name.

        Raises
        ------
        UnknownNameError
            Only the closest names are shown.
        """
        try:
            return self._rows[name]
        except (KeyError, TypeError):
            raise UnknownNameError(
                "image", name, self.names, f"The names are in {self.source.name}."
            ) from None

    def rows(self, names: Iterable[str]) -> NDArray[np.intp]:
        """The rows of many names, in their order."""
        return np.array([self.row(name) for name in names], dtype=np.intp)

    def lacking(self, names: Iterable[str]) -> list[str]:
        """The names that stand in no row, each once, in their order."""
        return [name for name in dict.fromkeys(names) if name not in self._rows]
