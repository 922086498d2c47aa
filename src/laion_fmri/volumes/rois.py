"""Regions of interest: the ROIs of a subject, and the grammar of ROI queries.

A query is the name of an ROI (``"FFA1"``), of a category (``"face"``), ``"all"``, or a list
mixing them. ``"visual"`` means ``"all"`` where the subject has no ROI of that name, and ``"V1"``
means ``["V1v", "V1d"]``; see `UNIONS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    InvalidArgumentError,
    UnknownNameError,
)
from laion_fmri.arguments import as_items, as_scalar, one_of
from laion_fmri.volumes.masks import inside
from laion_fmri.volumes.nifti import translated_errors

ALL = "all"
VISUAL = "visual"

RoiFormat = Literal["all", "volume", "nii.gz", "gii", "func.gii", "label"]
ROI_FORMATS: tuple[RoiFormat, ...] = get_args(RoiFormat)
_SURFACE_FORMATS = {
    "all": ("func.gii", "label"),
    "gii": ("func.gii", "label"),
    "func.gii": ("func.gii",),
    "label": ("label",),
}


UNIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "V1": ("V1v", "V1d"),
        "V2": ("V2v", "V2d"),
        "V3": ("V3v", "V3d"),
        "VO": ("VO1", "VO2"),
        "LO": ("LO1", "LO2"),
        "TO": ("TO1", "TO2"),
        "FFA": ("FFA1", "FFA2"),
        "VWFA": ("VWFA1", "VWFA2"),
    }
)
"""Names of unions of ROIs, accepted if every part exists and no ROI has the name."""

_LABEL_COLUMNS = ("vertex", "x", "y", "z")
"""Columns of a vertex in a ``.label``; FreeSurfer appends a value, other tools do not."""


@dataclass(frozen=True)
class RoiIndex:
    """The ROIs of one subject.

    Attributes
    ----------
    categories : mapping of str to tuple of str
        Category to its ROIs, both sorted.
    owner : str
        Subject, for messages; may be empty.
    """

    categories: Mapping[str, tuple[str, ...]]
    owner: str = ""

    @classmethod
    def from_names(cls, names: Iterable[str], owner: str = "") -> RoiIndex:
        """Build from keys or paths relative to the data directory, in any order."""
        found: dict[str, set[str]] = {}
        for name in names:
            roi = layout.roi_of(name)
            if roi:
                found.setdefault(roi[0], set()).add(roi[1])
        return cls({c: tuple(sorted(found[c])) for c in sorted(found)}, owner)

    def names(self, category: str | None = None) -> list[str]:
        """Return all ROIs, or those of one category, sorted; empty for an unknown category."""
        if category is None:
            return sorted({roi for rois in self.categories.values() for roi in rois})
        name = as_scalar(category)
        return list(self.categories.get(name, ())) if isinstance(name, str) else []

    def resolve(self, query: str | Iterable[str]) -> list[str]:
        """Return the ROIs of a query without duplicates, in the order of the query.

        Raises
        ------
        UnknownNameError
            When a name is neither an ROI nor a category.
        InvalidArgumentError
            When the query is empty, or not a name.
        """
        parts = as_items(query)
        if not parts:
            raise InvalidArgumentError(
                "An empty list of ROIs selects nothing. Name at least one ROI or category."
            )
        return list(dict.fromkeys(roi for part in parts for roi in self._resolve_one(part)))

    def _resolve_one(self, part: object) -> list[str]:
        if not isinstance(part, str):
            raise InvalidArgumentError(f"{part!r} is no name of an ROI. Give a string or a list.")
        every = self.names()
        if part in every:
            return [part]
        if part in self.categories:
            return list(self.categories[part])
        if part in (ALL, VISUAL) and every:
            return every
        unions = {name: parts for name, parts in UNIONS.items() if set(parts) <= set(every)}
        if part in unions:
            return list(unions[part])
        known = [*every, *unions, *self.categories, ALL]
        advice = f"Looked for in {self.owner}." if self.owner else ""
        raise UnknownNameError("ROI or category", part, known, advice)

    def categories_of(self, roi: str) -> list[str]:
        """Return the categories of an ROI (usually one)."""
        return [category for category, rois in self.categories.items() if roi in rois]


def surface_formats(format: str) -> tuple[str, ...]:
    """Return the surface files of a format.

    Raises
    ------
    UnknownNameError
        When the format is not known.
    """
    return _SURFACE_FORMATS.get(one_of("ROI format", format, ROI_FORMATS), ())


def wants_volume(format: str) -> bool:
    """Whether a format includes the volume mask."""
    return format in ("all", "volume", "nii.gz")


def hemispheres(hemi: str | None) -> tuple[str, ...]:
    """Return the hemispheres of an argument; ``"all"`` and None for both.

    Raises
    ------
    UnknownNameError
        When `hemi` is not ``"L"``, ``"R"`` or ``"all"``.
    """
    side = one_of("hemisphere", ALL if hemi is None else hemi, (*layout.HEMISPHERES, ALL))
    return layout.HEMISPHERES if side == ALL else (side,)


def read_surface_values(path: Path) -> NDArray:
    """Read a ``.func.gii`` of one hemisphere: one value per vertex, shape (n_vertices,).

    Arrays of shape ``(n_vertices, 1)``, written by MATLAB's library, are accepted.

    Raises
    ------
    DamagedFileError
    """
    import nibabel

    try:
        with translated_errors(path):
            arrays = nibabel.gifti.GiftiImage.from_filename(path).darrays
    except (LookupError, AttributeError, TypeError, AssertionError) as error:
        # Raised by nibabel's parser for unknown codes and misplaced elements.
        raise DamagedFileError(path, f"it is no GIFTI file ({error!r})") from error
    if not arrays:
        raise DamagedFileError(path, "it holds no values")
    if len(arrays) > 1:
        advice = "Use a file with one map."
        raise DamagedFileError(path, f"one map was expected, it has {len(arrays)}", advice)
    values = np.asarray(arrays[0].data)
    if values.size != max(values.shape, default=0):
        raise DamagedFileError(
            path,
            f"one value a vertex was expected, its array has shape {values.shape}",
            "Use a file with one map.",
        )
    return values.ravel()


def read_surface_mask(path: Path) -> NDArray[np.bool_]:
    """Read a ``.func.gii`` mask of one hemisphere: bool of shape (n_vertices,).

    Raises
    ------
    DamagedFileError
    """
    return inside(read_surface_values(path))


def read_label(path: Path) -> NDArray[np.int64]:
    """Read the vertex indices of a FreeSurfer ``.label`` file.

    Text after ``#`` is a comment, and so is a first line that is not a number. The number of
    vertices follows, then one line per vertex: index, x, y, z and usually a value.

    Raises
    ------
    DamagedFileError
        When the count or a line is wrong.
    """
    with translated_errors(path):
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    rows = [row for line in text.split("\n") if (row := line.partition("#")[0].split())]
    if rows and not rows[0][0].isdecimal():
        rows = rows[1:]
    try:
        n_vertices = int(rows[0][0])
        vertices = np.array([int(row[0]) for row in rows[1:]], dtype=np.int64)
    except (ValueError, IndexError, OverflowError) as error:
        raise DamagedFileError(path, f"it is not a FreeSurfer label ({error})") from error
    # A truncated last line may contain only part of an index.
    if len(vertices) != n_vertices or any(len(row) < len(_LABEL_COLUMNS) for row in rows[1:]):
        raise DamagedFileError(
            path, f"it announces {n_vertices} vertices and holds {len(vertices)} (truncated)"
        )
    if n_vertices and vertices.min() < 0:
        raise DamagedFileError(path, "it is not a FreeSurfer label (a vertex index is negative)")
    return vertices


def union(parts: Sequence[NDArray], path: Path) -> NDArray:
    """Merge the surface masks, or labels, of one ROI from several files.

    Raises
    ------
    InconsistentDataError
        When masks are of different lengths.
    """
    if len(parts) == 1:
        return parts[0]
    if parts[0].dtype != bool:
        return np.array(list(dict.fromkeys(np.concatenate(parts).tolist())), dtype=np.int64)
    if len({len(part) for part in parts}) > 1:
        raise InconsistentDataError(
            f"{path.name} has another number of vertices than the same ROI in another category. "
            "Download both again."
        )
    return np.logical_or.reduce(parts)
