"""Features of a browser on this machine, as the browser reports them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
"""Browsers that can run headless."""

_PATIENCE = 30.0  # seconds
_PAGE = """<!doctype html><pre id="told"></pre><script>
const gl = document.createElement("canvas").getContext("webgl2")
const named = gl && gl.getExtension("WEBGL_debug_renderer_info")
document.getElementById("told").textContent = JSON.stringify({
  webgl2: Boolean(gl),
  renderer: named ? gl.getParameter(named.UNMASKED_RENDERER_WEBGL) : "",
  modules: "noModule" in document.createElement("script"),
  websocket: "WebSocket" in window,
})
</script>"""
_VERSION = re.compile(r"[^\d\n]*[\d.]+")
_TOLD = re.compile(r'<pre id="told">(\{.*?\})</pre>')
_SOFTWARE = re.compile("swiftshader|llvmpipe|softpipe|software", re.IGNORECASE)


@dataclass(frozen=True)
class BrowserFeatures:
    """The features that the explorer needs.

    Attributes
    ----------
    name : str
        Name and version.
    webgl2, modules, websocket : bool
        Support for WebGL 2 (brain viewer), JavaScript modules and WebSockets (page).
    renderer : str
        The WebGL renderer; empty when not reported.
    """

    name: str
    webgl2: bool
    modules: bool
    websocket: bool
    renderer: str = ""

    @property
    def missing(self) -> list[str]:
        """Return descriptions of the missing features."""
        has = {
            "WebGL 2": self.webgl2,
            "JavaScript modules": self.modules,
            "WebSockets": self.websocket,
        }
        return [name for name, there in has.items() if not there]

    @property
    def draws_in_software(self) -> bool:
        """Whether WebGL runs in software, without a graphics card."""
        return bool(_SOFTWARE.search(self.renderer))


def find_browser() -> str | None:
    """Return the path of a browser that can run headless, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def ask_browser(command: str) -> BrowserFeatures | None:
    """Return the features that a browser reports; None when it does not answer.

    Parameters
    ----------
    command : str
        Path from `find_browser`. The browser opens a local page only.
    """
    with tempfile.TemporaryDirectory(prefix="laion-fmri-") as folder:
        page = Path(folder) / "page.html"
        page.write_text(_PAGE, encoding="utf-8")
        options = ["--headless", "--no-sandbox", f"--user-data-dir={folder}/profile", "--dump-dom"]
        name = _said([command, "--version"])
        told = _TOLD.search(_said([command, *options, page.as_uri()]))
    if told is None:
        return None
    found = json.loads(told[1].replace("&amp;", "&"))
    version = _VERSION.match(name)
    return BrowserFeatures(name=version[0] if version else command, **found)


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
