"""One ROI in numbers: size, mask sources, overlaps, and a map's distribution inside it."""

from __future__ import annotations

import numpy as np

from laion_fmri.explorer.components.here_panel import number
from laion_fmri.explorer.components.markup import escape
from laion_fmri.explorer.maps import BrainMap
from laion_fmri.explorer.roi_facts import RoiFacts, histogram

STYLE = """
table.facts { width: 100%; margin-top: 6px; }
table.facts td, table.facts th { padding: 2px 0; font-variant-numeric: tabular-nums; }
table.facts td { text-align: right; }
svg { width: 100%; height: 84px; display: block; margin-top: 8px; overflow: visible; }
svg rect { fill: var(--accent); }
svg line { stroke: var(--text); stroke-width: 1.5; }
.ends { display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; }
"""


def roi_html(facts: RoiFacts, brain_map: BrainMap) -> str:
    """The facts of an ROI."""
    v = facts.vertices
    rows = [
        ("Voxels", facts.voxels["L"], facts.voxels["R"], facts.voxels["all"]),
        ("Vertices", v.get("L", "–"), v.get("R", "–"), sum(v.values()) if v else "–"),
    ]
    body = "".join(
        f"<tr><th>{escape(name)}</th>" + "".join(f"<td>{escape(x)}</td>" for x in cells) + "</tr>"
        for name, *cells in rows
    )
    masks = ", ".join(f"{n} in the {source} mask" for source, n in facts.in_mask.items())
    shared = [f"{other} {n}" for other, n in facts.overlaps.items() if n]
    overlap = ""
    if facts.overlaps:
        said = ", ".join(shared) or "none"
        overlap = (
            f'<p><span class="muted">Voxels shared with chosen ROIs:</span> {escape(said)}</p>'
        )
    return (
        f'<h3>{escape(facts.name)} <span class="muted">{escape(", ".join(facts.categories))}</span>'
        '</h3><table class="facts"><tr><th></th><td class="muted">left</td>'
        '<td class="muted">right</td><td class="muted">both</td></tr>'
        f'{body}</table><p class="muted">{escape(masks)}</p>{overlap}'
        + distribution_html(facts.values, brain_map)
    )


def distribution_html(values: np.ndarray, brain_map: BrainMap) -> str:
    """A histogram of values with their median."""
    counts, edges = histogram(values)
    if not len(counts):
        return f'<p class="muted">{escape(brain_map.name)} has no value in it.</p>'
    tallest, width = max(int(counts.max()), 1), 100 / len(counts)
    bars = "".join(
        f'<rect x="{i * width:.2f}" y="{100 - 100 * n / tallest:.2f}" width="{width * 0.86:.2f}" '
        f'height="{100 * n / tallest:.2f}"/>'
        for i, n in enumerate(counts)
    )
    median = float(np.median(values))
    span = max(float(edges[-1] - edges[0]), 1e-12)
    at = 100 * (median - float(edges[0])) / span
    low, high = (number(float(edge), 1) for edge in (edges[0], edges[-1]))
    units = brain_map.units
    return (
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="Histogram '
        f'of {escape(brain_map.name)} in {len(values)} voxels">{bars}'
        f'<line x1="{at:.2f}" x2="{at:.2f}" y1="-4" y2="100" vector-effect="non-scaling-stroke"/>'
        f'</svg><div class="ends muted"><span>{escape(low)}</span><span>median '
        f"{escape(number(median))} {escape(units)}</span><span>{escape(high)}</span></div>"
        f'<p class="muted">{escape(brain_map.name)}, {len(values)} voxels</p>'
    )
