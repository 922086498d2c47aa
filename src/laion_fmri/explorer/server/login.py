"""The login of a shared server, based on Panel's: users from a file, or an OAuth provider.

In addition to Panel's login, passwords are compared in constant time and may be stored hashed,
wrong ones are slowed down, a user who is removed from the file loses access immediately, pages
load nothing from elsewhere, and a session belongs to the user who opened it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import panel as pn
from bokeh.server.util import check_allowlist
from bokeh.util.token import get_token_payload
from panel.auth import BasicAuthProvider, BasicLoginHandler, OAuthProvider
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import HTTPError, RequestHandler, decode_signed_value
from tornado.websocket import WebSocketHandler

from laion_fmri.explorer.server.accounts import Accounts

log = logging.getLogger("laion_fmri.explorer")

_PAGES = Path(__file__).parent / "pages"
_TEMPLATES = {
    "login_template": str(_PAGES / "login.html"),
    "logout_template": str(_PAGES / "logout.html"),
    "error_template": str(_PAGES / "refused.html"),
}
_LOOKED_AFTER = 1000  # milliseconds between two checks for removed users
_POLICY_VIOLATION = 1008  # close code of a websocket
_CHOSEN_SESSION = ("bokeh-session-id", "bokeh-token")


class _LoginHandler(BasicLoginHandler):
    """The login page; passwords are checked in a thread, since hashing is slow."""

    accounts: ClassVar[Accounts]
    _is_right = False

    async def post(self) -> None:
        """Log a user in."""
        require_own_page(self)
        user, password = (
            self.get_body_argument("username", ""),
            self.get_body_argument("password", "", strip=False),
        )
        came_from = str(self.request.remote_ip)
        self._is_right = await IOLoop.current().run_in_executor(
            None, self.accounts.check, user, password, came_from
        )
        log.info("Login of %r from %s: %s", user, came_from, self._is_right or "refused")
        super().post()

    def _validate(self, username: str, password: str) -> bool:
        return self._is_right


class UserLogin(BasicAuthProvider):
    """A login for the users of some accounts.

    Parameters
    ----------
    accounts : Accounts
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._open: WeakKeyDictionary[WebSocketHandler, str] = WeakKeyDictionary()
        super().__init__(**_TEMPLATES)
        PeriodicCallback(self._close_pages_of_removed_users, _LOOKED_AFTER).start()

    def _close_pages_of_removed_users(self) -> None:
        for socket, user in list(self._open.items()):
            if user not in self._accounts:
                socket.close(_POLICY_VIOLATION, "This user was removed")

    @property
    def get_user(self) -> Callable[[RequestHandler], str | None]:
        """Return a function that gives the user who sends a request, or None."""
        ask = super().get_user
        accounts, opened = self._accounts, self._open

        def get_user(handler: RequestHandler) -> str | None:
            user = ask(handler)
            if user is None or user not in accounts:
                return None
            require_own_session(handler, user)
            if isinstance(handler, WebSocketHandler):
                opened[handler] = user
            return user

        return get_user

    @property
    def login_handler(self) -> type[RequestHandler]:
        """The page that asks for name and password."""
        about = {
            "accounts": self._accounts,
            "_login_endpoint": self._login_endpoint,
            "_login_template": self._login_template,
        }
        return type("LoginHandler", (_LoginHandler,), about)


class OAuthLogin(OAuthProvider):
    """A login by Panel's OAuth provider, for some of its users.

    Parameters
    ----------
    users : collection of str
        Users who may log in. All other users of the provider are refused.
    """

    def __init__(self, users: Collection[str]) -> None:
        self._users = frozenset(users)
        super().__init__(**_TEMPLATES)

    @property
    def get_user_async(self) -> Callable[[RequestHandler], Any]:
        """Return a function that gives the user who sends a request, or None."""
        ask = super().get_user_async
        users = self._users

        async def get_user(handler: RequestHandler) -> str | None:
            user = await ask(handler)
            if user is None:
                return None
            if user not in users:
                raise HTTPError(403, reason="This user may not open the explorer")
            require_own_session(handler, user)
            return user

        return get_user


def require_own_session(handler: RequestHandler, user: str) -> None:
    """Refuse requests for a session that another user opened.

    A page opens its own session, which its websocket joins by the token in the page. A session
    selected by address or header could be another user's.

    Raises
    ------
    HTTPError
    """
    request = handler.request
    if any(name in request.arguments for name in _CHOSEN_SESSION) or (
        "Bokeh-Session-Id" in request.headers
    ):
        raise HTTPError(403, reason="Sessions cannot be chosen")
    if isinstance(handler, WebSocketHandler):
        token = request.headers.get("Sec-WebSocket-Protocol", "").rpartition(",")[2].strip()
        if _user_of_token(token) != user:
            raise HTTPError(403, reason="This session belongs to another user")


def _user_of_token(token: str) -> str | None:
    try:
        cookie = get_token_payload(token).get("cookies", {}).get("user", "")
    except Exception:  # a token may contain any bytes; the kind of error does not matter
        return None
    found = decode_signed_value(pn.config.cookie_secret, "user", cookie)
    return None if found is None else found.decode()


def require_own_page(handler: RequestHandler) -> None:
    """Refuse a form that a page of another site sent.

    Raises
    ------
    HTTPError
    """
    origin = handler.request.headers.get("Origin")
    if origin is None:
        return
    allowed: Any = handler.application
    if not check_allowlist(urlsplit(origin).netloc.lower(), list(allowed.websocket_origins)):
        raise HTTPError(403, reason="This form comes from another site")
