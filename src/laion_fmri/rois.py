"""Regions of interest: what a subject has, and the grammar of ROI queries.

A query is the name of an ROI (``"FFA1"``), of a category (``"face"``), ``"all"``, or a list
mixing them. ``"visual"`` means ``"all"`` where the subject has no ROI of that name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
from laion_fmri.masks import inside
from laion_fmri.nifti import translated_errors

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


_LABEL_COLUMNS = ("vertex", "x", "y", "z", "value")


@dataclass(frozen=True)
class RoiIndex:
    """The ROIs of one subject.

    Attributes
    ----------
    categories : mapping of str to tuple of str
        Category to its ROIs, both sorted.
    owner : str
        Whose they are, for messages; may be empty.
    """

    categories: Mapping[str, tuple[str, ...]]
    owner: str = ""

    @classmethod
    def from_names(cls, names: Iterable[str], owner: str = "") -> RoiIndex:
        """Build from keys or paths relative to the data directory, whatever their order."""
        found: dict[str, set[str]] = {}
        for name in names:
            roi = layout.roi_of(name)
            if roi:
                found.setdefault(roi[0], set()).add(roi[1])
        return cls({c: tuple(sorted(found[c])) for c in sorted(found)}, owner)

    def names(self, category: str | None = None) -> list[str]:
        """Every ROI once, or those of one category, sorted.

        Raises
        ------
        UnknownNameError
            When `category` is none of the eight, nor one that this subject has.
        """
        if category is None:
            return sorted({roi for rois in self.categories.values() for roi in rois})
        if category not in self.categories:
            layout.require_category(category)
        return list(self.categories.get(category, ()))

    def resolve(self, query: str | Iterable[str]) -> list[str]:
        """The ROIs that a query names, each once, in the order of the query.

        Raises
        ------
        UnknownNameError
            When a name is neither an ROI nor a category here.
        InvalidArgumentError
            When the query is empty, or no name.
        """
        is_list = isinstance(query, Iterable) and not isinstance(query, str)
        parts: list[str] = list(query) if is_list else [query]  # type: ignore[list-item]
        if not parts:
            raise InvalidArgumentError(
                "An empty list of ROIs selects nothing. Name at least one ROI or category."
            )
        return list(dict.fromkeys(roi for part in parts for roi in self._resolve_one(part)))

    def _resolve_one(self, part: str) -> list[str]:
        if not isinstance(part, str):
            raise InvalidArgumentError(f"{part!r} is no name of an ROI. Give a string or a list.")
        every = self.names()
        if part in every:
            return [part]
        if part in self.categories:
            return list(self.categories[part])
        if part in (ALL, VISUAL) and every:
            return every
        known = [*every, *self.categories, ALL]
        advice = f"Looked for in {self.owner}." if self.owner else ""
        raise UnknownNameError("ROI or category", part, known, advice)

    def categories_of(self, roi: str) -> list[str]:
        """The categories an ROI is filed under (usually one)."""
        return [category for category, rois in self.categories.items() if roi in rois]


def surface_formats(format: str) -> tuple[str, ...]:
    """Which surface files a format asks for.

    Raises
    ------
    UnknownNameError
        When the format is not known.
    """
    if format not in ROI_FORMATS:
        raise UnknownNameError("ROI format", format, ROI_FORMATS)
    return _SURFACE_FORMATS.get(format, ())


def wants_volume(format: str) -> bool:
    """Whether a format asks for the volume mask."""
    return format in ("all", "volume", "nii.gz")


def hemispheres(hemi: str) -> tuple[str, ...]:
    """``"all"`` is both.

    Raises
    ------
    UnknownNameError
        When `hemi` is not ``"L"``, ``"R"`` or ``"all"``.
    """
    if hemi == ALL:
        return layout.HEMISPHERES
    if hemi in layout.HEMISPHERES:
        return (hemi,)
    raise UnknownNameError("hemisphere", hemi, [*layout.HEMISPHERES, ALL])


def read_surface_values(path: Path) -> NDArray:
    """A ``.func.gii`` of one hemisphere: one value a vertex, shape (n_vertices,).

    Raises
    ------
    DamagedFileError
    """
    import nibabel

    try:
        with translated_errors(path):
            arrays = nibabel.gifti.GiftiImage.from_filename(path).darrays
    except (LookupError, AttributeError, TypeError, AssertionError) as error:
        # What nibabel's parser makes of unknown codes and elements in the wrong place.
        raise DamagedFileError(path, f"it is no GIFTI file ({error!r})") from error
    if len(arrays) != 1 or arrays[0].data.ndim != 1:
        raise DamagedFileError(path, "one value a vertex was expected")
    return np.asarray(arrays[0].data)


def read_surface_mask(path: Path) -> NDArray[np.bool_]:
    """A ``.func.gii`` mask of one hemisphere: bool of shape (n_vertices,).

    Raises
    ------
    DamagedFileError
    """
    return inside(read_surface_values(path))


def read_label(path: Path) -> NDArray[np.int64]:
    """A FreeSurfer ``.label`` file: the indices of its vertices.

    Lines that begin with ``#`` are comments; then comes the number of vertices, then one
    line a vertex (index, x, y, z, value).

    Raises
    ------
    DamagedFileError
        When the count or a line does not fit.
    """
    with translated_errors(path):
        text = path.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = [line.split() for line in lines[1:]]
    try:
        n_vertices = int(lines[0])
        vertices = np.array([int(row[0]) for row in rows], dtype=np.int64)
    except (ValueError, IndexError, OverflowError) as error:
        raise DamagedFileError(path, f"it is not a FreeSurfer label ({error})") from error
    # A last line that was cut may hold the beginning of an index.
    if len(vertices) != n_vertices or any(len(row) != len(_LABEL_COLUMNS) for row in rows):
        raise DamagedFileError(
            path, f"it announces {n_vertices} vertices and holds {len(vertices)} (truncated)"
        )
    if n_vertices and vertices.min() < 0:
        raise DamagedFileError(path, "it is not a FreeSurfer label (a vertex index is negative)")
    return vertices


def union(parts: Sequence[NDArray], path: Path) -> NDArray:
    """One ROI's surface masks, or its labels, from several files as one.

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
