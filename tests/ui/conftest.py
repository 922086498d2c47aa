"""A real browser, and Panel apps served to it on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlparse

import pytest
from headless import launch
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

# A page is put together without OpenGL: drawn in software, that takes half of a processor. What
# WebGL has drawn is then read back, and this browser says so of itself; no script of ours reads.
WITHOUT_LAYERS = "--disable-gpu-compositing"
READS_BACK = "GL Driver Message (OpenGL, Performance, GL_CLOSE_PATH_NV, High): GPU stall"
PATIENCE = 60_000  # ms
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1", None}


@pytest.fixture(scope="session", autouse=True)
def _patience() -> None:
    """What a page is expected to show may take its time on a machine that is busy."""
    expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright, WITHOUT_LAYERS)
        yield browser
        browser.close()


@pytest.fixture
def serve_app() -> Iterator[Callable[..., str]]:
    """Serve an app factory on a free port from a background thread; returns its address."""
    with ExitStack() as servers:

        def serve(factory: Callable[[], Any], **options: Any) -> str:
            return servers.enter_context(_Served(factory, options))

        yield serve


@pytest.fixture
def page(browser: Browser, serve_app: Callable[..., str]) -> Iterator[Page]:
    """A fresh page; console errors, page errors and requests that leave the machine fail.

    It is left before what `serve_app` serves ends: a page whose server is gone says so.
    """
    problems: list[str] = []

    def watch_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and READS_BACK not in message.text:
            problems.append(f"console: {message.text}")

    def watch_request(request: Request) -> None:
        if urlparse(request.url).hostname not in LOCAL_HOSTS:
            problems.append(f"request left the machine: {request.url}")

    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("console", watch_console)
    page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
    page.on("request", watch_request)
    yield page
    context.close()
    assert not problems, "\n".join(problems)


class _Served:
    def __init__(self, factory: Callable[[], Any], options: dict[str, Any]) -> None:
        self.factory, self.options = factory, options

    def __enter__(self) -> str:
        import panel as pn

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.server = pn.serve(
            self.factory,
            port=port,
            address="127.0.0.1",
            websocket_origin=f"127.0.0.1:{port}",
            threaded=True,
            show=False,
            verbose=False,
            **self.options,
        )
        _wait_for(port)
        return f"http://127.0.0.1:{port}{self.options.get('prefix', '')}/"

    def __exit__(self, *_: object) -> None:
        self.server.stop()
        self.server.join(5)


def _wait_for(port: int, seconds: float = 20) -> None:
    started = threading.Event()
    deadline = threading.Timer(seconds, started.set)
    deadline.start()
    try:
        while not started.is_set():
            with socket.socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
    finally:
        deadline.cancel()
    raise TimeoutError(f"No server on port {port} after {seconds} s")
