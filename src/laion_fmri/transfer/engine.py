"""The transfer engine: fetches the files of a plan, resumable and verified."""

from __future__ import annotations

import errno
import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from laion_fmri._errors import (
    AccessDeniedError,
    BucketError,
    LaionFmriError,
    NetworkError,
    ObjectChangedError,
    TemporaryBucketError,
    TransferError,
)
from laion_fmri.bucket import Bucket, ByteStream
from laion_fmri.transfer.disk import TargetFolders, is_complete, require_disk_space
from laion_fmri.transfer.events import EventHandler, EventKind, TransferEvent
from laion_fmri.transfer.partial import PartialFile, PartialFileBusyError, Segment
from laion_fmri.transfer.plan import PlannedFile, TransferPlan

log = logging.getLogger("laion_fmri.transfer")

CONNECTIONS_PER_JOB = 8
MAX_CONNECTIONS = 64
SEGMENT = 32 << 20  # bytes of a large file that one connection fetches at a time
ATTEMPTS = 6  # consecutive attempts without data
BACKOFF, LONGEST_BACKOFF = 0.25, 10.0  # seconds before the second attempt, and at most
LONGEST_WAIT = 60.0  # seconds; upper limit of a server's Retry-After

_LOOK = 0.1  # seconds between checks for cancellation
_PATIENCE = 0.8  # seconds for connections to close
CHUNK = 1 << 18  # bytes written at a time; a kill loses at most this per connection
_RESTARTS = 3  # restarts of a file that changed or had a wrong checksum
_IN_USE = (errno.EBUSY, errno.ETXTBSY)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_BUSY_WAIT = 0.1  # seconds between checks of a file that another process writes

T = TypeVar("T")


class _WrongBytesError(TransferError):
    """The bytes that arrived do not match the bucket's checksum."""


def run(
    plan: TransferPlan,
    n_jobs: int = 1,
    cancel: threading.Event | None = None,
    attempts: int | None = None,
) -> Iterator[TransferEvent]:
    """Fetch the files that are not downloaded, yielding an event for every step.

    Each file is written to a partial file next to its target and renamed when it is complete and
    its checksum, if known, is correct; interrupted files are resumed. Large files are fetched in
    several concurrent ranges. Temporary failures are retried; a failed file does not stop the
    others. Closing the generator cancels the transfer.

    Parameters
    ----------
    plan : TransferPlan
    n_jobs : int
        Number of jobs of `CONNECTIONS_PER_JOB` connections, shared by small files and the ranges of
        large ones.
    cancel : threading.Event, optional
        Set it to stop within a second; fetched files are kept.
    attempts : int, optional
        Consecutive attempts without data before a file fails; `ATTEMPTS` by default.

    Raises
    ------
    TransferError
        Before any transfer, when the data directory is not writable or has insufficient space.
    """
    require_disk_space(plan)
    unfinished = {file.local: file for file in plan.to_fetch}
    events: queue.SimpleQueue[TransferEvent] = queue.SimpleQueue()
    workers = _Workers(list(unfinished.values()), plan.data_dir, events.put, cancel, attempts)
    n_segments = sum(max(1, -(-file.size // SEGMENT)) for file in unfinished.values())
    workers.start(min(n_jobs * CONNECTIONS_PER_JOB, MAX_CONNECTIONS, n_segments))
    deadline = float("inf")
    try:
        while unfinished and time.monotonic() < deadline:
            if cancel is not None and cancel.is_set() and deadline == float("inf"):
                workers.stop()
                deadline = time.monotonic() + _PATIENCE
            try:
                event = events.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if event.kind.is_last:
                del unfinished[event.file.local]
            yield event
        for file in unfinished.values():  # their connections did not stop in time
            yield TransferEvent(EventKind.CANCELLED, file)
    finally:
        workers.stop()
        workers.join(_PATIENCE)


class _Arrival:
    """A file that is being fetched."""

    def __init__(self, file: PlannedFile, partial: PartialFile, n_restarts: int) -> None:
        self.file, self.partial, self.n_restarts = file, partial, n_restarts
        self.lock = threading.Lock()
        self.n_open = 0  # segments that are neither abandoned nor complete
        self.problem: Exception | None = None

    def leave(self) -> bool:
        """Count a finished segment; return True for the last one."""
        with self.lock:
            self.n_open -= 1
            return self.n_open == 0


class _Tasks:
    """The queue of files and segments, taken by threads one at a time."""

    def __init__(self, files: Sequence[PlannedFile]) -> None:
        self._files = deque((file, 0) for file in files)
        self._segments: deque[tuple[_Arrival, Segment]] = deque()
        self._n_unfinished = len(files)
        self._changed = threading.Condition()

    def take(self) -> tuple[_Arrival, Segment] | tuple[PlannedFile, int] | None:
        """Wait for the next task and return it; None when every file has ended."""
        with self._changed:
            while True:
                if self._segments:
                    return self._segments.popleft()
                if self._files:
                    return self._files.popleft()
                if self._n_unfinished == 0:
                    return None
                self._changed.wait()

    def add_file(self, file: PlannedFile, n_restarts: int, is_next: bool) -> None:
        """Add a file to restart, as the first or the last one."""
        with self._changed:
            (self._files.appendleft if is_next else self._files.append)((file, n_restarts))
            self._changed.notify()

    def add_segments(self, arrival: _Arrival, segments: Sequence[Segment]) -> None:
        """Add segments of a file, in order, at the front of the queue."""
        with self._changed:
            self._segments.extendleft((arrival, segment) for segment in reversed(segments))
            self._changed.notify(len(segments))

    def end_file(self) -> None:
        """Count a file that has ended."""
        with self._changed:
            self._n_unfinished -= 1
            if self._n_unfinished == 0:
                self._changed.notify_all()


class _OpenStreams:
    """The streams that threads read from; closing them stops the reads."""

    def __init__(self) -> None:
        self._streams: set[ByteStream] = set()
        self._lock = threading.Lock()

    @contextmanager
    def reading(self, stream: ByteStream) -> Iterator[None]:
        """Register a stream, to be closed by `close`, while the block runs."""
        with self._lock:
            self._streams.add(stream)
        try:
            yield
        finally:
            with self._lock:
                self._streams.discard(stream)

    def close(self) -> None:
        """Close every stream that is being read."""
        with self._lock:
            streams = tuple(self._streams)
        for stream in streams:
            stream.close()


class _GivenUp:
    """The abandoned sources, with the reason; None stands for all sources."""

    def __init__(self) -> None:
        self._reasons: dict[Bucket | None, str] = {}
        self._silent: tuple[str, Bucket, int] | None = None

    def reason(self, source: Bucket) -> str | None:
        """Return the reason why a source is abandoned."""
        return self._reasons.get(None) or self._reasons.get(source)

    def add(self, source: Bucket | None, reason: str) -> None:
        """Abandon a source, or all of them."""
        self._reasons[source] = reason

    def add_silence(self, file: PlannedFile, error: TemporaryBucketError, n_bytes: int) -> None:
        """Abandon the source when it does not answer for two files without data in between."""
        now = (file.local, file.source, n_bytes)
        before, self._silent = self._silent, now
        if before is not None and before[0] != file.local and before[1:] == now[1:]:
            self.add(file.source, str(error))


class _Workers:
    """Threads that fetch files, one connection each.

    Small files are taken one by one, large ones by segments. The threads are daemons, so that a
    hanging connection does not block the exit.
    """

    def __init__(
        self,
        files: Sequence[PlannedFile],
        data_dir: Path,
        emit: EventHandler,
        cancel: threading.Event | None,
        attempts: int | None,
    ) -> None:
        self._tasks = _Tasks(files)
        self._stopped = threading.Event()
        self._cancel = cancel or self._stopped
        self._attempts = ATTEMPTS if attempts is None else attempts
        self._streams = _OpenStreams()
        self._folders = TargetFolders(data_dir)
        self._emit = emit
        self._n_bytes = 0  # received, of all files
        self._given_up = _GivenUp()
        self._threads: list[threading.Thread] = []

    def start(self, n_connections: int) -> None:
        """Start the threads."""
        self._threads = [
            threading.Thread(target=self._work, name=f"transfer-{number}", daemon=True)
            for number in range(n_connections)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Close every connection; partial files are kept."""
        self._stopped.set()
        self._streams.close()

    def join(self, seconds: float) -> None:
        """Wait for the threads to end, for at most `seconds`."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (task := self._tasks.take()) is not None:
            if isinstance(task[0], _Arrival):
                self._fetch_segment(*task)
            else:
                self._begin(*task)

    def _begin(self, file: PlannedFile, n_restarts: int) -> None:
        """Open a file's partial file and queue its missing segments."""
        try:
            if self._must_stop():
                self._end(TransferEvent(EventKind.CANCELLED, file))
                return
            if why := self._given_up.reason(file.source):
                raise TransferError(f"{file.key} was not tried: {why}")
            if file.size == 0:
                self._with_retries(lambda: _look_at(file))
            self._folders.prepare(file)
            partial = PartialFile(file.partial_path, file.size, SEGMENT)
        except PartialFileBusyError:
            self._stopped.wait(_BUSY_WAIT)
            self._tasks.add_file(file, n_restarts, is_next=False)
            return
        except Exception as error:
            self._end(_ending(file, error))
            return
        if is_complete(file):
            partial.discard()
            self._end(TransferEvent(EventKind.SKIPPED, file))
            return
        arrival = _Arrival(file, partial, n_restarts)
        self._emit(TransferEvent(EventKind.STARTED, file))
        missing = partial.missing()
        arrival.n_open = max(1, len(missing))
        if not missing:
            self._finish_segment(arrival)
            return
        self._tasks.add_segments(arrival, missing[1:])
        self._fetch_segment(arrival, missing[0])

    def _fetch_segment(self, arrival: _Arrival, segment: Segment) -> None:
        n_failures = 0
        while not (segment.is_whole or self._is_over(arrival)):
            before = segment.done
            try:
                self._read_segment(arrival, segment)
            except TemporaryBucketError as error:
                n_failures = 1 if segment.done > before else n_failures + 1
                if n_failures >= self._attempts:
                    if error.is_silence:
                        self._given_up.add_silence(arrival.file, error, self._n_bytes)
                    arrival.problem = arrival.problem or error
                else:
                    self._stopped.wait(_backoff(n_failures, error.retry_after))
            except Exception as error:
                arrival.problem = arrival.problem or error
        self._finish_segment(arrival)

    def _read_segment(self, arrival: _Arrival, segment: Segment) -> None:
        """Read until the segment is complete, or the transfer ends."""
        file = arrival.file
        stop = None if segment.stop == file.size else segment.stop
        with file.source.open(file.key, segment.position, stop, file.etag) as stream:
            if stream.total not in (None, file.size):
                raise TemporaryBucketError(
                    f"{file.key} has {stream.total} bytes where the bucket lists {file.size}."
                )
            with self._streams.reading(stream):
                if self._must_stop():
                    stream.close()
                while not segment.is_whole and not self._is_over(arrival):
                    most = min(CHUNK, segment.stop - segment.position)
                    if not (chunk := _read(stream, most, file.key)):
                        raise TemporaryBucketError(f"The connection for {file.key} ended early.")
                    arrival.partial.write(segment, chunk)
                    self._n_bytes += len(chunk)
                    self._emit(TransferEvent(EventKind.PROGRESS, file, len(chunk)))

    def _finish_segment(self, arrival: _Arrival) -> None:
        """End a segment; the last one ends the file."""
        file, partial = arrival.file, arrival.partial
        if not arrival.leave():
            return
        try:
            if arrival.problem is None and partial.is_whole:
                partial.trim()
                self._require_checksum(arrival)
                partial.complete(file.path)
                self._end(TransferEvent(EventKind.FETCHED, file))
                return
        except Exception as error:
            arrival.problem = error
        is_stale = isinstance(arrival.problem, ObjectChangedError | _WrongBytesError)
        if is_stale and not self._must_stop():
            self._start_over(arrival)
            return
        with suppress(OSError):
            partial.settle()
        if arrival.problem is None or self._must_stop():
            self._end(TransferEvent(EventKind.CANCELLED, file))
        else:
            self._end(_ending(file, arrival.problem))
            if isinstance(arrival.problem, NetworkError):
                self._given_up.add(file.source, str(arrival.problem))
            elif isinstance(arrival.problem, OSError) and arrival.problem.errno in _FULL:
                self._given_up.add(None, "the disk is full.")

    def _start_over(self, arrival: _Arrival) -> None:
        """Discard a file's bytes, and fetch the current object."""
        file, n_restarts = arrival.file, arrival.n_restarts + 1
        n_lost = arrival.partial.n_bytes
        arrival.partial.discard()
        try:
            if n_restarts > _RESTARTS:
                raise TransferError(str(arrival.problem))
            now = self._with_retries(lambda: file.source.head(file.key))
        except Exception as error:
            self._end(replace(_ending(file, error), n_bytes=-n_lost))
            return
        again = replace(file, size=now.size, etag=now.etag, bytes_downloaded=0)
        self._emit(TransferEvent(EventKind.STARTED_OVER, again, -n_lost, str(arrival.problem)))
        self._tasks.add_file(again, n_restarts, is_next=True)

    def _with_retries(self, question: Callable[[], T]) -> T:
        """Call `question`, retrying after temporary failures."""
        for n_failures in range(1, self._attempts):
            try:
                return question()
            except TemporaryBucketError as error:
                if self._must_stop():
                    raise
                self._stopped.wait(_backoff(n_failures, error.retry_after))
        return question()

    def _require_checksum(self, arrival: _Arrival) -> None:
        file = arrival.file
        checksum = self._with_retries(lambda: file.source.checksum(file.listed))
        if checksum and not checksum.matches(arrival.partial.path, self._must_stop):
            raise _WrongBytesError(
                f"The bytes of {file.key} do not add up to the bucket's {checksum.algorithm} "
                "checksum. Try again later; if the problem persists, the object is damaged."
            )

    def _end(self, event: TransferEvent) -> None:
        if event.kind in (EventKind.DENIED, EventKind.FAILED):
            log.info("%s: %s", event.kind, event.message)
        self._tasks.end_file()
        self._emit(event)

    def _must_stop(self) -> bool:
        return self._stopped.is_set() or self._cancel.is_set()

    def _is_over(self, arrival: _Arrival) -> bool:
        return self._must_stop() or arrival.problem is not None


def _ending(file: PlannedFile, error: Exception) -> TransferEvent:
    """Return the last event of a file that failed."""
    if isinstance(error, AccessDeniedError):
        return TransferEvent(EventKind.DENIED, file, message=str(error))
    if isinstance(error, LaionFmriError):
        again = " Run the download again; it resumes where it stopped."
        reason = str(error) + (again if isinstance(error, TemporaryBucketError) else "")
    elif isinstance(error, OSError):
        advice = ""
        if isinstance(error, PermissionError) or error.errno in _IN_USE:
            advice = " Check whether you may write there and whether another program has it open."
        elif error.errno == errno.EIO:
            advice = " The disk has a fault: check it before you try again."
        reason = f"{file.path} cannot be written: {error.strerror or error}.{advice}"
    else:
        # Without a last event the consumer would wait forever; other files continue.
        log.error("A transfer ended unexpectedly", exc_info=error)
        reason = f"{file.key} could not be fetched ({type(error).__name__}: {error})."
    return TransferEvent(EventKind.FAILED, file, message=reason)


def _look_at(file: PlannedFile) -> None:
    """Open an empty file, to detect that it is denied or missing."""
    with file.source.open(file.key, etag=file.etag):
        pass


def _read(stream: ByteStream, size: int, key: str) -> bytes:
    try:
        chunk = stream.read(size)
    except LaionFmriError:
        raise
    except (OSError, ValueError) as error:  # an error of the mirror, not of the data directory
        reason = getattr(error, "strerror", None) or error
        raise BucketError(f"{key} cannot be read: {reason}.") from error
    if len(chunk) > size:
        raise _WrongBytesError(f"{key} cannot be read: more bytes came than were asked for.")
    return chunk


def _backoff(n_failures: int, retry_after: float | None) -> float:
    """Return the seconds to wait, randomized so that connections do not retry simultaneously."""
    longest = min(BACKOFF * 2 ** (n_failures - 1), LONGEST_BACKOFF)
    return max(min(retry_after or 0.0, LONGEST_WAIT), longest * random.uniform(0.5, 1.0))
