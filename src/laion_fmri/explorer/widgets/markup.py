"""Small pieces of HTML in the page's colours; anything that is not `Markup` is escaped."""

from __future__ import annotations

import re
from typing import Any, Literal

import panel as pn
from markupsafe import Markup, escape

_ADDRESS = re.compile(r"https?://[^\s<>\"'`]+[^\s<>\"'`.,;:)]")

STYLE = """
:host {
  --text: var(--mui-palette-text-primary, #1f2733);
  --muted: var(--mui-palette-text-secondary, #667080);
  --line: var(--mui-palette-divider, rgba(31, 39, 51, .14));
  --accent: var(--mui-palette-primary-main, #3f51b5);
  --soft: var(--mui-palette-action-hover, rgba(31, 39, 51, .05));
  --good: var(--mui-palette-success-main, #2e7d32);
  --warn: var(--mui-palette-warning-main, #ed6c02);
  --bad: var(--mui-palette-error-main, #d32f2f);
  color: var(--text); font-size: 13px; line-height: 1.5;
}
h2, h3, p, dl, dd, ul, table { margin: 0; padding: 0; }
h2 { font-size: 16px; font-weight: 600; }
h3 { font-size: 14px; font-weight: 600; }
.muted { color: var(--muted); }
.number { font-variant-numeric: tabular-nums; }
.name { overflow-wrap: anywhere; }
.mono { font-family: ui-monospace, monospace; font-size: 12px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
table { border-collapse: collapse; }
th { font-weight: 500; color: var(--muted); text-align: left; }
.bar { height: 4px; border-radius: 2px; background: var(--line); overflow: hidden; }
.bar > i { display: block; height: 100%; border-radius: 2px; background: var(--accent); }
"""


class HtmlPane(pn.pane.HTML):
    """A pane for HTML; anything that is not `Markup` is escaped."""

    def _transform_object(self, obj: Any) -> dict[str, Any]:
        return super()._transform_object(str(escape(obj or "")))


def markup(content: Markup | Literal[""] = "", style: str = "", **options: object) -> HtmlPane:
    """Create a pane for HTML.

    Parameters
    ----------
    content : Markup
        ``Markup("<p>{}</p>").format(text)`` escapes the text.
    style : str
        CSS.
    **options
        Options of the pane.
    """
    options = {"sizing_mode": "stretch_width", "margin": 0, **options}
    return HtmlPane(content, stylesheets=[STYLE + style], **options)


def heading(title: str, explanation: str = "") -> HtmlPane:
    """Create the heading of a section."""
    below = Markup('<p class="muted">{}</p>').format(explanation) if explanation else ""
    return markup(Markup("<h2>{}</h2>{}").format(title, below))


def listing_text() -> HtmlPane:
    """Create the placeholder of a tab until the bucket has been listed for the first time."""
    return markup(Markup('<p class="muted" role="status">Listing the bucket…</p>'), margin=(16, 16))


def bar_html(fraction: float, label: str) -> Markup:
    """Format a thin progress bar, filled from 0 to 1."""
    percent = round(100 * min(max(fraction, 0.0), 1.0))
    return Markup(
        '<div class="bar" role="progressbar" aria-label="{}" aria-valuemin="0" '
        'aria-valuemax="100" aria-valuenow="{}"><i style="width:{}%"></i></div>'
    ).format(label, percent, percent)


def outside_link(url: str, text: str) -> Markup:
    """Format a link that opens in a new tab; return the text alone if it is not a web URL."""
    if not _ADDRESS.fullmatch(url):
        return escape(text)
    return Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>').format(url, text)


def with_links(text: str) -> Markup:
    """Return text as escaped HTML, with its web addresses as links."""
    parts, end = [], 0
    for found in _ADDRESS.finditer(text):
        parts += [escape(text[end : found.start()]), outside_link(found[0], found[0])]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])
