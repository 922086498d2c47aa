"""The whole app as a person starts it: the command, the page, every tab, a clean log."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from early_plots import measure_before_layout
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
PATIENCE = 90_000
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
    from laion_fmri.explorer.server import require_free_port

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
