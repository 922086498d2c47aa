"""Closes pages that flood the server with messages.

A browser sends a few dozen changes per second during a drag, and some hundreds while a page is
built. Each is handled in the event loop shared by all pages.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from bokeh.server.connection import ServerConnection
from bokeh.server.protocol_handler import ProtocolHandler

log = logging.getLogger("laion_fmri.explorer")

AT_ONCE = 3000
"""Maximum burst of changes and events from a page."""

PER_SECOND = 150
"""Maximum sustained rate of changes and events from a page."""

# Messages that take longer to handle count as several changes.
_WHOLE_DOCUMENT, _ERROR = 50, 30
_POLICY_VIOLATION = 1008  # close code of a websocket


class Allowance:
    """A token bucket: the number of messages a page may still send, refilled over time.

    Parameters
    ----------
    now : float
        Seconds.
    """

    def __init__(self, now: float) -> None:
        self._left, self._at = float(AT_ONCE), now

    def take(self, n: int, now: float) -> bool:
        """Take `n` tokens at time `now`; False if there are fewer."""
        self._left = min(self._left + PER_SECOND * (now - self._at), AT_ONCE)
        self._at = now
        if n > self._left:
            return False
        self._left -= n
        return True


def limit_messages() -> None:
    """Limit the pages of all servers of this process; further calls have no effect.

    Messages that replace the document are refused: the explorer's pages never send them.
    """
    original = ProtocolHandler.handle
    if hasattr(original, "__wrapped__"):
        return
    left: WeakKeyDictionary[ServerConnection, Allowance] = WeakKeyDictionary()
    closed: WeakSet[ServerConnection] = WeakSet()

    @wraps(original)
    async def handle(self: ProtocolHandler, message: Any, connection: ServerConnection) -> Any:
        # Without this pause, waiting messages would be handled without interruption.
        await asyncio.sleep(0)
        if connection in closed:
            return None
        now = time.monotonic()
        allowance = left.setdefault(connection, Allowance(now))
        if message.msgtype != "PUSH-DOC" and allowance.take(_weight(message), now):
            answer = await original(self, message, connection)
            if getattr(answer, "msgtype", "") != "ERROR" or allowance.take(_ERROR, now):
                return answer
        closed.add(connection)
        log.warning("A page is closed: it sends too many messages, or unknown ones.")
        connection._socket.close(_POLICY_VIOLATION, "Too many messages")
        return None

    ProtocolHandler.handle = handle


def _weight(message: Any) -> int:
    if message.msgtype == "PULL-DOC-REQ":
        return _WHOLE_DOCUMENT
    events = message.content.get("events") if isinstance(message.content, dict) else None
    return len(events) if isinstance(events, list) else 1
