"""Transfers in a separate process, so that the server stays responsive.

Threads that fetch a gigabyte per second would hold the GIL. `run` does the same as
`laion_fmri.transfer.engine.run` in another process: it sends the plan as a line of JSON and
receives events as lines, a few per second. The process ends with this one. Complete and partial
files, from which a later transfer resumes, stay on disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from laion_fmri._errors import LaionFmriError, TransferError
from laion_fmri.access import AccessFiles
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.bucket.s3 import S3Bucket
from laion_fmri.config import Settings
from laion_fmri.splits.fetching import SplitFiles
from laion_fmri.transfer import engine
from laion_fmri.transfer.events import EventKind, TransferEvent
from laion_fmri.transfer.plan import FileStatus, PlannedFile, TransferPlan
from laion_fmri.transfer_jobs.records import StoredPlan

_SOURCES = (S3Bucket, DirectoryBucket, AccessFiles, SplitFiles)
_WRITE_INTERVAL = 0.1  # seconds between lines
_STOP_TIMEOUT = 10.0  # seconds
_NICENESS = 19  # the server has priority
_CANCEL = "cancel"


def run(
    plan: TransferPlan, n_jobs: int, cancel: threading.Event, settings: Settings
) -> Iterator[TransferEvent]:
    """Run `laion_fmri.transfer.engine.run` in another process where possible.

    Parameters
    ----------
    plan : TransferPlan
        Of files to fetch.
    n_jobs : int
    cancel : threading.Event
    settings : Settings
        Settings with the address of the access service.

    Raises
    ------
    TransferError
        When nothing can be fetched, or the other process ends early.
    """
    can_open_sources = all(type(f.source) in _SOURCES for f in plan.files)
    if plan.files and sys.executable and can_open_sources:
        yield from _run_in_process(plan, n_jobs, cancel, settings)
    else:
        yield from engine.run(plan, n_jobs=n_jobs, cancel=cancel)


def _run_in_process(
    plan: TransferPlan, n_jobs: int, cancel: threading.Event, settings: Settings
) -> Iterator[TransferEvent]:
    names = ("bucket", "endpoint_url", "access_url")
    order = {
        "settings": {name: getattr(settings, name) for name in names},
        "data_dir": str(plan.data_dir),
        "n_jobs": n_jobs,
        "plan": StoredPlan.of(plan.files).as_json(),
    }
    command = [sys.executable, "-m", __name__]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # In its own session, so that Ctrl-C reaches only this process, which then stops the other.
    with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as process:
        assert process.stdin is not None and process.stdout is not None
        killer = threading.Timer(_STOP_TIMEOUT, process.kill)
        try:
            _send(process.stdin, json.dumps(order))
            files = list(plan.files)
            for line in process.stdout:
                message = json.loads(line)
                if "problem" in message:
                    raise TransferError(message["problem"])
                yield from _events(message["events"], files)
                if message.get("is_over"):
                    return
                if cancel.is_set() and killer.ident is None:
                    _send(process.stdin, _CANCEL)
                    killer.start()
            if not cancel.is_set():
                raise TransferError(
                    "The process that fetched the files ended before its work was done. Resume "
                    "the download; it continues where it stopped."
                )
        finally:
            killer.cancel()
            with contextlib.suppress(OSError):
                process.stdin.close()  # stops the process
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()


def _send(stdin: IO[Any], line: str) -> None:
    with contextlib.suppress(OSError):  # if the process has ended, its last line gives the reason
        print(line, file=stdin, flush=True)


def _events(rows: list[list[Any]], files: list[PlannedFile]) -> Iterator[TransferEvent]:
    for kind, number, n_bytes, message, size, etag in rows:
        if (size, etag) != (files[number].size, files[number].etag):
            files[number] = replace(files[number], size=size, etag=etag, bytes_downloaded=0)
        yield TransferEvent(EventKind(kind), files[number], n_bytes, message)


# --- code of the other process -------------------------------------------------------------------


class _EventWriter:
    """A writer that collects events and writes them as lines of JSON."""

    def __init__(self, files: tuple[PlannedFile, ...], out: IO[Any]) -> None:
        self._numbers = {file.local: number for number, file in enumerate(files)}
        self._out = out
        self._rows: list[list[Any]] = []
        self._moved: Counter[PlannedFile] = Counter()
        self._lock = threading.Lock()

    def add(self, event: TransferEvent) -> None:
        """Collect an event; progress events of a file are added up."""
        with self._lock:
            if event.kind is EventKind.PROGRESS:
                self._moved[event.file] += event.n_bytes
            else:
                self._add_progress()
                self._add_row(event)

    def write(self, **more: Any) -> None:
        """Write the collected events."""
        with self._lock:
            self._add_progress()
            rows, self._rows = self._rows, []
            # A single write under the lock: two threads write, and each line is one message.
            self._out.write(json.dumps({"events": rows, **more}) + "\n")
            self._out.flush()

    def _add_progress(self) -> None:
        for file, n_bytes in self._moved.items():
            if n_bytes:
                self._add_row(TransferEvent(EventKind.PROGRESS, file, n_bytes))
        self._moved.clear()

    def _add_row(self, event: TransferEvent) -> None:
        file = event.file
        number = self._numbers[file.local]
        self._rows.append(
            [str(event.kind), number, event.n_bytes, event.message, file.size, file.etag]
        )


def main() -> None:
    """Run the transfer described on standard input; write its events to standard output."""
    _lower_priority()
    order = json.loads(sys.stdin.readline())
    out, sys.stdout = sys.stdout, sys.stderr  # keep other output out of the event lines
    try:
        _transfer(order, out)
    except LaionFmriError as error:
        print(json.dumps({"problem": str(error)}), file=out, flush=True)
    except BrokenPipeError:
        pass  # the other process has ended
    os._exit(0)  # exit without waiting for hanging connections


def _lower_priority() -> None:
    """Lower the priority below that of the server and a local browser."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(_NICENESS)
    # Linux also schedules by session, and this process has its own.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICENESS))


def _transfer(order: dict[str, Any], out: IO[Any]) -> None:
    settings = Settings(Path(order["data_dir"]), **order["settings"])
    files = StoredPlan.read(order["plan"]).planned_files(settings)
    writer, cancel, is_over = _EventWriter(files, out), threading.Event(), threading.Event()

    def read_cancel() -> None:
        sys.stdin.readline()  # "cancel", or end of file when the parent ends
        cancel.set()

    def write_events() -> None:
        while not is_over.wait(_WRITE_INTERVAL):
            try:
                writer.write()
            except OSError:
                cancel.set()
                return

    for work in (read_cancel, write_events):
        threading.Thread(target=work, daemon=True).start()
    for file in files:
        if file.status is FileStatus.DOWNLOADED:
            writer.add(TransferEvent(EventKind.SKIPPED, file))
    plan = TransferPlan(files, settings.require_data_dir())
    for event in engine.run(plan, n_jobs=order["n_jobs"], cancel=cancel):
        writer.add(event)
    is_over.set()
    writer.write(is_over=True)


if __name__ == "__main__":
    main()
