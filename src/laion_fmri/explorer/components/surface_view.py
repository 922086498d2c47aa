"""The brain viewer: two hemispheres drawn by NiiVue, and slices with one crosshair, in the page.

Python hands over surfaces, volumes, maps and labels once; turning, morphing, slicing,
thresholding, colouring and picking happen in the browser, and only results come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
import param
from panel.custom import JSComponent

from ..._errors import InconsistentDataError, InvalidArgumentError, UnknownNameError
from ..browser_files import BrowserFiles, module_source, module_url
from .slices_data import SliceAnatomy, VolumeGrid
from .surface_data import (
    COLORMAPS,
    HEMISPHERES,
    Mesh,
    RoiLayer,
    automatic_bounds,
    checked_mesh,
    checked_values,
    float_bytes,
    map_range,
    palette_bytes,
    spread_offsets,
)

Theme = Literal["auto", "light", "dark"]
View = Literal[
    "lateral left",
    "medial left",
    "medial right",
    "lateral right",
    "posterior",
    "anterior",
    "dorsal",
    "ventral",
]


class SurfaceView(JSComponent):
    """Cortical surfaces with a map over them, labels around regions, and vertices to pick.

    Fill it with `set_surface`, `set_underlay`, `set_map` and `set_rois`. Everything that
    may be set before the page is there is kept and shown when it is.
    """

    lower = param.Number(
        default=None,
        doc="Values (with `symmetric`: magnitudes) below this are not drawn, in data units.",
    )
    upper = param.Number(
        default=None, doc="Values from here on have the last colour of the scale, in data units."
    )
    symmetric = param.Boolean(
        default=False, doc="Whether the scale runs from -upper to upper, with 0 in its middle."
    )
    colormap: Any = param.Selector(
        default="inferno", objects=list(COLORMAPS), doc="Name of the scale."
    )
    opacity = param.Number(default=1.0, bounds=(0, 1), doc="How much the map covers the folds.")
    roi_style: Any = param.Selector(default="outline", objects=["outline", "fill"])
    theme: Any = param.Selector(
        default="auto",
        objects=list(get_args(Theme)),
        doc="Background and text; 'auto' follows the text colour of the page around it.",
    )
    view: Any = param.Selector(default="lateral left", objects=list(get_args(View)))
    picked = param.Dict(
        default=None,
        doc="The vertex chosen last: hemisphere, vertex, x, y, z (mm, as given), value or None.",
    )

    panes: Any = param.Selector(
        default="surface",
        objects=["surface", "both", "volume"],
        doc="What is shown; slices only once there is a volume (`set_volume`).",
    )
    crosshair = param.Dict(
        default=None,
        doc="Where the slices cross: x, y, z (mm), voxel (of the functional grid) and value, "
        "either may be None, and source: 'surface' or 'volume', whichever was clicked.",
    )
    shape = param.Number(
        default=0, bounds=(0, None), doc="Place between the stops of `shape_names`; 1.5 is midway."
    )
    shape_names = param.List(default=[], item_type=str, doc="Shapes to morph between, in order.")
    wanted_shapes = param.List(
        default=[], item_type=str, doc="Shapes the page asks for; `add_shape` hands them over."
    )
    group = param.String(
        default="", doc="Views of a page with the same word here turn, zoom and pick together."
    )

    base_shape = param.String(default="", doc="Which of `shape_names` `set_surface` showed.")
    shape_data = param.Dict(default={}, doc="What `add_shape` sent to the page.")
    volume_data = param.Dict(default={}, doc="What `set_volume` sent to the page.")
    surface_data = param.Dict(default={}, doc="What `set_surface` sent to the page.")
    underlay_data = param.Dict(default={}, doc="What `set_underlay` sent to the page.")
    map_data = param.Dict(default={}, doc="What `set_map` sent to the page.")
    roi_data = param.List(default=[], doc="What `set_rois` sent to the page.")
    palettes = param.Dict(default={}, doc="256 RGB colours for every name of `colormap`.")
    modules = param.Dict(default={}, doc="Where the page finds its scripts; empty: it asks.")

    _esm: ClassVar[Path] = Path(__file__).with_name("surface_view.js")
    _stylesheets: ClassVar[list[str]] = [
        Path(__file__).with_name("surface_view.css").read_text(encoding="utf-8")
    ]

    def __init__(self, **params: Any) -> None:
        params.setdefault("sizing_mode", "stretch_width")
        params.setdefault("min_height", 560)
        super().__init__(**params)
        self.palettes = {name: palette_bytes(name) for name in COLORMAPS}
        self._meshes: dict[str, Mesh] = {}
        self._values: dict[str, npt.NDArray[np.float32]] = {}

    def set_surface(
        self,
        meshes: Mapping[str, Mesh | tuple[npt.ArrayLike, npt.ArrayLike]],
        *,
        spread: bool = False,
    ) -> None:
        """Show these hemispheres.

        Map, underlay, labels and the picked vertex stay when the vertex counts are the
        same (the same cortex in another shape) and are dropped otherwise.

        Parameters
        ----------
        meshes : mapping
            ``"L"`` and/or ``"R"`` to points (n, 3) in mm and triangles (m, 3), or to what
            `checked_mesh` made of them.
        spread : bool
            Shift the hemispheres apart along x, as inflated ones would overlap. Only the
            drawing is shifted: picked coordinates are those given.

        Raises
        ------
        InvalidArgumentError
            If a hemisphere, a shape or a vertex index is not what it should be.
        """
        checked = {
            side: mesh if isinstance(mesh, Mesh) else checked_mesh(side, *mesh)
            for side, mesh in meshes.items()
        }
        offsets = spread_offsets(checked) if spread else dict.fromkeys(checked, 0.0)
        same = self._vertex_counts(checked) == self._vertex_counts(self._meshes)
        self._meshes = checked
        update: dict[str, Any] = {
            "surface_data": {
                side: {
                    "points": mesh.points.tobytes(),
                    "triangles": mesh.triangles.tobytes(),
                    "offset": offsets[side],
                }
                for side, mesh in checked.items()
            }
        }
        update |= {"shape_names": [], "shape_data": {}, "wanted_shapes": [], "shape": 0}
        if not same:
            self._values = {}
            update |= {"underlay_data": {}, "map_data": {}, "roi_data": [], "picked": None}
        elif self.picked is not None:
            update["picked"] = self._described(self.picked["hemisphere"], self.picked["vertex"])
        self.param.update(**update)

    def set_shapes(self, names: Iterable[str], shown: str) -> None:
        """Offer the cortex in several shapes; `set_surface` showed the one called `shown`.

        The others are asked for through `wanted_shapes` when they are needed.

        Raises
        ------
        UnknownNameError
            When `shown` is none of the names.
        """
        listed = list(names)
        if shown not in listed:
            raise UnknownNameError("shape", shown, listed)
        self.param.update(
            base_shape=shown, shape=listed.index(shown), shape_data={}, wanted_shapes=[]
        )
        self.shape_names = listed

    def add_shape(
        self, name: str, points: Mapping[str, npt.ArrayLike], *, spread: bool = False
    ) -> None:
        """Hand over another shape of the cortex that is shown.

        Parameters
        ----------
        name : str
            One of `shape_names`.
        points : mapping
            Hemisphere to points (n, 3), NaN where a vertex is not part of the shape.
        spread : bool
            As for `set_surface`.

        Raises
        ------
        InconsistentDataError
            When a hemisphere is missing or has another number of vertices.
        """
        placed = {}
        for side, mesh in self._meshes.items():
            xyz = np.ascontiguousarray(points.get(side, ()), dtype="<f4")
            if xyz.shape != mesh.points.shape:
                raise InconsistentDataError(
                    f"The shape {name!r} has points {xyz.shape} for hemisphere {side}, the surface "
                    f"{mesh.points.shape}. Use shapes of one recon."
                )
            there = np.isfinite(xyz).all(axis=1)
            placed[side] = Mesh(np.where(there[:, None], xyz, np.float32(np.nan)), mesh.triangles)
        known = {
            s: Mesh(m.points[~np.isnan(m.points[:, 0])], m.triangles) for s, m in placed.items()
        }
        offsets = spread_offsets(known) if spread else dict.fromkeys(placed, 0.0)
        self.shape_data = self.shape_data | {
            name: {
                side: {"points": mesh.points.tobytes(), "offset": offsets[side]}
                for side, mesh in placed.items()
            }
        }
        self.wanted_shapes = [n for n in self.wanted_shapes if n != name]

    def set_volume(
        self,
        anatomy: SliceAnatomy | None,
        grid: VolumeGrid | None = None,
        cortex: Mapping[str, npt.ArrayLike] | None = None,
    ) -> None:
        """Offer slices; None takes them away.

        Parameters
        ----------
        anatomy : SliceAnatomy or None
            What is drawn in grey.
        grid : VolumeGrid
            Where the values of maps and the voxels of labels lie.
        cortex : mapping
            Hemisphere to the point (n, 3) of each vertex in the volume's millimetres, midway
            between white matter and pia, whatever shape the surface is shown in: it ties a
            click on one to the other.
        """
        if anatomy is None or grid is None:
            self.volume_data = {}
            return
        self.volume_data = {
            "anatomy": anatomy.packed,
            "grid": grid.packed,
            "cortex": {s: float_bytes(np.asarray(p, "<f4")) for s, p in (cortex or {}).items()},
        }

    def set_underlay(self, values: Mapping[str, npt.ArrayLike] | None) -> None:
        """Show the folds in greys: curvature or sulcal depth, positive where it is deep.

        Parameters
        ----------
        values : mapping or None
            Hemisphere to values (n,), one per vertex. None shows an even grey.

        Raises
        ------
        InconsistentDataError
            If a hemisphere is not shown or has another number of vertices.
        """
        checked = self._checked("underlay", values)
        self.underlay_data = {side: float_bytes(v) for side, v in checked.items()}

    def set_map(
        self,
        values: Mapping[str, npt.ArrayLike] | None,
        *,
        voxels: npt.ArrayLike | None = None,
        name: str = "",
        units: str = "",
        explanation: str = "",
        lower: float | None = None,
        upper: float | None = None,
        symmetric: bool | None = None,
        colormap: str | None = None,
    ) -> None:
        """Colour the surface by these values.

        Bounds that are not given stay as they are while the units and `symmetric` do, and
        are chosen from the data otherwise.

        Parameters
        ----------
        values : mapping or None
            Hemisphere to values (n,), one per vertex; NaN is not drawn. None takes the map off.
        voxels : array, optional
            The same map in the slices: one value for each voxel of the grid (`set_volume`).
        name, units, explanation : str
            What is shown, in what, and a sentence about it.
        lower, upper, symmetric, colormap : optional
            Set the parameters of these names in the same step.

        Raises
        ------
        InconsistentDataError
            If a hemisphere is not shown or has another number of vertices.
        """
        if colormap is not None and colormap not in COLORMAPS:
            raise UnknownNameError("colour map", colormap, COLORMAPS)
        checked = self._checked("map", values)
        self._values = checked
        if not checked:
            self.map_data = {}
            return
        symmetric = self.symmetric if symmetric is None else symmetric
        known = self.map_data and (self.map_data["units"], self.symmetric) == (units, symmetric)
        span = map_range(checked.values(), symmetric)
        magnitude = map_range(checked.values(), True)[1]
        bounds = (self.lower, self.upper) if known else (None, None)
        chosen = automatic_bounds(checked.values(), span, symmetric)
        self.param.update(
            map_data={
                "values": {side: float_bytes(v) for side, v in checked.items()},
                "voxels": None if voxels is None else float_bytes(np.asarray(voxels, np.float32)),
                "range": list(map_range(checked.values())),
                "magnitude": magnitude,
                "name": name,
                "units": units,
                "explanation": explanation,
            },
            lower=_first(lower, bounds[0], chosen[0]),
            upper=_first(upper, bounds[1], chosen[1]),
            symmetric=symmetric,
            colormap=colormap or self.colormap,
        )

    def set_rois(self, rois: Iterable[RoiLayer]) -> None:
        """Draw these labels, each with its colour, and list them in the legend.

        Parameters
        ----------
        rois : iterable of RoiLayer
            Later ones lie over earlier ones where they are filled.

        Raises
        ------
        InconsistentDataError
            If a hemisphere is not shown or has another number of vertices.
        """
        layers = []
        for roi in rois:
            masks = self._checked(f"ROI {roi.name}", roi.masks)
            packed = {side: np.packbits(m != 0).tobytes() for side, m in masks.items()}
            voxels = None if roi.voxels is None else np.asarray(roi.voxels, "<u4").tobytes()
            layers.append(
                {"name": roi.name, "colour": roi.colour, "masks": packed, "voxels": voxels}
            )
        self.roi_data = layers

    def select_vertex(self, hemisphere: str | None, vertex: int | None = None) -> None:
        """Move the marker to a vertex, as a click on it would; None takes it away.

        Raises
        ------
        InvalidArgumentError
            If there is no such vertex.
        """
        self.picked = None if hemisphere is None else self._described(hemisphere, vertex)

    def _described(self, hemisphere: str, vertex: int | None) -> dict[str, Any]:
        mesh = self._meshes.get(hemisphere)
        if mesh is None or vertex is None or not 0 <= vertex < len(mesh.points):
            raise InvalidArgumentError(
                f"Hemisphere {hemisphere!r} has no vertex {vertex!r} here. "
                f"Shown: {self._vertex_counts(self._meshes) or 'nothing yet, call set_surface'}."
            )
        x, y, z = (float(v) for v in mesh.points[vertex])
        value = self._values[hemisphere][vertex] if hemisphere in self._values else np.nan
        return {
            "hemisphere": hemisphere,
            "vertex": int(vertex),
            "x": x,
            "y": y,
            "z": z,
            "value": float(value) if np.isfinite(value) else None,
        }

    def _checked(
        self, what: str, values: Mapping[str, npt.ArrayLike] | None
    ) -> dict[str, npt.NDArray[np.float32]]:
        checked = {}
        for side, given in (values or {}).items():
            if side not in self._meshes:
                raise InconsistentDataError(
                    f"The {what} has a hemisphere {side!r}, the surface has "
                    f"{sorted(self._meshes) or 'none'}. Call set_surface with it first."
                )
            checked[side] = checked_values(what, side, given, len(self._meshes[side].points))
        return checked

    @staticmethod
    def _vertex_counts(meshes: Mapping[str, Mesh]) -> dict[str, int]:
        return {side: len(meshes[side].points) for side in HEMISPHERES if side in meshes}

    def _get_properties(self, doc: Any) -> dict[str, Any]:
        properties = super()._get_properties(doc)
        if doc and doc.session_context and doc.session_context.server_context:
            properties["data"].modules = {
                name: module_url(file) for name, file in BrowserFiles.surface_view.items()
            }
        return properties

    def _handle_msg(self, data: Any) -> None:
        # A notebook page has no server to fetch from: it asks once and gets the text.
        if data == {"wants": "modules"}:
            sources = {n: module_source(file) for n, file in BrowserFiles.surface_view.items()}
            self._send_msg({"modules": sources})


def _first(*candidates: float | None) -> float | None:
    return next((c for c in candidates if c is not None), None)
