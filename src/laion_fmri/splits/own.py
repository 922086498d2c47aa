"""Splits that people make: kept in the published schema below ``splits/own``.

They stand beside the published files and never among them: a copy of the published splits
can be deleted and fetched again without losing anyone's own.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from laion_fmri import layout
from laion_fmri._errors import DamagedFileError, InvalidArgumentError, UnknownNameError
from laion_fmri.splits.published import parse_split
from laion_fmri.splits.registry import PUBLISHED_SPLITS, Registry
from laion_fmri.splits.split import Split, family_of

OWN = "own"
"""The folder of the splits that people made; also the pool of lists of images without a name."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TAKEN = frozenset(map(family_of, PUBLISHED_SPLITS))


def own_path(pool: str, name: str, data_dir: Path) -> Path:
    """Where a split that someone made is, or would be."""
    return data_dir / layout.SPLITS_TREE / OWN / pool / f"{name}.json"


def own_splits(data_dir: Path | None) -> dict[str, list[str]]:
    """The names of people's own splits, sorted, by pool."""
    if data_dir is None:
        return {}
    found: dict[str, list[str]] = {}
    for path in sorted((data_dir / layout.SPLITS_TREE / OWN).glob("*/*.json")):
        if _NAME.fullmatch(path.stem) and _NAME.fullmatch(path.parent.name):
            found.setdefault(path.parent.name, []).append(path.stem)
    return found


def read_own_split(pool: str, name: str, data_dir: Path) -> Split:
    """A split that someone made.

    Raises
    ------
    DamagedFileError
        When the file holds no split.
    """
    path = own_path(pool, name, data_dir)
    advice = "Delete it and make the split again."
    try:
        split = parse_split(json.loads(path.read_text(encoding="utf-8")), pool)
    except OSError as error:
        raise DamagedFileError(path, str(error.strerror or error), advice) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(path, f"it holds no split ({error!r})", advice) from error
    if split.name != name:
        raise DamagedFileError(path, f"it holds the split {split.name!r}", advice)
    return split


def require_new_name(name: object, pool: str, registry: Registry) -> str:
    """`name` itself when a split may be called so.

    Raises
    ------
    InvalidArgumentError
        When it cannot be a file name, or is or looks like that of a published split.
    """
    require_name("split", name)
    assert isinstance(name, str)
    published = set(registry.split_names()) | set(PUBLISHED_SPLITS)
    if name.lower() in {n.lower() for n in published} or family_of(name.lower()) in _TAKEN:
        raise InvalidArgumentError(
            f"{name!r} is, or looks like, the name of a published split, which your own must not "
            "stand for. Choose another name."
        )
    return name


def require_name(kind: str, name: object) -> str:
    """`name` itself when it can be the name of a split or a pool.

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
    """A split as the published files have it.

    Parameters
    ----------
    split : Split
    pool_in_words : str
        What the pool is; its identifier by default.
    """
    return {
        "name": split.name,
        "pool": pool_in_words or split.pool,
        "splitter": split.splitter,
        "params": dict(split.params),
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
    """Keep a split. Never replaces another one; the same split again is left as it is.

    Raises
    ------
    InvalidArgumentError
        When another split of that name is there, or the folder cannot be written.
    """
    target = own_path(split.pool, split.name, data_dir)
    text = json.dumps(to_schema(split, pool_in_words), indent=1, ensure_ascii=False) + "\n"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise InvalidArgumentError(
            f"{target.parent} cannot be written ({error.strerror or error}). Choose another data "
            "directory, or use save=False."
        ) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as writing:
            writing.write(text)
        Path(temporary).chmod(0o644)
        try:
            Path(target).hardlink_to(temporary)  # fails where something is there already
        except FileExistsError:
            _require_same(target, text, split)
        except OSError:  # a file system without hard links
            if target.exists():
                _require_same(target, text, split)
            else:
                Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return target


def delete_own_split(name: str, pool: str, data_dir: Path) -> None:
    """Delete a split that someone made.

    Raises
    ------
    UnknownNameError
        When there is none of that name; published ones are never deleted.
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
