"""Carrying out a plan: resumable, verified, each file whole or not there."""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from laion_fmri._errors import AccessDeniedError, BucketError, LaionFmriError, TransferError
from laion_fmri.bucket import Bucket
from laion_fmri.transfer.plan import PlannedFile, TransferPlan, format_bytes

CHUNK = 1 << 20  # bytes between two events of one file
_SPARE = 64 << 20  # bytes of the disk never used up
_POLL = 0.1  # seconds between two looks at the cancel flag while nothing arrives


class EventKind(StrEnum):
    """What happened to a file."""

    PROGRESS = "progress"
    FETCHED = "fetched"
    DENIED = "denied"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class TransferEvent:
    """Something that happened to one file.

    Attributes
    ----------
    kind : EventKind
    file : PlannedFile
    n_bytes : int
        Bytes of the file moved since its last event.
    message : str
        Why, for a file that was denied or failed.
    """

    kind: EventKind
    file: PlannedFile
    n_bytes: int = 0
    message: str = ""


def run(
    plan: TransferPlan,
    bucket: Bucket,
    n_jobs: int = 1,
    cancel: threading.Event | None = None,
) -> Iterator[TransferEvent]:
    """Fetch what is not here, yielding an event for every step.

    Each file gathers in a partial file beside its target and is renamed into place when
    its size is right; an interrupted one goes on where it stopped. One file's failure
    does not stop the others. Leaving the generator early cancels.

    Parameters
    ----------
    plan : TransferPlan
    bucket : Bucket
    n_jobs : int
        Files fetched at the same time.
    cancel : threading.Event, optional
        Set it to stop; what was fetched is kept.

    Raises
    ------
    TransferError
        Before anything is moved, when the disk has not enough room.
    """
    _require_room(plan)
    stop = cancel or threading.Event()
    events: queue.SimpleQueue[TransferEvent] = queue.SimpleQueue()
    files = plan.to_fetch
    with ThreadPoolExecutor(n_jobs, thread_name_prefix="transfer") as pool:
        try:
            for file in files:
                pool.submit(_fetch, file, bucket, stop, events.put)
            left = len(files)
            while left:
                event = events.get()
                left -= event.kind is not EventKind.PROGRESS
                yield event
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _fetch(file: PlannedFile, bucket: Bucket, stop: threading.Event, tell) -> None:
    """Fetch one file; the last event says how it ended."""
    try:
        finished = _fill_partial(file, bucket, stop, tell)
        if finished:
            _put_in_place(file)
        tell(TransferEvent(EventKind.FETCHED if finished else EventKind.CANCELLED, file))
    except AccessDeniedError as error:
        tell(TransferEvent(EventKind.DENIED, file, message=str(error)))
    except LaionFmriError as error:
        tell(TransferEvent(EventKind.FAILED, file, message=str(error)))
    except OSError as error:
        reason = f"{file.path} cannot be written: {error.strerror or error}."
        tell(TransferEvent(EventKind.FAILED, file, message=reason))


def _fill_partial(file: PlannedFile, bucket: Bucket, stop: threading.Event, tell) -> bool:
    if stop.is_set():
        return False
    partial = file.partial_path
    partial.parent.mkdir(parents=True, exist_ok=True)
    _drop_other_versions(file)
    with partial.open("ab") as out:
        start = out.tell()
        if start > file.size:
            out.truncate(0)
            start = 0
        if start < file.size or file.size == 0:
            with bucket.open(file.key, start, file.etag) as source:
                while chunk := source.read(CHUNK):
                    out.write(chunk)
                    tell(TransferEvent(EventKind.PROGRESS, file, n_bytes=len(chunk)))
                    if stop.is_set():
                        return False
        out.flush()
        os.fsync(out.fileno())
        got = out.tell()
    if got != file.size:
        if got > file.size:
            partial.unlink()
        raise BucketError(
            f"{file.key}: the bucket sent {got} of {file.size} bytes. Run the download again; it "
            "goes on where it stopped."
        )
    return True


def _put_in_place(file: PlannedFile) -> None:
    if file.path.is_dir():
        raise TransferError(
            f"{file.path} is a folder where a file should be. Move it away and try again."
        )
    file.partial_path.replace(file.path)


def _drop_other_versions(file: PlannedFile) -> None:
    for other in file.path.parent.glob(f".{_glob_escaped(file.path.name)}.*.part"):
        if other != file.partial_path:
            other.unlink(missing_ok=True)


def _glob_escaped(name: str) -> str:
    import glob

    return glob.escape(name)


def _require_room(plan: TransferPlan) -> None:
    folder = plan.data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    needed = plan.bytes_to_fetch
    if needed and needed + _SPARE > free:
        raise TransferError(
            f"{format_bytes(needed)} are needed in {plan.data_dir} but {format_bytes(free)} are "
            "free. Choose less, or another data directory."
        )
