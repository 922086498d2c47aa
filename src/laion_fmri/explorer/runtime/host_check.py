"""Host checks: which addresses belong to this machine, and which a server responds to.

A site can point its own name at this machine (DNS rebinding). The browser then treats the
server's response as the site's own, so requests are refused by the host name they ask for.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import panel as pn
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import check_allowlist
from bokeh.settings import settings
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_HTTP, _HTTPS = 80, 443
_FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})
_ORIGIN_FLAG = "--allow-websocket-origin"
_ADMITTED: WeakSet[HTTPServerRequest] = WeakSet()


class RefusedHost(RequestHandler):
    """The response to a request for another name."""

    def prepare(self) -> None:
        """Respond 403 to any request."""
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(
            "403: This server is not started for the name in this address. Open it at the address "
            "that it printed, or start it with --allow-origin ORIGIN (panel serve: "
            "--allow-websocket-origin HOST). A proxy has to pass the browser's Host header on.\n"
        )


def check_hosts() -> None:
    """Make all Bokeh servers of this process refuse requests for other names.

    The check is in tornado's application, which handles pages, websockets, files and logins
    alike. Under ``panel serve``, it is already running when the explorer is imported.
    """
    if not hasattr(BokehTornado.find_handler, "__wrapped__"):
        BokehTornado.find_handler = _with_check(BokehTornado.find_handler)


def _with_check(find_handler: Any) -> Any:
    @functools.wraps(find_handler)
    def checked(application: BokehTornado, request: HTTPServerRequest, **options: Any) -> Any:
        origins = {*application.websocket_origins, *(settings.allowed_ws_origin() or ())}
        if is_admitted(request, origins):
            _ADMITTED.add(request)
            return find_handler(application, request, **options)
        return application.get_handler_delegate(request, RefusedHost)

    return checked


def is_admitted(request: HTTPServerRequest, origins: Collection[str]) -> bool:
    """Whether the requested host is one that the server was started for.

    It must be one of its origins, or have the server's port at a loopback address or at the very
    address of the connection. No site can give itself such a name.

    Parameters
    ----------
    request : HTTPServerRequest
    origins : collection of str
        Host and port of every page whose websocket the server accepts, as Bokeh writes them.
    """
    hosts = request.headers.get_list("Host")
    found = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
    if found is None:
        return False
    name, port = found["name"], int(found["port"] or _HTTP)
    # Bokeh assumes port 80 for an origin without a port, even for https.
    ports = (port, _HTTP) if port == _HTTPS else (port,)
    if any(check_allowlist(f"{name}:{port}", list(origins)) for port in ports):
        return True
    at, listens_on = _end_of(request)
    if is_loopback(name):
        return port == listens_on or listens_on is None
    if not found["port"]:  # proxies may omit it
        return name in map(host_of, origins)
    return port == listens_on and None is not _address(name) == _address(at)


def was_missed(request: HTTPServerRequest, origins: Collection[str]) -> bool:
    """Whether a request should be refused, but was in progress when `check_hosts` was called.

    This is the request that makes ``panel serve`` import the explorer.
    """
    return request not in _ADMITTED and not is_admitted(request, origins)


def _end_of(request: HTTPServerRequest) -> tuple[str, int | None]:
    """Return address and port of this end of a connection, if available.

    Neither is available for a Unix socket, or for a websocket in progress.
    """
    stream = getattr(request.connection, "stream", None)
    try:
        at, port = stream.socket.getsockname()[:2]  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError, TypeError):
        return "", None
    return (at, port) if isinstance(port, int) else ("", None)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def request_of_page() -> Any:
    """Return the original request for the page being created; None outside a server.

    Bokeh's own request contains the headers of the token in the page, which anybody can forge
    if sessions are not signed.
    """
    document = pn.state.curdoc
    context = None if document is None else document.session_context
    request = None if context is None else context.request
    return getattr(request, "_request", request)


def is_from_this_machine(request: Any) -> bool:
    """Whether a request came directly from this machine, as far as can be determined.

    Behind a proxy on this machine every request looks local; the requested host and the headers
    added by the proxy reveal it.

    Parameters
    ----------
    request : object or None
        Has ``remote_ip`` and ``headers``, like tornado's requests.
    """
    headers: Mapping[str, str] = getattr(request, "headers", None) or {}
    names = {str(name).lower(): str(value) for name, value in headers.items()}
    if names.keys() & _FORWARDED:
        return False
    return is_loopback(getattr(request, "remote_ip", "")) and is_loopback(
        host_of(names.get("host", ""))
    )


def only_local(origins: Iterable[str]) -> bool:
    """Whether a server accepts only pages of this machine."""
    return all(is_loopback(host_of(origin)) for origin in origins)


def is_loopback(host: object) -> bool:
    """Whether a name or an address is a loopback one."""
    if not isinstance(host, str):
        return False
    name = host.lower().strip("[]")
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def host_of(origin: str) -> str:
    """Return the host of an origin, with or without scheme and port; empty if there is none."""
    text = origin if "//" in origin else f"//{origin}"
    try:
        return urlsplit(text).hostname or ""
    except ValueError:
        return ""


def origins_of_process(arguments: Sequence[str] | None = None) -> list[str]:
    """Return the origins whose pages a server accepts, from its command line and environment.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process: `sys.argv` of a script served by Panel differs.
    """
    arguments = sys.orig_argv if arguments is None else arguments
    found = list(settings.allowed_ws_origin() or [])
    for number, argument in enumerate(arguments):
        flag, _, value = argument.partition("=")
        if flag == _ORIGIN_FLAG:
            found.append(value or next(iter(arguments[number + 1 : number + 2]), ""))
    return found
