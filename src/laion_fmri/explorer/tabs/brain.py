"""The Brain tab: a map and ROIs on the surface of the chosen subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from numpy.typing import NDArray

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer import brain_data
from laion_fmri.explorer.background import explain
from laion_fmri.explorer.brain_data import BrainMap
from laion_fmri.explorer.components.copy_code import CopyCode
from laion_fmri.explorer.components.notice import notice
from laion_fmri.explorer.components.surface_data import RoiLayer
from laion_fmri.explorer.components.surface_view import SurfaceView
from laion_fmri.explorer.components.text import plain_text
from laion_fmri.explorer.tabs.base import Tab
from laion_fmri.surfaces import SURFACE_KINDS, Surface, require_same_vertices

_SPREAD = ("inflated", "sphere")  # shapes whose hemispheres would overlap
_CONTROLS_WIDTH = 280


@dataclass(frozen=True, eq=False)
class _Picture:
    """Everything the view shows of one subject and map."""

    surfaces: dict[str, Surface]
    underlay: dict[str, NDArray[np.float32]]
    brain_map: BrainMap
    values: dict[str, NDArray[np.float32]]
    rois: dict[str, dict[str, NDArray[np.bool_]]]
    roi_names: list[str]


class BrainTab(Tab):
    """A noise ceiling and ROIs on the cortical surface."""

    title = "Brain"

    def build(self) -> None:
        """Fill the layout."""
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self.subject = pmui.Select(label="Subject", **wide)
        self.map = pmui.Select(label="Map", **wide)
        self.kind = pmui.Select(label="Surface", options=list(SURFACE_KINDS), **wide)
        self.rois = pmui.MultiChoice(
            label="ROI", placeholder="name, category or all", options=[], **wide
        )
        self.roi_style = pmui.RadioButtonGroup(
            label="ROI style", options=["outline", "fill"], value="outline", **wide
        )
        self.there = plain_text(muted=True)
        self.code = CopyCode()
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self.view = SurfaceView(sizing_mode="stretch_both", min_height=520)
        self._picture: _Picture | None = None
        self._latest = self.latest(self.view)
        self.controls = pn.Column(
            self.subject,
            self.map,
            self.kind,
            self.rois,
            self.roi_style,
            self.there,
            self.code,
            width=_CONTROLS_WIDTH,
            sizing_mode="stretch_height",
            margin=(8, 8),
        )
        self.layout[:] = [
            pn.Row(
                self.controls,
                pn.Column(
                    self.messages, self.view, sizing_mode="stretch_both", margin=(8, 16, 16, 0)
                ),
                sizing_mode="stretch_both",
                margin=0,
            )
        ]
        self._connect()

    def _connect(self) -> None:
        state = self.state
        self.subject.param.watch(lambda e: state.param.update(subject=e.new or ""), "value")
        self.map.param.watch(lambda e: state.param.update(map=e.new or ""), "value")
        self.rois.param.watch(lambda e: state.param.update(rois=list(e.new)), "value")
        self.kind.param.watch(lambda _: self._ask(), "value")
        self.roi_style.link(self.view, value="roi_style")
        self.view.param.watch(self._say_where, "picked")
        state.param.watch(lambda _: self._refresh_if_shown(), ["subject", "map"])
        state.param.watch(lambda _: self._show_rois(), "rois")

    def refresh(self) -> None:
        """Offer what is local and show what is chosen."""
        local = self.data.local_subjects()
        with pn.io.hold():
            self.controls.visible = bool(local)
            if not local:
                self._say(
                    "No subject is here yet. Choose one in the Download tab; a noise ceiling, the "
                    "ROIs and the recon are what this view needs."
                )
                self.view.visible = False
                return
            chosen = self.state.subject if self.state.subject in local else local[0]
            self.subject.param.update(options=local, value=chosen)
            try:
                names = [m.name for m in brain_data.available_maps(self._subject())]
            except LaionFmriError as error:
                self._say(explain(error))
                return
            shown = self.state.map if self.state.map in names else next(iter(names), None)
            self.map.param.update(options=names, value=shown)
        self._ask()

    def _subject(self):
        return self.data.subject(self.subject.value)

    def _ask(self) -> None:
        """Put together in a thread what the controls ask for, then show it."""
        name, map_name, kind = self.subject.value, self.map.value or "", self.kind.value

        def put_together() -> _Picture:
            sub = self.data.subject(name)
            brain_map = brain_data.find_map(sub, map_name)
            shapes = brain_data.surfaces(self.data, sub, kind)
            values = brain_data.map_on_surface(self.data, sub, brain_map)
            for hemi, surface in shapes.items():
                require_same_vertices(surface, values[hemi], brain_map.name)
            roi_names = sub.get_available_rois()
            return _Picture(
                shapes,
                brain_data.underlay(self.data, sub),
                brain_map,
                values,
                brain_data.rois_on_surface(self.data, sub) if roi_names else {},
                [*sub.get_available_categories(), *roi_names] if roi_names else [],
            )

        self._latest.ask(put_together, self._show, self._say)

    def _show(self, picture: _Picture) -> None:
        before, self._picture = self._picture, picture
        self.messages.clear()
        self.view.visible = True
        brain_map = picture.brain_map
        with pn.io.hold():
            # What is the same object as before is in the page already.
            if before is None or before.surfaces is not picture.surfaces:
                self.view.set_surface(
                    {h: (s.points, s.triangles) for h, s in picture.surfaces.items()},
                    spread=self.kind.value in _SPREAD,
                )
                self.view.set_underlay(picture.underlay)
            self.view.set_map(
                picture.values,
                name=brain_map.name,
                units=brain_map.units,
                explanation=brain_map.explanation,
            )
            queries = ["all", *picture.roi_names] if picture.roi_names else []
            chosen = [r for r in self.state.rois if r in queries]
            self.rois.param.update(options=queries, value=chosen)
            self._show_rois()
        self._say_where()

    def _show_rois(self, *_: object) -> None:
        if self._picture is None or not self.shown:
            return
        wanted = [r for r in self.state.rois if r in self.rois.options]
        if self.rois.value != wanted:
            self.rois.value = wanted
        sub = self._subject()
        names = sub.resolve_rois(wanted) if wanted else []
        colours = brain_data.roi_colours(list(self._picture.rois))
        drawn = [(name, colours[name]) for name in names if name in self._picture.rois]
        if drawn or self.view.roi_data:
            self.view.set_rois(
                RoiLayer(name, colour, self._picture.rois[name]) for name, colour in drawn
            )
        self.code.code = self._code(wanted)

    def _code(self, rois: list[str]) -> str:
        assert self._picture is not None
        lines = [
            "from laion_fmri.subject import load_subject",
            "from laion_fmri.templates import volume_to_surface",
            "",
            f'sub = load_subject("{self.subject.value}")',
            f"values = {self._picture.brain_map.code}",
            'left = volume_to_surface(sub, values, "L")',
            'right = volume_to_surface(sub, values, "R")',
        ]
        if rois:
            lines.append(f'rois = sub.get_roi_data({rois!r}, format="func.gii")')
        return "\n".join(lines)

    def _say_where(self, *_: Any) -> None:
        """Name every ROI at the picked vertex, chosen or not."""
        picked = self.view.picked
        if not picked or self._picture is None:
            self.there.object = "Click the surface to read the value and every ROI there."
            return
        names = brain_data.rois_at(self._picture.rois, picked["hemisphere"], picked["vertex"])
        self.there.object = f"ROIs there: {', '.join(names) or 'none'}"

    def _say(self, text: str) -> None:
        self.messages[:] = [notice(text, "warning")]
