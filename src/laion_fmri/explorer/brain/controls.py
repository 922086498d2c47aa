"""The controls of the brain view; they handle names only, no brain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer.brain import data as brain_data
from laion_fmri.explorer.brain.roi_picker import RoiPicker
from laion_fmri.explorer.brain.upload import BoundedFileInput
from laion_fmri.explorer.widgets.layout import folded, stacked
from laion_fmri.explorer.widgets.menu_keys import MenuKeys

_WIDTH = 268
NOTHING = "nothing"


class BrainControls(Viewer):
    """Controls for subject, map, ROIs, cortex, slices and comparison.

    Parameters
    ----------
    below : sequence
        Views placed below the controls, in the same column.
    """

    def __init__(self, below: Sequence[Any] = ()) -> None:
        super().__init__()
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self.subject = pmui.Select(label="Subject", **wide)
        self.map = pmui.Select(label="Map", searchable=True, **wide)
        self.open_file = BoundedFileInput(
            label="Show a NIfTI of your own",
            accept=".nii,.nii.gz,.gz",
            multiple=False,
            variant="text",
            size="small",
            **wide,
        )
        self.picker = RoiPicker()
        self.space = pmui.Select(
            label="Cortex",
            options={"the subject's own": "fsnative", "fsaverage": "fsaverage"},
            **wide,
        )
        self.folds = pmui.Select(label="Folds", options=dict(brain_data.UNDERLAYS), **wide)
        self.anatomy = pmui.Select(label="Slices over", options=[], **wide)
        self.compare_map = pmui.Select(
            label="Compare with map", options=[NOTHING], value=NOTHING, searchable=True, **wide
        )
        self.compare_subject = pmui.Select(label="of subject", options=[], **wide)
        self.linked = pmui.Switch(label="Link both brains", value=True, **wide)
        more = folded(
            ("Cortex and slices", stacked(self.space, self.folds, self.anatomy)),
            ("Compare", stacked(self.compare_map, self.compare_subject, self.linked)),
        )
        self._layout = pn.Column(
            self.subject,
            self.map,
            self.open_file,
            self.picker,
            more,
            *below,
            MenuKeys(),
            margin=(8, 8),
            styles={"flex": f"0 0 {_WIDTH}px", "width": f"{_WIDTH}px"},
        )

    def set_shown(self, shown: bool) -> None:
        """Show the controls, or hide them when there is nothing to choose."""
        self._layout.visible = shown

    def offer_subjects(self, local: list[str], chosen: str, compared: str) -> None:
        """Set the available subjects, also for the comparison."""
        self.subject.param.update(options=local, value=chosen)
        self.compare_subject.param.update(
            options=local, value=compared if compared in local else chosen
        )

    def offer_maps(self, names: list[str], shown: str | None, compared: str) -> None:
        """Set the available maps, also for the comparison."""
        self.map.param.update(options=names, value=shown)
        self.compare_map.param.update(
            options=[NOTHING, *names], value=compared if compared in names else NOTHING
        )

    def offer_anatomies(self, names: list[str], chosen: str = "") -> None:
        """Set the volumes to slice; select `chosen`, else keep the current one, else the first."""
        chosen = chosen or self.anatomy.value or ""
        kept = chosen if chosen in names else next(iter(names), None)
        self.anatomy.param.update(options=names, value=kept)

    def __panel__(self) -> pn.Column:
        return self._layout
