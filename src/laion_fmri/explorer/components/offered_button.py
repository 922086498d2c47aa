"""A button that can be pressed when the server says so, whatever a browser says."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui


class OfferedButton(pmui.Button):
    """A button whose `disabled` no browser changes.

    Panel's page writes back what a button was when it was drawn. Where it was offered and taken
    back before a slow browser had drawn it, that would offer it again.
    """

    def _process_events(self, events: dict[str, Any]) -> None:
        super()._process_events({name: v for name, v in events.items() if name != "disabled"})
        if events.get("disabled", self.disabled) != self.disabled:
            self.param.trigger("disabled")
