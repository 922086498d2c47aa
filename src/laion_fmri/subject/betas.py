"""Single-trial betas of one subject, and their stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from laion_fmri.betas import (
    BetasRequest,
    as_percentage,
    chosen_voxels,
    read_betas,
    request_betas,
)
from laion_fmri.subject_files import LocalSubject, OneSession, RoiQuery, SeveralSessions
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    from laion_fmri.store.betas_store import StoreInfo


class BetasAccessors(LocalSubject):
    """The accessors of `Subject` for betas."""

    @overload
    def get_betas(  # type: ignore[overload-overlap]
        self,
        session: OneSession,
        roi: RoiQuery | None = ...,
        mask: NDArray[np.bool_] | None = ...,
        nc_threshold: float | None = ...,
        stimuli: str | None = ...,
        streaming: bool = ...,
        mask_source: MaskSource = ...,
        *,
        n_jobs: int = ...,
    ) -> NDArray[np.float32]: ...

    @overload
    def get_betas(
        self,
        session: SeveralSessions = ...,
        roi: RoiQuery | None = ...,
        mask: NDArray[np.bool_] | None = ...,
        nc_threshold: float | None = ...,
        stimuli: str | None = ...,
        streaming: bool = ...,
        mask_source: MaskSource = ...,
        *,
        n_jobs: int = ...,
    ) -> dict[str, NDArray[np.float32]]: ...

    def get_betas(
        self,
        session: OneSession | SeveralSessions = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        nc_threshold: float | None = None,
        stimuli: str | None = None,
        streaming: bool = False,
        mask_source: MaskSource = "anatomical",
        *,
        n_jobs: int = 1,
    ) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]:
        """Read single-trial betas, from a local store if there is a fresh one (`build_store`).

        Parameters
        ----------
        session : str, list of str or None
            A list returns a dict keyed by session; None a dict of all downloaded sessions. Without
            `roi` or `mask`, the 30 published sessions of a subject take 41 GB of memory.
        roi : str or list of str, optional
            Keep the voxels of these ROIs (see `get_roi_mask`).
        mask : bool array, optional
            Keep these voxels: over the grid or over the brain mask's voxels. Not with `roi`.
        nc_threshold : float, optional
            Keep voxels whose noise ceiling in the session is above this, in percent.
        stimuli : {"shared", "unique"}, optional
            Keep trials whose image every subject saw, or only this one.
        streaming : bool
            Has no effect: betas are always read volume by volume, so that memory holds the output
            and about one volume.
        mask_source : {"anatomical", "rsquare"}
            Brain mask that defines the voxels.
        n_jobs : int
            Number of sessions to read in parallel; -1 is one for each processor. Each takes some
            100 MB while it is read.

        Returns
        -------
        ndarray of float32, shape (n_trials, n_voxels), or dict of them
            GLMsingle's TYPED estimates as published. Ridge regularisation shrinks them, so they
            are not percent signal change; z-score them within session before use. NaN where
            there is no estimate.

        Raises
        ------
        DataNotDownloadedError
            When a required file is not downloaded; the message says how to download it.
        InconsistentDataError
            When betas, masks and trial table are inconsistent.
        DamagedFileError
            When the betas are truncated or corrupt.
        NotEnoughMemoryError
            When the betas of the sessions do not fit into memory together; raised before reading
            where possible.
        """
        requests = self.request_betas(session, roi, mask, nc_threshold, stimuli, mask_source)
        if isinstance(requests, dict):
            return read_betas(requests, n_jobs)
        (betas,) = read_betas({"": requests}).values()
        return betas

    @overload
    def request_betas(self, session: OneSession, *args: Any, **kwargs: Any) -> BetasRequest: ...

    @overload
    def request_betas(
        self, session: SeveralSessions = ..., *args: Any, **kwargs: Any
    ) -> dict[str, BetasRequest]: ...

    def request_betas(
        self,
        session: OneSession | SeveralSessions = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        nc_threshold: float | None = None,
        stimuli: str | None = None,
        mask_source: MaskSource = "anatomical",
    ) -> BetasRequest | dict[str, BetasRequest]:
        """Prepare a request as for `get_betas`: find and check the files without reading betas.

        Returns
        -------
        BetasRequest or dict of them
            With a ``shape``, and a method ``read`` that returns the betas.
        """
        threshold = as_percentage(nc_threshold)
        grid, wanted = chosen_voxels(self._files, roi, mask, mask_source)
        return self._by_session(
            session,
            lambda ses: request_betas(
                self._files, ses, grid, wanted, threshold, stimuli, mask_source
            ),
        )

    @overload
    def build_store(  # type: ignore[overload-overlap]
        self,
        session: OneSession,
        mask_source: MaskSource = ...,
        force: bool = ...,
        progress: Callable[[float], None] | None = ...,
        *,
        n_jobs: int = ...,
    ) -> StoreInfo: ...

    @overload
    def build_store(
        self,
        session: SeveralSessions = ...,
        mask_source: MaskSource = ...,
        force: bool = ...,
        progress: Callable[[float], None] | None = ...,
        *,
        n_jobs: int = ...,
    ) -> dict[str, StoreInfo]: ...

    def build_store(
        self,
        session: OneSession | SeveralSessions = None,
        mask_source: MaskSource = "anatomical",
        force: bool = False,
        progress: Callable[[float], None] | None = None,
        *,
        n_jobs: int = 1,
    ) -> StoreInfo | dict[str, StoreInfo]:
        """Build local stores, which `get_betas` reads fast; fresh ones are kept.

        A store is an uncompressed copy of the masked betas below the data directory: 1.1 to 1.4 GB
        per session at the published size (see `estimate_store_bytes`). The values are identical.
        It is a Zarr v3 group, which zarr-python, TensorStore and xarray open too.

        Parameters
        ----------
        session : str, list of str or None
            A list returns a dict keyed by session; None a dict of all downloaded sessions.
        mask_source : {"anatomical", "rsquare"}
            The brain mask whose voxels are stored.
        force : bool
            Rebuild stores even if they are fresh.
        progress : callable, optional
            Called periodically with the completed fraction of all sessions.
        n_jobs : int
            Number of sessions that are built at the same time, 0.2 GB of memory each.

        Returns
        -------
        StoreInfo or dict of them

        Raises
        ------
        DataNotDownloadedError
            When the betas or the brain mask are not downloaded.
        StoreError
            When a store cannot be written, as on a full disk. No partial file remains.
        """
        from laion_fmri.store.betas_store import build_stores

        names = self._by_session(session, lambda ses: ses)
        listed = [names] if isinstance(names, str) else names
        built = build_stores(self.name, listed, mask_source, self.data_dir, force, progress, n_jobs)
        return built[names] if isinstance(names, str) else built

    def build_averages(
        self,
        mask_source: MaskSource = "anatomical",
        force: bool = False,
        progress: Callable[[float], None] | None = None,
        *,
        n_jobs: int | None = None,
    ) -> StoreInfo:
        """Build the image averages of all downloaded sessions; fresh ones are kept.

        The response to each image, z-scored within session and averaged over repeats, below the
        data directory: 6.3 GB at the published size, instead of 41 GB of betas. `get_responses`
        reads them fast. Building reads each session once, in 3 GB of memory, and needs 8 GB more
        on the disk until it ends. Averages are outdated when a session is added.

        Parameters
        ----------
        mask_source : {"anatomical", "rsquare"}
            The brain mask whose voxels are stored.
        force : bool
            Rebuild averages even if they are fresh.
        progress : callable, optional
            Called periodically with the completed fraction.
        n_jobs : int, optional
            Number of sessions in memory, of which one is averaged while the others are read, if
            they fit into the free memory; -1 is one for each processor. By default two, within
            3 GB.

        Returns
        -------
        StoreInfo

        Raises
        ------
        DataNotDownloadedError
            When there is no session, or a trial table or the brain mask is not downloaded.
        InconsistentDataError
            When betas, masks and trial tables do not fit together.
        NotEnoughMemoryError
            When a session does not fit into memory.
        StoreError
            When the averages cannot be written, as on a full disk. No partial file remains.
        """
        from laion_fmri.averages import build_averages

        return build_averages(self.name, mask_source, self.data_dir, force, progress, n_jobs)
