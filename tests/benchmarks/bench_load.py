"""Many people at once, and for long: how soon the Trials tab answers, and what memory it takes.

    python tests/benchmarks/bench_load.py [--people 20] [--seconds 30] [--visits 300]

The explorer runs on the demo dataset in a process of its own. People are websockets that speak
as browsers do: each opens the Trials tab at a place of its own, presses Next, waits for the
picture, looks at it for a moment and goes on (budget: median 500 ms, no error). Meanwhile one
more person asks for the slowest there is, again and again, and `/healthz` is asked for. Then
people come and go as they would in half a day; the memory of the server must not grow with them
(budget: 60 kB a visit over the second half). Both halves fit in two minutes or so.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from served import process_of, served
from web_page import WebPage, fetch

BUDGET = 0.5  # seconds
GROWTH = 60_000  # bytes a visit
LOOKED_AT = (0.5, 1.5)  # seconds
PATIENCE = 60.0  # seconds
SHOWN = "view"  # changes in the same message as the picture, also where a picture is repeated
POOLS = ("shared", "sub-01", "sub-03", "sub-05")
SUBJECTS = ("sub-01", "sub-03")


def cpu_of(pid: int) -> float:
    """Seconds that a process has computed."""
    told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> int:
    """Resident bytes of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", text)[1])  # type: ignore[index]


async def open_trials(address: str, trial: int) -> WebPage:
    """A page at a trial, once its picture is there."""
    subject = random.choice(SUBJECTS)
    page = await WebPage(address, keeps=False).open(f"tab=Trials&subject={subject}&trial={trial}")
    await page.until(lambda: page.shows("TrialText", SHOWN), "the first trial", PATIENCE)
    return page


async def step(page: WebPage) -> float:
    """Seconds from a press of Next to another picture."""
    before = page.shows("TrialText", SHOWN)
    begin = time.perf_counter()
    page.press_called("Next")
    await page.until(
        lambda: page.shows("TrialText", SHOWN) not in (None, before), "a trial", PATIENCE
    )
    return time.perf_counter() - begin


async def browse(page: WebPage, end: float, took: list[float], errors: list[str]) -> None:
    """One person, until it is time to go."""
    try:
        while time.monotonic() < end:
            await asyncio.sleep(random.uniform(*LOOKED_AT))
            took.append(await step(page))
    except Exception as error:  # whatever it is, it is what is counted
        errors.append(repr(error))


async def be_slow(page: WebPage, end: float, n_done: list[int]) -> None:
    """Have one split after the other measured, in one pool and the next."""
    fields = {page.models[f]["data"]["id"] for f in page.find(class_name="Select")}
    of_label = {page.models[field].get("label"): field for field in fields}
    while time.monotonic() < end:
        page.change(of_label["Pool"], "value", POOLS[n_done[0] % len(POOLS)])
        await page.quiet(0.5, at_most=10)
        page.change(of_label["Split"], "value", f"random_{n_done[0] % 5}")
        await page.quiet(0.5, at_most=10)
        n_done[0] += 1


async def ask_for_health(address: str, end: float, took: list[float]) -> None:
    """How soon the server turns to somebody."""
    while time.monotonic() < end:
        begin = time.perf_counter()
        await fetch(f"{address}healthz")
        took.append(time.perf_counter() - begin)
        await asyncio.sleep(0.1)


async def everybody(address: str, n_people: int) -> tuple[list[WebPage], list[float]]:
    """Their pages, and how long each took to open."""
    two, took = asyncio.Semaphore(2), []

    async def one() -> WebPage:
        async with two:
            begin = time.perf_counter()
            page = await open_trials(address, random.randrange(100))
            took.append(time.perf_counter() - begin)
            return page

    return await asyncio.gather(*(one() for _ in range(n_people))), took


async def crowd(address: str, n_people: int, seconds: float) -> bool:
    """Everybody at once: by themselves, then with one more whose questions are slow."""
    pages, opened = await everybody(address, n_people)
    print(f"{n_people} people come, two at a time: a page takes {statistics.median(opened):.1f} s")
    slow = await WebPage(address, keeps=False).open("tab=Splits")
    met = [await browse_for(address, pages, seconds / 2, None)]
    met.append(await browse_for(address, pages, seconds / 2, slow))
    for page in (*pages, slow):
        page.close()
    return all(met)


async def browse_for(
    address: str, pages: list[WebPage], seconds: float, slow: WebPage | None
) -> bool:
    """Have everybody browse for a while, and say how it went."""
    took: list[float] = []
    health: list[float] = []
    errors: list[str] = []
    n_slow = [0]
    pid = process_of(address)
    before, end = cpu_of(pid), time.monotonic() + seconds
    work = [browse(page, end, took, errors) for page in pages]
    if slow is not None:
        work.append(be_slow(slow, end, n_slow))
    await asyncio.gather(*work, ask_for_health(address, end, health))
    errors += [problem for page in pages for problem in page.problems]
    median = statistics.median(took) if took else float("inf")
    is_met = median <= BUDGET and not errors
    with_whom = f", one more has {n_slow[0]} splits measured" if slow else ""
    print(f"{len(pages)} people browse for {seconds:.0f} s{with_whom}:")
    print(
        f"  from Next to the picture   {len(took):5d} times   median {1000 * median:5.0f} ms   "
        f"90 % within {1000 * statistics.quantiles(took, n=10)[8]:5.0f} ms   "
        f"slowest {1000 * max(took):5.0f} ms"
    )
    computed = 1000 * (cpu_of(pid) - before) / max(len(took), 1)
    print(f"  /healthz                   {len(health):5d} times   median ", end="")
    print(
        f"{1000 * statistics.median(health):5.0f} ms   the server computes {computed:.0f} ms a step"
    )
    print(f"  errors {len(errors)} {errors[:2] or ''}   budget median 500 ms   ", end="")
    print("met" if is_met else "MISSED")
    return is_met


async def visit(address: str) -> None:
    """Come, look at some trials, go."""
    page = await open_trials(address, random.randrange(100))
    for _ in range(2):
        await step(page)
    page.close()


async def come_and_go(address: str, pid: int, n_visits: int) -> bool:
    """Half a day of visits, some at a time; memory is looked at as they go."""
    few = asyncio.Semaphore(6)
    sizes: list[tuple[int, int]] = []

    async def one() -> None:
        async with few:
            await visit(address)

    step_size = max(n_visits // 10, 1)
    for done in range(step_size, n_visits + 1, step_size):
        await asyncio.gather(*(one() for _ in range(step_size)))
        await sessions_to_end(address)
        sizes.append((done, memory_of(pid)))
        print(f"  after {done:4d} visits {sizes[-1][1] / 1e6:7.1f} MB", flush=True)
    (first, before), (last, after) = sizes[len(sizes) // 2], sizes[-1]
    growth = (after - before) / max(last - first, 1)
    is_met = growth <= GROWTH
    print(f"  growth over the second half {growth / 1000:.1f} kB a visit   budget 60 kB   ", end="")
    print("met" if is_met else "MISSED")
    return is_met


async def sessions_to_end(address: str) -> None:
    """Wait until the server has let go of every page."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        answer = await fetch(f"{address}healthz")
        if b'"pages": 0' in answer.body:
            return
        await asyncio.sleep(0.5)
    print("  pages were not let go of within a minute")


def main() -> int:
    """Both halves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--visits", type=int, default=300)
    options = parser.parse_args()
    random.seed(1)
    two = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, two)  # the server inherits it
    met = []
    with served(["--demo"]) as address:
        pid = process_of(address)
        print(f"on {len(two)} cores, the people among them; at rest {memory_of(pid) / 1e6:.0f} MB")
        if options.people:
            met.append(asyncio.run(crowd(address, options.people, options.seconds)))
            print(f"  the server then takes {memory_of(pid) / 1e6:.0f} MB")
        if options.visits:
            print(f"{options.visits} visits, six at a time:")
            met.append(asyncio.run(come_and_go(address, pid, options.visits)))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
