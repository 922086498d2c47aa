"""The brain, and a second one next to it: turns pictures into surfaces, slices and labels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import panel as pn
import param
from numpy.typing import NDArray
from panel.viewable import Viewer

from laion_fmri._errors import UnknownNameError
from laion_fmri.analysis.cortex import Space
from laion_fmri.analysis.slices import available_anatomies
from laion_fmri.explorer.brain import data as brain_data
from laion_fmri.explorer.brain.data import Picture
from laion_fmri.explorer.brain.surface_view import SurfaceView
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import Gate, Latest
from laion_fmri.maps import BrainMap
from laion_fmri.volumes.surface_layers import RoiLayer
from laion_fmri.volumes.surfaces import Surface

_STYLES = {
    "flex": "1 0 auto", "flex-wrap": "wrap", "align-items": "stretch", "gap": "12px",
    "height": "auto", "max-height": "none",
}  # fmt: skip
_LAYOUT = ("view", "camera", "panes")
_SCALE = ("lower", "upper", "symmetric", "colormap", "opacity")


class BrainSide:
    """One of two brains: a view, and its picture.

    Parameters
    ----------
    data : ExplorerData
    gate : Gate
        Gate of the view that contains this one.
    say : callable
        Called with an error message.

    Attributes
    ----------
    view : SurfaceView
    picture : Picture or None
        None before the first picture, and while another one is being filled in.
    rois : sequence of str
        Queries of the drawn ROIs; a subject may lack some of them.
    anatomy : str
        The volume to slice, if the subject has it.
    """

    def __init__(self, data: ExplorerData, gate: Gate, say: Callable[[str], None]) -> None:
        self._data, self._gate, self._say = data, gate, say
        self.view = SurfaceView(
            sizing_mode="stretch_both",
            min_height=560,
            styles={"flex": "1 1 340px", "min-width": "min(100%, 320px)"},
            # As high as its contents in a low window, so that the next part begins below; never as
            # high as a long column next to it, since a click would then enlarge the brain.
            stylesheets=[
                ":host { height: auto !important; max-height: max(700px, 100vh - 190px); }"
            ],
        )
        self.picture: Picture | None = None
        self.rois: Sequence[str] = ()
        self.anatomy = ""
        self._requested: Hashable = None
        self._pictures, self._shapes, self._slices = (Latest(self.view, gate) for _ in range(3))
        self.view.param.watch(lambda _: self._add_shapes(), "wanted_shapes")

    def load(
        self,
        subject: str,
        brain_map: BrainMap,
        space: Space,
        folds: str,
        show: Callable[[Picture], object],
        show_error: Callable[[str], object],
    ) -> bool:
        """Load the picture in a thread, then call `show`; False if it was already requested."""
        wanted = (subject, brain_map.name, brain_map.token, space, folds)
        if wanted == self._requested:
            return False
        self._requested, data = wanted, self._data
        self._pictures.ask(
            lambda: brain_data.picture(data, data.subject(subject), brain_map, space, folds),
            show,
            show_error,
        )
        return True

    def forget_request(self) -> None:
        """Load the picture again at the next request, because files have changed."""
        self._requested = None

    def fill(self, picture: Picture | None) -> None:
        """Display a picture; objects that are the same as before are not sent again."""
        before, self.picture = self.picture, None
        if picture is not None:
            with pn.io.hold():
                _fill(self.view, picture, before)
                self.picture = picture
                self.draw_rois()

    def draw_rois(self) -> None:
        """Draw the chosen ROIs."""
        picture, view = self.picture, self.view
        if picture is None:
            return
        drawn = drawn_rois(picture, self.rois)
        voxels: dict[str, NDArray] = {}
        if view.volume_data:
            voxels = brain_data.roi_voxels(self._data, picture.subject, drawn)
        if drawn or view.roi_data:
            view.set_rois(
                RoiLayer(name, picture.roi_colours[name], picture.rois[name], voxels.get(name))
                for name in drawn
            )

    def ask_slices(self) -> None:
        """Request slices through the chosen volume, once the page has the cortex."""
        self._gate.let_through(self._set_slices)

    def _set_slices(self) -> None:
        picture, view, data, anatomy = self.picture, self.view, self._data, self.anatomy
        if picture is None:
            return
        sub, space = picture.subject, picture.space
        if anatomy not in available_anatomies(sub):
            view.set_volume(None)
            return
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
            if self.picture is not None and self.picture.subject.name == sub.name:
                with pn.io.hold():
                    view.set_volume(*found)
                    view.volume_data = view.volume_data | {"of": wanted}
                    self.draw_rois()

        self._slices.ask(read, show, self._say)

    def _add_shapes(self) -> None:
        """Send the shapes that the page requests."""
        picture, view = self.picture, self.view
        if picture is None or not view.wanted_shapes:
            return
        data, sub, space = self._data, picture.subject, picture.space
        wanted = [name for name in view.wanted_shapes if name in picture.shapes]

        def show(found: dict[str, dict[str, Surface]]) -> None:
            if self.picture is None or self.picture.surfaces is not picture.surfaces:
                return
            with pn.io.hold():
                for name, parts in found.items():
                    view.add_shape(
                        name,
                        {hemi: part.points for hemi, part in parts.items()},
                        triangles={hemi: part.triangles for hemi, part in parts.items()}
                        if name in brain_data.CUT
                        else None,
                        spread=name in brain_data.SPREAD,
                    )

        self._shapes.ask(
            lambda: {name: brain_data.surfaces(data, sub, name, space) for name in wanted},
            show,
            self._say,
        )


class BrainStage(Viewer):
    """One brain, or two that turn together.

    Parameters
    ----------
    data : ExplorerData
    gate : Gate
        Gate of the view that contains this one.
    say : callable
        Called with an error message.

    Attributes
    ----------
    first, second : BrainSide
        Its view is on the page while there is a comparison.
    """

    rois = param.List(default=[], item_type=str, doc="Queries of the ROIs that are drawn.")
    anatomy = param.String(default="", doc="The volume under the slices of each subject, or none.")
    linked = param.Boolean(default=True, doc="Whether both brains turn and are cut together.")

    def __init__(self, data: ExplorerData, gate: Gate, say: Callable[[str], None]) -> None:
        super().__init__()
        self.sides = self.first, self.second = (
            BrainSide(data, gate, say),
            BrainSide(data, gate, say),
        )
        self._row = pn.Row(self.first.view, sizing_mode="stretch_both", margin=0, styles=_STYLES)
        for side, across in ((self.first, self.second), (self.second, self.first)):
            side.view.param.watch(
                partial(self._synchronize, side, across),
                [*_LAYOUT, *_SCALE, "shape", "crosshair"],
            )
        self.first.view.param.watch(lambda _: self._ask_slices(), "panes")

    @property
    def views(self) -> list[SurfaceView]:
        """The views on the page."""
        return [side.view for side in self.sides if side.view in self._row.objects]

    def set_picture(self, picture: Picture) -> None:
        """Display this picture."""
        self.first.fill(picture)
        self._link()

    def set_second(self, picture: Picture | None) -> None:
        """Display this picture next to the first; None displays the first alone."""
        with pn.io.hold():
            self.second.fill(picture)
            self._link()
            views = [side.view for side in self.sides[: 1 if picture is None else 2]]
            if self._row.objects != views:
                self._row[:] = views

    @param.depends("linked", watch=True)
    def _link(self) -> None:
        group = self.name if self.linked and self.second.picture else ""
        self.first.view.group = self.second.view.group = group
        self._synchronize(self.first, self.second)
        self._ask_slices()

    @param.depends("rois", watch=True)
    def _draw_rois(self) -> None:
        for side in self.sides:
            side.rois = self.rois
            side.draw_rois()

    @param.depends("anatomy", watch=True)
    def _ask_slices(self) -> None:
        # Slices double the data to send, so those of the second brain wait until displayed.
        is_waiting = self.linked and self.first.view.panes == "surface"
        for side in self.sides[: 1 if is_waiting else 2]:
            side.anatomy = self.anatomy
            side.ask_slices()

    def _synchronize(
        self, source: BrainSide, target: BrainSide, *events: param.parameterized.Event
    ) -> None:
        """Apply the changes of one brain to the other; without events, apply everything.

        The page links its brains itself. What it reports is not sent back: the user may have
        changed the other brain in the meantime.
        """
        one, two = source.picture, target.picture
        if not self.linked or one is None or two is None:
            return
        changed = {event.name for event in events} or {*_LAYOUT, *_SCALE, "crosshair", "shape"}
        if "shape" in changed and source.view.shape_names != target.view.shape_names:
            set_shape(target.view, shape_of(source.view))
        if source.view.is_reporting:
            return
        names = [*_LAYOUT]
        units = [side.view.map_data.get("units") for side in (source, target)]
        if units[0] == units[1]:
            names += _SCALE
        if one.subject.name == two.subject.name:
            names.append("crosshair")
        if source.view.shape_names == target.view.shape_names:
            names.append("shape")
        target.view.param.update(
            {name: getattr(source.view, name) for name in names if name in changed}
        )

    def __panel__(self) -> pn.Row:
        return self._row


def drawn_rois(picture: Picture, queries: Sequence[str]) -> list[str]:
    """Return the ROIs matched by the queries that the picture's subject has, without duplicates."""
    names: list[str] = []
    for query in queries:
        try:
            names += picture.subject.resolve_rois(query)
        except UnknownNameError:
            continue  # from an old link, or of another subject
    return [name for name in dict.fromkeys(names) if name in picture.rois]


def shape_of(view: SurfaceView) -> str:
    """Return the name of the displayed shape, or of the nearest one; empty without shapes."""
    at = round(view.shape)
    return view.shape_names[at] if at < len(view.shape_names) else ""


def set_shape(view: SurfaceView, name: str) -> None:
    """Display the cortex in this shape, if available."""
    if name in view.shape_names and name != shape_of(view):
        view.shape = view.shape_names.index(name)


def _fill(view: SurfaceView, picture: Picture, before: Picture | None) -> None:
    # An object identical to the previous one is already on the page.
    name, space = picture.subject.name, picture.space
    is_own = space == "fsnative"
    view.param.update(
        subject=name if is_own else f"{name} on {space}", cortex=name if is_own else space
    )
    if before is None or before.surfaces is not picture.surfaces:
        shape = shape_of(view)
        view.set_surface(picture.meshes, spread=brain_data.FIRST_SHAPE in brain_data.SPREAD)
        view.set_shapes(picture.shapes, shown=brain_data.FIRST_SHAPE)
        set_shape(view, shape)
        before = None
    if before is None or before.underlay is not picture.underlay:
        view.set_underlay(picture.underlay)
    brain_map = picture.brain_map
    is_another = before is None or _scale_of(before.brain_map) != _scale_of(brain_map)
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


def _scale_of(brain_map: BrainMap) -> tuple[str, bool, str]:
    return brain_map.units, brain_map.symmetric, brain_map.colormap
