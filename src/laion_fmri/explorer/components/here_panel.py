"""What is at the place that was clicked: coordinates, value, ROIs, and every map's value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from laion_fmri.explorer.components.markup import escape
from laion_fmri.explorer.maps import BrainMap
from laion_fmri.explorer.place import Place

HINT = '<p class="muted">Click the cortex or a slice to see what is there.</p>'
STYLE = """
dl { display: grid; grid-template-columns: auto 1fr; gap: 2px 12px; margin: 4px 0 0; }
dt { color: var(--muted); }
dd { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.value { font-size: 20px; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.3; }
.profile { width: 100%; margin-top: 4px; }
.profile td { padding: 2px 0; vertical-align: middle; }
.profile td:nth-child(1) { width: 46%; padding-right: 8px; }
.profile td:nth-child(3) { width: 22%; text-align: right; font-variant-numeric: tabular-nums;
  padding-left: 8px; white-space: nowrap; }
.profile tr.shown td { font-weight: 600; }
.track { position: relative; height: 6px; border-radius: 3px; background: var(--soft); }
.track i { position: absolute; top: 0; bottom: 0; border-radius: 3px; background: var(--accent); }
"""


def number(value: float, digits: int = 2) -> str:
    """A number for people; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def place_html(place: Place, brain_map: BrainMap) -> str:
    """The facts of a place."""
    rows = []
    if place.point is not None:
        rows.append(("x, y, z", ", ".join(number(v, 1) for v in place.point) + " mm"))
    if place.voxel is not None:
        rows.append(("Voxel", " ".join(map(str, place.voxel))))
    n = int(place.voxels.sum())
    rows.append(("Voxels of the mask", str(n)))
    if place.point is not None:
        rows.append(("ROIs there", ", ".join(place.rois) or "none"))
    facts = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows)
    value = f"{number(place.value)} {brain_map.units}" if math.isfinite(place.value) else "no value"
    return (
        f"<h3>{escape(place.label)}</h3>"
        f'<div class="value">{escape(value)}</div><div class="muted">{escape(brain_map.name)}</div>'
        f"<dl>{facts}</dl>"
    )


def profile_html(values: Mapping[str, float], maps: Sequence[BrainMap], shown: str) -> str:
    """One bar a map; maps in the same units share a scale."""
    units = {m.name: m.units for m in maps}
    largest: dict[str, float] = {}
    for name, value in values.items():
        if math.isfinite(value):
            largest[units[name]] = max(largest.get(units[name], 0.0), abs(value))
    signed = {u: any(values[n] < 0 for n in values if units[n] == u) for u in largest}
    rows = []
    for name, value in values.items():
        unit = units[name]
        bar = ""
        if math.isfinite(value) and largest[unit]:
            share = 100 * abs(value) / largest[unit]
            if signed[unit]:
                start = 50 - share / 2 if value < 0 else 50.0
                bar = f'<i style="left:{start:.1f}%;width:{share / 2:.1f}%"></i>'
            else:
                bar = f'<i style="left:0;width:{share:.1f}%"></i>'
        sign = unit.removesuffix("signal change") if len(unit) < 3 or "%" in unit else ""
        said = f"{number(value)} {sign}".strip() if math.isfinite(value) else "–"
        rows.append(
            f'<tr class="{"shown" if name == shown else ""}"><td>{escape(name)}</td>'
            f'<td><div class="track">{bar}</div></td><td>{escape(said)}</td></tr>'
        )
    return f'<table class="profile" aria-label="Value in every map">{"".join(rows)}</table>'
