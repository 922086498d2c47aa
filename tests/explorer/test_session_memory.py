"""Nothing of a page outlives it in the server's memory."""

from __future__ import annotations

import asyncio
import gc
import json
import time
import weakref

import panel as pn
from web_page import WebPage, fetch

from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.visitor import Policy
from laion_fmri.explorer.server.options import Login, ServingOptions
from laion_fmri.explorer.server.serve import Pages, require_free_port, serve_options
from laion_fmri.explorer.tabs import Explorer
from laion_fmri.explorer.widgets.copy_code import CodeBlock

TABS = ("Discover", "Download", "Brain", "Trials", "Splits")


def test_pages_are_forgotten_when_they_were_left(tiny_home):
    before = weakref.WeakSet(_parts())  # what other tests have left is theirs
    seen: weakref.WeakSet = weakref.WeakSet()
    n_parts: list[int] = []  # of each page
    data, options = ExplorerData(tiny_home.settings), ServingOptions(port=require_free_port(0))
    pages = Pages(data, Policy())

    def page():
        made = pages.open()
        own = [one for one in _parts() if one not in before]
        n_parts.append(len(own))
        seen.update(own)
        return made

    serving = serve_options(options, Login(), options.port)
    serving["unused_session_lifetime_milliseconds"] = 2000
    serving["check_unused_sessions_milliseconds"] = 200
    running = pn.serve({"/": page}, threaded=True, show=False, **serving)
    try:
        for tab in TABS:
            asyncio.run(_visit(f"http://127.0.0.1:{options.port}/", tab))
    finally:
        running.stop()
        running.join(10)
    assert len(n_parts) >= len(TABS) and min(n_parts) >= 1 and max(n_parts) > 1
    for _ in range(20):  # what a thread is still at keeps the page until it is done
        gc.unfreeze()
        gc.collect()
        if not len(seen):
            return
        time.sleep(1)
    raise AssertionError([type(one).__name__ for one in seen])


def _parts() -> list[Explorer | CodeBlock]:
    """What pages are made of, by type: to ask a weak proxy for its class may raise."""
    return [o for o in gc.get_objects() if issubclass(type(o), (Explorer, CodeBlock))]


async def _visit(address: str, tab: str) -> None:
    for _ in range(100):
        try:
            await fetch(f"{address}healthz")
            break
        except OSError:
            await asyncio.sleep(0.1)
    before = json.loads((await fetch(f"{address}healthz")).body)["pages"]
    page = await WebPage(address, keeps=False).open(f"tab={tab}&subject=sub-01")
    page.close()
    for _ in range(300):
        if json.loads((await fetch(f"{address}healthz")).body)["pages"] == before:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("The session did not end")
