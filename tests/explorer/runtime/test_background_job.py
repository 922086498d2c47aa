"""Jobs, and the threads that share them fairly."""

from __future__ import annotations

import threading
import time

import pytest

from laion_fmri._errors import CancelledError, InvalidArgumentError
from laion_fmri.explorer.runtime.background_job import Job, Threads


def test_whoever_asks_for_much_does_not_keep_the_others_waiting():
    threads, gate = Threads(4, most_of_one=2), threading.Event()
    slow = [threads.submit(gate.wait, "slow") for _ in range(50)]
    quick = [threads.submit(lambda n=n: n, f"quick {n}") for n in range(10)]
    assert all(job.wait(30) for job in quick)
    assert [one.result() for one in quick] == list(range(10))
    assert not any(job.is_over for job in slow)
    gate.set()
    assert all(job.wait(30) for job in slow)


def test_no_more_than_its_share_of_one_asker_runs_at_once():
    threads, guard = Threads(8, most_of_one=3), threading.Lock()
    now, most, steps = 0, 0, threading.Semaphore(0)

    def work() -> None:
        nonlocal now, most
        with guard:
            now += 1
            most = max(most, now)
        steps.acquire(timeout=0.01)
        with guard:
            now -= 1

    jobs = [threads.submit(work, "one") for _ in range(40)]
    assert all(job.wait(60) for job in jobs)
    assert most == 3


def test_errors_belong_to_whoever_asked():
    threads = Threads(1, most_of_one=1)
    bad, good = threads.submit(lambda: 1 / 0, "a"), threads.submit(lambda: "fine", "a")
    with pytest.raises(ZeroDivisionError):
        bad.result()
    assert good.result() == "fine"


def test_nothing_is_remembered_of_askers_who_are_gone():
    threads = Threads(2, most_of_one=1)
    jobs = [threads.submit(lambda: None, n) for n in range(100)]
    assert all(job.wait(30) for job in jobs)
    deadline = time.monotonic() + 30
    while threads.owners and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not threads.owners


def test_a_job_reports_and_has_a_result():
    reports = []

    def work(job: Job[int]) -> int:
        job.report(0.5, "half")
        return 42

    job = Job(work)
    end = job.subscribe(lambda: reports.append((job.progress, job.message, job.is_over)))
    assert job.start().wait(30)
    assert job.result() == 42 and job.is_done and not job.problem
    assert reports == [(0.5, "half", False), (0.5, "half", True)]
    end()
    job.cancel()
    assert len(reports) == 2


def test_a_job_that_is_cancelled_ends_at_its_next_report():
    begun = threading.Event()

    def work(job: Job[None]) -> None:
        begun.set()
        while True:
            job.report(0.0)
            time.sleep(0.001)

    job = Job(work).start()
    assert begun.wait(30)
    job.cancel()
    assert job.wait(30) and job.cancelled.is_set() and job.error is None and not job.problem
    with pytest.raises(CancelledError):
        job.result()


def test_a_job_that_is_cancelled_before_its_turn_does_nothing():
    threads, gate, done = Threads(1), threading.Event(), []
    first = threads.submit(gate.wait)
    second = threads.start(Job(lambda _: done.append(1)))
    second.cancel()
    gate.set()
    assert first.wait(30) and second.wait(30)
    assert not done and not second.is_done


def test_what_fails_is_said_without_its_commands():
    def work(job: Job[None]) -> None:
        raise InvalidArgumentError("There is no ROI 'V9'. Call laion_fmri.rois() for a list.")

    job = Job(work).start()
    assert job.wait(30)
    assert job.problem == "There is no ROI 'V9'."
    with pytest.raises(InvalidArgumentError):
        job.result()
