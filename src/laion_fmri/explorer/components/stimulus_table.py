"""The files of the stimuli with what is here of them."""

from __future__ import annotations

from collections.abc import Iterable

from laion_fmri.explorer.catalog import StimulusEntry
from laion_fmri.explorer.components.file_table import status_html
from laion_fmri.explorer.components.markup import escape
from laion_fmri.transfer.plan import format_bytes

STYLE = """
table { width: 100%; }
th, td { padding: 5px 16px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td:first-child { white-space: nowrap; }
td:nth-child(3), th:nth-child(3) { text-align: right; white-space: nowrap; }
"""


def stimulus_table_html(stimuli: Iterable[StimulusEntry]) -> str:
    """The table."""
    rows = "".join(_row(entry) for entry in stimuli)
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("What", "File", "Size", "Status"))
    return (
        '<table><caption class="hidden">Files of the stimuli</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(entry: StimulusEntry) -> str:
    size = "–" if entry.size is None else format_bytes(entry.size)
    agreement = ' <span class="muted">· data use agreement needed</span>'
    return (
        f"<tr><td>{escape(entry.title)}</td>"
        f'<td class="name mono">{escape(entry.key.rpartition("/")[2])}</td>'
        f'<td class="number">{size}</td>'
        f"<td>{status_html(entry.status)}{agreement if entry.needs_agreement else ''}</td></tr>"
    )
