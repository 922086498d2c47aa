"""Betas of several sessions, read ahead by threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from laion_fmri.betas import read_ahead


@dataclass
class Counted:
    """Sessions whose arrays are counted from when they are read until they are released."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    started: list[str] = field(default_factory=list)
    n_yielded: int = 0
    most: int = 0

    def request(self, name: str):
        counted = self

        class Request:
            def read(self) -> NDArray[np.float32]:
                with counted.lock:
                    counted.started.append(name)
                    counted.most = max(counted.most, len(counted.started) - counted.n_yielded)
                if name == "broken":
                    raise OSError(name)
                return np.full((1, 1), len(counted.started), np.float32)

        return Request()


@pytest.mark.parametrize("n_jobs", [1, 2, 3, 9])
def test_sessions_come_in_order_and_at_most_n_are_in_memory(n_jobs):
    counted = Counted()
    names = [f"ses-{n:02d}" for n in range(8)]
    found = []
    for name, _ in read_ahead({name: counted.request(name) for name in names}, n_jobs):
        found.append(name)
        counted.n_yielded = len(found)  # released when the next one is asked for
    assert found == names and sorted(counted.started) == names
    assert counted.most <= n_jobs


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_the_error_of_a_session_stops_the_reading(n_jobs):
    counted = Counted()
    names = ["ses-01", "broken", *(f"ses-{n:02d}" for n in range(3, 30))]
    found = []
    with pytest.raises(OSError, match="broken"):
        for name, _ in read_ahead({name: counted.request(name) for name in names}, n_jobs):
            found.append(name)
    assert found == ["ses-01"]
    assert len(counted.started) <= 2 + n_jobs
