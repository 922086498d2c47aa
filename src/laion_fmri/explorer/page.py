"""The page around the tabs, as a server hands it out."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import panel as pn
import panel_material_ui as pmui
from panel.util import edit_readonly
from panel.viewable import Viewable

from laion_fmri.explorer.background import is_served
from laion_fmri.explorer.components.notice import notice
from laion_fmri.explorer.roles import Visitor
from laion_fmri.explorer.waiting_writes import watch_over_writes

_FROM_THE_BROWSER = frozenset(
    {"dark_theme", "sidebar_open", "contextbar_open", "sidebar_width", "contextbar_width"}
)
# Both hemispheres from above, one place of them active; within the page, so that it is found
# wherever that is served.
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="#5c6bc0">'
    '<path d="M15 3v26a11 13 0 0 1 0-26z"/><path d="M17 3v26a11 13 0 0 0 0-26z"/>'
    '<circle cx="21.5" cy="21" r="3.5" fill="#ffca28"/></svg>'
)
ICON = f"data:image/svg+xml,{quote(_ICON)}"


class ExplorerPage(pmui.Page):
    """A page of which a browser changes no more than how it looks.

    Everything else a browser sends is left out: as a logo, for one, it could name a file of the
    server, which would be read and handed over.
    """

    def __init__(self, **params: Any) -> None:
        super().__init__(busy_indicator=None, favicon=ICON, **params)
        # By itself a page follows how busy the server is. That changes twice with every event,
        # and each time all the page's models are gone through and it is drawn anew; and what
        # follows the server's state is kept when it has been left. Views say what works.
        with edit_readonly(self):
            self.busy = self.param.loading
        if is_served():
            watch_over_writes()

    def _process_property_change(self, props: dict[str, Any]) -> dict[str, Any]:
        wanted = {name: value for name, value in props.items() if name in _FROM_THE_BROWSER}
        return super()._process_property_change(wanted)


def banner(visitor: Visitor) -> list[Viewable]:
    """What stands above the tabs of every page a visitor opens."""
    if not visitor.banner:
        return []
    said = notice(visitor.banner, "warning")
    said.margin = (8, 16, 0, 16)
    return [said]


def account(visitor: Visitor) -> list[Viewable]:
    """Who is logged in, and the way out, for the header."""
    if not visitor.user:
        return []
    out = pmui.Button(
        label="Log out",
        description=f"Log out ({visitor.user})",
        icon="logout",
        href="logout",
        variant="text",
        color="default",
        size="small",
        stylesheets=[_IN_THE_HEADER],
        margin=0,
    )
    return [pn.Spacer(sizing_mode="stretch_width"), out]


_IN_THE_HEADER = """
.MuiButtonBase-root { color: inherit; white-space: nowrap; text-transform: none; }
"""
