"""Keys that work anywhere on the page while the view they belong to is visible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import param

from laion_fmri.explorer.widgets.page_messages import MessagingComponent


class Shortcuts(MessagingComponent):
    """Calls a function when its key is pressed.

    Keys pressed inside a text field, a list or a slider are left to that control.

    Parameters
    ----------
    actions : mapping of str to callable
        By name of the key in browsers (``"ArrowLeft"``, ``"r"``).
    """

    keys = param.List(default=[], item_type=str)

    _esm: ClassVar[Path] = Path(__file__).with_name("shortcuts.js")

    def __init__(self, actions: Mapping[str, Callable[[], object]], **params: Any) -> None:
        super().__init__(keys=list(actions), margin=0, **params)
        self._actions = actions

    def receive(self, message: Any) -> bool:
        """Call the function of a key."""
        if not isinstance(message, str) or message not in self._actions:
            return False
        self._actions[message]()
        return True
