"""Threads that take turns: whoever asks for much does not keep the others waiting."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class FairThreads:
    """A pool in which everybody has their own queue, served in turn.

    Parameters
    ----------
    n_threads : int
    most_of_one : int
        Pieces of work of one asker that run at once.
    """

    def __init__(self, n_threads: int, most_of_one: int) -> None:
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix="explorer")
        self._n_free = n_threads
        self._most_of_one = most_of_one
        self._queues: OrderedDict[Hashable, deque[tuple[Callable[[], Any], Future]]] = OrderedDict()
        self._running: Counter[Hashable] = Counter()
        self._guard = threading.Lock()

    def submit(self, work: Callable[[], T], whose: Hashable) -> Future[T]:
        """Run `work` in a thread as soon as it is its asker's turn."""
        done: Future[T] = Future()
        with self._guard:
            self._queues.setdefault(whose, deque()).append((work, done))
        self._start_what_can()
        return done

    def _start_what_can(self) -> None:
        with self._guard:
            while self._n_free:
                found = self._next()
                if found is None:
                    return
                self._n_free -= 1
                self._threads.submit(self._run, *found)

    def _next(self) -> tuple[Hashable, Callable[[], Any], Future] | None:
        for whose in list(self._queues):
            if self._running[whose] >= self._most_of_one:
                continue
            work, done = self._queues[whose].popleft()
            self._queues.move_to_end(whose)
            if not self._queues[whose]:
                del self._queues[whose]
            self._running[whose] += 1
            return whose, work, done
        return None

    def _run(self, whose: Hashable, work: Callable[[], Any], done: Future) -> None:
        if done.set_running_or_notify_cancel():
            try:
                result = work()
            except BaseException as error:  # told by whoever asks for the result
                done.set_exception(error)
            else:
                done.set_result(result)
        with self._guard:
            self._n_free += 1
            self._running[whose] -= 1
            if not self._running[whose]:
                del self._running[whose]
        self._start_what_can()
