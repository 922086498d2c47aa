"""Published split files: where they are, reading them verified, taking a local copy."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laion_fmri._errors import (
    DamagedFileError,
    NoMatchingDataError,
    StimuliNotDownloadedError,
)
from laion_fmri.config import load_settings
from laion_fmri.splits.registry import FileFigures, registry_in_force, splits_dir
from laion_fmri.splits.split import Split, SplitVariant
from laion_fmri.whole_file import whole_file

PUBLISHED_AT = (
    "https://raw.githubusercontent.com/ViCCo-Group/LAION-fMRI/"
    "eee8400aa3214f310b840397f9f043b9c2da79b0/laion_fmri/splits/data"
)
_AGAIN = "Delete it and get it again with `laion-fmri download-splits`."


@dataclass(frozen=True)
class CopiedSplits:
    """What taking a local copy of the published splits did, by ``"{pool}/{name}.json"``.

    Attributes
    ----------
    copied : tuple of str
        Files that were copied.
    already_here : tuple of str
        Files that were whole before.
    missing : tuple of str
        Files the source does not have.
    """

    copied: tuple[str, ...]
    already_here: tuple[str, ...]
    missing: tuple[str, ...]


def split_url(pool: str, name: str) -> str:
    """The address a split is published at."""
    return f"{PUBLISHED_AT}/{pool}/{name}.json"


def split_path(pool: str, name: str, data_dir: Path) -> Path:
    """Where a split's file is, or would be."""
    return splits_dir(data_dir) / pool / f"{name}.json"


def read_split(pool: str, name: str, data_dir: Path, figures: FileFigures) -> Split:
    """A split from its local file, once the file has proved to be the published one.

    Raises
    ------
    StimuliNotDownloadedError
        When the file is not local.
    DamagedFileError
        When its size or its SHA-256 differ, or it holds no split.
    """
    path = split_path(pool, name, data_dir)
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        raise StimuliNotDownloadedError(
            f"The split {name!r} of the pool {pool!r} is a published file that is not in "
            f"{data_dir} and could not be fetched. Where there is a network, "
            "`laion-fmri download-splits` gets it; `--from DIR` takes a local copy."
        ) from None
    except OSError as error:
        raise DamagedFileError(path, str(error.strerror or error)) from error
    problem = problem_with(stored, figures)
    if problem:
        raise DamagedFileError(path, problem, _AGAIN)
    try:
        return parse_split(json.loads(stored), pool)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(path, f"it holds no split ({error!r})", _AGAIN) from error


def problem_with(stored: bytes, figures: FileFigures) -> str:
    """How bytes differ from what the registry expects; empty when they do not."""
    if len(stored) != figures.size:
        return f"it has {len(stored):,} bytes where the published file has {figures.size:,}"
    if hashlib.sha256(stored).hexdigest() != figures.sha256:
        return "its SHA-256 is not that of the published file"
    return ""


def parse_split(stored: dict[str, Any], pool: str) -> Split:
    """A split from the published schema.

    Parameters
    ----------
    stored : dict
        ``{name, pool, splitter, params, n_train, n_test, variants: [{variant_id, train_ids,
        test_ids}]}``.
    pool : str
        The pool's identifier; the file only describes it in words.

    Raises
    ------
    KeyError, TypeError, ValueError
        When it is none.
    """
    variants = tuple(
        SplitVariant(int(v["variant_id"]), tuple(v["train_ids"]), tuple(v["test_ids"]))
        for v in stored["variants"]
    )
    if not variants:
        raise ValueError("it has no variant")
    if not set(variants[0].train_ids).isdisjoint(variants[0].test_ids):
        raise ValueError("an image is on both sides")
    return Split(
        name=str(stored["name"]),
        pool=pool,
        params=dict(stored["params"]),
        variants=variants,
        splitter=str(stored["splitter"]),
    )


def copy_splits(
    from_dir: str | os.PathLike[str], data_dir: str | os.PathLike[str] | None = None
) -> CopiedSplits:
    """Take the published split files from a folder on this machine.

    Every file is verified by size and SHA-256 before any is copied; files that are
    already here and whole are left alone.

    Parameters
    ----------
    from_dir : path
        Holds ``{pool}/{name}.json``.
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    DataDirNotSetError
    NoMatchingDataError
        When the folder holds none of the files.
    DamagedFileError
        When a file there is not the published one; nothing is copied then.
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    source = Path(from_dir).expanduser()
    files = registry_in_force(root).files
    found = [key for key in files if (source / key).is_file()]
    if not found:
        raise NoMatchingDataError(
            f"{source} holds no published split. Give the folder that has "
            "shared/random_0.json and the others below it."
        )
    here = [key for key in found if _is_whole(splits_dir(root) / key, files[key])]
    to_copy = [key for key in found if key not in here]
    for key in to_copy:
        problem = problem_with((source / key).read_bytes(), files[key])
        if problem:
            raise DamagedFileError(source / key, problem, "Take the published files as they are.")
    for key in to_copy:
        with whole_file(splits_dir(root) / key) as writing, (source / key).open("rb") as reading:
            shutil.copyfileobj(reading, writing)
    missing = tuple(key for key in files if key not in found)
    return CopiedSplits(tuple(to_copy), tuple(here), missing)


def _is_whole(path: Path, figures: FileFigures) -> bool:
    try:
        return not problem_with(path.read_bytes(), figures)
    except OSError:
        return False
