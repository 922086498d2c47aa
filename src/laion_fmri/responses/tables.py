"""The tables of responses: images, trials, voxels, and what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri.betas import read_noise_ceiling
from laion_fmri.responses.hemispheres import hemispheres
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.trials import dataset_of, is_shared
from laion_fmri.volumes.nifti import Grid
from laion_fmri.volumes.rois import RoiIndex

if TYPE_CHECKING:
    import pandas as pd

LEFT_OUT_COLUMNS = ("kind", "name", "reason")
CEILING_COLUMNS: Mapping[str, str] = {
    desc: "noise_ceiling_" + desc.removeprefix("Noiseceiling").lower()
    for desc in layout.SUBJECT_NOISE_CEILINGS
}
"""Published cross-session noise ceilings, and their columns in the table of voxels."""

REPEATS_OF_CEILINGS: Mapping[str, int] = {"noise_ceiling_12rep": 12, "noise_ceiling_4rep": 4}
"""Noise ceilings of images with one number of repeats, the best one first."""


def as_text(values: Iterable[str]) -> pd.Series:
    """Return a text column: dtype str from pandas 3 on, object before."""
    import pandas as pd

    return pd.Series(list(values), dtype=pd.Series([""]).dtype)


def left_out_table(rows: Iterable[tuple[str, str, str]]) -> pd.DataFrame:
    """Return the table of what was left out: columns kind, name and reason."""
    import pandas as pd

    listed = list(rows)
    return pd.DataFrame(
        {
            column: as_text(row[place] for row in listed)
            for place, column in enumerate(LEFT_OUT_COLUMNS)
        }
    )


def count_repeats(names: Sequence[str], tables: Mapping[str, pd.DataFrame]) -> NDArray[np.int64]:
    """Return the number of trials with each image in each session, shape (n_images, n_sessions).

    Parameters
    ----------
    names : sequence of str
        Images, each once.
    tables : mapping of str to DataFrame
        The trial table of each session.
    """
    counts = [table["label"].value_counts() for table in tables.values()]
    columns = [found.reindex(list(names), fill_value=0).to_numpy(np.int64) for found in counts]
    return np.stack(columns, axis=1) if columns else np.zeros((len(names), 0), np.int64)


def image_table(
    names: Sequence[str], repeats: NDArray[np.integer], sessions: Sequence[str]
) -> pd.DataFrame:
    """Return one row per image.

    Parameters
    ----------
    names : sequence of str
        Images in the order of the rows.
    repeats : ndarray of int, shape (n_images, n_sessions)
        Number of trials with each image in each session.
    sessions : sequence of str

    Returns
    -------
    DataFrame
        Columns name, repeats (number of trials), dataset (parsed from the name), shared (whether
        every subject saw the image) and sessions (tuple of the sessions with the image).
    """
    import pandas as pd

    column = as_text(names)
    shown = [tuple(compress(sessions, row)) for row in (repeats > 0).tolist()]
    return pd.DataFrame(
        {
            "name": column,
            "repeats": repeats.sum(axis=1, dtype=np.int64),
            "dataset": as_text(map(dataset_of, names)),
            "shared": is_shared(column),
            "sessions": pd.Series(shown, dtype=object),
        }
    )


def trial_table(
    names: Sequence[str], tables: Mapping[str, pd.DataFrame], first_trials: Mapping[str, int]
) -> pd.DataFrame:
    """Return one row per trial that shows one of the images, in the order of trials.

    Parameters
    ----------
    names : sequence of str
        Images.
    tables : mapping of str to DataFrame
        The trial table of each session, in order.
    first_trials : mapping of str to int
        The global index of the first trial of each session.

    Returns
    -------
    DataFrame
        Columns name, repeats, dataset, shared, sessions (those of the image, as in `image_table`),
        session, run, session_trial (0-based in its session), trial (global index, as in
        `Subject.metadata`) and repeat (1-based, over these sessions).
    """
    import pandas as pd

    repeats = count_repeats(names, tables)
    of_image = image_table(names, repeats, list(tables)).set_index("name")
    parts = []
    for session, table in tables.items():
        rows = np.flatnonzero(table["label"].isin(of_image.index))
        part = pd.DataFrame(
            {
                "name": table["label"].iloc[rows].to_numpy(),
                "session": np.full(len(rows), session, dtype=object),
                "run": table["run"].iloc[rows].to_numpy(),
                "session_trial": rows,
                "trial": rows + first_trials[session],
            }
        )
        parts.append(part)
    trials = pd.concat(parts, ignore_index=True)
    found = of_image.loc[trials["name"]].reset_index(drop=True)
    own = trials.drop(columns="name").assign(
        session=as_text(trials["session"]),
        repeat=trials.groupby("name", sort=False).cumcount() + 1,
    )
    return pd.concat([as_text(trials["name"]).rename("name"), found, own], axis=1)


def voxel_table(
    files: SubjectFiles, grid: Grid, brain: NDArray[np.bool_], voxels: NDArray[np.intp]
) -> pd.DataFrame:
    """Return one row per voxel.

    Parameters
    ----------
    files : SubjectFiles
    grid : Grid
    brain : ndarray of bool, shape (n_total_voxels,)
        The brain mask.
    voxels : ndarray of int, shape (n_voxels,)
        Flat grid indices.

    Returns
    -------
    DataFrame
        Columns voxel (its column in the betas of the whole brain), i, j, k (of the functional
        grid), x, y, z (mm of the T1w space), hemisphere (``"L"`` or ``"R"``), the downloaded noise
        ceilings in percent (``noise_ceiling_4rep``, ``noise_ceiling_12rep``,
        ``noise_ceiling_allrep``), ncsnr, and one bool column per ROI with a volume mask.
    """
    import pandas as pd

    ijk = np.stack(np.unravel_index(voxels, grid.shape), axis=1)
    xyz = ijk @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    columns: dict[str, NDArray | pd.Series] = {"voxel": (np.cumsum(brain) - 1)[voxels]}
    columns |= {axis: ijk[:, place] for place, axis in enumerate("ijk")}
    columns |= {axis: xyz[:, place] for place, axis in enumerate("xyz")}
    columns["hemisphere"] = as_text(hemispheres(files, grid, brain, xyz))
    ceilings = {}
    for desc, column in CEILING_COLUMNS.items():
        if files.found(layout.subject_noise_ceiling(files.name, desc)):
            path = files.noise_ceiling_path(desc)
            ceilings[column] = read_noise_ceiling(path, grid, voxels)
    columns |= ceilings
    for column, n_repeats in REPEATS_OF_CEILINGS.items():
        if column in ceilings:
            columns["ncsnr"] = ncsnr_of(ceilings[column], n_repeats)
            break
    index = files.roi_index()
    lacking = set(rois_without_volume(files, index))
    for roi in index.names():
        if roi not in lacking:
            columns[roi] = files.roi_grid_mask(roi, grid, index)[1][voxels]
    return pd.DataFrame(columns)


def rois_without_volume(files: SubjectFiles, index: RoiIndex) -> list[str]:
    """Return the ROIs of a subject of which no volume mask is downloaded."""
    return [
        roi
        for roi in index.names()
        if not any(
            files.found(layout.roi_volume(files.name, category, roi))
            for category in index.categories_of(roi)
        )
    ]


def ncsnr_of(ceiling: NDArray[np.floating], n_repeats: int) -> NDArray[np.float32]:
    """Return the noise ceiling signal-to-noise ratio from the ceiling of n repeats.

    The ceiling is 100 · ncsnr² / (ncsnr² + 1 / n), in percent.
    """
    share = ceiling.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(share / (n_repeats * (100 - share))).astype(np.float32)


def roi_columns(voxels: pd.DataFrame) -> list[str]:
    """Return the ROIs of a table of voxels: its bool columns."""
    return [str(name) for name in voxels.columns if voxels[name].dtype.kind == "b"]
