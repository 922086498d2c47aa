"""Verification of downloaded files: a job of the server that every page can follow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from laion_fmri.bucket import Bucket
from laion_fmri.config import Settings
from laion_fmri.explorer.runtime.background_job import Job, Listeners
from laion_fmri.transfer.plan import TransferPlan
from laion_fmri.transfer.verify import Verdict, VerifyReport, verify
from laion_fmri.verification import plan_of_local


class CheckState(StrEnum):
    """The state of a check."""

    IDLE = "not begun"
    LISTING = "listing"
    CHECKING = "checking"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_busy(self) -> bool:
        """Whether the check is running."""
        return self in (CheckState.LISTING, CheckState.CHECKING)


@dataclass(frozen=True)
class CheckSnapshot:
    """The state of a check at one moment.

    Attributes
    ----------
    state : CheckState
    subject : str
        Subject whose files are checked; empty for all.
    n_done, n_files : int
    bytes_done, bytes_total : int
    wrong : dict of str to list of str
        Keys of the files that need repair, by problem.
    n_size_only : int
        Files whose size is correct and that have no known checksum.
    repair_bytes : int
        Bytes to fetch for the repair.
    unchecked : dict of str to str
        Keys of the files that could not be checked, with the reason.
    problem : str
        Why the check failed.
    """

    state: CheckState = CheckState.IDLE
    subject: str = ""
    n_done: int = 0
    n_files: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    wrong: Mapping[str, list[str]] = field(default_factory=dict)
    n_size_only: int = 0
    repair_bytes: int = 0
    unchecked: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def n_wrong(self) -> int:
        """Number of files that need repair."""
        return sum(len(keys) for keys in self.wrong.values())

    @property
    def fraction(self) -> float:
        """Progress of the check, 0 to 1."""
        return self.bytes_done / self.bytes_total if self.bytes_total else 0.0


class VerificationJob:
    """The checks of one data directory, one at a time; each is a job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._job: Job[None] | None = None
        self._report: VerifyReport | None = None
        self._bytes_done = 0
        self._subject = ""
        self._listeners = Listeners()

    def start(self, settings: Settings, bucket: Callable[[], Bucket], subject: str = "") -> None:
        """Check everything, or one subject; does nothing while another check runs."""

        def check(job: Job[None]) -> None:
            plan = plan_of_local(settings, bucket(), subject or None)
            with self._lock:
                report = self._report = VerifyReport(plan)
            for found in verify(plan, job.cancelled):
                with self._lock:
                    report.files.append(found)
                    self._bytes_done += found.file.size
                self._listeners.tell()

        with self._lock:
            if self._job is not None and not self._job.is_over:
                return
            self._report, self._subject, self._bytes_done = None, subject, 0
            job = self._job = Job(check)
        job.subscribe(self._listeners.tell)
        job.start()
        self._listeners.tell()

    def stop(self) -> None:
        """Stop the check; results so far are displayed."""
        if self._job is not None:
            self._job.cancel()

    def subscribe(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener`, in any thread, when a check begins, has checked a file or ends."""
        return self._listeners.add(listener)

    def take_repair(self) -> TransferPlan | None:
        """Return the plan that repairs all files, if there is one, and clear the check."""
        with self._lock:
            is_busy = self._job is not None and not self._job.is_over
            if is_busy or self._report is None or self._report.is_good:
                return None
            plan = self._report.repair_plan
            self._job = self._report = None
        self._listeners.tell()
        return plan

    def snapshot(self) -> CheckSnapshot:
        """Return the current state of the check; thread-safe."""
        with self._lock:
            report, state = self._report, self._state()
            problem = self._job.problem if self._job is not None else ""
            if report is None:
                return CheckSnapshot(state, self._subject, problem=problem)
            wrong = {str(v): [f.key for f in report.of(v)] for v in Verdict if v.needs_repair}
            return CheckSnapshot(
                state,
                self._subject,
                len(report.files),
                len(report.plan.files),
                self._bytes_done,
                report.plan.total_bytes,
                {verdict: keys for verdict, keys in wrong.items() if keys},
                len(report.of(Verdict.SIZE_ONLY)),
                report.repair_plan.bytes_to_fetch,
                report.unchecked,
                problem,
            )

    def _state(self) -> CheckState:
        job, report = self._job, self._report
        if job is None:
            return CheckState.IDLE
        if not job.is_over:
            return CheckState.LISTING if report is None else CheckState.CHECKING
        if job.error is not None:
            return CheckState.FAILED
        is_partial = report is None or len(report.files) < len(report.plan.files)
        is_stopped = job.cancelled.is_set() and is_partial
        return CheckState.STOPPED if is_stopped else CheckState.DONE


_verifications: dict[Path | None, VerificationJob] = {}
_verifications_lock = threading.Lock()


def shared_verification(settings: Settings) -> VerificationJob:
    """Return this server's checks for a data directory; the same for every page."""
    with _verifications_lock:
        return _verifications.setdefault(settings.data_dir, VerificationJob())
