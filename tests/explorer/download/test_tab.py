from __future__ import annotations

import json
import logging
import shutil
from collections import namedtuple
from dataclasses import replace

import pytest
from form_filler import GIVEN
from throttled_bucket import ThrottledBucket, wait_until

from laion_fmri import access, layout
from laion_fmri.config import Settings, load_settings
from laion_fmri.demo.access_service import DemoAccessService
from laion_fmri.demo.home import DemoHome, fill_data_dir
from laion_fmri.download_request.choices import IMAGES
from laion_fmri.download_request.plan import PlanFacts
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.download.job_view import (
    format_moment,
    progress_html,
)
from laion_fmri.explorer.download.plan_section import PlanFiles, summary_html
from laion_fmri.explorer.download.tab import DownloadTab
from laion_fmri.explorer.download.verification_section import check_html
from laion_fmri.explorer.runtime.download_queue import JobQueue
from laion_fmri.explorer.runtime.verification_job import CheckSnapshot, CheckState
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.widgets.markup import outside_link, with_links
from laion_fmri.transfer.plan import FileStatus, PlannedFile, TransferPlan, make_plan
from laion_fmri.transfer_jobs.job import ActiveFile, JobSnapshot
from laion_fmri.transfer_jobs.records import JobState

HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture
def data_dir(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LAION_FMRI_REQUEST_ID", raising=False)
    return tmp_path / "home"


@pytest.fixture
def service(tiny_bucket):
    with DemoAccessService(tiny_bucket) as service:
        yield service


def open_tab(data_dir, bucket, access_url=None, **chosen) -> DownloadTab:
    address = bucket if isinstance(bucket, str) else bucket.as_uri()
    settings = load_settings(data_dir=data_dir, bucket=address, access_url=access_url)
    data = ExplorerData(settings)
    state = ExplorerState(tab="Download", **chosen)
    tab = DownloadTab(state, data)
    tab.open()
    return tab


def choose(
    tab,
    subjects=("sub-05",),
    sessions=("ses-01",),
    responses=("Trial tables",),
    brain=(),
    stimuli=(),
):
    tab.form.subjects.value = list(subjects)
    tab.form.sessions.value = list(sessions)
    tab.form.what["Responses"].value = list(responses)
    tab.form.what["Brain"].value = list(brain)
    tab.form.what["Stimuli"].value = list(stimuli)


def messages(tab) -> str:
    return " ".join(message[0].object for message in tab.messages)


def download(tab):
    tab.plan_section.run.clicks += 1
    (job, *_) = reversed(tab.queue.jobs())
    wait_until(lambda: not tab.queue.is_busy)
    tab.update()
    return next(j for j in tab.queue.jobs() if j.number == job.number)


def test_the_bucket_s_subjects_and_sessions_are_offered(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket, subject="sub-03")
    assert tab.form.subjects.options == [f"sub-0{n}" for n in (1, 3, 5, 6, 7)]
    assert tab.form.sessions.options == ["ses-01", "ses-02", "averages"]
    assert tab.form.subjects.value == ["sub-03"]
    assert "Choose a session" in messages(tab)
    assert tab.plan_section.run.disabled


def test_the_plan_follows_the_choice(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    tab = open_tab(data_dir, tiny_bucket)
    choose(tab)
    one = tab.plan
    assert layout.trials("sub-05", "ses-01") in {f.key for f in one.files}
    assert tab.plan_section.layout.visible
    assert not tab.plan_section.run.disabled
    choose(tab, sessions=("ses-01", "ses-02"))
    assert tab.plan.total_bytes > one.total_bytes
    assert 'ses=["ses-01", "ses-02"]' in tab.plan_section.python.code
    assert "--ses ses-01 ses-02" in tab.plan_section.shell.code


def test_the_licence_is_asked_for_once(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    choose(tab)
    tab.plan_section.run.clicks += 1
    assert tab.licence.is_open
    assert tab.queue.jobs() == ()
    tab.licence.no.clicks += 1
    assert not tab.licence.is_open
    assert not access.is_license_accepted(data_dir)
    tab.plan_section.run.clicks += 1
    tab.licence.yes.clicks += 1
    assert access.is_license_accepted(data_dir)
    wait_until(lambda: tab.queue.jobs()[0].state is JobState.FINISHED)
    again = open_tab(data_dir, tiny_bucket)
    choose(again, sessions=("ses-02",))
    again.plan_section.run.clicks += 1
    assert not again.licence.is_open
    wait_until(lambda: len(again.queue.jobs()) == 2 and not again.queue.is_busy)


def test_it_fetches_exactly_that_and_then_there_is_nothing_to_do(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    tab = open_tab(data_dir, tiny_bucket)
    changed = []
    tab.state.param.watch(changed.append, "files_changed")
    choose(tab, brain=("ROIs",))
    plan = tab.plan
    job = download(tab)
    assert job.state is JobState.FINISHED
    for file in plan.files:
        assert file.path.read_bytes() == (tiny_bucket / file.key).read_bytes()
    here = {p for p in data_dir.rglob("*") if p.is_file() and ".laion_fmri" not in p.parts}
    assert here == {f.path for f in plan.files}
    assert changed
    assert f"Nothing to do: all {len(plan.files)} files are downloaded." in messages(tab)
    assert tab.plan_section.run.disabled


def test_what_is_being_fetched_is_not_queued_again(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    tab = open_tab(data_dir, tiny_bucket)
    choose(tab)
    bucket = ThrottledBucket(tiny_bucket)
    keys = {file.key for file in tab.plan.to_fetch}
    slow = make_plan([o for o in bucket.objects() if o.key in keys], data_dir, bucket)
    job = tab.queue.submit(slow, "slow one")
    tab.plan_section.run.clicks += 1
    assert len(tab.queue.jobs()) == 1
    assert tab.plan_section.run.disabled
    assert tab.plan_section.to_job.visible
    assert "“slow one” already fetches these files" in tab.plan_section.why_not.object
    bucket.open_wide()
    assert job.over.wait(30)
    tab.refresh()
    assert not tab.plan_section.to_job.visible


def test_what_a_subject_lacks_is_said_in_the_plan(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    choose(tab, brain=("Localizers",))
    tab.form.what["More"].value = ["Raw data (BIDS)"]
    assert "The bucket has no raw data of sub-05." in messages(tab)
    choose(tab, responses=())
    assert "Nothing to do" not in messages(tab)


def test_the_first_request_has_what_the_other_tabs_need(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    tab.form.subjects.value, tab.form.sessions.value = ["sub-05"], ["ses-01", "averages"]
    keys = {file.key for file in tab.plan.files}
    mask = "sub-05_ses-PrismaAnat_space-T1w_res-1pt8_desc-brain_mask.nii.gz"
    assert any(key.endswith(mask) for key in keys)
    for part in ("/surf/lh.inflated", "/rois/sub-05/face/", "Noiseceiling12rep_statmap.nii.gz"):
        assert any(part in key for key in keys), part


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
    assert tab.jobs.past.views[1].resume.label == "Retry what failed"
    assert "1 denied" in html
    assert "Denied:" in html
    assert key in html


def slow_tab(data_dir, tiny_bucket):
    """A tab on a bucket that gives its bytes when it is told to."""
    access.accept_license(data_dir)
    slow = ThrottledBucket(tiny_bucket)
    tab = open_tab(data_dir, tiny_bucket)
    tab.data.bucket = lambda: slow
    choose(tab)
    return tab, slow


def test_a_second_page_sees_the_same_job(data_dir, tiny_bucket):
    tab, slow = slow_tab(data_dir, tiny_bucket)
    other = open_tab(data_dir, tiny_bucket)
    tab.plan_section.run.clicks += 1
    try:
        other.refresh()
        assert list(other.jobs.current.views) == list(tab.jobs.current.views) == [1]
        late = open_tab(data_dir, tiny_bucket)
        assert list(late.jobs.current.views) == [1]
        assert late.queue.is_busy
    finally:
        slow.open_wide()
    wait_until(lambda: not late.queue.is_busy)
    late.update()
    assert late.jobs.current.views == {}
    assert "finished" in late.jobs.past.views[1].text.object


@pytest.mark.parametrize("how", ["pause", "cancel"])
def test_a_download_is_stopped_and_resumed(data_dir, tiny_bucket, how):
    tab, slow = slow_tab(data_dir, tiny_bucket)
    tab.plan_section.run.clicks += 1
    wait_until(lambda: tab.queue.jobs()[0].state is JobState.RUNNING)
    tab.update()
    getattr(tab.jobs.current.views[1], how).clicks += 1
    wait_until(lambda: not tab.queue.is_busy)
    tab.update()
    shown = (tab.jobs.current if how == "pause" else tab.jobs.past).views[1]
    assert shown.resume.label == "Resume"
    assert ("paused" if how == "pause" else "cancelled") in shown.text.object
    slow.open_wide()
    shown.resume.clicks += 1
    wait_until(lambda: tab.queue.jobs()[0].state is JobState.FINISHED)


def test_what_failed_is_retried_from_the_history(data_dir, tmp_path, tiny_bucket):
    access.accept_license(data_dir)
    mirror = tmp_path / "mirror"
    shutil.copytree(tiny_bucket, mirror)
    tab = open_tab(data_dir, mirror)
    choose(tab)
    away = (mirror / layout.trials("sub-05", "ses-01")).rename(tmp_path / "away")
    assert download(tab).state is JobState.FAILED
    away.rename(mirror / layout.trials("sub-05", "ses-01"))
    view = tab.jobs.past.views[1]
    assert view.resume.label == "Retry what failed"
    view.resume.clicks += 1
    wait_until(lambda: tab.queue.jobs()[0].state is JobState.FINISHED)
    assert len(tab.queue.jobs()) == 1


def test_where_another_server_downloads_the_page_only_looks_on(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    settings = Settings(data_dir=data_dir, bucket=tiny_bucket.as_uri())
    other = JobQueue(settings)
    tab = open_tab(data_dir, tiny_bucket)
    choose(tab)
    plan = tab.plan
    assert tab.plan_section.run.disabled
    assert "Another explorer" in tab.jobs.messages[0][0].object
    slow = ThrottledBucket(tiny_bucket)
    slow_files = tuple(PlannedFile(*[getattr(f, n) for n in NAMES], slow) for f in plan.files)
    other.submit(TransferPlan(slow_files, data_dir), "theirs")
    wait_until(lambda: tab.queue.jobs() and tab.queue.jobs()[0].state is JobState.RUNNING)
    tab.update()
    assert len(tab.jobs.current.views[1].buttons) == 0
    other.close()
    tab.update()
    assert len(tab.jobs.messages) == 0
    assert not tab.plan_section.run.disabled
    assert [b.label for b in tab.jobs.current.views[1].buttons] == ["Resume", "Cancel"]


NAMES = ("key", "local", "size", "etag", "status", "bytes_downloaded")


# --- single files -----------------------------------------------------------------------


def test_files_chosen_elsewhere_are_the_request_and_can_be_removed(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    tab = open_tab(data_dir, tiny_bucket)
    key = layout.trials("sub-05", "ses-01")
    tab.state.wanted = [key, "README"]
    assert [f.key for f in tab.plan.files] == [key, "README"]
    assert tab.form.request.title() == "2 chosen files"
    tab.form.what["Stimuli"].value = ["Captions"]
    assert {f.key for f in tab.plan.files} == {key, "README", layout.CAPTIONS}
    tab.form.drop.clicks += 1
    assert tab.state.wanted == []
    assert [f.key for f in tab.plan.files] == [layout.CAPTIONS]


def test_files_chosen_before_the_tab_is_opened(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket, wanted=["README"])
    assert [f.key for f in tab.plan.files] == ["README"]


def test_a_range_of_sessions(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    names = [f"ses-{n:02d}" for n in range(1, 31)]
    tab.form.range.offer(names)
    tab.form.sessions.param.update(options=[*names, "averages"], value=["averages"])
    tab.form.range.first.value, tab.form.range.last.value = "ses-05", "ses-01"
    tab.form.range.choose.clicks += 1
    assert tab.form.sessions.value == [*names[:5], "averages"]


# --- the images -------------------------------------------------------------------------


def fill(form, **changes):
    for name, text in {**GIVEN, **changes}.items():
        if name in form.fields:
            form.fields[name].value_input = form.fields[name].value = text
    form.boxes["accepted_terms"].value = form.boxes["acknowledged_privacy"].value = True


def images_tab(data_dir, tiny_bucket, service):
    access.accept_license(data_dir)
    tab = open_tab(data_dir, tiny_bucket, access_url=service.url)
    choose(tab, subjects=(), sessions=(), responses=(), stimuli=(IMAGES,))
    return tab


def said(tab) -> str:
    return str([getattr(m, "objects", m) for m in tab.access.form.messages])


def test_the_images_need_an_agreement(data_dir, tiny_bucket, service, home):
    tab = images_tab(data_dir, tiny_bucket, service)
    form = tab.access.form
    assert list(tab.access.form_place) == [form.__panel__()]
    assert "Terms, version 1.0" in form.text.object
    for page in ("terms", "privacy", "takedown"):
        assert f'href="{service.url}/{page}" target="_blank" rel="noopener' in form.text.object
    assert tab.plan_section.run.disabled
    fill(form, email="nobody", research_purpose="too short")
    form.send.clicks += 1
    assert "e-mail address" in form.fields["email"].helper_text
    assert "at least 20" in form.fields["research_purpose"].helper_text
    assert not form.fields["name"].error_state
    assert service.n_requests["POST /api/v1/access/request"] == 0
    fill(form)
    form.send.clicks += 1
    assert tab.access.standing.is_known
    assert len(tab.access.form_place) == 0
    assert all(field.value == field.value_input == "" for field in form.fields.values())
    assert not tab.plan_section.run.disabled
    stored = json.loads((home / ".cache/laion-fmri/auth.json").read_text())
    assert stored["email"] == GIVEN["email"]
    assert stored["request_id"] not in tab.access.status.line.object
    assert download(tab).state is JobState.FINISHED
    assert (data_dir / layout.STIMULI_IMAGES).is_file()
    assert not any(
        text in path.read_text()
        for path in (data_dir / ".laion_fmri").iterdir()
        for text in (stored["request_id"], GIVEN["email"], GIVEN["research_purpose"])
    )


def test_boxes_and_private_addresses(data_dir, tiny_bucket, service):
    form = images_tab(data_dir, tiny_bucket, service).access.form
    form.send.clicks += 1
    for view in form.box_problems.values():
        assert "agreed" in view.object
    form.boxes["accepted_terms"].value = True
    assert form.box_problems["accepted_terms"].object == ""
    fill(form, email="ada@gmail.com")
    assert not form.fields["email"].error_state
    assert "institution" in form.fields["email"].helper_text


def test_logging_in_and_out(data_dir, tiny_bucket, service):
    tab = images_tab(data_dir, tiny_bucket, service)
    form, request_id = tab.access.form, service.issue()
    form.switch.clicks += 1
    form.request_id.value_input = "lfm_not_known_to_anyone"
    form.login.clicks += 1
    assert form.request_id.value == form.request_id.value_input == ""
    assert "does not know" in form.request_id.helper_text
    assert "not_known" not in form.request_id.helper_text
    form.request_id.value_input = f" {request_id} "
    form.login.clicks += 1
    assert form.request_id.value == form.request_id.value_input == ""
    assert tab.access.is_allowed
    assert "links hold until" in tab.access.status.line.object
    assert request_id not in tab.access.status.line.object
    tab.access.status.log_out.clicks += 1
    assert request_id not in tab.access.status.log_out_text.object
    tab.access.status.really.yes.clicks += 1
    assert not tab.access.is_allowed
    assert tab.plan_section.run.disabled
    assert list(tab.access.form_place) == [form.__panel__()]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("revoked", "was revoked"),
        ("forgotten", "does not know this request id"),
        ("outdated", "have changed"),
        ("busy", "Too many requests"),
        ("gone", "does not answer"),
    ],
)
def test_what_the_service_refuses_is_said_in_plain_words(
    data_dir, tiny_bucket, service, trouble, words
):
    settings = Settings(access_url=service.url)
    request_id = service.issue()
    access.login(request_id, settings=settings)
    if trouble == "revoked":
        service.revoke(request_id)
    elif trouble == "forgotten":
        service._people.clear()
    elif trouble == "outdated":
        service.update_terms("2.0")
    tab = open_tab(data_dir, tiny_bucket, access_url=service.url)
    if trouble == "busy":
        tab.access.form_place.loading = False
        service.limit_rate(50)
    choose(tab, subjects=(), sessions=(), responses=(), stimuli=(IMAGES,))
    if trouble in ("busy", "gone"):
        if trouble == "gone":
            service.close()
        tab.access.form.switch_to(login=True)
        tab.access.form.request_id.value_input = request_id
        tab.access.form.login.clicks += 1
    text = " ".join(str(p.object) for m in tab.access.form.messages for p in m.select(PANE))
    assert words in text
    assert request_id not in text
    if trouble == "outdated":
        assert f'<a href="{service.url}/terms" target="_blank" rel="noopener' in text
        assert "version 2.0" in tab.access.form.text.object
        fill(tab.access.form)
        tab.access.form.send.clicks += 1
        assert tab.access.is_allowed
    assert tab.access.is_allowed is (trouble in ("outdated", "busy", "gone"))


def PANE(view) -> bool:
    return hasattr(view, "object") and isinstance(view.object, str)


def test_a_download_of_images_is_not_resumed_without_an_agreement(data_dir, tiny_bucket, service):
    request_id = service.issue()
    settings = Settings(access_url=service.url)
    access.login(request_id, settings=settings)
    tab = images_tab(data_dir, tiny_bucket, service)
    service._people.clear()  # as when the demo was started again
    job = download(tab)
    assert (job.state, job.needs_access) == (JobState.FAILED, True)
    access.logout(settings=settings)
    tab = open_tab(data_dir, tiny_bucket, access_url=service.url)
    assert len(tab.access.form_place) == 0
    tab.jobs.past.views[1].resume.clicks += 1
    assert tab.queue.jobs()[0].state is JobState.FAILED
    assert list(tab.access.dialog) == [tab.access.form.__panel__()]
    assert tab.access.dialog.open
    fill(tab.access.form)
    tab.access.form.send.clicks += 1
    tab.jobs.past.views[1].resume.clicks += 1
    wait_until(lambda: tab.queue.jobs()[0].state is JobState.FINISHED)


def test_the_demo_gives_its_images_as_the_real_service_does(tmp_path, tiny_bucket):
    home = DemoHome(tiny_bucket, tmp_path / "data")
    fill_data_dir(home)
    images = home.data_dir / layout.STIMULI_IMAGES
    images.unlink()
    with home.served() as settings:
        tab = DownloadTab(ExplorerState(tab="Download"), ExplorerData(settings))
        tab.open()
        choose(tab, subjects=(), sessions=(), responses=(), stimuli=(IMAGES,))
        assert [f.key for f in tab.plan.to_fetch] == [layout.STIMULI_IMAGES]
        fill(tab.access.form)
        tab.access.form.send.clicks += 1
        assert download(tab).state is JobState.FINISHED
    assert images.read_bytes() == (tiny_bucket / layout.STIMULI_IMAGES).read_bytes()


def test_an_unreachable_service_leaves_a_plan_of_the_rest_possible(data_dir, tiny_bucket, service):
    service.close()
    tab = open_tab(data_dir, tiny_bucket, access_url=service.url)
    choose(tab, stimuli=(IMAGES,))
    assert "does not answer" in messages(tab)
    assert tab.again.visible
    choose(tab)
    assert tab.plan.files
    assert not tab.again.visible


def test_what_is_typed_reaches_no_log(data_dir, tiny_bucket, service, caplog):
    form = images_tab(data_dir, tiny_bucket, service).access.form
    caplog.set_level(logging.DEBUG)
    with caplog.at_level(logging.DEBUG, "panel"):
        logging.getLogger("panel").addHandler(caplog.handler)
        form.request_id._process_events({"value_input": "lfm_secret", "value": "lfm_secret"})
        form.fields["name"]._process_events({"value_input": "Ada", "value": "Ada"})
        logging.getLogger("panel").removeHandler(caplog.handler)
    assert "lfm_secret" not in caplog.text
    assert "Ada" not in caplog.text


# --- checking ----------------------------------------------------------------------------


def test_local_files_are_checked_and_repaired(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    tab = open_tab(data_dir, tiny_bucket)
    choose(tab)
    download(tab)
    broken = data_dir / layout.trials("sub-05", "ses-01")
    whole = broken.read_bytes()
    broken.write_bytes(whole[::-1])
    tab.refresh()
    assert tab.check.what.options == ["Everything", "sub-05"]
    tab.check.begin.clicks += 1
    wait_until(lambda: not tab.check.verification.snapshot().state.is_busy)
    tab.update()
    assert "1 file differs from the bucket" in tab.check.findings.object
    assert broken.name in tab.check.findings.object
    assert tab.check.repair.label == "Repair 1 file"
    tab.check.repair.clicks += 1
    wait_until(lambda: len(tab.queue.jobs()) == 2 and not tab.queue.is_busy)
    assert tab.queue.jobs()[1].state is JobState.FINISHED
    assert broken.read_bytes() == whole
    tab.check.begin.clicks += 1
    wait_until(lambda: not tab.check.verification.snapshot().state.is_busy)
    tab.update()
    assert "all match the bucket" in tab.check.findings.object


def test_a_check_that_cannot_be_made_says_why(data_dir, tmp_path):
    tab = open_tab(data_dir, tmp_path / "nowhere")
    tab.check.begin.clicks += 1
    wait_until(lambda: not tab.check.verification.snapshot().state.is_busy)
    tab.update()
    assert "is not a directory" in tab.check.findings.object


def test_no_bucket_is_a_calm_message_with_a_way_on(data_dir, tmp_path, tiny_bucket):
    mirror = tmp_path / "mirror"
    tab = open_tab(data_dir, mirror)
    assert "is not a directory" in messages(tab)
    assert tab.again.visible
    assert tab.plan_section.run.disabled
    shutil.copytree(tiny_bucket, mirror)
    tab.again.clicks += 1
    assert not tab.again.visible
    choose(tab)
    assert tab.plan.files


def test_no_data_directory(tiny_bucket):
    tab = open_tab(None, tiny_bucket)
    choose(tab)
    assert "No data directory is set" in messages(tab)
    assert tab.plan_section.run.disabled


def test_too_little_room(data_dir, tiny_bucket, monkeypatch):
    access.accept_license(data_dir)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 99, 1))
    tab = open_tab(data_dir, tiny_bucket)
    choose(tab)
    assert "Choose less, or free some space" in messages(tab)
    assert tab.plan_section.run.disabled


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


def planned(key, path="/data/x", status=FileStatus.NOT_DOWNLOADED, size=5) -> PlannedFile:
    return PlannedFile(key, str(path), size, "e", status, 0, None)


def test_names_from_the_bucket_are_text():
    reasons = {f"a/{HOSTILE}": ("denied", HOSTILE), f"b/{HOSTILE}": ("failed", HOSTILE)}
    job = JobSnapshot(1, HOSTILE, JobState.FAILED, problem=HOSTILE)
    assert "<img" not in progress_html(job)
    job = JobSnapshot(1, HOSTILE, JobState.FAILED, reasons=reasons, ended_at=HOSTILE)
    assert "<img" not in progress_html(job)
    active = (ActiveFile(f"a/{HOSTILE}", 1, 2),)
    assert "<img" not in progress_html(JobSnapshot(1, "x", JobState.RUNNING, active=active))
    wrong = CheckSnapshot(CheckState.DONE, n_files=1, wrong={"damaged": [HOSTILE]}, problem=HOSTILE)
    assert "<img" not in check_html(wrong)
    assert "<img" not in check_html(replace(wrong, state=CheckState.FAILED))
    assert "<img" not in with_links(f"{HOSTILE} http://example.org/{HOSTILE}")


def test_only_web_addresses_become_links():
    assert with_links("see http://example.org/c.") == (
        'see <a href="http://example.org/c" target="_blank" rel="noopener noreferrer">http://example.org/c</a>.'
    )
    assert "<a" not in with_links("javascript:alert(1)")
    assert outside_link("javascript:alert(1)", "x") == "x"


def test_files_to_fetch_come_first():
    statuses = [FileStatus.DOWNLOADED] * 25 + [FileStatus.NOT_DOWNLOADED] * 3
    files = [planned(f"k{i:02d}", status=s) for i, s in enumerate(statuses)]
    table = PlanFiles()
    table.display(files)
    assert table.view["total"] == 28
    rows = [row[2:] for row in table.view["rows"]]
    assert [key for key, *_ in rows[:4]] == ["k25", "k26", "k27", "k00"]
    assert [status for *_, status in rows[2:4]] == ["Not downloaded", "Downloaded"]
    height = table.height
    table.display(files[:2])
    assert table.view["total"] == 2
    assert table.height < height


def test_damaged_files_have_a_word_too():
    table = PlanFiles()
    table.display([planned("k", status=status) for status in FileStatus])
    assert table.view["rows"][0][-1] == "Damaged"


def test_the_expected_time_follows_from_the_measured_rate(tmp_path):
    plan = TransferPlan((planned("k", size=100_000_000),), tmp_path)
    assert "known after a first download" in summary_html(PlanFacts(plan, 10**9, None, "", ""))
    html = summary_html(PlanFacts(plan, 10**9, 1_000_000.0, "", ""))
    assert "1 min 40 s" in html
    assert "at 1 MB/s" in html


def test_moments():
    assert format_moment("2026-01-02T03:04:05+00:00")[:6] in ("02 Jan", "01 Jan", "03 Jan")
    assert format_moment("sometime") == "sometime"


def test_jobs_outlive_the_page_that_began_them(data_dir, tiny_bucket):
    access.accept_license(data_dir)
    slow = ThrottledBucket(tiny_bucket)
    tab = open_tab(data_dir, tiny_bucket)
    tab.data.bucket = lambda: slow
    choose(tab)
    queue = tab.queue
    tab.plan_section.run.clicks += 1
    del tab
    slow.open_wide()
    wait_until(lambda: not queue.is_busy)
    assert queue.jobs()[-1].state is JobState.FINISHED
    assert (data_dir / layout.trials("sub-05", "ses-01")).is_file()
