"""Whoever wants to know when something changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger("laion_fmri.explorer")


class Listeners:
    """Functions to call, from any thread."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def add(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called from now on; what is returned ends that."""
        with self._lock:
            self._listeners.append(listener)

        def remove() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return remove

    def tell(self) -> None:
        """Call them all."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            try:
                listener()
            except Exception as error:  # a page that is going away must not end the work
                log.warning("A page could not be told of a change (%s)", error)
