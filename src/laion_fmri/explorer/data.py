"""The explorer's handle on the library: cached, safe in threads, no widgets.

One `ExplorerData` serves every page of a server. Results are remembered by a key that
includes the state of the files they came from, so that a download shows at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import TypeVar

from laion_fmri import layout
from laion_fmri._errors import DataDirNotSetError
from laion_fmri.bucket import Bucket, open_bucket
from laion_fmri.config import Settings, load_settings
from laion_fmri.stimuli.hub import Stimuli
from laion_fmri.subject import Subject, load_subject, local_subjects

T = TypeVar("T")

_REMEMBERED = 256  # results, the least recently used go first


class ExplorerData:
    """Answers for the views.

    Parameters
    ----------
    settings : Settings, optional
        By default what is configured.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load_settings()
        self._results: OrderedDict[Hashable, object] = OrderedDict()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    # --- where things are ---------------------------------------------------------------

    @property
    def data_dir(self) -> Path:
        """The data directory; raises `DataDirNotSetError` where there is none."""
        return self.settings.require_data_dir()

    def bucket(self) -> Bucket:
        """The bucket; raises what the library raises when it cannot be used."""
        return self.remember(("bucket",), lambda: open_bucket(self.settings))

    # --- subjects and stimuli -----------------------------------------------------------

    def local_subjects(self) -> list[str]:
        """Subjects that have files here; empty where there is no data directory."""
        try:
            return local_subjects(self.data_dir)
        except DataDirNotSetError:
            return []

    def subject(self, name: str) -> Subject:
        """A handle on a local subject; another one when the stimuli on disk change."""
        return self.remember(
            ("subject", name), lambda: load_subject(name, self.data_dir), self.stimulus_files()
        )

    def stimuli(self) -> Stimuli:
        """The stimuli of the dataset; another handle when they change on disk."""
        return self.remember(("stimuli",), lambda: Stimuli(self.data_dir), self.stimulus_files())

    def stimulus_files(self) -> list[Path]:
        """The local files of the stimuli, which handles keep what they read of."""
        return sorted((self.data_dir / layout.STIMULI_TREE).glob("*.*"))

    # --- remembering --------------------------------------------------------------------

    def remember(self, key: Hashable, make: Callable[[], T], files: Iterable[Path] = ()) -> T:
        """The result of `make`, made once for each `key` and state of `files`.

        Two threads that ask for the same thing wait for one result; an error is not
        remembered. `files` are those the result depends on.
        """
        full = (key, tuple(_signature(path) for path in files))
        with self._guard:
            lock = self._locks.setdefault(full, threading.Lock())
        with lock:
            with self._guard:
                if full in self._results:
                    self._results.move_to_end(full)
                    return self._results[full]  # type: ignore[return-value]
            result = make()
            with self._guard:
                self._results[full] = result
                while len(self._results) > _REMEMBERED:
                    oldest, _ = self._results.popitem(last=False)
                    self._locks.pop(oldest, None)
            return result


def _signature(path: Path) -> tuple[str, int, int] | tuple[str]:
    try:
        stat = path.stat()
    except OSError:
        return (str(path),)
    return (str(path), stat.st_mtime_ns, stat.st_size)
