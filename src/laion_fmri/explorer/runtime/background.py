"""Slow work of a page, off the event loop.

`Latest` runs the requests of a view and displays only the last result, with the view's loading
indicator. `Follower` displays a long job (see `background_job`) on every page that follows it.
Both change the page in its own callbacks, once the browser has rendered the view.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

import panel as pn
from bokeh.document import without_document_lock
from panel.io.state import set_curdoc
from panel.viewable import Viewable

from laion_fmri.explorer.runtime import page_turn
from laion_fmri.explorer.runtime.background_job import Job, Threads
from laion_fmri.explorer.runtime.error_messages import explain
from laion_fmri.explorer.runtime.page_turn import Gate, is_served, on_the_page, when_left

__all__ = [
    "Follower", "Gate", "Latest", "begin", "explain", "is_served", "on_the_page", "when_left",
]  # fmt: skip

T = TypeVar("T")

_HEAD_START = 0.3  # seconds: results ready by then are sent with the page itself
_BUSY_AFTER = 0.25  # seconds: shorter waits have no loading indicator
_THREADS = Threads(8, most_of_one=3)


class Latest:
    """Runs work in a thread; only the result of the last request is displayed.

    Parameters
    ----------
    busy : Viewable
        Displays its loading indicator while the work runs.
    gate : Gate
        Gate of the view that displays the results.
    """

    def __init__(self, busy: Viewable, gate: Gate) -> None:
        self._busy = busy
        self._gate = gate
        self._asked = 0

    def ask(
        self,
        work: Callable[[], T],
        show: Callable[[T], object],
        show_error: Callable[[str], object],
        delay: float = 0.0,
    ) -> None:
        """Run `work` in a thread, then `show` its result unless there is a newer request.

        `show` and `show_error` run in a callback of the page. Outside a served page, everything
        runs synchronously.

        Parameters
        ----------
        work, show, show_error : callable
        delay : float
            Seconds to wait first; the work is skipped if a newer request arrives meanwhile.
        """
        self._asked += 1
        asked = self._asked
        if not delay or not is_served():
            self._ask(asked, work, show, show_error)
            return

        async def later() -> None:
            await asyncio.sleep(delay)
            if asked == self._asked:
                self._ask(asked, work, show, show_error)

        pn.state.execute(later)

    def once_at_rest(self, act: Callable[[], object], delay: float) -> None:
        """Call `act` in a callback of the page after `delay` seconds without a newer request."""
        self.ask(lambda: None, lambda _: act(), lambda _: None, delay)

    def _ask(
        self,
        asked: int,
        work: Callable[[], T],
        show: Callable[[T], object],
        show_error: Callable[[str], object],
    ) -> None:
        def show_outcome(job: Job[T]) -> None:
            if asked != self._asked:
                return
            try:
                show(job.result())
            except Exception as error:  # an error in one view must not break the page
                show_error(explain(error))
            self._busy.loading = False

        def show_busy() -> None:
            self._busy.loading = asked == self._asked and not job.is_over

        async def follow() -> None:
            finished = asyncio.Event()
            loop = asyncio.get_running_loop()

            def finish() -> None:
                with contextlib.suppress(RuntimeError):  # the server has stopped meanwhile
                    loop.call_soon_threadsafe(finished.set)

            job.subscribe(finish)
            if not job.is_over:
                try:
                    await asyncio.wait_for(finished.wait(), _BUSY_AFTER)
                except TimeoutError:
                    self._gate.let_through(show_busy)
                    await finished.wait()
            self._gate.let_through(partial(show_outcome, job))

        if not is_served():
            job = Job(lambda _: work())
            job.run()
            show_outcome(job)
            return
        job = _THREADS.submit(work, id(pn.state.curdoc))
        is_new_page = page_turn.is_being_made()
        if is_new_page:
            job.wait(_HEAD_START / page_turn.n_pages())
        if (is_new_page and job.is_over) or self._gate.has_while_made(job):
            show_outcome(job)
            return
        pn.state.execute(follow)


def begin(work: Callable[[], object]) -> None:
    """Precompute in a thread what a view will request; the view then displays any error."""
    if is_served():
        _THREADS.submit(work, id(pn.state.curdoc))


class Source(Protocol):
    """A job or queue that notifies its listeners of changes."""

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on each change; the returned function unsubscribes it."""
        ...


class Follower:
    """Displays changes on the server, as long as the page is open.

    Parameters
    ----------
    show : callable
        Called in a callback of the page after a change.
    gate : Gate, optional
        Gate of the view that displays the changes.
    every : float
        Minimum seconds between two calls. The last change is always displayed.

    Notes
    -----
    In a notebook, the kernel's event loop calls `show`; in a script, the thread that makes the
    change does.
    """

    def __init__(
        self, show: Callable[[], object], gate: Gate | None = None, every: float = 0.3
    ) -> None:
        self._show, self._gate, self._every = show, gate, every
        self._document = pn.state.curdoc if is_served() else None
        self._sources: tuple[Source, ...] = ()
        self._ends: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._is_due = False
        self._shown_at = 0.0
        self._is_left = False
        when_left(self._leave)

    @property
    def is_following(self) -> bool:
        """Whether any source is followed."""
        return bool(self._sources)

    def follow(self, *sources: Source) -> bool:
        """Follow these sources only; return whether they differ from the previous ones.

        The caller displays their current state.
        """
        if sources == self._sources or self._is_left:
            return False
        self.stop()
        with contextlib.suppress(RuntimeError):  # a script has no event loop
            self._loop = asyncio.get_running_loop()
        self._sources = sources
        self._ends = [source.subscribe(self._changed) for source in sources]
        return True

    def stop(self) -> None:
        """Stop following."""
        for end in self._ends:
            end()
        self._sources, self._ends = (), []

    def _leave(self) -> None:
        self._is_left = True
        self.stop()

    def _changed(self) -> None:
        """Schedule an update; called from any thread."""
        if self._document is None and self._loop is None:
            self._show()
            return
        with self._lock:
            if self._is_due:
                return
            self._is_due = True
        wait = self._shown_at + self._every - time.monotonic()
        if self._document is None:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._loop.call_later, max(0.0, wait), self._show_now)
        elif wait <= 0:
            self._hand_over()
        else:

            @without_document_lock
            async def later() -> None:
                await asyncio.sleep(wait)
                self._hand_over()

            self._document.add_next_tick_callback(later)

    def _hand_over(self) -> None:
        assert self._document is not None
        with set_curdoc(self._document):
            (self._gate.let_through if self._gate else on_the_page)(self._show_now)

    def _show_now(self) -> None:
        self._shown_at = time.monotonic()
        with self._lock:
            self._is_due = False
        if self._sources:
            self._show()
