"""Security headers of every response, and safe cookies."""

from __future__ import annotations

from collections.abc import Iterable
from http.cookies import SimpleCookie
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

_FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ("camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
}


def content_policy(origins: Iterable[str] = ()) -> str:
    """Return a policy that lets a page load from and connect to this server only.

    Panel's pages need inline scripts and styles, compile templates and load components as blobs.

    Parameters
    ----------
    origins : iterable of str
        Host and port of every address of the server; names their websockets for browsers that
        do not treat them as same-origin; ``"*"`` for any.
    """
    sockets = [
        "ws: wss:" if origin == "*" else f"ws://{origin} wss://{origin}" for origin in origins
    ]
    rules = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob: data:",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": " ".join(["'self' blob: data:", *sockets]),
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'self'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def careful_answers(origins: Iterable[str], is_https: bool) -> type[OutputTransform]:
    """Return tornado's transform for every response: adds the headers and secures cookies.

    Parameters
    ----------
    origins : iterable of str
        As for `content_policy`.
    is_https : bool
        Whether browsers reach the server by https only, through a proxy.
    """
    fixed = {**_FIXED, "Content-Security-Policy": content_policy(origins)}

    class CarefulAnswers(OutputTransform):
        def __init__(self, request: HTTPServerRequest) -> None:
            super().__init__(request)
            self._is_secure = is_https or request.protocol == "https"

        def transform_first_chunk(
            self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
        ) -> tuple[int, HTTPHeaders, bytes]:
            careful = _CarefulHeaders(headers)
            careful.is_secure = self._is_secure
            careful.pop("Server", None)
            for name, value in fixed.items():
                careful[name] = value
            return status_code, careful, chunk

    return CarefulAnswers


class _CarefulHeaders(HTTPHeaders):
    """Headers that protect every added cookie from scripts and from other sites.

    Handlers add their cookies after the transforms, so only this class can change them.
    """

    is_secure = False

    def add(self, name: str, value: str, **options: Any) -> None:
        """Add a header."""
        if name.lower() == "set-cookie":
            value = careful_cookie(value, self.is_secure)
        super().add(name, value, **options)


def careful_cookie(text: str, is_secure: bool) -> str:
    """Return a Set-Cookie header with HttpOnly, SameSite and, behind https, Secure."""
    cookie: SimpleCookie = SimpleCookie()
    cookie.load(text)
    for morsel in cookie.values():
        morsel["httponly"] = True
        morsel["samesite"] = morsel["samesite"] or "Lax"
        if is_secure:
            morsel["secure"] = True
    return "; ".join(morsel.OutputString() for morsel in cookie.values()) or text
