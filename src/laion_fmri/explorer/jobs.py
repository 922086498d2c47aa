"""Downloads that belong to the server: they go on whatever happens to the page.

One `JobQueue` serves all pages that work on a data directory. Jobs run one after another
in a thread; pages read snapshots and are told when something begins or ends. Every change
is written down, so that a server that was stopped offers to go on where it was.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from laion_fmri._errors import InvalidArgumentError, LaionFmriError
from laion_fmri.config import Settings, load_settings
from laion_fmri.explorer.job import Job
from laion_fmri.explorer.job_lock import JobLock
from laion_fmri.explorer.job_records import Notes, notes_changed_at, read_notes, write_notes
from laion_fmri.explorer.job_snapshot import ActiveFile, JobSnapshot, JobState
from laion_fmri.explorer.listeners import Listeners
from laion_fmri.transfer.plan import TransferPlan

__all__ = ["ActiveFile", "Job", "JobQueue", "JobSnapshot", "JobState", "shared_queue"]

log = logging.getLogger("laion_fmri.explorer")

_REMEMBERED = 20  # jobs that are over
_PATIENCE = 2.0  # seconds that a download has to come to rest when the server ends


class JobQueue:
    """Downloads of one server into one data directory, one after another.

    Where another server already downloads into the directory, the queue shows what that one
    has written down and changes nothing, until the other has ended.

    Parameters
    ----------
    settings : Settings, optional
        Without a data directory that exists, nothing is written down.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load_settings()
        folder = self.settings.data_dir
        self._data_dir: Path | None = folder if folder and folder.is_dir() else None
        self._lock = JobLock(self._data_dir) if self._data_dir else None
        self._jobs: dict[int, Job] = {}
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition(threading.RLock())
        self._listeners = Listeners()
        self._n_over = 0
        self._rate: float | None = None
        self._worker: threading.Thread | None = None
        self._is_closed = False
        self._is_owner = False
        self._seen_at = -1
        self._look_around()

    # --- asking ---------------------------------------------------------------------------

    @property
    def is_owner(self) -> bool:
        """Whether this server runs the downloads of the data directory."""
        self._look_around()
        return self._is_owner

    @property
    def owner(self) -> str:
        """Who runs them instead, as far as that is known."""
        return self._lock.owner() if self._lock else ""

    @property
    def why_not_mine(self) -> str:
        """What to say where another server runs the downloads."""
        return (
            f"Another explorer ({self.owner or 'it is not known which'}) downloads into this data "
            "directory. Its downloads are shown here and can be changed there alone."
        )

    def jobs(self) -> tuple[JobSnapshot, ...]:
        """All jobs that are not forgotten, in the order they were asked for."""
        self._look_around()
        with self._changed:
            jobs = list(self._jobs.values())
        return tuple(job.snapshot() for job in jobs)

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._changed:
            return any(job.state.is_busy for job in self._jobs.values())

    @property
    def n_over(self) -> int:
        """How many runs have come to an end so far; grows when files changed."""
        return self._n_over

    @property
    def rate(self) -> float | None:
        """Bytes a second: now, or as they were measured last; None when they never were."""
        with self._changed:
            now = [job.snapshot().rate for job in self._jobs.values()]
            return next((rate for rate in now if rate), self._rate)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called, in any thread, when a job is added, begins or ends.

        Returns
        -------
        callable
            Ends the subscription.
        """
        return self._listeners.add(listener)

    # --- changing -------------------------------------------------------------------------

    def submit(self, plan: TransferPlan, title: str, n_jobs: int = 1) -> Job:
        """Put a download at the end of the queue.

        Raises
        ------
        InvalidArgumentError
            Where another server runs the downloads.
        """
        self._require_owner()
        with self._changed:
            job = Job(max(self._jobs, default=0) + 1, title, plan, n_jobs)
            self._jobs[job.number] = job
            self._wait(job)
        self._listeners.tell()
        return job

    def pause(self, number: int) -> None:
        """Stop a job for now; it goes on where it stopped when it is resumed."""
        with self._changed:
            job = self._jobs.get(number)
            if job is None or not self._is_owner:
                return
            if job in self._waiting:
                self._waiting.remove(job)
                job.state = JobState.PAUSED
            elif job.state is JobState.RUNNING:
                job.state = JobState.PAUSING
                job.cancel.set()
            self._write()
        self._listeners.tell()

    def resume(self, number: int) -> None:
        """Go on with a job: with what it has not fetched, for whatever reason.

        Raises
        ------
        InvalidArgumentError
            Where another server runs the downloads.
        """
        self._require_owner()
        with self._changed:
            job = self._jobs.get(number)
            if job is None or job.state.is_busy or job.state is JobState.FINISHED:
                return
            job.ask_again()
            self._wait(job)
        self._listeners.tell()

    def cancel(self, number: int) -> None:
        """Stop a job, or take it out of the queue; what was fetched is kept."""
        with self._changed:
            job = self._jobs.get(number)
            if job is None or job.state.is_over or not self._is_owner:
                return
            if job.state in (JobState.RUNNING, JobState.PAUSING):
                job.state = JobState.CANCELLING
                job.cancel.set()
            else:
                if job in self._waiting:
                    self._waiting.remove(job)
                job.state = JobState.CANCELLING
                self._end(job)
            self._write()
        self._listeners.tell()

    def forget_history(self) -> None:
        """Forget the jobs that are over."""
        with self._changed:
            if not self._is_owner:
                return
            self._jobs = {n: job for n, job in self._jobs.items() if not job.state.is_over}
            self._write()
        self._listeners.tell()

    def close(self) -> None:
        """Bring everything to rest, as when the server ends; another may go on with it."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            running = [job for job in self._jobs.values() if job.state.is_busy]
            for job in running:
                job.cancel.set()
            self._changed.notify_all()
        if self._worker is not None:
            self._worker.join(_PATIENCE)
        if self._lock is not None:
            self._lock.give_back()
        self._is_owner = False

    # --- inside ---------------------------------------------------------------------------

    def _require_owner(self) -> None:
        if not self.is_owner:
            raise InvalidArgumentError(
                f"Another explorer ({self.owner or 'it is not known which'}) downloads into "
                f"{self._data_dir}. Use that one, or stop it."
            )

    def _look_around(self) -> None:
        """Become the owner where that is possible; else read what the owner wrote."""
        with self._changed:
            if self._is_owner or self._is_closed:
                return
            if self._data_dir is None or self._lock is None:
                self._is_owner = True
                return
            self._is_owner = self._lock.take()
            changed_at = notes_changed_at(self._data_dir)
            if self._is_owner or changed_at != self._seen_at:
                self._seen_at = changed_at
                self._read(self._data_dir)
            if self._is_owner and any(not j.state.is_over for j in self._jobs.values()):
                self._start()

    def _read(self, data_dir: Path) -> None:
        notes = read_notes(data_dir)
        self._rate = notes.rate
        self._jobs = {}
        for record in notes.jobs:
            try:
                job = Job.restored(record, data_dir)
            except ValueError as error:  # a state that this version does not know
                log.warning("A download of an earlier server is left out (%s)", error)
                continue
            if not self._is_owner:
                job.state = JobState(record.state)
            self._jobs[record.number] = job

    def _write(self) -> None:
        if self._data_dir is None or not self._is_owner:
            return
        records = tuple(job.record() for job in self._jobs.values())
        try:
            write_notes(self._data_dir, Notes(records, self._rate))
        except OSError as error:
            log.warning("Downloads cannot be written down (%s)", error.strerror or error)

    def _wait(self, job: Job) -> None:
        self._waiting.append(job)
        self._write()
        self._changed.notify_all()
        self._start()

    def _start(self) -> None:
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="downloads", daemon=True)
            self._worker.start()
            atexit.register(self.close)

    def _work(self) -> None:
        self._look_at_restored()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                job = self._waiting.popleft()
                job.state = JobState.RUNNING
                self._write()
            self._listeners.tell()
            problem = self._run(job)
            with self._changed:
                if self._is_closed:  # it stays written down as running: interrupted, that is
                    return
                self._rate = job.mean_rate or self._rate
                self._end(job, problem)
                self._write()
            self._listeners.tell()

    def _run(self, job: Job) -> str:
        """Why a job failed as a whole; empty when it did not."""
        try:
            job.run(self.settings)
        except LaionFmriError as error:
            return str(error)
        except Exception as error:  # one bad job must not end the queue
            log.exception("A download ended unexpectedly", exc_info=error)
            return (
                f"The download ended unexpectedly ({type(error).__name__}). What was fetched "
                "is kept; the server's log has the details."
            )
        return ""

    def _look_at_restored(self) -> None:
        """Find out how far the jobs of an earlier server are."""
        with self._changed:
            jobs = [j for j in self._jobs.values() if not (j.state.is_over or j.state.is_busy)]
        for job in jobs:
            try:
                job.look(self.settings)
            except (LaionFmriError, OSError) as error:
                log.info("How far %r is, is not known yet (%s)", job.title, error)
        if jobs:
            self._listeners.tell()

    def _end(self, job: Job, problem: str = "") -> None:
        job.end(problem)
        self._n_over += 1
        over = [number for number, j in self._jobs.items() if j.state.is_over]
        for number in over[:-_REMEMBERED]:
            del self._jobs[number]


_queues: dict[Path | None, JobQueue] = {}
_queues_lock = threading.Lock()


def shared_queue(settings: Settings) -> JobQueue:
    """The queue of this server for a data directory; the same for every page."""
    folder = settings.data_dir if settings.data_dir and settings.data_dir.is_dir() else None
    with _queues_lock:
        queue = _queues.get(folder)
        if queue is None:
            queue = _queues[folder] = JobQueue(settings)
        queue.settings = settings
        return queue
