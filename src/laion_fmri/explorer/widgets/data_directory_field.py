"""A field for the data directory, for users who have not set one yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.authorization import CHOOSING_FOLDER
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import explain
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.notice import plain_text
from laion_fmri.settings_check import check_settings

PROPOSED = "~/laion-fmri"


class DataFolder(Viewer):
    """A field prefilled with a suitable folder, and a button that sets it.

    Parameters
    ----------
    data : ExplorerData
    on_choice : callable
        Called when the folder is set.
    """

    def __init__(self, data: ExplorerData, on_choice: Callable[[], object]) -> None:
        super().__init__()
        self._data, self._on_choice = data, on_choice
        self.field = pmui.TextInput(
            label="Data folder",
            value=PROPOSED,
            size="small",
            sizing_mode="stretch_width",
            styles={"flex": "1 1 240px"},
            margin=0,
        )
        self.use = small_button("Use this folder", self._use, variant="contained")
        self.message = plain_text()
        self.message.param.update(visible=False, margin=(4, 0, 0, 0))
        self._layout = stacked(
            pn.FlexBox(
                self.field,
                self.use,
                gap="8px 12px",
                align_items="center",
                sizing_mode="stretch_width",
                margin=(6, 0, 0, 0),
            ),
            self.message,
            styles={"max-width": "560px"},
            margin=(0, 0, 10, 0),
        )

    def _use(self) -> None:
        # `value` is updated when the field loses focus, on a busy machine only after the click.
        folder = (self.field.value_input or self.field.value or "").strip()
        if not folder:
            self._say("Name a folder first.")
            return
        changes = {"data_dir": str(Path(folder).expanduser())}
        try:
            self._data.visitor.require_owner(CHOOSING_FOLDER)
            finding = check_settings(self._data.settings_with(changes), changes)["data_dir"]
            if not finding.works:
                self._say(finding.text)
                return
            self._data.change_settings(changes)
        except LaionFmriError as error:
            self._say(explain(error))
            return
        self._say("")
        self._on_choice()

    def _say(self, text: str) -> None:
        self.message.param.update(object=text, visible=bool(text))

    def __panel__(self) -> pn.Column:
        return self._layout
