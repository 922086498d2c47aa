"""Custom splits, stored in the published schema below ``splits/own``.

They are separate from the published files, which can be deleted and downloaded again without losing
custom splits.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from laion_fmri import layout
from laion_fmri._errors import DamagedFileError, InvalidArgumentError, UnknownNameError
from laion_fmri.atomic_write import atomic_path
from laion_fmri.splits.editions import parse_split, unknown_ids
from laion_fmri.splits.published import read_bytes
from laion_fmri.splits.registry import PUBLISHED_SPLITS, Registry, registry_in_force
from laion_fmri.splits.split import OWN_EDITION, Split, family_of

OWN = "own"
"""The folder of custom splits; also the default pool of custom lists of images."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TAKEN = frozenset(map(family_of, PUBLISHED_SPLITS))


def own_path(pool: str, name: str, data_dir: Path) -> Path:
    """Return the path of a custom split; it need not exist."""
    return data_dir / layout.SPLITS_TREE / OWN / pool / f"{name}.json"


def own_splits(data_dir: Path | None) -> dict[str, list[str]]:
    """List the names of custom splits by pool, sorted."""
    if data_dir is None:
        return {}
    found: dict[str, list[str]] = {}
    for path in sorted((data_dir / layout.SPLITS_TREE / OWN).glob("*/*.json")):
        if _NAME.fullmatch(path.stem) and _NAME.fullmatch(path.parent.name):
            found.setdefault(path.parent.name, []).append(path.stem)
    return found


def read_own_split(pool: str, name: str, data_dir: Path) -> Split:
    """Read a custom split.

    Raises
    ------
    DamagedFileError
        When the file is not a valid split.
    """
    path = own_path(pool, name, data_dir)
    advice = "Delete it and make the split again."
    stored = read_bytes(path)
    try:
        split = parse_split(stored, name, pool, OWN_EDITION)
    except ValueError as error:
        raise DamagedFileError(path, str(error), advice) from error
    registry = registry_in_force(data_dir)
    if pool in registry.pools:
        ids = [one for variant in split.variants for one in variant.all_ids()]
        if strangers := unknown_ids(ids, pool, registry, data_dir):
            problem = f"its image {strangers[0]!r} is not of the pool {pool!r}"
            raise DamagedFileError(path, problem, advice)
    return split


def require_new_name(name: object, pool: str, registry: Registry) -> str:
    """Return `name` if it is a valid name of a custom split.

    Raises
    ------
    InvalidArgumentError
        When it is not a valid file name, or is or resembles that of a published split.
    """
    name = require_name("split", name)
    published = set(registry.split_names()) | set(PUBLISHED_SPLITS)
    if name.lower() in {n.lower() for n in published} or family_of(name.lower()) in _TAKEN:
        raise InvalidArgumentError(
            f"{name!r} is, or looks like, the name of a published split, which your own must not "
            "stand for. Choose another name."
        )
    return name


def require_name(kind: str, name: object) -> str:
    """Return `name` if it is a valid name of a split or a pool.

    Raises
    ------
    InvalidArgumentError
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise InvalidArgumentError(
        f"{name!r} cannot be the name of a {kind}. Use letters, digits, hyphens and underscores, "
        "beginning with a letter or a digit, at most 64."
    )


def to_schema(split: Split, pool_in_words: str = "") -> dict[str, Any]:
    """Convert a split to the published schema, with its edition if it was published.

    Parameters
    ----------
    split : Split
    pool_in_words : str
        Description of the pool; its identifier by default.
    """
    return {
        "name": split.name,
        "pool": pool_in_words or split.pool,
        "splitter": split.splitter,
        "params": dict(split.params),
        **({} if split.edition == OWN_EDITION else {"edition": split.edition}),
        "n_train": split.n_train,
        "n_test": split.n_test,
        "variants": [
            {
                "variant_id": v.variant_id,
                "train_ids": list(v.train_ids),
                "test_ids": list(v.test_ids),
            }
            for v in split.variants
        ],
    }


def write_own_split(split: Split, data_dir: Path, pool_in_words: str = "") -> Path:
    """Save a split. A different split of the same name is never replaced.

    Raises
    ------
    InvalidArgumentError
        When a different split of that name exists, or the folder cannot be written.
    """
    target = own_path(split.pool, split.name, data_dir)
    text = json.dumps(to_schema(split, pool_in_words), indent=1, ensure_ascii=False) + "\n"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(target, error) from error
    try:
        with atomic_path(target, replace=False) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except FileExistsError:
        _require_same(target, text, split)
    except OSError as error:
        raise _not_written(target, error) from error
    return target


def _not_written(target: Path, error: OSError) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{target.parent} cannot be written ({error.strerror or error}). Choose another data "
        "directory, or use save=False."
    )


def delete_own_split(name: str, pool: str, data_dir: Path) -> None:
    """Delete a custom split.

    Raises
    ------
    UnknownNameError
        When there is no custom split of that name.
    """
    known = own_splits(data_dir).get(pool, [])
    if name not in known:
        raise UnknownNameError("split of your own", name, known, f"Looked for in {pool}.")
    path = own_path(pool, name, data_dir)
    path.unlink(missing_ok=True)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def _require_same(target: Path, text: str, split: Split) -> None:
    if target.read_text(encoding="utf-8") != text:
        raise InvalidArgumentError(
            f"There is another split {split.name!r} of the pool {split.pool!r} already. Choose "
            "another name, or delete that one first: "
            f"laion_fmri.splits.delete_split({split.name!r}, {split.pool!r})."
        )
