"""A network as institutions have it: a forward proxy, a bucket behind it, TLS of its own."""

from __future__ import annotations

import base64
import hashlib
import http.client
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

Take = Callable[["Handler"], bool]
"""Answers a request in place of the server; False where the server should."""


class Handler(BaseHTTPRequestHandler):
    """One request; each answer ends its connection."""

    def log_message(self, *_: object) -> None:
        pass

    def answer(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def _served(kind: type[Handler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_port
        server.shutdown()


class ObjectServer:
    """Serves objects, and a bucket of them as S3 lists it.

    Attributes
    ----------
    url : str
    objects : dict of str to bytes
        By the whole path, the bucket's name first.
    take : callable or None
        Answers in place of the server.
    requests : list of str
    """

    def __init__(self) -> None:
        self.url = ""
        self.objects: dict[str, bytes] = {}
        self.take: Take | None = None
        self.requests: list[str] = []

    @contextmanager
    def served(self, context: ssl.SSLContext | None = None) -> Iterator[ObjectServer]:
        server = self

        class Serving(Handler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                if server.take is None or not server.take(self):
                    server.give(self)

            def do_HEAD(self) -> None:
                self.do_GET()

        with _served(Serving, context) as port:
            host = "localhost" if context is not None else "127.0.0.1"
            self.url = f"{'https' if context is not None else 'http'}://{host}:{port}"
            yield self

    def give(self, handler: Handler) -> None:
        address = urlsplit(handler.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        path = unquote(address.path).strip("/")
        if "list-type" in asked:
            prefix = f"{path}/{asked.get('prefix', '')}"
            handler.answer(200, self._listing(path, prefix, asked.get("delimiter", "")))
        elif (body := self.objects.get(path)) is None:
            handler.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            etag = {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}
            span = handler.headers.get("Range", "").removeprefix("bytes=").split("-")
            if len(span) < 2:
                handler.answer(200, body, etag)
                return
            start, stop = int(span[0]), int(span[1] or len(body) - 1) + 1
            etag["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
            handler.answer(206, body[start:stop], etag)

    def _listing(self, bucket: str, prefix: str, delimiter: str) -> bytes:
        found: dict[str, None] = {}
        for path in sorted(self.objects):
            if not path.startswith(prefix):
                continue
            below, cut, _ = path[len(prefix) :].partition(delimiter or "\0")
            key = escape(path.removeprefix(f"{bucket}/"))
            if cut:
                folder = escape(f"{prefix}{below}/".removeprefix(f"{bucket}/"))
                found[f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"] = None
                continue
            digest = hashlib.md5(self.objects[path]).hexdigest()
            found[
                f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>&quot;{digest}&quot;</ETag><Size>{len(self.objects[path])}</Size></Contents>"
            ] = None
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>false</IsTruncated>{''.join(found)}</ListBucketResult>"
        ).encode()


class ForwardProxy:
    """A proxy for ``http://`` addresses and, by CONNECT, for ``https://`` ones.

    Attributes
    ----------
    place : str
        Host and port.
    wanted : str
        ``user:password``, or empty for everybody.
    asked_for : list of str
    """

    def __init__(self) -> None:
        self.place, self.wanted = "", ""
        self.asked_for: list[str] = []

    @contextmanager
    def served(self) -> Iterator[ForwardProxy]:
        proxy = self

        class Forwarding(Handler):
            def do_GET(self) -> None:
                if not self._is_allowed():
                    return
                address = urlsplit(self.path)
                upstream = http.client.HTTPConnection(address.netloc, timeout=10)
                query = f"?{address.query}" if address.query else ""
                own = ("proxy-authorization", "connection")
                headers = {k: v for k, v in self.headers.items() if k.lower() not in own}
                upstream.request(self.command, address.path + query, headers=headers)
                found = upstream.getresponse()
                told = {k: v for k, v in found.getheaders() if k.lower() != "connection"}
                self.answer(found.status, found.read(), told)
                upstream.close()

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_CONNECT(self) -> None:
                if not self._is_allowed():
                    return
                host, _, port = self.path.partition(":")
                with socket.create_connection((host, int(port))) as upstream:
                    self.send_response(200)
                    self.end_headers()
                    _joined(self.connection, upstream)
                self.close_connection = True

            def _is_allowed(self) -> bool:
                proxy.asked_for.append(self.path)
                told = self.headers.get("Proxy-Authorization", "")
                wanted = f"Basic {base64.b64encode(proxy.wanted.encode()).decode()}"
                if not proxy.wanted or told == wanted:
                    return True
                self.answer(407, b"", {"Proxy-Authenticate": 'Basic realm="institute"'})
                return False

        with _served(Forwarding) as port:
            self.place = f"127.0.0.1:{port}"
            yield self


def _joined(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes between two connections until one ends."""
    with suppress(OSError):
        while True:
            for ready in select.select([one, other], [], [], 10)[0]:
                data = ready.recv(1 << 16)
                if not data:
                    return
                (other if ready is one else one).sendall(data)


def login_page(handler: Handler) -> bool:
    """Answer as a network does before its users have logged in."""
    page = b"<!DOCTYPE html>\n<html><body><form>Room, surname</form></body></html>"
    handler.answer(200, page, {"Content-Type": "text/html; charset=utf-8"})
    return True
