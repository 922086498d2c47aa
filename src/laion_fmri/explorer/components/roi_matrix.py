"""ROIs by subjects in their categories: who lacks which, and what is here."""

from __future__ import annotations

from laion_fmri.explorer.catalog import Catalog, Presence
from laion_fmri.explorer.components.markup import escape
from laion_fmri.explorer.components.presence import legend, matrix
from laion_fmri.transfer.plan import count_of

STYLE = """
.blocks { columns: 250px; column-gap: 36px; margin-bottom: 4px; }
.block { break-inside: avoid; padding: 0 0 20px; }
.block h3 { display: flex; justify-content: space-between; gap: 10px; align-items: baseline;
  border-bottom: 1px solid var(--line); padding-bottom: 3px; margin-bottom: 4px; }
.block h3 span { font-weight: 400; font-size: 12px; color: var(--muted); }
.matrix { width: 100%; }
.matrix thead th { font-size: 11px; text-align: center; font-variant-numeric: tabular-nums; }
.matrix th[scope=row] { color: var(--text); width: 100%; padding: 1px 8px 1px 0; font-weight: 400; }
.matrix td { text-align: center; padding: 1px 0; min-width: 26px; }
.lacking { list-style: none; margin-top: 12px; color: var(--muted); }
.lacking b { font-weight: 500; color: var(--text); }
.matrix tbody tr:hover { background: var(--soft); }
"""


def roi_matrix_html(catalog: Catalog) -> str:
    """One block a category, with a legend of the marks in them."""
    subjects = [entry.name for entry in catalog.subjects]
    used: set[Presence] = set()
    blocks = []
    for category in catalog.categories:
        rois = catalog.rois(category)
        cells = [[entry.roi_presence(category, roi) for entry in catalog.subjects] for roi in rois]
        used.update(presence for line in cells for presence in line)
        table = matrix(
            f"ROIs of the category {category}",
            rois,
            subjects,
            cells,
            [name.removeprefix("sub-") for name in subjects],
        )
        count = count_of(len(rois), "ROI") if rois else "none"
        blocks.append(
            f'<div class="block"><h3>{escape(category)}<span>{count}</span></h3>'
            f"{table if rois else ''}</div>"
        )
    shown = legend([p for p in Presence if p in used])
    return f'<div class="blocks">{"".join(blocks)}</div>{shown}{_lacking_html(catalog)}'


def _lacking_html(catalog: Catalog) -> str:
    """In words, which subject lacks what others have."""
    sentences = "".join(
        f"<li><b>{escape(name)}</b> lacks {escape(', '.join(rois))}</li>"
        for name, rois in catalog.lacking().items()
    )
    return f'<ul class="lacking">{sentences}</ul>' if sentences else ""
