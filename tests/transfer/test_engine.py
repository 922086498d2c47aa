"""Carrying out a plan: every byte once, each file whole or not there."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
import time
from pathlib import Path

import pytest
from counting import CountingBucket

from laion_fmri._errors import TemporaryBucketError, TransferError
from laion_fmri.bucket import BucketObject
from laion_fmri.bucket.directory import POLICY_FILE, DirectoryBucket
from laion_fmri.checksums import Checksum
from laion_fmri.transfer import engine
from laion_fmri.transfer.engine import run
from laion_fmri.transfer.events import EventKind
from laion_fmri.transfer.plan import FileStatus, make_plan, partial_path

CHUNK = engine.CHUNK
KEYS = {
    "small": b"12345",
    "empty": b"",
    "deep/er/label-file_label-a-b_x": b"abc",
    "large": os.urandom(3 * CHUNK + 17),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Tries follow each other at once."""
    monkeypatch.setattr(engine, "BACKOFF", 0.001)


@pytest.fixture
def mirror(tmp_path) -> Path:
    for key, data in KEYS.items():
        path = tmp_path / "mirror" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "mirror"


@pytest.fixture
def bucket(mirror) -> CountingBucket:
    return CountingBucket(DirectoryBucket(mirror))


@pytest.fixture
def data_dir(tmp_path) -> Path:
    return tmp_path / "data"


def fetch(bucket, data_dir, prefix="", **options):
    return list(run(make_plan(bucket.objects(prefix), data_dir, bucket), **options))


def ends(events):
    return {e.file.key: e.kind for e in events if e.kind.is_last}


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


EXPECTED = {key.replace("a-b", "ab"): data for key, data in KEYS.items()}


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_everything_arrives(bucket, data_dir, n_jobs):
    events = fetch(bucket, data_dir, n_jobs=n_jobs)
    assert files_in(data_dir) == EXPECTED
    assert ends(events) == dict.fromkeys(KEYS, EventKind.FETCHED)
    assert sum(e.n_bytes for e in events) == sum(map(len, KEYS.values()))
    assert bucket.n_bytes == {key: len(data) for key, data in KEYS.items() if data}


def test_nothing_is_fetched_twice(bucket, data_dir):
    fetch(bucket, data_dir)
    bucket.starts.clear()
    assert fetch(bucket, data_dir) == []
    assert bucket.starts == []


def interrupt(bucket, data_dir) -> int:
    """Fetch the large file up to its second chunk; how many bytes were read."""

    def dropped(key, so_far):
        if so_far:
            raise OSError(5, "Input/output error")

    bucket.before_read = dropped
    assert ends(fetch(bucket, data_dir, "large")) == {"large": EventKind.FAILED}
    bucket.before_read = None
    return bucket.n_bytes["large"]


def test_an_interrupted_file_goes_on_where_it_stopped(bucket, data_dir):
    read = interrupt(bucket, data_dir)
    assert read == CHUNK
    (file,) = make_plan(bucket.objects("large"), data_dir, bucket).files
    assert (file.status, file.bytes_downloaded) == (FileStatus.INCOMPLETE, read)
    assert not file.path.exists()
    events = fetch(bucket, data_dir, "large")
    assert bucket.starts[-1] == ("large", read)
    assert bucket.n_bytes["large"] == len(KEYS["large"])  # each byte once
    assert sum(e.n_bytes for e in events) == len(KEYS["large"]) - read
    assert files_in(data_dir) == {"large": KEYS["large"]}


def test_leaving_early_stops_and_loses_nothing(bucket, data_dir):
    events = run(make_plan(bucket.objects(), data_dir, bucket), n_jobs=2)
    next(events)
    events.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("transfer")]
    fetch(bucket, data_dir)
    assert files_in(data_dir) == EXPECTED
    assert bucket.n_bytes == {key: len(data) for key, data in KEYS.items() if data}


def test_a_partial_file_that_is_complete_is_not_fetched_again(bucket, data_dir):
    (file,) = make_plan(bucket.objects("large"), data_dir, bucket).files
    data_dir.mkdir()
    file.partial_path.write_bytes(KEYS["large"])
    assert ends(fetch(bucket, data_dir, "large")) == {"large": EventKind.FETCHED}
    assert bucket.starts == []


def test_a_partial_file_that_is_too_long_starts_over(bucket, data_dir):
    (file,) = make_plan(bucket.objects("large"), data_dir, bucket).files
    data_dir.mkdir()
    file.partial_path.write_bytes(KEYS["large"] + b"more")
    assert ends(fetch(bucket, data_dir, "large")) == {"large": EventKind.FETCHED}
    assert files_in(data_dir) == {"large": KEYS["large"]}


def test_a_changed_object_starts_over(bucket, mirror, data_dir):
    interrupt(bucket, data_dir)
    new = os.urandom(2 * CHUNK)
    (mirror / "large").write_bytes(new)
    assert ends(fetch(bucket, data_dir, "large")) == {"large": EventKind.FETCHED}
    assert bucket.starts[-1] == ("large", 0)
    assert files_in(data_dir) == {"large": new}


def test_an_object_that_changed_since_it_was_planned_starts_over(bucket, mirror, data_dir):
    plan = make_plan(bucket.objects("small"), data_dir, bucket)
    (mirror / "small").write_bytes(b"54321 and more")
    events = list(run(plan))
    assert [e.kind for e in events if e.kind is not EventKind.PROGRESS] == [
        EventKind.STARTED,
        EventKind.STARTED_OVER,
        EventKind.STARTED,
        EventKind.FETCHED,
    ]
    assert "changed" in events[1].message
    assert events[-1].file.size == 14
    assert files_in(data_dir) == {"small": b"54321 and more"}


def test_a_stale_file_stays_until_the_new_one_is_whole(bucket, data_dir):
    data_dir.mkdir()
    (data_dir / "large").write_bytes(b"old")
    interrupt(bucket, data_dir)
    assert (data_dir / "large").read_bytes() == b"old"
    fetch(bucket, data_dir, "large")
    assert files_in(data_dir) == {"large": KEYS["large"]}


# --- cancelling -----------------------------------------------------------------------------


def test_cancelling_keeps_what_is_here(bucket, data_dir):
    cancel = threading.Event()

    def cancelled(key, so_far):
        if key == "large" and so_far:
            cancel.set()

    bucket.before_read = cancelled
    seen = fetch(bucket, data_dir, cancel=cancel)
    assert ends(seen)["large"] is EventKind.CANCELLED
    assert set(ends(seen)) == set(KEYS)
    assert "large" not in files_in(data_dir)
    read = bucket.n_bytes["large"]
    assert read == 2 * CHUNK
    bucket.before_read = None
    fetch(bucket, data_dir)
    assert ("large", read) in bucket.starts
    assert files_in(data_dir) == EXPECTED
    assert bucket.n_bytes["large"] == len(KEYS["large"])


def test_the_cancel_flag_is_the_callers(bucket, data_dir):
    cancel = threading.Event()
    fetch(bucket, data_dir, cancel=cancel)
    assert not cancel.is_set()


def test_a_flag_that_is_already_set_fetches_nothing(bucket, data_dir):
    cancel = threading.Event()
    cancel.set()
    assert set(ends(fetch(bucket, data_dir, cancel=cancel)).values()) == {EventKind.CANCELLED}
    assert bucket.starts == []
    assert not data_dir.exists()


# --- what goes wrong ------------------------------------------------------------------------


def test_one_denied_and_one_missing_file_do_not_stop_the_others(mirror, data_dir):
    (mirror / POLICY_FILE).write_text('{"deny": ["small"]}')
    bucket = DirectoryBucket(mirror)
    plan = make_plan(bucket.objects(), data_dir, bucket)
    (mirror / "empty").unlink()
    got = {e.file.key: e for e in run(plan) if e.kind.is_last}
    assert got["small"].kind is EventKind.DENIED
    assert "denies access to small" in got["small"].message
    assert got["empty"].kind is EventKind.FAILED
    assert "no object empty" in got["empty"].message
    assert files_in(data_dir) == {k: v for k, v in EXPECTED.items() if k not in ("small", "empty")}


@pytest.mark.parametrize("announced", [3, 4, 6, 100])
def test_a_wrong_length_never_lands_under_its_final_name(bucket, data_dir, announced):
    (found,) = bucket.objects("small")
    plan = make_plan([BucketObject("small", announced, found.etag)], data_dir, bucket)
    (event,) = (e for e in run(plan) if e.kind.is_last)
    assert event.kind is EventKind.FAILED
    assert "again" in event.message
    assert "small" not in files_in(data_dir)


def test_a_stream_that_does_not_end_is_cut(bucket, data_dir):
    bucket.before_read = lambda key, so_far: b"x" * CHUNK
    (found,) = bucket.objects("large")
    (event,) = (e for e in run(make_plan([found], data_dir, bucket)) if e.kind.is_last)
    assert event.kind is EventKind.FAILED
    assert files_in(data_dir) == {}


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("surprise")])
def test_a_bucket_that_breaks_fails_its_file_only(bucket, data_dir, error):
    def broken(key, so_far):
        if key == "large" and so_far:
            raise error

    bucket.before_read = broken
    events = fetch(bucket, data_dir, n_jobs=2)
    assert ends(events)["large"] is EventKind.FAILED
    (message,) = [e.message for e in events if e.kind is EventKind.FAILED]
    assert "large" in message
    assert str(data_dir) not in message  # the data directory is not to blame
    bucket.before_read = None
    fetch(bucket, data_dir)
    assert files_in(data_dir) == EXPECTED
    assert bucket.n_bytes["large"] == len(KEYS["large"])


def test_a_folder_where_a_file_should_be(bucket, data_dir):
    (data_dir / "large" / "mine").mkdir(parents=True)
    events = fetch(bucket, data_dir)
    (message,) = [e.message for e in events if e.kind is EventKind.FAILED]
    assert "is a folder where a file should be" in message
    assert "large" not in bucket.n_bytes
    assert (data_dir / "large" / "mine").is_dir()
    assert (data_dir / "small").read_bytes() == KEYS["small"]


def test_a_file_where_a_folder_should_be(bucket, data_dir):
    data_dir.mkdir()
    (data_dir / "deep").write_text("mine")
    events = fetch(bucket, data_dir)
    assert [e.file.key for e in events if e.kind is EventKind.FAILED] == [
        "deep/er/label-file_label-a-b_x"
    ]
    assert (data_dir / "deep").read_text() == "mine"
    assert (data_dir / "large").read_bytes() == KEYS["large"]


def test_a_disk_that_is_too_small(bucket, data_dir):
    plan = make_plan([BucketObject("small", 10**18, "x")], data_dir, bucket)
    with pytest.raises(TransferError, match=r"1e\+06 TB are needed|TB are needed"):
        list(run(plan))
    assert bucket.starts == []


def test_partial_files_of_neighbours_are_left_alone(tmp_path):
    """``lh.sphere`` and ``lh.sphere.reg`` are fetched side by side."""
    mirror, data_dir = tmp_path / "mirror", tmp_path / "data"
    for folder in (mirror, data_dir):
        folder.mkdir()
    for name in ("lh.sphere", "lh.sphere.reg"):
        (mirror / name).write_bytes(name.encode() * 10)
    bucket = DirectoryBucket(mirror)
    (_, reg) = make_plan(bucket.objects(), data_dir, bucket).files
    reg.partial_path.write_bytes(b"lh.sphere")
    outdated = partial_path(data_dir / "lh.sphere", "another version")
    outdated.write_bytes(b"x")
    list(run(make_plan(bucket.objects("lh.sphere"), data_dir, bucket)))
    assert not outdated.exists()
    assert files_in(data_dir) == files_in(mirror)

    list(run(make_plan([o for o in bucket.objects() if o.key == "lh.sphere"], data_dir, bucket)))
    reg.path.unlink()
    reg.partial_path.write_bytes(b"lh.sphere")
    (data_dir / "lh.sphere").unlink()
    list(run(make_plan([o for o in bucket.objects() if o.key == "lh.sphere"], data_dir, bucket)))
    assert reg.partial_path.read_bytes() == b"lh.sphere"


def test_files_arrive_side_by_side(bucket, data_dir):
    both = threading.Barrier(2, timeout=20)

    def together(key, so_far):
        if key in ("large", "small") and not so_far:
            both.wait()

    bucket.before_read = together
    began = time.monotonic()
    assert ends(fetch(bucket, data_dir, n_jobs=2)) == dict.fromkeys(KEYS, EventKind.FETCHED)
    assert time.monotonic() - began < 20


# --- ranges, checksums, locks ---------------------------------------------------------------


def test_a_large_file_arrives_in_several_ranges(bucket, data_dir, monkeypatch):
    monkeypatch.setattr(engine, "SEGMENT", CHUNK)
    several, reads = threading.Barrier(3, timeout=20), itertools.count()

    def together(key, so_far):
        if next(reads) < 3:
            several.wait()

    bucket.before_read = together
    events = fetch(bucket, data_dir, "large")
    assert sorted(start for _, start in bucket.starts) == [0, CHUNK, 2 * CHUNK, 3 * CHUNK]
    assert sum(e.n_bytes for e in events) == len(KEYS["large"]) == bucket.n_bytes["large"]
    assert files_in(data_dir) == {"large": KEYS["large"]}


def test_ranges_that_are_whole_are_not_fetched_again(bucket, data_dir, monkeypatch):
    monkeypatch.setattr(engine, "SEGMENT", CHUNK)

    reads = itertools.count()

    def third_breaks(key, so_far):
        if next(reads) >= 2:
            raise OSError(5, "Input/output error")

    bucket.before_read = third_breaks
    assert ends(fetch(bucket, data_dir, "large")) == {"large": EventKind.FAILED}
    (file,) = make_plan(bucket.objects("large"), data_dir, bucket).files
    assert file.bytes_downloaded == bucket.n_bytes["large"] >= CHUNK
    bucket.before_read = None
    fetch(bucket, data_dir, "large")
    assert bucket.n_bytes["large"] == len(KEYS["large"])
    assert files_in(data_dir) == {"large": KEYS["large"]}


def test_a_hiccup_is_tried_again_where_it_was(bucket, data_dir):
    hiccups = iter([True, False, True] + [False] * 99)

    def hiccup(key, so_far):
        if key == "large" and next(hiccups):
            raise TemporaryBucketError("reset")

    bucket.before_read = hiccup
    events = fetch(bucket, data_dir)
    assert ends(events) == dict.fromkeys(KEYS, EventKind.FETCHED)
    assert bucket.n_bytes["large"] == len(KEYS["large"])


def test_a_server_that_stays_silent_is_given_up(bucket, data_dir):
    def silent(key, so_far):
        raise TemporaryBucketError(f"nothing for {key}")

    bucket.before_read = silent
    events = fetch(bucket, data_dir)
    assert set(ends(events).values()) == {EventKind.FAILED, EventKind.FETCHED}
    assert files_in(data_dir) == {"empty": b""}
    assert all("again" in e.message or "not tried" in e.message for e in events if e.message)


def test_wrong_bytes_never_land_under_the_final_name(bucket, data_dir):
    bucket.checksums["small"] = Checksum("sha256", hashlib.sha256(b"other").hexdigest())
    events = fetch(bucket, data_dir, "small")
    assert ends(events) == {"small": EventKind.FAILED}
    assert "do not add up" in events[-1].message
    assert sum(e.n_bytes for e in events) == 0  # what was counted was taken back
    assert files_in(data_dir) == {}


def test_wrong_bytes_once_are_fetched_again(bucket, data_dir):
    bucket.checksums["small"] = Checksum("sha256", hashlib.sha256(b"12345").hexdigest())
    wrong = iter([b"54321"])
    bucket.before_read = lambda key, so_far: next(wrong, None)
    events = fetch(bucket, data_dir, "small")
    assert [e.kind for e in events if e.kind is EventKind.STARTED_OVER]
    assert ends(events) == {"small": EventKind.FETCHED}
    assert files_in(data_dir) == {"small": b"12345"}


def test_two_transfers_of_one_file_fetch_it_once(bucket, data_dir):
    inside, others_turn = threading.Event(), threading.Event()

    def wait(key, so_far):
        inside.set()
        assert others_turn.wait(20)

    bucket.before_read = wait
    plan = make_plan(bucket.objects("large"), data_dir, bucket)
    first: list = []
    thread = threading.Thread(target=lambda: first.extend(run(plan)))
    thread.start()
    assert inside.wait(20)
    second = run(plan)
    threading.Timer(0.3, others_turn.set).start()
    assert {e.file.key: e.kind for e in second if e.kind.is_last} == {"large": EventKind.SKIPPED}
    thread.join()
    assert ends(first) == {"large": EventKind.FETCHED}
    assert bucket.n_bytes["large"] == len(KEYS["large"])
    assert files_in(data_dir) == {"large": KEYS["large"]}


def test_cancelling_does_not_wait_for_a_silent_server(bucket, data_dir):
    inside, never = threading.Event(), threading.Event()

    def hangs(key, so_far):
        inside.set()
        never.wait(30)

    bucket.before_read = hangs
    cancel = threading.Event()
    threading.Thread(target=lambda: inside.wait(20) and cancel.set()).start()
    began = time.monotonic()
    events = fetch(bucket, data_dir, "large", cancel=cancel)
    took = time.monotonic() - began
    never.set()
    assert ends(events) == {"large": EventKind.CANCELLED}
    assert took < 10  # the silence would be three times as long


# --- places ---------------------------------------------------------------------------------


def test_a_link_that_leads_out_of_the_data_directory_is_refused(bucket, data_dir, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    data_dir.mkdir()
    (data_dir / "deep").symlink_to(outside)
    events = fetch(bucket, data_dir)
    assert [e.file.key for e in events if e.kind is EventKind.FAILED] == [
        "deep/er/label-file_label-a-b_x"
    ]
    assert "symbolic link" in next(e.message for e in events if e.kind is EventKind.FAILED)
    assert list(outside.iterdir()) == []


def test_a_data_directory_that_is_itself_a_link(bucket, data_dir, tmp_path):
    (tmp_path / "big disk").mkdir()
    data_dir.symlink_to(tmp_path / "big disk")
    fetch(bucket, data_dir)
    assert files_in(tmp_path / "big disk") == EXPECTED


def test_a_link_in_place_of_a_file_is_replaced_not_followed(bucket, data_dir, tmp_path):
    mine = tmp_path / "mine"
    mine.write_bytes(b"years of work")
    data_dir.mkdir()
    (data_dir / "small").symlink_to(mine)
    fetch(bucket, data_dir, "small")
    assert (data_dir / "small").read_bytes() == KEYS["small"]
    assert mine.read_bytes() == b"years of work"


def test_a_data_directory_that_cannot_be_written_to(bucket, data_dir, monkeypatch):
    data_dir.mkdir(mode=0o500)
    if os.access(data_dir, os.W_OK):  # root may write anywhere
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(TransferError, match="cannot be written to"):
        fetch(bucket, data_dir)
    assert bucket.starts == []


def test_the_checksum_of_a_file_in_ranges_is_of_its_bytes_alone(bucket, data_dir, monkeypatch):
    monkeypatch.setattr(engine, "SEGMENT", CHUNK)
    digest = hashlib.sha256(KEYS["large"]).hexdigest()
    bucket.checksums["large"] = Checksum("sha256", digest)
    assert ends(fetch(bucket, data_dir, "large")) == {"large": EventKind.FETCHED}
    assert bucket.n_bytes["large"] == len(KEYS["large"])
