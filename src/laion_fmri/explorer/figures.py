"""What is seen, as files to keep: a montage for papers, a page of its own, NIfTI and GIfTI."""

from __future__ import annotations

import base64
import html
import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, MissingDependencyError
from laion_fmri.explorer.browser_files import BrowserFiles, module_source
from laion_fmri.explorer.components.surface_data import COLORMAPS
from laion_fmri.subject import Subject
from laion_fmri.surfaces import Surface

if TYPE_CHECKING:
    from laion_fmri.explorer.components.surface_view import SurfaceView

MONTAGE_VIEWS = ("lateral", "medial", "ventral", "posterior")
_DPI = 300
_SIDES = {"L": "left", "R": "right"}
_STANDALONE = Path(__file__).with_name("components") / "standalone.js"
_SHOWN = (
    "lower", "upper", "symmetric", "colormap", "opacity", "roi_style", "view", "panes",
    "picked", "crosshair", "base_shape", "surface_data", "underlay_data", "map_data", "roi_data",
    "volume_data", "palettes",
)  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """How values become colours; as in the view.

    Attributes
    ----------
    lower, upper : float
        Values (if symmetric, magnitudes) below `lower` are not drawn.
    symmetric : bool
    colormap : str
        A key of `COLORMAPS`.
    """

    lower: float
    upper: float
    symmetric: bool = False
    colormap: str = "inferno"


def montage(
    surfaces: Mapping[str, Surface],
    values: Mapping[str, NDArray],
    underlay: Mapping[str, NDArray],
    scale: Scale,
    title: str = "",
    units: str = "",
    format: str = "png",
) -> bytes:
    """Both hemispheres from four sides on one sheet, by nilearn, with a colour bar.

    Parameters
    ----------
    surfaces, values, underlay : mapping
        Hemisphere to mesh, to values (n,) and to folds (n,).
    scale : Scale
    title, units : str
    format : {"png", "pdf", "svg"}

    Returns
    -------
    bytes
        A picture of 300 dots an inch, 10 inches wide.

    Raises
    ------
    MissingDependencyError
        When matplotlib is not installed.
    InvalidArgumentError
        When a shape is not whole, as a flat patch.
    """
    try:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize
        from matplotlib.figure import Figure
        from nilearn.plotting import plot_surf
    except ImportError as error:
        raise MissingDependencyError(
            "A montage needs matplotlib: pip install matplotlib."
        ) from error
    if any(np.isnan(s.points).any() for s in surfaces.values()):
        raise InvalidArgumentError("A flat patch has no other sides. Choose another shape.")
    low = -scale.upper if scale.symmetric else min(0.0, scale.lower)
    colours = ListedColormap(list(COLORMAPS[scale.colormap]))
    sides = [side for side in _SIDES if side in surfaces]
    figure = Figure(figsize=(10, 2.6 * len(sides) + 0.9))
    for row, side in enumerate(sides):
        mesh, shown = surfaces[side], np.array(values[side], dtype=np.float64)
        size = np.abs(shown) if scale.symmetric else shown
        shown[~(size >= scale.lower)] = np.nan
        for column, view in enumerate(MONTAGE_VIEWS):
            axes = figure.add_subplot(
                len(sides), len(MONTAGE_VIEWS), row * len(MONTAGE_VIEWS) + column + 1,
                projection="3d",
            )  # fmt: skip
            plot_surf(
                [mesh.points, mesh.triangles],
                shown,
                bg_map=underlay[side],
                hemi=_SIDES[side],
                view=view,
                engine="matplotlib",
                cmap=colours,
                vmin=low,
                vmax=scale.upper,
                colorbar=False,
                bg_on_data=False,
                axes=axes,
                figure=figure,
            )
            axes.set_title(f"{view}, {_SIDES[side]}", fontsize=9, pad=-4)
    figure.subplots_adjust(left=0, right=1, top=0.9, bottom=0.14, wspace=-0.05, hspace=0.05)
    bar = figure.add_axes((0.35, 0.09, 0.3, 0.022))
    figure.colorbar(
        ScalarMappable(Normalize(low, scale.upper), colours), cax=bar, orientation="horizontal"
    )
    bar.set_xlabel(f"{units}, drawn from {scale.lower:g}".strip(", "), fontsize=9)
    bar.tick_params(labelsize=8)
    if title:
        figure.suptitle(title, fontsize=12, y=0.98)
    out = io.BytesIO()
    figure.savefig(out, format=format, dpi=_DPI, facecolor="white")
    return out.getvalue()


def nifti_bytes(sub: Subject, values: NDArray) -> bytes:
    """One value a voxel of the brain mask as a ``.nii.gz`` on the functional grid."""
    with tempfile.TemporaryDirectory() as folder:
        return sub.to_nifti(values, Path(folder) / "map.nii.gz").read_bytes()


def gifti_bytes(values: NDArray, hemi: str, name: str = "") -> bytes:
    """One value a vertex of a hemisphere as a ``.func.gii``."""
    from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

    array = GiftiDataArray(
        np.asarray(values, dtype=np.float32),
        intent="NIFTI_INTENT_NONE",
        datatype="NIFTI_TYPE_FLOAT32",
        meta=GiftiMetaData({"Name": name}),
    )
    structure = {"L": "CortexLeft", "R": "CortexRight"}[hemi]
    image = GiftiImage(
        darrays=[array], meta=GiftiMetaData({"AnatomicalStructurePrimary": structure})
    )
    return image.to_bytes()


def html_page(view: SurfaceView, title: str) -> bytes:
    """The view as one HTML file that needs no server and no network.

    Shapes and slices that the page has loaded go with it; whoever opens it can turn, morph,
    threshold, recolour, click and save pictures.
    """
    known = [n for n in view.shape_names if n == view.base_shape or n in view.shape_data]
    at = view.shape_names[round(view.shape)] if view.shape_names else ""
    model: dict[str, Any] = {name: getattr(view, name) for name in _SHOWN}
    model |= {
        "shape_names": known,
        "shape_data": {n: view.shape_data[n] for n in known if n in view.shape_data},
        "shape": known.index(at) if at in known else known.index(view.base_shape) if known else 0,
        "wanted_shapes": [],
        "theme": "auto",
        "group": "",
    }
    scripts = "\n".join(
        f'<script type="text/plain" data-module="{name}">{_inline(module_source(file))}</script>'
        for name, file in BrowserFiles.surface_view.items()
    )
    stylesheet = "\n".join(view._stylesheets)
    page = _PAGE.format(
        title=html.escape(title),
        style=stylesheet,
        scripts=scripts,
        model=json.dumps(model, default=_plain).replace("<", "\\u003c"),
        start=_STANDALONE.read_text(encoding="utf-8"),
    )
    return page.encode()


def _inline(source: str) -> str:
    # What ends a script in HTML; the loader puts it back.
    return source.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} cannot go into a page")


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
html, body {{ margin: 0; height: 100%; font-family: system-ui, "Segoe UI", Roboto, sans-serif; }}
body {{ padding: 16px; box-sizing: border-box; min-height: 640px; }}
body {{ color: #1f2733; background: #fff; }}
@media (prefers-color-scheme: dark) {{ body {{ color: #e6eaf0; background: #10141a; }} }}
{style}
</style>
<div id="view" class="view" data-state="loading"></div>
{scripts}
<script type="application/json" id="model">{model}</script>
<script type="module">
{start}
</script>
</html>
"""
