"""What a browser says of itself."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from laion_fmri import browser
from laion_fmri.browser import BrowserFeatures, ask_browser, find_browser


def test_the_browser_of_the_tests_has_what_the_explorer_needs():
    shell = shutil.which("chromium-headless-shell")  # that of the browser tests
    command = os.environ.get("CHROMIUM") or find_browser() or shell
    if command is None:
        pytest.skip("no Chromium on PATH")
    found = ask_browser(command)
    assert found is not None and not found.missing
    assert "Chrom" in found.name


def test_what_is_missing_is_named():
    found = BrowserFeatures("Old 1.0", webgl2=False, modules=True, websocket=False)
    assert found.missing == ["WebGL 2", "WebSockets"]
    assert BrowserFeatures("A", True, True, True, "ANGLE (SwiftShader)").draws_in_software


def test_a_browser_that_says_nothing_is_no_answer(tmp_path):
    assert ask_browser(shutil.which("true") or sys.executable) is None
    assert ask_browser(str(tmp_path / "nowhere")) is None


def test_the_first_on_the_path_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_browser() is None
    program = tmp_path / browser.NAMES[1]
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_browser() == str(program)
