"""Named selections of trials, saved in the data directory.

Trials are saved by session and row, because the global index depends on the downloaded sessions.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import ConfigError, InvalidArgumentError, UnreadableFileError
from laion_fmri.atomic_write import write_atomically
from laion_fmri.names import as_name

if TYPE_CHECKING:
    import pandas as pd

FILE = ".laion_fmri/selections.json"
LONGEST_NAME = 80  # characters
_VERSION = 1
_ONE_WRITER = threading.Lock()

Saved = dict[str, dict[str, list[tuple[str, int]]]]


class Selections:
    """The named selections of a data directory.

    Parameters
    ----------
    data_dir : path

    Attributes
    ----------
    path : Path
        File of the selections.

    Examples
    --------
    >>> sub = laion_fmri.load_subject("sub-01")
    >>> selections = Selections(sub.data_dir)
    >>> selections.save("sub-01", "first two", [0, 1], sub.metadata)
    >>> selections.of("sub-01", sub.metadata)["first two"].tolist()
    [0, 1]
    """

    def __init__(self, data_dir: str | os.PathLike[str]) -> None:
        self.path = Path(data_dir) / FILE

    def of(self, subject: str, table: pd.DataFrame) -> dict[str, NDArray[np.intp]]:
        """Return the selections of one subject as global indices of downloaded trials.

        Parameters
        ----------
        subject : str
        table : DataFrame
            The trials of the subject; columns session, session_trial.

        Raises
        ------
        ConfigError, UnreadableFileError
            When the file cannot be read.
        """
        saved = self._read().get(subject, {})
        if not saved:
            return {}
        pairs = zip(table["session"], table["session_trial"].tolist(), strict=True)
        place = {pair: trial for trial, pair in enumerate(pairs)}
        return {
            name: np.array(sorted(place[pair] for pair in pairs if pair in place), dtype=np.intp)
            for name, pairs in sorted(saved.items(), key=lambda item: item[0].casefold())
        }

    def save(self, subject: str, name: str, trials: Iterable[int], table: pd.DataFrame) -> None:
        """Save trials under a name, replacing a selection of that name.

        Parameters
        ----------
        subject : str
        name : str
            1 to 80 characters; surrounding and repeated spaces are removed.
        trials : iterable of int
            Global indices.
        table : DataFrame
            The trials of the subject; columns session, session_trial.

        Raises
        ------
        InvalidArgumentError
            When the name is empty or too long, or there are no trials.
        ConfigError, UnreadableFileError
            When the file cannot be read or written.
        """
        name = " ".join(as_name(name, "selection").split())
        if not name or len(name) > LONGEST_NAME:
            raise InvalidArgumentError(
                f"A selection needs a name of 1 to {LONGEST_NAME} characters."
            )
        rows = table.iloc[sorted(set(trials))]
        if not len(rows):
            raise InvalidArgumentError("No trial is marked, so there is nothing to save.")
        pairs = list(zip(rows["session"], rows["session_trial"].tolist(), strict=True))
        self._change(lambda saved: saved.setdefault(subject, {}).update({name: pairs}))

    def delete(self, subject: str, name: str) -> None:
        """Delete a selection, if it exists.

        Raises
        ------
        ConfigError, UnreadableFileError
            When the file cannot be read or written.
        """
        self._change(lambda saved: saved.get(subject, {}).pop(name, None))

    def _change(self, change: Callable[[Saved], object]) -> None:
        with _ONE_WRITER:
            saved = self._read()
            change(saved)
            text = json.dumps({"version": _VERSION, "selections": saved}, indent=1)
            try:
                write_atomically(self.path, text)
            except OSError as error:
                raise ConfigError(
                    f"{self.path} cannot be written ({error.strerror}), so the selection is "
                    "not saved. Look at the folder's permissions and the free space."
                ) from error

    def _read(self) -> Saved:
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8-sig"))
            return _checked(stored["selections"])
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UnreadableFileError.from_os(self.path, error) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"{self.path} cannot be read as selections. Move it away to begin anew."
            ) from error


def _checked(stored: Mapping[str, Any]) -> Saved:
    return {
        str(subject): {
            str(name): [(str(session), int(row)) for session, row in pairs]
            for name, pairs in of_subject.items()
        }
        for subject, of_subject in stored.items()
    }
