"""Serving the explorer on this machine."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
from contextlib import ExitStack

import panel as pn

from laion_fmri._errors import ConfigError, LaionFmriError
from laion_fmri.config import Settings, load_settings
from laion_fmri.explorer.app import TITLE, create_app
from laion_fmri.explorer.data import ExplorerData

ADDRESS = "127.0.0.1"
_WARM_UP = 5.0  # seconds: with a head start the first page shows its brain at once


def explore(demo: bool = False, port: int = 5006, open_browser: bool = True) -> None:
    """Serve the explorer until it is stopped.

    Parameters
    ----------
    demo : bool
        On the demo dataset: writes it the first time, needs no network and asks nothing.
    port : int
        0 takes a free one.
    open_browser : bool

    Raises
    ------
    ConfigError
        When the port is taken.
    """
    # Told to end, it ends as with Ctrl-C: downloads come to rest and can be resumed.
    with contextlib.suppress(ValueError):  # in another thread than the main one
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as services:
        settings = demo_settings(services) if demo else load_settings()
        _serve(ExplorerData(settings), require_free_port(port), open_browser)


def _serve(data: ExplorerData, port: int, open_browser: bool) -> None:
    warming = threading.Thread(target=warm_up, args=(data,), name="warm-up", daemon=True)
    warming.start()
    warming.join(_WARM_UP)
    print(f"The explorer is at http://{ADDRESS}:{port}/ (Ctrl-C stops it).", flush=True)
    pn.serve(
        {"/": lambda: create_app(data)},
        address=ADDRESS,
        port=port,
        title=TITLE,
        show=open_browser,
        threaded=False,
        verbose=False,
        websocket_origin=[f"{ADDRESS}:{port}", f"localhost:{port}"],
    )


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


def require_free_port(port: int) -> int:
    """A port that can be listened on.

    Raises
    ------
    ConfigError
        When `port` is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"Port {port} cannot be used ({error}). Choose another with --port, or 0 for any."
            ) from error
        return probe.getsockname()[1]


def warm_up(data: ExplorerData) -> None:
    """Make what the first page shows while the browser is still opening."""
    from laion_fmri.explorer import brain_data

    for name in data.local_subjects()[:1]:
        # What is missing or damaged is said by the page itself, in its place.
        with contextlib.suppress(LaionFmriError):
            brain_data.prepare(data, data.subject(name))
