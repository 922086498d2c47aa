"""Components of the page that answer what it says."""

from __future__ import annotations

from functools import partial
from typing import Any

from panel.custom import JSComponent

from laion_fmri.explorer.background import once_whole


class AnsweringComponent(JSComponent):
    """A component whose messages are answered once the browser has the whole page.

    Whoever is quick can use it before that, and what the answer changed would be lost.
    """

    __abstract = True

    def answer(self, message: Any) -> None:
        """Do what a message asks for; it comes from a browser and may be anything."""
        raise NotImplementedError(f"{type(self).__name__} must answer messages")

    def _handle_msg(self, data: Any) -> None:
        once_whole(partial(self.answer, data))
