"""A transfer shown while it goes on: one bar for everything, and the large files under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from laion_fmri._errors import TransferError
from laion_fmri.transfer import engine
from laion_fmri.transfer.events import EventKind, Tell, TransferEvent
from laion_fmri.transfer.plan import TransferPlan, count_of
from laion_fmri.transfer.report import TransferReport

_SHOWN_FILES = 3
_LARGE = 32 << 20  # bytes of a file that gets a line of its own
_NAME_LENGTH = 40


@contextmanager
def shown_progress(plan: TransferPlan, shown: bool = True) -> Iterator[Tell]:
    """Bars in the terminal or the notebook, drawn by tqdm; nothing when not `shown`.

    Yields
    ------
    callable
        To be told of every event.
    """
    if not shown or not plan.to_fetch:
        yield lambda event: None
        return
    bars = _Bars(plan)
    try:
        yield bars.tell
    finally:
        bars.close()


def carried_out(
    plan: TransferPlan,
    progress: bool = True,
    tell: Tell | None = None,
    *,
    n_jobs: int = 1,
    attempts: int | None = None,
) -> TransferReport:
    """Move the files of a plan, showing how it goes.

    Parameters
    ----------
    plan : TransferPlan
    progress : bool
        Show bars.
    tell : callable, optional
        Called with every event.
    n_jobs, attempts
        As for `laion_fmri.transfer.engine.run`.

    Raises
    ------
    TransferError
        When a file could not be fetched; what was fetched stays.
    """
    report = TransferReport(plan)
    with shown_progress(plan, progress) as show:
        for event in engine.run(plan, n_jobs=n_jobs, attempts=attempts):
            report.add(event)
            show(event)
            if tell is not None:
                tell(event)
    if not report.is_complete:
        raise TransferError(str(report), report)
    return report


@contextmanager
def shown_count(total: int, what: str, shown: bool = True) -> Iterator[Callable[[], object]]:
    """A bar that counts files.

    Yields
    ------
    callable
        To be called for each.
    """
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=what, unit=" files", disable=not shown or total == 0) as bar:
        yield bar.update


class _Bars:
    def __init__(self, plan: TransferPlan) -> None:
        self._overall = _bar(plan.bytes_to_fetch, count_of(len(plan.to_fetch), "file"), 0)
        self._of_files: dict[str, Any] = {}
        self._free_lines = list(range(_SHOWN_FILES, 0, -1))

    def tell(self, event: TransferEvent) -> None:
        self._overall.update(event.n_bytes)
        file = event.file
        if event.kind is EventKind.STARTED and file.size >= _LARGE and self._free_lines:
            line = self._free_lines.pop()
            bar = _bar(file.size, _shortened(file.path.name), line, file.bytes_here)
            self._of_files[file.local] = bar
        bar = self._of_files.get(file.local)
        if bar is None:
            return
        bar.update(event.n_bytes)
        if event.kind.is_last or event.kind is EventKind.STARTED_OVER:
            self._free_lines.append(-bar.pos)
            del self._of_files[file.local]
            bar.close()

    def close(self) -> None:
        for bar in (*self._of_files.values(), self._overall):
            bar.close()


def _bar(total: int, name: str, line: int, initial: int = 0):
    from tqdm.auto import tqdm

    return tqdm(
        total=total,
        initial=initial,
        desc=name,
        unit="B",
        unit_scale=True,
        position=line,
        leave=line == 0,
        dynamic_ncols=True,
    )


def _shortened(name: str) -> str:
    if len(name) <= _NAME_LENGTH:
        return name
    return f"{name[: _NAME_LENGTH // 3]}…{name[-2 * _NAME_LENGTH // 3 :]}"
