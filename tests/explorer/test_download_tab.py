from __future__ import annotations

import shutil
from collections import namedtuple

import pytest
from throttled_bucket import ThrottledBucket, wait_until

from laion_fmri import access, layout
from laion_fmri.config import load_settings
from laion_fmri.explorer.components.file_table import ROWS, FileTable
from laion_fmri.explorer.components.transfer_progress import (
    format_seconds,
    grouped_reasons,
    progress_html,
)
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.jobs import JobSnapshot, JobState
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.tabs.download import DownloadTab
from laion_fmri.transfer.plan import FileStatus, PlannedFile

HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture
def data_dir(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    return path


def open_tab(data_dir, bucket, **chosen) -> DownloadTab:
    address = bucket if isinstance(bucket, str) else bucket.as_uri()
    data = ExplorerData(load_settings(data_dir=data_dir, bucket=address))
    state = ExplorerState(tab="Download", **chosen)
    tab = DownloadTab(state, data)
    tab.open()
    return tab


def choose(tab, subjects=("sub-05",), sessions=("ses-01",), responses=("Trial tables",), brain=()):
    tab.form.subjects.value = list(subjects)
    tab.form.sessions.value = list(sessions)
    tab.form.what["Responses"].value = list(responses)
    tab.form.what["Brain"].value = list(brain)


def messages(tab) -> str:
    return " ".join(message[0].object for message in tab.messages)


def download(tab):
    tab.run.clicks += 1
    (job, *_) = reversed(tab.queue.jobs())
    wait_until(lambda: not tab.queue.is_busy)
    tab._follow_jobs()
    return next(j for j in tab.queue.jobs() if j.number == job.number)


def test_the_bucket_s_subjects_and_sessions_are_offered(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket, subject="sub-03")
    assert tab.form.subjects.options == [f"sub-0{n}" for n in (1, 3, 5, 6, 7)]
    assert tab.form.sessions.options == ["ses-01", "ses-02", "averages"]
    assert tab.form.subjects.value == ["sub-03"]
    assert "Choose a session" in messages(tab)
    assert tab.run.disabled


def test_the_plan_follows_the_choice(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    tab = open_tab(data_dir, tiny_bucket)
    choose(tab)
    one = tab._facts.plan
    assert layout.trials("sub-05", "ses-01") in {f.key for f in one.files}
    assert tab.plan.visible
    assert not tab.run.disabled
    choose(tab, sessions=("ses-01", "ses-02"))
    assert tab._facts.plan.total_bytes > one.total_bytes
    assert 'ses=["ses-01", "ses-02"]' in tab.details.python.code
    assert "--ses ses-01 ses-02" in tab.details.shell.code


def test_the_licence_is_asked_for_once(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    choose(tab)
    assert tab.licence.visible
    assert tab.run.disabled
    assert not tab.run.visible
    tab._accept_licence()
    assert access.is_license_accepted(data_dir)
    assert not tab.licence.visible
    assert tab.run.visible
    assert not tab.run.disabled
    again = open_tab(data_dir, tiny_bucket)
    choose(again)
    assert not again.licence.visible


def test_it_fetches_exactly_that_and_then_there_is_nothing_to_do(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    tab = open_tab(data_dir, tiny_bucket)
    changed = []
    tab.state.param.watch(changed.append, "files_changed")
    choose(tab, brain=("ROIs",))
    plan = tab._facts.plan
    job = download(tab)
    assert job.state is JobState.FINISHED
    for file in plan.files:
        assert file.path.read_bytes() == (tiny_bucket / file.key).read_bytes()
    here = {p for p in data_dir.rglob("*") if p.is_file() and ".laion_fmri" not in p.parts}
    assert here == {f.path for f in plan.files}
    assert changed
    assert f"Nothing to do: all {len(plan.files)} files are here." in messages(tab)
    assert tab.run.disabled


def test_what_the_bucket_denies_is_shown(data_dir, tmp_path, tiny_bucket):
    access.accept_license(data_dir)
    tab = open_tab(data_dir, tiny_bucket)
    choose(tab)
    denying = tmp_path / "denying"
    key = layout.trials("sub-05", "ses-01")
    shutil.copytree(
        tiny_bucket / "derivatives/glmsingle-tedana/sub-05",
        denying / "derivatives/glmsingle-tedana/sub-05",
    )
    (denying / ".bucket-policy.json").write_text(f'{{"deny": ["{key}"]}}')
    tab = open_tab(data_dir, denying)
    choose(tab)
    job = download(tab)
    assert job.state is JobState.FAILED
    html = progress_html(job)
    assert "1 denied" in html
    assert "Denied:" in html
    assert key in html


def test_a_second_page_sees_the_same_job(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    slow = ThrottledBucket(tiny_bucket)
    pages = [open_tab(data_dir, tiny_bucket) for _ in range(2)]
    pages[0].data.bucket = lambda: slow
    choose(pages[0])
    pages[0].run.clicks += 1
    try:
        pages[1].refresh()
        assert list(pages[1].jobs._views) == list(pages[0].jobs._views) == [1]
        late = open_tab(data_dir, tiny_bucket)
        assert list(late.jobs._views) == [1]
        assert late.queue.is_busy
    finally:
        slow.open_wide()
    wait_until(lambda: not late.queue.is_busy)
    late._follow_jobs()
    assert "finished" in late.jobs._views[1]._view.object


def test_cancelling(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    slow = ThrottledBucket(tiny_bucket)
    tab = open_tab(data_dir, tiny_bucket)
    tab.data.bucket = lambda: slow
    choose(tab)
    tab.run.clicks += 1
    tab.queue.cancel(1)
    slow.open_wide()
    wait_until(lambda: not tab.queue.is_busy)
    tab._follow_jobs()
    assert "cancelled" in tab.jobs._views[1]._view.object
    assert not tab.run.disabled
    assert download(tab).state is JobState.FINISHED


def test_no_bucket_is_a_calm_message_with_a_way_on(data_dir, tmp_path, tiny_bucket):
    mirror = tmp_path / "mirror"
    tab = open_tab(data_dir, mirror)
    assert "is not a directory" in messages(tab)
    assert tab.again.visible
    assert tab.run.disabled
    shutil.copytree(tiny_bucket, mirror)
    tab._list_again()
    assert not tab.again.visible
    choose(tab)
    assert tab._facts.plan.files


def test_no_data_directory(tiny_bucket):
    tab = open_tab(None, tiny_bucket)
    choose(tab)
    assert "No data directory is set" in messages(tab)
    assert tab.run.disabled


def test_too_little_room(data_dir, tiny_bucket, monkeypatch):
    access.accept_license(data_dir)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 99, 1))
    tab = open_tab(data_dir, tiny_bucket)
    choose(tab)
    assert "Choose less, or make room" in messages(tab)
    assert tab.run.disabled
    assert not tab.licence.visible


def test_a_place_that_cannot_be_written_is_a_calm_failure(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    (data_dir / "derivatives").write_text("a file where a folder should be")
    tab = open_tab(data_dir, tiny_bucket)
    choose(tab)
    job = download(tab)
    assert job.state is JobState.FAILED
    assert "Failed:" in progress_html(job)


def test_a_subject_chosen_elsewhere_is_followed_but_does_not_undo_a_choice(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket, subject="sub-01")
    choose(tab, subjects=("sub-05", "sub-06"))
    tab.refresh()
    assert tab.form.subjects.value == ["sub-05", "sub-06"]
    tab.state.subject = "sub-07"
    assert tab.form.subjects.value == ["sub-07"]
    tab.state.subject = "sub-99"
    assert tab.form.subjects.value == ["sub-07"]


def test_names_from_the_bucket_are_text(tmp_path):
    file = PlannedFile(f"a/{HOSTILE}", tmp_path / "x", 5, "e", FileStatus.MISSING, 0)
    table = FileTable()
    table.display([file])
    assert "<img" not in table._view.object
    assert "&lt;img" in table._view.object
    job = JobSnapshot(1, HOSTILE, JobState.FAILED, problem=HOSTILE)
    assert "<img" not in progress_html(job)


def test_files_to_fetch_come_first_page_by_page(tmp_path):
    statuses = [FileStatus.HERE] * 25 + [FileStatus.MISSING] * 3
    files = [PlannedFile(f"k{i:02d}", tmp_path, 1, "e", s, 0) for i, s in enumerate(statuses)]
    table = FileTable()
    table.display(files)
    assert table._view.object.count("<tr>") == ROWS + 1
    assert "k25" in table._view.object
    assert table._pages.count == 3
    table._pages.value = 2
    assert table._view.object.count("<tr>") == 8 + 1
    table.display(files[:2])
    assert (table._pages.value, table._pages.visible) == (0, False)


def test_reasons_are_said_once(tmp_path):
    keys = ["stimuli/a.csv", "stimuli/b.csv"]
    files = [PlannedFile(k, tmp_path / k, 1, "e", FileStatus.MISSING, 0) for k in keys]
    said = {f: f"{f.path} cannot be written: full." for f in files}
    assert grouped_reasons(said) == {"The file cannot be written: full.": keys}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.2, "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations(seconds, text):
    assert format_seconds(seconds) == text


def test_jobs_outlive_the_page_that_began_them(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    slow = ThrottledBucket(tiny_bucket)
    tab = open_tab(data_dir, tiny_bucket)
    tab.data.bucket = lambda: slow
    choose(tab)
    queue = tab.queue
    tab.run.clicks += 1
    del tab
    slow.open_wide()
    wait_until(lambda: not queue.is_busy)
    assert queue.jobs()[-1].state is JobState.FINISHED
    assert (data_dir / layout.trials("sub-05", "ses-01")).is_file()
