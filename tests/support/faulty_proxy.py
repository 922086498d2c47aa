"""An HTTP proxy between a client and a server that fails on request, and counts what it forwards.

It speaks just enough HTTP/1.1 for anonymous reading: requests without a body, answers of a
known length.
"""

from __future__ import annotations

import http.client
import random
import re
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from faults import Fault, Request, Schedule, none

_PIECE = 1 << 14  # bytes sent at a time
_LOOK = 0.02  # seconds between two looks at whether to go on
_PORTS = range(20_000, 32_000)  # below those that connections leave from
_RANGE = re.compile(r"bytes=(\d+)-")
_BUSY = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)
_OTHER = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code></Error>'


class FaultyProxy:
    """Forwards requests to `upstream`; a context manager.

    Parameters
    ----------
    upstream : str
        Address of the server.
    schedule : Schedule
    bytes_per_second : float, optional
        Of all bodies together.
    seed : int
        Of where bodies break.

    Attributes
    ----------
    url : str
    forwarded : Counter of str
        Bytes of bodies sent for each key.
    injected : Counter of Fault
    requests : list of Request
        In the order of their answers.
    retry_after : str
        Header of a 503.
    downtime : float
        Seconds for which a refusing proxy refuses.
    replace : callable of key
        Called to change an object.
    """

    def __init__(
        self,
        upstream: str,
        schedule: Schedule = none,
        bytes_per_second: float | None = None,
        seed: int = 0,
    ) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.schedule = schedule
        self.bytes_per_second = bytes_per_second
        self.forwarded: Counter[str] = Counter()
        self.injected: Counter[Fault] = Counter()
        self.requests: list[Request] = []
        self.retry_after = "0"
        self.downtime = 0.05
        self.replace: Callable[[str], None] = lambda key: None
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._free_at = 0.0  # when the next paced byte may leave
        self._is_closed, self._is_released = threading.Event(), threading.Event()
        self._down_until = 0.0
        self._listener = _listen()
        self._port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._acceptor = threading.Thread(target=self._accept, name="proxy", daemon=True)

    def __enter__(self) -> FaultyProxy:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed.set()
        self._acceptor.join()

    def release(self) -> None:
        """Let what is stalled go on."""
        self._is_released.set()

    @property
    def n_forwarded(self) -> int:
        """Bytes of objects sent; listings do not count."""
        with self._lock:
            return self.forwarded.total() - self.forwarded[""]

    # --- connections ----------------------------------------------------------------

    def _accept(self) -> None:
        while not self._is_closed.is_set():
            if time.monotonic() < self._down_until:
                self._listener.close()
                self._is_closed.wait(self._down_until - time.monotonic())
                self._listener = _listen([self._port])
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()
        self._listener.close()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as incoming:
            try:
                while (asked := _read_request(incoming)) is not None:
                    if time.monotonic() < self._down_until:
                        _reset(client)
                        return
                    if not self._answer(client, *asked):
                        return
            except OSError:  # the client is gone
                pass

    def _answer(
        self, client: socket.socket, method: str, target: str, headers: dict[str, str]
    ) -> bool:
        """Forward one request and its answer; whether the connection stays open."""
        status, told, body = self._forward(method, target, headers)
        asked_range = _RANGE.match(headers.get("range", ""))
        start = int(asked_range[1]) if asked_range else 0
        request = Request(method, _key_of(target), start, len(body), time.monotonic())
        fault = self.schedule(request) if status in (200, 206) else None
        with self._lock:
            self.requests.append(request)
            if fault is not None:
                self.injected[fault] += 1
        if method == "GET":
            told["Content-Length"] = str(len(body))
        if fault is None:
            client.sendall(_head(status, told))
            self._send(client, request.key, body)
            return True
        return self._fail(client, fault, request, (status, told, body))

    def _forward(
        self, method: str, target: str, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.upstream)
        try:
            connection.request(method, target, headers={**headers, "connection": "close"})
            response = connection.getresponse()
            told = {k: v for k, v in response.getheaders() if k.lower() not in _OF_THE_CONNECTION}
            return response.status, told, response.read()
        finally:
            connection.close()

    def _send(self, client: socket.socket, key: str, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view and not self._is_closed.is_set():
            piece, view = view[:_PIECE], view[_PIECE:]
            self._wait_for_a_turn(len(piece))
            if _is_gone(client):
                raise ConnectionError
            client.sendall(piece)
            with self._lock:
                self.forwarded[key] += len(piece)

    def _wait_for_a_turn(self, n_bytes: int) -> None:
        if self.bytes_per_second is None:
            return
        with self._lock:
            now = time.monotonic()
            begins = max(now, self._free_at)
            self._free_at = begins + n_bytes / self.bytes_per_second
        self._is_closed.wait(begins - now)

    # --- faults ---------------------------------------------------------------------

    def _fail(
        self,
        client: socket.socket,
        fault: Fault,
        request: Request,
        answer: tuple[int, dict[str, str], bytes],
    ) -> bool:
        """Answer wrongly; whether the connection stays open."""
        status, told, body = answer
        with self._lock:
            cut = self._random.randrange(len(body)) if body else 0
        match fault:
            case Fault.SLOW_DOWN:
                busy = {"Content-Length": str(len(_BUSY)), "Retry-After": self.retry_after}
                client.sendall(_head(503, busy) + (_BUSY if request.method == "GET" else b""))
                return True
            case Fault.SERVER_ERROR | Fault.DENIED:
                wrong, code = _REFUSALS[fault]
                said = _OTHER % code if request.method == "GET" else b""
                client.sendall(_head(wrong, {"Content-Length": str(len(said))}) + said)
                return True
            case Fault.REFUSED:
                self._down_until = time.monotonic() + self.downtime
                _reset(client)
                return False
            case Fault.GARBAGE:
                client.sendall(_head(status, told))
                wrong_byte = bytes([body[cut] ^ 0x10]) if body else b""
                self._send(client, request.key, body[:cut] + wrong_byte + body[cut + 1 :])
                return True
            case Fault.WRONG_RANGE:
                first, last = request.start + 1, request.start + len(body)
                told["Content-Range"] = f"bytes {first}-{last}/{last + 1}"
                client.sendall(_head(206, told))
                self._send(client, request.key, body)
                return True
            case Fault.WRONG_LENGTH:
                is_longer = cut % 2 == 0
                told["Content-Length"] = str(len(body) + 100 if is_longer else len(body) // 2)
                client.sendall(_head(status, told))
                self._send(client, request.key, body)
                return not is_longer
        if fault is Fault.CHANGED:  # first, for a client that is gone before the answer ends
            self.replace(request.key)
        client.sendall(_head(status, told))
        self._send(client, request.key, body[:cut])
        match fault:
            case Fault.STALLED:
                if not self._hold(client):
                    return False
                self._send(client, request.key, body[cut:])
                return True
            case Fault.CHANGED | Fault.RESET:
                _reset(client)
        return False  # the end of a truncated body

    def _hold(self, client: socket.socket) -> bool:
        """Wait to be released; whether the client waited as well."""
        while not (self._is_released.is_set() or self._is_closed.is_set()):
            if _is_gone(client, _LOOK):
                return False
        return True


_REFUSALS = {
    Fault.SERVER_ERROR: (500, b"InternalError"),
    Fault.DENIED: (403, b"AccessDenied"),
}
_OF_THE_CONNECTION = ("connection", "keep-alive", "transfer-encoding", "server")


def _listen(ports: Iterable[int] = ()) -> socket.socket:
    for port in ports or random.sample(_PORTS, len(_PORTS)):
        try:
            listener = socket.create_server(("127.0.0.1", port), backlog=128)
        except OSError:
            continue
        listener.settimeout(_LOOK)
        return listener
    raise OSError("There is no free port")


def _read_request(incoming: BinaryIO) -> tuple[str, str, dict[str, str]] | None:
    line = incoming.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = http.client.parse_headers(incoming)
    return line[0], line[1], {name.lower(): value for name, value in headers.items()}


def _key_of(target: str) -> str:
    return unquote(urlsplit(target).path).lstrip("/").partition("/")[2]


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {http.client.responses[status]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _is_gone(client: socket.socket, seconds: float = 0.0) -> bool:
    """Whether the other side has ended: nobody says anything in the middle of an answer."""
    return bool(select.select([client], [], [], seconds)[0])


def _reset(client: socket.socket) -> None:
    """End a connection as a broken one ends: the other side sees a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # at close
