"""Small pieces of HTML in the page's colours, every text in them escaped."""

from __future__ import annotations

import html

import panel as pn

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
.mark { display: inline-block; width: 11px; height: 11px; border-radius: 50%;
  box-sizing: border-box; border: 1.5px solid var(--accent); vertical-align: -1px; }
.mark.here { background: var(--accent); }
.mark.partly { background: linear-gradient(90deg, var(--accent) 50%, transparent 50%); }
.mark.absent { border: 0; border-radius: 0; height: 1.5px; width: 9px; vertical-align: 3px;
  background: var(--muted); opacity: .55; }
.mark.held { border: 1.5px dashed var(--muted); opacity: .7; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--muted); font-size: 12px; }
.legend span { display: inline-flex; align-items: center; gap: 6px; }
"""


def escape(text: object) -> str:
    """Text as HTML: markup in it does nothing."""
    return html.escape(str(text))


def markup(content: str = "", style: str = "", **options: object) -> pn.pane.HTML:
    """A view of HTML made by this package, every foreign text in it escaped."""
    options = {"sizing_mode": "stretch_width", "margin": 0, **options}
    return pn.pane.HTML(content, stylesheets=[STYLE + style], **options)


def heading(title: str, explanation: str = "") -> pn.pane.HTML:
    """The heading of a section."""
    below = f'<p class="muted">{escape(explanation)}</p>' if explanation else ""
    return markup(f"<h2>{escape(title)}</h2>{below}")


def listing_text() -> pn.pane.HTML:
    """What stands in a tab until the bucket has answered for the first time."""
    return markup('<p class="muted" role="status">Listing the bucket…</p>', margin=(16, 16))


def bar_html(fraction: float, label: str) -> str:
    """A thin bar, filled from 0 to 1."""
    percent = round(100 * min(max(fraction, 0.0), 1.0))
    return (
        f'<div class="bar" role="progressbar" aria-label="{escape(label)}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent}"><i style="width:{percent}%"></i></div>'
    )
