"""Fields whose text is nobody else's business: what is typed reaches no log.

Panel can log every change of a widget, for debugging; these leave the text out.
"""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui


class _Private:
    """Leaves everything but the bare fact out of the log."""

    def _log(self, msg: str, *args: object, level: str = "debug") -> None:
        super()._log(msg.replace("%s", "…"), level=level)  # type: ignore[misc]

    def take(self) -> str:
        """What was typed; the field is empty afterwards."""
        text = self.typed()
        self.param.update(value="", value_input="")  # type: ignore[attr-defined]
        return text

    def typed(self) -> str:
        """What stands in the field, whether it was left already or not."""
        return self.value_input or self.value or ""  # type: ignore[attr-defined]


class PrivateText(_Private, pmui.TextInput):
    """A line of text."""


class PrivateTextArea(_Private, pmui.TextAreaInput):
    """Some lines of text."""


class PrivatePassword(_Private, pmui.PasswordInput):
    """A secret, not shown while it is typed."""


PrivateField = PrivateText | PrivateTextArea | PrivatePassword


def show_problem(field: Any, problem: str, hint: str = "") -> None:
    """Say what is wrong right below a field; else a hint, or nothing."""
    field.param.update(error_state=bool(problem), helper_text=problem or hint)
