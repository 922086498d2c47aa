"""The whole app as a person starts it: the command, the page, every tab, a clean log."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from contrast import faint_text
from early_plots import measure_before_layout
from layout_faults import faults_at_every_width
from playwright.sync_api import Page, expect

from laion_fmri.explorer.app import create_app
from laion_fmri.explorer.data import ExplorerData

pytestmark = pytest.mark.browser
PATIENCE = 90_000
SHELL = re.compile(r"laion-fmri \w")  # a command, not the name of the dataset
DARK = "rgb(18, 18, 18)"
ROOT = Path(__file__).parents[2]

FIRST_SIGHT = {
    "Discover": "sub-03",
    "Download": "Subject",
    "Brain": "Noise ceiling, 12 repeats",
    "Trials": "Trial",
    "Splits": "random_0",
}


@contextmanager
def running(
    page: Page, command: list[str], environment: dict[str, str], log: Path
) -> Iterator[None]:
    """A server process; `page` has left it and `log` holds what it wrote when it has ended."""
    with log.open("w") as out:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            page.goto("about:blank")
            process.terminate()
            process.wait(20)


def free_port() -> int:
    from laion_fmri.explorer.server.serve import require_free_port

    return require_free_port(0)


def go(page: Page, port: int, query: str = "") -> None:
    from urllib.error import URLError
    from urllib.request import urlopen

    address = f"http://127.0.0.1:{port}/"
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        try:
            urlopen(address.rstrip("/") + "/favicon.ico", timeout=5).close()
            break
        except URLError as error:
            if getattr(error, "code", None):  # it answers, if with a refusal
                break
            page.wait_for_timeout(100)
    page.goto(address + query)


@pytest.fixture
def environment(tiny_home) -> dict[str, str]:
    settings = tiny_home.settings
    return {"LAION_FMRI_DATA_DIR": str(settings.data_dir), "LAION_FMRI_BUCKET": settings.bucket}


def test_every_tab_shows_something_and_the_log_stays_clean(page, environment, tmp_path):
    port, log = free_port(), tmp_path / "server.log"
    command = [sys.executable, "-m", "laion_fmri", "explore", "--no-browser", "--port", str(port)]
    with running(page, command, environment, log):
        go(page, port)
        expect(page.locator('[data-state="ready"]')).to_be_visible(timeout=PATIENCE)
        for tab, text in FIRST_SIGHT.items():
            page.get_by_role("tab", name=tab).click()
            shown = page.get_by_text(text).filter(visible=True).first
            expect(shown).to_be_visible(timeout=PATIENCE)
        assert measure_before_layout(page) > 0
        page.get_by_role("tab", name="Brain").click()
        expect(page.locator('[data-state="ready"]')).to_be_visible(timeout=PATIENCE)
    assert log.read_text().splitlines() == [
        f"The explorer is at http://127.0.0.1:{port}/ (Ctrl-C stops it)."
    ]


def test_panel_serve_shows_the_same_app(page, environment, tmp_path):
    port, log = free_port(), tmp_path / "server.log"
    command = [sys.executable, "-m", "panel", "serve", str(ROOT / "apps" / "explorer.py")]
    with running(page, [*command, "--port", str(port), "--index", "explorer"], environment, log):
        go(page, port, "explorer?tab=Brain&subject=sub-03")
        expect(page.locator('[data-state="ready"]')).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_role("combobox", name="Subject").filter(visible=True)).to_contain_text(
            "sub-03"
        )
    assert "ERROR" not in log.read_text()


def test_without_a_data_directory_the_page_says_what_to_do(page, tmp_path):
    port, log = free_port(), tmp_path / "server.log"
    environment = {"LAION_FMRI_BUCKET": (tmp_path / "nowhere").as_uri()}
    command = [sys.executable, "-m", "laion_fmri", "explore", "--no-browser", "--port", str(port)]
    with running(page, command, environment, log):
        go(page, port)
        for tab in FIRST_SIGHT:
            page.get_by_role("tab", name=tab).click()
            expect(page.get_by_role("alert").filter(visible=True).first).to_be_visible(
                timeout=PATIENCE
            )
    assert "Traceback" not in log.read_text()


def test_both_themes_and_every_width_show_all_text_and_controls(page, serve_app, tiny_home):
    """No text overlaps or is faint, no control is out of reach; the theme stays as chosen."""
    data = ExplorerData(tiny_home.settings)
    address = serve_app(lambda: create_app(data)) + "?tab=Discover&subject=sub-01"
    page.emulate_media(color_scheme="dark")
    page.goto(address)
    expect(page.locator("body")).to_have_css("background-color", DARK)
    found = []
    for tab, text in FIRST_SIGHT.items():
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_text(text).filter(visible=True).first).to_be_visible()
        if tab == "Trials":
            expect(page.get_by_label("Nearest images").get_by_role("button").first).to_be_visible()
        found += [f"dark {tab}: {text}" for text in faint_text(page)]

    page.emulate_media(color_scheme="light")
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    for tab in FIRST_SIGHT:
        page.get_by_role("tab", name=tab).click()
        if tab == "Download":
            page.get_by_role("button", name="ses-01").click()
            expect(page.get_by_text("Free space after")).to_be_visible()
        if tab == "Trials":
            page.get_by_role("button", name="Marked trials and selections").click()
            expect(page.get_by_text("No trial is marked.")).to_be_visible()
        found += [f"light {tab}: {text}" for text in faint_text(page)]
        found += [f"{tab} at {fault}" for fault in faults_at_every_width(page)]
    page.get_by_role("tab", name="Discover").click()
    page.get_by_role("button", name="Files", exact=True).click()
    expect(page.get_by_role("grid", name="Files of the bucket")).to_be_visible()
    found += [f"Files at {fault}" for fault in faults_at_every_width(page)]
    assert found == []

    page.get_by_role("button", name="Toggle theme").click()
    expect(page.locator("body")).to_have_css("background-color", DARK)
    page.reload()
    expect(page.get_by_role("tab", name="Discover")).to_be_visible()
    expect(page.locator("body")).to_have_css("background-color", DARK)


def test_from_an_empty_home_to_something_to_look_at(page, tmp_path, tiny_bucket):
    port, log, data_dir = free_port(), tmp_path / "server.log", tmp_path / "data"
    command = [sys.executable, "-m", "laion_fmri", "explore", "--no-browser", "--port", str(port)]
    with running(page, command, {"LAION_FMRI_BUCKET": tiny_bucket.as_uri()}, log):
        go(page, port)
        discover = page.get_by_role("tab", name="Discover")
        expect(discover).to_have_attribute("aria-selected", "true", timeout=PATIENCE)
        expect(page.get_by_text("LAION-fMRI holds the responses")).to_be_visible(timeout=PATIENCE)
        for tab in ("Trials", "Splits", "Brain", "Discover"):
            page.get_by_role("tab", name=tab).click()
            shown = page.get_by_label("Data folder").filter(visible=True)
            expect(shown).to_have_count(1, timeout=PATIENCE)
            what = "CLIP embeddings" if tab == "Splits" else "Brain mask"
            fetch = page.get_by_role("button", name=f"Fetch {what}").filter(visible=True)
            expect(fetch).to_be_disabled(timeout=PATIENCE)
            expect(page.get_by_text("Demo data: nothing here was measured")).to_be_visible()
            expect(page.get_by_text(SHELL).filter(visible=True)).to_have_count(0)
        # The tab before is there until the server has shown this one.
        expect(page.get_by_text("LAION-fMRI holds the responses")).to_be_visible(timeout=PATIENCE)
        field = page.get_by_label("Data folder").filter(visible=True)
        expect(field).to_have_count(1, timeout=PATIENCE)
        field.fill(str(data_dir))
        page.get_by_role("button", name="Use this folder").filter(visible=True).click()
        page.get_by_role("button", name="Download all of this").filter(visible=True).click()
        page.get_by_role("button", name="Accept the licence").click()
        expect(page.get_by_text("sub-01 is downloaded and ready")).to_be_visible(timeout=PATIENCE)
        page.get_by_role("button", name="Look at Brain").click()
        expect(page.locator('[data-state="ready"]')).to_be_visible(timeout=PATIENCE)
        page.get_by_role("tab", name="Trials").click()
        expect(page.get_by_role("region", name="Captions")).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_role("button", name="Fetch Brain mask")).to_have_count(0)
    assert (data_dir / "stimuli").is_dir()
    assert "Traceback" not in log.read_text()


def test_back_and_forward_restore_the_tab_and_the_choices(page, serve_app, tiny_home):
    data = ExplorerData(tiny_home.settings)
    page.goto(serve_app(lambda: create_app(data)) + "?tab=Trials&subject=sub-01")
    number, discover = page.get_by_label("Trial", exact=True), page.get_by_role("tab").first
    files = page.get_by_role("grid", name="Files of the bucket")
    page.get_by_role("grid", name="Trials").locator('tr[data-place="3"] td').nth(2).click()
    expect(page).to_have_url(re.compile(r"trial=3\b"))
    discover.click()
    expect(page).to_have_url(re.compile("tab=Discover"))
    page.get_by_role("button", name="Files", exact=True).click()
    expect(page).to_have_url(re.compile("discover=Files"))
    expect(files).to_be_visible()

    page.go_back()
    expect(files).to_be_hidden()
    page.go_back()
    expect(number).to_have_value("3")
    expect(page.get_by_role("tab", name="Trials")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(number).to_have_value("0")
    for _ in range(3):
        page.go_forward()
    expect(discover).to_have_attribute("aria-selected", "true")
    expect(files).to_be_visible()
    page.reload()
    expect(files).to_be_visible()
