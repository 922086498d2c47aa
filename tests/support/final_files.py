"""A watch over a data directory: whatever has its final name must be whole."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_LOOK = 0.005  # seconds between two looks


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class FinalFiles:
    """Looks at every file of `folder` as soon as it has its final name.

    As a context manager it looks all the time.

    Parameters
    ----------
    folder : Path
    versions : mapping of str to set of str
        SHA-256 of whatever a key has ever held; may grow.

    Attributes
    ----------
    n_seen : int
        Files looked at.
    wrong : list of str
        Keys whose file was not one of its versions.
    """

    def __init__(self, folder: Path, versions: Mapping[str, set[str]]) -> None:
        self.folder, self.versions = folder, versions
        self.n_seen = 0
        self.wrong: list[str] = []
        self._known: set[tuple[str, int, int]] = set()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="final-files", daemon=True)

    def __enter__(self) -> FinalFiles:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """Check the files that are new since the last look."""
        for entry in _files(self.folder):
            if entry.name.endswith((".part", ".lock")):
                continue
            try:
                with open(entry.path, "rb") as file:  # noqa: PTH123
                    stat = os.fstat(file.fileno())
                    mark = (entry.path, stat.st_ino, stat.st_mtime_ns)
                    data = b"" if mark in self._known else file.read()
            except FileNotFoundError:
                continue
            if mark not in self._known:
                key = Path(entry.path).relative_to(self.folder).as_posix()
                self._known.add(mark)
                self.n_seen += 1
                if sha256(data) not in self.versions.get(key, ()):
                    self.wrong.append(key)

    def partials(self) -> list[Path]:
        """The partial files that are there."""
        return sorted(Path(e.path) for e in _files(self.folder) if e.name.endswith(".part"))

    def differences(self, objects: Mapping[str, bytes]) -> list[str]:
        """Keys whose file is not there, not right, or should not be there."""
        found = {
            Path(e.path).relative_to(self.folder).as_posix(): Path(e.path).read_bytes()
            for e in _files(self.folder)
        }
        return sorted(k for k in found.keys() | objects.keys() if found.get(k) != objects.get(k))

    def _watch(self) -> None:
        while not self._is_over.wait(_LOOK):
            self.look()


def versions_of(objects: Mapping[str, bytes]) -> dict[str, set[str]]:
    """The one version of each object."""
    return {key: {sha256(data)} for key, data in objects.items()}


def _files(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    entries: Iterable[os.DirEntry[str]]
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        else:
            yield entry
