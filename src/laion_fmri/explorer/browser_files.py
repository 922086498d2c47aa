"""Scripts that the explorer's own server hands to the page, each cached by its content.

Panel's component resource route serves exactly the files a class lists, under every way
of serving (``panel serve``, ``pn.serve``, behind a prefix), so nothing is mounted or
configured. Only these files can be fetched.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import ClassVar

from panel.io.resources import component_resource_path
from panel.io.state import state


class BrowserFiles:
    """The scripts that a page may ask the explorer for, relative to this module."""

    plots: ClassVar[str] = "components/plots.js"
    surface_view: ClassVar[dict[str, str]] = {
        "niivue": "static/niivue-0.69.0.min.js",
        "geometry": "components/surface_geometry.js",
        "shaders": "components/surface_shaders.js",
        "scene": "components/surface_scene.js",
        "paint": "components/surface_paint.js",
        "layout": "components/surface_layout.js",
        "gestures": "components/surface_gestures.js",
        "volume": "components/volume_scene.js",
        "slices": "components/slices_pane.js",
        "shapes": "components/surface_shapes.js",
        "viewer": "components/surface_viewer.js",
    }

    # The attribute that Panel's route reads: what is not listed is not served.
    _js = (plots, *surface_view.values())


def module_url(file: str) -> str:
    """Address of a listed file, relative to the page now being made.

    Parameters
    ----------
    file : str
        One of the files listed by `BrowserFiles`.

    Returns
    -------
    str
        A relative URL with the content's hash in it, so that browsers may keep it for good.
    """
    prefix = "" if state.rel_path else "./"
    return f"{prefix}{component_resource_path(BrowserFiles, '_js', file)}?v={_content_hash(file)}"


def module_source(file: str) -> str:
    """Text of a listed file, for pages that no server stands behind."""
    return _path(file).read_text(encoding="utf-8")


@functools.cache
def _content_hash(file: str) -> str:
    return hashlib.sha256(_path(file).read_bytes()).hexdigest()[:16]


def _path(file: str) -> Path:
    return Path(__file__).parent / file
