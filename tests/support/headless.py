"""A headless Chromium that draws WebGL 2 without a graphics card and keeps to itself."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
]


def launch(playwright: Playwright, *flags: str) -> Browser:
    """Start the Chromium on PATH, its headless shell if possible, or the one of Playwright.

    Parameters
    ----------
    playwright : Playwright
    *flags : str
        More of its switches.
    """
    installed = next((path for name in _NAMES if (path := shutil.which(name))), None)
    return playwright.chromium.launch(executable_path=installed, args=[*_FLAGS, *flags])
