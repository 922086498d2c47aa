"""Downloads of the server. They continue after a page closes and resume after a restart.

One `JobQueue` serves all pages that use a data directory. Its jobs run one after another; pages
read snapshots and follow the queue (`laion_fmri.explorer.runtime.background.Follower`). Every
change is written to disk.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from laion_fmri._errors import InvalidArgumentError, LaionFmriError
from laion_fmri.config import Settings, load_settings
from laion_fmri.explorer.runtime import background_job
from laion_fmri.transfer.plan import TransferPlan
from laion_fmri.transfer_jobs.job import Job, JobSnapshot
from laion_fmri.transfer_jobs.records import JobState, JobStore

log = logging.getLogger("laion_fmri.explorer")

_HISTORY = 20  # maximum number of downloads kept
_STOP_TIMEOUT = 2.0  # seconds to wait for a download when the server stops
_PROGRESS_INTERVAL = 0.4  # seconds
_OWNER_INTERVAL = 2.0  # seconds between two checks of another server's downloads


class SharedJobs:
    """The downloads into one data directory, of this server or of another one.

    While another server owns the downloads of the directory, they are read from its file and
    cannot be changed.

    Parameters
    ----------
    settings : Settings, optional
        Without an existing data directory, nothing is stored.

    Attributes
    ----------
    n_over : int
        Number of runs that have ended. Files may have changed when it increases.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load_settings()
        self.n_over = 0
        self._data_dir = self.settings.usable_data_dir
        self._store = JobStore(self._data_dir)
        self._jobs: dict[int, Job] = {}
        self._lock = threading.RLock()
        self._listeners = background_job.Listeners()
        self._rate: float | None = None
        self._closed = threading.Event()
        self._is_owner = self._is_watching = False
        self._read_at = -1
        self._read()

    @property
    def is_owner(self) -> bool:
        """Whether this server runs the downloads of the data directory."""
        self._read()
        return self._is_owner

    @property
    def why_read_only(self) -> str:
        """Why nothing can be changed while another server owns the downloads."""
        return (
            f"Another explorer ({self._store.owner() or 'unknown process'}) downloads into "
            f"{self._data_dir}. Its downloads are shown but cannot be changed."
        )

    def jobs(self) -> tuple[JobSnapshot, ...]:
        """Return current and past downloads, in the order of submission."""
        self._read()
        with self._lock:
            jobs = list(self._jobs.values())
        return tuple(job.snapshot() for job in jobs)

    @property
    def is_busy(self) -> bool:
        """Whether a job is running or waiting."""
        with self._lock:
            return any(job.state.is_busy for job in self._jobs.values())

    @property
    def rate(self) -> float | None:
        """Bytes per second: current, else last measured; None before the first measurement."""
        with self._lock:
            now = [job.snapshot().rate for job in self._jobs.values()]
            return next((rate for rate in now if rate), self._rate)

    def fetching(self, paths: Collection[str]) -> Job | None:
        """Return the active or paused download that fetches all of these local files."""
        with self._lock:
            return next((job for job in self._jobs.values() if job.fetches(paths)), None)

    def subscribe(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener`, in any thread, when a job is added, progresses or ends.

        Returns
        -------
        callable
            Ends the subscription.
        """
        with self._lock:
            if not (self._is_owner or self._is_watching):
                self._is_watching = True
                threading.Thread(target=self._watch_owner, name="downloads", daemon=True).start()
        return self._listeners.add(listener)

    def _require_owner(self) -> None:
        if not self.is_owner:
            raise InvalidArgumentError(self.why_read_only)

    def _read(self) -> None:
        """Become the owner unless another server is; otherwise read what the owner has stored."""
        with self._lock:
            if self._is_owner or self._closed.is_set():
                return
            self._is_owner = self._store.take()
            changed_at = self._store.changed_at()
            if not self._is_owner and changed_at == self._read_at:
                return
            self._read_at = changed_at
            stored, self._rate = self._store.read()
            plan = TransferPlan((), self._data_dir or Path())
            self._jobs = {record.number: Job(record, plan, files) for record, files in stored}
            if self._is_owner:
                for job in self._jobs.values():
                    if job.state.is_busy:
                        job.state = JobState.INTERRUPTED

    def _watch_owner(self) -> None:
        """Notify the pages when another server changes its downloads, until this one owns them."""
        while not self._closed.wait(_OWNER_INTERVAL):
            before = self._read_at
            if self.is_owner or self._read_at != before:
                self._listeners.tell()
            if self._is_owner:
                return

    def _write(self) -> None:
        if self._is_owner:
            self._store.write((job.as_json() for job in self._jobs.values()), self._rate)


class JobQueue(SharedJobs):
    """Downloads of this server into one data directory, one after another.

    Parameters
    ----------
    settings : Settings, optional
        Without an existing data directory, nothing is stored.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._turns = background_job.Threads(1)
        self._running = threading.Lock()  # held while a download runs
        super().__init__(settings)

    def submit(self, plan: TransferPlan, title: str, n_jobs: int = 1) -> Job:
        """Add a download to the end of the queue.

        Raises
        ------
        InvalidArgumentError
            If another server owns the downloads.
        """
        self._require_owner()
        with self._lock:
            job = Job.of(max(self._jobs, default=0) + 1, title, plan, n_jobs)
            self._jobs[job.number] = job
            self._enqueue(job)
        self._listeners.tell()
        return job

    def pause(self, number: int) -> None:
        """Pause a job until it is resumed."""
        with self._lock:
            job = self._jobs.get(number)
            if job is None or not self._is_owner:
                return
            if job.state is JobState.QUEUED:
                job.state = JobState.PAUSED
            elif job.state is JobState.RUNNING:
                job.state = JobState.PAUSING
                job.cancel.set()
            self._write()
        self._listeners.tell()

    def resume(self, number: int) -> None:
        """Fetch the remaining files of a job, whatever stopped it.

        Raises
        ------
        InvalidArgumentError
            If another server owns the downloads.
        """
        self._require_owner()
        with self._lock:
            job = self._jobs.get(number)
            if job is None or job.state.is_busy or job.state is JobState.FINISHED:
                return
            job.wait_again()
            self._enqueue(job)
        self._listeners.tell()

    def cancel(self, number: int) -> None:
        """Stop a job, or remove it from the queue. Files and partial files stay on disk."""
        with self._lock:
            job = self._jobs.get(number)
            if job is None or job.state.is_over or not self._is_owner:
                return
            is_running = job.state in (JobState.RUNNING, JobState.PAUSING, JobState.CANCELLING)
            job.state = JobState.CANCELLING
            if is_running:
                job.cancel.set()
                self._write()
            else:
                self._end(job)
        self._listeners.tell()

    def clear_history(self) -> None:
        """Remove the jobs that are over from the list."""
        with self._lock:
            if not self._is_owner:
                return
            self._jobs = {n: job for n, job in self._jobs.items() if not job.state.is_over}
            self._write()
        self._listeners.tell()

    def close(self) -> None:
        """Stop everything when the server stops; another server may continue."""
        with self._lock:
            self._closed.set()
            for job in self._jobs.values():
                job.cancel.set()
        if self._running.acquire(timeout=_STOP_TIMEOUT):
            self._running.release()
        self._store.release()
        self._is_owner = False

    def _read(self) -> None:
        with self._lock:
            was_owner = self._is_owner
            super()._read()
            is_new_owner = self._is_owner and not was_owner
            if is_new_owner and any(not job.state.is_over for job in self._jobs.values()):
                self._turns.submit(self._compare_interrupted)

    def _enqueue(self, job: Job) -> None:
        self._write()
        self._turns.submit(lambda: self._run(job))

    def _run(self, job: Job) -> None:
        with self._running:
            with self._lock:
                if self._closed.is_set() or job.state is not JobState.QUEUED:
                    return
                job.state = JobState.RUNNING
                self._write()
            stopped = threading.Event()
            threading.Thread(target=self._tell_progress, args=(stopped,), daemon=True).start()
            problem = ""
            try:
                job.run(self.settings)
            except LaionFmriError as error:
                problem = str(error)
            except Exception as error:  # the next job must run
                log.exception("A download ended unexpectedly", exc_info=error)
                problem = (
                    f"The download ended unexpectedly ({type(error).__name__}). Downloaded files "
                    "stay on disk; the server's log has the details."
                )
            stopped.set()
            with self._lock:
                if self._closed.is_set():  # the next server reads it as interrupted
                    return
                self._rate = job.mean_rate or self._rate
                self._end(job, problem)
        self._listeners.tell()

    def _tell_progress(self, stopped: threading.Event) -> None:
        self._listeners.tell()
        while not stopped.wait(_PROGRESS_INTERVAL):
            self._listeners.tell()

    def _compare_interrupted(self) -> None:
        """Compare the jobs of an earlier server with the files on disk."""
        with self._lock:
            jobs = [j for j in self._jobs.values() if not (j.state.is_over or j.state.is_busy)]
        for job in jobs:
            try:
                job.compare(self.settings)
            except (LaionFmriError, OSError) as error:
                log.info("The progress of %r is not known yet (%s)", job.title, error)
        self._listeners.tell()

    def _end(self, job: Job, problem: str = "") -> None:
        """End a job, after all other work is done."""
        job.end(problem)
        self.n_over += 1
        over = [number for number, other in self._jobs.items() if other.state.is_over]
        for number in over[:-_HISTORY]:
            del self._jobs[number]
        self._write()
        if job.state.is_over:
            job.over.set()


_queues: dict[Path | None, JobQueue] = {}
_queues_lock = threading.Lock()


def shared_queue(settings: Settings) -> JobQueue:
    """Return this server's queue for a data directory; the same for every page."""
    folder = settings.usable_data_dir
    with _queues_lock:
        queue = _queues.get(folder)
        if queue is None:
            queue = _queues[folder] = JobQueue(settings)
            atexit.register(queue.close)
        queue.settings = settings
        return queue
