"""Maps of the functional localizers of one subject."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri.names import as_name
from laion_fmri.subject_files import LocalSubject, OneSession, SeveralSessions
from laion_fmri.volumes import rois
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    import pandas as pd


class LocalizerAccessors(LocalSubject):
    """The accessors of `Subject` for localizer maps."""

    def get_localizer_maps(
        self,
        task: str | Iterable[str] | None = None,
        contrast: str | Iterable[str] | None = None,
        session: OneSession | SeveralSessions = None,
        space: str | Iterable[str] | None = None,
        hemi: str | Iterable[str] | None = None,
        res: str | Iterable[str] | None = None,
        stat: str | Iterable[str] | None = None,
        run: str | int | Iterable[str | int] | None = None,
    ) -> pd.DataFrame:
        """List the downloaded localizer maps that pass the filters.

        Returns
        -------
        DataFrame
            One row per file: task, contrast, session, space, hemi, res, stat, run, path; None for
            entities absent from a file name. Empty if no map is downloaded.

        Raises
        ------
        UnknownNameError
            When no map (among those passing the previous filters) has a requested value.
        """
        from laion_fmri import localizers

        maps = localizers.find_maps(self._files)
        filters: localizers.Filters = {
            "task": task, "stat": stat, "contrast": contrast, "space": space, "res": res,
            "session": session, "run": run, "hemi": hemi,
        }  # fmt: skip
        return localizers.as_table(localizers.narrowed(maps, self.name, filters) if maps else [])

    @overload
    def get_localizer_map(
        self,
        task: str,
        contrast: str,
        session: str | None = ...,
        *,
        space: Literal["fsnative"],
        hemi: Literal["all"] = ...,
        **kwargs: Any,
    ) -> dict[str, NDArray[np.float32]]: ...

    @overload
    def get_localizer_map(
        self,
        task: str,
        contrast: str,
        session: str | None = ...,
        *,
        space: Literal["fsnative"],
        hemi: Literal["L", "R"],
        **kwargs: Any,
    ) -> NDArray[np.float32]: ...

    @overload
    def get_localizer_map(
        self,
        task: str,
        contrast: str,
        session: str | None = ...,
        space: Literal["T1w"] = ...,
        **kwargs: Any,
    ) -> NDArray[np.float32]: ...

    @overload
    def get_localizer_map(
        self,
        task: str,
        contrast: str,
        session: str | None = ...,
        space: str = ...,
        hemi: str = ...,
        **kwargs: Any,
    ) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]: ...

    def get_localizer_map(  # type: ignore[misc]  # its overloads leave out what decides nothing
        self,
        task: str,
        contrast: str,
        session: str | None = None,
        space: str = "T1w",
        hemi: str = rois.ALL,
        res: str | None = layout.FUNCTIONAL_RES,
        stat: str = "z",
        run: str | int | None = None,
        mask_source: MaskSource = "anatomical",
    ) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]:
        """Read one map of a functional localizer.

        Parameters
        ----------
        task : str
            ``"floc"``, ``"oloc"``, ``"MotionLoc"``, ``"MotionLeft"`` or ``"MotionRight"``.
        contrast : str
            As in `get_localizer_maps`.
        session : str, optional
            Required if several sessions have such a map.
        space : {"T1w", "fsnative"}
        hemi : {"L", "R", "all"}
            For the surface.
        res : str
            Resolution of the volume: ``"1pt8"`` has the voxels of the betas, ``"1pt5"`` its own
            grid. Ignored on the surface.
        stat : {"z", "effect"}
            The contrast's z-map, or the effect of one run (percent signal change).
        run : int or str, optional
            Run of the effect.
        mask_source : {"anatomical", "rsquare"}
            Brain mask that defines the voxels, as in `get_betas`.

        Returns
        -------
        ndarray of float32
            Shape (n_voxels,) for ``"1pt8"``; (n_total_voxels,), C order over its own grid, for
            another resolution; (n_vertices,) on the surface, for both hemispheres a dict keyed
            ``"L"`` and ``"R"``. NaN where there is no estimate.

        Raises
        ------
        UnknownNameError
            When there is no such map; the closest names are in the message.
        InvalidArgumentError
            When several sessions or runs have such a map and none is given.
        DataNotDownloadedError
            When no map of a published task is downloaded.
        """
        from laion_fmri import localizers

        space = as_name(space, "space")
        filters: localizers.Filters = {
            "task": task, "stat": stat, "contrast": contrast, "space": space,
            "res": None if space == localizers.SURFACE_SPACE else res,
            "session": session, "run": run,
        }  # fmt: skip
        return localizers.read_map(self._files, filters, hemi, mask_source)
