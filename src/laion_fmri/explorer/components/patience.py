"""A loading indicator that only comes when something takes its time."""

from __future__ import annotations

import asyncio

from panel.viewable import Viewable

from laion_fmri.explorer.background import on_the_page

_PATIENCE = 0.25  # seconds: shorter waits are calmer without a flicker


class Patient:
    """Stands in for a view that is busy; `loading` reaches the view after a moment only."""

    def __init__(self, view: Viewable) -> None:
        self._view = view
        self._waiting: asyncio.TimerHandle | None = None

    @property
    def loading(self) -> bool:
        """Whether work is running."""
        return self._waiting is not None or self._view.loading

    @loading.setter
    def loading(self, busy: bool) -> None:
        if not busy:
            self._stop_waiting()
            self._view.loading = False
        elif not self.loading:
            wait = asyncio.get_running_loop().call_later
            self._waiting = wait(_PATIENCE, self._lose_patience)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _lose_patience(self) -> None:
        self._waiting = None
        on_the_page(lambda: setattr(self._view, "loading", True))
