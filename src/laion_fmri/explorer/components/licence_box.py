"""The dataset's licence, to be accepted once."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.access import LICENSE, LICENSE_TEXT, LICENSE_URL
from laion_fmri.explorer.components.markup import escape, markup


class LicenceBox(Viewer):
    """The licence's text and a button to accept it.

    Parameters
    ----------
    on_accept : callable
    """

    def __init__(self, on_accept: Callable[[], None]) -> None:
        super().__init__()
        button = pmui.Button(label="Accept the licence", variant="contained", margin=(12, 0, 0, 0))
        button.on_click(lambda _: on_accept())
        link = (
            f'<a href="{escape(LICENSE_URL)}" target="_blank" rel="noopener" '
            f'style="color:var(--accent)">Read {escape(LICENSE)}</a>'
        )
        self._layout = pmui.Paper(
            markup(
                f"<h3>Before the first download: {escape(LICENSE)}</h3>"
                f'<p style="max-width:68ch;margin:6px 0">{escape(LICENSE_TEXT)}</p>{link}'
            ),
            button,
            variant="outlined",
            sx={"p": "14px 16px"},
            sizing_mode="stretch_width",
            margin=(0, 0, 14, 0),
            visible=False,
        )

    @property
    def visible(self) -> bool:
        """Whether it is shown."""
        return self._layout.visible

    @visible.setter
    def visible(self, visible: bool) -> None:
        self._layout.visible = visible

    def __panel__(self) -> pmui.Paper:
        return self._layout
