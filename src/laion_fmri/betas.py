"""Single-trial betas and noise ceilings of chosen voxels."""

from __future__ import annotations

import math
import numbers
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, store, trials
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.masks import nonzero
from laion_fmri.nifti import Grid
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes import read_volume, require_same_grid


def read_betas(
    files: SubjectFiles,
    session: str,
    grid: Grid,
    voxels: NDArray[np.intp],
    nc_threshold: float | None = None,
    stimuli: str | None = None,
    mask_source: str = "anatomical",
) -> NDArray[np.float32]:
    """Betas of one session: from its store where there is a fresh one, else from its file.

    Parameters
    ----------
    files : SubjectFiles
    session : str
    grid : Grid
        The one the betas must lie on.
    voxels : array of int, shape (n_voxels,)
        Flat grid indices in C order, increasing.
    nc_threshold : float, optional
        Keep only the voxels whose noise ceiling of the session is above this, in percent.
    stimuli : {"shared", "unique"}, optional
        Keep only the trials of such images.
    mask_source : {"anatomical", "rsquare"}
        The brain mask the voxels come from; its store is looked for first.

    Returns
    -------
    ndarray of float32, shape (n_trials, n_voxels)
    """
    if nc_threshold is not None:
        path = files.session_noise_ceiling_path(session)
        voxels = voxels[read_noise_ceiling(path, grid, voxels) > nc_threshold]
    betas_path = files.require_betas(session)
    stored = store.store_for(files, session, mask_source, grid, voxels)
    source = stored if stored is not None else files.series(session, grid)
    rows = None
    table_path = files.path(layout.trials(files.name, session))
    if stimuli is not None or table_path.exists():
        table = files.trial_table(session)
        trials.require_one_row_a_volume(len(table), source.n_volumes, table_path, betas_path)
        if stimuli is not None:
            rows = trials.select_stimuli(table, stimuli)
    return source.masked(voxels, rows)


def brain_mask(files: SubjectFiles, mask_source: str) -> tuple[Grid, NDArray[np.bool_]]:
    """The functional grid and which of its voxels are in the brain, in C order."""
    kept = store.kept_brain_mask(files, mask_source)
    if kept is not None:
        return kept
    brain = files.brain_volume(mask_source)
    return brain.grid, nonzero(brain)


def read_noise_ceiling(path: Path, grid: Grid, voxels: NDArray[np.intp]) -> NDArray[np.float32]:
    """A noise ceiling in percent; float32 of shape (n_voxels,)."""
    volume = read_volume(path)
    require_same_grid(grid, volume.grid, path)
    return volume.flat[voxels].astype(np.float32)


def warn_if_fraction(nc_threshold: float | None) -> None:
    """Say that a threshold between 0 and 1 is taken as percent, like every noise ceiling.

    Raises
    ------
    InvalidArgumentError
        When the threshold is no number.
    """
    if nc_threshold is None:
        return
    if not isinstance(nc_threshold, numbers.Real) or math.isnan(nc_threshold):
        raise InvalidArgumentError(
            f"nc_threshold={nc_threshold!r} is no number. Give a percentage from 0 to 100."
        )
    if 0 < nc_threshold < 1:
        warnings.warn(
            f"nc_threshold={nc_threshold} is read as {nc_threshold} %, the unit of noise "
            "ceilings (0 to 100).",
            UserWarning,
            stacklevel=3,
        )
