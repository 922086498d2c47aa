"""The table of a subject's trials, with how often each image was shown. No widgets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from laion_fmri import layout
from laion_fmri._errors import StimuliNotDownloadedError
from laion_fmri.splits.recipes import ood_type_of
from laion_fmri.trials import is_shared, no_trials

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.subject import Subject


def trial_table_files(sub: Subject) -> list[Path]:
    """The files that `trial_table` depends on."""
    tables = [
        layout.local_path(sub.data_dir, layout.trials(sub.name, session))
        for session in sub.get_sessions()
    ]
    return [*tables, layout.local_path(sub.data_dir, layout.STIMULI_METADATA)]


def trial_table(sub: Subject) -> pd.DataFrame:
    """Every local trial of a subject; the row index is the global trial index.

    Returns
    -------
    DataFrame
        The columns of `Subject.metadata` and besides repeat (which showing of its image a
        trial is, 1-based), repeats (of how many), both counted over the local sessions, and
        ood_type (``""`` for images that are not out of distribution). Where the stimulus
        metadata are not local, dataset is ``""`` and unique_or_shared comes from the names.

    Raises
    ------
    LaionFmriError
        When a trial table is missing or damaged.
    """
    try:
        table = sub.metadata
    except StimuliNotDownloadedError:
        table = _without_stimulus_metadata(sub)
    by_image = table.groupby("image_name", sort=False)
    table["repeat"] = by_image.cumcount() + 1
    table["repeats"] = by_image["image_name"].transform("size").astype(int)
    types = {name: ood_type_of(name) or "" for name in table["image_name"].unique()}
    table["ood_type"] = table["image_name"].map(types).astype(object)
    return table


def _without_stimulus_metadata(sub: Subject) -> pd.DataFrame:
    import pandas as pd

    tables = sub.get_trial_info(session=None)
    assert isinstance(tables, dict)
    parts = [
        table.assign(session=session, session_trial=np.arange(len(table)))
        for session, table in (tables or {"": no_trials()}).items()
    ]
    joined = pd.concat(parts, ignore_index=True).rename(columns={"label": "image_name"})
    joined["dataset"] = ""
    joined["unique_or_shared"] = np.where(
        is_shared(joined["image_name"].astype(str)), "shared", "unique"
    )
    return joined


def next_repeat(table: pd.DataFrame, trial: int) -> int:
    """The next trial that shows the same image; the first after the last, itself if alone."""
    same = np.flatnonzero((table["image_name"] == table["image_name"].iloc[trial]).to_numpy())
    return int(same[(np.searchsorted(same, trial) + 1) % len(same)])
