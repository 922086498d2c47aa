"""A small HTTP server on loopback: JSON, short pages, and ranges of large files."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from markupsafe import escape

from laion_fmri.bucket.directory import stat_etag

_LONGEST_BODY = 1 << 16  # bytes
_SILENCE = 60.0  # seconds after which a connection ends
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head>
<body style="font:16px/1.5 system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem">
<h1>{title}</h1><p>{text}</p></body></html>
"""


@dataclass(frozen=True)
class Request:
    """A request: `path` percent-decoded, `query` unchanged."""

    method: str
    path: str
    query: str
    body: bytes

    @cached_property
    def json(self) -> Any:
        """The body; None when it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True)
class Answer:
    """Something to be sent as JSON."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A title and a paragraph for people."""

    title: str
    text: str


@dataclass(frozen=True)
class FileAnswer:
    """A file, or the range of it that was asked for."""

    path: Path


Respond = Callable[[Request], Answer | Page | FileAnswer]


class HttpService:
    """Answers requests on loopback in threads of its own; it logs nothing.

    Parameters
    ----------
    respond : callable
        From a `Request` to what is sent; called in many threads.
    port : int
        0 takes a free one.
    """

    def __init__(self, respond: Respond, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.respond = respond
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Begin to answer."""
        run = self._server.serve_forever
        self._thread = threading.Thread(target=run, args=(0.05,), daemon=True, name="demo-http")
        self._thread.start()

    def close(self) -> None:
        """Stop, and end every connection."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._server.end_connections()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    respond: Respond

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """End connections that clients keep for later."""
        with self._lock:
            connections = tuple(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that goes away in the middle is no error of the service.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _SILENCE
    server: _Server

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: addresses hold links, and links are secret."""

    def _respond(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _LONGEST_BODY:
            self.close_connection = True
            self._send_json(Answer({"detail": "Request body too large"}, 413))
            return
        body = self.rfile.read(int(length))
        parts = urlsplit(self.path)
        request = Request(self.command, unquote(parts.path), parts.query, body)
        answer = self.server.respond(request)
        if isinstance(answer, FileAnswer):
            self._send_file(answer.path)
        elif isinstance(answer, Page):
            text = _PAGE.format(title=escape(answer.title), text=escape(answer.text))
            self._send(200, text.encode(), {"Content-Type": "text/html; charset=utf-8"})
        else:
            self._send_json(answer)

    def _send_json(self, answer: Answer) -> None:
        headers = {"Content-Type": "application/json", **answer.headers}
        self._send(answer.status, json.dumps(answer.value).encode(), headers)

    def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self._send_head(status, len(content), {"Cache-Control": "no-store", **headers})
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_head(self, status: int, n_bytes: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(n_bytes))
        self.end_headers()

    def _send_file(self, path: Path) -> None:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            etag = f'"{stat_etag(stat)}"'
            headers = {"ETag": etag, "Accept-Ranges": "bytes"}
            if self.headers.get("If-Match", etag) not in (etag, "*"):
                self._send(412, b"", headers)
                return
            part = _range(self.headers.get("Range"), stat.st_size)
            if part is None:
                self._send(416, b"", {**headers, "Content-Range": f"bytes */{stat.st_size}"})
                return
            start, stop = part
            headers["Content-Type"] = "application/octet-stream"
            if "Range" in self.headers:
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{stat.st_size}"
            status = 206 if "Range" in self.headers else 200
            self._send_head(status, stop - start, headers)
            if self.command != "HEAD" and stop > start:
                self.connection.sendfile(file, start, stop - start)


def _range(asked: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None when the file has no such range."""
    if asked is None:
        return 0, size
    found = _RANGE.fullmatch(asked)
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    return (start, stop) if start < stop else None
