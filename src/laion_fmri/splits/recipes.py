"""Splits computed from image names alone. Pure functions from names to names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.layout import OOD_TYPES
from laion_fmri.names import as_names
from laion_fmri.splits.split import FIRST_EDITION, Split, SplitVariant

OOD = "ood"
RANDOM_SPLITS = tuple(f"random_{seed}" for seed in range(5))
COMPUTED_SPLITS = (*RANDOM_SPLITS, OOD)
"""Splits that can be computed without a published file."""

TEST_SHARE = 0.2
_PARTITION_SEED = 42
SHARED_PREFIX = "shared_"

_OOD_NAME = re.compile(r"shared_[^_]+_OOD_([^_.]+)")


def ood_type_of(name: str) -> str | None:
    """Return the type of an out-of-distribution image; None for other images.

    Examples
    --------
    >>> ood_type_of("shared_4rep_OOD_illusion-classic_blivet.png")
    'illusion-classic'
    >>> ood_type_of("shared_4rep_NSD_special1000_841.jpg") is None
    True
    """
    match = _OOD_NAME.match(name)
    return match[1] if match else None


def random_sizes(n: int) -> tuple[int, int]:
    """Return the numbers of training and test images of a random split of `n` images."""
    n_test = round(TEST_SHARE * n)
    return n - n_test, n_test


def random_split(pool: str, names: Iterable[str], seed: int) -> Split:
    """Create a seeded 80/20 split, ``random_{seed}``.

    The test set is a fifth of the sorted names, drawn without replacement by
    ``numpy.random.default_rng(seed)``.

    Parameters
    ----------
    pool : str
        Name of the pool.
    names : iterable of str
        The names of the pool in any order; duplicates are ignored.
    seed : int

    Raises
    ------
    InvalidArgumentError
        When there are no names.
    """
    import numpy as np

    ordered = _distinct(names)
    _, n_test = random_sizes(len(ordered))
    drawn = set(np.random.default_rng(seed).choice(len(ordered), n_test, replace=False).tolist())
    return Split(
        name=f"random_{seed}",
        pool=pool,
        params={"method": "uniform_random", "seed": seed},
        variants=(
            SplitVariant(
                0,
                train_ids=tuple(name for i, name in enumerate(ordered) if i not in drawn),
                test_ids=tuple(name for i, name in enumerate(ordered) if i in drawn),
            ),
        ),
        splitter="min_nn_stochastic",
        edition=FIRST_EDITION,
    )


def partition_fold(names: Iterable[str], fold: int) -> tuple[str, ...]:
    """Return the sorted test set of ``random_{fold}`` in the edition ``"v2"``, before revisions.

    The sorted names, shuffled once by ``numpy.random.default_rng(42)``, are divided into as many
    folds as there are random splits.

    Raises
    ------
    InvalidArgumentError
        When there are no names.
    """
    import numpy as np

    ordered = np.array(_distinct(names), dtype=object)
    np.random.default_rng(_PARTITION_SEED).shuffle(ordered)
    return tuple(sorted(np.array_split(ordered, len(RANDOM_SPLITS))[fold].tolist()))


def ood_split(
    pool: str, names: Iterable[str], ood_names: Iterable[str], ood_types: Iterable[str]
) -> Split:
    """Create a split with the whole pool for training and out-of-distribution images for testing.

    Parameters
    ----------
    pool : str
        Name of the pool.
    names, ood_names : iterable of str
        The pool, and the out-of-distribution images.
    ood_types : iterable of str
        Types in the test set.

    Raises
    ------
    InvalidArgumentError
        When there are no names.
    """
    kept = set(ood_types)
    types = [kind for kind in OOD_TYPES if kind in kept]
    test = sorted({name for name in ood_names if ood_type_of(name) in kept})
    return Split(
        name=OOD,
        pool=pool,
        params={"method": "ood_dataset_holdout", "ood_types": types},
        variants=(SplitVariant(0, tuple(_distinct(names)), tuple(test)),),
        splitter="ood_holdout",
        edition=FIRST_EDITION,
    )


def require_ood_types(split: str, ood_types: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the requested types in display order; None for all.

    Raises
    ------
    UnknownNameError
        When a type does not exist.
    InvalidArgumentError
        When no type is given, or the split is not ``"ood"``.
    """
    if ood_types is None:
        return OOD_TYPES
    if split != OOD:
        raise InvalidArgumentError(
            f"ood_types restricts the test side of the split 'ood'; {split!r} has no such images. "
            "Leave it out."
        )
    wanted = as_names(ood_types, "OOD type")
    for kind in wanted:
        if kind not in OOD_TYPES:
            raise UnknownNameError("OOD type", kind, OOD_TYPES)
    if not wanted:
        raise InvalidArgumentError(
            "ood_types is empty, which would leave no test image. Name at least one type, or "
            "leave it out for all of them."
        )
    return tuple(kind for kind in OOD_TYPES if kind in wanted)


def _distinct(names: Iterable[str]) -> list[str]:
    ordered = sorted(set(as_names(names)))
    if not ordered:
        raise InvalidArgumentError("A pool without images cannot be split. Give its names.")
    return ordered
