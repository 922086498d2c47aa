"""One download of the server: files still to fetch, progress and outcome."""

from __future__ import annotations

import datetime
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from laion_fmri import access, discovery, layout
from laion_fmri.access import AccessFiles
from laion_fmri.config import Settings
from laion_fmri.splits.fetching import SplitFiles
from laion_fmri.transfer.events import EventKind, TransferEvent
from laion_fmri.transfer.plan import FileStatus, LocalFiles, PlannedFile, TransferPlan
from laion_fmri.transfer_jobs import transfer_process
from laion_fmri.transfer_jobs.records import (
    JobRecord,
    JobState,
    StoredPlan,
    as_damaged,
)

_RATE_WINDOW = 5.0  # seconds
_RATE_KNOWN_AFTER = 0.5  # seconds
_RATE_STEP = 0.05  # seconds per bin of bytes


class RateMeter:
    """Transfer rate over the last seconds.

    Parameters
    ----------
    seconds : float
        Length of the window.
    clock : callable
        Monotonic clock in seconds.
    """

    def __init__(
        self, seconds: float = _RATE_WINDOW, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._clock = seconds, clock
        self._begin = clock()
        self._steps: deque[tuple[float, int]] = deque([(self._begin, 0)])
        self._total = 0

    def add(self, n_bytes: int) -> None:
        """Count received bytes."""
        now = self._clock()
        self._total += n_bytes
        begin, so_far = self._steps[-1]
        if len(self._steps) > 1 and now - begin < _RATE_STEP:
            self._steps[-1] = (begin, so_far + n_bytes)
        else:
            self._steps.append((now, n_bytes))
        while len(self._steps) > 1 and now - self._steps[0][0] > self._seconds:
            self._steps.popleft()

    def rate(self) -> float | None:
        """Bytes per second; None in the first half second."""
        begin = self._steps[0][0]
        passed = self._clock() - begin
        if passed < _RATE_KNOWN_AFTER:
            return None
        # The bytes of the first step arrived before the window.
        return sum(n for at, n in self._steps if at > begin) / passed

    def mean(self) -> float | None:
        """Mean bytes per second since the start; None in the first half second."""
        passed = self._clock() - self._begin
        return self._total / passed if self._total and passed >= _RATE_KNOWN_AFTER else None


@dataclass
class ActiveFile:
    """A file that is being fetched.

    Attributes
    ----------
    key : str
    bytes_done, size : int
    """

    key: str
    bytes_done: int
    size: int


@dataclass
class JobSnapshot(JobRecord):
    """The state of a download at one moment.

    Attributes
    ----------
    n_done, bytes_done : int
        Downloaded files and bytes of those to fetch.
    rate : float or None
        Bytes per second over the last seconds; None while unknown.
    active : tuple of ActiveFile
    needs_access : bool
        Whether files that require the data use agreement remain to be fetched.
    """

    n_done: int = 0
    bytes_done: int = 0
    rate: float | None = None
    active: tuple[ActiveFile, ...] = ()
    needs_access: bool = False

    @property
    def denied(self) -> dict[str, str]:
        """Keys denied by the source, with the reason."""
        return {key: why for key, (kind, why) in self.reasons.items() if kind == EventKind.DENIED}

    @property
    def failed(self) -> dict[str, str]:
        """Keys that could not be fetched, with the reason."""
        return {key: why for key, (kind, why) in self.reasons.items() if kind == EventKind.FAILED}

    @property
    def n_left(self) -> int:
        """Files still to fetch."""
        return self.n_files - self.n_done

    @property
    def seconds_left(self) -> float | None:
        """Expected duration; None while the rate is unknown."""
        return (self.n_bytes - self.bytes_done) / self.rate if self.rate else None

    @property
    def fraction(self) -> float:
        """Progress from 0 to 1."""
        if self.n_bytes:
            return self.bytes_done / self.n_bytes
        return self.n_done / self.n_files if self.n_files else 0.0


class Job(JobRecord):
    """One download, whose state is read through `snapshot`.

    Parameters
    ----------
    record : JobRecord
    plan : TransferPlan
        Files to fetch.
    stored : StoredPlan, optional
        Files to fetch of an earlier server's download, with unopened sources.
    """

    def __init__(
        self, record: JobRecord, plan: TransferPlan, stored: StoredPlan | None = None
    ) -> None:
        super().__init__(**record.facts())
        self.cancel = threading.Event()
        self.over = threading.Event()
        self.mean_rate: float | None = None
        self._data_dir = plan.data_dir
        self._lock = threading.Lock()
        self._stored = stored
        self._files = {f.local: f for f in plan.files}
        self._bytes_left = _bytes_left(plan.files)
        self._bytes_left += sum(file.size for file in (stored or StoredPlan()).files)
        self._active: dict[str, ActiveFile] = {}
        self._meter = RateMeter()
        if self.state.is_over:
            self.over.set()

    @classmethod
    def of(cls, number: int, title: str, plan: TransferPlan, n_jobs: int = 1) -> Job:
        """Create a download of the files that a plan has to fetch."""
        files = plan.to_fetch
        record = JobRecord(
            number,
            title,
            n_jobs=n_jobs,
            asked_at=_now(),
            n_files=len(files),
            n_bytes=sum(file.size for file in files),
            n_here=len(plan.files) - len(files),
        )
        return cls(record, TransferPlan(files, plan.data_dir))

    def fetches(self, paths: Collection[str]) -> bool:
        """Whether the download is active or paused and fetches all of these local files."""
        if not paths or not (self.state.is_busy or self.state is JobState.PAUSED):
            return False
        with self._lock:
            return self._files.keys() >= set(paths)

    def run(self, settings: Settings) -> None:
        """Fetch the files that are not downloaded.

        Raises
        ------
        LaionFmriError
            When no file can be fetched.
        """
        plan = self.compare(settings)
        if any(not isinstance(f.source, (AccessFiles, SplitFiles)) for f in plan.files):
            access.require_license(plan.data_dir)
        with self._lock:
            self.reasons, self._meter = {}, RateMeter()
        for event in transfer_process.run(plan, self.n_jobs, self.cancel, settings):
            self._add(event)
        with self._lock:
            self.mean_rate = self._meter.mean()
            if self.reasons:
                discovery.refresh()  # the bucket may have changed since it was listed

    def compare(self, settings: Settings) -> TransferPlan:
        """Compare the files with the disk and return the plan of the remaining ones.

        Raises
        ------
        BucketError, ConfigError, UnsafeKeyError
        """
        stored = self._stored
        files = stored.planned_files(settings) if stored else self._compared(settings)
        left = {f.local: f for f in files if f.status is not FileStatus.DOWNLOADED}
        with self._lock:
            self._stored = None
            self._files, self._bytes_left = left, _bytes_left(left.values())
        return TransferPlan(tuple(left.values()), self._data_dir)

    def _compared(self, settings: Settings) -> Iterable[PlannedFile]:
        local: dict[int, LocalFiles] = {}
        for file in self._files.values():
            if id(file.source) not in local:
                # The access service issues links to the current request id.
                is_gated = isinstance(file.source, AccessFiles)
                source = access.stimulus_source(settings) if is_gated else file.source
                local[id(file.source)] = LocalFiles(self._data_dir, source)
            now = local[id(file.source)].compare(file.listed)
            is_damaged = file.status is FileStatus.DAMAGED and now.status is FileStatus.DOWNLOADED
            yield as_damaged(now) if is_damaged else now

    def _add(self, event: TransferEvent) -> None:
        kind, file = event.kind, event.file
        moved = max(event.n_bytes, 0)
        with self._lock:
            active = self._active.setdefault(
                file.local, ActiveFile(file.key, file.bytes_downloaded, file.size)
            )
            active.bytes_done += event.n_bytes
            self._bytes_left -= event.n_bytes
            self.n_moved += moved
            self._meter.add(moved)
            if kind is EventKind.STARTED_OVER:
                grown, active.size = file.size - active.size, file.size
                self.n_bytes += grown
                self._bytes_left += grown
                self._files[file.local] = file
            if kind in (EventKind.FETCHED, EventKind.SKIPPED):
                self._bytes_left -= active.size - active.bytes_done
                self.n_fetched += kind is EventKind.FETCHED
                self._files.pop(file.local, None)
            elif kind in (EventKind.DENIED, EventKind.FAILED):
                self.reasons[file.key] = (str(kind), event.message)
            if kind.is_last:
                del self._active[file.local]

    def wait_again(self) -> None:
        """Return to the queue with the remaining files."""
        self.cancel.clear()
        self.over.clear()
        self.state, self.problem, self.ended_at = JobState.QUEUED, "", ""

    def end(self, problem: str = "") -> None:
        """Set the state after a run, or after removal from the queue."""
        with self._lock:
            self._active.clear()
            self.problem = problem
            if problem:
                self.state = JobState.FAILED
            elif self.state is JobState.PAUSING and self._files:
                self.state = JobState.PAUSED
            elif self.state is JobState.CANCELLING and (self._files or self._stored):
                self.state = JobState.CANCELLED
            else:
                self.state = JobState.FAILED if self.reasons else JobState.FINISHED
            if self.state.is_over:
                self.ended_at = _now()

    def as_json(self) -> dict[str, Any]:
        """Return the download as stored in JSON."""
        with self._lock:
            files = self._stored or StoredPlan.of(self._files.values())
            return {**self.facts(), **files.as_json()}

    def snapshot(self) -> JobSnapshot:
        """Return the current state of the download; thread-safe."""
        with self._lock:
            if self._stored is not None:
                n_left, needs_access = len(self._stored.files), self._stored.needs_access
            else:
                n_left = len(self._files)
                needs_access = any(isinstance(f.source, AccessFiles) for f in self._files.values())
            return JobSnapshot(
                **self.facts(),
                n_done=self.n_files - n_left,
                bytes_done=self.n_bytes - max(self._bytes_left, 0),
                rate=self._meter.rate() if self.state is JobState.RUNNING else None,
                active=tuple(replace(file) for file in self._active.values()),
                needs_access=needs_access and not self.state.is_busy,
            )


def grouped_reasons(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Group the keys of files that were not fetched by reason."""
    grouped: dict[str, list[str]] = {}
    for key, reason in reasons.items():
        path, found, rest = reason.partition(layout.local_name(key))
        if found and path.endswith("/"):  # write errors begin with the path
            reason = f"the file{rest}"
        general = reason.replace(key, "the file")
        grouped.setdefault(general[:1].upper() + general[1:], []).append(key)
    return grouped


def _bytes_left(files: Iterable[PlannedFile]) -> int:
    return sum(file.size - file.bytes_downloaded for file in files)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
