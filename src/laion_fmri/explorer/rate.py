"""How fast bytes arrive."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_LOOK_BACK = 5.0  # seconds
_TOO_SOON = 0.5  # seconds after which a rate means something
_STEP = 0.05  # seconds whose bytes are counted together


class RateMeter:
    """Bytes a second over the last seconds.

    Parameters
    ----------
    seconds : float
        How far back to look.
    clock : callable
        Gives seconds, never going back.
    """

    def __init__(
        self, seconds: float = _LOOK_BACK, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._clock = seconds, clock
        self._begin = clock()
        self._steps: deque[tuple[float, int]] = deque([(self._begin, 0)])
        self._total = 0

    def add(self, n_bytes: int) -> None:
        """Take note that bytes arrived."""
        now = self._clock()
        self._total += n_bytes
        begin, so_far = self._steps[-1]
        if len(self._steps) > 1 and now - begin < _STEP:
            self._steps[-1] = (begin, so_far + n_bytes)
        else:
            self._steps.append((now, n_bytes))
        while len(self._steps) > 1 and now - self._steps[0][0] > self._seconds:
            self._steps.popleft()

    def rate(self) -> float | None:
        """Bytes a second; None before half a second has passed."""
        begin = self._steps[0][0]
        passed = self._clock() - begin
        if passed < _TOO_SOON:
            return None
        # What came with the first step came before the time that is looked at.
        return sum(n for at, n in self._steps if at > begin) / passed

    def mean(self) -> float | None:
        """Bytes a second since the beginning; None where that would say little."""
        passed = self._clock() - self._begin
        return self._total / passed if self._total and passed >= _TOO_SOON else None
