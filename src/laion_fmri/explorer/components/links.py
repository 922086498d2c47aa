"""Links that lead out of the page, each into a tab of its own that knows nothing of this one."""

from __future__ import annotations

import re

from laion_fmri.explorer.components.markup import escape

_ADDRESS = re.compile(r"https?://[^\s<>\"'`]+[^\s<>\"'`.,;:)]")


def outside_link(url: str, text: str) -> str:
    """A link as HTML; an address that is not of the web stays text."""
    if not _ADDRESS.fullmatch(url):
        return escape(text)
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(text)}</a>'


def with_links(text: str) -> str:
    """Text as HTML, the web addresses in it as links; markup in it does nothing."""
    parts, end = [], 0
    for found in _ADDRESS.finditer(text):
        parts += [escape(text[end : found.start()]), outside_link(found[0], found[0])]
        end = found.end()
    return "".join([*parts, escape(text[end:])])
