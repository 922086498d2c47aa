"""A directory bucket that gives its bytes in small steps, each when it is allowed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from laion_fmri._errors import TemporaryBucketError
from laion_fmri.bucket import ByteStream
from laion_fmri.bucket.directory import DirectoryBucket

STEP = 1000  # bytes
PATIENCE = 120  # seconds: a machine under load starts processes slowly


class ThrottledBucket(DirectoryBucket):
    """`allow` lets steps through; `open_wide` ends the waiting."""

    def __init__(self, root) -> None:
        super().__init__(root)
        self._permits = threading.Semaphore(0)
        self._is_wide = threading.Event()

    def allow(self, n_steps: int) -> None:
        self._permits.release(n_steps)

    def open_wide(self) -> None:
        self._is_wide.set()
        self._permits.release(1000)

    @contextmanager
    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> Iterator[ByteStream]:
        with super().open(key, start, stop, etag) as stream:
            yield _Throttled(stream, self)


class _Throttled:
    def __init__(self, stream: ByteStream, bucket: ThrottledBucket) -> None:
        self._stream, self._bucket = stream, bucket
        self.total, self._is_closed = stream.total, False

    def close(self) -> None:
        self._is_closed = True

    def read(self, size: int = -1, /) -> bytes:
        if self._bucket._is_wide.is_set():
            return self._stream.read(size)
        for _ in range(PATIENCE * 100):
            if self._bucket._permits.acquire(timeout=0.01):
                return self._stream.read(min(STEP, size) if size >= 0 else STEP)
            if self._is_closed:
                raise TemporaryBucketError("closed")
        raise TimeoutError("no step was allowed in time")


def wait_until(condition: Callable[[], object]) -> None:
    pause = threading.Event()
    for _ in range(PATIENCE * 100):
        if condition():
            return
        pause.wait(0.01)
    raise TimeoutError("It did not happen in time")
