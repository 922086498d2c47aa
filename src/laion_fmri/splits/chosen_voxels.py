"""The voxels that models predict, with their ROIs and noise ceilings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import (
    DataNotDownloadedError,
    InvalidArgumentError,
    NoMatchingDataError,
)
from laion_fmri.arguments import as_items
from laion_fmri.subject import Subject
from laion_fmri.volumes.masks import MaskSource

CEILINGS = {"Noiseceiling12rep": 12, "Noiseceiling4rep": 4}
"""Published noise ceilings with their number of repeats, the better one first."""

BRAIN, MASK = "brain", "mask"
"""Names of the rows of all voxels of the brain mask, and of those of a mask of one's own."""


@dataclass(frozen=True, eq=False)
class ChosenVoxels:
    """The predicted voxels.

    Attributes
    ----------
    in_mask : ndarray of bool, shape (n_brain_voxels,)
        Which voxels of the brain mask are predicted.
    of_roi : mapping of str to ndarray of bool, shape (n_voxels,)
        Which predicted voxels are in each ROI.
    ncsnr2 : ndarray of float64, shape (n_voxels,)
        Ratio of the variance of the signal to that of the noise of a single trial. NaN without a
        published noise ceiling.
    """

    in_mask: NDArray[np.bool_]
    of_roi: dict[str, NDArray[np.bool_]]
    ncsnr2: NDArray[np.float64]

    @property
    def n_voxels(self) -> int:
        """Number of predicted voxels."""
        return int(self.in_mask.sum())

    @classmethod
    def of_rois(
        cls,
        sub: Subject,
        roi: str | Iterable[str] | None,
        nc_threshold: float | None = None,
        mask_source: MaskSource = "anatomical",
        *,
        mask: NDArray[np.bool_] | None = None,
        whole_brain: bool = False,
    ) -> ChosenVoxels:
        """Choose the voxels of ROIs, of a mask, or of the whole brain mask.

        Parameters
        ----------
        sub : Subject
        roi : str or list of str, or None
            As in `Subject.get_roi_mask`; each item of a list is an ROI of its own.
        nc_threshold : float, optional
            Keep voxels whose published noise ceiling is above this, in percent.
        mask_source : {"anatomical", "rsquare"}
        mask : ndarray of bool, optional
            Voxels beside those of ROIs: over the brain mask or over the grid.
        whole_brain : bool
            Whether all other voxels are predicted, too.

        Raises
        ------
        InvalidArgumentError
            When there is no ROI, or the mask has another length.
        NoMatchingDataError
            When an ROI has no voxel in the brain mask, or no voxel is left.
        UnknownNameError, DataNotDownloadedError
        """
        queries = [] if roi is None else as_items(roi)
        if not queries and mask is None and not whole_brain:
            raise InvalidArgumentError("No ROI was given. Name at least one.")
        masks: dict[str, NDArray[np.bool_]] = {}
        if queries:
            masks |= sub.get_roi_masks(queries, mask_source)
        n_brain = len(next(iter(masks.values()))) if masks else sub.get_n_voxels(mask_source)
        if mask is not None:
            masks[MASK] = _in_brain(mask, sub.get_brain_mask(mask_source))
        if whole_brain:
            masks[BRAIN] = np.ones(n_brain, dtype=bool)
        for name, inside in masks.items():
            if not inside.any():
                raise NoMatchingDataError(
                    f"No voxel of {name} is in the {mask_source} brain mask of {sub.name}. Leave "
                    "it out, or choose another."
                )
        in_mask = np.logical_or.reduce(list(masks.values()))
        ceiling, n_repeats = _published_ceiling(
            sub, mask_source, is_needed=nc_threshold is not None
        )
        if nc_threshold is not None:
            assert ceiling is not None
            in_mask &= ceiling > nc_threshold
            if not in_mask.any():
                raise NoMatchingDataError(
                    f"No voxel of {', '.join(masks)} is left. Lower nc_threshold."
                )
        ncsnr2 = np.full(int(in_mask.sum()), np.nan)
        if ceiling is not None:
            share = ceiling[in_mask].astype(np.float64)
            with np.errstate(divide="ignore"):
                ncsnr2 = share / (n_repeats * (100 - share))
        return cls(in_mask, {name: inside[in_mask] for name, inside in masks.items()}, ncsnr2)


def ceiling_of_means(
    ncsnr2: NDArray[np.float64], n_repeats: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Compute the explainable variance, in percent, of means over repeats.

    Parameters
    ----------
    ncsnr2 : ndarray, shape (n_voxels,)
        Ratio of the signal variance to the single-trial noise variance.
    n_repeats : ndarray of int, shape (n_images,)
    """
    noise = float(np.mean(1 / n_repeats))
    with np.errstate(invalid="ignore"):
        share = np.where(np.isinf(ncsnr2), 1.0, ncsnr2 / (ncsnr2 + noise))
    return (100 * share).astype(np.float32)


def _in_brain(mask: NDArray, brain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels of a mask over the brain mask, or over the grid, as one over the brain mask."""
    inside, n_brain = np.asarray(mask), int(brain.sum())
    if inside.dtype == bool and inside.shape == (n_brain,):
        return inside
    if inside.dtype == bool and inside.size == len(brain):
        return inside.ravel()[brain]
    raise InvalidArgumentError(
        f"mask has the type {inside.dtype} and the shape {inside.shape}. Give one True or False a "
        f"voxel of the brain mask, shape ({n_brain},), or of the grid."
    )


def _published_ceiling(
    sub: Subject, mask_source: MaskSource, is_needed: bool
) -> tuple[NDArray[np.float32] | None, int]:
    """Return the better one of the downloaded noise ceilings, and its number of repeats."""
    names: Sequence[str] = list(CEILINGS)
    for desc in names:
        try:
            ceiling = sub.get_noise_ceiling(desc=desc, mask_source=mask_source)
        except DataNotDownloadedError:
            if is_needed and desc == names[-1]:
                raise
            continue
        return ceiling, CEILINGS[desc]
    return None, 1
