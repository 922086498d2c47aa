"""Noise ceilings of one subject."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.arguments import as_items, as_scalar, is_single
from laion_fmri.betas import (
    chosen_voxels,
    read_noise_ceiling,
)
from laion_fmri.subject_files import LocalSubject, OneSession, RoiQuery, SeveralSessions
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    pass


class NoiseCeilingAccessors(LocalSubject):
    """The accessors of `Subject` for noise ceilings."""

    @overload
    def get_noise_ceiling(  # type: ignore[overload-overlap]
        self,
        session: OneSession,
        desc: None = ...,
        roi: RoiQuery | None = ...,
        mask: NDArray[np.bool_] | None = ...,
        mask_source: MaskSource = ...,
    ) -> NDArray[np.float32]: ...

    @overload
    def get_noise_ceiling(
        self,
        session: Iterable[str | int],
        desc: None = ...,
        roi: RoiQuery | None = ...,
        mask: NDArray[np.bool_] | None = ...,
        mask_source: MaskSource = ...,
    ) -> dict[str, NDArray[np.float32]]: ...

    @overload
    def get_noise_ceiling(  # type: ignore[overload-overlap]
        self,
        session: None = ...,
        *,
        desc: str,
        roi: RoiQuery | None = ...,
        mask: NDArray[np.bool_] | None = ...,
        mask_source: MaskSource = ...,
    ) -> NDArray[np.float32]: ...

    @overload
    def get_noise_ceiling(
        self,
        session: None = ...,
        *,
        desc: Iterable[str],
        roi: RoiQuery | None = ...,
        mask: NDArray[np.bool_] | None = ...,
        mask_source: MaskSource = ...,
    ) -> dict[str, NDArray[np.float32]]: ...

    def get_noise_ceiling(
        self,
        session: OneSession | SeveralSessions = None,
        desc: str | Iterable[str] | None = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        mask_source: MaskSource = "anatomical",
    ) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]:
        """Read the noise ceiling: explainable variance of each voxel, in percent (0 to 100).

        Parameters
        ----------
        session : str or list of str
            From the repeats within a session; a list returns a dict keyed by session.
        desc : str or list of str
            Across sessions: ``"Noiseceiling4rep"``, ``"Noiseceiling12rep"`` (images with exactly
            that many repeats) or ``"NoiseceilingAllrep"``; a list returns a dict keyed by desc.
        roi, mask, mask_source
            Voxels, as in `get_betas`.

        Returns
        -------
        ndarray of float32, shape (n_voxels,), or dict of them

        Raises
        ------
        InvalidArgumentError
            When neither or both of `session` and `desc` are given.
        DataNotDownloadedError
            When a required file is not downloaded.
        """
        if (session is None) == (desc is None):
            raise InvalidArgumentError(
                "Give either session=… (one session's noise ceiling) or desc=… (across sessions: "
                f"{', '.join(layout.SUBJECT_NOISE_CEILINGS)})."
            )
        grid, wanted = chosen_voxels(self._files, roi, mask, mask_source)
        if desc is not None:
            paths = {name: self._files.noise_ceiling_path(name) for name in as_items(desc)}
            found = {name: read_noise_ceiling(path, grid, wanted) for name, path in paths.items()}
            return found[as_scalar(desc)] if is_single(desc) else found
        return self._by_session(
            session,
            lambda ses: read_noise_ceiling(
                self._files.session_noise_ceiling_path(ses), grid, wanted
            ),
        )

    def get_available_noise_ceilings(self) -> list[str]:
        """List the `desc` of every downloaded cross-session noise ceiling."""
        return [
            desc
            for desc in layout.SUBJECT_NOISE_CEILINGS
            if self._files.found(layout.subject_noise_ceiling(self.name, desc))
        ]
