"""Background jobs: work in a thread, with progress, cancellation, a result or an error.

Short work shares a pool of threads. Longer work gets a job that reports its progress and that
any number of pages can follow:

    job = Job(lambda job: scores_of(splits, progress=job.report, cancel=job.cancelled)).start()
    follower = Follower(self._show_job)  # of `background`: calls it in the page's callbacks
    follower.follow(job)                 # at every report, and when the job is over

`job.report(fraction, text)` raises `CancelledError` once the job is cancelled, which ends the work.
When `job.is_over`, `job.problem` explains a failure, and `job.result()` returns the result or
raises the error. A server-wide job continues after its page is closed; ``when_left(job.cancel)``
cancels a job together with its page. Jobs that must run one at a time share ``Threads(1)``:
``TURNS.start(job)``.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, Generic, Self, TypeVar, cast

from laion_fmri._errors import CancelledError
from laion_fmri.explorer.runtime.error_messages import explain

T = TypeVar("T")
log = logging.getLogger("laion_fmri.explorer")


class Listeners:
    """Functions to call when something changes, from any thread."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    def add(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener` on each change; the returned function unsubscribes it."""
        with self._lock:
            self._listeners.append(listener)

        def remove() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return remove

    def tell(self) -> None:
        """Call all listeners."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            try:
                listener()
            except Exception as error:  # a page that closes must not abort the work
                log.warning("A page did not learn of a change (%s)", error)


class Job(Generic[T]):
    """Work that runs in a thread.

    Parameters
    ----------
    work : callable of Job
        Returns the result. May call `report`, and check `cancelled`.

    Attributes
    ----------
    progress : float
        From 0 to 1.
    message : str
        The current step.
    cancelled : threading.Event
        Set when the job should stop.
    error : BaseException or None
        The reason for a failure; None after a cancellation.
    is_over, is_done : bool
        Whether the job has ended, and whether it has a result.
    """

    def __init__(self, work: Callable[[Job[T]], T]) -> None:
        self._work: Callable[[Job[T]], T] | None = work
        self._result: T | None = None
        self._ended = threading.Event()
        self._listeners = Listeners()
        self.progress, self.message = 0.0, ""
        self.cancelled = threading.Event()
        self.error: BaseException | None = None
        self.is_over = self.is_done = False

    def start(self) -> Self:
        """Run in a new thread; returns the job."""
        threading.Thread(target=self.run, name="job", daemon=True).start()
        return self

    def run(self) -> None:
        """Run the work in this thread."""
        work, self._work = self._work, None
        try:
            if work is not None and not self.cancelled.is_set():
                self._result = work(self)
                self.is_done = True
        except CancelledError:
            self.cancelled.set()
        except BaseException as error:  # raised by `result`
            self.error = error
        self.is_over = True
        self._listeners.tell()
        self._ended.set()

    def report(self, progress: float, message: str = "") -> None:
        """Report progress.

        Raises
        ------
        CancelledError
            If the job was cancelled.
        """
        self.progress, self.message = progress, message
        if self.cancelled.is_set():
            raise CancelledError("The job was cancelled.")
        self._listeners.tell()

    def cancel(self) -> None:
        """Request that the work stops soon."""
        self.cancelled.set()
        self._listeners.tell()

    def subscribe(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener`, in any thread, on progress, cancellation and the end.

        Returns
        -------
        callable
            Ends the subscription.
        """
        return self._listeners.add(listener)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the job is over and its listeners are notified; return False on timeout."""
        return self._ended.wait(timeout)

    def result(self) -> T:
        """Wait for the result of the work and return it.

        Raises
        ------
        CancelledError
            If the job was cancelled before it had a result.
        Exception
            The exception of the work.
        """
        if not self.is_over:
            self.wait()
        if self.error is not None:
            raise self.error
        if not self.is_done:
            raise CancelledError("The job was cancelled.")
        return cast("T", self._result)

    @property
    def problem(self) -> str:
        """The reason for a failure, for the user; empty if there is none."""
        return "" if self.error is None else self._explanation

    @cached_property
    def _explanation(self) -> str:
        return "" if self.error is None else explain(self.error)


class Threads:
    """A pool of threads with one queue per owner, served in turn.

    Parameters
    ----------
    n_threads : int
    most_of_one : int, optional
        Maximum number of jobs of one owner that run at the same time.
    """

    def __init__(self, n_threads: int, most_of_one: int | None = None) -> None:
        self._n_free = n_threads
        self._most_of_one = most_of_one or n_threads
        self._queues: OrderedDict[Hashable, deque[Job[Any]]] = OrderedDict()
        self._running: Counter[Hashable] = Counter()
        self._lock = threading.Lock()

    @property
    def owners(self) -> set[Hashable]:
        """Owners with waiting or running jobs."""
        with self._lock:
            return {*self._queues, *self._running}

    def submit(self, work: Callable[[], T], owner: Hashable = None) -> Job[T]:
        """Run `work` when its owner's turn comes."""
        return self.start(Job(lambda _: work()), owner)

    def start(self, job: Job[T], owner: Hashable = None) -> Job[T]:
        """Run a job when its owner's turn comes; returns the job."""
        with self._lock:
            self._queues.setdefault(owner, deque()).append(job)
            if not self._n_free or self._running[owner] >= self._most_of_one:
                return job
            self._n_free -= 1
        threading.Thread(target=self._run_jobs, name="job", daemon=True).start()
        return job

    def _run_jobs(self) -> None:
        while (found := self._next()) is not None:
            owner, job = found
            job.run()
            with self._lock:
                self._running[owner] -= 1
                if not self._running[owner]:
                    del self._running[owner]

    def _next(self) -> tuple[Hashable, Job[Any]] | None:
        """Return the next job and its owner; without one, free the thread and return None."""
        with self._lock:
            for owner, jobs in self._queues.items():
                if self._running[owner] < self._most_of_one:
                    job = jobs.popleft()
                    self._queues.move_to_end(owner)
                    if not jobs:
                        del self._queues[owner]
                    self._running[owner] += 1
                    return owner, job
            self._n_free += 1
            return None
