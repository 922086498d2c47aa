"""What may go wrong between a client and a server, and when."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What may go wrong with one answer."""

    REFUSED = "connection refused"
    RESET = "reset in mid-body"
    TRUNCATED = "body ends early"
    STALLED = "no more bytes"
    SLOW_DOWN = "503 SlowDown"
    SERVER_ERROR = "500"
    WRONG_LENGTH = "wrong Content-Length"
    WRONG_RANGE = "wrong Content-Range"
    CHANGED = "object replaced"
    DENIED = "403"
    GARBAGE = "flipped bits"


@dataclass(frozen=True)
class Request:
    """A request for an object that the server has answered.

    Attributes
    ----------
    method, key : str
        The key is empty for a listing.
    start : int
        First byte asked for.
    n_bytes : int
        Bytes of the answer's body.
    at : float
        Seconds on the monotonic clock.
    """

    method: str
    key: str
    start: int
    n_bytes: int
    at: float

    @property
    def has_bytes(self) -> bool:
        """Whether bytes of an object are on their way."""
        return self.method == "GET" and bool(self.key) and self.n_bytes > 0


Schedule = Callable[[Request], Fault | None]


def none(request: Request) -> None:
    """Schedule that lets everything through."""


class Script:
    """Faults for each key, one an answer with bytes, in order; then no more."""

    def __init__(self, faults: Mapping[str, Iterable[Fault | None]]) -> None:
        self._left = {key: list(listed) for key, listed in faults.items()}

    def __call__(self, request: Request) -> Fault | None:
        left = self._left.get(request.key)
        return left.pop(0) if left and request.has_bytes else None


class Deck:
    """So many faults of each kind, shuffled; dealt with some probability to every answer."""

    def __init__(self, n_each: int, probability: float, seed: int) -> None:
        self._random = random.Random(seed)
        self._probability = probability
        self._left = [fault for fault in Fault for _ in range(n_each)]
        self._random.shuffle(self._left)
        self._lock = threading.Lock()

    @property
    def n_left(self) -> int:
        """Faults that are still to come."""
        return len(self._left)

    def __call__(self, request: Request) -> Fault | None:
        with self._lock:
            is_dealt = request.has_bytes and self._random.random() < self._probability
            return self._left.pop() if is_dealt and self._left else None
