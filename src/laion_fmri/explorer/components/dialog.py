"""A question over the page, to be answered before anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewable, Viewer


class QuestionDialog(Viewer):
    """A text with a button that says yes and one that goes back.

    Parameters
    ----------
    title : str
    contents : Viewable
    yes, no : str
        Labels of the buttons.
    on_yes : callable
    color : {"primary", "error"}
        Of the button that says yes.
    """

    def __init__(
        self,
        title: str,
        contents: Viewable,
        yes: str,
        on_yes: Callable[[], None],
        no: str = "Not now",
        color: Literal["primary", "error"] = "primary",
    ) -> None:
        super().__init__()
        self._on_yes = on_yes
        self.yes = pmui.Button(label=yes, variant="contained", color=color, margin=0)
        self.no = pmui.Button(label=no, variant="text", margin=0)
        self.yes.on_click(lambda _: self._answer(True))
        self.no.on_click(lambda _: self._answer(False))
        buttons = pn.Row(
            pn.HSpacer(), self.no, self.yes, styles={"gap": "8px"}, margin=(16, 0, 8, 0)
        )
        self._dialog = pmui.Dialog(
            contents,
            buttons,
            title=title,
            title_variant="h6",
            close_on_click=True,
            width_option="sm",
            sx={"& .MuiDialogTitle-root": {"p": "18px 16px 10px"}},
            sizing_mode="stretch_width",
            margin=0,
        )

    @property
    def is_open(self) -> bool:
        """Whether it is shown."""
        return self._dialog.open

    def open(self) -> None:
        """Ask."""
        self._dialog.open = True

    def _answer(self, is_yes: bool) -> None:
        self._dialog.open = False
        if is_yes:
            self._on_yes()

    def __panel__(self) -> pmui.Dialog:
        return self._dialog
