"""Named selections of trials, kept in the data directory.

A trial is written down by its session and its row there: the global index of a trial
depends on which sessions are local.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import ConfigError, InvalidArgumentError
from laion_fmri.config import write_atomically
from laion_fmri.explorer.roles import OWNER, Visitor

if TYPE_CHECKING:
    import pandas as pd

FILE = ".laion_fmri/selections.json"
LONGEST_NAME = 80  # characters
_VERSION = 1
_ONE_WRITER = threading.Lock()

Kept = dict[str, dict[str, list[tuple[str, int]]]]


class Selections:
    """The named selections of a data directory.

    Parameters
    ----------
    data_dir : Path
    visitor : Visitor, optional
        Who asks; only the owner of a server can change them.
    """

    def __init__(self, data_dir: Path, visitor: Visitor = OWNER) -> None:
        self.path = data_dir / FILE
        self._visitor = visitor

    def of(self, subject: str, table: pd.DataFrame) -> dict[str, NDArray[np.intp]]:
        """The selections of one subject: global indices of those of their trials that are here.

        Parameters
        ----------
        subject : str
        table : DataFrame
            Its trials; columns session, session_trial.

        Raises
        ------
        ConfigError
            When the file cannot be read.
        """
        kept = self._read().get(subject, {})
        if not kept:
            return {}
        pairs = zip(table["session"], table["session_trial"].tolist(), strict=True)
        place = {pair: trial for trial, pair in enumerate(pairs)}
        return {
            name: np.array(sorted(place[pair] for pair in pairs if pair in place), dtype=np.intp)
            for name, pairs in sorted(kept.items(), key=lambda item: item[0].casefold())
        }

    def keep(self, subject: str, name: str, trials: Iterable[int], table: pd.DataFrame) -> None:
        """Keep trials under a name; one of that name is replaced.

        Raises
        ------
        InvalidArgumentError
            When the name is empty or long, or there is no trial.
        ConfigError
            When the file cannot be read or written.
        NotAllowedError
            To anybody but the owner.
        """
        name = " ".join(name.split())
        if not name or len(name) > LONGEST_NAME:
            raise InvalidArgumentError(
                f"A selection needs a name of 1 to {LONGEST_NAME} characters."
            )
        rows = table.iloc[sorted(set(trials))]
        if not len(rows):
            raise InvalidArgumentError("No trial is marked, so there is nothing to keep.")
        pairs = list(zip(rows["session"], rows["session_trial"].tolist(), strict=True))
        self._change(lambda kept: kept.setdefault(subject, {}).update({name: pairs}))

    def forget(self, subject: str, name: str) -> None:
        """Remove a selection; one that is not there is none to remove.

        Raises
        ------
        ConfigError
            When the file cannot be read or written.
        """
        self._change(lambda kept: kept.get(subject, {}).pop(name, None))

    def _change(self, change: Any) -> None:
        self._visitor.require_owner("Keeping selections")
        with _ONE_WRITER:
            kept = self._read()
            change(kept)
            text = json.dumps({"version": _VERSION, "selections": kept}, indent=1)
            try:
                write_atomically(self.path, text)
            except OSError as error:
                raise ConfigError(
                    f"{self.path} cannot be written ({error.strerror}), so the selection is "
                    "not kept. Look at the folder's permissions and the free space."
                ) from error

    def _read(self) -> Kept:
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            return _checked(stored["selections"])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"{self.path} cannot be read as selections. Move it away to begin anew."
            ) from error


def _checked(stored: Mapping[str, Any]) -> Kept:
    return {
        str(subject): {
            str(name): [(str(session), int(row)) for session, row in pairs]
            for name, pairs in of_subject.items()
        }
        for subject, of_subject in stored.items()
    }
