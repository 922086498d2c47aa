"""What is known of an ROI: its size, its overlaps, and a map inside it. No widgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DataNotDownloadedError, LaionFmriError
from laion_fmri.explorer.brain_data import RoiSides, roi_voxels
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.masks import MASK_SOURCES
from laion_fmri.subject import Subject


@dataclass(frozen=True, eq=False)
class RoiFacts:
    """One ROI.

    Attributes
    ----------
    name : str
    categories : tuple of str
    voxels : mapping of str to int
        ``"L"``, ``"R"`` by the sign of x in the T1w space, ``"all"``: on the whole grid.
    in_mask : mapping of str to int
        Mask source to how many of its voxels are among the betas' columns; a source whose
        file is not local is left out.
    vertices : mapping of str to int
        Hemisphere to number of vertices; absent hemispheres are left out.
    overlaps : mapping of str to int
        Other ROI to number of voxels they share.
    values : ndarray of float32
        The map's values at its voxels inside the anatomical mask, without NaN.
    """

    name: str
    categories: tuple[str, ...]
    voxels: Mapping[str, int]
    in_mask: Mapping[str, int]
    vertices: Mapping[str, int]
    overlaps: Mapping[str, int]
    values: NDArray[np.float32]


def roi_facts(
    data: ExplorerData,
    sub: Subject,
    roi: str,
    others: Sequence[str] = (),
    surface: RoiSides | None = None,
    values: NDArray[np.float32] | None = None,
) -> RoiFacts:
    """Look up everything about an ROI.

    Parameters
    ----------
    data : ExplorerData
    sub : Subject
    roi : str
    others : sequence of str
        ROIs to compare with.
    surface : mapping, optional
        Vertex masks as `rois_on_surface` gives them.
    values : array of shape (n_voxels,), optional
        A map over the anatomical brain mask.

    Raises
    ------
    UnknownNameError, DataNotDownloadedError, DamagedFileError
    """
    mask = roi_voxels(data, sub, roi)
    in_mask: dict[str, int] = {}
    for source in MASK_SOURCES:
        try:
            in_mask[source] = int((mask & sub.get_brain_mask(source)).sum())
        except DataNotDownloadedError:
            continue
    overlaps = {}
    for other in others:
        if other == roi:
            continue
        try:
            overlaps[other] = int((mask & roi_voxels(data, sub, other)).sum())
        except LaionFmriError:
            continue  # an ROI without a volume shares no voxel that is known
    inside = np.empty(0, dtype=np.float32)
    if values is not None:
        found = values[mask[sub.get_brain_mask()]]
        inside = found[np.isfinite(found)]
    sides = (surface or {}).get(roi, {})
    return RoiFacts(
        name=roi,
        categories=tuple(
            c for c in sub.get_available_categories() if roi in sub.get_available_rois(c)
        ),
        voxels=voxels_by_hemisphere(sub, mask),
        in_mask=in_mask,
        vertices={hemi: int(members.sum()) for hemi, members in sides.items()},
        overlaps=overlaps,
        values=inside,
    )


def voxels_by_hemisphere(sub: Subject, mask: NDArray[np.bool_]) -> dict[str, int]:
    """How many voxels of a mask over the grid lie left and right of x = 0 mm, and in all."""
    from laion_fmri.subject_files import SubjectFiles

    grid = SubjectFiles(sub.name, sub.data_dir).brain_volume().grid
    voxels = np.stack(np.unravel_index(np.flatnonzero(mask), grid.shape), axis=1)
    x = voxels @ grid.affine[0, :3] + grid.affine[0, 3]
    return {"L": int((x < 0).sum()), "R": int((x >= 0).sum()), "all": int(mask.sum())}


def histogram(
    values: NDArray[np.floating], bins: int = 24
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Counts (bins,) and edges (bins + 1,) of values; NaN is left out, nothing gives no bins."""
    known = values[np.isfinite(values)]
    if not known.size:
        return np.empty(0, dtype=np.intp), np.empty(0)
    counts, edges = np.histogram(known, bins=bins)
    return counts.astype(np.intp), edges
