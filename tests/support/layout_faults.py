"""What is wrong with how a page is laid out: text over text, beyond the window or squeezed.

Everything is measured in the page, through shadow roots, after it was scrolled to the end.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

WIDTHS = {1920: 1080, 1400: 900, 900: 900, 420: 850}
"""Widths of a window that people have, and the heights that go with them, in pixels."""

_FIND = Path(__file__).with_suffix(".js").read_text()


def layout_faults(page: Page) -> list[str]:
    """What is wrong with what the page shows now, in words; empty when all is well."""
    return page.evaluate(_FIND)


def faults_at_every_width(page: Page) -> list[str]:
    """The same for a window of every width of `WIDTHS`, which stays as wide as it was."""
    before = page.viewport_size
    found = []
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{width}: {fault}" for fault in layout_faults(page)]
    if before is not None:
        page.set_viewport_size(before)
    return found
