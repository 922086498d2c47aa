from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import throttled_bucket
from throttled_bucket import PATIENCE, STEP, ThrottledBucket, wait_until

from laion_fmri import access
from laion_fmri.bucket.directory import POLICY_FILE, DirectoryBucket
from laion_fmri.explorer.jobs import JobQueue, JobState, shared_queue
from laion_fmri.transfer.plan import make_plan

KEYS = ("stimuli/a.bin", "stimuli/b.bin", "stimuli/c.bin")
SIZE = 10 * STEP


@pytest.fixture
def mirror(tmp_path):
    root = tmp_path / "mirror"
    for i, key in enumerate(KEYS):
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([i]) * SIZE)
    return root


@pytest.fixture
def data_dir(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    access.accept_license(path)
    return path


@pytest.fixture
def queue():
    queue = JobQueue()
    yield queue
    queue.cancel_all()


def plan_of(bucket, data_dir, keys=KEYS):
    return make_plan([o for o in bucket.objects() if o.key in keys], data_dir, bucket)


def run(queue, bucket, data_dir, **options):
    job = queue.submit(plan_of(bucket, data_dir), "everything", **options)
    assert job.over.wait(PATIENCE)
    return job.snapshot()


def assert_all_here(data_dir, mirror):
    for key in KEYS:
        assert (data_dir / key).read_bytes() == (mirror / key).read_bytes()


def test_a_job_fetches_and_reports(queue, mirror, data_dir):
    told = []
    queue.subscribe(lambda: told.append(queue.n_over))
    job = run(queue, DirectoryBucket(mirror), data_dir, n_jobs=2)
    assert job.state is JobState.FINISHED
    assert (job.n_files, job.n_done) == (3, 3)
    assert job.bytes_total == job.bytes_done == 3 * SIZE
    assert len(job.report.fetched) == 3
    assert_all_here(data_dir, mirror)
    wait_until(lambda: told[-1:] == [1])
    assert not queue.is_busy


def test_a_second_run_has_nothing_to_do(queue, mirror, data_dir):
    bucket = DirectoryBucket(mirror)
    run(queue, bucket, data_dir)
    job = run(queue, bucket, data_dir)
    assert job.state is JobState.FINISHED
    assert (job.n_files, job.bytes_total, len(job.report.fetched)) == (0, 0, 0)


def test_progress_is_seen_while_it_happens(queue, mirror, data_dir):
    bucket = ThrottledBucket(mirror)
    job = queue.submit(plan_of(bucket, data_dir), "slow")
    bucket.allow(4)
    wait_until(lambda: job.snapshot().bytes_done == 4 * STEP)
    now = job.snapshot()
    assert now.state is JobState.RUNNING
    assert queue.is_busy
    assert sum(active.bytes_done for active in now.active) == 4 * STEP
    assert {(active.key, active.size) for active in now.active} == {(key, SIZE) for key in KEYS}
    bucket.open_wide()
    assert job.over.wait(PATIENCE)
    assert job.snapshot().active == ()
    assert_all_here(data_dir, mirror)


def test_a_cancelled_job_goes_on_where_it_stopped(queue, mirror, data_dir):
    bucket = ThrottledBucket(mirror)
    job = queue.submit(plan_of(bucket, data_dir), "slow")
    bucket.allow(4)
    wait_until(lambda: job.snapshot().bytes_done == 4 * STEP)
    queue.cancel(job.number)
    assert job.snapshot().state is JobState.CANCELLING
    assert job.over.wait(PATIENCE)
    stopped = job.snapshot()
    assert stopped.state is JobState.CANCELLED
    assert len(stopped.report.cancelled) == 3
    partials = list((data_dir / "stimuli").iterdir())
    assert all(partial.name.endswith(".part") for partial in partials)
    assert sum(partial.stat().st_size for partial in partials) == 4 * STEP

    bucket.open_wide()
    resumed = run(queue, bucket, data_dir)
    assert resumed.state is JobState.FINISHED
    assert resumed.bytes_total == resumed.bytes_done == 3 * SIZE - 4 * STEP
    assert_all_here(data_dir, mirror)


def test_jobs_run_one_after_another_and_a_waiting_one_can_be_taken_out(queue, mirror, data_dir):
    bucket = ThrottledBucket(mirror)
    plan = plan_of(bucket, data_dir)
    first, second, third = (queue.submit(plan, name) for name in "abc")
    wait_until(lambda: first.snapshot().state is JobState.RUNNING)
    assert second.snapshot().state is third.snapshot().state is JobState.QUEUED
    queue.cancel(second.number)
    assert second.snapshot().state is JobState.CANCELLED
    bucket.open_wide()
    assert third.over.wait(PATIENCE)
    assert third.snapshot().n_files == 0  # planned again: the first one fetched everything
    assert [job.title for job in queue.jobs()] == ["a", "b", "c"]


def test_what_is_denied_or_missing_is_reported_and_the_rest_is_fetched(queue, mirror, data_dir):
    (mirror / POLICY_FILE).write_text(json.dumps({"deny": [KEYS[0]]}))
    bucket = DirectoryBucket(mirror)
    plan = plan_of(bucket, data_dir)
    (mirror / KEYS[1]).unlink()
    job = queue.submit(plan, "some")
    assert job.over.wait(PATIENCE)
    report = job.snapshot().report
    assert job.snapshot().state is JobState.FAILED
    assert [f.key for f in report.denied] == [KEYS[0]]
    assert [f.key for f in report.failed] == [KEYS[1]]
    assert [f.key for f in report.fetched] == [KEYS[2]]


def test_a_job_that_cannot_begin_says_why_and_the_queue_goes_on(queue, mirror, tmp_path, data_dir):
    not_accepted = tmp_path / "other"
    not_accepted.mkdir()
    bucket = DirectoryBucket(mirror)
    failed = run(queue, bucket, not_accepted)
    assert failed.state is JobState.FAILED
    assert "licence" in failed.problem
    assert failed.report is None
    assert run(queue, bucket, data_dir).state is JobState.FINISHED


def test_a_folder_in_the_way_is_a_calm_failure(queue, mirror, data_dir):
    (data_dir / "stimuli").write_text("a file where a folder should be")
    job = run(queue, DirectoryBucket(mirror), data_dir)
    assert job.state is JobState.FAILED
    assert len(job.report.failed) == 3


def test_finished_jobs_are_forgotten_at_last(queue, mirror, data_dir):
    bucket = DirectoryBucket(mirror)
    for _ in range(25):
        run(queue, bucket, data_dir)
    assert len(queue.jobs()) == 20
    assert queue.n_over == 25


def test_a_subscription_ends(queue, mirror, data_dir):
    told = threading.Event()
    queue.subscribe(told.set)()
    run(queue, DirectoryBucket(mirror), data_dir)
    assert not told.is_set()


def test_a_page_that_cannot_be_told_does_not_stop_the_queue(queue, mirror, data_dir):
    def fail() -> None:
        raise RuntimeError("gone")

    queue.subscribe(fail)
    assert run(queue, DirectoryBucket(mirror), data_dir).state is JobState.FINISHED


def test_pages_share_the_queue_of_their_data_directory(tmp_path):
    assert shared_queue(tmp_path) is shared_queue(tmp_path)
    assert shared_queue(tmp_path) is not shared_queue(tmp_path / "other")


def test_a_program_that_ends_leaves_resumable_files(mirror, data_dir):
    script = f"""
        import threading, time
        from throttled_bucket import ThrottledBucket, wait_until
        from laion_fmri.explorer.jobs import shared_queue
        from laion_fmri.transfer.plan import make_plan
        from pathlib import Path

        bucket = ThrottledBucket({str(mirror)!r})
        data_dir = Path({str(data_dir)!r})
        job = shared_queue(data_dir).submit(make_plan(bucket.objects(), data_dir, bucket), "slow")

        def trickle():
            while True:
                bucket.allow(1)
                time.sleep(0.3)

        threading.Thread(target=trickle, daemon=True).start()
        wait_until(lambda: job.snapshot().bytes_done)
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=Path(throttled_bucket.__file__).parent,
        check=True,
        timeout=8,
    )
    partials = list((data_dir / "stimuli").iterdir())
    assert all(partial.name.endswith(".part") for partial in partials)
    assert 0 < sum(partial.stat().st_size for partial in partials) < 3 * SIZE
