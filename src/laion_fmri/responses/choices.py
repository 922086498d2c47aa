"""Choice of rows and columns of responses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from laion_fmri._errors import InvalidArgumentError, NoMatchingDataError
from laion_fmri.arguments import as_scalar
from laion_fmri.names import as_names
from laion_fmri.responses.tables import as_text, roi_columns
from laion_fmri.trials import STIMULI_GROUPS, is_shared
from laion_fmri.volumes.rois import RoiIndex

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.subject_files import RoiQuery

Images = str | Iterable[str]


def chosen_images(known: Sequence[str], images: Images | None) -> tuple[list[str], list[str]]:
    """Return the images of a query that are known, and the names that are not.

    Parameters
    ----------
    known : sequence of str
        Images in their order, each once.
    images : str or iterable of str, optional
        ``"shared"``, ``"unique"``, or names, which give the order; None for all.

    Raises
    ------
    InvalidArgumentError
        When they are not names.
    """
    if images is None:
        return list(known), []
    group = as_scalar(images)
    if isinstance(group, str) and group in STIMULI_GROUPS:
        shared = is_shared(as_text(known)) == (group == "shared")
        return [name for name, one in zip(known, shared, strict=True) if one], []
    wanted, found = list(dict.fromkeys(as_names(images))), set(known)
    return [n for n in wanted if n in found], [n for n in wanted if n not in found]


def chosen_rows(
    table: pd.DataFrame, is_average: bool, images: Images | None
) -> tuple[NDArray[np.intp] | None, list[str]]:
    """Return the rows of some images in a table of images, and the names without a row.

    Returns
    -------
    ndarray of int, or None for all rows
        Averages are in the order of the names, trials in their own.
    list of str

    Raises
    ------
    NoMatchingDataError
        When there is no row.
    """
    if images is None:
        return None, []
    known = list(dict.fromkeys(map(str, table["name"])))
    names, lacking = chosen_images(known, images)
    if not names:
        raise NoMatchingDataError(
            f"None of these images is among the {len(known):,} of these responses. Their names are "
            "in .images."
        )
    if is_average:
        place = {name: row for row, name in enumerate(known)}
        return np.array([place[name] for name in names], np.intp), lacking
    return np.flatnonzero(table["name"].isin(names)), lacking


def chosen_columns(
    table: pd.DataFrame, owner: str, roi: RoiQuery | None, voxels: ArrayLike | None
) -> NDArray[np.intp] | None:
    """Return the columns of an ROI, or of a mask or list of voxels; None for all.

    Raises
    ------
    NoMatchingDataError
        When there is no column.
    UnknownNameError
        When there is no such ROI.
    InvalidArgumentError
        When both are given, or the voxels are not columns.
    """
    if roi is not None and voxels is not None:
        raise InvalidArgumentError("Give either roi=… or voxels=…, not both.")
    if roi is not None:
        found = RoiIndex({"ROIs": tuple(roi_columns(table))}, owner).resolve(roi)
        columns = np.flatnonzero(table[found].to_numpy(dtype=bool).any(axis=1))
    elif voxels is not None:
        columns = np.arange(len(table))[_as_index(voxels, len(table))]
    else:
        return None
    if not len(columns):
        raise NoMatchingDataError(
            f"None of the {len(table):,} voxels of these responses is "
            + (f"in {roi}. Read that ROI." if roi is not None else "chosen. Choose others.")
        )
    return columns


def _as_index(voxels: ArrayLike, n_voxels: int) -> NDArray:
    try:
        asked = np.asarray(voxels)
    except ValueError as error:  # rows of several lengths
        raise InvalidArgumentError(
            f"voxels is an array of bool with {n_voxels:,} entries, or a list of columns ({error})."
        ) from error
    if asked.dtype == bool and asked.shape == (n_voxels,):
        return asked
    if asked.size == 0:
        return np.zeros(0, np.intp)
    if asked.dtype.kind not in "iu" or asked.ndim != 1:
        raise InvalidArgumentError(
            f"voxels is an array of bool with {n_voxels:,} entries, or a list of columns; this "
            f"one has dtype {asked.dtype} and shape {asked.shape}."
        )
    if asked.min() < -n_voxels or asked.max() >= n_voxels:
        raise InvalidArgumentError(
            f"These responses have {n_voxels:,} voxels, at 0 to {n_voxels - 1:,}; some of the "
            "columns asked for are beyond them."
        )
    return asked
