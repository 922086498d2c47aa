"""Figures of a map on the cortex: both hemispheres from four sides, drawn by nilearn.

Examples
--------
>>> from laion_fmri import maps
>>> from laion_fmri.analysis.map_figure import plot_map
>>> figure = plot_map(sub, maps.get_map(sub, "Noise ceiling, 12 repeats"), rois=["FFA1"])
>>> figure.savefig("noise_ceiling.png", dpi=300)  # doctest: +SKIP
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, MissingDependencyError, UnknownNameError
from laion_fmri.analysis.cortex import (
    RoiVertices,
    Space,
    map_on_cortex,
    read_folds,
    read_shape,
    roi_vertices,
)
from laion_fmri.volumes.surfaces import Surface

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from laion_fmri.maps import BrainMap
    from laion_fmri.subject import Subject

COLORCET_MAPS = {
    "fire": "fire",
    "blues": "linear_blue_5_95_c73",
    "blue-white-red": "diverging_bwr_40_95_c42",
    "blue-black-red": "diverging_bkr_55_10_c35",
    "green-white-violet": "diverging_gwv_55_95_c39",
}
"""Explorer's names of colour maps to colorcet's: sequential first, then diverging."""
VIEWS = ("lateral", "medial", "ventral", "posterior")
_DPI, _NOTEBOOK_DPI = 300, 100
_ROIS_IN_A_ROW = 8  # of the legend
_SIDES = {"L": "left", "R": "right"}


def plot_map(
    sub: Subject,
    brain_map: BrainMap,
    *,
    space: Space = "fsnative",
    shape: str = "inflated",
    folds: str = "sulc",
    lower: float | None = None,
    upper: float | None = None,
    symmetric: bool | None = None,
    colormap: str | None = None,
    rois: Sequence[str] | Mapping[str, str] = (),
) -> Figure:
    """Draw a map on a subject's cortex from four sides.

    Parameters
    ----------
    sub : Subject
    brain_map : BrainMap
        A map of `laion_fmri.maps.get_map`.
    space : {"fsnative", "fsaverage"}
        The subject's own surface, or fsaverage5.
    shape : {"white", "pial", "inflated", "sphere"}
    folds : {"sulc", "curv"}
    lower : float, optional
        Values (of a symmetric map: magnitudes) below this are not drawn. By default the map's
        threshold, or a tenth of `upper`.
    upper : float, optional
        Upper end of the colour scale; by default the largest half percent is ignored.
    symmetric : bool, optional
        Whether the scale runs from ``-upper`` to `upper`; by default that of the map.
    colormap : str, optional
        A colour map of matplotlib or of the explorer; by default that of the map.
    rois : sequence of str, or mapping of str to colour
        ROIs to outline.

    Returns
    -------
    matplotlib.figure.Figure
        10 inches wide.

    Raises
    ------
    MissingDependencyError
        When matplotlib is not installed.
    UnknownNameError
        When there is no such ROI, shape or colour map.
    InvalidArgumentError
        When the shape is a flat patch, which has only one side.
    DataNotDownloadedError, DamagedFileError
    """
    masks = roi_vertices(sub, space) if rois else {}
    for name in rois:
        if name not in masks:
            raise UnknownNameError("ROI", name, list(masks))
    symmetric = brain_map.symmetric if symmetric is None else symmetric
    values = map_on_cortex(sub, brain_map, space)
    known = np.concatenate([v[np.isfinite(v)] for v in values.values()])
    if upper is None:
        known = np.abs(known) if symmetric else known
        upper = float(np.percentile(known, 99.5)) if known.size else 1.0
    if lower is None:
        lower = upper / 10 if brain_map.threshold is None else brain_map.threshold
    return draw_montage(
        read_shape(sub, shape, space),
        values,
        read_folds(sub, folds, space),
        lower=lower,
        upper=upper,
        symmetric=symmetric,
        colormap=colormap or brain_map.colormap,
        title=f"{sub.name}: {brain_map.name}",
        units=brain_map.units,
        rois={name: masks[name] for name in rois},
        roi_colours=rois if isinstance(rois, Mapping) else {},
    )


def draw_montage(
    surfaces: Mapping[str, Surface],
    values: Mapping[str, NDArray],
    folds: Mapping[str, NDArray],
    *,
    lower: float,
    upper: float,
    symmetric: bool = False,
    colormap: str = "inferno",
    title: str = "",
    units: str = "",
    rois: RoiVertices | None = None,
    roi_colours: Mapping[str, str] | None = None,
) -> Figure:
    """Draw values at the vertices of both hemispheres from four sides, with a colour bar.

    Parameters
    ----------
    surfaces, values, folds : mapping
        Hemisphere to mesh, to values (n_vertices,) and to folds (n_vertices,).
    lower, upper, symmetric, colormap
        As in `plot_map`.
    title, units : str
    rois : mapping, optional
        ROIs to outline with a legend, from `laion_fmri.analysis.cortex.roi_vertices`.
    roi_colours : mapping of str to str, optional
        ``"#rrggbb"``; by default matplotlib's cycle.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MissingDependencyError
        When matplotlib is not installed.
    InvalidArgumentError
        When a surface is a flat patch.
    """
    try:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
        from nilearn.plotting import plot_surf, plot_surf_contours
    except ImportError as error:
        raise MissingDependencyError(
            "A montage needs matplotlib: pip install matplotlib."
        ) from error
    if any(np.isnan(s.points).any() for s in surfaces.values()):
        raise InvalidArgumentError("A flat patch has no other sides. Choose another shape.")
    rois = rois or {}
    cycle = {name: f"C{k % 10}" for k, name in enumerate(rois)} | dict(roi_colours or {})
    low, colours = -upper if symmetric else min(0.0, lower), _colours(colormap)
    sides = [side for side in _SIDES if side in surfaces]
    n_rows = -(-len(rois) // _ROIS_IN_A_ROW)
    height, below = 2.6 * len(sides) + 0.9, 0.24 * n_rows
    figure = Figure(figsize=(10, height + below))
    for row, side in enumerate(sides):
        mesh = [surfaces[side].points, surfaces[side].triangles]
        shown = np.array(values[side], dtype=np.float64)
        shown[~((np.abs(shown) if symmetric else shown) >= lower)] = np.nan
        for column, view in enumerate(VIEWS):
            axes = figure.add_subplot(
                len(sides), len(VIEWS), row * len(VIEWS) + column + 1, projection="3d"
            )
            plot_surf(
                mesh,
                shown,
                bg_map=folds[side],
                hemi=_SIDES[side],
                view=view,
                engine="matplotlib",
                cmap=colours,
                vmin=low,
                vmax=upper,
                colorbar=False,
                bg_on_data=False,
                axes=axes,
                figure=figure,
            )
            for name, masks in rois.items():
                if np.any(inside := np.asarray(masks.get(side, ()), dtype=bool)):
                    plot_surf_contours(
                        mesh,
                        inside.astype(np.int32),
                        levels=[1],
                        colors=[cycle[name]],
                        axes=axes,
                        figure=figure,
                    )
            axes.set_title(f"{view}, {_SIDES[side]}", fontsize=9, pad=-4)
    share = height / (height + below)  # of the figure, above the legend
    figure.subplots_adjust(
        left=0, right=1, top=1 - 0.1 * share, bottom=1 - 0.86 * share, wspace=-0.05, hspace=0.05
    )
    bar = figure.add_axes((0.35, 1 - 0.91 * share, 0.3, 0.022 * share))
    if rois:
        figure.legend(
            handles=[Patch(color=cycle[name], label=_literal(name)) for name in rois],
            loc="lower center",
            ncols=min(len(rois), _ROIS_IN_A_ROW),
            fontsize=8,
            frameon=False,
        )
    figure.colorbar(
        ScalarMappable(Normalize(low, upper), colours), cax=bar, orientation="horizontal"
    )
    bar.set_xlabel(f"{_literal(units)}, drawn from {lower:g}".strip(", "), fontsize=9)
    bar.tick_params(labelsize=8)
    if title:
        figure.suptitle(_literal(title), fontsize=12, y=1 - 0.02 * share)
    # Without pyplot, a notebook shows the figures that say how.
    figure._repr_png_ = partial(png_bytes, figure, dpi=_NOTEBOOK_DPI)  # type: ignore[attr-defined]
    return figure


def png_bytes(figure: Figure, dpi: int = _DPI) -> bytes:
    """Return a figure as a PNG, by default with 300 dpi."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi, facecolor="white")
    return content.getvalue()


def _colours(name: str) -> Colormap:
    """Return a colour map of matplotlib, or of colorcet by the explorer's name."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    if name in matplotlib.colormaps:
        return matplotlib.colormaps[name]
    if name not in COLORCET_MAPS:
        raise UnknownNameError("colour map", name, [*COLORCET_MAPS, *matplotlib.colormaps])
    try:
        import colorcet
    except ImportError as error:
        raise MissingDependencyError(
            f"The colour map {name!r} needs colorcet: pip install colorcet."
        ) from error
    return ListedColormap(list(colorcet.palette[COLORCET_MAPS[name]]), name)


def _literal(text: str) -> str:
    """Escape dollar signs, between which matplotlib reads mathematics."""
    return text.replace("$", r"\$")
