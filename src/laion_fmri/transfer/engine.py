"""Carrying out a plan: resumable, verified, each file whole or not there."""

from __future__ import annotations

import glob
import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from laion_fmri._errors import AccessDeniedError, BucketError, LaionFmriError, TransferError
from laion_fmri.bucket import Bucket, ByteStream
from laion_fmri.transfer.plan import VERSION_LENGTH, PlannedFile, TransferPlan, format_bytes

CHUNK = 1 << 20  # bytes between two events of one file
_SPARE = 64 << 20  # bytes of the disk never used up


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


Stopped = Callable[[], bool]
Tell = Callable[[TransferEvent], None]


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
    left_early = threading.Event()

    def stopped() -> bool:
        return left_early.is_set() or (cancel is not None and cancel.is_set())

    events: queue.SimpleQueue[TransferEvent] = queue.SimpleQueue()
    files = plan.to_fetch
    with ThreadPoolExecutor(n_jobs, thread_name_prefix="transfer") as pool:
        try:
            for file in files:
                pool.submit(_fetch, file, bucket, stopped, events.put)
            left = len(files)
            while left:
                event = events.get()
                left -= event.kind is not EventKind.PROGRESS
                yield event
        finally:
            left_early.set()
            pool.shutdown(cancel_futures=True)


def _fetch(file: PlannedFile, bucket: Bucket, stopped: Stopped, tell: Tell) -> None:
    """Fetch one file; the last event says how it ended."""
    outcome = _outcome(file, bucket, stopped, tell)
    if outcome.kind is not EventKind.FETCHED:
        _drop_if_empty(file.partial_path)
    tell(outcome)


def _outcome(file: PlannedFile, bucket: Bucket, stopped: Stopped, tell: Tell) -> TransferEvent:
    try:
        finished = _fill_partial(file, bucket, stopped, tell)
        if finished:
            file.partial_path.replace(file.path)
        return TransferEvent(EventKind.FETCHED if finished else EventKind.CANCELLED, file)
    except AccessDeniedError as error:
        return TransferEvent(EventKind.DENIED, file, message=str(error))
    except LaionFmriError as error:
        return TransferEvent(EventKind.FAILED, file, message=str(error))
    except OSError as error:
        reason = f"{file.path} cannot be written: {error.strerror or error}."
        return TransferEvent(EventKind.FAILED, file, message=reason)
    except Exception as error:
        # Without a last event the consumer would wait for ever; the other files go on.
        reason = f"{file.key} could not be fetched ({type(error).__name__}: {error})."
        return TransferEvent(EventKind.FAILED, file, message=reason)


def _fill_partial(file: PlannedFile, bucket: Bucket, stopped: Stopped, tell: Tell) -> bool:
    if stopped():
        return False
    if file.path.is_dir():
        raise TransferError(
            f"{file.path} is a folder where a file should be. Move it away and try again."
        )
    partial = file.partial_path
    partial.parent.mkdir(parents=True, exist_ok=True)
    _drop_other_versions(file)
    with partial.open("ab") as out:
        got = out.seek(0, os.SEEK_END)
        if got > file.size:
            out.truncate(0)
            got = 0
        if got < file.size or file.size == 0:
            with bucket.open(file.key, got, file.etag) as source:
                while got <= file.size and (chunk := _read(source, file.key)):
                    got += out.write(chunk)
                    tell(TransferEvent(EventKind.PROGRESS, file, n_bytes=len(chunk)))
                    if stopped():
                        return False
        out.flush()
        os.fsync(out.fileno())
    if got > file.size:
        partial.unlink()
        raise BucketError(
            f"{file.key}: the bucket sent more than the {file.size} bytes it announced. Run the "
            "download again; it starts over."
        )
    if got < file.size:
        raise BucketError(
            f"{file.key}: the bucket sent {got} of {file.size} bytes. Run the download again; it "
            "goes on where it stopped."
        )
    return True


def _read(source: ByteStream, key: str) -> bytes:
    try:
        return source.read(CHUNK)
    except LaionFmriError:
        raise
    except OSError as error:  # the mirror's fault, not the data directory's
        raise BucketError(f"{key} cannot be read: {error.strerror or error}.") from error


def _drop_if_empty(partial: Path) -> None:
    with suppress(OSError):
        if partial.stat().st_size == 0:
            partial.unlink()


def _drop_other_versions(file: PlannedFile) -> None:
    # As many places as a version has, so that "lh.sphere" leaves "lh.sphere.reg" alone.
    version = "[0-9a-f]" * VERSION_LENGTH
    for other in file.path.parent.glob(f".{glob.escape(file.path.name)}.{version}.part"):
        if other != file.partial_path:
            other.unlink(missing_ok=True)


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
