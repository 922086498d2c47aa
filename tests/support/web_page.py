"""A page of the explorer without a browser: its websocket, spoken to as BokehJS does.

It may do what no browser would, such as pressing buttons that are hidden, and it keeps every
byte that it was sent.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import WebSocketClientConnection, websocket_connect

_TOKEN = re.compile(r'"token":"([^"]+)"')
_MOST = 1 << 30
PATIENCE = 60.0  # seconds


async def fetch(address: str, **options: Any) -> HTTPResponse:
    """One answer, whatever its status; redirects are not followed."""
    request = HTTPRequest(address, follow_redirects=False, request_timeout=PATIENCE, **options)
    return await AsyncHTTPClient().fetch(request, raise_error=False)


async def log_in(address: str, user: str, password: str) -> dict[str, str]:
    """The cookies of a user; empty where the login was refused."""
    body = urlencode({"username": user, "password": password})
    answer = await fetch(f"{address}login", method="POST", body=body)
    return cookies_of(answer)


def cookies_of(answer: HTTPResponse) -> dict[str, str]:
    """Cookies that an answer sets."""
    pairs = (text.split(";")[0].split("=", 1) for text in answer.headers.get_list("Set-Cookie"))
    return {name: value for name, value in pairs if value not in ("", '""')}


class WebPage:
    """One open page.

    Parameters
    ----------
    address : str
        Of the server, with a slash at the end.
    cookies : dict of str
    keeps : bool
        Whether to keep what was received.

    Attributes
    ----------
    models : dict of str to dict
        Attributes of every model that was described, by id; ``"type"`` is its name.
    received : list of bytes
    problems : list of str
        Errors that the server told of.
    """

    def __init__(
        self, address: str, cookies: dict[str, str] | None = None, keeps: bool = True
    ) -> None:
        self.address, self.keeps = address, keeps
        self.cookies = "; ".join(f"{k}={v}" for k, v in (cookies or {}).items())
        self.models: dict[str, dict[str, Any]] = {}
        self._rendered: set[str] = set()
        self.received: list[bytes] = []
        self.problems: list[str] = []
        self._is_known = self._is_whole = False
        self._sending = asyncio.Lock()
        self._heard = asyncio.Event()
        self._last = time.monotonic()
        self._socket: WebSocketClientConnection | None = None
        self._listening: asyncio.Future[None] | None = None

    # --- opening and leaving ------------------------------------------------------------

    async def open(self, query: str = "", wait: bool = True) -> WebPage:
        """Fetch the page, join its session and say that it has arrived."""
        answer = await fetch(f"{self.address}?{query}", headers=self._headers())
        assert answer.code == 200, (answer.code, answer.reason)
        self._keep(answer.body)
        found = _TOKEN.search(answer.body.decode())
        assert found, answer.body.decode()[:2000]
        await self.join(found[1])
        await self.send("PULL-DOC-REQ", {})
        await self.until(lambda: self.models, "the document")
        if wait:
            self._is_whole = True
            self.arrive()
            self.event("document_ready")
            await self.quiet()
        return self

    async def join(self, token: str) -> None:
        """Connect to the session of a token.

        Raises
        ------
        tornado.httpclient.HTTPClientError
            When the server refuses.
        """
        request = HTTPRequest(f"{self.address.replace('http', 'ws', 1)}ws", headers=self._headers())
        self._socket = await websocket_connect(
            request, subprotocols=["bokeh", token], max_message_size=_MOST
        )
        self._listening = asyncio.ensure_future(self._listen(self._socket))
        await self.until(lambda: self._is_known, "the server to know the page")

    @property
    def is_over(self) -> bool:
        """Whether the server has closed the page."""
        return self._listening is not None and self._listening.done()

    async def left(self) -> None:
        """Wait until the server closes the page."""
        if self._listening is not None:
            await self._listening

    def close(self) -> None:
        """Leave the page."""
        if self._socket is not None:
            self._socket.close()
        if self._listening is not None:
            self._listening.cancel()

    def _headers(self) -> dict[str, str]:
        parts = urlsplit(self.address)
        return {"Cookie": self.cookies, "Origin": f"{parts.scheme}://{parts.netloc}"}

    # --- what there is on it ------------------------------------------------------------

    def find(self, **wanted: Any) -> Iterator[str]:
        """Ids of the models with these attributes; ``kind`` is part of the type's name."""
        kind = wanted.pop("kind", "")
        for name, model in list(self.models.items()):
            if kind in model["type"] and all(model.get(k) == v for k, v in wanted.items()):
                yield name

    def shows(self, component: str, parameter: str) -> str | None:
        """What the last component of a class has as a parameter; None before it is told."""
        for model in reversed(list(self.models.values())):
            if model.get("class_name") == component and "data" in model:
                told = self.models.get(model["data"].get("id"), {}).get(parameter)
                return None if told is None else json.dumps(told)
        return None

    def buttons(self) -> dict[str, str]:
        """What every button is called, by its id."""
        shown: dict[str, str] = {}
        for name, model in self.models.items():
            if "Button" in str(model.get("class_name")) and "data" in model:
                data = self.models.get(model["data"].get("id"), {})
                shown[name] = str(data.get("label") or data.get("description"))
        return shown

    def has_received(self, some: bytes) -> bool:
        """Whether some bytes were in a part of a message."""
        return any(some in part for part in self.received)

    # --- what is done with it -----------------------------------------------------------

    def arrive(self) -> None:
        """Say that what is shown has been put together."""
        for name in set(self.find(class_name="Rendered")) - self._rendered:
            self._rendered.add(name)
            self.message(name, "rendered")

    def press(self, name: str) -> None:
        """Click a button, by its id."""
        self.event("dom_event", model={"id": name}, node="click", data=None)

    def press_called(self, label: str) -> None:
        """Click the button of a name."""
        self.press(next(name for name, shown in self.buttons().items() if shown == label))

    def message(self, name: str, data: Any) -> None:
        """Send a component what its script would send."""
        self.event("data_event", model={"id": name}, data=data)

    def change(self, name: str, attribute: str, value: Any) -> None:
        """Change an attribute of a model."""
        self.models.setdefault(name, {"type": ""})[attribute] = value
        self._patch(
            {"kind": "ModelChanged", "model": {"id": name}, "attr": attribute, "new": value}
        )

    def event(self, event_name: str, **values: Any) -> None:
        """Send an event."""
        entries = [[name, value] for name, value in values.items()]
        told = {"type": "map", "entries": entries} if entries else {"type": "map"}
        data = {"type": "event", "name": event_name, "values": told}
        self._patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": data})

    def _patch(self, event: dict[str, Any]) -> None:
        self._last = time.monotonic()
        task = asyncio.ensure_future(self.send("PATCH-DOC", {"events": [event]}))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def send(self, kind: str, content: Any) -> None:
        """Send a message of the protocol."""
        assert self._socket is not None
        header = {"msgid": uuid.uuid4().hex, "msgtype": kind}
        async with self._sending:  # the parts of a message follow each other
            for part in (header, {}, content):
                await self._socket.write_message(json.dumps(part))
        self._last = time.monotonic()

    # --- waiting ------------------------------------------------------------------------

    async def until(self, is_so: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not is_so():
            self._heard.clear()
            if self._listening is not None and self._listening.done():
                self._listening.result()
                raise ConnectionError(f"The server left while waiting for {what}")
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"Waited {seconds} s for {what}")
            try:
                await asyncio.wait_for(self._heard.wait(), min(left, 0.5))
            except TimeoutError:
                continue

    async def quiet(self, seconds: float = 1.0, at_most: float = PATIENCE) -> None:
        """Wait until the server has had nothing to say for a while."""
        end = time.monotonic() + at_most
        while time.monotonic() - self._last < seconds and time.monotonic() < end:
            await asyncio.sleep(0.05)

    # --- listening ----------------------------------------------------------------------

    async def _listen(self, socket: WebSocketClientConnection) -> None:
        while True:
            header = await self._next(socket)
            if header is None:
                return
            told = json.loads(header)
            await self._next(socket)
            content = await self._next(socket)
            for _ in range(2 * int(told.get("num_buffers", 0))):
                await self._next(socket)
            self._take(told["msgtype"], json.loads(content or "{}"))
            self._heard.set()

    async def _next(self, socket: WebSocketClientConnection) -> str | bytes | None:
        part = await socket.read_message()
        if part is not None:
            self._keep(part.encode() if isinstance(part, str) else part)
            self._last = time.monotonic()
        return part

    def _keep(self, part: bytes) -> None:
        if self.keeps:
            self.received.append(part)

    def _take(self, kind: str, content: dict[str, Any]) -> None:
        self._is_known = self._is_known or kind == "ACK"
        if kind == "ERROR":
            self.problems.append(str(content.get("text")))
            return
        for event in content.get("events", []):
            if event.get("kind") == "ModelChanged":
                model = self.models.setdefault(event["model"]["id"], {"type": ""})
                model[event["attr"]] = event.get("new")
        self._describe(content)
        if self._is_whole:  # a browser has put it together in no time
            self.arrive()

    def _describe(self, part: Any) -> None:
        """Note every model that is described anywhere in a message."""
        waiting = [part]
        while waiting:
            one = waiting.pop()
            if isinstance(one, dict):
                if one.get("type") == "object" and "id" in one:
                    known = self.models.setdefault(one["id"], {"type": ""})
                    known.update(one.get("attributes", {}), type=one.get("name", ""))
                waiting.extend(one.values())
            elif isinstance(one, list):
                waiting.extend(one)
