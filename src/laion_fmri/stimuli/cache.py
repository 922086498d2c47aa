"""Caches that threads and forked processes share."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from laion_fmri.fingerprint import file_signature

T = TypeVar("T")


class ForkSafeLock:
    """A re-entrant lock that is free in a forked child, even if a thread held it in the parent.

    An ordinary lock that another thread holds during a fork stays locked in the child forever,
    because that thread does not exist there.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _LOCKS.add(self)

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.RLock()


_LOCKS: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()


def _renew_locks() -> None:
    for lock in list(_LOCKS):
        lock._renew()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_renew_locks)


class Cache:
    """Values that are computed on first use, each by one thread, and kept until cleared.

    A pickled copy is empty.
    """

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._values: dict[str, Any] = {}

    def get(self, name: str, make: Callable[[], T]) -> T:
        """Return the value of a name; `make` computes it on first use."""
        with self._lock:
            if name not in self._values:
                self._values[name] = make()
            return self._values[name]

    def made(self) -> list[Any]:
        """Return the cached values."""
        with self._lock:
            return list(self._values.values())

    def clear(self) -> None:
        """Clear the cache."""
        with self._lock:
            self._values.clear()

    def __getstate__(self) -> dict[str, object]:
        return {}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__()  # type: ignore[misc]


class FileCache(Generic[T]):
    """A value computed from files, recomputed after one of them has changed.

    A pickled copy is empty.
    """

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._made: tuple[object, T] | None = None

    def get(self, files: Sequence[Path], make: Callable[[], T]) -> T:
        """Return the value; `make` computes it on first use and after a file has changed."""
        with self._lock:
            state = [(path, *file_signature(path)) for path in files]
            if self._made is None or self._made[0] != state:
                self._made = state, make()
            return self._made[1]

    def __getstate__(self) -> dict[str, object]:
        return {}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__()  # type: ignore[misc]
