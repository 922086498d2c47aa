"""Scripts that the explorer's own server sends to the page, cached by content.

Panel's component resource route serves exactly the files listed by a class, however the app is
served (``panel serve``, ``pn.serve``, behind a prefix), so nothing needs to be mounted or
configured. No other file can be fetched.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import ClassVar

from panel.io.resources import component_resource_path
from panel.io.state import state


class BrowserFiles:
    """The scripts that a page may request from the explorer, relative to this module."""

    plots: ClassVar[str] = "runtime/plots.js"
    surface_view: ClassVar[dict[str, str]] = {
        "three": "brain/static/three-0.187.0.min.js",
        "geometry": "brain/surface_geometry.js",
        "shaders": "brain/surface_shaders.js",
        "renderer": "brain/canvas_renderer.js",
        "camera": "brain/surface_camera.js",
        "scene": "brain/surface_scene.js",
        "volume": "brain/volume_scene.js",
        "layout": "brain/surface_layout.js",
        "gestures": "brain/surface_gestures.js",
        "colours": "brain/colour_controls.js",
        "views": "brain/view_control.js",
        "picker": "brain/vertex_picker.js",
        "slices": "brain/slices_pane.js",
        "shapes": "brain/surface_shapes.js",
        "picture": "brain/picture.js",
        "viewer": "brain/surface_viewer.js",
    }

    # Panel's route reads this attribute and serves only the files it lists.
    _js = (plots, *surface_view.values())


def module_url(file: str) -> str:
    """Return the URL of a listed file, relative to the page being created.

    Parameters
    ----------
    file : str
        One of the files listed by `BrowserFiles`.

    Returns
    -------
    str
        A relative URL that contains the content's hash, so that browsers can cache it forever.
    """
    prefix = "" if state.rel_path else "./"
    return f"{prefix}{component_resource_path(BrowserFiles, '_js', file)}?v={_content_hash(file)}"


def module_source(file: str) -> str:
    """Return the text of a listed file, for pages without a server."""
    return _path(file).read_text(encoding="utf-8")


@functools.cache
def _content_hash(file: str) -> str:
    return hashlib.sha256(_path(file).read_bytes()).hexdigest()[:16]


def _path(file: str) -> Path:
    return Path(__file__).parent / file
