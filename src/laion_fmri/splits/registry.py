"""Sizes and checksums of the splits; the names themselves are not stored.

The package includes the registry of the published splits. A dataset with its own splits declares
them in ``splits/declared.json``, which replaces it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from laion_fmri import layout
from laion_fmri._errors import DamagedFileError, UnknownNameError
from laion_fmri.splits import recipes

DECLARED = "declared.json"
PUBLISHED_SPLITS = (
    *recipes.RANDOM_SPLITS,
    *(f"cluster_k5_{fold}" for fold in range(5)),
    "tau",
    recipes.OOD,
)
"""The names of the published splits, in display order."""

_FILE_KEY = re.compile(r"[A-Za-z0-9][\w-]*/[A-Za-z0-9][\w-]*\.json")


@dataclass(frozen=True)
class NamesFigures:
    """A set of image names: their number, and the SHA-256 of the sorted names."""

    n: int
    sha256: str

    def fit(self, names: Iterable[str]) -> bool:
        """Whether `names` are exactly these."""
        names = list(names)
        return len(names) == self.n and names_sha256(names) == self.sha256


@dataclass(frozen=True)
class FileFigures:
    """A split file: size, checksum and, if declared, numbers of images."""

    size: int
    sha256: str
    n_train: int | None = None
    n_test: int | None = None


@dataclass(frozen=True)
class Registry:
    """Sizes and checksums of the pools and split files of a dataset.

    Attributes
    ----------
    dataset : str
    pools : mapping of str to NamesFigures
    files : mapping of str to FileFigures
        Keyed ``"{pool}/{name}.json"``.
    ood : NamesFigures or None
        All out-of-distribution images; None if the dataset does not declare them.
    ood_types : mapping of str to int
        Number of images of each type; empty if not declared.
    declared : bool
        Whether the dataset declares its own splits.
    later_pools : mapping of str to NamesFigures
        Pools that later editions added.
    """

    dataset: str
    pools: Mapping[str, NamesFigures]
    files: Mapping[str, FileFigures]
    ood: NamesFigures | None
    ood_types: Mapping[str, int]
    declared: bool
    later_pools: Mapping[str, NamesFigures] = field(default_factory=dict)

    def require_pool(self, pool: object) -> NamesFigures:
        """Return the entry of a pool.

        Raises
        ------
        UnknownNameError
        """
        if not isinstance(pool, str) or pool not in self.pools:
            raise UnknownNameError("pool", pool, self.pools)
        return self.pools[pool]

    def split_names(self, pool: str | None = None) -> list[str]:
        """Return the splits of one pool or of all: published ones first, in display order."""
        in_files = {
            key.partition("/")[2].removesuffix(".json")
            for key in self.files
            if pool is None or key.startswith(f"{pool}/")
        }
        names = in_files | set(recipes.COMPUTED_SPLITS)
        return [n for n in PUBLISHED_SPLITS if n in names] + sorted(names - set(PUBLISHED_SPLITS))

    def require_split(self, name: object, pool: object) -> FileFigures | None:
        """Return the entry of a split's file; None if it has no file and is only computed.

        Raises
        ------
        UnknownNameError
            When there is no such pool, or no such split of it.
        """
        self.require_pool(pool)
        if name not in (known := self.split_names(str(pool))):
            raise UnknownNameError("split", name, known)
        return self.files.get(f"{pool}/{name}.json")


def names_sha256(names: Iterable[str]) -> str:
    """Return the SHA-256 of the sorted names joined by newlines."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def splits_dir(data_dir: Path) -> Path:
    """Return the folder of split files."""
    return data_dir / layout.SPLITS_TREE


def registry_in_force(data_dir: Path | None) -> Registry:
    """Return the registry declared by the dataset in `data_dir`, else that of the package.

    Raises
    ------
    DamagedFileError
        When the declaration of the dataset cannot be read.
    """
    path = None if data_dir is None else splits_dir(data_dir) / DECLARED
    if path is None or not path.is_file():
        return published_registry()
    return read_registry(path, declared=True)


@cache
def published_registry() -> Registry:
    """Return the registry of the published splits, included in the package."""
    return read_registry(Path(__file__).with_name("registry.json"), declared=False)


def read_registry(path: Path, declared: bool) -> Registry:
    """Read a registry.

    Raises
    ------
    DamagedFileError
        When it is not a registry.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return _parse(stored, declared)
    except OSError as error:
        raise DamagedFileError(path, str(error.strerror or error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(path, f"it is no registry of splits ({error!r})") from error


def _parse(stored: dict[str, Any], declared: bool) -> Registry:
    unsafe = [key for key in stored["files"] if not _FILE_KEY.fullmatch(key)]
    if unsafe:
        raise ValueError(f"{unsafe[0]!r} is not of the form pool/name.json")
    ood = stored.get("ood")
    return Registry(
        dataset=str(stored["dataset"]),
        pools={pool: _names(figures) for pool, figures in stored["pools"].items()},
        files={key: _file(figures) for key, figures in stored["files"].items()},
        ood=_names(ood) if ood else None,
        ood_types={k: int(n) for k, n in ood.get("types", {}).items()} if ood else {},
        declared=declared,
        later_pools={pool: _names(f) for pool, f in stored.get("later_pools", {}).items()},
    )


def _names(figures: dict[str, Any]) -> NamesFigures:
    return NamesFigures(int(figures["n"]), str(figures["names_sha256"]))


def _file(figures: dict[str, Any]) -> FileFigures:
    n_train, n_test = figures.get("n_train"), figures.get("n_test")
    return FileFigures(
        size=int(figures["size"]),
        sha256=str(figures["sha256"]),
        n_train=None if n_train is None else int(n_train),
        n_test=None if n_test is None else int(n_test),
    )
