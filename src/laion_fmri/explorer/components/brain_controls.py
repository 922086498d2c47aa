"""What the brain view is chosen with; it knows names, and nothing of brains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer import brain_data
from laion_fmri.explorer.components.bounded_upload import BoundedFileInput
from laion_fmri.explorer.components.roi_picker import RoiPicker

_WIDTH = 268
NOTHING = "nothing"


class BrainControls(Viewer):
    """Subject, map, ROIs, cortex, slices and what to compare with.

    Parameters
    ----------
    below : sequence
        What stands under the controls in the same column.
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
        more = pmui.Accordion(
            (
                "Cortex and slices",
                pn.Column(self.space, self.folds, self.anatomy, margin=0, **wide),
            ),
            ("Compare", pn.Column(self.compare_map, self.compare_subject, margin=0, **wide)),
            active=[],
            title_variant="subtitle2",
            disable_gutters=True,
            margin=(8, 10),
            **wide,
        )
        self._layout = pn.Column(
            self.subject,
            self.map,
            self.open_file,
            self.picker,
            more,
            *below,
            margin=(8, 8),
            styles={"flex": f"0 0 {_WIDTH}px", "width": f"{_WIDTH}px"},
        )

    def set_shown(self, shown: bool) -> None:
        """Show the controls, or hide them where there is nothing to choose."""
        self._layout.visible = shown

    def offer_subjects(self, local: list[str], chosen: str) -> None:
        """Offer these subjects, also to compare with."""
        self.subject.param.update(options=local, value=chosen)
        compared = self.compare_subject.value
        self.compare_subject.param.update(
            options=local, value=compared if compared in local else chosen
        )

    def offer_maps(self, names: list[str], shown: str | None) -> None:
        """Offer these maps, also to compare with."""
        self.map.param.update(options=names, value=shown)
        compared = self.compare_map.value if self.compare_map.value in names else NOTHING
        self.compare_map.param.update(options=[NOTHING, *names], value=compared)

    def offer_anatomies(self, names: list[str]) -> None:
        """Offer these volumes to slice."""
        kept = self.anatomy.value if self.anatomy.value in names else next(iter(names), None)
        self.anatomy.param.update(options=names, value=kept)

    def __panel__(self) -> pn.Column:
        return self._layout
