"""Serves the explorer: on this machine, or with precautions to a group."""

from __future__ import annotations

import contextlib
import gc
import secrets
import signal
import socket
import sys
import threading
from collections import Counter
from contextlib import ExitStack
from typing import Any, ClassVar

import panel as pn
from bokeh.document import Document
from panel.io.state import set_curdoc
from panel.viewable import Viewable
from tornado.ioloop import IOLoop

from laion_fmri._errors import ConfigError, LaionFmriError
from laion_fmri.config import Settings, load_settings
from laion_fmri.explorer.app import TITLE, create_app
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import when_left
from laion_fmri.explorer.runtime.page_turn import set_page_count
from laion_fmri.explorer.runtime.visitor import Policy
from laion_fmri.explorer.server.headers import careful_answers
from laion_fmri.explorer.server.login import OAuthLogin, UserLogin
from laion_fmri.explorer.server.message_limit import limit_messages
from laion_fmri.explorer.server.options import (
    LOOPBACK,
    Login,
    ServingOptions,
    admitted_origins,
    cookie_secret,
    read_login,
    require_safe,
)
from laion_fmri.explorer.server.status_pages import IdleTimeout, small_pages
from laion_fmri.explorer.widgets.notice import notice

MOST_PAGES = 200
"""Maximum number of open pages."""

MOST_OF_ONE = 50
"""Maximum number of open pages per user."""

_WARM_UP = 5.0  # seconds: a head start lets the first page display its brain immediately
_IDLE = 2.0  # seconds without a page, before memory is cleaned up
_SESSION_LIFETIME = 10_000  # milliseconds that a session outlives its page, for a reload
_SESSION_CHECK = 5_000  # milliseconds between two checks for unused sessions
_MAX_MESSAGE = 24 << 20  # bytes; an upload is sent in parts of 10 MB
_MAX_FORM = 1 << 20  # bytes; the only form is the login's


def explore(
    demo: bool = False, open_browser: bool = True, options: ServingOptions | None = None
) -> None:
    """Serve the explorer until it is stopped.

    Parameters
    ----------
    demo : bool
        Use the demo dataset, which is created the first time. It needs no network.
    open_browser : bool
    options : ServingOptions, optional
        Addresses and users; by default this machine, for the person at it.

    Raises
    ------
    ConfigError
        If the port is in use, or others could open the explorer without permission.
    """
    options = options or ServingOptions()
    login = read_login(options)
    policy = require_safe(options, login)
    # SIGTERM stops the server like Ctrl-C: downloads stop, and can be resumed.
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as services:
        settings = demo_settings(services) if demo else load_settings()
        data = ExplorerData(settings)
        port = require_free_port(options.port, options.address)
        warming = threading.Thread(target=warm_up, args=(data,), name="warm-up", daemon=True)
        warming.start()
        warming.join(_WARM_UP)
        _announce(options, policy, port)
        limit_messages()
        _stop_at_sigterm()
        pn.serve(
            {"/": Pages(data, policy).open},
            show=open_browser,
            threaded=False,
            **serve_options(options, login, port),
        )


def serve_options(options: ServingOptions, login: Login, port: int) -> dict[str, Any]:
    """Return the options of `panel.serve`.

    Parameters
    ----------
    options : ServingOptions
    login : Login
    port : int
    """
    origins = admitted_origins(options, port)
    found: dict[str, Any] = {
        "address": options.address,
        "port": port,
        "prefix": options.prefix,
        "title": TITLE,
        "verbose": False,
        "websocket_origin": origins,
        "extra_patterns": small_pages(Pages.count),
        "transforms": [careful_answers(origins, options.is_https)],
        "unused_session_lifetime_milliseconds": _SESSION_LIFETIME,
        "check_unused_sessions_milliseconds": _SESSION_CHECK,
        "websocket_max_message_size": _MAX_MESSAGE,
        "http_server_kwargs": {"max_body_size": _MAX_FORM},
        # Only a token issued by this server gives access to a session.
        "sign_sessions": True,
        "secret_key": secrets.token_bytes(32),
    }
    if login:
        found["cookie_secret"] = cookie_secret()
        found["cookie_path"] = f"{options.prefix}/"
        found["oauth_optional"] = False
    if login.accounts is not None:
        found["auth_provider"] = UserLogin(login.accounts)
    elif login.oauth:
        provider = {**login.oauth}
        pn.config.oauth_provider = provider.pop("oauth_provider")  # type: ignore[misc]
        found.update(provider, auth_provider=OAuthLogin(options.users))
    return found


def _stop_at_sigterm() -> None:
    """Stop the event loop at SIGTERM.

    An exception could be raised anywhere in the interpreter, and be lost there.
    """
    loop = IOLoop.current()
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, lambda *_: loop.add_callback_from_signal(loop.stop))


class Pages:
    """Creates the pages of a server, each for its visitor.

    Parameters
    ----------
    data : ExplorerData
    policy : Policy
    """

    _n_open = 0
    _of_user: ClassVar[Counter[str]] = Counter()
    _guard = threading.Lock()

    def __init__(self, data: ExplorerData, policy: Policy) -> None:
        self._data, self._policy = data, policy

    @classmethod
    def count(cls) -> int:
        """Return the number of open pages."""
        return cls._n_open

    def open(self) -> Viewable:
        """Create a page for the visitor who opens it."""
        user = pn.state.user or ""
        if self.count() >= MOST_PAGES:
            return notice("Too many pages are open on this server. Try again later.")
        if self._policy.has_login and self._of_user[user] >= MOST_OF_ONE:
            return notice(f"You have {MOST_OF_ONE} pages open. Close some first.")
        self._count_page(user)
        page = create_app(self._data, self._policy.visitor(user))
        if self._policy.is_shared:
            page.main.append(IdleTimeout())
        return page

    @classmethod
    def _count_page(cls, user: str) -> None:
        def gone() -> None:
            with cls._guard:
                cls._n_open -= 1
                cls._of_user -= Counter({user: 1})
                set_page_count(cls._n_open)
            if not cls.count():
                IOLoop.current().call_later(_IDLE, cls._clean_up)

        with cls._guard:
            cls._n_open += 1
            cls._of_user[user] += 1
            set_page_count(cls._n_open)
        when_left(gone)

    @classmethod
    def _clean_up(cls) -> None:
        if not cls.count():
            freeze_garbage_collector()


def _announce(options: ServingOptions, policy: Policy, port: int) -> None:
    where = options.address
    if options.origins and options.origins[0] != "*":
        first = options.origins[0]
        where = first if "//" in first else f"http://{first}"
        print(f"The explorer is at {where.rstrip('/')}{options.prefix}/ ", end="")
        print(f"and listens on {options.address}:{port} (Ctrl-C stops it).", flush=True)
    else:
        host = f"[{where}]" if ":" in where else where
        at = f"http://{host}:{port}{options.prefix}/"
        print(f"The explorer is at {at} (Ctrl-C stops it).", flush=True)
    if policy.is_shared and not policy.has_login:
        print("There is no login: everybody who can reach this address sees it.", flush=True)
    if (policy.is_shared or policy.has_login) and not policy.owner:
        print("Nobody may download or change anything: name who may with --owner.", flush=True)


def demo_settings(services: ExitStack) -> Settings:
    """Return settings for the demo: a bucket with five subjects, two of them downloaded.

    The demo's access service runs until `services` is closed.
    """
    from laion_fmri.demo.home import prepare_demo_home

    home = prepare_demo_home(progress=_say_progress)
    return services.enter_context(home.served())


def _say_progress(fraction: float, what: str) -> None:
    end = "\n" if fraction >= 1 else ""
    print(f"\rWriting the demo dataset, once: {fraction:4.0%}  {what:<40.40}", end=end, flush=True)


def require_free_port(port: int, address: str = LOOPBACK) -> int:
    """Return a port that the server can listen on.

    Raises
    ------
    ConfigError
        If the port is in use, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"Port {port} of {address} cannot be used ({error}). Choose another with --port, "
                "or 0 for any."
            ) from error
        return probe.getsockname()[1]


def warm_up(data: ExplorerData) -> None:
    """Compute the contents of the first pages while the browser opens."""
    from laion_fmri.explorer.brain.tab import BrainTab
    from laion_fmri.explorer.splits.tab import SplitsTab
    from laion_fmri.explorer.state import ExplorerState
    from laion_fmri.explorer.trials.tab import TrialsTab

    # Without its own document, Panel would use that of any page being served meanwhile.
    document = Document()
    with set_curdoc(document):
        for name in data.local_subjects()[:1]:
            for kind in (BrainTab, TrialsTab, SplitsTab):
                # The page itself reports what is missing or damaged.
                with contextlib.suppress(LaionFmriError):
                    tab = kind(ExplorerState(subject=name, tab=kind.title), data)
                    tab.open()
                    tab.__panel__().get_root(document)
    freeze_garbage_collector()


def freeze_garbage_collector() -> None:
    """Exclude all objects that are alive now (modules, tables, indexes) from garbage collection.

    Otherwise a collection after every page that closes would visit millions of objects, which
    takes half a second during which no page is served. Previously excluded objects that are
    garbage by now are freed first.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
