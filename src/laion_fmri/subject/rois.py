"""ROIs and brain masks of one subject."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri.arguments import as_items, is_single
from laion_fmri.betas import brain_mask
from laion_fmri.subject_files import LocalSubject, RoiQuery
from laion_fmri.volumes import rois
from laion_fmri.volumes.masks import MaskSource, nonzero

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image


class RoiAccessors(LocalSubject):
    """The accessors of `Subject` for ROIs and brain masks."""

    def get_brain_mask(
        self, source: MaskSource = "anatomical", res: str | None = layout.FUNCTIONAL_RES
    ) -> NDArray[np.bool_]:
        """Return which voxels of the grid are in the brain.

        Parameters
        ----------
        source : {"anatomical", "rsquare"}
            The anatomically derived mask, or the voxels with nonzero mean R².
        res : str or None
            ``"1pt8"`` for the functional grid, None for the full anatomical resolution;
            ignored for ``"rsquare"``.

        Returns
        -------
        ndarray of bool, shape (n_total_voxels,)
            C order over the grid.
        """
        return nonzero(self._files.brain_volume(source, res))

    def get_n_voxels(
        self, source: MaskSource = "anatomical", res: str | None = layout.FUNCTIONAL_RES
    ) -> int:
        """Return the number of voxels of a brain mask; by default of the columns of the betas.

        Parameters
        ----------
        source, res
            Which mask, as in `get_brain_mask`.
        """
        return int(self.get_brain_mask(source, res).sum())

    def get_available_categories(self) -> list[str]:
        """List the categories of this subject's downloaded ROIs, sorted."""
        return list(self._files.roi_index().categories)

    def get_available_rois(self, category: str | None = None) -> list[str]:
        """List this subject's downloaded ROIs, all or of one category, sorted.

        Empty for an unknown category. Unions such as ``"V1"``, which accessors also accept (see
        `get_roi_mask`), are not listed.
        """
        return self._files.roi_index().names(category)

    def resolve_rois(self, roi: RoiQuery) -> list[str]:
        """Return the ROIs of a query (see `get_roi_mask`) without duplicates."""
        return self._files.resolve(roi)

    def get_roi_mask(
        self, query: RoiQuery, mask_source: MaskSource = "anatomical"
    ) -> NDArray[np.bool_]:
        """Return which voxels of the brain mask are in the ROIs of a query.

        Parameters
        ----------
        query : str or list of str
            An ROI, a category, ``"all"``, or a list mixing them: their union. ``"visual"``
            means ``"all"`` unless the subject has an ROI of that name: every published ROI is
            visual. ``"V1"`` is ``["V1v", "V1d"]``; likewise V2, V3, VO, LO, TO, FFA and VWFA, if
            the parts exist.
        mask_source : {"anatomical", "rsquare"}
            Brain mask that defines the voxels, as in `get_betas`.

        Returns
        -------
        ndarray of bool, shape (n_voxels,)
            One entry per column of the betas: ``betas[:, sub.get_roi_mask("FFA1")]``. An ROI's
            voxels outside the brain mask have no entry; `get_roi_grid_mask` includes them.

        Raises
        ------
        UnknownNameError
            When a name is neither an ROI nor a category of this subject.
        DataNotDownloadedError
            When the brain mask, all ROIs, or the volume mask of this ROI are not downloaded.
        """
        grid, brain = brain_mask(self._files, mask_source)
        return self._files.roi_grid_mask(query, grid)[1][brain]

    def get_roi_masks(
        self, queries: Iterable[RoiQuery], mask_source: MaskSource = "anatomical"
    ) -> dict[Any, NDArray[np.bool_]]:
        """Return `get_roi_mask` of each query, keyed by query, with lists as tuples."""
        grid, brain = brain_mask(self._files, mask_source)
        keys = [q if is_single(q) else tuple(as_items(q)) for q in as_items(queries)]
        return {key: self._files.roi_grid_mask(key, grid)[1][brain] for key in keys}

    def get_roi_grid_mask(self, query: RoiQuery) -> NDArray[np.bool_]:
        """Return which voxels of the whole grid are in the ROIs of a query.

        Parameters
        ----------
        query : str or list of str
            As in `get_roi_mask`.

        Returns
        -------
        ndarray of bool, shape (n_total_voxels,)
            C order over the functional grid, like `get_brain_mask`, including voxels outside the
            brain mask.
        """
        return self._files.roi_grid_mask(query)[1]

    def get_roi_image(self, query: RoiQuery) -> Nifti1Image:
        """Return the ROIs of a query as an image, 1 inside and 0 outside.

        Parameters
        ----------
        query : str or list of str
            As in `get_roi_mask`.

        Returns
        -------
        Nifti1Image of uint8
            On the functional grid, including voxels outside the brain mask.

        Examples
        --------
        >>> image = sub.get_roi_image("FFA1")
        >>> image.shape == sub.to_image(sub.get_noise_ceiling("ses-01")).shape
        True
        """
        from laion_fmri.volumes.grid import volume_image

        grid, inside = self._files.roi_grid_mask(query)
        return volume_image(inside.reshape(grid.shape), grid)

    def get_roi_data(
        self,
        query: RoiQuery,
        format: rois.RoiFormat | None = None,
        hemi: str | None = None,
        mask_source: MaskSource = "anatomical",
    ) -> dict[str, dict[str, Any]]:
        """Read ROIs in their published formats.

        Parameters
        ----------
        query : str or list of str
            As in `get_roi_mask`.
        format : {"all", "volume", "nii.gz", "gii", "func.gii", "label"}
            ``"nii.gz"`` is ``"volume"``; ``"gii"`` is both surface forms; None means all.
        hemi : {"L", "R", "all"}
            None is both.
        mask_source : {"anatomical", "rsquare"}
            Brain mask that defines the voxels of volumes, as in `get_roi_mask`.

        Returns
        -------
        dict
            ``{roi: {"volume": bool (n_voxels,), "gii": {"hemi-L": {"func.gii": bool
            (n_vertices,), "label": int (n_in_label,)}, "hemi-R": …}}}``, with the requested formats
            only. With both hemispheres, one without a file is left out.
        """
        form = rois.ALL if format is None else format
        side = rois.ALL if hemi is None else hemi
        surface, sides = rois.surface_formats(form), rois.hemispheres(side)
        names = self._files.resolve(query)
        volumes = self.get_roi_masks(names, mask_source) if rois.wants_volume(form) else {}
        found: dict[str, dict[str, Any]] = {}
        for name in names:
            found[name] = {"volume": volumes[name]} if volumes else {}
            if surface:
                found[name]["gii"] = self._files.roi_surfaces(
                    name, surface, sides, required=side != rois.ALL
                )
        return found
