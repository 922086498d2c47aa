from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from throttled_bucket import STEP, ThrottledBucket, wait_until

from laion_fmri import layout
from laion_fmri.config import load_settings
from laion_fmri.explorer.app import create_app
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.jobs import shared_queue

pytestmark = pytest.mark.browser


class SlowData(ExplorerData):
    """On a bucket that gives its bytes when it is told to."""

    def bucket(self) -> ThrottledBucket:
        return self.slow

    def __init__(self, settings, slow) -> None:
        super().__init__(settings)
        self.slow = slow


@pytest.fixture
def data_dir(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    return path


def open_download(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("tab", name="Download").click()
    expect(page.get_by_role("button", name="sub-05", exact=True)).to_be_visible()


def choose(page: Page, *names: str) -> None:
    for name in names:
        button = page.get_by_role("button", name=name, exact=True)
        expect(button).to_be_enabled()
        if button.get_attribute("aria-pressed") != "true":
            button.click()


def assert_fetched(data_dir, bucket, keys):
    for key in keys:
        assert layout.local_path(data_dir, key).read_bytes() == (bucket / key).read_bytes()


KEYS = (
    layout.betas("sub-05", "ses-01"),
    layout.trials("sub-05", "ses-01"),
    layout.session_noise_ceiling("sub-05", "ses-01"),
)


def test_choose_a_session_see_the_plan_and_get_exactly_that(page, serve_app, data_dir, tiny_bucket):
    data = ExplorerData(load_settings(data_dir=data_dir, bucket=tiny_bucket.as_uri()))
    open_download(page, serve_app(lambda: create_app(data)))
    choose(page, "sub-05", "ses-01")
    plan = page.get_by_role("table", name="Files of the plan")
    expect(plan).to_contain_text("not here")
    page.get_by_role("button", name="Accept the licence").click()
    page.get_by_role("button", name="Download", exact=True).click()
    expect(page.get_by_role("status").last).to_have_text("finished")
    expect(page.get_by_text("Nothing to do")).to_be_visible()
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_disabled()
    assert_fetched(data_dir, tiny_bucket, KEYS)
    assert not list(data_dir.rglob("*ses-02*"))
    assert not list(data_dir.rglob("*.part"))

    page.get_by_role("tab", name="Discover").click()
    expect(page.get_by_role("img", name="FFA1, sub-05: here")).to_be_visible()


def test_reload_keeps_the_job_and_cancel_leaves_what_can_be_resumed(
    page, serve_app, data_dir, tiny_bucket
):
    slow = ThrottledBucket(tiny_bucket)
    data = SlowData(load_settings(data_dir=data_dir, bucket=tiny_bucket.as_uri()), slow)
    address = serve_app(lambda: create_app(data))
    queue = shared_queue(data_dir)
    try:
        open_download(page, address)
        choose(page, "sub-05", "ses-01", "Accept the licence", "Download")
        expect(page.get_by_role("status").last).to_have_text("running")
        slow.allow(20)
        wait_until(lambda: queue.jobs()[0].bytes_done > 5 * STEP)
        bar = page.get_by_role("progressbar", name="Download", exact=True)
        expect(bar).to_be_visible()

        page.reload()
        expect(page.get_by_role("status").last).to_have_text("running")
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("status").last).to_have_text("cancelling")
        slow.allow(10)
        expect(page.get_by_role("status").last).to_have_text("cancelled")
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        assert list(data_dir.rglob("*.part"))

        slow.open_wide()
        choose(page, "sub-05", "ses-01", "Download")
        expect(page.get_by_role("status").last).to_have_text("finished")
    finally:
        slow.open_wide()
    assert_fetched(data_dir, tiny_bucket, KEYS)
    assert not list(data_dir.rglob("*.part"))


def test_the_code_is_copied_as_it_is(page, serve_app, data_dir, tiny_bucket):
    data = ExplorerData(load_settings(data_dir=data_dir, bucket=tiny_bucket.as_uri()))
    address = serve_app(lambda: create_app(data))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_download(page, address)
    choose(page, "sub-05", "ses-01", "Copy Python")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("import os\n\nos.environ")
    assert 'download(\n    "sub-05",\n    ses="ses-01",' in copied
