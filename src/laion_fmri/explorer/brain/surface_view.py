"""The brain viewer: two hemispheres, and slices with a shared crosshair, drawn by the browser.

Python sends surfaces, volumes, maps and labels once; turning, morphing, slicing,
thresholding, colouring and picking happen in the browser, which returns only the results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
import param

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.analysis.colour_scale import automatic_bounds, map_range
from laion_fmri.explorer.assets import BrowserFiles, module_source, module_url
from laion_fmri.explorer.brain.colours import COLORMAPS, palette_bytes
from laion_fmri.explorer.runtime.delivery import deliver_every_change
from laion_fmri.explorer.widgets.page_messages import MessagingComponent
from laion_fmri.volumes.meshes import Mesh, checked_mesh
from laion_fmri.volumes.slices import SliceAnatomy, VolumeGrid, packed_volume
from laion_fmri.volumes.surface_layers import (
    RoiLayer,
    float_bytes,
    packed_shape,
    packed_surface,
    vertex_counts,
    vertex_values,
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


class _PageModel(MessagingComponent):
    """The state shared by Python and the page, and the location of the page's scripts."""

    lower = param.Number(
        default=None, doc="Values (if `symmetric`, magnitudes) below it are not drawn; data units."
    )
    upper = param.Number(default=None, doc="Where the scale ends; data units.")
    symmetric = param.Boolean(default=False, doc="Whether the scale runs from -upper to upper.")
    colormap: Any = param.Selector(default="inferno", objects=list(COLORMAPS))
    opacity = param.Number(default=1.0, bounds=(0, 1), doc="How much the map covers the folds.")
    roi_style: Any = param.Selector(default="outline", objects=["outline", "fill"])
    theme: Any = param.Selector(
        default="auto", objects=list(get_args(Theme)), doc="'auto' follows the page's text colour."
    )
    view: Any = param.Selector(default="lateral left", objects=list(get_args(View)))
    camera = param.List(
        default=[],
        item_type=(int, float),
        bounds=(0, 3),
        doc="Azimuth and elevation in degrees, and zoom; empty while the brain is seen as `view`.",
    )
    panes: Any = param.Selector(
        default="surface",
        objects=["surface", "both", "volume"],
        doc="What is shown; slices need a volume (`set_volume`).",
    )
    subject = param.String(default="", doc="For the title and for saved pictures.")
    cortex = param.String(default="", doc="Linked views of the same cortex pick vertices together.")
    group = param.String(default="", doc="Views of a page with the same group are linked.")
    picked = param.Dict(
        default=None, doc="The vertex chosen last: hemisphere, vertex, x, y, z (mm), value or None."
    )
    crosshair = param.Dict(
        default=None,
        doc="Where the slices cross: x, y, z (mm), voxel (of the functional grid) or None, value "
        "or None, and source: 'surface' or 'volume', whichever was clicked.",
    )
    shape_names = param.List(default=[], item_type=str, doc="Shapes to morph between, in order.")
    shape = param.Number(
        default=0, bounds=(0, None), doc="Position among `shape_names`; 1.5 is midway."
    )
    base_shape = param.String(default="", doc="Which of `shape_names` `set_surface` showed.")
    wanted_shapes = param.List(
        default=[], item_type=str, doc="Shapes that the page asks for; answered by `add_shape`."
    )

    # Sent by the setters of `SurfaceView`.
    surface_data = param.Dict(default={})
    shape_data = param.Dict(default={})
    volume_data = param.Dict(default={})
    underlay_data = param.Dict(default={})
    map_data = param.Dict(default={})
    roi_data = param.List(default=[])
    palettes = param.Dict(default={}, doc="256 RGB colours of each colour map.")
    modules = param.Dict(default={}, doc="Addresses of the scripts; empty: the page asks for them.")

    is_reporting = False
    """Whether the current changes come from the page."""

    _esm: ClassVar[Path] = Path(__file__).with_name("surface_view.js")
    _stylesheets: ClassVar[list[str]] = [
        Path(__file__).with_name("surface_view.css").read_text(encoding="utf-8")
    ]

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "min_height": 560} | params)
        self.palettes = {name: palette_bytes(name) for name in COLORMAPS}
        self.param.watch(self._forget_camera, ["view", "camera"])

    def _process_events(self, events: dict[str, Any]) -> None:
        # Panel calls this with the values that the page reports.
        self.is_reporting = True
        try:
            super()._process_events(events)
        finally:
            self.is_reporting = False

    def _forget_camera(self, *events: param.parameterized.Event) -> None:
        if {event.name for event in events} == {"view"}:
            self.camera = []

    def _get_properties(self, doc: Any) -> dict[str, Any]:
        properties = super()._get_properties(doc)
        if doc and doc.session_context and doc.session_context.server_context:
            deliver_every_change()
            properties["data"].modules = {
                name: module_url(file) for name, file in BrowserFiles.surface_view.items()
            }
        return properties

    def receive(self, message: Any) -> bool:
        """Send the scripts to a notebook page, which has no server and requests them once."""
        if message != {"wants": "modules"}:
            return False
        sources = {n: module_source(file) for n, file in BrowserFiles.surface_view.items()}
        self._send_msg({"modules": sources})
        return True


class SurfaceView(_PageModel):
    """Cortical surfaces with a map, labels around regions, and vertices to pick.

    Fill it with `set_surface`, `set_underlay`, `set_map` and `set_rois`, even before the page
    exists. Each raises `InconsistentDataError` if the values are not one per vertex of a
    displayed hemisphere.
    """

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._meshes: dict[str, Mesh] = {}
        self._values: dict[str, npt.NDArray[np.float32]] = {}
        self.automatic_bounds = (0.0, 1.0)  # of the map, used by the default scale

    def set_surface(
        self,
        meshes: Mapping[str, Mesh | tuple[npt.ArrayLike, npt.ArrayLike]],
        *,
        spread: bool = False,
    ) -> None:
        """Display these hemispheres.

        Map, underlay, labels and the picked vertex stay when the vertex counts are the
        same (the same cortex in another shape) and are dropped otherwise.

        Parameters
        ----------
        meshes : mapping
            ``"L"`` and/or ``"R"`` to points (n, 3) in mm and triangles (m, 3), or to the result
            of `checked_mesh`.
        spread : bool
            Shift the hemispheres apart along x, since inflated ones would overlap. Only the
            drawing is shifted: picked coordinates are the given ones.

        Raises
        ------
        InvalidArgumentError
            If a hemisphere, an array's shape or a vertex index is invalid.
        """
        checked = {
            side: mesh if isinstance(mesh, Mesh) else checked_mesh(side, *mesh)
            for side, mesh in meshes.items()
        }
        is_same = vertex_counts(checked) == vertex_counts(self._meshes)
        self._meshes = checked
        update: dict[str, Any] = {"surface_data": packed_surface(checked, spread)}
        update |= {"shape_names": [], "shape_data": {}, "wanted_shapes": [], "shape": 0}
        if not is_same:
            self._values = {}
            update |= {"underlay_data": {}, "map_data": {}, "roi_data": [], "picked": None}
        elif self.picked is not None:
            self.select_vertex(self.picked["hemisphere"], self.picked["vertex"])
        self.param.update(**update)

    def set_shapes(self, names: Iterable[str], shown: str) -> None:
        """Offer the cortex in several shapes; `set_surface` displayed the one named `shown`.

        The page requests the others through `wanted_shapes`.
        """
        listed = list(names)
        if shown not in listed:
            raise UnknownNameError("shape", shown, listed)
        self.param.update(
            base_shape=shown, shape=listed.index(shown), shape_data={}, wanted_shapes=[]
        )
        self.shape_names = listed

    def add_shape(
        self,
        name: str,
        points: Mapping[str, npt.ArrayLike],
        *,
        triangles: Mapping[str, npt.ArrayLike] | None = None,
        spread: bool = False,
    ) -> None:
        """Send another shape of the displayed cortex.

        Parameters
        ----------
        name : str
            One of `shape_names`.
        points, triangles, spread
            As in `laion_fmri.volumes.surface_layers.packed_shape`.
        """
        shape = packed_shape(name, self._meshes, points, triangles, spread)
        self.shape_data = self.shape_data | {name: shape}
        self.wanted_shapes = [n for n in self.wanted_shapes if n != name]

    def set_volume(
        self,
        anatomy: SliceAnatomy | None,
        grid: VolumeGrid | None = None,
        cortex: Mapping[str, npt.ArrayLike] | None = None,
    ) -> None:
        """Set the volume to slice (`laion_fmri.volumes.slices.packed_volume`); None removes it."""
        self.volume_data = packed_volume(anatomy, grid, cortex) if anatomy and grid else {}

    def set_underlay(self, values: Mapping[str, npt.ArrayLike] | None) -> None:
        """Set curvature or sulcal depth (n,), positive in sulci; None draws an even grey."""
        checked = vertex_values("underlay", values, self._meshes)
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

        Omitted bounds are kept while the units and `symmetric` stay the same, and are
        derived from the data otherwise.

        Parameters
        ----------
        values : mapping or None
            Hemisphere to values (n,), one per vertex; NaN is not drawn. None removes the map.
        voxels : array, optional
            The same map for the slices: one value per voxel of the grid (`set_volume`).
        name, units, explanation : str
            Name, units and a one-sentence description of the map.
        lower, upper, symmetric, colormap : optional
            Set the parameters of these names in the same update.
        """
        if colormap is not None and colormap not in COLORMAPS:
            raise UnknownNameError("colour map", colormap, COLORMAPS)
        checked = vertex_values("map", values, self._meshes)
        self._values = checked
        if not checked:
            self.map_data = {}
            return
        symmetric = self.symmetric if symmetric is None else symmetric
        is_same = self.map_data and (self.map_data["units"], self.symmetric) == (units, symmetric)
        arrays = list(checked.values())
        self.automatic_bounds = automatic_bounds(arrays, symmetric)
        kept = (self.lower, self.upper) if is_same else (None, None)
        lower, upper = (
            next(bound for bound in bounds if bound is not None)
            for bounds in zip((lower, upper), kept, self.automatic_bounds, strict=True)
        )
        self.param.update(
            map_data={
                "values": {side: float_bytes(v) for side, v in checked.items()},
                "voxels": None if voxels is None else float_bytes(voxels),
                "range": list(map_range(arrays)),
                "magnitude": map_range(arrays, symmetric=True)[1],
                "name": name,
                "units": units,
                "explanation": explanation,
            },
            lower=lower,
            upper=upper,
            symmetric=symmetric,
            colormap=colormap or self.colormap,
        )

    def set_rois(self, rois: Iterable[RoiLayer]) -> None:
        """Draw these labels, later ones on top, and list them in the legend."""
        self.roi_data = [roi.packed(self._meshes) for roi in rois]

    def select_vertex(self, hemisphere: str | None, vertex: int | None = None) -> None:
        """Move the marker to a vertex, as a click does; None removes it.

        Raises
        ------
        InvalidArgumentError
            If the vertex does not exist.
        """
        if hemisphere is None:
            self.picked = None
            return
        mesh = self._meshes.get(hemisphere)
        if mesh is None or vertex is None or not 0 <= vertex < len(mesh.points):
            raise InvalidArgumentError(
                f"Hemisphere {hemisphere!r} has no vertex {vertex!r}. "
                f"Shown: {vertex_counts(self._meshes) or 'nothing yet, call set_surface'}."
            )
        point = dict(zip("xyz", mesh.points[vertex].tolist(), strict=True))
        value = self._values[hemisphere][vertex] if hemisphere in self._values else np.nan
        known = float(value) if np.isfinite(value) else None
        self.picked = {"hemisphere": hemisphere, "vertex": int(vertex), **point, "value": known}
