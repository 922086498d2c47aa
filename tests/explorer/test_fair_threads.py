"""Threads that take turns."""

from __future__ import annotations

import threading
from concurrent.futures import wait

import pytest

from laion_fmri.explorer.fair_threads import FairThreads


def test_whoever_asks_for_much_does_not_keep_the_others_waiting():
    threads, gate = FairThreads(4, most_of_one=2), threading.Event()
    slow = [threads.submit(gate.wait, "slow") for _ in range(50)]
    quick = [threads.submit(lambda n=n: n, f"quick {n}") for n in range(10)]
    assert not wait(quick, timeout=30).not_done
    assert [one.result() for one in quick] == list(range(10))
    assert not any(one.done() for one in slow)
    gate.set()
    assert not wait(slow, timeout=30).not_done


def test_no_more_than_its_share_of_one_asker_runs_at_once():
    threads, guard = FairThreads(8, most_of_one=3), threading.Lock()
    now, most, steps = 0, 0, threading.Semaphore(0)

    def work() -> None:
        nonlocal now, most
        with guard:
            now += 1
            most = max(most, now)
        steps.acquire(timeout=0.01)
        with guard:
            now -= 1

    wait([threads.submit(work, "one") for _ in range(40)], timeout=60)
    assert most == 3


def test_errors_belong_to_whoever_asked():
    threads = FairThreads(1, most_of_one=1)
    bad, good = threads.submit(lambda: 1 / 0, "a"), threads.submit(lambda: "fine", "a")
    with pytest.raises(ZeroDivisionError):
        bad.result(30)
    assert good.result(30) == "fine"


def test_nothing_is_remembered_of_askers_who_are_gone():
    threads = FairThreads(2, most_of_one=1)
    wait([threads.submit(lambda: None, n) for n in range(100)], timeout=30)
    threads._threads.shutdown(wait=True)
    assert not threads._queues and not threads._running
