"""Fetching through a proxy that fails in every way there is."""

from __future__ import annotations

import gzip
import itertools
import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults import Fault, Script
from faulty_proxy import FaultyProxy
from final_files import FinalFiles, versions_of
from s3_endpoint import S3Endpoint
from throttled_bucket import wait_until

from laion_fmri.bucket.s3 import S3Bucket
from laion_fmri.transfer import engine
from laion_fmri.transfer.events import EventKind, TransferEvent
from laion_fmri.transfer.plan import FileStatus, make_plan

SEGMENT = 1 << 17
N_BYTES = 3 * SEGMENT + 17
SMALL, LARGE, PARTS = "derivatives/small.tsv", "derivatives/large.nii.gz", "derivatives/parts.h5"
GIVEN_UP = 6  # tries in a row without a byte


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(engine, "SEGMENT", SEGMENT)
    monkeypatch.setattr(engine, "BACKOFF", 0.01)


@dataclass
class Site:
    """A bucket, the proxy before it, and what should be in the data directory at the end."""

    endpoint: S3Endpoint
    proxy: FaultyProxy
    objects: dict[str, bytes]
    origin: S3Bucket
    bucket: S3Bucket
    data_dir: Path

    def script(self, key: str, faults: Iterable[Fault | None]) -> None:
        self.proxy.schedule = Script({key: faults})

    def fetch(self, prefix: str = "", **options) -> list[TransferEvent]:
        """One run; the listing does not come through the proxy."""
        plan = make_plan(self.origin.objects(prefix), self.data_dir, self.bucket)
        return list(engine.run(plan, **options))

    def replace(self, key: str, data: bytes) -> None:
        self.objects[key] = data
        self.endpoint.put(self.origin.name, key, data)

    def requests(self, key: str) -> list[int]:
        """Where each request for bytes of an object began."""
        return [r.start for r in self.proxy.requests if r.key == key and r.method == "GET"]


@pytest.fixture
def site(s3_endpoint, tmp_path):
    random_bytes = random.Random(1).randbytes
    objects = {SMALL: random_bytes(5000), LARGE: random_bytes(N_BYTES)}
    origin = s3_endpoint.make_bucket(s3_endpoint.unused_name(), objects)
    objects[PARTS] = random_bytes(N_BYTES)
    s3_endpoint.put_in_parts(origin.name, PARTS, objects[PARTS], part_size=100_000)
    with FaultyProxy(s3_endpoint.url) as proxy:
        bucket = S3Bucket(origin.name, proxy.url, read_timeout=0.5)
        yield Site(s3_endpoint, proxy, objects, origin, bucket, tmp_path / "data")


def ends(events: Iterable[TransferEvent]) -> dict[str, EventKind]:
    return {e.file.key: e.kind for e in events if e.kind.is_last}


def is_right(site: Site, key: str) -> bool:
    return (site.data_dir / key).read_bytes() == site.objects[key]


PASSING = [
    Fault.REFUSED,
    Fault.RESET,
    Fault.TRUNCATED,
    Fault.STALLED,
    Fault.SLOW_DOWN,
    Fault.SERVER_ERROR,
    Fault.WRONG_LENGTH,
    Fault.WRONG_RANGE,
]


def test_without_faults(site):
    events = site.fetch()
    assert ends(events) == dict.fromkeys(site.objects, EventKind.FETCHED)
    assert all(is_right(site, key) for key in site.objects)
    assert site.proxy.n_forwarded == sum(map(len, site.objects.values()))
    assert sorted(site.requests(LARGE)) == [n * SEGMENT for n in range(4)]


@pytest.mark.parametrize("key", [SMALL, LARGE])
@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_survived_in_silence(site, fault, key):
    site.script(key, [fault, None, fault])
    events = site.fetch(key)
    assert ends(events) == {key: EventKind.FETCHED}
    assert {e.kind for e in events} <= {EventKind.STARTED, EventKind.PROGRESS, EventKind.FETCHED}
    assert sum(e.n_bytes for e in events) == len(site.objects[key])
    assert is_right(site, key)
    assert site.proxy.injected[fault] >= 1
    assert FinalFiles(site.data_dir, {}).partials() == []


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.TRUNCATED, Fault.STALLED])
def test_what_arrived_before_a_fault_is_not_fetched_again(site, fault):
    site.script(SMALL, [fault])
    site.fetch(SMALL)
    first, second = site.requests(SMALL)
    assert first == 0 < second
    assert site.proxy.forwarded[SMALL] == len(site.objects[SMALL])


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN, Fault.SERVER_ERROR, Fault.WRONG_RANGE])
def test_what_does_not_pass_fails_its_file_and_no_other(site, fault):
    site.script(SMALL, [fault] * GIVEN_UP)
    events = site.fetch()
    assert ends(events) == {
        SMALL: EventKind.FAILED,
        LARGE: EventKind.FETCHED,
        PARTS: EventKind.FETCHED,
    }
    (message,) = [e.message for e in events if e.kind is EventKind.FAILED]
    assert SMALL in message
    assert "Run the download again" in message
    assert not (site.data_dir / SMALL).exists()
    assert ends(site.fetch()) == {SMALL: EventKind.FETCHED}


def test_a_busy_server_is_given_the_time_it_asks_for(site):
    site.proxy.retry_after = "1"
    site.script(SMALL, [Fault.SLOW_DOWN])
    assert ends(site.fetch(SMALL)) == {SMALL: EventKind.FETCHED}
    first, second = (r.at for r in site.proxy.requests)
    assert second - first >= 1


def test_a_denied_object_is_asked_for_once(site):
    site.script(LARGE, [Fault.DENIED])
    events = site.fetch()
    assert ends(events) == {
        LARGE: EventKind.DENIED,
        SMALL: EventKind.FETCHED,
        PARTS: EventKind.FETCHED,
    }
    (message,) = [e.message for e in events if e.kind is EventKind.DENIED]
    assert LARGE in message
    assert not (site.data_dir / LARGE).exists()
    assert ends(site.fetch()) == {LARGE: EventKind.FETCHED}
    assert is_right(site, LARGE)


@pytest.mark.parametrize("key", [SMALL, LARGE, PARTS])
def test_flipped_bits_are_noticed_and_fetched_again(site, key):
    site.script(key, [Fault.GARBAGE])
    with FinalFiles(site.data_dir, versions_of(site.objects)) as watch:
        events = site.fetch(key)
    (over,) = [e for e in events if e.kind is EventKind.STARTED_OVER]
    assert "checksum" in over.message
    assert ends(events) == {key: EventKind.FETCHED}
    assert sum(e.n_bytes for e in events) == len(site.objects[key])
    assert is_right(site, key)
    assert watch.wrong == []


def test_bits_that_always_flip_never_reach_the_final_name(site):
    site.script(SMALL, itertools.repeat(Fault.GARBAGE, 20))
    with FinalFiles(site.data_dir, versions_of(site.objects)) as watch:
        events = site.fetch()
    assert ends(events)[SMALL] is EventKind.FAILED
    assert watch.n_seen == 2
    assert watch.wrong == watch.partials() == []
    site.proxy.schedule = Script({})
    assert ends(site.fetch()) == {SMALL: EventKind.FETCHED}


@pytest.mark.parametrize(
    ("key", "n_bytes"),
    [(SMALL, SEGMENT // 2), (SMALL, N_BYTES), (LARGE, 1), (LARGE, N_BYTES), (PARTS, 2 * N_BYTES)],
)
def test_an_object_replaced_in_the_middle_starts_over(site, key, n_bytes):
    new = random.Random(2).randbytes(n_bytes)
    site.proxy.replace = lambda key: site.replace(key, new)
    site.script(key, [Fault.CHANGED])
    events = site.fetch(key)
    (over,) = [e for e in events if e.kind is EventKind.STARTED_OVER]
    assert over.n_bytes <= 0
    assert over.file.size == n_bytes
    assert "changed" in over.message
    assert ends(events) == {key: EventKind.FETCHED}
    assert sum(e.n_bytes for e in events) == n_bytes
    assert (site.data_dir / key).read_bytes() == new
    assert FinalFiles(site.data_dir, {}).partials() == []
    assert make_plan(site.origin.objects(key), site.data_dir, site.bucket).files[0].status is (
        FileStatus.DOWNLOADED
    )


def test_an_object_replaced_by_one_as_long_as_the_old_file_here(site):
    """What was here before is not taken for what somebody else has brought."""
    old, new = random.Random(3).randbytes(777), random.Random(4).randbytes(777)
    (site.data_dir / SMALL).parent.mkdir(parents=True)
    (site.data_dir / SMALL).write_bytes(old)
    site.proxy.replace = lambda key: site.replace(key, new)
    site.script(SMALL, [Fault.CHANGED])
    assert ends(site.fetch(SMALL)) == {SMALL: EventKind.FETCHED}
    assert (site.data_dir / SMALL).read_bytes() == new


def test_a_busy_server_does_not_stop_the_start_over(site):
    new, faults = random.Random(2).randbytes(777), [Fault.CHANGED] + [Fault.SLOW_DOWN] * 4
    site.proxy.replace = lambda key: site.replace(key, new)
    # The first fault meets the bytes, the others the question what the object is now.
    site.proxy.schedule = lambda r: (
        faults.pop(0) if faults and (r.method == "HEAD") == (len(faults) < 5) else None
    )
    assert ends(site.fetch(SMALL)) == {SMALL: EventKind.FETCHED}
    assert (site.data_dir / SMALL).read_bytes() == new


def test_objects_that_are_always_broken_do_not_stop_the_others(site):
    broken = [f"derivatives/broken/{n}.tsv" for n in range(20)]
    for key in broken:
        site.replace(key, b"broken")
    site.proxy.schedule = lambda r: Fault.SERVER_ERROR if "broken" in r.key else None
    assert ends(site.fetch()) == {
        key: EventKind.FAILED if key in broken else EventKind.FETCHED for key in site.objects
    }


def test_an_object_stored_with_an_encoding_stays_as_it_is(site):
    data = gzip.compress(site.objects[SMALL])
    site.endpoint.owner.put_object(
        Bucket=site.origin.name, Key="e.tsv", Body=data, ACL="public-read", ContentEncoding="gzip"
    )
    assert ends(site.fetch("e.tsv")) == {"e.tsv": EventKind.FETCHED}
    assert (site.data_dir / "e.tsv").read_bytes() == data


def test_an_object_that_changes_all_the_time_fails(site):
    numbers = itertools.count(1)
    site.proxy.replace = lambda key: site.replace(key, random.Random(next(numbers)).randbytes(9000))
    site.script(SMALL, itertools.repeat(Fault.CHANGED, 20))
    events = site.fetch(SMALL)
    assert ends(events) == {SMALL: EventKind.FAILED}
    assert not (site.data_dir / SMALL).exists()


def test_an_object_that_went(site):
    site.proxy.replace = lambda key: site.endpoint.delete(site.origin.name, key)
    site.script(LARGE, [Fault.CHANGED])
    events = site.fetch(LARGE)
    assert ends(events) == {LARGE: EventKind.FAILED}
    assert "no object" in events[-1].message


def test_a_stalled_transfer_is_cancelled_within_a_second(site):
    bucket = S3Bucket(site.origin.name, site.proxy.url)  # one that waits long
    site.script(LARGE, [Fault.STALLED] * 4)
    plan = make_plan(site.origin.objects(LARGE), site.data_dir, bucket)
    cancel, cancelled_at = threading.Event(), []

    def cancel_when_nothing_moves() -> None:
        wait_until(lambda: site.proxy.injected[Fault.STALLED] == 4)
        wait_until(
            lambda: plan.looked_at_again().files[0].bytes_downloaded == site.proxy.n_forwarded
        )
        cancelled_at.append(time.monotonic())
        cancel.set()

    canceller = threading.Thread(target=cancel_when_nothing_moves)
    canceller.start()
    events = list(engine.run(plan, cancel=cancel))
    assert time.monotonic() - cancelled_at[0] < 1
    assert ends(events) == {LARGE: EventKind.CANCELLED}
    assert sum(e.n_bytes for e in events) == site.proxy.n_forwarded
    site.proxy.schedule = Script({})
    assert ends(site.fetch(LARGE)) == {LARGE: EventKind.FETCHED}
    assert is_right(site, LARGE)
    assert site.proxy.n_forwarded == N_BYTES  # each byte once


def test_a_server_that_goes_away_is_known_soon(site):
    for number in range(100):
        site.replace(f"derivatives/many/{number:03d}", b"x" * 1000)
    site.proxy.downtime = 60
    site.script(SMALL, [Fault.REFUSED])
    began = time.monotonic()
    events = site.fetch()
    assert time.monotonic() - began < 10
    assert set(ends(events).values()) == {EventKind.FETCHED, EventKind.FAILED}
    assert len(ends(events)) == len(site.objects)
    failed = [key for key, kind in ends(events).items() if kind is EventKind.FAILED]
    assert SMALL in failed
    assert not any((site.data_dir / key).exists() for key in failed)


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN, Fault.SERVER_ERROR, Fault.RESET])
def test_a_listing_survives_a_hiccup(site, fault):
    faults = [fault]
    site.proxy.schedule = lambda request: faults.pop() if faults else None
    assert list(site.bucket.objects()) == list(site.origin.objects())
    assert faults == []
