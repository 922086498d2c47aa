"""Events of a running transfer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from laion_fmri.transfer.plan import PlannedFile


class EventKind(StrEnum):
    """The kind of an event."""

    STARTED = "started"
    PROGRESS = "progress"
    STARTED_OVER = "started over"
    FETCHED = "fetched"
    SKIPPED = "skipped"
    DENIED = "denied"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_last(self) -> bool:
        """Whether this is the last event of a file."""
        return self not in (EventKind.STARTED, EventKind.PROGRESS, EventKind.STARTED_OVER)


@dataclass(frozen=True, slots=True)
class TransferEvent:
    """An event of one file.

    Attributes
    ----------
    kind : EventKind
        *Here*: another process has fetched the file.
    file : PlannedFile
        The current object; its size may differ from the plan after a restart.
    n_bytes : int
        Bytes transferred since the file's last event; negative when counted bytes are fetched
        again.
    message : str
        Reason, for a file that was denied, failed or restarted.
    """

    kind: EventKind
    file: PlannedFile
    n_bytes: int = 0
    message: str = ""


EventHandler = Callable[[TransferEvent], None]
