"""Changes of a page that Panel has put aside and would forget to send.

While Panel waits for one message to be written, it puts those that come meanwhile aside. Where
the wait ends before their own turn has begun, they stay there until the page changes again: a
picture would be missing until the next click. It happens now and then on a busy server.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from panel.io import document
from tornado.ioloop import IOLoop, PeriodicCallback

_EVERY = 100  # milliseconds

_watched: WeakKeyDictionary[IOLoop, PeriodicCallback] = WeakKeyDictionary()


def send_what_waits() -> None:
    """Send what was put aside and has nobody who would send it."""
    # Panel's own names; where another version has none, there is nothing to do.
    put_aside, in_hand = (getattr(document, n, {}) for n in ("_WRITE_MSGS", "_WRITE_BLOCK"))
    for waiting in list(put_aside):
        if waiting not in in_hand:
            document.schedule_write_events(waiting, [], [])


def watch_over_writes() -> None:
    """Look after the pages of this server from now on; more than once is no more than once."""
    loop = IOLoop.current(instance=False)
    if loop is not None and loop not in _watched:
        _watched[loop] = PeriodicCallback(send_what_waits, _EVERY)
        _watched[loop].start()
