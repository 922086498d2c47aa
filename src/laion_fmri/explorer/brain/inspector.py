"""Panels next to the brain: the clicked location, its preferred images, and the chosen ROIs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from laion_fmri.analysis.locations import Location
from laion_fmri.explorer.brain import data as brain_data
from laion_fmri.explorer.brain.choices import BrainChoices
from laion_fmri.explorer.brain.data import Picture
from laion_fmri.explorer.brain.location_panel import LocationPanel
from laion_fmri.explorer.brain.preferred_images import PreferredImagesPanel
from laion_fmri.explorer.brain.roi_panel import RoiPanel
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import Gate, Latest
from laion_fmri.explorer.widgets.layout import stacked
from laion_fmri.maps import BrainMap

_LOCATION, _PREFERRED, _ROIS = range(3)


class BrainInspector(Viewer):
    """Three panels in tabs; only the open one is updated.

    Parameters
    ----------
    data : ExplorerData
    gate : Gate
        Gate of the view that contains this one.
    choices : BrainChoices
        Receives the trials that are opened and marked.
    """

    picture = param.ClassSelector(class_=Picture, default=None, doc="What is shown.")
    maps = param.List(default=[], doc="The subject's maps.")
    rois = param.List(default=[], item_type=str, doc="The ROIs that are drawn.")
    picked = param.Dict(default=None, doc="The vertex clicked last.")
    crosshair = param.Dict(default=None, doc="Where the slices cross.")
    location = param.ClassSelector(class_=Location, default=None, doc="What was clicked last.")

    def __init__(self, data: ExplorerData, gate: Gate, choices: BrainChoices) -> None:
        super().__init__()
        self._data = data
        self._located: tuple[Any, ...] = ()
        self.location_panel = LocationPanel(data, gate)
        self.preferred_panel = PreferredImagesPanel(data, gate, choices)
        self.roi_panel = RoiPanel(gate, self._show_preferred)
        self.tabs = pmui.Tabs(
            ("Here", self.location_panel),
            ("What drives it", self.preferred_panel),
            ("ROIs", self.roi_panel),
            dynamic=False,
            sx={"& .MuiTab-root": {"minWidth": 0, "px": 1.5}},
            sizing_mode="stretch_width",
        )
        self._find = Latest(self.location_panel.facts, gate)
        preferred = self.preferred_panel
        for widget in (preferred.of, preferred.min_repeats, self.roi_panel.roi):
            widget.param.watch(lambda _: self._update(), "value")
        self.tabs.param.watch(lambda _: self._update(), "active")
        self._layout = stacked(self.tabs)

    def set_picture(self, picture: Picture, maps: Sequence[BrainMap]) -> None:
        """Display another picture; the location of another subject is cleared."""
        before = self.picture.subject.name if self.picture else picture.subject.name
        forgotten: dict[str, Any] = {"picked": None, "crosshair": None, "location": None}
        changed = forgotten if before != picture.subject.name else {}
        self.param.update(picture=picture, maps=list(maps), **changed)

    @param.depends("picture", "picked", "crosshair", watch=True)
    def _locate(self) -> None:
        picture, picked, crosshair = self.picture, self.picked, self.crosshair
        if picture is None:
            return
        wanted = (picture.subject.name, picture.space, picked, crosshair)
        if wanted != self._located:
            self._located = wanted
            self._find.ask(
                lambda: brain_data.location(self._data, picture, picked, crosshair),
                lambda found: self.param.update(location=found),
                self.location_panel.show_error,
            )

    @param.depends("rois", watch=True)
    def _offer_rois(self) -> None:
        self.preferred_panel.offer_rois(self.rois)
        self.roi_panel.offer_rois(self.rois)

    @param.depends("picture", "maps", "rois", "location", watch=True)
    def _update(self) -> None:
        """Update the open panel."""
        picture, location = self.picture, self.location
        if picture is None:
            return
        if self.tabs.active == _PREFERRED:
            self.preferred_panel.show_images(picture, location)
        elif self.tabs.active == _ROIS:
            self.roi_panel.show_roi(picture)
        elif location is None:
            self.location_panel.clear()
        elif self.tabs.active == _LOCATION:
            self.location_panel.show_location(picture, location, self.maps)

    def _show_preferred(self, roi: str) -> None:
        with pn.io.hold():
            self.preferred_panel.of.value = roi
            self.tabs.active = _PREFERRED

    def __panel__(self) -> pn.Column:
        return self._layout
