"""Serving the explorer: on this machine, or with care to a group."""

from __future__ import annotations

import contextlib
import logging
import secrets
import signal
import socket
import sys
import threading
from contextlib import ExitStack
from typing import Any

import panel as pn
from bokeh.document import Document
from panel.io.state import set_curdoc
from panel.viewable import Viewable
from tornado.ioloop import IOLoop

from laion_fmri._errors import ConfigError, LaionFmriError
from laion_fmri.config import Settings, load_settings
from laion_fmri.explorer.app import TITLE, create_app
from laion_fmri.explorer.background import set_crowd, when_left
from laion_fmri.explorer.components.notice import notice
from laion_fmri.explorer.components.rest import Rest
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.headers import careful_answers
from laion_fmri.explorer.lasting import set_lasting_aside
from laion_fmri.explorer.login import OAuthLogin, UserLogin
from laion_fmri.explorer.roles import Policy
from laion_fmri.explorer.serving_options import (
    LOOPBACK,
    Login,
    ServingOptions,
    admitted_origins,
    cookie_secret,
    read_login,
    require_safe,
)
from laion_fmri.explorer.small_pages import small_pages


class _LeftPages(logging.Filter):
    """That a page was left while it was being told something is no news."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "connection was closed" not in record.getMessage()


for _name in ("bokeh.server.views.ws", "panel.io.document"):
    logging.getLogger(_name).addFilter(_LeftPages())

MOST_PAGES = 200
"""Pages that are open at once; whoever comes then is asked to come back later."""

_WARM_UP = 5.0  # seconds: with a head start the first page shows its brain at once
_REST = 2.0  # seconds without a page
_LEFT_FOR = 10_000  # milliseconds that the session of a page outlives it, for a reload
_LOOKED_AFTER = 5_000  # milliseconds between two looks for sessions that are over
_MOST_MESSAGE = 24 << 20  # bytes; an upload comes in parts of 10 MB
_MOST_BODY = 1 << 20  # bytes of a form: the login's


def explore(
    demo: bool = False, open_browser: bool = True, options: ServingOptions | None = None
) -> None:
    """Serve the explorer until it is stopped.

    Parameters
    ----------
    demo : bool
        On the demo dataset: writes it the first time, needs no network and asks nothing.
    open_browser : bool
    options : ServingOptions, optional
        Where and to whom; by default on this machine, to whoever sits at it.

    Raises
    ------
    ConfigError
        When the port is taken, or others could come in who should not.
    """
    options = options or ServingOptions()
    login = read_login(options)
    policy = require_safe(options, login)
    # Told to end, it ends as with Ctrl-C: downloads come to rest and can be resumed.
    with contextlib.suppress(ValueError):  # in another thread than the main one
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as services:
        settings = demo_settings(services) if demo else load_settings()
        data = ExplorerData(settings)
        port = require_free_port(options.port, options.address)
        warming = threading.Thread(target=warm_up, args=(data,), name="warm-up", daemon=True)
        warming.start()
        warming.join(_WARM_UP)
        _announce(options, policy, port)
        _end_between_two_answers()
        pn.serve(
            {"/": Pages(data, policy).open},
            show=open_browser,
            threaded=False,
            **serve_options(options, login, port),
        )


def serve_options(options: ServingOptions, login: Login, port: int) -> dict[str, Any]:
    """What `panel.serve` is told.

    Parameters
    ----------
    options : ServingOptions
    login : Login
    port : int
    """
    origins = admitted_origins(options, port)
    told: dict[str, Any] = {
        "address": options.address,
        "port": port,
        "prefix": options.prefix,
        "title": TITLE,
        "verbose": False,
        "websocket_origin": origins,
        "extra_patterns": small_pages(Pages.count),
        "transforms": [careful_answers(origins, options.is_https)],
        "unused_session_lifetime_milliseconds": _LEFT_FOR,
        "check_unused_sessions_milliseconds": _LOOKED_AFTER,
        "websocket_max_message_size": _MOST_MESSAGE,
        "http_server_kwargs": {"max_body_size": _MOST_BODY},
        # A session is joined by a token that this server made, and by no other.
        "sign_sessions": True,
        "secret_key": secrets.token_bytes(32),
    }
    if login:
        told["cookie_secret"] = cookie_secret()
        told["cookie_path"] = f"{options.prefix}/"
        told["oauth_optional"] = False
    if login.accounts is not None:
        told["auth_provider"] = UserLogin(login.accounts)
    elif login.oauth:
        provider = {**login.oauth}
        pn.config.oauth_provider = provider.pop("oauth_provider")  # type: ignore[misc]
        told.update(provider, auth_provider=OAuthLogin(options.users))
    return told


def _end_between_two_answers() -> None:
    """Have the loop stop when the server is told to end.

    An exception could be raised wherever the interpreter is, and be lost there.
    """
    loop = IOLoop.current()
    with contextlib.suppress(ValueError):  # in another thread than the main one
        signal.signal(signal.SIGTERM, lambda *_: loop.add_callback_from_signal(loop.stop))


class Pages:
    """Makes the pages of a server, each for whoever opens it.

    Parameters
    ----------
    data : ExplorerData
    policy : Policy
    """

    _n_open = 0
    _guard = threading.Lock()

    def __init__(self, data: ExplorerData, policy: Policy) -> None:
        self._data, self._policy = data, policy

    @classmethod
    def count(cls) -> int:
        """How many pages are open."""
        return cls._n_open

    def open(self) -> Viewable:
        """A page for whoever opens it."""
        if self.count() >= MOST_PAGES:
            return notice("So many pages are open that there is no room. Come back later.")
        self._count_this_one()
        page = create_app(self._data, self._policy.visitor(pn.state.user))
        if self._policy.is_shared:
            page.main.append(Rest())
        return page

    @classmethod
    def _count_this_one(cls) -> None:
        def gone() -> None:
            with cls._guard:
                cls._n_open -= 1
                set_crowd(cls._n_open - 1)
            if not cls.count():
                IOLoop.current().call_later(_REST, cls._rest)

        with cls._guard:
            cls._n_open += 1
            set_crowd(cls._n_open - 1)
        when_left(gone)

    @classmethod
    def _rest(cls) -> None:
        if not cls.count():
            set_lasting_aside()


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
    """Settings for the demo: a bucket of five subjects, a data directory that holds two.

    The demo's access service answers until `services` is closed.
    """
    from laion_fmri.demo.home import prepare_demo_home

    home = prepare_demo_home(progress=_say_progress)
    return services.enter_context(home.served())


def _say_progress(fraction: float, what: str) -> None:
    end = "\n" if fraction >= 1 else ""
    print(f"\rWriting the demo dataset, once: {fraction:4.0%}  {what:<40.40}", end=end, flush=True)


def require_free_port(port: int, address: str = LOOPBACK) -> int:
    """A port that can be listened on.

    Raises
    ------
    ConfigError
        When `port` is taken, or the address is none of this machine.
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
    """Make what the first pages show while the browser is still opening."""
    from laion_fmri.explorer.state import ExplorerState
    from laion_fmri.explorer.tabs.brain import BrainTab
    from laion_fmri.explorer.tabs.splits import SplitsTab
    from laion_fmri.explorer.tabs.trials import TrialsTab

    # A document of its own: without one, Panel takes that of whichever page is answered just
    # then, in any thread, and puts into it what belongs to none.
    nobodys = Document()
    with set_curdoc(nobodys):
        for name in data.local_subjects()[:1]:
            for kind in (BrainTab, TrialsTab, SplitsTab):
                # What is missing or damaged is said by the page itself, in its place.
                with contextlib.suppress(LaionFmriError):
                    tab = kind(ExplorerState(subject=name, tab=kind.title), data)
                    tab.open()
                    tab.__panel__().get_root(nobodys)
    set_lasting_aside()
