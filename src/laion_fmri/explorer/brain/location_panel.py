"""A clicked location: coordinates, value, ROIs, and its value in every map."""

from __future__ import annotations

import math
from collections.abc import Sequence

import panel as pn
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri.analysis.locations import Location
from laion_fmri.explorer.brain import data as brain_data
from laion_fmri.explorer.brain.data import Picture
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import Gate, Latest
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.html import bar_table, number
from laion_fmri.maps import BrainMap

_MAPS_AT_FIRST = 24  # a subject with many sessions has more, which are read on demand

HINT = Markup('<p class="muted">Click the cortex or a slice to see what is there.</p>')
_STYLE = """
dl { display: grid; grid-template-columns: auto 1fr; gap: 2px 12px; margin: 4px 0 0; }
dt { color: var(--muted); }
dd { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.value { font-size: 20px; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.3; }
"""


class LocationPanel(Viewer):
    """Coordinates, value and ROIs of a location, and its value in every map.

    Parameters
    ----------
    data : ExplorerData
    gate : Gate
        Gate of the view that contains this one.
    """

    def __init__(self, data: ExplorerData, gate: Gate) -> None:
        super().__init__()
        self._data = data
        self._picture: Picture | None = None
        self._location: Location | None = None
        self._maps: Sequence[BrainMap] = ()
        self.facts = markup(HINT, style=_STYLE)
        self.profile = markup()
        self.every_map = small_button(
            "Maps of every session", self._show_every_map, variant="text", visible=False
        )
        self._facts, self._profile = Latest(self.facts, gate), Latest(self.profile, gate)
        self._layout = stacked(self.facts, self.profile, self.every_map, margin=(10, 4))

    def clear(self) -> None:
        """Explain how to choose a location."""
        self._location = None
        self.facts.object, self.profile.object, self.every_map.visible = HINT, "", False

    def show_location(self, picture: Picture, location: Location, maps: Sequence[BrainMap]) -> None:
        """Display a location."""
        self._picture, self._location, self._maps = picture, location, maps

        def show(rois: list[str]) -> None:
            if self._location is location:
                self.facts.object = location_html(location, picture, rois)

        self._facts.ask(
            lambda: brain_data.location_rois(self._data, picture, location), show, self.show_error
        )
        self._show_profile(picture, location, maps[:_MAPS_AT_FIRST])

    def show_error(self, text: str) -> None:
        """Display why a location cannot be shown."""
        self.facts.object = Markup("<p>{}</p>").format(text)

    def _show_every_map(self) -> None:
        if self._picture is not None and self._location is not None:
            self._show_profile(self._picture, self._location, self._maps)

    def _show_profile(self, picture: Picture, location: Location, maps: Sequence[BrainMap]) -> None:
        if not location.hemi and not location.voxels.any():
            self.profile.object, self.every_map.visible = "", False
            return

        def show(values: dict[str, float]) -> None:
            if self._location is location:
                units = {one.name: one.units for one in maps}
                table = bar_table("Value in every map", values, units, picture.brain_map.name)
                self.profile.object = Markup(
                    '<h3 style="margin-top:12px">In every map</h3>{}'
                ).format(table)
                self.every_map.visible = len(maps) < len(self._maps)

        self._profile.ask(
            lambda: brain_data.map_profile(self._data, picture, location, maps),
            show,
            self.show_error,
        )

    def __panel__(self) -> pn.Column:
        return self._layout


def location_html(location: Location, picture: Picture, rois: Sequence[str]) -> Markup:
    """Format coordinates, ROIs and value of a location in the displayed map."""
    rows = []
    if location.point is not None:
        rows.append(("x, y, z", ", ".join(number(v, 1) for v in location.point) + " mm"))
    if location.voxel is not None:
        rows.append(("Voxel", " ".join(map(str, location.voxel))))
    rows.append(("Voxels of the mask", str(int(location.voxels.sum()))))
    rows.append(("ROIs there", ", ".join(rois) or "none"))
    facts = Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(k, v) for k, v in rows)
    value = location.value(picture.values if location.hemi else picture.voxels)
    said = f"{number(value)} {picture.brain_map.units}" if math.isfinite(value) else "no value"
    return Markup(
        '<h3>{}</h3><div class="value">{}</div><div class="muted">{}</div><dl>{}</dl>'
    ).format(location.label, said, picture.brain_map.name, facts)
