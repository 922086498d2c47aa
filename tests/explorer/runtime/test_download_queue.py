from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import throttled_bucket
from throttled_bucket import PATIENCE, STEP, ThrottledBucket, wait_until

from laion_fmri import access
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.bucket.directory import POLICY_FILE, DirectoryBucket
from laion_fmri.config import Settings
from laion_fmri.demo.access_service import DemoAccessService
from laion_fmri.explorer.runtime.download_queue import JobQueue, shared_queue
from laion_fmri.transfer.plan import FileStatus, TransferPlan, make_plan
from laion_fmri.transfer.verify import VerifyReport, verify
from laion_fmri.transfer_jobs.records import JobState, JobStore

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
def settings(data_dir, mirror):
    return Settings(data_dir=data_dir, bucket=mirror.as_uri())


@pytest.fixture
def new_queue(settings):
    made = []

    def make() -> JobQueue:
        made.append(JobQueue(settings))
        return made[-1]

    yield make
    for queue in made:
        queue.close()


@pytest.fixture
def queue(new_queue):
    return new_queue()


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
    assert job.n_bytes == job.bytes_done == 3 * SIZE
    assert (job.n_fetched, job.n_moved, job.fraction) == (3, 3 * SIZE, 1)
    assert_all_here(data_dir, mirror)
    wait_until(lambda: told[-1:] == [1])
    assert not queue.is_busy


def test_a_second_run_has_nothing_to_do(queue, mirror, data_dir):
    bucket = DirectoryBucket(mirror)
    run(queue, bucket, data_dir)
    job = run(queue, bucket, data_dir)
    assert job.state is JobState.FINISHED
    assert (job.n_files, job.n_bytes, job.n_fetched, job.n_here) == (0, 0, 0, 3)


def test_progress_is_seen_while_it_happens(queue, mirror, data_dir):
    bucket = ThrottledBucket(mirror)
    job = queue.submit(plan_of(bucket, data_dir), "slow")
    bucket.allow(4)
    wait_until(lambda: job.snapshot().bytes_done == 4 * STEP)
    wait_until(lambda: len(job.snapshot().active) == len(KEYS))  # the last may begin after that
    now = job.snapshot()
    assert now.state is JobState.RUNNING
    assert queue.is_busy
    assert sum(active.bytes_done for active in now.active) == 4 * STEP
    assert {(active.key, active.size) for active in now.active} == {(key, SIZE) for key in KEYS}
    bucket.open_wide()
    assert job.over.wait(PATIENCE)
    assert job.snapshot().active == ()
    assert_all_here(data_dir, mirror)


@pytest.mark.parametrize("stop", ["pause", "cancel"])
def test_a_stopped_job_goes_on_where_it_stopped(queue, mirror, data_dir, stop):
    bucket = ThrottledBucket(mirror)
    job = queue.submit(plan_of(bucket, data_dir), "slow")
    bucket.allow(4)
    wait_until(lambda: job.snapshot().bytes_done == 4 * STEP)
    getattr(queue, stop)(job.number)
    wait_until(lambda: not queue.is_busy)
    stopped = job.snapshot()
    assert stopped.state is (JobState.PAUSED if stop == "pause" else JobState.CANCELLED)
    assert (stopped.n_left, stopped.bytes_done, stopped.active) == (3, 4 * STEP, ())
    partials = list((data_dir / "stimuli").iterdir())
    assert all(partial.name.endswith(".part") for partial in partials)
    assert sum(partial.stat().st_size for partial in partials) == 4 * STEP

    bucket.open_wide()
    queue.resume(job.number)
    assert job.over.wait(PATIENCE)
    resumed = job.snapshot()
    assert resumed.state is JobState.FINISHED
    assert (resumed.n_moved, resumed.bytes_done) == (3 * SIZE, 3 * SIZE)
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
    assert third.snapshot().n_moved == 0  # looked at again: the first one fetched everything
    assert third.snapshot().n_left == 0
    assert [job.title for job in queue.jobs()] == ["a", "b", "c"]


def test_what_is_denied_or_missing_is_reported_and_the_rest_is_fetched(queue, mirror, data_dir):
    (mirror / POLICY_FILE).write_text(json.dumps({"deny": [KEYS[0]]}))
    bucket = DirectoryBucket(mirror)
    plan = plan_of(bucket, data_dir)
    (mirror / KEYS[1]).unlink()
    job = queue.submit(plan, "some")
    assert job.over.wait(PATIENCE)
    now = job.snapshot()
    assert now.state is JobState.FAILED
    assert list(now.denied) == [KEYS[0]]
    assert list(now.failed) == [KEYS[1]]
    assert (now.n_fetched, now.n_left) == (1, 2)


def test_a_job_that_cannot_begin_says_why_and_the_queue_goes_on(queue, mirror, tmp_path, data_dir):
    not_accepted = tmp_path / "other"
    not_accepted.mkdir()
    bucket = DirectoryBucket(mirror)
    failed = run(queue, bucket, not_accepted)
    assert failed.state is JobState.FAILED
    assert "licence" in failed.problem
    assert failed.n_fetched == 0
    assert run(queue, bucket, data_dir).state is JobState.FINISHED


def test_a_folder_in_the_way_is_a_calm_failure(queue, mirror, data_dir):
    (data_dir / "stimuli").write_text("a file where a folder should be")
    job = run(queue, DirectoryBucket(mirror), data_dir)
    assert job.state is JobState.FAILED
    assert len(job.failed) == 3


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
    one, other = (Settings(data_dir=tmp_path / name) for name in ("one", "other"))
    for settings in (one, other):
        settings.data_dir.mkdir()
    assert shared_queue(one) is shared_queue(one)
    assert shared_queue(one) is not shared_queue(other)


def test_what_failed_is_tried_again_and_nothing_else(queue, mirror, data_dir):
    bucket = DirectoryBucket(mirror)
    plan = plan_of(bucket, data_dir)
    held_back = (mirror / KEYS[1]).rename(mirror / "held_back")
    job = queue.submit(plan, "some")
    assert job.over.wait(PATIENCE)
    assert job.snapshot().n_left == 1
    (data_dir / KEYS[0]).unlink()  # the user's own doing, which a retry leaves alone
    held_back.rename(mirror / KEYS[1])
    queue.resume(job.number)
    assert job.over.wait(PATIENCE)
    now = job.snapshot()
    assert (now.state, now.failed, now.n_fetched) == (JobState.FINISHED, {}, 3)
    assert not (data_dir / KEYS[0]).exists()
    assert (data_dir / KEYS[1]).is_file()


def test_the_rate_is_remembered(queue, new_queue, mirror, data_dir):
    assert queue.rate is None
    bucket = ThrottledBucket(mirror)
    job = queue.submit(plan_of(bucket, data_dir), "slow")
    bucket.allow(4)
    wait_until(lambda: (job.snapshot().rate or 0) > 0)
    bucket.open_wide()
    assert job.over.wait(PATIENCE)
    wait_until(lambda: not queue.is_busy)
    measured = queue.rate
    assert measured > 0
    queue.close()
    assert new_queue().rate == measured


# --- what outlives a server ---------------------------------------------------------------


def stored_jobs(data_dir) -> str:
    return (data_dir / ".laion_fmri" / "jobs.json").read_text()


def test_another_server_finds_the_interrupted_job_and_goes_on(new_queue, mirror, data_dir):
    bucket = ThrottledBucket(mirror)
    first = new_queue()
    job = first.submit(plan_of(bucket, data_dir), "slow", n_jobs=2)
    first.submit(plan_of(bucket, data_dir), "behind it")
    bucket.allow(4)
    wait_until(lambda: job.snapshot().bytes_done == 4 * STEP)
    assert json.loads(stored_jobs(data_dir))["jobs"][0]["state"] == "running"
    first.close()

    second = new_queue()
    assert [j.state for j in second.jobs()] == [JobState.INTERRUPTED] * 2
    assert not second.is_busy
    wait_until(lambda: second.jobs()[0].bytes_done == 4 * STEP)
    assert (second.jobs()[0].title, second.jobs()[0].n_left) == ("slow", 3)
    second.resume(1)
    wait_until(lambda: second.jobs()[0].state is JobState.FINISHED)
    assert second.jobs()[0].n_moved == 3 * SIZE - 4 * STEP
    assert_all_here(data_dir, mirror)
    second.cancel(2)
    assert second.jobs()[1].state is JobState.CANCELLED


def test_a_paused_job_outlives_the_server(new_queue, mirror, data_dir):
    bucket = ThrottledBucket(mirror)
    first = new_queue()
    job = first.submit(plan_of(bucket, data_dir), "slow")
    bucket.allow(4)
    wait_until(lambda: job.snapshot().bytes_done == 4 * STEP)
    first.pause(1)
    wait_until(lambda: not first.is_busy)
    first.close()
    second = new_queue()
    wait_until(lambda: second.jobs()[0].bytes_done == 4 * STEP)
    assert second.jobs()[0].state is JobState.PAUSED
    second.resume(1)
    wait_until(lambda: second.jobs()[0].state is JobState.FINISHED)
    assert_all_here(data_dir, mirror)


def test_history_outlives_the_server(new_queue, mirror, data_dir):
    (mirror / POLICY_FILE).write_text(json.dumps({"deny": [KEYS[0]]}))
    first = new_queue()
    run(first, DirectoryBucket(mirror), data_dir)
    before = first.jobs()
    first.close()
    second = new_queue()
    assert second.jobs() == before
    (mirror / POLICY_FILE).unlink()
    second.resume(1)
    wait_until(lambda: second.jobs()[0].state is JobState.FINISHED)
    assert_all_here(data_dir, mirror)
    second.clear_history()
    assert second.jobs() == ()
    second.close()
    assert new_queue().jobs() == ()


def test_a_second_server_looks_on_until_the_first_has_ended(new_queue, mirror, data_dir):
    bucket = ThrottledBucket(mirror)
    first, second = new_queue(), new_queue()
    assert first.is_owner
    assert not second.is_owner
    assert "process" in second.why_read_only
    job = first.submit(plan_of(bucket, data_dir), "slow")
    wait_until(lambda: second.jobs() and second.jobs()[0].state is JobState.RUNNING)
    second.cancel(1)
    second.pause(1)
    second.clear_history()
    with pytest.raises(InvalidArgumentError, match="Another explorer"):
        second.submit(plan_of(bucket, data_dir), "mine")
    with pytest.raises(InvalidArgumentError, match="Another explorer"):
        second.resume(1)
    assert job.snapshot().state is JobState.RUNNING
    first.close()
    assert second.is_owner
    assert second.jobs()[0].state is JobState.INTERRUPTED


def test_a_damaged_file_is_repaired_even_by_another_server(new_queue, mirror, data_dir):
    bucket = DirectoryBucket(mirror)
    first = new_queue()
    run(first, bucket, data_dir)
    (data_dir / KEYS[1]).write_bytes(b"x" * SIZE)
    report = VerifyReport(plan_of(bucket, data_dir))
    report.files.extend(verify(report.plan))
    slow = ThrottledBucket(mirror)
    files = tuple(replace(f, source=slow) for f in report.repair_plan.files)
    job = first.submit(TransferPlan(files, data_dir), "Repair")
    wait_until(lambda: job.snapshot().state is JobState.RUNNING)
    first.close()

    second = new_queue()
    assert second.jobs()[1].n_left == 1
    second.resume(2)
    wait_until(lambda: second.jobs()[1].state is JobState.FINISHED)
    assert_all_here(data_dir, mirror)


def test_a_damaged_file_that_was_replaced_meanwhile_is_left_alone(new_queue, mirror, data_dir):
    bucket = DirectoryBucket(mirror)
    first = new_queue()
    run(first, bucket, data_dir)
    (data_dir / KEYS[1]).write_bytes(b"x" * SIZE)
    damaged = [
        replace(f, status=FileStatus.DAMAGED, bytes_downloaded=0, source=ThrottledBucket(mirror))
        for f in plan_of(bucket, data_dir, KEYS[1:2]).files
    ]
    job = first.submit(TransferPlan(tuple(damaged), data_dir), "Repair")
    wait_until(lambda: job.snapshot().state is JobState.RUNNING)
    first.close()
    (data_dir / KEYS[1]).unlink()
    shutil.copyfile(mirror / KEYS[1], data_dir / KEYS[1])
    second = new_queue()
    second.resume(2)
    wait_until(lambda: second.jobs()[1].state is JobState.FINISHED)
    assert second.jobs()[1].n_moved == 0


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 99}', '{"version": 1, "rate": null, "jobs": [{}]}', '"' * 9],
)
def test_damaged_notes_are_set_aside(new_queue, mirror, data_dir, text):
    path = data_dir / ".laion_fmri" / "jobs.json"
    path.write_text(text)
    queue = new_queue()
    assert queue.jobs() == ()
    assert path.with_name("jobs.json.damaged").read_text() == text
    assert run(queue, DirectoryBucket(mirror), data_dir).state is JobState.FINISHED


def test_notes_that_would_leave_the_data_directory_fetch_nothing(new_queue, mirror, data_dir):
    first = new_queue()
    (mirror / POLICY_FILE).write_text(json.dumps({"deny": ["*"]}))
    run(first, DirectoryBucket(mirror), data_dir)
    first.close()
    path = data_dir / ".laion_fmri" / "jobs.json"
    path.write_text(path.read_text().replace(KEYS[0], "../../outside"))
    second = new_queue()
    second.resume(1)
    wait_until(lambda: not second.is_busy)
    assert "refused" in second.jobs()[0].problem


def test_a_data_directory_that_cannot_be_written_to_does_not_stop_the_page(mirror, tmp_path):
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / ".laion_fmri").write_text("a file where a folder should be")
    queue = JobQueue(Settings(data_dir=tmp_path / "place", bucket=mirror.as_uri()))
    job = queue.submit(plan_of(DirectoryBucket(mirror), tmp_path / "place"), "no")
    assert job.over.wait(PATIENCE)
    assert job.snapshot().state is JobState.FAILED
    queue.close()


def test_files_of_the_access_service_are_written_down_without_their_links(
    new_queue, data_dir, tmp_path, monkeypatch, tiny_bucket
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LAION_FMRI_REQUEST_ID", raising=False)
    with DemoAccessService(tiny_bucket) as service:
        request_id = service.issue()
        settings = Settings(data_dir=data_dir, access_url=service.url)
        access.login(request_id, settings=settings)
        source = access.stimulus_source(settings)
        source.require_grant()
        queue = JobQueue(settings)
        plan = make_plan(source.objects(), data_dir, source)
        job = queue.submit(plan, "images")
        assert job.over.wait(PATIENCE)
        assert job.snapshot().state is JobState.FINISHED
        (data_dir / plan.files[0].key).unlink()
        service.revoke(request_id)
        again = queue.submit(make_plan(source.objects(), data_dir, source), "images again")
        assert again.over.wait(PATIENCE)
        now = again.snapshot()  # whoever lost access cannot use the links of an earlier job
        assert (now.state, now.needs_access) == (JobState.FAILED, True)
        assert "revoked" in next(iter(now.failed.values()))
        wait_until(lambda: not queue.is_busy)
        text = stored_jobs(data_dir)
        queue.close()
    assert request_id not in text
    assert "token" not in text
    assert "/files/" not in text


def test_a_program_that_ends_leaves_resumable_files(mirror, data_dir):
    script = f"""
        import threading, time
        from throttled_bucket import ThrottledBucket, wait_until
        from laion_fmri.config import Settings
        from laion_fmri.explorer.runtime.download_queue import shared_queue
        from laion_fmri.transfer.plan import make_plan
        from pathlib import Path

        bucket = ThrottledBucket({str(mirror)!r})
        data_dir = Path({str(data_dir)!r})
        queue = shared_queue(Settings(data_dir=data_dir, bucket=bucket.uri))
        job = queue.submit(make_plan(bucket.objects(), data_dir, bucket), "slow")

        def trickle():
            while True:
                bucket.allow(1)
                time.sleep(1)  # so slow that the download would outlast the program

        threading.Thread(target=trickle, daemon=True).start()
        wait_until(lambda: job.snapshot().bytes_done)
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=Path(throttled_bucket.__file__).parent,
        check=True,
        timeout=60,
    )
    partials = list((data_dir / "stimuli").iterdir())
    assert all(partial.name.endswith(".part") for partial in partials)
    assert 0 < sum(partial.stat().st_size for partial in partials) < 3 * SIZE


def test_threads_that_take_the_lock_at_once_all_have_it(tmp_path: Path):
    for number in range(30):
        lock = JobStore(tmp_path / str(number))
        together = threading.Barrier(4)

        def take(lock: JobStore = lock, together: threading.Barrier = together) -> bool:
            together.wait()
            return lock.take()

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(lambda _: take(), range(4)))
        lock.release()
