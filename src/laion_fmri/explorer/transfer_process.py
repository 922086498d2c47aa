"""A transfer in a process of its own, so that pages are answered while bytes move at line rate.

Threads that move a gigabyte a second leave a page little of its interpreter. `run` is
`laion_fmri.transfer.engine.run` with the engine elsewhere: the plan goes to the other process
as one line, events come back as lines, a few a second. That process ends with this one, and
leaves what it was told to leave behind: files that are whole, and partial files to go on with.
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
from laion_fmri.explorer.job_records import JobRecord, planned_files, records_of
from laion_fmri.splits.fetching import SplitFiles
from laion_fmri.transfer import engine
from laion_fmri.transfer.events import EventKind, TransferEvent
from laion_fmri.transfer.plan import FileStatus, PlannedFile, TransferPlan

_SOURCES = (S3Bucket, DirectoryBucket, AccessFiles, SplitFiles)
_BEAT = 0.1  # seconds between two lines
_PATIENCE = 10.0  # seconds that the other process has to stop
_NICENESS = 19  # the page comes first
_CANCEL = "cancel"


def run(
    plan: TransferPlan, n_jobs: int, cancel: threading.Event, settings: Settings
) -> Iterator[TransferEvent]:
    """As `laion_fmri.transfer.engine.run`, in a process of its own where that is possible.

    Parameters
    ----------
    plan : TransferPlan
        Of files to be fetched.
    n_jobs : int
    cancel : threading.Event
    settings : Settings
        Say where the access service is.

    Raises
    ------
    TransferError
        When nothing can be moved, or the other process ended before its work.
    """
    is_known_elsewhere = all(type(f.source) in _SOURCES for f in plan.files)
    if plan.files and sys.executable and is_known_elsewhere:
        yield from _run_apart(plan, n_jobs, cancel, settings)
    else:
        yield from engine.run(plan, n_jobs=n_jobs, cancel=cancel)


def _run_apart(
    plan: TransferPlan, n_jobs: int, cancel: threading.Event, settings: Settings
) -> Iterator[TransferEvent]:
    command = [sys.executable, "-m", __name__]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # In a session of its own Ctrl-C reaches this process alone, which then tells the other.
    with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as process:
        assert process.stdin is not None and process.stdout is not None
        killer = threading.Timer(_PATIENCE, process.kill)
        is_told = False
        try:
            _say(process.stdin, _order(plan, n_jobs, settings))
            files = list(plan.files)
            for line in process.stdout:
                told = json.loads(line)
                if "problem" in told:
                    raise TransferError(told["problem"])
                yield from _events(told["events"], files)
                if told.get("is_over"):
                    return
                if cancel.is_set() and not is_told:
                    is_told = True
                    _say(process.stdin, _CANCEL)
                    killer.start()
            if not cancel.is_set():
                raise TransferError(
                    "The process that moved the files ended before its work was done. Resume the "
                    "download; it goes on where it stopped."
                )
        finally:
            killer.cancel()
            with contextlib.suppress(OSError):
                process.stdin.close()  # whatever it still does, it stops now
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def _say(stdin: IO[Any], line: str) -> None:
    with contextlib.suppress(OSError):  # that it has ended, its own last line tells
        print(line, file=stdin, flush=True)


def _order(plan: TransferPlan, n_jobs: int, settings: Settings) -> str:
    sources, files = records_of(plan.files)
    record = JobRecord(0, "", "", n_jobs=n_jobs, sources=sources, files=files)
    where = {
        "data_dir": str(plan.data_dir),
        "bucket": settings.bucket,
        "endpoint_url": settings.endpoint_url,
        "access_url": settings.access_url,
    }
    return json.dumps({"settings": where, "record": record.as_json()})


def _events(rows: list[list[Any]], files: list[PlannedFile]) -> Iterator[TransferEvent]:
    for kind, place, n_bytes, message, size, etag in rows:
        if (size, etag) != (files[place].size, files[place].etag):
            files[place] = replace(files[place], size=size, etag=etag, bytes_here=0)
        yield TransferEvent(EventKind(kind), files[place], n_bytes, message)


# --- in the other process -------------------------------------------------------------------


class _Teller:
    """Gathers events and writes them out, a few times a second.

    Parameters
    ----------
    files : sequence of PlannedFile
    out : file
    """

    def __init__(self, files: tuple[PlannedFile, ...], out: IO[Any]) -> None:
        self._places = {file.local: place for place, file in enumerate(files)}
        self._out = out
        self._rows: list[list[Any]] = []
        self._moved: Counter[str] = Counter()
        self._files: dict[str, PlannedFile] = {}
        self._lock = threading.Lock()

    def add(self, event: TransferEvent) -> None:
        """Take note of an event."""
        with self._lock:
            if event.kind is EventKind.PROGRESS:
                self._moved[event.file.local] += event.n_bytes
                self._files[event.file.local] = event.file
            else:
                self._settle(event.file.local)
                self._rows.append(self._row(event))

    def write(self, **more: Any) -> None:
        """Write out what there is."""
        with self._lock:
            for local in list(self._moved):
                self._settle(local)
            rows, self._rows = self._rows, []
            # In one piece and under the lock: two threads write, and a line is a message.
            self._out.write(json.dumps({"events": rows, **more}) + "\n")
            self._out.flush()

    def _settle(self, local: str) -> None:
        n_bytes = self._moved.pop(local, 0)
        if n_bytes:
            self._rows.append(
                self._row(TransferEvent(EventKind.PROGRESS, self._files[local], n_bytes))
            )

    def _row(self, event: TransferEvent) -> list[Any]:
        file = event.file
        place = self._places[file.local]
        return [str(event.kind), place, event.n_bytes, event.message, file.size, file.etag]


def main() -> None:
    """Carry out the order that comes in, and tell how it goes."""
    _give_way()
    order = json.loads(sys.stdin.readline())
    out, sys.stdout = sys.stdout, sys.stderr  # nothing else may come between the lines
    try:
        _carry_out(order, out)
    except LaionFmriError as error:
        print(json.dumps({"problem": str(error)}), file=out, flush=True)
    except BrokenPipeError:
        pass  # nobody is there any more to be told
    os._exit(0)  # a connection that hangs must not hold the end up


def _give_way() -> None:
    """Let the page's server, and the browser if it is here too, go first."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(_NICENESS)
    # Linux weighs sessions against each other first, and this process has one of its own.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICENESS))


def _carry_out(order: dict[str, Any], out: IO[Any]) -> None:
    where = {**order["settings"], "data_dir": Path(order["settings"]["data_dir"])}
    settings, record = Settings(**where), JobRecord.read(order["record"])
    files = planned_files(record, settings)
    teller, cancel, is_over = _Teller(files, out), threading.Event(), threading.Event()

    def listen() -> None:
        sys.stdin.readline()  # "cancel", or the end of whoever gave the order
        cancel.set()

    def beat() -> None:
        while not is_over.wait(_BEAT):
            try:
                teller.write()
            except OSError:
                cancel.set()
                return

    for work in (listen, beat):
        threading.Thread(target=work, daemon=True).start()
    for file in files:
        if file.status is FileStatus.HERE:
            teller.add(TransferEvent(EventKind.HERE, file))
    plan = TransferPlan(files, settings.require_data_dir())
    for event in engine.run(plan, n_jobs=record.n_jobs, cancel=cancel):
        teller.add(event)
    is_over.set()
    teller.write(is_over=True)


if __name__ == "__main__":
    main()
