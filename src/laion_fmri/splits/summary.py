"""Tables of splits: images, composition, trials of a subject, and common test images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from laion_fmri.splits.recipes import SHARED_PREFIX, ood_type_of
from laion_fmri.splits.split import Split, labels_of
from laion_fmri.trials import dataset_of

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.splits.split import Trials

SIDES = ("train", "test", "neither")


def split_table(split: Split) -> pd.DataFrame:
    """Return a table with one row per image of a split.

    Returns
    -------
    DataFrame
        Columns image_name, side (``"train"`` or ``"test"``), dataset, group (``"shared"`` or
        ``"unique"``), ood_type (empty unless out of distribution) and edition (of the split);
        training images first.

    Examples
    --------
    >>> from laion_fmri.splits import load_split, split_table
    >>> table = split_table(load_split("random_0"))
    >>> sorted(set(table["side"]))
    ['test', 'train']
    """
    import pandas as pd

    rows = [
        (name, side, *_kind_of(name))
        for side, ids in (("train", split.train_ids), ("test", split.test_ids))
        for name in ids
    ]
    table = pd.DataFrame(rows, columns=["image_name", "side", "dataset", "ood_type", "group"])
    table["edition"] = split.edition
    return table[["image_name", "side", "dataset", "group", "ood_type", "edition"]]


def evenly_spaced(names: Sequence[str], n: int) -> list[str]:
    """Select `n` evenly spaced names from the first to the last; all if there are fewer.

    Examples
    --------
    >>> evenly_spaced(["a", "b", "c", "d", "e"], 3)
    ['a', 'c', 'e']
    """
    if len(names) <= n:
        return list(names)
    return [names[round(i * (len(names) - 1) / (n - 1))] for i in range(n)]


def composition(split: Split) -> pd.DataFrame:
    """Count the images on each side by dataset, out-of-distribution type and group.

    Returns
    -------
    DataFrame
        One row per combination that occurs: dataset, ood_type (empty unless out of
        distribution), group (shared or unique), then the numbers of images train and test.
        In-distribution rows first, shared before unique, then by name.

    Examples
    --------
    >>> from laion_fmri.splits import composition, load_split
    >>> split = load_split("random_0")
    >>> int(composition(split)["test"].sum()) == split.n_test
    True
    """
    import pandas as pd

    counts = [Counter(map(_kind_of, ids)) for ids in (split.train_ids, split.test_ids)]
    kinds = sorted(set(counts[0]) | set(counts[1]), key=lambda kind: (bool(kind[1]), kind[::-1]))
    return pd.DataFrame(
        [(*kind, counts[0][kind], counts[1][kind]) for kind in kinds],
        columns=["dataset", "ood_type", "group", "train", "test"],
    )


def count_shared_tests(splits: Mapping[str, Split]) -> pd.DataFrame:
    """Count the test images that splits have in common.

    Parameters
    ----------
    splits : mapping of str to Split
        Splits by name, as from `load_all_splits`.

    Returns
    -------
    DataFrame of int, shape (n_splits, n_splits)
        Rows and columns are the names; the diagonal has the sizes of the test sides.

    Examples
    --------
    >>> from laion_fmri.splits import count_shared_tests, load_all_splits
    >>> splits = load_all_splits()
    >>> int(count_shared_tests(splits).loc["tau", "tau"]) == splits["tau"].n_test
    True
    """
    import pandas as pd

    tests = {name: set(split.test_ids) for name, split in splits.items()}
    counts = [[len(a & b) for b in tests.values()] for a in tests.values()]
    return pd.DataFrame(counts, index=list(tests), columns=list(tests), dtype=int)


def trial_counts(split: Split, trials: Trials) -> pd.DataFrame:
    """Count the trials on each side of a split.

    Parameters
    ----------
    split : Split
    trials : DataFrame, Series or iterable of str
        As in `get_split_masks`.

    Returns
    -------
    DataFrame
        Indexed train, test, neither: n_trials, n_images (distinct images of these trials),
        then min_repeats, mean_repeats and max_repeats of an image; NaN without trials.

    Examples
    --------
    >>> from laion_fmri.splits import load_split, trial_counts
    >>> counts = trial_counts(load_split("random_0"), sub.metadata)
    >>> counts.index.tolist()
    ['train', 'test', 'neither']
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
