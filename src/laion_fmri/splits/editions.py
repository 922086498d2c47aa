"""Editions of the published splits, and split files without a known checksum.

``"v1"`` has the recipes of `recipes` and files with the checksums of the registry. ``"v2"`` was
published later: ``random_*`` drawn as one partition and later revised, and the pool of all
subjects' images. Its files are still being revised, so they are checked for consistency instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from laion_fmri import layout
from laion_fmri._errors import DamagedFileError, LaionFmriError, UnknownNameError
from laion_fmri.splits import names, recipes
from laion_fmri.splits.registry import PUBLISHED_SPLITS, Registry, splits_dir
from laion_fmri.splits.split import FIRST_EDITION, LATER_EDITION, Split, SplitVariant

EDITIONS = (FIRST_EDITION, LATER_EDITION)

POOLED = "pooled"
"""The pool of the shared images and those of all subjects."""

POOLED_SPLITS = tuple(n for n in PUBLISHED_SPLITS if n not in recipes.COMPUTED_SPLITS)


def as_edition(edition: object, pool: object = None) -> str:
    """Return the name of an edition; None for the edition of a pool.

    Raises
    ------
    UnknownNameError
        When there is no such edition, or it does not have the pool.
    """
    if edition is None:
        return LATER_EDITION if pool == POOLED else FIRST_EDITION
    if not isinstance(edition, str) or edition not in EDITIONS:
        raise UnknownNameError("edition", edition, EDITIONS)
    if pool == POOLED and edition != LATER_EDITION:
        raise UnknownNameError("edition of the pool 'pooled':", edition, [LATER_EDITION])
    return edition


def later_key(pool: str, name: str) -> str:
    """Return the path of a file of the later edition, relative to the folder of the splits."""
    return f"{LATER_EDITION}/{pool}/{name}.json"


def later_pools(registry: Registry) -> dict[str, list[str]]:
    """Return the pools of the later edition and the names of their splits."""
    return {**{pool: registry.split_names(pool) for pool in registry.pools},
            POOLED: list(POOLED_SPLITS)}  # fmt: skip


def has_pooled(root: Path | None) -> bool:
    """Whether a split of the pool ``"pooled"`` is downloaded."""
    return root is not None and any((splits_dir(root) / LATER_EDITION / POOLED).glob("*.json"))


def parse_split(stored: bytes | str, name: str, pool: str, edition: str) -> Split:
    """Parse a split from the published schema.

    Parameters
    ----------
    stored : bytes or str
        JSON: ``{name, pool, splitter, params, n_train, n_test, variants: [{variant_id,
        train_ids, test_ids}]}``.
    name, pool, edition : str
        Expected name, pool identifier (the file only describes the pool in words) and edition.

    Raises
    ------
    ValueError
        When it holds another split or none; the message gives the difference.
    """
    try:
        split = _parsed(json.loads(stored), pool, edition)
    except RecursionError:
        raise ValueError("it holds no split (it is nested too deeply)") from None
    except ValueError as error:
        raise ValueError(f"it holds no split ({error})") from error
    if split.name != name:
        raise ValueError(f"it holds the split {split.name!r}")
    return split


def _parsed(tree: Any, pool: str, edition: str) -> Split:
    if not isinstance(tree, dict):
        raise ValueError("it is no JSON object")
    stored_variants, params = tree.get("variants"), tree.get("params")
    if not isinstance(stored_variants, list) or not stored_variants:
        raise ValueError("it has no variant")
    if not isinstance(params, dict):
        raise ValueError("it has no params")
    variants = tuple(map(_variant, stored_variants))
    if len({variant.variant_id for variant in variants}) < len(variants):
        raise ValueError("two variants have one number")
    name, splitter = str(tree.get("name")), str(tree.get("splitter", ""))
    split = Split(name, pool, params, variants, splitter, edition)
    stated = tree.get("n_train"), tree.get("n_test")
    if stated != (split.n_train, split.n_test):
        raise ValueError(
            f"it says {stated[0]!r} training and {stated[1]!r} test images and has "
            f"{split.n_train:,} and {split.n_test:,}"
        )
    return split


def _variant(stored: Any) -> SplitVariant:
    if not isinstance(stored, dict):
        raise ValueError("a variant is no JSON object")
    number = stored.get("variant_id")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(f"a variant has the number {number!r}")
    sides = []
    for key in ("train_ids", "test_ids"):
        ids = stored.get(key)
        if not isinstance(ids, list) or not all(isinstance(one, str) and one for one in ids):
            raise ValueError(f"its {key} are no list of image names")
        if len(set(ids)) < len(ids):
            raise ValueError(f"an image is twice in its {key}")
        sides.append(tuple(ids))
    if both := set(sides[0]).intersection(sides[1]):
        raise ValueError(f"{min(both)!r} is on both sides")
    return SplitVariant(number, *sides)


def later_split(
    stored: bytes, name: str, pool: str, registry: Registry, data_dir: Path | None
) -> Split:
    """Parse a split of the later edition and check its consistency.

    Raises
    ------
    ValueError
        When it is not a split, another split, or has images outside the pool; the message says
        which.
    """
    split = parse_split(stored, name, pool, LATER_EDITION)
    for variant in split.variants:
        _require_pool(variant, name, pool, registry, data_dir)
    return split


def read_later(
    path: Path, stored: bytes, name: str, pool: str, registry: Registry, data_dir: Path | None
) -> Split:
    """Parse a local file of the later edition as `later_split` does.

    Raises
    ------
    DamagedFileError
    """
    try:
        return later_split(stored, name, pool, registry, data_dir)
    except ValueError as error:
        raise DamagedFileError(path, str(error), "Take the file as it was published.") from error


def is_later(split: Split) -> bool:
    """Whether a split is recognizably of the later edition.

    It is by its pool, its revision, or if its test set is the expected fold.
    """
    revision = split.params.get("revision")
    if split.pool == POOLED or (isinstance(revision, int) and revision >= 2):
        return True
    if split.name not in recipes.RANDOM_SPLITS:
        return False
    fold = recipes.RANDOM_SPLITS.index(split.name)
    images = [*split.train_ids, *split.test_ids]
    return set(split.test_ids) == set(recipes.partition_fold(images, fold))


def unknown_ids(
    ids: Iterable[str], pool: str, registry: Registry, data_dir: Path | None
) -> list[str] | None:
    """Return names that are not in the local metadata of a pool; None without metadata."""
    if data_dir is None or not layout.local_path(data_dir, layout.STIMULI_METADATA).exists():
        return None
    try:
        at_hand = names.find_names(data_dir)
    except LaionFmriError:
        return None
    if pool == POOLED:
        known = at_hand.shared.union(*at_hand.unique.values())
    else:
        known = at_hand.pool(pool, registry.require_pool(pool))
    return sorted(set(ids) - known)


def _require_pool(
    variant: SplitVariant, name: str, pool: str, registry: Registry, data_dir: Path | None
) -> None:
    """Raise an error for images outside the pool and the out-of-distribution images."""
    of_pool = list(variant.train_ids)
    if name != recipes.OOD:
        of_pool += variant.test_ids
    else:
        strange = [one for one in variant.test_ids if recipes.ood_type_of(one) is None]
        if strange:
            raise ValueError(f"its test image {strange[0]!r} is not out of distribution")
        if registry.ood is not None and not registry.ood.fit(variant.test_ids):
            raise ValueError("its test images are not the out-of-distribution images")
    figures = {**registry.pools, **registry.later_pools}.get(pool)
    if figures is not None and figures.fit(of_pool):
        return
    strangers = unknown_ids(of_pool, pool, registry, data_dir)
    if strangers is None:
        raise ValueError(
            f"its images are not exactly those of the pool {pool!r}, and without the metadata of "
            "the stimuli it cannot be checked whether they belong to it"
        )
    if strangers:
        raise ValueError(f"its image {strangers[0]!r} is not of the pool {pool!r}")
