"""What a transfer tells of while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from laion_fmri.transfer.plan import PlannedFile


class EventKind(StrEnum):
    """What happened to a file."""

    STARTED = "started"
    PROGRESS = "progress"
    STARTED_OVER = "started over"
    FETCHED = "fetched"
    HERE = "here"
    DENIED = "denied"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_last(self) -> bool:
        """Whether nothing more happens to the file."""
        return self not in (EventKind.STARTED, EventKind.PROGRESS, EventKind.STARTED_OVER)


@dataclass(frozen=True, slots=True)
class TransferEvent:
    """Something that happened to one file.

    Attributes
    ----------
    kind : EventKind
        *Here*: another process brought the file in the meantime.
    file : PlannedFile
        As it is fetched: one that started over may have another size than was planned.
    n_bytes : int
        Bytes of the file moved since its last event; negative when bytes that were
        counted before are fetched again.
    message : str
        Why, for a file that was denied, failed or started over.
    """

    kind: EventKind
    file: PlannedFile
    n_bytes: int = 0
    message: str = ""


Tell = Callable[[TransferEvent], None]
