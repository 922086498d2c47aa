from __future__ import annotations

import pytest

from laion_fmri.transfer_jobs.job import RateMeter, grouped_reasons


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_rate_is_that_of_the_last_seconds():
    clock = Clock()
    meter = RateMeter(seconds=5, clock=clock)
    assert meter.rate() is None
    for _ in range(100):
        clock.now += 0.1
        meter.add(200)
    assert meter.rate() == pytest.approx(2000)
    for _ in range(100):
        clock.now += 0.1
        meter.add(500)
    assert meter.rate() == pytest.approx(5000)


def test_a_stalled_transfer_slows_down():
    clock = Clock()
    meter = RateMeter(seconds=5, clock=clock)
    clock.now = 1
    meter.add(1000)
    assert meter.rate() == pytest.approx(1000)
    clock.now = 10
    assert meter.rate() == pytest.approx(100)


def test_nothing_arrived_yet():
    clock = Clock()
    meter = RateMeter(clock=clock)
    clock.now = 2
    assert meter.rate() == 0


def test_reasons_are_said_once():
    keys = ["stimuli/a.csv", "stimuli/b.csv"]
    said = {key: f"/data dir/{key} cannot be written: full." for key in keys}
    assert grouped_reasons(said) == {"The file cannot be written: full.": keys}
