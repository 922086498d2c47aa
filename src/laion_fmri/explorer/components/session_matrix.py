"""Sessions by subjects: what is here."""

from __future__ import annotations

from laion_fmri.explorer.catalog import Catalog, Presence
from laion_fmri.explorer.components.presence import legend, matrix
from laion_fmri.selection import AVERAGES

STYLE = """
.scroll { overflow-x: auto; padding-bottom: 2px; }
.matrix th[scope=row] { padding: 0 18px 0 0; white-space: nowrap; color: var(--text); }
.matrix thead th { font-size: 11px; padding: 0 3px 3px; text-align: center; min-width: 22px;
  font-variant-numeric: tabular-nums; }
.matrix td { text-align: center; padding: 4px 3px; }
.matrix tbody tr:hover { background: var(--soft); }
.legend { margin-top: 10px; }
"""


def session_matrix_html(catalog: Catalog) -> str:
    """The matrix, with a legend of the marks in it."""
    columns = [*catalog.sessions, AVERAGES]
    cells = [[entry.session_presence(c) for c in columns] for entry in catalog.subjects]
    table = matrix(
        "Sessions of every subject",
        [entry.name for entry in catalog.subjects],
        columns,
        cells,
        [column.removeprefix("ses-") for column in columns],
    )
    used = {presence for line in cells for presence in line}
    return f'<div class="scroll">{table}</div>{legend([p for p in Presence if p in used])}'


def held_out_text(catalog: Catalog) -> str:
    """A sentence on held-out sessions; empty where there is none."""
    held_out = sorted({s for entry in catalog.subjects for s in entry.held_out})
    if not held_out:
        return ""
    names = held_out[0] if len(held_out) == 1 else f"{held_out[0]} to {held_out[-1]}"
    return f"The bucket lists {names} but does not serve them: they are held out for evaluation."
