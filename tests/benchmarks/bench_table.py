"""The explorer's table against Panel's Tabulator, with 100,000 files, measured in the browser.

    python tests/benchmarks/bench_table.py [--rows 100000] [--rounds 5]

The same files are shown by the table of the explorer and by a Tabulator with remote pages of 50
rows; Panel does not let a Tabulator of that length scroll. Each round opens a new page.
"First rows" is from the request to the frame that shows them; "middle" from the jump to the frame
that shows the row there; "bytes" are those of the page, its scripts and its websocket; "heap" is
the JavaScript memory after garbage collection, "nodes" the elements of the page.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from headless import launch
from in_page import STOPWATCH

PATIENCE = 120_000  # milliseconds
SERVE = """
import sys
import pandas as pd
import panel as pn
from laion_fmri.bucket import BucketObject
from laion_fmri.explorer.widgets.table import Column, Row, Table
from laion_fmri.file_table import FileFilter, FileTable

n_rows = int(sys.argv[1])
made = FileTable(
    BucketObject(f"sub-01/ses-{i % 30:02d}/func/f{i:06d}_bold.nii.gz", i, "e")
    for i in range(n_rows)
)
frame = made.to_frame(made.find(FileFilter(), "size").rows)
cells = frame.astype(str).to_numpy().tolist()
options = {"sizing_mode": "stretch_width", "height": 520}

def table():
    view = Table(
        [Column(name, name) for name in frame],
        lambda first, stop: [Row(row) for row in cells[first:stop]],
        "Files", on_open=print, on_check=print, **options,
    )
    view.set_rows(n_rows)
    return view

def paged():
    return pn.widgets.Tabulator(
        frame, pagination="remote", page_size=50, disabled=True, selectable="checkbox", **options
    )

pn.extension("tabulator")
pn.serve({"table": table, "paged": paged}, port=0, show=False)
"""
TO_THE_MIDDLE = {
    "table": "() => { const e = query('.grid'); e.scrollTop = e.scrollHeight / 2 }",
    "paged": """() => {
        const models = [...Bokeh.documents[0]._all_models.values()]
        models.find((model) => model.type.endsWith("DataTabulator")).page = %d
    }""",
}
ROW = {"table": "td", "paged": ".tabulator-cell"}
NAMES = {"table": "table of the explorer", "paged": "Tabulator, remote pages"}
# An element in sight whose text names this row.
SHOWS = """(name) => {
  const search = (root) => [...root.querySelectorAll(%r)].some((cell) => {
    const box = cell.textContent.includes(name) && cell.getBoundingClientRect()
    return box && box.height > 0 && box.top >= 0 && box.top < innerHeight
  }) || [...root.querySelectorAll("*")].some((node) => node.shadowRoot && search(node.shadowRoot))
  return search(document)
}"""


@contextmanager
def served(n_rows: int) -> Iterator[str]:
    """The address of a server with a page for each table."""
    command = [sys.executable, "-c", SERVE, str(n_rows)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1] + "/"  # "Launching server at …"
    finally:
        process.terminate()
        process.wait(10)


def measure(browser: Browser, address: str, kind: str, n_rows: int) -> dict[str, float]:
    """One page: seconds, bytes, bytes of memory and elements."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    received = {"bytes": 0}

    def add(payload: str | bytes) -> None:
        received["bytes"] += len(payload)

    page.on("websocket", lambda socket: socket.on("framereceived", add))
    page.goto(f"{address}{kind}", wait_until="commit")
    shows = SHOWS % ROW[kind]
    page.wait_for_function(shows, arg="f000000", timeout=PATIENCE, polling="raf")
    first = page.evaluate("performance.now()")
    page.wait_for_load_state("load")
    page.evaluate(STOPWATCH)
    jump = TO_THE_MIDDLE[kind]
    middle = page.evaluate(
        f"() => timed({jump % (n_rows // 2 // 50 + 1) if '%d' in jump else jump}, "
        f"() => ({shows})('f{n_rows // 2:06d}'))"
    )
    found = {"first rows": first / 1000, "middle": middle / 1000, **memory(page)}
    sizes = page.evaluate(
        "[...performance.getEntriesByType('navigation'), "
        "...performance.getEntriesByType('resource')]"
        ".reduce((sum, entry) => sum + entry.encodedBodySize, 0)"
    )
    context.close()
    return {**found, "bytes": sizes + received["bytes"]}


def memory(page: Page) -> dict[str, float]:
    """The memory of the page once garbage is collected."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    return {"heap": metrics["JSHeapUsedSize"], "nodes": metrics["Nodes"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    print(f"{args.rows:,} rows, medians of {args.rounds} pages")
    with served(args.rows) as address, sync_playwright() as playwright:
        browser = launch(playwright)
        for kind, name in NAMES.items():
            rounds = [measure(browser, address, kind, args.rows) for _ in range(args.rounds)]
            median = {what: statistics.median(r[what] for r in rounds) for what in rounds[0]}
            print(
                f"{name:<26} first rows {median['first rows']:6.2f} s   "
                f"middle {1000 * median['middle']:6.0f} ms   "
                f"bytes {median['bytes'] / 1e6:6.2f} MB   "
                f"heap {median['heap'] / 1e6:6.1f} MB   nodes {median['nodes']:6,.0f}"
            )
        browser.close()


if __name__ == "__main__":
    main()
