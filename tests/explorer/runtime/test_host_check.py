"""Requests for other names than those a server was started for are refused."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import panel as pn
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri.explorer.runtime.host_check import check_hosts, is_admitted
from laion_fmri.explorer.server.serve import require_free_port

PORT = 5006
check_hosts()  # as the import of any part of the explorer does
LOCAL = ("127.0.0.1:5006", "localhost:5006")


def admits(host: str | None, origins: tuple[str, ...] = LOCAL, end: str = "127.0.0.1") -> bool:
    """What the check says of a request, of which it sees the names and this end."""
    socket = SimpleNamespace(getsockname=lambda: (end, PORT))
    request: Any = SimpleNamespace(
        headers=SimpleNamespace(get_list=lambda name: [] if host is None else [host]),
        connection=SimpleNamespace(stream=SimpleNamespace(socket=socket)),
    )
    return is_admitted(request, origins)


@pytest.mark.parametrize(
    "host", ["localhost:5006", "127.0.0.1:5006", "[::1]:5006", "LocalHost:5006", "127.0.0.2:5006"]
)
def test_this_machine_is_admitted_by_its_own_names(host: str):
    assert admits(host)


@pytest.mark.parametrize(
    "host",
    [
        None, "", " ", "localhost", "127.0.0.1", "[::1]", "localhost:5007", "localhost:80",
        "localhost.:5006", "attacker.test:5006", "localhost.attacker.test:5006",
        "127.0.0.1.attacker.test:5006", "attacker.test", "localhost:5006:5006", "localhost:5006@x",
        "user@localhost:5006", "localhost:5006/", "localhost:5006,attacker.test", "localhost:٥٠٠٦",
        "localhost:05006x", "0.0.0.0:5006", "[::]:5006", "10.0.0.7:5006", "2130706433:5006",
        "[::1:5006", "[localhost]:5006", "*", "*:5006", "local host:5006", "locaſhost:5006",
    ],
)  # fmt: skip
def test_every_other_name_is_refused(host: str | None):
    assert not admits(host)


@given(st.text(max_size=30))
def test_no_text_is_a_name_by_accident(name: str):
    assert not admits(f"{name}.attacker.test:5006")
    assert not admits(name) or name.lower() in ("localhost:5006", "127.0.0.1:5006", "[::1]:5006")


def test_an_origin_is_admitted_as_proxies_pass_it_on():
    origins = ("example.org:80", "lab.example.org:8443", "10.0.0.7:5006")
    for host in (
        "example.org", "Example.ORG", "example.org:80", "example.org:443", "lab.example.org:8443",
        "lab.example.org", "10.0.0.7:5006", "localhost:5006",
    ):  # fmt: skip
        assert admits(host, origins), host
    for host in (
        "example.org:8080", "www.example.org", "example.org.attacker.test", "xexample.org",
        "lab.example.org:80", "10.0.0.8:5006", "org", "example.org.",
    ):  # fmt: skip
        assert not admits(host, origins), host


def test_the_address_that_a_connection_came_in_at_is_admitted():
    assert admits("10.0.0.9:5006", end="10.0.0.9") and admits(
        "10.0.0.9:5006", end="::ffff:10.0.0.9"
    )
    assert admits("[fe80::1]:5006", end="fe80::1%eth0")
    assert not admits("10.0.0.9:80", end="10.0.0.9") and not admits("10.0.0.8:5006", end="10.0.0.9")


def test_where_any_origin_is_admitted_any_name_is():
    assert admits("whatever.example.org:1", ("*",)) and not admits("a b", ("*",))


def test_bokehs_own_variable_counts(monkeypatch: pytest.MonkeyPatch, any_server: int):
    monkeypatch.setenv("BOKEH_ALLOW_WS_ORIGIN", "lab.example.org")
    assert status(any_server, "/", "Host: lab.example.org") == 200
    assert status(any_server, "/", "Host: attacker.test") == 403


# --- on the wire ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def any_server() -> Iterator[int]:
    """A server that a notebook or a script starts, with nothing said about origins."""
    port = require_free_port(0)
    server = pn.serve(
        lambda: pn.pane.Str("here"), port=port, address="127.0.0.1", threaded=True, show=False,
        verbose=False,
    )  # fmt: skip
    while socket.socket().connect_ex(("127.0.0.1", port)):
        server.join(0.05)
    yield port
    server.stop()
    server.join(5)


WEBSOCKET = (
    "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: bokeh, x",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


def test_every_address_of_a_server_is_checked(any_server: int):
    here, foreign = f"localhost:{any_server}", f"attacker.test:{any_server}"
    paths = ("/", "/autoload.js", "/static/js/bokeh.min.js", "/favicon.ico", "/metadata", "/no")
    forwarded = (f"X-Forwarded-Host: {here}", f"Forwarded: host={here}", "X-Forwarded-For: ::1")
    for path in paths:
        assert status(any_server, path, f"Host: {here}") != 403, path
        for lines in ((f"Host: {foreign}",), (f"Host: {foreign}", *forwarded)):
            assert status(any_server, path, *lines) == 403, path
        # Without a name, or with two, tornado takes it for no request at all.
        assert status(any_server, path) in (400, 403)
        assert status(any_server, path, f"Host: {here}", f"Host: {foreign}") in (400, 403)


def test_websockets_are_checked(any_server: int):
    here, foreign = f"localhost:{any_server}", f"attacker.test:{any_server}"
    for host, origin, code in (
        (here, here, 101), (foreign, foreign, 403), (foreign, here, 403), (here, foreign, 403),
    ):  # fmt: skip
        lines = (f"Host: {host}", f"Origin: http://{origin}", *WEBSOCKET)
        assert status(any_server, "/ws", *lines, connection="Upgrade") == code, (host, origin)


def status(port: int, path: str, *lines: str, connection: str = "close") -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as stream:
        request = "\r\n".join([f"GET {path} HTTP/1.1", *lines, f"Connection: {connection}", "", ""])
        stream.sendall(request.encode())
        return int(stream.recv(64).split()[1])
