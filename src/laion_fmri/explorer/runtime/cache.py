"""One cache for the explorer's computed values, bounded in bytes and keyed by files."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from laion_fmri.fingerprint import file_signature
from laion_fmri.memory import size_in_memory

T = TypeVar("T")


@dataclass(frozen=True)
class _Entry:
    files: tuple[Hashable, ...]
    value: Any
    n_bytes: int


class Cache:
    """Values by key; the least recently used are dropped when the total size exceeds the limit.

    Thread-safe: threads that request the same key wait for a single computation.

    Parameters
    ----------
    max_bytes : int
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._computing: dict[Hashable, threading.Lock] = {}
        self._generation = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable, compute: Callable[[], T], files: Iterable[Path] = ()) -> T:
        """Return the value of a key, computed if it is missing or if one of its files has changed.

        Parameters
        ----------
        key : hashable
        compute : callable
            Its exceptions are raised, not cached.
        files : iterable of Path
            The files that the value depends on, compared by size and modification time.
        """
        state = tuple((path, *file_signature(path)) for path in files)
        with self._lock:
            generation = self._generation
            if (entry := self._entry(key, state)) is not None:
                return cast("T", entry.value)
            turn = (generation, key, state)
            computing = self._computing.setdefault(turn, threading.Lock())
        with computing:
            with self._lock:
                entry = self._entry(key, state)
                if entry is not None and generation == self._generation:
                    return cast("T", entry.value)
            try:
                value = compute()
                entry = _Entry(state, value, size_in_memory(value))
                with self._lock:
                    if generation == self._generation:  # otherwise the cache was cleared meanwhile
                        self._add(key, entry)
            finally:
                with self._lock:
                    self._computing.pop(turn, None)
        return value

    def discard(self, key: Hashable) -> None:
        """Remove the value of a key."""
        with self._lock:
            self._remove(key)

    def clear(self) -> None:
        """Remove all values, including those being computed."""
        with self._lock:
            self._entries.clear()
            self.n_bytes = 0
            self._generation += 1

    def _entry(self, key: Hashable, state: tuple[Hashable, ...]) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None or entry.files != state:
            return None
        self._entries.move_to_end(key)
        return entry

    def _add(self, key: Hashable, entry: _Entry) -> None:
        self._remove(key)
        self._entries[key] = entry
        self.n_bytes += entry.n_bytes
        while self.n_bytes > self.max_bytes and len(self._entries) > 1:
            self._remove(next(iter(self._entries)))

    def _remove(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        self.n_bytes -= entry.n_bytes if entry is not None else 0
