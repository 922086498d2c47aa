"""The brain view as one HTML file, which `standalone.js` starts without a server."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from laion_fmri.explorer.assets import BrowserFiles, module_source

if TYPE_CHECKING:
    from laion_fmri.explorer.brain.surface_view import SurfaceView

_STANDALONE = Path(__file__).with_name("standalone.js")
_SHOWN = (
    "lower", "upper", "symmetric", "colormap", "opacity", "roi_style", "view", "camera",
    "panes", "subject", "cortex", "picked", "crosshair", "base_shape", "surface_data",
    "underlay_data", "map_data", "roi_data", "volume_data", "palettes",
)  # fmt: skip


def html_page(view: SurfaceView, title: str) -> bytes:
    """Return the view as one HTML file that needs no server and no network.

    It contains the shapes and slices that the page has loaded; users can turn, morph,
    threshold, recolour, click and save images.
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
        title=escape(title),
        style=stylesheet,
        scripts=scripts,
        model=json.dumps(model, default=_plain).replace("<", "\\u003c"),
        start=_STANDALONE.read_text(encoding="utf-8"),
    )
    return page.encode()


def _inline(source: str) -> str:
    # Escape the end of a script in HTML; the loader reverts this.
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
