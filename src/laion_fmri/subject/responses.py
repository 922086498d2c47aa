"""Responses of one subject: z-scored, averaged over repeats, with tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri.responses.choices import Images
from laion_fmri.responses.container import Responses
from laion_fmri.responses.reading import ZScore
from laion_fmri.responses.request import NanPolicy, ResponsesRequest, request_responses
from laion_fmri.subject_files import LocalSubject, OneSession, RoiQuery, SeveralSessions
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    import xarray as xr


class ResponseAccessors(LocalSubject):
    """The accessors of `Subject` for responses."""

    def get_responses(
        self,
        images: Images | None = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        session: OneSession | SeveralSessions = None,
        zscore: ZScore = "session",
        average: bool = True,
        nan: NanPolicy = "omit",
        mask_source: MaskSource = "anatomical",
        *,
        n_jobs: int = 1,
    ) -> Responses:
        """Read responses to images: sessions joined, z-scored, averaged over repeats.

        Parameters
        ----------
        images : str or list of str, optional
            ``"shared"``, ``"unique"``, or names such as ``split.train_ids``; all that were shown by
            default. Images that were not shown are in ``left_out``.
        roi : str or list of str, optional
            Voxels of these ROIs (see `get_roi_mask`).
        mask : bool array, optional
            Voxels: over the grid or over the brain mask's voxels. Not with `roi`.
        session : str or list of str, optional
            All downloaded sessions by default.
        zscore : {"session", "run", "none"}
            z-score each voxel over all trials of a session or of a run, whatever their images;
            or keep the betas.
        average : bool
            Average over the repeats of an image; else return single trials.
        nan : {"omit", "raise", "drop_voxels", "keep"}
            What to do where a voxel has no value in some trial of these images. ``"omit"``
            averages the other repeats; ``"raise"`` raises an error; ``"drop_voxels"`` leaves the
            voxel out and lists it in ``left_out``; ``"keep"`` gives NaN for the image. Single
            trials have NaN with ``"omit"``, too.
        mask_source : {"anatomical", "rsquare"}
            Brain mask that defines the voxels.
        n_jobs : int
            Number of sessions to read in parallel, as far as they fit into memory; -1 is one for
            each processor.

        Returns
        -------
        Responses
            Averages are in the order of the names, or of the first showing; trials in their own.

        Raises
        ------
        NoMatchingDataError
            When no image was shown, or no voxel of the ROI or mask is in the brain mask.
        InvalidArgumentError
            When an argument is invalid, or `nan` is ``"raise"`` and a value is missing.
        DataNotDownloadedError
            When a required file is not downloaded; the message says how to download it.
        NotEnoughMemoryError
            When the responses do not fit into memory; raised before reading.
        InconsistentDataError, DamagedFileError
            When files are inconsistent or damaged.

        Notes
        -----
        The standard deviation of z-scores divides by the number of trials (``ddof=0``), as that of
        the published noise ceilings does. A voxel that is constant over a session has no z-score
        there.

        The whole brain at the published size takes 6.3 GB for the averages of 5,833 images, and
        34 GB for all single trials; `request_responses` says how much before anything is read.

        Examples
        --------
        >>> responses = sub.get_responses(roi="FFA1", images="shared")
        >>> list(responses.images.columns)
        ['name', 'repeats', 'dataset', 'shared', 'sessions']
        """
        request = self.request_responses(
            images, roi, mask, session, zscore, average, nan, mask_source
        )
        return request.read(n_jobs)

    def request_responses(
        self,
        images: Images | None = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        session: OneSession | SeveralSessions = None,
        zscore: ZScore = "session",
        average: bool = True,
        nan: NanPolicy = "omit",
        mask_source: MaskSource = "anatomical",
    ) -> ResponsesRequest:
        """Prepare `get_responses`, with its arguments: check the files without reading betas.

        Returns
        -------
        ResponsesRequest
            With ``shape``, ``n_bytes``, ``n_bytes_of_reading``, and a method ``read`` that returns
            the responses. It prints its size.
        """
        return request_responses(
            self._files, images, roi, mask, session, zscore, average, nan, mask_source
        )

    def to_xarray(
        self,
        session: OneSession | SeveralSessions = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        mask_source: MaskSource = "anatomical",
    ) -> xr.DataArray:
        """Return single-trial betas as a lazy xarray DataArray: values are read when used.

        Parameters
        ----------
        session : str or list of str, optional
            All downloaded sessions by default.
        roi, mask, mask_source
            Voxels, as in `get_betas`.

        Returns
        -------
        xarray.DataArray of float32
            Dimensions ``trial`` and ``voxel``, with coordinates as in `Responses.images` and
            `Responses.voxels`. Its attribute ``size`` says how much memory all of it takes.
            Selections stay lazy; ``.values``, ``.load()`` and arithmetic read what is
            selected: fast from a store (`build_store`), a whole session at a time from compressed
            files.

        Raises
        ------
        MissingDependencyError
            When xarray is not installed.
        NoMatchingDataError
            When no voxel of the ROI or mask is in the brain mask.
        DataNotDownloadedError
            When a required file is not downloaded.

        Examples
        --------
        >>> betas = sub.to_xarray(roi="FFA1")
        >>> things = betas[betas["image"].str.contains("THINGS")].mean("voxel")
        >>> things.dims
        ('trial',)
        """
        from laion_fmri.responses.export import import_xarray

        import_xarray()
        from laion_fmri.responses.lazy import lazy_betas

        return lazy_betas(
            self.request_responses(
                roi=roi, mask=mask, session=session, zscore="none", average=False,
                mask_source=mask_source,
            )
        )  # fmt: skip
