from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import expect

from laion_fmri.config import load_settings
from laion_fmri.explorer.app import create_app
from laion_fmri.explorer.data import ExplorerData

pytestmark = pytest.mark.browser


def open_discover(page, serve_app, data_dir, bucket):
    data = ExplorerData(load_settings(data_dir=data_dir, bucket=bucket.as_uri()))
    page.goto(serve_app(lambda: create_app(data)))
    page.get_by_role("tab", name="Discover").click()


def test_the_dataset_at_a_glance_and_on_to_the_download(page, serve_app, tmp_path, tiny_bucket):
    open_discover(page, serve_app, tmp_path, tiny_bucket)
    expect(page.get_by_role("button", name="Download sub-07…")).to_be_visible()
    sessions = page.get_by_role("table", name="Sessions of every subject")
    expect(sessions.get_by_role("row")).to_have_count(6)
    expect(sessions.get_by_role("img", name="sub-01, ses-31: held out")).to_be_visible()
    expect(page.get_by_role("img", name="FFA1, sub-01: not here")).to_be_visible()
    expect(page.get_by_role("table", name="Files of the stimuli")).to_contain_text("agreement")

    page.get_by_role("button", name="Download sub-05…").click()
    expect(page.get_by_role("tab", name="Download")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("button", name="sub-05", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_a_bucket_that_does_not_answer_and_then_does(page, serve_app, tmp_path, tiny_bucket):
    mirror = tmp_path / "mirror"
    open_discover(page, serve_app, tmp_path, mirror)
    expect(page.get_by_text("is not a directory")).to_be_visible()
    shutil.copytree(tiny_bucket, mirror)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Download sub-01…")).to_be_visible()
    expect(page.get_by_text("is not a directory")).to_have_count(0)
