"""A directory bucket that gives its bytes in small steps, each when it is allowed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from laion_fmri.bucket.directory import DirectoryBucket

STEP = 1000  # bytes
PATIENCE = 20  # seconds


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
    def open(self, key: str, start: int = 0, etag: str | None = None) -> Iterator[BinaryIO]:
        with super().open(key, start, etag) as file:
            yield _Throttled(file, self)


class _Throttled:
    def __init__(self, file: BinaryIO, bucket: ThrottledBucket) -> None:
        self._file, self._bucket = file, bucket

    def read(self, size: int = -1, /) -> bytes:
        if self._bucket._is_wide.is_set():
            return self._file.read(size)
        assert self._bucket._permits.acquire(timeout=PATIENCE)
        return self._file.read(STEP)


def wait_until(condition: Callable[[], object]) -> None:
    pause = threading.Event()
    for _ in range(PATIENCE * 100):
        if condition():
            return
        pause.wait(0.01)
    raise TimeoutError("It did not happen in time")
