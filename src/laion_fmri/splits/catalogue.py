"""The splits by name: listing them, loading them, masks over trials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.config import load_settings
from laion_fmri.splits import names, own, published, recipes
from laion_fmri.splits.registry import Registry, registry_in_force
from laion_fmri.splits.split import Split, SplitVariant

if TYPE_CHECKING:
    from os import PathLike

    from laion_fmri.splits.split import Mask, Trials

    DataDir = str | PathLike[str] | None


class SplitSizes(NamedTuple):
    """Numbers of training and test images."""

    n_train: int
    n_test: int


def list_pools(data_dir: DataDir = None) -> list[str]:
    """The pools: ``"shared"``, one for each subject, then your own. Needs no data.

    Examples
    --------
    >>> list_pools()
    ['shared', 'sub-01', 'sub-03', 'sub-05', 'sub-06', 'sub-07']
    """
    root = load_settings(data_dir=data_dir).data_dir
    return list(dict.fromkeys([*registry_in_force(root).pools, *own.own_splits(root)]))


def list_splits(pool: str | None = None, data_dir: DataDir = None) -> list[str]:
    """The names of the splits, of one pool or of any; your own come last. Needs no data.

    Raises
    ------
    UnknownNameError
        When there is no such pool.

    Examples
    --------
    >>> list_splits()[-2:]
    ['tau', 'ood']
    """
    root = load_settings(data_dir=data_dir).data_dir
    registry, made = registry_in_force(root), own.own_splits(root)
    if pool in registry.pools or pool is None:
        found = registry.split_names(pool)
    elif pool in made:
        found = []
    else:
        raise UnknownNameError("pool", pool, [*registry.pools, *made])
    mine = made.get(pool, []) if pool else [name for names in made.values() for name in names]
    return list(dict.fromkeys([*found, *mine]))


def list_ood_types() -> list[str]:
    """The types of out-of-distribution images. Needs no data."""
    return list(recipes.OOD_TYPES)


def split_sizes(
    name: str,
    pool: str = names.SHARED,
    ood_types: str | Iterable[str] | None = None,
    data_dir: DataDir = None,
) -> SplitSizes:
    """Numbers of training and test images. Needs no data for the published splits.

    A dataset that declares splits of its own without their sizes is asked for the split.

    Raises
    ------
    UnknownNameError
        When there is no such pool, split or OOD type.
    """
    root = load_settings(data_dir=data_dir).data_dir
    registry = registry_in_force(root)
    if _is_own(name, pool, root, registry):
        split = load_split(name, pool, ood_types, data_dir)
        return SplitSizes(split.n_train, split.n_test)
    figures = registry.require_split(name, pool)
    types = recipes.require_ood_types(name, ood_types)
    n_pool = registry.require_pool(pool).n
    if name == recipes.OOD and registry.ood_types:
        return SplitSizes(n_pool, sum(registry.ood_types.get(kind, 0) for kind in types))
    if name in recipes.RANDOM_SPLITS:
        return SplitSizes(*recipes.random_sizes(n_pool))
    if figures and figures.n_train is not None and figures.n_test is not None:
        return SplitSizes(figures.n_train, figures.n_test)
    split = load_split(name, pool, ood_types, data_dir)
    return SplitSizes(split.n_train, split.n_test)


def load_split(
    name: str,
    pool: str = names.SHARED,
    ood_types: str | Iterable[str] | None = None,
    data_dir: DataDir = None,
) -> Split:
    """A split by its name.

    ``random_*`` and ``ood`` are computed from the image names at hand, which must be all
    of the pool; ``tau`` and ``cluster_k5_*`` are published files, fetched when they are first
    asked for, verified and kept. Splits of your own are those of `make_split`.

    Parameters
    ----------
    name : str
        One of `list_splits`.
    pool : str
        One of `list_pools`.
    ood_types : str or list of str, optional
        For ``"ood"``: which types make up the test side; all of them by default.
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    UnknownNameError
        When there is no such pool, split or OOD type.
    DataDirNotSetError
    StimuliNotDownloadedError
        When the image names, or the published file, are not local.
    InconsistentDataError
        When the image names at hand do not make up the pool: the split would be another.
    DamagedFileError
        When a published file is not what was published.
    """
    settings = load_settings(data_dir=data_dir)
    registry = registry_in_force(settings.data_dir)
    if _is_own(name, pool, settings.data_dir, registry):
        recipes.require_ood_types(name, ood_types)
        return own.read_own_split(pool, name, settings.require_data_dir())
    registry.require_split(name, pool)
    types = recipes.require_ood_types(name, ood_types)
    return _load(name, pool, types, settings.require_data_dir(), registry)


def load_all_splits(pool: str = names.SHARED, data_dir: DataDir = None) -> dict[str, Split]:
    """Every split of a pool, keyed by name.

    Raises
    ------
    LaionFmriError
        What `load_split` raises for the first that cannot be had.
    """
    return {name: load_split(name, pool, data_dir=data_dir) for name in list_splits(pool, data_dir)}


def get_train_test_ids(
    name: str,
    pool: str = names.SHARED,
    ood_types: str | Iterable[str] | None = None,
    data_dir: DataDir = None,
) -> tuple[list[str], list[str]]:
    """The names of the training images and of the test images, sorted; see `load_split`."""
    split = load_split(name, pool, ood_types, data_dir)
    return list(split.train_ids), list(split.test_ids)


def get_split_masks(
    trials: Trials,
    name: str,
    pool: str = names.SHARED,
    ood_types: str | Iterable[str] | None = None,
    data_dir: DataDir = None,
) -> tuple[Mask, Mask]:
    """Which trials belong to each side of a split.

    Parameters
    ----------
    trials : DataFrame, Series or iterable of str
        A trial table (column ``label``, or ``image_name``), or the image of each trial.
    name, pool, ood_types, data_dir
        As for `load_split`.

    Returns
    -------
    train, test : ndarray of bool, shape (n_trials,)
        A trial whose image is on neither side is in neither mask.

    Raises
    ------
    InvalidArgumentError
        When `trials` names no images.
    LaionFmriError
        What `load_split` raises.
    """
    return load_split(name, pool, ood_types, data_dir).get_masks(trials)


def _is_own(name: object, pool: object, root: Path | None, registry: Registry) -> bool:
    """Whether a split is one that someone made; a published one of that name goes first.

    Raises
    ------
    UnknownNameError
        When it is neither, and people's own splits would have been candidates.
    """
    made = own.own_splits(root)
    if pool not in made or not isinstance(pool, str):
        return False
    published_names = registry.split_names(pool) if pool in registry.pools else []
    if name in published_names:
        return False
    if name in made[pool]:
        return True
    raise UnknownNameError("split", name, [*published_names, *made[pool]])


def _load(
    name: str, pool: str, types: tuple[str, ...], data_dir: Path, registry: Registry
) -> Split:
    figures = registry.require_split(name, pool)
    if name in recipes.COMPUTED_SPLITS:
        try:
            return _computed(name, pool, types, data_dir, registry)
        except (StimuliNotDownloadedError, InconsistentDataError, DamagedFileError):
            # Its published file, if it is here, serves as well.
            if figures is None or not published.split_path(pool, name, data_dir).exists():
                raise
    assert figures is not None
    if not published.split_path(pool, name, data_dir).exists():
        from laion_fmri.splits.fetching import fetch_split  # brings what speaks HTTP

        fetch_split(pool, name, data_dir)
    split = published.read_split(pool, name, data_dir, figures)
    return _of_types(split, types) if name == recipes.OOD else split


def _computed(
    name: str, pool: str, types: tuple[str, ...], data_dir: Path, registry: Registry
) -> Split:
    at_hand = names.find_names(data_dir)
    in_pool = names.require_pool(at_hand, pool, registry)
    if name == recipes.OOD:
        return recipes.ood_split(pool, in_pool, names.require_ood(at_hand, registry), types)
    return recipes.random_split(pool, in_pool, recipes.RANDOM_SPLITS.index(name))


def _of_types(split: Split, types: tuple[str, ...]) -> Split:
    test = tuple(name for name in split.test_ids if recipes.ood_type_of(name) in types)
    return replace(
        split,
        params={**split.params, "ood_types": list(types)},
        variants=(SplitVariant(split.variants[0].variant_id, split.train_ids, test),),
    )
