"""Progress bars of a running transfer: an overall one, and one for each large file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from laion_fmri._errors import TransferError
from laion_fmri.transfer import engine
from laion_fmri.transfer.events import EventHandler, EventKind, TransferEvent
from laion_fmri.transfer.plan import TransferPlan, count_of
from laion_fmri.transfer.report import TransferReport

_SHOWN_FILES = 3
_LARGE = 32 << 20  # bytes; larger files have their own bar
_NAME_LENGTH = 40


@contextmanager
def progress_bars(plan: TransferPlan, shown: bool = True) -> Iterator[EventHandler]:
    """Show tqdm bars in the terminal or notebook; do nothing unless `shown`.

    Yields
    ------
    callable
        To be called with every event.
    """
    if not shown or not plan.to_fetch:
        yield lambda event: None
        return
    bars = _Bars(plan)
    try:
        yield bars.update
    finally:
        bars.close()


def transfer_files(
    plan: TransferPlan,
    progress: bool = True,
    on_event: EventHandler | None = None,
    *,
    n_jobs: int = 1,
    attempts: int | None = None,
) -> TransferReport:
    """Fetch the files of a plan, with progress bars.

    Parameters
    ----------
    plan : TransferPlan
    progress : bool
        Show bars.
    on_event : callable, optional
        Called with every event.
    n_jobs, attempts
        As in `laion_fmri.transfer.engine.run`.

    Raises
    ------
    TransferError
        When a file could not be fetched; fetched files are kept.
    """
    report = TransferReport(plan)
    with progress_bars(plan, progress) as show:
        for event in engine.run(plan, n_jobs=n_jobs, attempts=attempts):
            report.add(event)
            show(event)
            if on_event is not None:
                on_event(event)
    if not report.is_complete:
        raise TransferError(str(report), report)
    return report


@contextmanager
def shown_count(total: int, what: str, shown: bool = True) -> Iterator[Callable[[], object]]:
    """Show a bar that counts files.

    Yields
    ------
    callable
        To be called for each file.
    """
    is_shown = shown and total > 0
    with progress_bar(total=total, desc=what, unit=" files", disable=not is_shown) as bar:
        yield bar.update


def progress_bar(**options: Any) -> Any:
    """Return a tqdm bar on standard error, in the terminal or notebook.

    When standard error cannot be written (a full disk, a closed pipe), the bar is not drawn and the
    work continues.

    Parameters
    ----------
    **options
        Options of `tqdm.tqdm`.
    """
    from tqdm.auto import tqdm

    return tqdm(file=_StandardError(sys.stderr), **options)


class _StandardError:
    """Standard error, if any; write errors are ignored."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.write(text)

    def flush(self) -> None:
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Bars:
    def __init__(self, plan: TransferPlan) -> None:
        self._overall = _bar(plan.bytes_to_fetch, count_of(len(plan.to_fetch), "file"), 0)
        self._of_files: dict[str, Any] = {}
        self._free_lines = list(range(_SHOWN_FILES, 0, -1))

    def update(self, event: TransferEvent) -> None:
        self._overall.update(event.n_bytes)
        file = event.file
        if event.kind is EventKind.STARTED and file.size >= _LARGE and self._free_lines:
            line = self._free_lines.pop()
            bar = _bar(file.size, _shortened(file.path.name), line, file.bytes_downloaded)
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


def _bar(total: int, name: str, line: int, initial: int = 0) -> Any:
    return progress_bar(
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
