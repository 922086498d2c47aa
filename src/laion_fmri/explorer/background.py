"""Slow work off the event loop, the view saying that it is busy."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import panel as pn
from panel.viewable import Viewable

from laion_fmri._errors import LaionFmriError

T = TypeVar("T")
log = logging.getLogger("laion_fmri.explorer")


_PATIENCE = 0.25  # seconds: shorter waits are calmer without a flicker


class Latest:
    """Runs work in a thread; only the answer to the last question is shown.

    Parameters
    ----------
    busy : Viewable
        Shows its loading indicator while work takes its time.
    """

    def __init__(self, busy: Viewable) -> None:
        self._busy = busy
        self._asked = 0

    def ask(
        self,
        work: Callable[[], T],
        show: Callable[[T], None],
        show_error: Callable[[str], None],
    ) -> None:
        """Run `work` in a thread, then `show` its result unless something newer was asked.

        `show` and `show_error` run on the page's own turn. Outside a served page
        everything runs at once.
        """
        self._asked += 1
        asked = self._asked

        def settle(change: Callable[[], None]) -> None:
            if asked != self._asked:
                return
            try:
                change()
            except Exception as error:  # whatever it is, the page must go on
                show_error(explain(error))
            self._busy.loading = False

        def seem_busy(working: asyncio.Future[T]) -> None:
            self._busy.loading = asked == self._asked and not working.done()

        async def answer() -> None:
            working = asyncio.ensure_future(asyncio.to_thread(work))
            await asyncio.wait({working}, timeout=_PATIENCE)
            if not working.done():
                on_the_page(partial(seem_busy, working))
            try:
                change = partial(show, await working)
            except Exception as error:  # as above
                change = partial(show_error, explain(error))
            on_the_page(partial(settle, change))

        if is_served():
            pn.state.execute(answer)
        else:
            try:
                change = partial(show, work())
            except Exception as error:  # as above
                change = partial(show_error, explain(error))
            settle(change)


def is_served() -> bool:
    """Whether the code runs for a page of a server, rather than in a script or a notebook."""
    doc = pn.state.curdoc
    return doc is not None and doc.session_context is not None


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
