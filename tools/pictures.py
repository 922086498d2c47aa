"""Take the pictures of the app that README and docs show: of each tab, on the demo.

Usage: python tools/pictures.py FOLDER
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from download_page import choose, press
from headless import launch

CHOICES = '?rois=["face","body","motion","LO1","LO2"]&trial=12&pool=sub-01'
TABS = ("Discover", "Download", "Brain", "Trials", "Splits")
SIZE = {"width": 1400, "height": 900}
BELOW_TABS = {"x": 0, "y": 130, "width": 1400, "height": 770}
CLICKED = (0.72, 0.62)  # of the canvas, from its top left corner
NOWHERE = (700, 30)
LONGEST_DRAWING = 60.0
UNCHANGED_FOR = 3.0


def main(folder: Path) -> None:
    """Save ``discover.png`` … ``splits.png``, and ``scores.png``, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with served_demo() as address, opened_page() as page:
        page.goto(address + CHOICES)
        shown = still_content(page, "first shown")
        for name in TABS:
            tab = page.get_by_role("tab", name=name, exact=True)
            if tab.get_attribute("aria-selected") != "true":
                tab.click()
                shown = still_content(page, name, unlike=shown)
            if name == "Download":
                press(page, "No subjects")
                choose(page, "sub-05", "ses-01", "averages")
                shown = still_content(page, name, unlike=shown)
            if name == "Brain":
                click_cortex(page)
                shown = still_content(page, name, unlike=shown)
            save(page, folder / f"{name.lower()}.png")
        show_scores(page)
        still_content(page, "Score", unlike=shown)
        save(page, folder / "scores.png")


def save(page: Page, path: Path) -> None:
    """Take a picture of what the window shows."""
    page.mouse.move(*NOWHERE)  # nothing is drawn as if it were about to be pressed
    page.screenshot(path=path)
    print(path)


def click_cortex(page: Page) -> None:
    """Ask what is at a place of the visual cortex, seen from the left."""
    canvas = page.locator('[data-state="ready"] canvas').first
    box = canvas.bounding_box()
    assert box is not None
    x, y = CLICKED
    canvas.click(position={"x": x * box["width"], "y": y * box["height"]})


def show_scores(page: Page) -> None:
    """Score the split in the Splits tab, and move to the scores."""
    button = page.get_by_role("button", name="Score", exact=True)
    expect(button).to_be_enabled(timeout=1000 * LONGEST_DRAWING)
    button.click()
    expect(page.get_by_role("table", name="Scores")).to_be_visible(timeout=1000 * LONGEST_DRAWING)
    heading = page.get_by_role("heading", name="Score", exact=True)
    heading.evaluate(
        "element => { element.style.scrollMarginTop = '90px'; element.scrollIntoView() }"
    )


@contextmanager
def served_demo() -> Iterator[str]:
    """The address of the explorer, served on the demo dataset by the installed command."""
    command = [sys.executable, "-m", "laion_fmri", "explore", "--demo", "--no-browser"]
    # The page shows where the demo is: not in the home of whoever takes the pictures.
    environment = {**os.environ, "XDG_CACHE_HOME": tempfile.gettempdir()}
    server = subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert server.stdout is not None
    try:
        for line in server.stdout:
            found = re.search(r"http://[^/\s]+/", line)
            if found:
                yield found.group()
                return
        sys.exit("The explorer stopped before it was served.")
    finally:
        server.terminate()
        server.wait(10)


@contextmanager
def opened_page() -> Iterator[Page]:
    """A page in the light theme; an error in its console ends the script."""
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        browser.close()
    if errors:
        sys.exit("Errors in the page:\n" + "\n".join(errors))


def still_content(page: Page, name: str, unlike: bytes = b"") -> bytes:
    """What is below the strip of tabs once it has stopped changing; not `unlike`."""
    deadline = time.monotonic() + LONGEST_DRAWING
    shown, since = b"", time.monotonic()
    while time.monotonic() < deadline:
        latest = page.screenshot(clip=BELOW_TABS)
        if latest != shown:
            shown, since = latest, time.monotonic()
        elif shown != unlike and time.monotonic() - since > UNCHANGED_FOR:
            return shown
        page.wait_for_timeout(200)
    sys.exit(f"The tab {name} did not appear, or kept changing, for {LONGEST_DRAWING:.0f} s.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
