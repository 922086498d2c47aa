"""List and load splits by name, and compute masks over trials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from laion_fmri import layout
from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    LaionFmriError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.arguments import as_scalar
from laion_fmri.config import Settings, load_settings
from laion_fmri.splits import editions, names, own, published, recipes
from laion_fmri.splits.editions import POOLED, as_edition
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
    """List the pools: ``"shared"``, one for each subject, then custom ones. Needs no data.

    ``"pooled"``, from a later edition, is included when one of its splits is downloaded.

    Examples
    --------
    >>> list_pools()
    ['shared', 'sub-01', 'sub-03', 'sub-05', 'sub-06', 'sub-07']
    """
    settings = load_settings(data_dir=data_dir)
    root = settings.data_dir
    roots = [root] if root is not None else published.split_roots(settings)
    later = [POOLED] if any(map(editions.has_pooled, roots)) else []
    pools = registry_in_force(root).pools
    return list(dict.fromkeys([*pools, *later, *own.own_splits(root)]))


def list_splits(pool: str | None = None, data_dir: DataDir = None) -> list[str]:
    """List the names of the splits of one pool or of all; custom splits come last. Needs no data.

    Raises
    ------
    UnknownNameError
        When there is no such pool.

    Examples
    --------
    >>> list_splits()[-2:]
    ['tau', 'ood']
    """
    pool = _text(pool)
    root = load_settings(data_dir=data_dir).data_dir
    registry, made = registry_in_force(root), own.own_splits(root)
    found = [] if pool is None else _names_of_pool(pool, registry)
    if pool is None:
        found = registry.split_names()
    elif not found and (not isinstance(pool, str) or pool not in made):
        raise UnknownNameError("pool", pool, [*registry.pools, POOLED, *made])
    mine = made.get(pool, []) if pool else [name for names in made.values() for name in names]
    return list(dict.fromkeys([*found, *mine]))


def list_ood_types() -> list[str]:
    """List the types of out-of-distribution images. Needs no data."""
    return list(recipes.OOD_TYPES)


def split_sizes(
    name: str,
    pool: str = names.SHARED,
    ood_types: str | Iterable[str] | None = None,
    data_dir: DataDir = None,
) -> SplitSizes:
    """Return the numbers of training and test images. Published splits need no data.

    The split is loaded if a dataset declares its own splits without sizes.

    Raises
    ------
    UnknownNameError
        When there is no such pool, split or OOD type.
    """
    name, pool = _text(name), _text(pool)
    root = load_settings(data_dir=data_dir).data_dir
    registry = registry_in_force(root)
    if pool == POOLED or _is_own(name, pool, root, registry):
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
    *,
    edition: str | None = None,
) -> Split:
    """Load a split by name. Needs no data and no settings.

    ``random_*`` and ``ood`` are computed from the local image names if these are complete for the
    pool. Otherwise, and for ``tau`` and ``cluster_k5_*``, published files are downloaded on first
    use, verified, and stored in the data directory, or in the user's cache when none is set. Custom
    splits come from `make_split`.

    Parameters
    ----------
    name : str
        One of `list_splits`.
    pool : str
        One of `list_pools`, or ``"pooled"``.
    ood_types : str or list of str, optional
        For ``"ood"``: types in the test set; all by default.
    data_dir : path, optional
        Instead of the configured one.
    edition : {"v1", "v2"}, optional
        ``"v1"`` by default; ``"v2"`` has the splits published later, including the pool
        ``"pooled"``.

    Raises
    ------
    UnknownNameError
        When there is no such pool, split, edition or OOD type.
    DataDirNotSetError
        When the configured data directory does not exist.
    StimuliNotDownloadedError
        When the published file is neither local nor can be downloaded.
    InconsistentDataError
        When the local metadata do not match the pool, so that the split would differ.
    DamagedFileError
        When a file differs from the published one.
    """
    name, pool, edition = _text(name), _text(pool), as_scalar(edition)
    settings = load_settings(data_dir=data_dir)
    registry = registry_in_force(settings.data_dir)
    if edition is None and _is_own(name, pool, settings.data_dir, registry):
        recipes.require_ood_types(name, ood_types)
        return own.read_own_split(pool, name, settings.require_data_dir())
    edition = as_edition(edition, pool)
    known = _names_of_pool(pool, registry)
    if not known:
        raise UnknownNameError("pool", pool, [*registry.pools, POOLED])
    if name not in known:
        raise UnknownNameError("split", name, known)
    types = recipes.require_ood_types(name, ood_types)
    load = _load_later if edition == editions.LATER_EDITION else _load
    return load(name, pool, types, settings, registry)


def load_all_splits(pool: str = names.SHARED, data_dir: DataDir = None) -> dict[str, Split]:
    """Load every split of a pool, keyed by name.

    Raises
    ------
    LaionFmriError
        The error of `load_split` for the first split that cannot be loaded.
    """
    return {name: load_split(name, pool, data_dir=data_dir) for name in list_splits(pool, data_dir)}


def get_train_test_ids(
    name: str,
    pool: str = names.SHARED,
    variant_id: int = 0,
    ood_types: str | Iterable[str] | None = None,
    *,
    data_dir: DataDir = None,
    edition: str | None = None,
) -> tuple[list[str], list[str]]:
    """Return the sorted names of the training and test images; see `load_split`.

    Parameters
    ----------
    name, pool, ood_types, data_dir, edition
        As in `load_split`.
    variant_id : int
        Variant of the split; published splits have only variant 0.
    """
    split = load_split(name, pool, ood_types, data_dir, edition=edition)
    variant = split.variant(variant_id)
    return list(variant.train_ids), list(variant.test_ids)


def get_split_masks(
    trials: Trials,
    name: str,
    pool: str = names.SHARED,
    variant_id: int = 0,
    ood_types: str | Iterable[str] | None = None,
    *,
    data_dir: DataDir = None,
    edition: str | None = None,
) -> tuple[Mask, Mask]:
    """Return masks of the training and test trials of a split.

    Parameters
    ----------
    trials : DataFrame, Series or iterable of str
        A trial table (column ``label``, or ``image_name``), or the image of each trial.
    name, pool, variant_id, ood_types, data_dir, edition
        As in `get_train_test_ids`.

    Returns
    -------
    train, test : ndarray of bool, shape (n_trials,)
        Trials of images in neither set are in neither mask.

    Raises
    ------
    InvalidArgumentError
        When `trials` has no image names.
    LaionFmriError
        See `load_split`.
    """
    split = load_split(name, pool, ood_types, data_dir, edition=edition)
    return split.get_masks(trials, variant_id)


def _text(value: object) -> Any:
    """Convert a name to str; an invalid name to text that is no split or pool."""
    name = as_scalar(value)
    return name if name is None or isinstance(name, str) else repr(name)


def _names_of_pool(pool: object, registry: Registry) -> list[str]:
    """Return the published splits of a pool; empty for an unknown pool."""
    if not isinstance(pool, str):
        return []
    if pool in registry.pools:
        return registry.split_names(pool)
    return list(editions.POOLED_SPLITS) if pool == POOLED else []


def _is_own(name: object, pool: object, root: Path | None, registry: Registry) -> bool:
    """Whether a split is a custom one; published splits take precedence.

    Raises
    ------
    UnknownNameError
        When it is neither, and custom splits were possible.
    """
    made = own.own_splits(root)
    if not isinstance(pool, str) or pool not in made:
        return False
    published_names = _names_of_pool(pool, registry)
    if name in published_names:
        return False
    if name in made[pool]:
        return True
    raise UnknownNameError("split", name, [*published_names, *made[pool]])


def _load(
    name: str, pool: str, types: tuple[str, ...], settings: Settings, registry: Registry
) -> Split:
    figures, root = registry.require_split(name, pool), settings.data_dir
    refusal: LaionFmriError | None = None
    if name in recipes.COMPUTED_SPLITS and (root is not None or figures is None):
        try:
            return _computed(name, pool, types, settings.require_data_dir(), registry)
        except (StimuliNotDownloadedError, InconsistentDataError, DamagedFileError) as error:
            if figures is None:
                raise
            refusal = error  # fall back to its published file
    assert figures is not None
    path = _published_file(name, pool, settings, registry, refusal)
    split = published.read_split(path, pool, name, figures)
    return _of_types(split, types) if name == recipes.OOD else split


def _published_file(
    name: str,
    pool: str,
    settings: Settings,
    registry: Registry,
    refusal: LaionFmriError | None,
) -> Path:
    """Return the file of a split, fetching it if needed; `refusal` is the reason."""
    roots = published.split_roots(settings)
    path = published.find_file(f"{pool}/{name}.json", roots[:1] if registry.declared else roots)
    if path is not None:
        return path
    if isinstance(refusal, InconsistentDataError) and _has_metadata(settings):
        raise refusal  # names of another dataset, whose splits are not published
    from laion_fmri.splits.fetching import fetch_split  # imports the HTTP client

    try:
        return fetch_split(pool, name, settings)
    except StimuliNotDownloadedError as error:
        raise (refusal or error) from error


def _load_later(
    name: str, pool: str, types: tuple[str, ...], settings: Settings, registry: Registry
) -> Split:
    path = published.find_file(editions.later_key(pool, name), published.split_roots(settings))
    if path is None:
        from laion_fmri.splits.fetching import fetch_later  # imports the HTTP client

        path = fetch_later(pool, name, settings)
    stored = published.read_bytes(path)
    split = editions.read_later(path, stored, name, pool, registry, settings.data_dir)
    return _of_types(split, types) if name == recipes.OOD else split


def _has_metadata(settings: Settings) -> bool:
    root = settings.data_dir
    return root is not None and layout.local_path(root, layout.STIMULI_METADATA).exists()


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
