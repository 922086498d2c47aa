"""The parts of a brain view, their layout, and the links between them."""

from __future__ import annotations

from functools import partial
from typing import Any

import panel as pn
import param
from numpy.typing import NDArray

from laion_fmri.explorer.brain.choices import BrainChoices
from laion_fmri.explorer.brain.comparison import Comparison
from laion_fmri.explorer.brain.controls import BrainControls
from laion_fmri.explorer.brain.data import Picture
from laion_fmri.explorer.brain.display import DisplayLink
from laion_fmri.explorer.brain.export import BrainExport
from laion_fmri.explorer.brain.inspector import BrainInspector
from laion_fmri.explorer.brain.missing_files import MissingFiles
from laion_fmri.explorer.brain.stage import BrainStage
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import Gate
from laion_fmri.explorer.runtime.page_turn import Rendered
from laion_fmri.explorer.widgets.copy_code import CopyCode
from laion_fmri.explorer.widgets.layout import stacked
from laion_fmri.explorer.widgets.notice import notice, say
from laion_fmri.maps import OfferedMaps

_WRAPS = {"height": "auto", "max-height": "none"}  # as high as the contents


class BrainLayout(BrainChoices):
    """Controls, brain and inspector next to each other; a subclass fills them.

    Parameters
    ----------
    data : ExplorerData
    gate : Gate, optional
        Gate of the view that contains this one; by default its own.
    """

    __abstract = True

    def __init__(self, data: ExplorerData, gate: Gate | None, **params: Any) -> None:
        super().__init__(**params)
        self._data, self._gate = data, gate or Gate()
        self._offered = OfferedMaps()
        self.messages = stacked()
        self.stage = BrainStage(data, self._gate, self._say)
        self.view = self.stage.first.view
        self.code, self.export = CopyCode(), BrainExport(self.view, self._gate)
        self.missing = MissingFiles(data, self._gate, self._files_came, self._say)
        self.controls = BrainControls([self.export, self.code, self.missing.of_subject])
        self.picker = self.controls.picker
        self.inspector = BrainInspector(data, self._gate, self)
        self._display = DisplayLink(self, self.view, self.controls)
        self._comparison = Comparison(
            data, self, self.controls, self.stage, self._offered, self._say
        )
        self._connect()
        self._side = pn.Column(
            self.inspector,
            margin=(8, 12, 16, 4),
            styles={"flex": "1 1 316px", "min-width": "270px"},
        )
        middle = pn.Column(
            self.messages,
            self.missing.to_begin,
            self.stage,
            sizing_mode="stretch_both",
            margin=(8, 8, 16, 0),
            styles=_WRAPS
            | {"flex": "9 1 560px", "min-width": "min(100%, 420px)", "min-height": "700px"},
        )
        self._layout = pn.Row(
            self.controls,
            middle,
            self._side,
            *([] if gate else [Rendered(self._gate.open)]),
            styles=_WRAPS | {"flex": "1 0 auto", "flex-wrap": "wrap", "align-items": "stretch"},
            sizing_mode="stretch_both" if gate else "stretch_width",
            margin=0,
        )

    def _connect(self) -> None:
        controls = self.controls
        for widget, name in (
            (controls.subject, "subject"),
            (controls.map, "map"),
            (controls.space, "space"),
            (self.picker, "rois"),
        ):
            widget.param.watch(partial(self._take, name), "value")
        controls.anatomy.param.watch(
            lambda e: self.stage.param.update(anatomy=e.new or ""), "value"
        )
        for side in self.stage.sides:
            self.picker.styles.link(side.view, value="roi_style")
        self.view.link(self.inspector, picked="picked", crosshair="crosshair")

    def _take(self, name: str, event: param.parameterized.Event) -> None:
        self.choose(**{name: list(event.new) if name == "rois" else event.new or ""})

    @property
    def picture(self) -> Picture | None:
        """The displayed picture."""
        return self.stage.first.picture

    @property
    def _map_to_show(self) -> str:
        """Return the chosen map, or its substitute if the map does not exist."""
        picture = self.picture
        is_of_subject = picture is not None and picture.subject.name == self._offered.subject
        now = picture.brain_map.name if picture is not None and is_of_subject else ""
        return self._offered.name_instead_of(self.map, now)

    @property
    def picked(self) -> dict[str, Any] | None:
        """The vertex clicked last: hemisphere, vertex, x, y, z (mm), value; or None."""
        return self.view.picked

    @property
    def mask(self) -> NDArray:
        """The voxels of the chosen ROIs; see `RoiPicker.mask`."""
        return self.picker.mask

    def refresh(self) -> None:
        """Update the available choices and the display."""
        raise NotImplementedError

    def _files_came(self) -> None:
        self.refresh()
        self.param.trigger("files_arrived")

    def _say(self, text: str) -> None:
        say(self.messages, [notice(text, "warning")])

    def __panel__(self) -> pn.Row:
        return self._layout
