"""Addresses of the server beside the explorer's own: its health, and where pages rest."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from tornado.web import RequestHandler

from laion_fmri._version import __version__
from laion_fmri.explorer.components.rest import PLACE

_RESTING = Path(__file__).parent / "pages" / "resting.html"


class Health(RequestHandler):
    """Says that the server turns to requests; asks nobody who they are and says no more."""

    def initialize(self, n_pages: Callable[[], int]) -> None:
        """Take what tornado hands over.

        Parameters
        ----------
        n_pages : callable
            How many pages are open.
        """
        self._n_pages = n_pages

    def get(self) -> None:
        """200 and a little JSON."""
        self.set_header("Cache-Control", "no-store")
        self.finish({"status": "ok", "version": __version__, "pages": self._n_pages()})


class Resting(RequestHandler):
    """Where a page goes that nobody touched for long."""

    def get(self) -> None:
        """A text with a way back."""
        back = self.get_query_argument("back", "./")
        is_ours = back.startswith("/") and not back.startswith(("//", "/\\"))
        link = escape(back if is_ours else "./", quote=True)
        self.finish(_RESTING.read_text(encoding="utf-8").replace("@BACK@", link))


def small_pages(n_pages: Callable[[], int]) -> list[tuple[Any, ...]]:
    """Patterns for tornado, below the server's prefix."""
    return [(r"/healthz", Health, {"n_pages": n_pages}), (rf"/{PLACE}", Resting)]
