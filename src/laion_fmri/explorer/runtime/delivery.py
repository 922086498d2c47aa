"""Ensures that every change of a served page reaches its browser, and at once.

Works around three gaps in Panel and Bokeh.

- A browser fetches the whole document once, builds the page and then sends ``document_ready``.
  Panel drops changes made in between, assuming that they are in the document that the browser
  fetches. Here the document holds every change from the fetch on, in order. When the page is
  ready, changes from Python are sent, and those sent by the browser are handled.
- While Panel waits for one message to be written, it postpones later ones. If that wait ends
  before their own turn has begun, they are stuck until the page changes again.
- A small message waits until the browser has acknowledged the one before (Nagle's algorithm), and a
  browser may take 40 ms for that.
"""

from __future__ import annotations

from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from bokeh.document import Document
from bokeh.protocol.messages.pull_doc_reply import pull_doc_reply
from bokeh.server.views.ws import WSHandler
from panel.io import document as panel_document
from tornado.ioloop import IOLoop, PeriodicCallback

_EVERY = 100  # milliseconds

_fetched: WeakSet[Document] = WeakSet()
_watched: WeakKeyDictionary[IOLoop, PeriodicCallback] = WeakKeyDictionary()


def deliver_every_change() -> None:
    """Close these gaps for the pages of this process; further calls have no effect."""
    _hold_changes_from_fetch_to_ready()
    _watch_over_writes()
    _send_small_messages_at_once()


def _hold_changes_from_fetch_to_ready() -> None:
    original = pull_doc_reply.create
    if getattr(original, "holds_changes", False):
        return

    @wraps(original)
    def create(request_id: Any, document: Document, **metadata: Any) -> pull_doc_reply:
        reply = original(request_id, document, **metadata)
        if document not in _fetched:  # a page that reconnects has been ready before
            _fetched.add(document)
            document.hold()
            document.on_event("document_ready", lambda _: document.unhold())
        return reply

    create.holds_changes = True  # type: ignore[attr-defined]
    pull_doc_reply.create = create


def _send_what_waits() -> None:
    """Send postponed changes that nothing else would send."""
    # Panel's private names; if another version lacks them, there is nothing to do.
    set_aside, in_hand = (getattr(panel_document, n, {}) for n in ("_WRITE_MSGS", "_WRITE_BLOCK"))
    for waiting in list(set_aside):
        if waiting not in in_hand:
            panel_document.schedule_write_events(waiting, [], [])


def _watch_over_writes() -> None:
    loop = IOLoop.current(instance=False)
    if loop is not None and loop not in _watched:
        _watched[loop] = PeriodicCallback(_send_what_waits, _EVERY)
        _watched[loop].start()


def _send_small_messages_at_once() -> None:
    original = WSHandler.open
    if getattr(original, "sends_at_once", False):
        return

    @wraps(original)
    def open_connection(handler: WSHandler) -> None:
        original(handler)
        if handler.ws_connection is not None:
            handler.set_nodelay(True)

    open_connection.sends_at_once = True  # type: ignore[attr-defined]
    WSHandler.open = open_connection
