"""The voxel axis: the voxels of the grid that are columns of the betas, and their order.

A flat voxel axis is numpy C order over the grid (``data[mask]``), the order of
``nilearn.masking.apply_mask``. It covers the voxels of the brain mask, shape (n_voxels,). Only the
brain mask itself, and functions and variables with "grid" in their name, cover the whole grid,
shape (n_total_voxels,).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.arguments import one_of
from laion_fmri.layout import MASK_SOURCES, MaskSource
from laion_fmri.volumes.grid import Volume


def require_mask_source(source: str) -> MaskSource:
    """Return `source` if it is a brain mask.

    Raises
    ------
    UnknownNameError
    """
    return one_of("mask source", source, MASK_SOURCES)


def nonzero(volume: Volume) -> NDArray[np.bool_]:
    """Return where a volume is neither zero nor NaN; bool of shape (n_total_voxels,)."""
    return inside(volume.flat)


def inside(values: NDArray) -> NDArray[np.bool_]:
    """Return where values are neither zero nor NaN."""
    found = values != 0
    return found & ~np.isnan(values) if values.dtype.kind == "f" else found


def columns(brain: NDArray[np.bool_], mask: NDArray[np.bool_] | None = None) -> NDArray[np.intp]:
    """Return the flat grid indices of the voxels of `brain` that are also in `mask`.

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
    return in_brain if mask is None else in_brain[on_voxels(brain, mask)]


def on_voxels(brain: NDArray[np.bool_], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Convert a mask over the grid or the voxels of `brain` to one over the voxels of `brain`.

    Raises
    ------
    InvalidArgumentError
        When `mask` is not a boolean 1-D array of one of the two lengths.
    """
    n_voxels = int(np.count_nonzero(brain))
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.ndim != 1 or len(mask) not in (len(brain), n_voxels):
        raise InvalidArgumentError(
            f"A mask must be a 1-D array of bool with {n_voxels} entries (voxels of the brain "
            f"mask) or {len(brain)} (voxels of the grid); this one has dtype {mask.dtype} and "
            f"shape {mask.shape}. Masks of another mask_source have another length."
        )
    return mask if len(mask) == n_voxels else mask[brain]


def filled(values: NDArray, mask: NDArray[np.bool_], fill: float) -> NDArray:
    """Expand values of the voxels in `mask` to all voxels, with `fill` elsewhere.

    Parameters
    ----------
    values : array of shape (..., n_in_mask) or (..., n_voxels)
        One value per voxel of the mask, or of all voxels, of which those in the mask are kept.
    mask : bool array of shape (n_voxels,)
    fill : float

    Returns
    -------
    ndarray of shape (..., n_voxels)

    Raises
    ------
    InvalidArgumentError
        When the number of values matches neither the mask nor all voxels.
    """
    n_in_mask, n_given = int(np.count_nonzero(mask)), values.shape[-1] if values.ndim else 0
    if not values.ndim or n_given not in (n_in_mask, len(mask)):
        counts = f"{len(mask)} voxels of the brain mask"
        if n_in_mask != len(mask):
            counts = f"{n_in_mask} voxels chosen, or of the {counts}"
        raise InvalidArgumentError(
            f"One value for each of the {counts} was expected; this array has shape "
            f"{values.shape}. Give the roi, mask and mask_source the values came from."
        )
    if n_in_mask == len(mask):
        return values
    dtype = np.result_type(values.dtype, np.float32) if np.isnan(fill) else values.dtype
    found = np.full((*values.shape[:-1], len(mask)), fill, dtype=dtype)
    found[..., mask] = values if n_given == n_in_mask else values[..., mask]
    return found
