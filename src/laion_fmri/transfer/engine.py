"""Carrying out a plan: resumable, verified, each file whole or not there."""

from __future__ import annotations

import errno
import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from laion_fmri._errors import (
    AccessDeniedError,
    BucketError,
    LaionFmriError,
    ObjectChangedError,
    TemporaryBucketError,
    TransferError,
)
from laion_fmri.bucket import ByteStream
from laion_fmri.transfer.events import EventKind, Tell, TransferEvent
from laion_fmri.transfer.partial import PartialFile, PartialFileBusyError, Segment
from laion_fmri.transfer.place import Places, is_brought, require_room
from laion_fmri.transfer.plan import PlannedFile, TransferPlan

log = logging.getLogger("laion_fmri.transfer")

CONNECTIONS_PER_JOB = 8
MAX_CONNECTIONS = 64
SEGMENT = 32 << 20  # bytes of a large file that one connection fetches at a time
ATTEMPTS = 6  # tries in a row that bring no byte
BACKOFF, LONGEST_BACKOFF = 0.25, 10.0  # seconds before the second try, and before any
LONGEST_WAIT = 60.0  # seconds, however long a server asks to wait

_LOOK = 0.1  # seconds between two looks at whether to stop
_PATIENCE = 0.8  # seconds for connections to end once they should
_CHUNK = 1 << 18  # bytes written at a time; what a kill may lose of each connection
_RESTARTS = 3  # times a file starts over because it changed, or its checksum was wrong
_BUSY_WAIT = 0.1  # seconds before another look at a file that somebody else writes

T = TypeVar("T")


class _WrongBytesError(TransferError):
    """What arrived is not what the bucket's checksum says."""


def run(
    plan: TransferPlan,
    n_jobs: int = 1,
    cancel: threading.Event | None = None,
    attempts: int | None = None,
) -> Iterator[TransferEvent]:
    """Fetch what is not here, yielding an event for every step.

    Each file gathers in a partial file beside its target and is renamed into place when
    every byte is there and their checksum, where one is known, is right; an interrupted one
    goes on where it stopped. A large file arrives in several ranges at once. Hiccups are
    tried again; one file's failure does not stop the others. Leaving the generator early
    cancels.

    Parameters
    ----------
    plan : TransferPlan
    n_jobs : int
        Each stands for `CONNECTIONS_PER_JOB` connections, shared by small files and by the
        ranges of large ones.
    cancel : threading.Event, optional
        Set it to stop within a second; what was fetched is kept.
    attempts : int, optional
        Tries in a row that bring no byte before a file is given up; `ATTEMPTS` by default.

    Raises
    ------
    TransferError
        Before anything is moved, when the data directory cannot be written to or has not
        enough room.
    """
    require_room(plan)
    unfinished = {file.local: file for file in plan.to_fetch}
    events: queue.SimpleQueue[TransferEvent] = queue.SimpleQueue()
    crew = _Crew(list(unfinished.values()), plan.data_dir, events.put, cancel, attempts)
    crew.start(min(n_jobs * CONNECTIONS_PER_JOB, MAX_CONNECTIONS))
    deadline = float("inf")
    try:
        while unfinished and time.monotonic() < deadline:
            if cancel is not None and cancel.is_set() and deadline == float("inf"):
                crew.stop()
                deadline = time.monotonic() + _PATIENCE
            try:
                event = events.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if event.kind.is_last:
                del unfinished[event.file.local]
            yield event
        for file in unfinished.values():  # whose connection does not even notice that it ended
            yield TransferEvent(EventKind.CANCELLED, file)
    finally:
        crew.stop()
        crew.join(_PATIENCE)


class _Arrival:
    """One file under way."""

    def __init__(self, file: PlannedFile, partial: PartialFile, n_restarts: int) -> None:
        self.file, self.partial, self.n_restarts = file, partial, n_restarts
        self.lock = threading.Lock()
        self.n_open = 0  # segments that are not given up or whole
        self.problem: Exception | None = None


class _Crew:
    """Threads that fetch files, one connection each.

    Small files are taken one by one; the segments of a large one, by whoever is free. The
    threads end with the program: one whose connection hangs must not hold it up.
    """

    def __init__(
        self,
        files: Sequence[PlannedFile],
        data_dir: Path,
        tell: Tell,
        cancel: threading.Event | None,
        attempts: int | None,
    ) -> None:
        self._files = deque((file, 0) for file in files)
        self._segments: deque[tuple[_Arrival, Segment]] = deque()
        self._n_unfinished = len(files)
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._cancel = cancel or self._stopped
        self._attempts = ATTEMPTS if attempts is None else attempts
        self._streams: set[ByteStream] = set()
        self._places = Places(data_dir)
        self._tell = tell
        self._n_bytes = 0  # that arrived, of all files
        self._despaired: tuple[str, int] | None = None
        self._hopeless = ""  # why the rest is not even tried
        self._threads: list[threading.Thread] = []

    def start(self, n_connections: int) -> None:
        """Begin; more connections than there is work for are not made."""
        most = sum(max(1, -(-f.size // SEGMENT)) for f, _ in self._files)
        for number in range(min(n_connections, most)):
            name = f"transfer-{number}"
            self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End every connection; what is there stays."""
        self._stopped.set()
        with self._changed:
            streams = tuple(self._streams)
            self._changed.notify_all()
        for stream in streams:
            stream.close()

    def join(self, seconds: float) -> None:
        """Wait for the threads to end, for so long at most."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    # --- the threads ----------------------------------------------------------------

    def _work(self) -> None:
        while (task := self._next()) is not None:
            if isinstance(task[0], _Arrival):
                self._fetch_segment(*task)
            else:
                self._begin(*task)

    def _next(self) -> tuple[_Arrival, Segment] | tuple[PlannedFile, int] | None:
        with self._changed:
            while True:
                if self._segments:
                    return self._segments.popleft()
                if self._files:
                    return self._files.popleft()
                if self._n_unfinished == 0:
                    return None
                self._changed.wait()

    def _begin(self, file: PlannedFile, n_restarts: int) -> None:
        """Open a file's partial file and share out what is missing of it."""
        try:
            if self._must_stop():
                self._end(TransferEvent(EventKind.CANCELLED, file))
                return
            if self._hopeless:
                raise TransferError(f"{file.key} was not tried: {self._hopeless}")
            if file.size == 0:
                self._asked(lambda: _look_at(file))
            self._places.prepare(file)
            partial = PartialFile(file.partial_path, file.size, SEGMENT)
        except PartialFileBusyError:
            self._stopped.wait(_BUSY_WAIT)
            with self._changed:
                self._files.append((file, n_restarts))
                self._changed.notify()
            return
        except Exception as error:
            self._end(_ending(file, error))
            return
        if is_brought(file):
            partial.discard()
            self._end(TransferEvent(EventKind.HERE, file))
            return
        arrival = _Arrival(file, partial, n_restarts)
        self._tell(TransferEvent(EventKind.STARTED, file))
        missing = partial.missing()
        arrival.n_open = max(1, len(missing))
        if not missing:
            self._leave(arrival)
            return
        with self._changed:
            self._segments.extendleft((arrival, segment) for segment in reversed(missing[1:]))
            self._changed.notify(len(missing) - 1)
        self._fetch_segment(arrival, missing[0])

    def _fetch_segment(self, arrival: _Arrival, segment: Segment) -> None:
        n_failures = 0
        while not (segment.is_whole or self._is_over(arrival)):
            before = segment.done
            try:
                self._pull(arrival, segment)
            except TemporaryBucketError as error:
                n_failures = 1 if segment.done > before else n_failures + 1
                if n_failures >= self._attempts:
                    if error.is_silence:
                        self._despair(arrival.file, error)
                    arrival.problem = arrival.problem or error
                else:
                    self._stopped.wait(_backoff(n_failures, error.retry_after))
            except Exception as error:
                arrival.problem = arrival.problem or error
        self._leave(arrival)

    def _pull(self, arrival: _Arrival, segment: Segment) -> None:
        """Read on until the segment is whole, or the transfer is over."""
        file = arrival.file
        stop = None if segment.stop == file.size else segment.stop
        with file.source.open(file.key, segment.position, stop, file.etag) as stream:
            if stream.total not in (None, file.size):
                raise TemporaryBucketError(
                    f"{file.key} has {stream.total} bytes where the bucket lists {file.size}."
                )
            self._watch(stream)
            try:
                while not segment.is_whole and not self._is_over(arrival):
                    most = min(_CHUNK, segment.stop - segment.position)
                    if not (chunk := _read(stream, most, file.key)):
                        raise TemporaryBucketError(f"The connection for {file.key} ended early.")
                    arrival.partial.write(segment, chunk)
                    self._n_bytes += len(chunk)
                    self._tell(TransferEvent(EventKind.PROGRESS, file, len(chunk)))
            finally:
                with self._changed:
                    self._streams.discard(stream)

    def _leave(self, arrival: _Arrival) -> None:
        """A segment is done with; whoever leaves last ends the file."""
        with arrival.lock:
            arrival.n_open -= 1
            if arrival.n_open:
                return
        file, partial = arrival.file, arrival.partial
        try:
            if arrival.problem is None and partial.is_whole:
                partial.trim()
                self._require_checksum(arrival)
                partial.complete(file.path)
                self._end(TransferEvent(EventKind.FETCHED, file))
                return
        except Exception as error:
            arrival.problem = error
        if (
            isinstance(arrival.problem, (ObjectChangedError, _WrongBytesError))
            and not self._must_stop()
        ):
            self._start_over(arrival)
            return
        with suppress(OSError):
            partial.settle()
        if arrival.problem is None or self._must_stop():
            self._end(TransferEvent(EventKind.CANCELLED, file))
        else:
            self._end(_ending(file, arrival.problem))
            if isinstance(arrival.problem, OSError) and arrival.problem.errno == errno.ENOSPC:
                self._hopeless = "the disk is full."

    def _start_over(self, arrival: _Arrival) -> None:
        """Forget a file's bytes, and fetch the object as it is now."""
        file, n_restarts = arrival.file, arrival.n_restarts + 1
        n_lost = arrival.partial.n_bytes
        arrival.partial.discard()
        try:
            if n_restarts > _RESTARTS:
                raise TransferError(str(arrival.problem))
            now = self._asked(lambda: file.source.head(file.key))
        except Exception as error:
            self._end(replace(_ending(file, error), n_bytes=-n_lost))
            return
        again = replace(file, size=now.size, etag=now.etag, bytes_here=0)
        message = str(arrival.problem)
        self._tell(TransferEvent(EventKind.STARTED_OVER, again, -n_lost, message))
        with self._changed:
            self._files.appendleft((again, n_restarts))
            self._changed.notify()

    def _require_checksum(self, arrival: _Arrival) -> None:
        file = arrival.file
        checksum = self._asked(lambda: file.source.checksum(file.listed))
        if checksum is None:
            return
        if not checksum.matches(arrival.partial.path, self._must_stop):
            raise _WrongBytesError(
                f"The bytes of {file.key} do not add up to the bucket's {checksum.algorithm} "
                "checksum. Try again later; if it goes on, the object in the bucket is damaged."
            )

    def _asked(self, question: Callable[[], T]) -> T:
        """An answer from the bucket, asked for again after a hiccup."""
        n_failures = 0
        while True:
            try:
                return question()
            except TemporaryBucketError as error:
                n_failures += 1
                if n_failures >= self._attempts or self._must_stop():
                    raise
                self._stopped.wait(_backoff(n_failures, error.retry_after))

    def _end(self, event: TransferEvent) -> None:
        if event.kind in (EventKind.DENIED, EventKind.FAILED):
            log.info("%s: %s", event.kind, event.message)
        with self._changed:
            self._n_unfinished -= 1
            if self._n_unfinished == 0:
                self._changed.notify_all()
        self._tell(event)

    def _must_stop(self) -> bool:
        return self._stopped.is_set() or self._cancel.is_set()

    def _is_over(self, arrival: _Arrival) -> bool:
        return self._must_stop() or arrival.problem is not None

    def _watch(self, stream: ByteStream) -> None:
        with self._changed:
            self._streams.add(stream)
        if self._must_stop():
            stream.close()

    def _despair(self, file: PlannedFile, error: TemporaryBucketError) -> None:
        # Where nothing answers for two files, and nothing else moves, the rest waits in vain.
        before, self._despaired = self._despaired, (file.local, self._n_bytes)
        if before is not None and before[0] != file.local and before[1] == self._n_bytes:
            self._hopeless = str(error)


def _ending(file: PlannedFile, error: Exception) -> TransferEvent:
    """How a file ends that met an error."""
    if isinstance(error, AccessDeniedError):
        return TransferEvent(EventKind.DENIED, file, message=str(error))
    if isinstance(error, LaionFmriError):
        again = " Run the download again; it goes on where it stopped."
        reason = str(error) + (again if isinstance(error, TemporaryBucketError) else "")
    elif isinstance(error, OSError):
        reason = f"{file.path} cannot be written: {error.strerror or error}."
    else:
        # Without a last event the consumer would wait for ever; the other files go on.
        log.error("A transfer ended unexpectedly", exc_info=error)
        reason = f"{file.key} could not be fetched ({type(error).__name__}: {error})."
    return TransferEvent(EventKind.FAILED, file, message=reason)


def _look_at(file: PlannedFile) -> None:
    """Ask for a file that has no bytes: it may be denied, or gone, all the same."""
    with file.source.open(file.key, etag=file.etag):
        pass


def _read(stream: ByteStream, size: int, key: str) -> bytes:
    try:
        chunk = stream.read(size)
    except LaionFmriError:
        raise
    except (OSError, ValueError) as error:  # the mirror's fault, not the data directory's
        reason = getattr(error, "strerror", None) or error
        raise BucketError(f"{key} cannot be read: {reason}.") from error
    if len(chunk) > size:
        raise _WrongBytesError(f"{key} cannot be read: more bytes came than were asked for.")
    return chunk


def _backoff(n_failures: int, retry_after: float | None) -> float:
    """Seconds to wait; uneven, so that connections do not all come back at once."""
    longest = min(BACKOFF * 2 ** (n_failures - 1), LONGEST_BACKOFF)
    return max(min(retry_after or 0.0, LONGEST_WAIT), longest * random.uniform(0.5, 1.0))
