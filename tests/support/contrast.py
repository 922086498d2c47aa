"""Whether the text on a page stands out from what is behind it (WCAG AA)."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

_FADING = 10_000  # ms; a busy machine
_BETWEEN_LOOKS = 100  # ms
_FIND = Path(__file__).with_name("faint_text.js").read_text()


def faint_text(page: Page) -> list[str]:
    """Text of a contrast below 4.5 to 1, with what it has, labels of plots among it.

    Colours fade from one theme to the other: what is faint only meanwhile is not.
    """
    try:
        page.wait_for_function(f"({_FIND})().length === 0", timeout=_FADING, polling=_BETWEEN_LOOKS)
    except PlaywrightTimeout:
        return page.evaluate(_FIND)
    return []
