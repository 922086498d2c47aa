"""The brain itself, and a second one beside it: pictures become surfaces, slices and labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import panel as pn
from numpy.typing import NDArray
from panel.viewable import Viewer

from laion_fmri._errors import UnknownNameError
from laion_fmri.explorer import brain_data
from laion_fmri.explorer.background import Gate, Latest
from laion_fmri.explorer.brain_data import Picture
from laion_fmri.explorer.components.surface_data import RoiLayer
from laion_fmri.explorer.components.surface_view import SurfaceView
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.maps import BrainMap

_TOGETHER = "compared"


class BrainStage(Viewer):
    """One brain, or two that turn together.

    Parameters
    ----------
    data : ExplorerData
    gate : Gate
        Of the view it is part of.
    say : callable
        Called with what went wrong.

    Attributes
    ----------
    view, other : SurfaceView
        `other` is on the page while there is something to compare with.
    picture, beside : Picture or None
        What they show.
    """

    def __init__(self, data: ExplorerData, gate: Gate, say: Callable[[str], None]) -> None:
        super().__init__()
        self._data, self._gate, self._say = data, gate, say
        self.view = SurfaceView(sizing_mode="stretch_both", min_height=560)
        self.other = SurfaceView(sizing_mode="stretch_both", min_height=560)
        self.picture: Picture | None = None
        self.beside: Picture | None = None
        self._queries: list[str] = []
        self._row = pn.Row(self.view, sizing_mode="stretch_both", margin=0, styles={"gap": "12px"})
        self._shapes = Latest(self.view, gate)
        self._slices = Latest(self.view, gate)
        self.view.param.watch(lambda _: self._bring_shapes(self.view), "wanted_shapes")
        self.other.param.watch(lambda _: self._bring_shapes(self.other), "wanted_shapes")

    @property
    def views(self) -> list[SurfaceView]:
        """What is on the page."""
        return [view for view in (self.view, self.other) if view in self._row.objects]

    def set_picture(self, picture: Picture) -> None:
        """Show this; what is the same as before stays in the page."""
        before, self.picture = self.picture, picture
        with pn.io.hold():
            _fill(self.view, picture, before)
            self._draw_rois(self.view, picture)

    def set_beside(self, picture: Picture | None) -> None:
        """Show this beside it; None takes it away."""
        before, self.beside = self.beside, picture
        if picture is None:
            self._row[:] = [self.view]
            self.view.group = ""
            return
        with pn.io.hold():
            self.view.group = self.other.group = _TOGETHER
            _fill(self.other, picture, before)
            self._draw_rois(self.other, picture)
            if self.other not in self._row:
                self.other.view = self.view.view
                self._row[:] = [self.view, self.other]

    def set_rois(self, queries: Sequence[str]) -> None:
        """Draw the ROIs that these name; another subject may lack some."""
        self._queries = list(queries)
        for view, picture in ((self.view, self.picture), (self.other, self.beside)):
            if picture is not None:
                self._draw_rois(view, picture)

    def set_slices(self, anatomy: str | None) -> None:
        """Have slices to show over this volume of the subject; None for none."""
        # The cortex first: slices are as much again to send.
        self._gate.let_through(lambda: self._set_slices(anatomy))

    def _set_slices(self, anatomy: str | None) -> None:
        picture, view, data = self.picture, self.view, self._data
        if picture is None:
            return
        if not anatomy:
            view.set_volume(None)
            return
        sub, space = picture.subject, picture.space
        wanted = [sub.name, anatomy, space]
        if view.volume_data.get("of") == wanted:
            return

        def read() -> tuple[Any, ...]:
            return (
                brain_data.slice_anatomy(data, sub, anatomy),
                brain_data.volume_grid(data, sub),
                brain_data.cortex_points(data, sub, space),
            )

        def show(found: tuple[Any, ...]) -> None:
            now = self.picture
            if now is None or now.subject.name != sub.name:
                return
            with pn.io.hold():
                view.set_volume(*found)
                view.volume_data = view.volume_data | {"of": wanted}
                self._draw_rois(view, now)

        self._slices.ask(read, show, self._say)

    def _draw_rois(self, view: SurfaceView, picture: Picture) -> None:
        names: list[str] = []
        for query in self._queries:
            try:
                names += picture.subject.resolve_rois(query)
            except UnknownNameError:
                continue  # an old link, or another subject's
        drawn = [name for name in dict.fromkeys(names) if name in picture.rois]
        colours = brain_data.roi_colours(list(picture.rois))
        places: dict[str, NDArray] = {}
        if view.volume_data:
            places = brain_data.roi_places(self._data, picture.subject, drawn)
        if drawn or view.roi_data:
            view.set_rois(
                RoiLayer(name, colours[name], picture.rois[name], places.get(name))
                for name in drawn
            )

    def _bring_shapes(self, view: SurfaceView) -> None:
        picture = self.picture if view is self.view else self.beside
        wanted = list(view.wanted_shapes)
        if picture is None or not wanted:
            return
        data, sub, space = self._data, picture.subject, picture.space

        def read() -> dict[str, dict[str, NDArray]]:
            return {
                name: {h: s.points for h, s in brain_data.surfaces(data, sub, name, space).items()}
                for name in wanted
                if name in picture.shapes
            }

        def show(found: dict[str, dict[str, NDArray]]) -> None:
            now = self.picture if view is self.view else self.beside
            if now is None or now.surfaces is not picture.surfaces:
                return
            with pn.io.hold():
                for name, points in found.items():
                    view.add_shape(name, points, spread=name in brain_data.SPREAD)

        self._shapes.ask(read, show, self._say)

    def __panel__(self) -> pn.Row:
        return self._row


def _fill(view: SurfaceView, picture: Picture, before: Picture | None) -> None:
    # What is the same object as before is in the page already.
    if before is None or before.surfaces is not picture.surfaces:
        view.set_surface(picture.meshes, spread=brain_data.FIRST_SHAPE in brain_data.SPREAD)
        view.set_shapes(picture.shapes, shown=brain_data.FIRST_SHAPE)
        before = None
    if before is None or before.underlay is not picture.underlay:
        view.set_underlay(picture.underlay)
    brain_map = picture.brain_map
    is_another = before is None or _look_of(before.brain_map) != _look_of(brain_map)
    view.set_map(
        picture.values,
        voxels=picture.voxels,
        name=brain_map.name,
        units=brain_map.units,
        explanation=brain_map.explanation,
        lower=brain_map.threshold if is_another else None,
        symmetric=brain_map.symmetric if is_another else None,
        colormap=brain_map.colormap if is_another else None,
    )


def _look_of(brain_map: BrainMap) -> tuple[str, bool, str]:
    return brain_map.units, brain_map.symmetric, brain_map.colormap
