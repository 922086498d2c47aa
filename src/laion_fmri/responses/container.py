"""Responses to images, and their forms in other packages and on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.responses.data import ResponsesData

if TYPE_CHECKING:
    import xarray as xr
    from rsatoolbox.data import Dataset


class Responses(ResponsesData):
    """Responses to images, read by `Subject.get_responses`.

    Attributes
    ----------
    subject : str
        ``"sub-01"``, or ``"group"`` for the voxels of several subjects.
    values : ndarray of float32, shape (n_images, n_voxels) or (n_trials, n_voxels)
        In z-scores, unless `zscore` is ``"none"``. NaN where there is no estimate.
    images : DataFrame
        One row per row of `values`: name, repeats (number of trials with the image), dataset,
        shared, sessions (tuple of str); for single trials also session, run, session_trial, trial
        (global index, as in `Subject.metadata`) and repeat (from 1).
    voxels : DataFrame
        One row per column of `values`: voxel (its column in the betas of the whole brain), i, j, k
        (grid indices), x, y, z (mm of the T1w space), hemisphere (``"L"``, ``"R"``), the downloaded
        noise ceilings in percent (noise_ceiling_4rep, noise_ceiling_12rep, noise_ceiling_allrep),
        ncsnr (from the best of them), and one bool column per ROI, because ROIs overlap.
    left_out : DataFrame
        What was asked for and is not in `values`: kind (``"image"``, ``"session"``, ``"roi"``,
        ``"voxel"``), name and reason.
    is_average : bool
        Whether rows are images, averaged over their repeats, rather than trials.
    zscore : str
        ``"session"``, ``"run"`` or ``"none"``.
    """

    def to_xarray(self) -> xr.DataArray:
        """Return an xarray DataArray; see `laion_fmri.responses.export.to_xarray`."""
        from laion_fmri.responses.export import to_xarray

        return to_xarray(self)

    def to_rsatoolbox(self) -> Dataset:
        """Return a Dataset; see `laion_fmri.responses.export.to_rsatoolbox`."""
        from laion_fmri.responses.export import to_rsatoolbox

        return to_rsatoolbox(self)

    def to_brainscore(self) -> xr.DataArray:
        """Return an assembly; see `laion_fmri.responses.export.to_brainscore`."""
        from laion_fmri.responses.export import to_brainscore

        return to_brainscore(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file; see `laion_fmri.responses.saving.save_fields`."""
        from laion_fmri.responses.saving import save_fields

        save_fields(path, {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Responses:
        """Read a file of `save`; see `laion_fmri.responses.saving.load_fields`."""
        from laion_fmri.responses.saving import load_fields

        return cls(**load_fields(path))


def require_responses(given: Any) -> Responses:
    """Return an argument that has to be the responses of one subject, or of a joined group.

    Raises
    ------
    InvalidArgumentError
    """
    if isinstance(given, Responses):
        return given
    if isinstance(given, Mapping):
        raise InvalidArgumentError(
            "These are the responses of several subjects. Give those of one, for example "
            "found['sub-01']."
        )
    raise InvalidArgumentError(
        f"Responses were expected, not {type(given).__name__}. Subject.get_responses(…) reads them."
    )
