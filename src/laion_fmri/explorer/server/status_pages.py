"""Additional pages of the server: its health, and the page that replaces an idle one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import param
from markupsafe import escape
from panel.custom import JSComponent
from tornado.web import RequestHandler

from laion_fmri._version import __version__

_IDLE_HTML = Path(__file__).parent / "pages" / "resting.html"

_IDLE_PAGE = "resting"
"""The URL of the page that replaces an idle one, below the server's."""


class Health(RequestHandler):
    """Reports that the server is running, without a login."""

    def initialize(self, n_pages: Callable[[], int]) -> None:
        """Store the arguments of the pattern.

        Parameters
        ----------
        n_pages : callable
            Returns the number of open pages.
        """
        self._n_pages = n_pages

    def get(self) -> None:
        """Respond 200 with a short JSON."""
        self.set_header("Cache-Control", "no-store")
        self.finish({"status": "ok", "version": __version__, "pages": self._n_pages()})


class IdlePage(RequestHandler):
    """The page that replaces a page after hours without input."""

    def get(self) -> None:
        """Respond with a text that links back."""
        back = self.get_query_argument("back", "./")
        is_ours = back.startswith("/") and not back.startswith(("//", "/\\"))
        link = escape(back if is_ours else "./")
        self.finish(_IDLE_HTML.read_text(encoding="utf-8").replace("@BACK@", link))


def small_pages(n_pages: Callable[[], int]) -> list[tuple[Any, ...]]:
    """Return patterns for tornado, below the server's prefix."""
    return [(r"/healthz", Health, {"n_pages": n_pages}), (rf"/{_IDLE_PAGE}", IdlePage)]


class IdleTimeout(JSComponent):
    """Invisible: after hours without input, the browser leaves the page.

    This ends the session. The page that replaces it links back to the same address, which
    restores the choices.
    """

    hours = param.Number(
        default=2.0, bounds=(0, None), doc="Hours without input after which the page is left."
    )

    _esm: ClassVar[str] = f"""
    const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]
    export function render({{ model, signal }}) {{
      let touched = Date.now()
      const touch = () => {{ touched = Date.now() }}
      for (const sign of SIGNS) {{
        window.addEventListener(sign, touch, {{ passive: true, capture: true, signal }})
      }}
      const limit = model.hours * 3600000
      const clock = setInterval(() => {{
        if (Date.now() - touched < limit) return
        clearInterval(clock)
        const back = window.location.pathname + window.location.search
        const base = window.location.pathname.replace(/[^/]*$/, "")
        window.location.replace(`${{base}}{_IDLE_PAGE}?back=${{encodeURIComponent(back)}}`)
      }}, Math.min(30000, Math.max(50, limit / 4)))
      model.on("remove", () => clearInterval(clock))
      return document.createElement("span")
    }}
    """
