"""The table of a subject's trials, with the number of repeats of each image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from laion_fmri import layout
from laion_fmri._errors import StimuliNotDownloadedError
from laion_fmri.splits.recipes import ood_type_of
from laion_fmri.stimuli.by_trial import local_trials, trial_table_paths
from laion_fmri.trials import is_shared

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.subject import Subject


# Columns defined by filters, which trial tables cannot replace.
_RESERVED = ("trial", "noun", "caption")


def trial_table_files(sub: Subject) -> list[Path]:
    """Return the files that `trial_table` depends on."""
    images = layout.local_path(sub.data_dir, layout.STIMULI_METADATA)
    return [*trial_table_paths(sub).values(), images]


def trial_table(sub: Subject) -> pd.DataFrame:
    """Read all downloaded trials of a subject; the row index is the global trial index.

    Returns
    -------
    DataFrame
        The columns of `Subject.metadata`, repeats (number of presentations of the image in the
        downloaded sessions) and ood_type (``""`` for in-distribution images). If the stimulus
        metadata are not downloaded, dataset is ``""`` and unique_or_shared is derived from the
        names. Columns of the trial tables named trial, noun or caption are left out.

    Raises
    ------
    LaionFmriError
        When a trial table is missing or damaged.
    """
    try:
        table = sub.metadata
    except StimuliNotDownloadedError:
        table = local_trials(sub)
        table["dataset"] = ""
        table["unique_or_shared"] = np.where(is_shared(table["label"]), "shared", "unique")
    table = table.drop(columns=list(_RESERVED), errors="ignore")
    by_image = table.groupby("image_name", sort=False)["image_name"]
    table["repeats"] = by_image.transform("size").astype(int)
    types = {name: ood_type_of(name) or "" for name in table["image_name"].unique()}
    table["ood_type"] = table["image_name"].map(types).astype(object)
    return table


def as_text(value: object) -> str:
    """Format a cell of the table; empty if missing."""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.15g}"
    return "" if value is None else str(value)


def describe_trial(trial: int, row: pd.Series) -> list[str]:
    """Describe the metadata of a trial.

    Parameters
    ----------
    trial : int
        Global trial index.
    row : Series
        Row of `trial_table`.
    """
    known = {str(name): as_text(value) for name, value in row.items()}
    seen_by = {"shared": "every participant", "unique": "this one alone"}
    group, n_reps = known["unique_or_shared"], known.get("n_reps")
    showing = f"showing {known['repeat']} of {known['repeats']} in the downloaded sessions"
    return [
        f"Trial {trial}",
        f"{known['session']}, run {known['run'] or 'not known'}, "
        f"trial {known['session_trial']} there",
        f"{known['dataset']} image" if known["dataset"] else "dataset not known",
        *([f"out of distribution: {known['ood_type']}"] if known["ood_type"] else []),
        *([f"{group}: seen by {seen_by.get(group, 'not known')}"] if group else []),
        showing + (f", {n_reps} in the dataset" if n_reps else ""),
    ]


def trials_tsv(table: pd.DataFrame, trials: Sequence[int]) -> str:
    """Format trials as TSV: the global trial index, then every column of the table."""
    rows = table.iloc[list(trials)].drop(columns="trial", errors="ignore")
    rows.insert(0, "trial", rows.index)
    return rows.to_csv(sep="\t", index=False, na_rep="n/a")


def next_repeat(table: pd.DataFrame, trial: int) -> int:
    """Return the next trial with the same image, cyclically."""
    same = np.flatnonzero((table["image_name"] == table["image_name"].iloc[trial]).to_numpy())
    return int(same[(np.searchsorted(same, trial) + 1) % len(same)])
