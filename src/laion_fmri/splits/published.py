"""Published split files: their paths, verified reading, and copying from a folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from laion_fmri._errors import DamagedFileError, InvalidArgumentError, NoMatchingDataError
from laion_fmri.atomic_write import atomic_file
from laion_fmri.config import Settings, cache_folder, load_settings
from laion_fmri.splits import editions
from laion_fmri.splits.editions import parse_split
from laion_fmri.splits.registry import FileFigures, Registry, registry_in_force, splits_dir
from laion_fmri.splits.split import FIRST_EDITION, LATER_EDITION, Split

PUBLISHED_AT = (
    "https://raw.githubusercontent.com/ViCCo-Group/LAION-fMRI/"
    "eee8400aa3214f310b840397f9f043b9c2da79b0/laion_fmri/splits/data"
)
PUBLISHED_LATER_AT = (
    "https://raw.githubusercontent.com/ViCCo-Group/LAION-fMRI/main/laion_fmri/splits/data"
)
_AGAIN = "Delete it and get it again with `laion-fmri download-splits`."


@dataclass(frozen=True)
class CopiedSplits:
    """The result of copying published split files, by ``"{pool}/{name}.json"``.

    Files of the later edition are stored as ``"v2/{pool}/{name}.json"``.

    Attributes
    ----------
    copied : tuple of str
        Files that were copied.
    already_here : tuple of str
        Files that already existed and are valid.
    missing : tuple of str
        Files that are missing in the source.
    """

    copied: tuple[str, ...]
    already_here: tuple[str, ...]
    missing: tuple[str, ...]

    def as_dict(self) -> dict[str, list[str]]:
        """Return the result as a dict, for JSON output."""
        return {name: list(keys) for name, keys in vars(self).items()}

    def __str__(self) -> str:
        return (
            f"{len(self.copied)} copied, {len(self.already_here)} already there, "
            f"{len(self.missing)} missing"
        )


def split_url(pool: str, name: str) -> str:
    """Return the address of a published split."""
    return f"{PUBLISHED_AT}/{pool}/{name}.json"


def split_path(pool: str, name: str, root: Path) -> Path:
    """Return the path of a split below a data directory or the cache; it need not exist."""
    return splits_dir(root) / pool / f"{name}.json"


def split_roots(settings: Settings) -> list[Path]:
    """Return the folders searched for split files: the data directory, then the user's cache.

    Raises
    ------
    DataDirNotSetError
        When the configured data directory does not exist.
    """
    own = [] if settings.data_dir is None else [settings.require_data_dir()]
    return [*own, cache_folder()]


def splits_root(settings: Settings) -> Path:
    """Return the folder for downloaded split files: the first writable one of `split_roots`."""
    roots = split_roots(settings)
    return next((root for root in roots[:-1] if os.access(root, os.W_OK)), roots[-1])


def find_file(key: str, roots: Iterable[Path]) -> Path | None:
    """Return the first file with a key below the split folders."""
    return next((path for root in roots if (path := splits_dir(root) / key).exists()), None)


def read_bytes(path: Path) -> bytes:
    """Read the content of a split file.

    Raises
    ------
    DamagedFileError
        When it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        advice = "Check the file at this path and its permissions."
        raise DamagedFileError(path, str(error.strerror or error), advice) from error


def read_split(path: Path, pool: str, name: str, figures: FileFigures) -> Split:
    """Read a split from its local file, after verifying that it is the published one.

    Raises
    ------
    DamagedFileError
        When its size or SHA-256 differs, or it is not a valid split.
    """
    stored = read_bytes(path)
    if problem := problem_with(stored, figures):
        raise DamagedFileError(path, problem, _AGAIN)
    try:
        return parse_split(stored, name, pool, FIRST_EDITION)
    except ValueError as error:
        raise DamagedFileError(path, str(error), _AGAIN) from error


def problem_with(stored: bytes, figures: FileFigures) -> str:
    """Return the difference between bytes and their registry entry; empty if they match."""
    if len(stored) != figures.size:
        return f"it has {len(stored):,} bytes where the published file has {figures.size:,}"
    if hashlib.sha256(stored).hexdigest() != figures.sha256:
        return "its SHA-256 is not that of the published file"
    return ""


def copy_splits(
    from_dir: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    *,
    edition: str | None = None,
) -> CopiedSplits:
    """Copy published split files from a local folder.

    Every file is checked before any is copied; existing valid files are left unchanged. Files of
    the edition ``"v1"`` must have the known checksums. Later files, which are still being revised,
    are checked for consistency: the split of their name, images of their pool, disjoint sides,
    stated sizes. They are stored separately as the edition ``"v2"``.

    Parameters
    ----------
    from_dir : path
        Folder with ``{pool}/{name}.json``.
    data_dir : path, optional
        Instead of the configured one. Without one, the files go to the user's cache.
    edition : {"v1", "v2"}, optional
        Edition of all files. By default it is detected for each file by its checksum, or by its
        pool, revision or folds.

    Raises
    ------
    UnknownNameError
        When there is no such edition.
    NoMatchingDataError
        When the folder holds none of the files.
    DamagedFileError
        When a file is not the published one, or is inconsistent; nothing is copied.
    """
    if edition is not None:
        editions.as_edition(edition)
    settings = load_settings(data_dir=data_dir)
    root, source = splits_root(settings), Path(from_dir).expanduser()
    registry = registry_in_force(settings.data_dir)
    later = [f"{pool}/{name}.json" for pool, names in editions.later_pools(registry).items()
             for name in names]  # fmt: skip
    known = list(registry.files) if edition == FIRST_EDITION else sorted({*registry.files, *later})
    found = [key for key in known if (source / key).is_file()]
    if not found:
        raise NoMatchingDataError(
            f"{source} holds no published split. Give the folder that has "
            "shared/random_0.json and the others below it."
        )
    targets: dict[str, bytes] = {}
    for key in found:
        stored = read_bytes(source / key)
        targets[_target(source / key, key, stored, edition, registry, settings.data_dir)] = stored
    here = [key for key, stored in targets.items() if _is_here(splits_dir(root) / key, stored)]
    to_copy = [key for key in targets if key not in here]
    try:
        for key in to_copy:
            with atomic_file(splits_dir(root) / key) as writing:
                writing.write(targets[key])
    except OSError as error:
        raise InvalidArgumentError(
            f"{splits_dir(root)} cannot be written ({error.strerror or error}). Set another data "
            "directory."
        ) from error
    expected = later if edition == LATER_EDITION else registry.files
    missing = tuple(key for key in expected if key not in found)
    return CopiedSplits(tuple(to_copy), tuple(here), missing)


def _target(
    path: Path,
    key: str,
    stored: bytes,
    edition: str | None,
    registry: Registry,
    data_dir: Path | None,
) -> str:
    """Return the path of a file below the folder of the splits; raise an error if it is invalid."""
    pool, _, name = key.removesuffix(".json").partition("/")
    figures = registry.files.get(key)
    if edition != LATER_EDITION and figures is not None:
        problem = problem_with(stored, figures)
        if not problem:
            return key
        advice = (
            "Take the published files as they are. If it was published later, give "
            f"edition={LATER_EDITION!r} (`--edition {LATER_EDITION}`)."
        )
        if edition == FIRST_EDITION:
            raise DamagedFileError(path, problem, advice)
        try:
            split = editions.read_later(path, stored, name, pool, registry, data_dir)
        except DamagedFileError:
            raise DamagedFileError(path, problem, advice) from None
        if not editions.is_later(split):
            raise DamagedFileError(path, problem, advice)
    else:
        editions.read_later(path, stored, name, pool, registry, data_dir)
    return editions.later_key(pool, name)


def _is_here(path: Path, stored: bytes) -> bool:
    try:
        return path.read_bytes() == stored
    except OSError:
        return False
