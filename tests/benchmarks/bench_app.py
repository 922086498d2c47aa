"""How long the explorer takes, measured in the browser on the demo dataset.

    python tests/benchmarks/bench_app.py [--rounds 5]

From the address to a drawn brain (budget 2 s), and from a click to its new view (budget:
median 200 ms). Budgets are for a quiet machine; a WebGL in software draws slowly.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from headless import launch

DRAWN = '.view[data-state="ready"]'


@contextmanager
def explorer() -> Iterator[str]:
    """The explorer on the demo, and its address."""
    command = [sys.executable, "-m", "laion_fmri", "explore", "--demo", "--no-browser"]
    process = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "http://" in line)
        yield "http://" + line.split("http://")[1].split()[0]
    finally:
        process.terminate()
        process.wait(10)


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action took."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def report(what: str, seconds: list[float], budget: float) -> None:
    """One line: median, slowest, budget."""
    median = statistics.median(seconds)
    print(
        f"{what:<44} median {1000 * median:7.0f} ms   slowest {1000 * max(seconds):7.0f} ms   "
        f"budget {1000 * budget:.0f} ms   {'met' if median <= budget else 'MISSED'}"
    )


def first_views(browser: Browser, address: str, rounds: int) -> list[float]:
    """From the address to a drawn brain, each in a fresh browser profile."""
    seconds = []
    for _ in range(rounds):
        page = browser.new_page(viewport={"width": 1400, "height": 900})

        def open_page(page: Page = page) -> None:
            page.goto(address)
            page.wait_for_selector(DRAWN, timeout=60_000)

        seconds.append(timed(open_page))
        page.close()
    return seconds


def map_changes(page: Page, rounds: int) -> list[float]:
    """From choosing a map to that map being drawn."""
    names = ["Noise ceiling, 4 repeats", "Noise ceiling, 12 repeats"]
    seconds = []
    for turn in range(2 * rounds):
        name = names[turn % 2]
        page.get_by_role("combobox", name="Map", exact=True).click()
        option = page.get_by_role("listbox").get_by_text(name, exact=True)
        option.wait_for()
        page.wait_for_timeout(500)  # the menu has unfolded: its animation is not ours to time

        def choose(option=option, name: str = name) -> None:
            option.click()
            page.wait_for_selector(f'{DRAWN}[data-map="{name}"]')

        seconds.append(timed(choose))
    return seconds[2:]  # each map is sampled once


# Timed in the page: Playwright looks at most every 100 ms whether an attribute has changed. None if
# the next trial shows the same image.
_STEP = """(picture, button) => new Promise((resolve) => {
  const started = performance.now()
  new MutationObserver((_, observer) => {
    observer.disconnect()
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - started)))
  }).observe(picture, { attributeFilter: ["data-picture"] })
  setTimeout(() => resolve(null), 5000)
  button.click()
})"""


def trial_steps(page: Page, rounds: int) -> list[float]:
    """From a click on "Next" to the next trial's image."""
    page.get_by_role("tab", name="Trials").click()
    picture = page.locator("[data-picture]").filter(visible=True).first
    expect(picture).not_to_have_attribute("data-picture", "", timeout=60_000)
    button = page.get_by_role("button", name="Next", exact=True).element_handle()
    seconds = []
    for _ in range(2 * rounds):
        milliseconds = picture.evaluate(_STEP, button)
        if milliseconds is not None:
            seconds.append(milliseconds / 1000)
        page.wait_for_timeout(1500)  # the rest of the trial arrives
    return seconds


def main() -> None:
    """Run every measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with explorer() as address, sync_playwright() as playwright:
        browser = launch(playwright)
        report("address to drawn brain", first_views(browser, address, rounds), 2)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(address)
        page.wait_for_selector(DRAWN, timeout=60_000)
        report("another map on the brain", map_changes(page, rounds), 0.2)
        report("next trial", trial_steps(page, rounds), 0.2)
        browser.close()


if __name__ == "__main__":
    main()
