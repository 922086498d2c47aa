"""Getting data in a browser, from a real S3 endpoint and a real access service."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from download_page import BOXES, FIELDS, PATIENCE, choose, fill_in, open_download, press, state_of
from faulty_proxy import FaultyProxy
from form_filler import GIVEN
from playwright.sync_api import Page, expect
from throttled_bucket import wait_until

from laion_fmri import access, layout
from laion_fmri.config import ENVIRONMENT, Settings
from laion_fmri.demo.access_service import DemoAccessService
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.download_queue import shared_queue
from laion_fmri.transfer_jobs.records import JobState

pytestmark = pytest.mark.browser

BUCKET = "gated"
SLOWLY = 1_000_000  # bytes a second
AT_FIRST = 50_000  # bytes a second: a page that is slow to show that it goes on is in time
HARDLY = 10_000  # bytes a second: as is one that is slow to press
NEARLY_HALF = 0.45  # of the bytes of a download


@pytest.fixture(scope="module")
def upstream(s3_endpoint, tiny_bucket) -> str:
    """The tiny dataset on a real S3 endpoint, the images not to be had; its address."""
    s3_endpoint.make_bucket(BUCKET)
    s3_endpoint.put_folder(BUCKET, tiny_bucket)
    images = (tiny_bucket / layout.STIMULI_IMAGES).read_bytes()
    s3_endpoint.put(BUCKET, layout.STIMULI_IMAGES, images, acl="private")
    return s3_endpoint.url


@pytest.fixture
def endpoint(upstream) -> Iterator[FaultyProxy]:
    """The same endpoint, as fast or slow as a test wants it."""
    with FaultyProxy(upstream) as proxy:
        yield proxy


@pytest.fixture
def service(tiny_bucket) -> Iterator[DemoAccessService]:
    with DemoAccessService(tiny_bucket) as service:
        yield service


@pytest.fixture
def settings(tmp_path, monkeypatch, endpoint, service) -> Settings:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv(access.credentials.ENVIRONMENT, raising=False)
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    return Settings(data_dir, f"s3://{BUCKET}", endpoint.url, service.url)


def create_app(settings: Settings):
    from laion_fmri.explorer.app import create_app

    data = ExplorerData(settings)
    return lambda: create_app(data)


def is_half_way(queue) -> bool:
    return any(job.fraction > 0.3 and job.state is JobState.RUNNING for job in queue.jobs())


def assert_all_right(data_dir: Path, bucket_dir: Path) -> set[str]:
    """Every local file is the bucket's, byte by byte; their names, without partial files."""
    here = {
        p
        for p in data_dir.rglob("*")
        if p.is_file() and ".laion_fmri" not in p.parts and p.suffix != ".part"
    }
    by_local_name = {
        layout.local_name(p.relative_to(bucket_dir).as_posix()): p
        for p in bucket_dir.rglob("*")
        if p.is_file()
    }
    names = {p.relative_to(data_dir).as_posix() for p in here}
    for name in names:
        assert (data_dir / name).read_bytes() == by_local_name[name].read_bytes(), name
    return names


def distances(page: Page) -> list[float]:
    """How far below the first field the boxes and the button of the form are."""
    below = [page.get_by_label(box, exact=True) for box in BOXES]
    below.append(page.get_by_role("button", name="Agree and send", exact=True))
    first = page.get_by_label(FIELDS["name"], exact=True).bounding_box()["y"]
    return [round(part.bounding_box()["y"] - first) for part in below]


def test_from_nothing_to_a_session_and_the_images(
    page: Page, serve_app, settings, endpoint, service, tiny_bucket
):
    address = serve_app(create_app(settings))
    queue, data_dir = shared_queue(settings), settings.data_dir
    open_download(page, address)
    choose(page, "sub-05", "ses-01")
    page.get_by_label("Images", exact=True).check()

    # The form: first wrongly, then rightly. No problem that is shown moves what is below it.
    laid_out = distances(page)
    press(page, "Agree and send")
    expect(page.get_by_text("This must not be empty.").first).to_be_visible()
    expect(page.get_by_text("agreed").last).to_be_visible()
    assert distances(page) == laid_out
    fill_in(page, {**GIVEN, "email": "nobody", "research_purpose": "a model"})
    press(page, "Agree and send")
    expect(page.get_by_text("This is not an e-mail address")).to_be_visible()
    expect(page.get_by_text("This is too short")).to_be_visible()
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_disabled()
    assert service.n_requests["POST /api/v1/access/request"] == 0
    fill_in(page)
    press(page, "Agree and send")
    expect(page.get_by_text("links hold until")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_label("Institutional e-mail")).to_have_count(0)
    (request_id,) = service._people

    # The licence, once; then half of the bytes.
    endpoint.bytes_per_second = AT_FIRST
    press(page, "Download")
    expect(page.get_by_role("dialog")).to_contain_text("CC0")
    press(page, "Accept the licence")
    expect(state_of(page)).to_have_text("running", timeout=PATIENCE)
    endpoint.bytes_per_second = SLOWLY
    wait_until(lambda: is_half_way(queue))
    endpoint.bytes_per_second = HARDLY
    press(page, "Cancel")
    expect(state_of(page)).to_have_text("cancelled", timeout=PATIENCE)
    before = assert_all_right(data_dir, tiny_bucket)

    # Reload, resume, finish.
    page.reload()
    expect(state_of(page)).to_have_text("cancelled", timeout=PATIENCE)
    endpoint.bytes_per_second = None
    press(page, "Resume")
    expect(state_of(page)).to_have_text("finished", timeout=PATIENCE)
    names = assert_all_right(data_dir, tiny_bucket)
    assert {layout.betas("sub-05", "ses-01"), layout.STIMULI_IMAGES} <= names
    assert before < names  # it was cancelled before it was finished
    assert not any("ses-02" in name for name in names)
    assert not list(data_dir.rglob("*.part"))

    # Once more: nothing to do.
    choose(page, "sub-05", "ses-01")
    page.get_by_label("Images", exact=True).check()
    expect(page.get_by_text("Nothing to do")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_disabled()

    notes = (data_dir / ".laion_fmri" / "jobs.json").read_text()
    for place in (page.url, page.content(), notes):
        assert request_id not in place
        assert GIVEN["research_purpose"] not in place


def test_two_pages_see_the_same_and_one_can_pause_what_the_other_began(
    page: Page, serve_app, settings, endpoint, tiny_bucket
):
    access.accept_license(settings.data_dir)
    address = serve_app(create_app(settings))
    queue = shared_queue(settings)
    open_download(page, address)
    other = page.context.new_page()
    open_download(other, address)
    endpoint.bytes_per_second = AT_FIRST
    choose(page, "sub-05", "ses-01")
    press(page, "Download")
    for one in (page, other):
        expect(state_of(one)).to_have_text("running", timeout=PATIENCE)
    endpoint.bytes_per_second = SLOWLY
    wait_until(lambda: is_half_way(queue))
    endpoint.bytes_per_second = HARDLY
    press(other, "Pause")
    for one in (page, other):
        expect(state_of(one)).to_have_text("paused", timeout=PATIENCE)
        done = one.get_by_role("progressbar", name="Download", exact=True)
        assert int(done.get_attribute("aria-valuenow")) >= 30
    endpoint.bytes_per_second = None
    press(page, "Resume")
    for one in (page, other):
        expect(state_of(one)).to_have_text("finished", timeout=PATIENCE)
        expect(one.get_by_role("button", name="Pause")).to_have_count(0)
    assert layout.betas("sub-05", "ses-01") in assert_all_right(settings.data_dir, tiny_bucket)


def is_listening(address: str) -> bool:
    parts = urlsplit(address)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0


@contextmanager
def explorer(settings: Settings, log: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """The explorer in a process of its own; whatever is left of it ends with the block."""
    environment = {v: str(getattr(settings, n)) for n, v in ENVIRONMENT.items()}
    command = [sys.executable, "-m", "laion_fmri", "explore", "--no-browser", "--port", "0"]
    with log.open("a") as out:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
        )
        try:
            line = next(line for line in process.stdout if "http://" in line)
            address = "http://" + line.split("http://")[1].split()[0]
            wait_until(lambda: is_listening(address))
            yield address, process
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_was_stopped_has_the_download_there_to_resume(
    page: Page, settings, endpoint, tiny_bucket, tmp_path, how
):
    access.accept_license(settings.data_dir)
    log = tmp_path / "server.log"
    notes = settings.data_dir / ".laion_fmri" / "jobs.json"
    endpoint.bytes_per_second = AT_FIRST
    with explorer(settings, log) as (address, process):
        open_download(page, address)
        choose(page, "sub-05", "ses-01")
        press(page, "Download")
        expect(state_of(page)).to_have_text("running", timeout=PATIENCE)
        endpoint.bytes_per_second = SLOWLY
        (job,) = json.loads(notes.read_text())["jobs"]
        wait_until(lambda: endpoint.n_forwarded > NEARLY_HALF * job["n_bytes"])
        endpoint.bytes_per_second = HARDLY
        bar = page.get_by_role("progressbar", name="Download", exact=True)
        expect(bar).to_have_attribute("aria-valuenow", re.compile(r"[3-9]\d"), timeout=PATIENCE)
        page.goto("about:blank")
        process.send_signal(how)
        assert process.wait(10) == (0 if how is signal.SIGTERM else -how)
    (job,) = json.loads(notes.read_text())["jobs"]
    assert job["state"] == "running"
    before = endpoint.n_forwarded
    endpoint.bytes_per_second = None
    with explorer(settings, log) as (address, _):
        open_download(page, address)
        expect(state_of(page)).to_have_text("interrupted", timeout=PATIENCE)
        expect(page.get_by_role("progressbar", name="Download", exact=True)).not_to_have_attribute(
            "aria-valuenow", "0", timeout=PATIENCE
        )
        press(page, "Resume")
        expect(state_of(page)).to_have_text("finished", timeout=PATIENCE)
        page.goto("about:blank")
    names = assert_all_right(settings.data_dir, tiny_bucket)
    assert layout.betas("sub-05", "ses-01") in names
    fetched_again = endpoint.n_forwarded - before
    assert fetched_again < 0.8 * sum((settings.data_dir / name).stat().st_size for name in names)
    assert "Traceback" not in log.read_text()
