"""How long a click on the Download tab takes to be answered while 1 GB moves.

    python tests/benchmarks/bench_download_page.py [--gigabytes 1] [--rounds 3]

nginx serves the object as an S3 bucket, the explorer runs in a process of its own and a real
browser clicks. From a click on a choice to the new plan on screen (budget: median 300 ms), beside
the same clicks while nothing moves. Writes as many gigabytes to a temporary folder.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from playwright.sync_api import Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from download_page import PATIENCE, choose, open_download, press, state_of
from headless import launch
from nginx import find_nginx, serve_bucket

from laion_fmri import access, layout

BUDGET = 0.3  # seconds
SUBJECT, SESSION = "sub-05", "ses-01"


def make_bucket(root: Path, n_bytes: int) -> Path:
    """A bucket of one subject whose betas are this large."""
    keys = [
        layout.trials(SUBJECT, SESSION),
        layout.session_noise_ceiling(SUBJECT, SESSION),
        layout.mean_rsquare(SUBJECT),
        layout.subject_noise_ceiling(SUBJECT, "Noiseceiling12rep"),
        layout.roi_volume(SUBJECT, "face", "FFA-1"),
        layout.CAPTIONS,
    ]
    for key in keys:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(1000))
    with (root / layout.betas(SUBJECT, SESSION)).open("wb") as file:
        block = os.urandom(1 << 24)
        for _ in range(n_bytes >> 24):
            file.write(block)
    return root


@contextmanager
def explorer(settings: dict[str, str]) -> Iterator[str]:
    """The explorer on these settings, and its address."""
    command = [sys.executable, "-m", "laion_fmri", "explore", "--no-browser", "--port", "0"]
    environment = {**os.environ, **settings}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "http://" in line)
        time.sleep(1)  # it says so just before it listens
        yield "http://" + line.split("http://")[1].split()[0].rstrip("/") + "/"
    finally:
        process.terminate()
        process.wait(10)


def one_click(page: Page, is_on: bool) -> float:
    """Seconds from a click on "Captions" to the code of the new plan."""
    box = page.get_by_label("Captions", exact=True)
    begin = time.perf_counter()
    box.evaluate("box => box.click()")  # the mouse's way to it is not ours to time
    state = "attached" if is_on else "detached"
    page.wait_for_selector('pre:has-text("download_captions")', state=state, timeout=PATIENCE)
    return time.perf_counter() - begin


def clicks_while(page: Page, goes_on, at_most: int) -> list[float]:
    """Click on and off as long as something goes on."""
    seconds: list[float] = []
    while len(seconds) < at_most:
        seconds.append(one_click(page, is_on=len(seconds) % 2 == 0))
        if not goes_on():
            break
    if len(seconds) % 2:
        one_click(page, is_on=False)
    return seconds


class Pinger:
    """Asks the server for next to nothing, again and again: how soon it turns to a page.

    Parameters
    ----------
    address : str
    """

    def __init__(self, address: str) -> None:
        self.seconds: list[float] = []
        self._address, self._is_over = f"{address}favicon.ico", threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Pinger:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._is_over.wait(0.05):
            begin = time.perf_counter()
            with contextlib.suppress(HTTPError), urlopen(self._address) as answer:
                answer.read()
            self.seconds.append(time.perf_counter() - begin)


def report(what: str, seconds: list[float], budget: float | None) -> None:
    """One line."""
    median = statistics.median(seconds)
    verdict = "" if budget is None else f"   budget {1000 * budget:.0f} ms   "
    if budget is not None:
        verdict += "met" if median <= budget else "MISSED"
    print(
        f"{what:<36} {len(seconds):4d} times   median {1000 * median:5.0f} ms   "
        f"slowest {1000 * max(seconds):5.0f} ms{verdict}"
    )


def measure(page: Page, address: str, data_dir: Path, rounds: int) -> None:
    """Clicks while nothing moves, then while the object moves, again and again."""
    choose(page, SUBJECT, SESSION)
    expect(page.locator("pre", has_text=SESSION).first).to_be_attached(timeout=PATIENCE)
    with Pinger(address) as pinger:
        idle = clicks_while(page, lambda: True, at_most=12)
    report("a click while nothing moves", idle[2:], None)
    report("the server's answer", pinger.seconds, None)
    busy: list[float] = []
    answers: list[float] = []
    moved = 0.0
    for _ in range(rounds):
        for path in (data_dir / "derivatives").rglob("*SingletrialBetas_statmap*"):
            path.unlink()
        page.reload()
        choose(page, SUBJECT, SESSION)
        begin = time.perf_counter()
        press(page, "Download")
        state = page.locator(".state.running")
        expect(state).to_be_visible(timeout=PATIENCE)
        with Pinger(address) as pinger:
            busy += clicks_while(page, lambda state=state: state.count() > 0, at_most=200)
        answers += pinger.seconds
        expect(state_of(page)).to_have_text("finished", timeout=600_000)
        moved += time.perf_counter() - begin
    report("a click while the object moves", busy, BUDGET)
    report("the server's answer", answers, None)
    print(f"{'one download, clicks and all':<36} {moved / rounds:.1f} s")


def main() -> None:
    """Run every measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if find_nginx() is None:
        sys.exit("This benchmark needs nginx on PATH (Debian: apt-get install nginx-light).")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder)
        data_dir, work = root / "data", root / "work"
        for path in (data_dir, work, root / "bench"):
            path.mkdir()
        make_bucket(root / "bench", int(options.gigabytes * 1e9))
        access.accept_license(data_dir)
        with serve_bucket(root / "bench", work) as bucket:
            settings = {
                "LAION_FMRI_DATA_DIR": str(data_dir),
                "LAION_FMRI_BUCKET": bucket.uri,
                "LAION_FMRI_ENDPOINT_URL": str(bucket.endpoint_url),
            }
            with explorer(settings) as address:
                browser = launch(playwright)
                page = browser.new_page(viewport={"width": 1400, "height": 900})
                open_download(page, address)
                measure(page, address, data_dir, options.rounds)
                browser.close()


if __name__ == "__main__":
    main()
