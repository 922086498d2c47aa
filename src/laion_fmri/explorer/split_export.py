"""A split as files to take away: the published schema, a table, masks over trials."""

from __future__ import annotations

import io
import json

import numpy as np

from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.split_data import SplitChoice, chosen_split, trial_labels
from laion_fmri.splits import Split, to_schema
from laion_fmri.splits.recipes import SHARED_PREFIX, ood_type_of
from laion_fmri.splits.summary import dataset_of


def file_name(choice: SplitChoice, ending: str) -> str:
    """What to call a file."""
    whose = [choice.subject, choice.session] if ending == "npz" else []
    parts = [choice.pool, choice.name, *choice.ood_types, *whose]
    return f"{'_'.join(part for part in parts if part)}.{ending}"


def as_json(split: Split) -> io.BytesIO:
    """The split in the published schema."""
    text = json.dumps(to_schema(split), indent=1, ensure_ascii=False) + "\n"
    return io.BytesIO(text.encode())


def as_tsv(split: Split) -> io.BytesIO:
    """One row an image: image_name, side, dataset, group, ood_type."""
    import pandas as pd

    rows = [
        (
            name,
            side,
            dataset_of(name),
            "shared" if name.startswith(SHARED_PREFIX) else "unique",
            ood_type_of(name) or "",
        )
        for side, ids in (("train", split.train_ids), ("test", split.test_ids))
        for name in ids
    ]
    table = pd.DataFrame(rows, columns=["image_name", "side", "dataset", "group", "ood_type"])
    return io.BytesIO(table.to_csv(sep="\t", index=False).encode())


def as_masks(data: ExplorerData, choice: SplitChoice) -> io.BytesIO:
    """Masks over the trials of the chosen subject and session.

    Returns
    -------
    BytesIO
        An npz: ``train`` and ``test``, bool of shape (n_trials,), ``label`` and ``session`` of
        each trial; the order is that of `Subject.metadata`.

    Raises
    ------
    LaionFmriError
    """
    labels, sessions = trial_labels(data, choice.subject, choice.session)
    train, test = chosen_split(data, choice).get_masks(labels)
    stored = io.BytesIO()
    np.savez_compressed(
        stored,
        train=train,
        test=test,
        label=np.array(labels, dtype=np.str_),
        session=np.array(sessions, dtype=np.str_),
    )
    stored.seek(0)
    return stored
