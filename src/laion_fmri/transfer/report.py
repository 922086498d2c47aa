"""Reports of transfers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from laion_fmri.transfer.events import EventKind, TransferEvent
from laion_fmri.transfer.plan import PlannedFile, TransferPlan, count_of, format_bytes

_SHOWN = 12  # reasons of one kind


@dataclass
class TransferReport:
    """The result of a download; prints as a few lines.

    Attributes
    ----------
    plan : TransferPlan
    fetched : list of PlannedFile
    brought : list of PlannedFile
        Files that another process fetched meanwhile.
    denied, failed : dict of PlannedFile to str
        File to reason.
    cancelled : list of PlannedFile
    n_bytes : int
        Transferred bytes, including repeated ones.
    """

    plan: TransferPlan
    fetched: list[PlannedFile] = field(default_factory=list)
    brought: list[PlannedFile] = field(default_factory=list)
    denied: dict[PlannedFile, str] = field(default_factory=dict)
    failed: dict[PlannedFile, str] = field(default_factory=dict)
    cancelled: list[PlannedFile] = field(default_factory=list)
    n_bytes: int = 0

    def add(self, event: TransferEvent) -> None:
        """Add an event."""
        if event.kind is EventKind.PROGRESS:
            self.n_bytes += event.n_bytes
        elif event.kind is EventKind.FETCHED:
            self.fetched.append(event.file)
        elif event.kind is EventKind.SKIPPED:
            self.brought.append(event.file)
        elif event.kind is EventKind.CANCELLED:
            self.cancelled.append(event.file)
        elif event.kind is EventKind.DENIED:
            self.denied[event.file] = event.message
        elif event.kind is EventKind.FAILED:
            self.failed[event.file] = event.message

    def __add__(self, other: TransferReport) -> TransferReport:
        """Merge two reports."""
        return TransferReport(
            self.plan + other.plan,
            self.fetched + other.fetched,
            self.brought + other.brought,
            self.denied | other.denied,
            self.failed | other.failed,
            self.cancelled + other.cancelled,
            self.n_bytes + other.n_bytes,
        )

    @property
    def n_already_here(self) -> int:
        """Number of files that were already downloaded."""
        return len(self.plan.files) - len(self.plan.to_fetch) + len(self.brought)

    @property
    def is_complete(self) -> bool:
        """Whether every file of the plan is downloaded now."""
        return not (self.denied or self.failed or self.cancelled)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a dict, for JSON: keys of the files, and reasons."""
        return {
            "fetched": [f.key for f in self.fetched],
            "n_bytes": self.n_bytes,
            "n_already_here": self.n_already_here,
            "denied": {f.key: reason for f, reason in self.denied.items()},
            "failed": {f.key: reason for f, reason in self.failed.items()},
            "cancelled": [f.key for f in self.cancelled],
        }

    def __str__(self) -> str:
        head = (
            f"{count_of(len(self.fetched), 'file')} fetched ({format_bytes(self.n_bytes)}), "
            f"{self.n_already_here} already downloaded"
        )
        lines = []
        for name, files in (("denied", self.denied), ("failed", self.failed)):
            if files:
                head += f", {len(files)} {name}"
                lines += [f"  {name}: {reason}" for reason in list(files.values())[:_SHOWN]]
                if len(files) > _SHOWN:
                    lines.append(f"  ... and {len(files) - _SHOWN} more {name}")
        if self.cancelled:
            head += f", {len(self.cancelled)} not finished"
        return "\n".join([head, *lines])
