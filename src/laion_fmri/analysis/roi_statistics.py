"""Statistics of an ROI: its size, its overlap with other ROIs, and a map inside it.

Examples
--------
>>> from laion_fmri.analysis.roi_statistics import roi_statistics
>>> ceiling = sub.get_noise_ceiling(desc="Noiseceiling12rep")
>>> found = roi_statistics(sub, "FFA1", others=["EBA"], values=ceiling)
>>> found.voxels["all"] == found.voxels["L"] + found.voxels["R"]
True
>>> found.values.shape == (found.in_mask["anatomical"],)
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DataNotDownloadedError, LaionFmriError
from laion_fmri.html import number
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.masks import MASK_SOURCES

if TYPE_CHECKING:
    from markupsafe import Markup

    from laion_fmri.subject import Subject


@dataclass(frozen=True, eq=False)
class RoiStatistics:
    """The statistics of one ROI.

    Attributes
    ----------
    name : str
    categories : tuple of str
    voxels : mapping of str to int
        Of the whole grid: ``"L"`` and ``"R"`` by the sign of x in the T1w space, ``"all"``.
    in_mask : mapping of str to int
        Mask source to number of the ROI's voxels in that mask; masks that are not downloaded are
        left out.
    vertices : mapping of str to int
        Hemisphere to number of vertices; absent hemispheres are left out.
    overlaps : mapping of str to int
        Other ROI to number of shared voxels; ROIs whose volume is not downloaded are left out.
    values : ndarray of float32
        The map's values at the ROI's voxels in the anatomical brain mask, without NaN.
    map_name, units : str
        Name and units of the map; empty without a map.
    """

    name: str
    categories: tuple[str, ...]
    voxels: Mapping[str, int]
    in_mask: Mapping[str, int]
    vertices: Mapping[str, int]
    overlaps: Mapping[str, int]
    values: NDArray[np.float32]
    map_name: str = ""
    units: str = ""

    def _repr_html_(self) -> str:
        return str(statistics_html(self))


def roi_statistics(
    sub: Subject,
    roi: str,
    others: Sequence[str] = (),
    values: NDArray[np.floating] | None = None,
    vertices: Mapping[str, NDArray[np.bool_]] | None = None,
    map_name: str = "",
    units: str = "",
) -> RoiStatistics:
    """Count an ROI's voxels, vertices and overlaps, and collect a map's values inside it.

    Parameters
    ----------
    sub : Subject
    roi : str
    others : sequence of str
        ROIs to compare with.
    values : array of shape (n_voxels,), optional
        A map over the anatomical brain mask.
    vertices : mapping of str to array of bool, shape (n_vertices,), optional
        The ROI's vertices in each hemisphere, by default those of its GIfTI files.
    map_name, units : str
        Name of the values.

    Raises
    ------
    UnknownNameError, DataNotDownloadedError, DamagedFileError
    """
    mask = sub.get_roi_grid_mask(roi)
    if vertices is None:
        files = sub.get_roi_data(roi, format="func.gii").get(roi, {}).get("gii", {})
        vertices = {side.removeprefix("hemi-"): forms["func.gii"] for side, forms in files.items()}
    in_mask: dict[str, int] = {}
    for source in MASK_SOURCES:
        try:
            in_mask[source] = int((mask & sub.get_brain_mask(source)).sum())
        except DataNotDownloadedError:
            continue
    overlaps = {}
    for other in others:
        try:
            if other != roi:
                overlaps[other] = int((mask & sub.get_roi_grid_mask(other)).sum())
        except LaionFmriError:
            continue
    inside = np.empty(0, dtype=np.float32)
    if values is not None:
        found = np.asarray(values, dtype=np.float32)[mask[sub.get_brain_mask()]]
        inside = found[np.isfinite(found)]
    return RoiStatistics(
        name=roi,
        categories=tuple(
            c for c in sub.get_available_categories() if roi in sub.get_available_rois(c)
        ),
        voxels=voxels_by_hemisphere(sub, mask),
        in_mask=in_mask,
        vertices={hemi: int(members.sum()) for hemi, members in vertices.items()},
        overlaps=overlaps,
        values=inside,
        map_name=map_name,
        units=units,
    )


def voxels_by_hemisphere(sub: Subject, mask: NDArray[np.bool_]) -> dict[str, int]:
    """Count the voxels of a mask over the grid left and right of x = 0 mm, and in total.

    Returns
    -------
    dict of str to int
        Keyed ``"L"``, ``"R"`` and ``"all"``.
    """
    grid = SubjectFiles(sub.name, sub.data_dir).brain_volume().grid
    voxels = np.stack(np.unravel_index(np.flatnonzero(mask), grid.shape), axis=1)
    x = voxels @ grid.affine[0, :3] + grid.affine[0, 3]
    return {"L": int((x < 0).sum()), "R": int((x >= 0).sum()), "all": int(mask.sum())}


def histogram(
    values: NDArray[np.floating], bins: int = 24
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Compute counts (bins,) and edges (bins + 1,), ignoring NaN; empty without values."""
    known = values[np.isfinite(values)]
    if not known.size:
        return np.empty(0, dtype=np.intp), np.empty(0)
    counts, edges = np.histogram(known, bins=bins)
    return counts.astype(np.intp), edges


# --- as HTML ------------------------------------------------------------------------------


def statistics_html(facts: RoiStatistics) -> Markup:
    """Return the statistics of an ROI as HTML, for notebooks and the explorer."""
    from markupsafe import Markup

    v = facts.vertices
    rows = [
        ("Voxels", facts.voxels["L"], facts.voxels["R"], facts.voxels["all"]),
        ("Vertices", v.get("L", "–"), v.get("R", "–"), sum(v.values()) if v else "–"),
    ]
    body = Markup("").join(
        Markup("<tr><th>{}</th>").format(name)
        + Markup("").join(Markup('<td style="text-align:right">{}</td>').format(x) for x in cells)
        + Markup("</tr>")
        for name, *cells in rows
    )
    masks = ", ".join(f"{n} in the {source} mask" for source, n in facts.in_mask.items())
    shared = [f"{other} {n}" for other, n in facts.overlaps.items() if n]
    overlap = (
        Markup('<p><span class="muted">Voxels shared with chosen ROIs:</span> {}</p>').format(
            ", ".join(shared) or "none"
        )
        if facts.overlaps
        else ""
    )
    return Markup(
        '<h3>{} <span class="muted">{}</span></h3>'
        '<table style="width:100%;margin-top:6px;font-variant-numeric:tabular-nums">'
        '<tr class="muted" style="text-align:right"><th></th><td>left</td><td>right</td>'
        '<td>both</td></tr>{}</table><p class="muted">{}</p>{}{}'
    ).format(facts.name, ", ".join(facts.categories), body, masks, overlap, histogram_html(facts))


def histogram_html(facts: RoiStatistics) -> Markup:
    """Return a histogram of a map's values in an ROI, with their median, as HTML."""
    from markupsafe import Markup

    values, name = facts.values, facts.map_name or "the map"
    counts, edges = histogram(values)
    if not len(counts):
        return Markup('<p class="muted">{} has no value in it.</p>').format(name)
    tallest = int(counts.max())
    bars = Markup("").join(
        Markup('<rect x="{}" y="{}" width="0.86" height="{}"/>').format(i, tallest - n, n)
        for i, n in enumerate(counts.tolist())
    )
    median = float(np.median(values))
    at = round(float(np.interp(median, edges, np.arange(len(edges)))), 3)
    low, high = number(float(edges[0]), 1), number(float(edges[-1]), 1)
    return Markup(
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="Histogram of {} in {} voxels" '
        'style="width:100%;height:84px;display:block;margin-top:8px;overflow:visible">'
        '<g style="fill:var(--accent,#3f51b5)">{}</g>'
        '<line x1="{}" x2="{}" y1="{:.2f}" y2="{}" vector-effect="non-scaling-stroke" '
        'style="stroke:var(--text,currentColor);stroke-width:1.5"/></svg>'
        '<div class="muted number" style="display:flex;justify-content:space-between">'
        "<span>{}</span><span>median {} {}</span><span>{}</span></div>"
        '<p class="muted">{}, {} voxels</p>'
    ).format(
        len(counts), tallest, name, len(values), bars,
        at, at, -0.04 * tallest, tallest,
        low, number(median), facts.units, high, name, len(values),
    )  # fmt: skip
