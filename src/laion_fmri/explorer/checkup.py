"""Checking what is local against the bucket: work of the server that every page can follow."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from laion_fmri._errors import LaionFmriError
from laion_fmri.bucket import Bucket
from laion_fmri.config import Settings
from laion_fmri.explorer.listeners import Listeners
from laion_fmri.transfer.plan import TransferPlan
from laion_fmri.transfer.verify import Verdict, VerifyReport, verify
from laion_fmri.verification import plan_of_local

log = logging.getLogger("laion_fmri.explorer")


class CheckState(StrEnum):
    """Where a check is in its life."""

    IDLE = "not begun"
    LISTING = "listing"
    CHECKING = "checking"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_busy(self) -> bool:
        """Whether something happens."""
        return self in (CheckState.LISTING, CheckState.CHECKING)


@dataclass(frozen=True)
class CheckSnapshot:
    """A check at one moment.

    Attributes
    ----------
    state : CheckState
    subject : str
        Whose files are checked; empty when all are.
    n_done, n_files : int
    bytes_done, bytes_total : int
    wrong : dict of str to list of str
        Keys of the files that need repair, by what is wrong with them.
    n_size_only : int
        Files whose size is right, and of which no more is known.
    repair_bytes : int
        What repairing would fetch.
    problem : str
        Why it failed.
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
    problem: str = ""

    @property
    def n_wrong(self) -> int:
        """Files that need repair."""
        return sum(len(keys) for keys in self.wrong.values())

    @property
    def fraction(self) -> float:
        """How far it is, 0 to 1."""
        return self.bytes_done / self.bytes_total if self.bytes_total else 0.0


class Checkup:
    """The checks of one data directory, one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = CheckState.IDLE
        self._report: VerifyReport | None = None
        self._bytes_done = self._bytes_total = 0
        self._subject = self._problem = ""
        self._cancel = threading.Event()
        self._listeners = Listeners()

    def start(self, settings: Settings, bucket: Callable[[], Bucket], subject: str = "") -> None:
        """Begin to check everything, or one subject; nothing when a check is under way."""
        with self._lock:
            if self._state.is_busy:
                return
            self._state, self._report = CheckState.LISTING, None
            self._subject, self._problem = subject, ""
            self._bytes_done = self._bytes_total = 0
            self._cancel.clear()
        work = threading.Thread(
            target=self._work, args=(settings, bucket), name="checkup", daemon=True
        )
        work.start()
        self._listeners.tell()

    def stop(self) -> None:
        """Give up; what was found so far is shown."""
        self._cancel.set()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called, in any thread, when a check begins or ends."""
        return self._listeners.add(listener)

    def take_repair(self) -> TransferPlan | None:
        """What to fetch to have everything right; the check is then forgotten."""
        with self._lock:
            if self._state.is_busy or self._report is None or self._report.is_good:
                return None
            plan = self._report.repair_plan
            self._state, self._report = CheckState.IDLE, None
        self._listeners.tell()
        return plan

    def snapshot(self) -> CheckSnapshot:
        """The check as it is now; safe from any thread."""
        with self._lock:
            report = self._report
            if report is None:
                return CheckSnapshot(self._state, self._subject, problem=self._problem)
            wrong = {str(v): [f.key for f in report.of(v)] for v in Verdict if v.needs_repair}
            return CheckSnapshot(
                self._state,
                self._subject,
                len(report.files),
                len(report.plan.files),
                self._bytes_done,
                self._bytes_total,
                {verdict: keys for verdict, keys in wrong.items() if keys},
                len(report.of(Verdict.SIZE_ONLY)),
                report.repair_plan.bytes_to_fetch,
                self._problem,
            )

    def _work(self, settings: Settings, bucket: Callable[[], Bucket]) -> None:
        problem = ""
        try:
            plan = plan_of_local(settings, bucket(), self._subject or None)
            with self._lock:
                self._report, self._state = VerifyReport(plan), CheckState.CHECKING
                self._bytes_total = plan.total_bytes
                report = self._report
            for found in verify(plan, self._cancel):
                with self._lock:
                    report.files.append(found)
                    self._bytes_done += found.file.size
        except LaionFmriError as error:
            problem = str(error)
        except Exception as error:  # whatever it is, the page must hear of an end
            log.exception("A check ended unexpectedly", exc_info=error)
            problem = f"The check ended unexpectedly ({type(error).__name__}); see the log."
        with self._lock:
            self._problem = problem
            if problem:
                self._state = CheckState.FAILED
            else:
                is_stopped = self._cancel.is_set() and len(report.files) < len(plan.files)
                self._state = CheckState.STOPPED if is_stopped else CheckState.DONE
        self._listeners.tell()


_checkups: dict[Path | None, Checkup] = {}
_checkups_lock = threading.Lock()


def shared_checkup(settings: Settings) -> Checkup:
    """The checks of this server for a data directory; the same for every page."""
    with _checkups_lock:
        return _checkups.setdefault(settings.data_dir, Checkup())
