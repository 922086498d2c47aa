"""Downloads that belong to the server: they go on whatever happens to the page.

One `JobQueue` serves all pages that work on a data directory. Jobs run one after another
in a thread; pages read snapshots and are told when something begins or ends.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from laion_fmri import access, discovery
from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.rate import RateMeter
from laion_fmri.transfer import engine
from laion_fmri.transfer.events import EventKind, TransferEvent
from laion_fmri.transfer.plan import TransferPlan
from laion_fmri.transfer.report import TransferReport

log = logging.getLogger("laion_fmri.explorer")

_REMEMBERED = 20  # finished jobs


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "waiting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (JobState.FINISHED, JobState.CANCELLED, JobState.FAILED)


@dataclass(frozen=True)
class ActiveFile:
    """A file that is arriving.

    Attributes
    ----------
    key : str
    bytes_done, size : int
    """

    key: str
    bytes_done: int
    size: int


@dataclass(frozen=True)
class JobSnapshot:
    """A job at one moment.

    Attributes
    ----------
    number : int
        Its name in the queue.
    title : str
    state : JobState
    n_files, n_done : int
        Files to fetch when the job began, and those that came to an end.
    bytes_total, bytes_done : int
        What had to be moved when the job began, and what was.
    rate : float or None
        Bytes a second over the last few seconds; None while it is not known.
    seconds_left : float or None
    active : tuple of ActiveFile
    report : TransferReport or None
        Once it is over, unless it failed before anything was moved.
    problem : str
        Why the job as a whole failed.
    """

    number: int
    title: str
    state: JobState
    n_files: int = 0
    n_done: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    rate: float | None = None
    seconds_left: float | None = None
    active: tuple[ActiveFile, ...] = ()
    report: TransferReport | None = None
    problem: str = ""


class Job:
    """One download. Made by `JobQueue.submit`; read through `snapshot`."""

    def __init__(self, number: int, title: str, plan: TransferPlan, n_jobs: int):
        self.number, self.title, self.n_jobs = number, title, n_jobs
        self.state = JobState.QUEUED
        self.cancel = threading.Event()
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._plan = plan
        self._active: dict[str, int] = {}
        self._n_done = self._bytes_done = 0
        self._meter = RateMeter()
        self._report: TransferReport | None = None
        self._problem = ""

    def run(self) -> None:
        """Fetch what is not here; called in the queue's thread."""
        access.require_license(self._plan.data_dir)
        # Earlier jobs, other programs or the user may have changed what is here.
        plan = self._plan.looked_at_again()
        report = TransferReport(plan)
        with self._lock:
            self._plan, self._meter = plan, RateMeter()
        for event in engine.run(plan, n_jobs=self.n_jobs, cancel=self.cancel):
            report.add(event)
            self._note(event)
        if report.failed or report.denied:
            discovery.refresh()  # the bucket may no longer be as it was listed
        with self._lock:
            self._report = report

    def end(self, problem: str = "") -> None:
        """Set the final state."""
        with self._lock:
            self._problem = problem
            self._active.clear()
            if problem:
                self.state = JobState.FAILED
            elif self._report is None or self._report.cancelled:
                self.state = JobState.CANCELLED
            elif self._report.failed or self._report.denied:
                self.state = JobState.FAILED
            else:
                self.state = JobState.FINISHED

    def _note(self, event: TransferEvent) -> None:
        with self._lock:
            key = event.file.key
            self._active.setdefault(key, event.file.bytes_here)
            self._active[key] += event.n_bytes
            self._bytes_done += event.n_bytes
            self._meter.add(max(event.n_bytes, 0))
            if event.kind.is_last:
                del self._active[key]
                self._n_done += 1

    def snapshot(self) -> JobSnapshot:
        """The job as it is now; safe from any thread."""
        with self._lock:
            is_running = self.state is JobState.RUNNING
            state = JobState.CANCELLING if is_running and self.cancel.is_set() else self.state
            total = self._plan.bytes_to_fetch
            rate = self._meter.rate() if is_running else None
            left = max(total - self._bytes_done, 0) / rate if rate else None
            sizes = {f.key: f.size for f in self._plan.files if f.key in self._active}
            return JobSnapshot(
                self.number,
                self.title,
                state,
                len(self._plan.to_fetch),
                self._n_done,
                total,
                self._bytes_done,
                rate,
                left,
                tuple(ActiveFile(k, n, sizes[k]) for k, n in self._active.items()),
                self._report,
                self._problem,
            )


class JobQueue:
    """Downloads of one server into one data directory, one after another."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._numbers = itertools.count(1)
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._listeners: list[Callable[[], None]] = []
        self._n_over = 0
        self._worker: threading.Thread | None = None

    def submit(self, plan: TransferPlan, title: str, n_jobs: int = 1) -> Job:
        """Put a download at the end of the queue."""
        with self._changed:
            job = Job(next(self._numbers), title, plan, n_jobs)
            self._jobs[job.number] = job
            self._waiting.append(job)
            self._changed.notify_all()
            if self._worker is None:
                self._start()
        self._tell()
        return job

    def cancel(self, number: int) -> None:
        """Stop a job, or take it out of the queue; what was fetched is kept."""
        with self._changed:
            job = self._jobs.get(number)
            if job is None or job.state.is_over:
                return
            job.cancel.set()
            if job in self._waiting:
                self._waiting.remove(job)
                self._end(job)
        self._tell()

    def cancel_all(self) -> None:
        """Stop everything."""
        for snapshot in reversed(self.jobs()):
            self.cancel(snapshot.number)

    def jobs(self) -> tuple[JobSnapshot, ...]:
        """All jobs that are not forgotten, in the order they were asked for."""
        with self._changed:
            jobs = list(self._jobs.values())
        return tuple(job.snapshot() for job in jobs)

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._changed:
            return any(not job.state.is_over for job in self._jobs.values())

    @property
    def n_over(self) -> int:
        """How many jobs have come to an end so far; grows when files changed."""
        return self._n_over

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called, in any thread, when a job is added, begins or ends.

        Returns
        -------
        callable
            Ends the subscription.
        """
        with self._changed:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._changed:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    def _start(self) -> None:
        self._worker = threading.Thread(target=self._work, name="downloads", daemon=True)
        self._worker.start()
        # At its end a program waits for the engine's threads, which go on until their files
        # are whole; what `atexit` offers comes after that wait.
        threading._register_atexit(self.cancel_all)  # type: ignore[attr-defined]

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                job = self._waiting.popleft()
                job.state = JobState.RUNNING
            self._tell()
            problem = ""
            try:
                job.run()
            except LaionFmriError as error:
                problem = str(error)
            except Exception as error:  # one bad job must not end the queue
                log.exception("A download ended unexpectedly", exc_info=error)
                problem = (
                    f"The download ended unexpectedly ({type(error).__name__}). What was fetched "
                    "is kept; the server's log has the details."
                )
            with self._changed:
                self._end(job, problem)
            self._tell()

    def _end(self, job: Job, problem: str = "") -> None:
        job.end(problem)
        self._n_over += 1
        finished = [number for number, j in self._jobs.items() if j.state.is_over]
        for number in finished[:-_REMEMBERED]:
            del self._jobs[number]
        job.over.set()

    def _tell(self) -> None:
        with self._changed:
            listeners = tuple(self._listeners)
        for listener in listeners:
            try:
                listener()
            except Exception as error:  # a page that is going away must not end the queue
                log.warning("A page could not be told of a download (%s)", error)


_queues: dict[Path | None, JobQueue] = {}
_queues_lock = threading.Lock()


def shared_queue(data_dir: Path | None) -> JobQueue:
    """The queue of this server for a data directory; the same for every page."""
    with _queues_lock:
        return _queues.setdefault(data_dir, JobQueue())
