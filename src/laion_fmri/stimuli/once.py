"""What is read once and then shared, by threads and by processes that are forked off."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Self, TypeVar

T = TypeVar("T")


class ForkSafeLock:
    """A re-entrant lock that is free in a forked child, whoever held it in the parent.

    An ordinary lock that another thread holds at the moment of a fork stays locked in the
    child for ever, since that thread does not exist there.
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


class Kept:
    """Values made when first asked for, each by one thread, and kept until cleared.

    A pickled copy is empty: whoever unpickles it makes its own.
    """

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._values: dict[str, Any] = {}

    def get(self, name: str, make: Callable[[], T]) -> T:
        """The value of that name; `make` is called where there is none yet."""
        with self._lock:
            if name not in self._values:
                self._values[name] = make()
            return self._values[name]

    def made(self) -> list[Any]:
        """The values that are there."""
        with self._lock:
            return list(self._values.values())

    def clear(self) -> None:
        """Forget every value."""
        with self._lock:
            self._values.clear()

    def __getstate__(self) -> dict[str, object]:
        return {}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__()  # type: ignore[misc]
