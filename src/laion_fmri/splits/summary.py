"""What a split does, in figures: composition of each side, and trials of a subject."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from laion_fmri.splits.recipes import SHARED_PREFIX, ood_type_of
from laion_fmri.splits.split import Split, labels_of

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.splits.split import Trials

SIDES = ("train", "test", "neither")
_DATASET = re.compile(r"(?:shared_[^_]+|unique)_([^_]+)_")


def dataset_of(name: str) -> str:
    """The dataset an image comes from, by its name; empty where the name does not say.

    Examples
    --------
    >>> dataset_of("shared_12rep_THINGS+_kmeans_12_whisk.jpg")
    'THINGS+'
    """
    match = _DATASET.match(name)
    return match[1] if match else ""


def composition(split: Split) -> pd.DataFrame:
    """What each side is made of.

    Returns
    -------
    DataFrame
        One row for each combination that occurs: dataset, ood_type (empty unless out of
        distribution), group (shared or unique), then the numbers of images train and test.
        In-distribution rows first, shared before unique, then by name.
    """
    import pandas as pd

    counts = [Counter(map(_kind_of, ids)) for ids in (split.train_ids, split.test_ids)]
    kinds = sorted(set(counts[0]) | set(counts[1]), key=lambda kind: (bool(kind[1]), kind[::-1]))
    return pd.DataFrame(
        [(*kind, counts[0][kind], counts[1][kind]) for kind in kinds],
        columns=["dataset", "ood_type", "group", "train", "test"],
    )


def trial_counts(split: Split, trials: Trials) -> pd.DataFrame:
    """How many trials of a table fall on each side.

    Parameters
    ----------
    split : Split
    trials : DataFrame, Series or iterable of str
        As for `get_split_masks`.

    Returns
    -------
    DataFrame
        Indexed train, test, neither: n_trials, n_images (different ones among these trials),
        then min_repeats, mean_repeats and max_repeats of an image; NaN without trials.
    """
    import numpy as np
    import pandas as pd

    labels = pd.Series(labels_of(trials), dtype=object)
    train, test = split.get_masks(labels)
    rows = []
    for mask in (train, test, ~(train | test)):
        repeats = labels[mask].value_counts().to_numpy()
        seen = len(repeats) > 0
        rows.append(
            (
                int(mask.sum()),
                len(repeats),
                repeats.min() if seen else np.nan,
                repeats.mean() if seen else np.nan,
                repeats.max() if seen else np.nan,
            )
        )
    columns = ["n_trials", "n_images", "min_repeats", "mean_repeats", "max_repeats"]
    return pd.DataFrame(rows, index=list(SIDES), columns=columns)


def _kind_of(name: str) -> tuple[str, str, str]:
    group = "shared" if name.startswith(SHARED_PREFIX) else "unique"
    return dataset_of(name), ood_type_of(name) or "", group
