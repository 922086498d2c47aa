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


class Latest:
    """Runs work in a thread; only the answer to the last question is shown.

    Parameters
    ----------
    busy : Viewable
        Shows its loading indicator while work runs.
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

        `show` and `show_error` run on the page's event loop. Outside a served page or a
        notebook with a running loop, everything runs at once.
        """
        self._asked += 1
        asked = self._asked

        def finish(settle: Callable[[], None]) -> None:
            if asked != self._asked:
                return
            try:
                settle()
            except Exception as error:  # whatever it is, the page must go on
                show_error(explain(error))
            self._busy.loading = False

        async def answer() -> None:
            try:
                result = await asyncio.to_thread(work)
                settle = partial(show, result)
            except Exception as error:  # as above
                settle = partial(show_error, explain(error))
            on_the_page(partial(finish, settle))

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._at_once(work, show, show_error)
        else:
            self._busy.loading = True
            pn.state.execute(answer)

    @staticmethod
    def _at_once(
        work: Callable[[], T], show: Callable[[T], None], show_error: Callable[[str], None]
    ) -> None:
        try:
            show(work())
        except Exception as error:  # as above
            show_error(explain(error))


def on_the_page(change: Callable[[], None]) -> None:
    """Make a change to the page when it can be made.

    A served page takes changes on its own turn, and only once the browser has it whole:
    what changes between its first fetch and then would be lost.
    """
    doc = pn.state.curdoc
    if doc is None or not doc.session_context:
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
