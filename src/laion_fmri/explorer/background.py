"""Slow work off the event loop, the view saying that it is busy."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from functools import partial
from typing import TypeVar

import panel as pn
from panel.viewable import Viewable

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.fair_threads import FairThreads

T = TypeVar("T")
log = logging.getLogger("laion_fmri.explorer")

_HEAD_START = 0.3  # seconds: what is ready by then goes out with the page itself
_WAITS_FOR_A_TAB = 0.7  # seconds: what is not ready by then costs a way to the browser and back
_crowd = 0  # pages that are open beside the one that is being made
_PATIENCE = 0.25  # seconds: shorter waits are calmer without a flicker
_THREADS = FairThreads(8, most_of_one=3)


class Latest:
    """Runs work in a thread; only the answer to the last question is shown.

    Parameters
    ----------
    busy : Viewable
        Shows its loading indicator while work takes its time.
    gate : Gate
        Of the view that shows the answers.
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
        """Run `work` in a thread, then `show` its result unless something newer was asked.

        `show` and `show_error` run on the page's own turn. Outside a served page
        everything runs at once.

        Parameters
        ----------
        work, show, show_error : callable
        delay : float
            Seconds to wait before, in which something newer can come without any work.
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
        """Do something on the page's own turn when nothing newer was asked for so many seconds."""
        self.ask(lambda: None, lambda _: act(), lambda _: None, delay)

    def _ask(
        self,
        asked: int,
        work: Callable[[], T],
        show: Callable[[T], object],
        show_error: Callable[[str], object],
    ) -> None:
        def tell(done: Future[T]) -> None:
            if asked != self._asked:
                return
            try:
                show(done.result())
            except Exception as error:  # whatever it is, the page must go on
                show_error(explain(error))
            self._busy.loading = False

        def seem_busy() -> None:
            self._busy.loading = asked == self._asked and not working.done()

        async def follow() -> None:
            finished = asyncio.Event()
            loop = asyncio.get_running_loop()

            def say_so(_: Future[T]) -> None:
                with contextlib.suppress(RuntimeError):  # the server has ended since
                    loop.call_soon_threadsafe(finished.set)

            working.add_done_callback(say_so)
            try:
                await asyncio.wait_for(finished.wait(), _PATIENCE)
            except TimeoutError:
                self._gate.let_through(seem_busy)
                await finished.wait()
            self._gate.let_through(partial(tell, working))

        if not is_served():
            tell(_at_once(work))
            return
        working = _THREADS.submit(work, id(pn.state.curdoc))
        is_page_made = _is_being_made()
        if is_page_made:
            wait([working], timeout=_HEAD_START / (1 + _crowd))
        if (is_page_made and working.done()) or self._gate.has_while_made(working):
            tell(working)
            return
        pn.state.execute(follow)


def begin(work: Callable[[], object]) -> None:
    """Have something made in a thread that will be asked for; its errors are told then."""
    if is_served():
        _THREADS.submit(work, id(pn.state.curdoc))


def _at_once(work: Callable[[], T]) -> Future[T]:
    done: Future[T] = Future()
    try:
        done.set_result(work())
    except Exception as error:  # told by whoever asks for the result
        done.set_exception(error)
    return done


def is_served() -> bool:
    """Whether the code runs for a page of a server, rather than in a script or a notebook."""
    doc = pn.state.curdoc
    return doc is not None and doc.session_context is not None


def set_crowd(n_others: int) -> None:
    """Say how many other pages are open: the more, the less they wait for what this one shows."""
    global _crowd
    _crowd = max(0, n_others)


def when_left(act: Callable[[], object]) -> None:
    """Have something done once the page that is being made was left; never outside a server."""
    document = pn.state.curdoc
    if document is not None and is_served():
        document.on_session_destroyed(lambda _: act())


def _is_being_made() -> bool:
    """Whether the page has not been handed to a browser yet, so that changes cost nothing."""
    doc = pn.state.curdoc
    return doc is not None and getattr(doc.session_context, "session", None) is None


class Gate:
    """Holds changes of a view back until the browser has put it together.

    A browser that is still putting a view together misses what changes meanwhile.
    """

    def __init__(self) -> None:
        self._is_open = False
        self._patience: float | None = None  # seconds to wait yet, while the view is made
        self._waiting: list[Callable[[], None]] = []

    @contextlib.contextmanager
    def making(self) -> Iterator[None]:
        """While the view is made: what is ready soon becomes part of it, and need not follow."""
        self._patience = _WAITS_FOR_A_TAB / (1 + _crowd)
        try:
            yield
        finally:
            self._patience = None

    def has_while_made(self, working: Future[T]) -> bool:
        """Whether an answer is there while the view is made, which waits a little for it."""
        if self._patience is None:
            return False
        start = time.monotonic()
        wait([working], timeout=self._patience)
        self._patience = max(0.0, self._patience - (time.monotonic() - start))
        return working.done()

    def let_through(self, change: Callable[[], None]) -> None:
        """Make a change on the page's own turn, or keep it until the gate opens."""
        if self._is_open or not is_served():
            on_the_page(change)
        else:
            self._waiting.append(change)

    def open(self) -> None:
        """The view is there: let everything through."""
        self._is_open = True
        for change in self._waiting:
            on_the_page(change)
        self._waiting.clear()


def once_whole(change: Callable[[], None]) -> None:
    """Answer something the user did, but not before the browser has the whole page.

    Controls can be used while the page still loads; what they changed then would be lost.
    """
    if is_served() and not _is_being_made() and not pn.state.loaded:
        pn.state.onload(change)
    else:
        change()


def on_the_page(change: Callable[[], None]) -> None:
    """Make a change to the page when it can be made.

    A served page takes changes on its own turn, and only once the browser has it whole:
    what changes between its first fetch and then would be lost.
    """
    doc = pn.state.curdoc
    if doc is None or not is_served():
        change()
    elif pn.state.loaded:
        doc.add_next_tick_callback(change)
    else:
        pn.state.onload(change)


def explain(error: BaseException) -> str:
    """What to tell the user: the package's own errors as they are, others calmly."""
    if isinstance(error, LaionFmriError):
        return str(error)
    log.exception("Unexpected error", exc_info=error)
    return (
        f"Something unexpected went wrong ({type(error).__name__}). The rest of the page still "
        "works; the server's log has the details."
    )
