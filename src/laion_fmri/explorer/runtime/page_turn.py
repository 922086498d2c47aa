"""When a page may be changed: in its own callbacks, once the browser has rendered the view."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import panel as pn
from panel.custom import JSComponent

if TYPE_CHECKING:
    from laion_fmri.explorer.runtime.background_job import Job

_TAB_HEAD_START = 0.7  # seconds: results not ready by then cost a round trip to the browser
_n_pages = 1


def is_served() -> bool:
    """Whether the code runs for a page of a server, rather than in a script or a notebook."""
    doc = pn.state.curdoc
    return doc is not None and doc.session_context is not None


def has_event_loop() -> bool:
    """Whether a page or notebook can be changed later; False in a script."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return is_served()
    return True


def is_being_made() -> bool:
    """Whether no browser has received the page yet, so that changes are free."""
    doc = pn.state.curdoc
    return doc is not None and getattr(doc.session_context, "session", None) is None


def set_page_count(n_pages: int) -> None:
    """Set the number of open pages: the more, the less a new one waits for its contents."""
    global _n_pages
    _n_pages = max(1, n_pages)


def n_pages() -> int:
    """Return the number of open pages, at least 1."""
    return _n_pages


def when_left(act: Callable[[], object]) -> None:
    """Call `act` when the page being created is closed; never outside a server."""
    document = pn.state.curdoc
    if document is not None and is_served():
        document.on_session_destroyed(lambda _: act())


def on_the_page(change: Callable[[], object]) -> None:
    """Change a page in one of its callbacks; immediately outside a served page."""
    doc = pn.state.curdoc
    if doc is None or not is_served():
        change()
    else:
        doc.add_next_tick_callback(change)


class Gate:
    """Holds back changes of a view until the browser has rendered it.

    A browser misses changes of a view that it is still rendering. The last part of the view is
    ``Rendered(gate.open)``.
    """

    def __init__(self) -> None:
        self._is_open = False
        self._head_start: float | None = None  # seconds left while the view is created
        self._waiting: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def making(self) -> Iterator[None]:
        """Context in which the view is created: it waits briefly for results, to include them."""
        self._head_start = _TAB_HEAD_START / n_pages()
        try:
            yield
        finally:
            self._head_start = None

    def has_while_made(self, job: Job[Any]) -> bool:
        """Wait briefly for a job while the view is created; return whether the job is over."""
        if self._head_start is None:
            return False
        start = time.monotonic()
        job.wait(self._head_start)
        self._head_start = max(0.0, self._head_start - (time.monotonic() - start))
        return job.is_over

    def let_through(self, change: Callable[[], object]) -> None:
        """Apply a change in a callback of the page, as soon as the gate is open."""
        with self._lock:
            if not self._is_open and is_served():
                self._waiting.append(change)
                return
        on_the_page(change)

    def open(self) -> None:
        """Apply all changes: the view is rendered."""
        with self._lock:
            self._is_open = True
            waiting, self._waiting = self._waiting, []
        for change in waiting:
            on_the_page(change)


class Rendered(JSComponent):
    """Invisible, the last part of a view: reports that the browser has rendered the view.

    Parameters
    ----------
    on_rendered : callable
    """

    _esm: ClassVar[str] = """
    export function render({ model }) {
      const tell = () => model.send_msg("rendered")
      // The parts beside it are drawn as well, also by a browser that has much to do.
      const onceIdle = () => globalThis.requestIdleCallback?.(tell, { timeout: 6000 }) ?? tell()
      requestAnimationFrame(() => setTimeout(onceIdle, 50))
      return document.createElement("span")
    }
    """

    def __init__(self, on_rendered: Callable[[], object]) -> None:
        self._on_rendered = on_rendered
        super().__init__(margin=0)

    def _handle_msg(self, data: Any) -> None:
        self._on_rendered()
