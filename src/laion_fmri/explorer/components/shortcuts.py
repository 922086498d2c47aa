"""Keys that work anywhere on the page while the view they belong to is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import param

from laion_fmri.explorer.components.answering import AnsweringComponent


class Shortcuts(AnsweringComponent):
    """Calls a function when its key is pressed.

    Keys pressed inside a text field, a list or a slider belong to that control.

    Parameters
    ----------
    actions : mapping of str to callable
        Names of keys as browsers call them (``"ArrowLeft"``, ``"r"``).
    """

    keys = param.List(default=[], item_type=str)

    _esm: ClassVar[Path] = Path(__file__).with_name("shortcuts.js")

    def __init__(self, actions: Mapping[str, Callable[[], object]], **params: Any) -> None:
        super().__init__(keys=list(actions), margin=0, **params)
        self._actions = actions

    def answer(self, message: Any) -> None:
        """Do what the page asks for."""
        action = self._actions.get(message) if isinstance(message, str) else None
        if action:
            action()
