"""Statistics of a chosen ROI: size, mask sources, overlaps, and the map's distribution in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri.analysis.roi_statistics import roi_statistics, statistics_html
from laion_fmri.explorer.brain.data import Picture
from laion_fmri.explorer.brain.roi_picker import roi_code
from laion_fmri.explorer.runtime.background import Gate, Latest
from laion_fmri.explorer.widgets.copy_code import CodeBlock
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.markup import markup

_HINT = Markup(
    '<p class="muted">Choose ROIs to see their size, their overlap and the map inside them.</p>'
)


class RoiPanel(Viewer):
    """Statistics of one of the chosen ROIs, with the code that computes them.

    Parameters
    ----------
    gate : Gate
        Gate of the view that contains this one.
    show_preferred : callable
        Called with the ROI whose preferred images are requested.
    """

    def __init__(self, gate: Gate, show_preferred: Callable[[str], None]) -> None:
        super().__init__()
        self.roi = pmui.Select(
            label="Chosen ROI", options=[], visible=False, sizing_mode="stretch_width"
        )
        self.facts = markup(_HINT)
        self.code = CodeBlock("Python", copy_label="Copy code of this ROI")
        self.preferred = small_button(
            "What drives it",
            lambda: show_preferred(self.roi.value),
            icon="image_search",
            variant="text",
        )
        self._of_roi = stacked(self.preferred, stacked(self.code, margin=(8, 0)), visible=False)
        self._latest = Latest(self.facts, gate)
        self._layout = stacked(self.roi, self.facts, self._of_roi, margin=(10, 4))

    def offer_rois(self, rois: Sequence[str]) -> None:
        """Set the available ROIs."""
        value = self.roi.value if self.roi.value in rois else next(iter(rois), None)
        self.roi.param.update(options=list(rois), value=value, visible=len(rois) > 1)

    def show_roi(self, picture: Picture) -> None:
        """Display the chosen ROI."""
        roi, sub = self.roi.value, picture.subject
        others = list(self.roi.options)
        self._of_roi.visible = roi is not None
        if roi is None:
            self.facts.object = _HINT
            return
        lines = ["from laion_fmri import load_subject", "", f'sub = load_subject("{sub.name}")']
        self.code.code = "\n".join([*lines, roi_code([roi])])
        values, vertices = picture.voxels, picture.rois.get(roi, {})
        name, units = picture.brain_map.name, picture.brain_map.units
        self._latest.ask(
            lambda: roi_statistics(sub, roi, others, values, vertices, name, units),
            lambda found: setattr(self.facts, "object", statistics_html(found)),
            lambda text: setattr(self.facts, "object", Markup("<p>{}</p>").format(text)),
        )

    def __panel__(self) -> pn.Column:
        return self._layout
