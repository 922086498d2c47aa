"""A download of the server at one moment, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "waiting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_busy(self) -> bool:
        """Whether something happens, or will by itself."""
        return self in (JobState.QUEUED, JobState.RUNNING, JobState.PAUSING, JobState.CANCELLING)

    @property
    def is_over(self) -> bool:
        """Whether the job is history."""
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
        Files that were to be fetched when it was asked for, and those that are here.
    n_here : int
        Files that were here already when it was asked for.
    n_fetched, n_moved : int
        Files and bytes that the job fetched.
    bytes_total, bytes_done : int
        Of the files to be fetched, all their bytes and those that are here.
    rate : float or None
        Bytes a second over the last few seconds; None while it is not known.
    seconds_left : float or None
    active : tuple of ActiveFile
    denied, failed : dict of str to str
        Keys that were not fetched, and why.
    problem : str
        Why the job as a whole failed.
    ended_at : str
        ISO 8601.
    needs_access : bool
        Whether files under the data use agreement are still to be fetched.
    """

    number: int
    title: str
    state: JobState
    n_files: int = 0
    n_done: int = 0
    n_here: int = 0
    n_fetched: int = 0
    n_moved: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    rate: float | None = None
    seconds_left: float | None = None
    active: tuple[ActiveFile, ...] = ()
    denied: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    ended_at: str = ""
    needs_access: bool = False

    @property
    def n_left(self) -> int:
        """Files that are still to be fetched."""
        return self.n_files - self.n_done

    @property
    def fraction(self) -> float:
        """How far it is, 0 to 1."""
        if self.bytes_total:
            return self.bytes_done / self.bytes_total
        return self.n_done / self.n_files if self.n_files else 0.0
