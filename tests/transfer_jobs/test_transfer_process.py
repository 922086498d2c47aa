from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from faulty_proxy import FaultyProxy
from throttled_bucket import wait_until

from laion_fmri import access
from laion_fmri._errors import TransferError
from laion_fmri.bucket.directory import POLICY_FILE, DirectoryBucket
from laion_fmri.bucket.s3 import S3Bucket
from laion_fmri.config import Settings
from laion_fmri.demo.access_service import DemoAccessService
from laion_fmri.transfer import engine
from laion_fmri.transfer.events import EventKind
from laion_fmri.transfer.plan import make_plan
from laion_fmri.transfer_jobs import transfer_process

SIZES = {"stimuli/a.bin": 3_000_000, "stimuli/b.bin": 1_000, "stimuli/c.bin": 0, "d.txt": 10}


@pytest.fixture
def mirror(tmp_path):
    root = tmp_path / "mirror"
    for key, size in SIZES.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(os.urandom(size))
    return root


@pytest.fixture
def settings(tmp_path, mirror):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    return Settings(data_dir, mirror.as_uri())


def run(plan, settings, cancel=None):
    return list(transfer_process.run(plan, 2, cancel or threading.Event(), settings))


def outcome(events):
    """What each file came to, why, and how many bytes of it were moved."""
    n_bytes = Counter()
    for event in events:
        n_bytes[event.file.key] += event.n_bytes
    last = {e.file.key: (e.kind, e.message) for e in events if e.kind.is_last}
    return last, {key: n for key, n in n_bytes.items() if n}


def test_it_does_what_the_engine_does(mirror, settings, tmp_path):
    (mirror / POLICY_FILE).write_text(json.dumps({"deny": ["stimuli/b.bin"]}))
    bucket = DirectoryBucket(mirror)
    apart = run(make_plan(bucket.objects(), settings.data_dir, bucket), settings)
    other = tmp_path / "other"
    other.mkdir()
    assert outcome(apart) == outcome(list(engine.run(make_plan(bucket.objects(), other, bucket))))
    assert outcome(apart)[0]["stimuli/b.bin"][0] is EventKind.DENIED
    for key in ("stimuli/a.bin", "stimuli/c.bin", "d.txt"):
        assert (settings.data_dir / key).read_bytes() == (mirror / key).read_bytes()


def test_a_source_that_only_this_process_knows_stays_here(mirror, settings, monkeypatch):
    class Mine(DirectoryBucket):
        pass

    monkeypatch.setattr(subprocess, "Popen", None)
    bucket = Mine(mirror)
    events = run(make_plan(bucket.objects(), settings.data_dir, bucket), settings)
    assert len(outcome(events)[0]) == len(SIZES)


def test_what_cannot_begin_says_why(mirror, settings):
    bucket = DirectoryBucket(mirror)
    plan = make_plan(bucket.objects(), settings.data_dir, bucket)
    (settings.data_dir / "stimuli").write_text("in the way")
    failed = outcome(run(plan, settings))[0]["stimuli/a.bin"]
    assert failed[0] is EventKind.FAILED
    for path in (mirror, settings.data_dir):
        path.rename(path.with_name(f"{path.name}-away"))
    with pytest.raises(TransferError, match="is not a directory"):
        run(plan, settings)


@pytest.fixture
def slow(s3_endpoint, mirror):
    name = s3_endpoint.unused_name()
    s3_endpoint.make_bucket(name)
    s3_endpoint.put_folder(name, mirror)
    with FaultyProxy(s3_endpoint.url, bytes_per_second=400_000) as proxy:
        yield proxy, S3Bucket(name, proxy.url)


def test_cancelling_keeps_what_is_there(slow, settings, mirror):
    proxy, bucket = slow
    cancel = threading.Event()
    plan = make_plan(bucket.objects(), settings.data_dir, bucket)
    moved = 0
    events = []
    for event in transfer_process.run(plan, 1, cancel, settings):
        events.append(event)
        moved += event.n_bytes
        if moved > 200_000:
            cancel.set()
    assert outcome(events)[0]["stimuli/a.bin"][0] is EventKind.CANCELLED
    again = plan.looked_at_again()
    assert again.bytes_to_fetch <= plan.bytes_to_fetch - 200_000
    proxy.bytes_per_second = None
    run(again, settings)
    assert all((settings.data_dir / k).read_bytes() == (mirror / k).read_bytes() for k in SIZES)


def children() -> list[int]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread or a child that ended
            for pid in (task / "children").read_text().split():
                if b"transfer_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
    return found


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_a_process_that_is_killed_is_said_to_be(slow, settings):
    _, bucket = slow
    plan = make_plan(bucket.objects(), settings.data_dir, bucket)
    with pytest.raises(TransferError, match="ended before its work was done"):
        for event in transfer_process.run(plan, 1, threading.Event(), settings):
            if event.kind is EventKind.PROGRESS:
                for pid in children():
                    os.kill(pid, signal.SIGKILL)
    assert plan.looked_at_again().bytes_to_fetch < plan.bytes_to_fetch


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_whoever_stops_listening_ends_it(slow, settings):
    _, bucket = slow
    plan = make_plan(bucket.objects(), settings.data_dir, bucket)
    events = transfer_process.run(plan, 1, threading.Event(), settings)
    next(events)
    assert children()
    events.close()
    wait_until(lambda: not children())


def test_the_images_come_with_the_request_id_of_this_machine(
    tiny_bucket, tmp_path, monkeypatch, settings
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(access.credentials.ENVIRONMENT, raising=False)
    with DemoAccessService(tiny_bucket) as service:
        where = Settings(settings.data_dir, settings.bucket, access_url=service.url)
        access.login(service.issue(), settings=where)
        source = access.stimulus_source(where)
        events = run(make_plan(source.objects(), where.data_dir, source), where)
    assert {kind for kind, _ in outcome(events)[0].values()} == {EventKind.FETCHED}
