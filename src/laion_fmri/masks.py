"""The voxel axis: which voxels of the grid are columns of the betas, in which order.

A flat voxel axis is numpy C order over the grid (``data[mask]``), the order that
``nilearn.masking.apply_mask`` gives. A mask over the grid has shape (n_total_voxels,); a
mask over the columns of the betas has shape (n_voxels,).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.layout import MASK_SOURCES, MaskSource
from laion_fmri.volumes import Volume


def require_mask_source(source: str) -> MaskSource:
    """`source` itself when it names a brain mask.

    Raises
    ------
    UnknownNameError
    """
    for known in MASK_SOURCES:
        if source == known:
            return known
    raise UnknownNameError("mask source", source, MASK_SOURCES)


def nonzero(volume: Volume) -> NDArray[np.bool_]:
    """Where a volume is not zero and not NaN; bool of shape (n_total_voxels,)."""
    return inside(volume.flat)


def inside(values: NDArray) -> NDArray[np.bool_]:
    """Where values are not zero and not NaN."""
    found = values != 0
    return found & ~np.isnan(values) if values.dtype.kind == "f" else found


def columns(brain: NDArray[np.bool_], mask: NDArray[np.bool_] | None = None) -> NDArray[np.intp]:
    """Flat grid indices of the voxels of `brain` that are also in `mask`.

    Parameters
    ----------
    brain : bool array of shape (n_total_voxels,)
    mask : bool array of shape (n_total_voxels,) or (n_voxels,), optional
        Over the grid, or over the voxels of `brain`.

    Returns
    -------
    ndarray of int
        Increasing.

    Raises
    ------
    InvalidArgumentError
        When `mask` is not a boolean 1-D array of one of the two lengths.
    """
    in_brain = np.flatnonzero(brain)
    if mask is None:
        return in_brain
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.ndim != 1 or len(mask) not in (len(brain), len(in_brain)):
        raise InvalidArgumentError(
            f"A mask must be a 1-D array of bool with {len(in_brain)} entries (voxels of the "
            f"brain mask) or {len(brain)} (voxels of the grid); this one has dtype {mask.dtype} "
            f"and shape {mask.shape}."
        )
    return in_brain[mask] if len(mask) == len(in_brain) else in_brain[mask[in_brain]]
