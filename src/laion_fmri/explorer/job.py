"""One download of the server: what it still has to fetch, how far it is, how it ended."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from laion_fmri import access, discovery
from laion_fmri.access import AccessFiles
from laion_fmri.bucket import Bucket
from laion_fmri.config import Settings
from laion_fmri.explorer import transfer_process
from laion_fmri.explorer.job_records import (
    FileRecord,
    JobRecord,
    as_damaged,
    planned_files,
    records_of,
)
from laion_fmri.explorer.job_snapshot import ActiveFile, JobSnapshot, JobState
from laion_fmri.explorer.rate import RateMeter
from laion_fmri.splits.fetching import SplitFiles
from laion_fmri.transfer.events import EventKind, TransferEvent
from laion_fmri.transfer.plan import FileStatus, LocalFiles, PlannedFile, TransferPlan


@dataclass
class _Arrival:
    key: str
    size: int
    done: int


class Job:
    """One download. Made by `JobQueue`; read through `snapshot`.

    Parameters
    ----------
    number : int
    title : str
    plan : TransferPlan
        What is here of it already is counted and left alone.
    n_jobs : int
    """

    def __init__(self, number: int, title: str, plan: TransferPlan, n_jobs: int = 1) -> None:
        self.number, self.title, self.n_jobs = number, title, n_jobs
        self.state = JobState.QUEUED
        self.cancel = threading.Event()
        self.over = threading.Event()
        self.asked_at, self.ended_at, self.problem = _now(), "", ""
        self.mean_rate: float | None = None
        self._data_dir = plan.data_dir
        self._lock = threading.Lock()
        self._record: JobRecord | None = None
        self._files = {f.local: f for f in plan.to_fetch}
        self._n_files, self._n_here = len(self._files), len(plan.files) - len(self._files)
        self._bytes_total = sum(f.size for f in self._files.values())
        self._bytes_left = _bytes_left(self._files.values())
        self._n_fetched = self._n_moved = 0
        self._reasons: dict[str, tuple[str, str]] = {}
        self._active: dict[str, _Arrival] = {}
        self._meter = RateMeter()

    @classmethod
    def restored(cls, record: JobRecord, data_dir: Path) -> Job:
        """A job as it was written down; one that was under way is *interrupted*."""
        job = cls(record.number, record.title, TransferPlan((), data_dir), record.n_jobs)
        state = JobState(record.state)
        job.state = JobState.INTERRUPTED if state.is_busy else state
        job.asked_at, job.ended_at, job.problem = record.asked_at, record.ended_at, record.problem
        job._record = record
        job._n_files, job._n_here = record.n_files, record.n_here
        job._n_fetched, job._n_moved = record.n_fetched, record.n_moved
        job._bytes_total = record.n_bytes
        job._bytes_left = sum(file.size for file in record.files)
        job._reasons = dict(record.reasons)
        if job.state.is_over:
            job.over.set()
        return job

    # --- in the queue's thread ----------------------------------------------------------

    def run(self, settings: Settings) -> None:
        """Fetch what is not here.

        Raises
        ------
        LaionFmriError
            When nothing at all can be fetched.
        """
        plan = self._looked_at(settings)
        if any(not isinstance(f.source, (AccessFiles, SplitFiles)) for f in plan.files):
            access.require_license(plan.data_dir)
        with self._lock:
            self._reasons, self._meter = {}, RateMeter()
        for event in transfer_process.run(plan, self.n_jobs, self.cancel, settings):
            self._note(event)
        with self._lock:
            self.mean_rate = self._meter.mean()
            if self._reasons:
                discovery.refresh()  # the bucket may no longer be as it was listed

    def look(self, settings: Settings) -> None:
        """Bring how far the job is up to date with what is on disk."""
        self._looked_at(settings)

    def _looked_at(self, settings: Settings) -> TransferPlan:
        """What is to be fetched, as it is here now, from sources that are asked anew."""
        record = self._record
        files = planned_files(record, settings) if record else self._files_as_they_are(settings)
        left = {f.local: f for f in files if f.status is not FileStatus.HERE}
        with self._lock:
            self._record = None
            self._files, self._bytes_left = left, _bytes_left(left.values())
        return TransferPlan(tuple(left.values()), self._data_dir)

    def _files_as_they_are(self, settings: Settings) -> Iterable[PlannedFile]:
        looks: dict[int, LocalFiles] = {}
        for file in self._files.values():
            if id(file.source) not in looks:
                looks[id(file.source)] = LocalFiles(
                    self._data_dir, _with_no_links(file.source, settings)
                )
            now = looks[id(file.source)].compare(file.listed)
            is_damaged = file.status is FileStatus.DAMAGED and now.status is FileStatus.HERE
            yield as_damaged(now) if is_damaged else now

    def _note(self, event: TransferEvent) -> None:
        kind, file = event.kind, event.file
        with self._lock:
            arrival = self._active.get(file.local)
            if arrival is None:
                arrival = _Arrival(file.key, file.size, file.bytes_here)
                self._active[file.local] = arrival
            arrival.done += event.n_bytes
            self._bytes_left -= event.n_bytes
            self._n_moved += max(event.n_bytes, 0)
            self._meter.add(max(event.n_bytes, 0))
            if kind is EventKind.STARTED_OVER:
                grown = file.size - arrival.size
                arrival.size = file.size
                self._bytes_total += grown
                self._bytes_left += grown
                self._files[file.local] = file
            if kind in (EventKind.FETCHED, EventKind.HERE):
                self._bytes_left -= arrival.size - arrival.done
                self._n_fetched += kind is EventKind.FETCHED
                self._files.pop(file.local, None)
            elif kind in (EventKind.DENIED, EventKind.FAILED):
                self._reasons[file.key] = (str(kind), event.message)
            if kind.is_last:
                del self._active[file.local]

    # --- in the life of a job -------------------------------------------------------------

    def ask_again(self) -> None:
        """Put it back into the queue, with what is still to be fetched."""
        self.cancel.clear()
        self.over.clear()
        self.state, self.problem, self.ended_at = JobState.QUEUED, "", ""

    def end(self, problem: str = "") -> None:
        """Set the state after a run, or after it was taken out of the queue."""
        with self._lock:
            self._active.clear()
            self.problem = problem
            if problem:
                self.state = JobState.FAILED
            elif self.state is JobState.PAUSING and self._files:
                self.state = JobState.PAUSED
            elif self.state in (JobState.CANCELLING, JobState.QUEUED) and (
                self._files or self._record
            ):
                self.state = JobState.CANCELLED
            else:
                self.state = JobState.FAILED if self._reasons else JobState.FINISHED
        if self.state.is_over:
            self.ended_at = _now()
            self.over.set()

    def record(self) -> JobRecord:
        """The job, to be written down."""
        with self._lock:
            sources: tuple = ()
            files: tuple[FileRecord, ...] = ()
            if self._record is not None:
                sources, files = self._record.sources, self._record.files
            elif self.state is not JobState.FINISHED:
                sources, files = records_of(self._files.values())
            return JobRecord(
                number=self.number,
                title=self.title,
                state=str(self.state),
                n_jobs=self.n_jobs,
                asked_at=self.asked_at,
                ended_at=self.ended_at,
                problem=self.problem,
                n_files=self._n_files,
                n_bytes=self._bytes_total,
                n_here=self._n_here,
                n_fetched=self._n_fetched,
                n_moved=self._n_moved,
                reasons=dict(self._reasons),
                sources=sources,
                files=files,
            )

    def snapshot(self) -> JobSnapshot:
        """The job as it is now; safe from any thread."""
        with self._lock:
            is_moving = self.state is JobState.RUNNING
            rate = self._meter.rate() if is_moving else None
            left = max(self._bytes_left, 0)
            n_left = len(self._record.files) if self._record else len(self._files)
            by_kind: dict[str, dict[str, str]] = {"denied": {}, "failed": {}}
            if self.state.is_over:
                for key, (kind, why) in self._reasons.items():
                    by_kind.setdefault(kind, {})[key] = why
            return JobSnapshot(
                self.number,
                self.title,
                self.state,
                self._n_files,
                self._n_files - n_left,
                self._n_here,
                self._n_fetched,
                self._n_moved,
                self._bytes_total,
                self._bytes_total - left,
                rate,
                left / rate if rate else None,
                tuple(ActiveFile(a.key, a.done, a.size) for a in self._active.values()),
                by_kind["denied"],
                by_kind["failed"],
                self.problem,
                self.ended_at,
                self._needs_access(),
            )

    def _needs_access(self) -> bool:
        if self.state.is_busy:
            return False
        if self._record is not None:
            return any(address.get("kind") == "access service" for address in self._record.sources)
        return any(isinstance(file.source, AccessFiles) for file in self._files.values())


def _with_no_links(source: Bucket, settings: Settings) -> Bucket:
    """The same source; the access service anew, for whoever is logged in by now."""
    return access.stimulus_source(settings) if isinstance(source, AccessFiles) else source


def _bytes_left(files: Iterable[PlannedFile]) -> int:
    return sum(file.size - file.bytes_here for file in files)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
