"""The local store: an uncompressed copy of the masked betas, from which reading is instant.

A store holds one session of one subject inside one brain mask, in a file below
``{data_dir}/.laion_fmri/store/``. `Subject.get_betas` uses it when it is there and fresh,
that is when the betas and the brain mask it was made from still have the size and the time
of change they had then; the numbers are the same to the last bit. A store that is not fresh
or is damaged is ignored, with a warning that says how to build it again.

A store takes 4 bytes a voxel and trial: 1.1 to 1.4 GB a session at the published size,
somewhat more than the betas compressed, and about as long to build as to read a session
once. `estimate_store_bytes` says how much it will be, `list_stores` how much it is.
How it is laid out, and why, is told in `laion_fmri.store_file`.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import DamagedFileError, InconsistentDataError, StoreError
from laion_fmri.config import load_settings
from laion_fmri.masks import MASK_SOURCES, nonzero, require_mask_source
from laion_fmri.nifti import Grid
from laion_fmri.store_file import BetasStore, Header, Source
from laion_fmri.store_writer import partial_files, write_store
from laion_fmri.subject_files import SubjectFiles

STORE_DIR = ".laion_fmri/store"
"""Below the data directory."""

_NAME = re.compile(r"(sub-[A-Za-z0-9]+)_(ses-[A-Za-z0-9]+)_mask-([a-z]+)_betas\.store")


@dataclass(frozen=True)
class StoreInfo:
    """A store on disk.

    Attributes
    ----------
    subject, session, mask_source : str
    path : Path
    n_trials, n_voxels : int
        0 where the file is damaged.
    n_bytes : int
        What the file takes.
    is_fresh : bool
        Whether `get_betas` uses it.
    reason : str
        Why it does not; empty where it does.
    """

    subject: str
    session: str
    mask_source: str
    path: Path
    n_trials: int
    n_voxels: int
    n_bytes: int
    is_fresh: bool
    reason: str


def store_path(data_dir: Path, subject: str, session: str, mask_source: str) -> Path:
    """Where the store of a session is, or would be."""
    return data_dir / STORE_DIR / subject / f"{subject}_{session}_mask-{mask_source}_betas.store"


# --- using ------------------------------------------------------------------------------


def fresh_store(files: SubjectFiles, session: str, mask_source: str) -> BetasStore | None:
    """The store of a session, opened, if it is there and fresh.

    Warns
    -----
    UserWarning
        When it is there but out of date or damaged; the result is then None.
    """
    path = store_path(files.data_dir, files.name, session, mask_source)
    store, reason = _examined(path, files, session, mask_source)
    if not reason:
        return store
    if path.exists():
        warnings.warn(
            f"The store of {files.name} {session} ({mask_source} mask) is ignored: {reason}. "
            f"Subject.build_store({session!r}, mask_source={mask_source!r}) or "
            "`laion-fmri store build` builds it again, `laion-fmri store drop` removes it.",
            UserWarning,
            stacklevel=2,
        )
    return None


def store_for(
    files: SubjectFiles, session: str, mask_source: str, grid: Grid, voxels: NDArray[np.intp]
) -> BetasStore | None:
    """A fresh store of a session that has all these voxels; that of `mask_source` first."""
    own = fresh_store(files, session, mask_source)
    if own is not None and own.header.grid.same_as(grid) and own.covers(voxels):
        return own
    for other in MASK_SOURCES:
        if other != mask_source:
            path = store_path(files.data_dir, files.name, session, other)
            store, reason = _examined(path, files, session, other)
            if (
                store is not None
                and not reason
                and store.header.grid.same_as(grid)
                and store.covers(voxels)
            ):
                return store
    return None


def kept_brain_mask(files: SubjectFiles, mask_source: str) -> tuple[Grid, NDArray[np.bool_]] | None:
    """A brain mask as any store keeps it, if the mask's file has not changed since.

    Returns
    -------
    tuple of Grid and bool array of shape (n_total_voxels,), or None
    """
    mask = _mask_path(files, mask_source)
    for path in _store_paths(files.data_dir, files.name):
        if _parts(path)[2] != mask_source:
            continue
        try:
            header = BetasStore.open(path).header
            unchanged = header.mask_source == mask_source and header.mask == Source.of(mask)
        except (OSError, DamagedFileError):  # the mask is read from its own file then
            continue
        if unchanged:
            inside = np.zeros(header.grid.n_voxels, dtype=bool)
            inside[header.voxels] = True
            return header.grid, inside
    return None


# --- building, listing, dropping -----------------------------------------------------------


def estimate_store_bytes(
    subject: str,
    session: str,
    mask_source: str = "anatomical",
    data_dir: str | os.PathLike[str] | None = None,
) -> int:
    """What a store will take on disk, to the byte, before it is built.

    Parameters
    ----------
    subject, session : str
        ``"sub-03"`` or ``"03"``, ``"ses-01"`` or ``"01"``.
    mask_source : {"anatomical", "rsquare"}
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    DataNotDownloadedError
        When the betas or the brain mask are not local.
    """
    return _planned(_files(subject, data_dir), layout.session_id(session), mask_source).n_bytes


def build_store(
    subject: str,
    session: str,
    mask_source: str = "anatomical",
    data_dir: str | os.PathLike[str] | None = None,
    force: bool = False,
    progress: Callable[[float], None] | None = None,
) -> StoreInfo:
    """Build the store of one session; one that is fresh is left as it is.

    Who reads the old store meanwhile goes on reading it; the new one appears when it is
    whole.

    Parameters
    ----------
    subject, session : str
        ``"sub-03"`` or ``"03"``, ``"ses-01"`` or ``"01"``.
    mask_source : {"anatomical", "rsquare"}
        The brain mask whose voxels are kept.
    data_dir : path, optional
        Instead of the configured one.
    force : bool
        Build anew even if the store is fresh.
    progress : callable, optional
        Called now and then with the fraction that is done.

    Returns
    -------
    StoreInfo

    Raises
    ------
    DataNotDownloadedError
        When the betas or the brain mask are not local.
    DamagedFileError
        When they are truncated or corrupt.
    InconsistentDataError
        When they do not lie on one grid, or change while they are read.
    StoreError
        When the store cannot be written, as on a full disk. Nothing is left behind.
    """
    files, session = _files(subject, data_dir), layout.session_id(session)
    path = store_path(files.data_dir, files.name, session, require_mask_source(mask_source))
    if force or _examined(path, files, session, mask_source)[1]:
        header = _planned(files, session, mask_source)
        write_store(path, header, files.series(session, header.grid), progress)
        if reason := _changed(header, files):
            path.unlink(missing_ok=True)
            raise InconsistentDataError(
                f"While the store of {files.name} {session} was built, {reason}. Build it again "
                "when nothing else works on these files."
            )
    return _info(path, files, session, mask_source)


def list_stores(
    data_dir: str | os.PathLike[str] | None = None, subject: str | None = None
) -> list[StoreInfo]:
    """Every store on disk, or those of one subject, by subject, session and mask source.

    Parameters
    ----------
    data_dir : path, optional
        Instead of the configured one.
    subject : str, optional
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    name = layout.resolve_subject_id(subject) if subject is not None else None
    found = []
    for path in _store_paths(root, name):
        sub, ses, source = _parts(path)
        found.append(_info(path, SubjectFiles(sub, root), ses, source))
    return sorted(
        found, key=lambda one: (one.subject, layout.natural_order(one.session), one.mask_source)
    )


def drop_store(
    subject: str,
    session: str | None = None,
    mask_source: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> list[StoreInfo]:
    """Remove the stores of a subject, with what unfinished builds left of them.

    Parameters
    ----------
    subject : str
    session : str, optional
        Of this session only.
    mask_source : {"anatomical", "rsquare"}, optional
        Of this brain mask only.
    data_dir : path, optional
        Instead of the configured one.

    Returns
    -------
    list of StoreInfo
        What there was; empty when there was nothing.

    Raises
    ------
    StoreError
        When a file cannot be removed.
    """
    ses = layout.session_id(session) if session is not None else None
    source = require_mask_source(mask_source) if mask_source is not None else None
    dropped = []
    for store in list_stores(data_dir, subject):
        if ses in (None, store.session) and source in (None, store.mask_source):
            try:
                for path in (store.path, *partial_files(store.path)):
                    path.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(
                    f"The store {store.path} cannot be removed ({error.strerror}). Check the "
                    "permissions."
                ) from error
            dropped.append(store)
    return dropped


# --- inside -----------------------------------------------------------------------------


def _files(subject: str, data_dir: str | os.PathLike[str] | None) -> SubjectFiles:
    root = load_settings(data_dir=data_dir).require_data_dir()
    return SubjectFiles(layout.resolve_subject_id(subject), root)


def _mask_path(files: SubjectFiles, mask_source: str) -> Path:
    """The file that `SubjectFiles.brain_volume` reads."""
    if require_mask_source(mask_source) == "rsquare":
        return files.local(layout.mean_rsquare(files.name))
    key = layout.anatomical(files.name, "desc-brain_mask", layout.FUNCTIONAL_RES)
    return files.local(key, include="anatomical")


def _planned(files: SubjectFiles, session: str, mask_source: str) -> Header:
    """The header of a store that is to be built from the files as they are now."""
    mask = _mask_path(files, mask_source)
    betas = files.require_betas(session)
    sources = Source.of(betas), Source.of(mask)  # before they are read
    brain = files.brain_volume(mask_source)
    series = files.series(session, brain.grid)
    return Header(
        files.name, session, mask_source, brain.grid, np.flatnonzero(nonzero(brain)),
        series.n_volumes, *sources,
    )  # fmt: skip


def _examined(
    path: Path, files: SubjectFiles, session: str, mask_source: str
) -> tuple[BetasStore | None, str]:
    """An opened store, None if it is damaged; and why it cannot be used, empty if it can."""
    try:
        store = BetasStore.open(path)
    except FileNotFoundError:
        return None, "there is none"
    except (OSError, DamagedFileError) as error:
        return None, f"it is damaged ({error})"
    said = (store.header.subject, store.header.session, store.header.mask_source)
    if said != (files.name, session, mask_source):
        return store, f"it is of {' '.join(said)}"
    return store, _changed(store.header, files)


def _changed(header: Header, files: SubjectFiles) -> str:
    """What has changed since a header was made; empty when nothing has."""
    betas = files.betas_path(header.session)
    try:
        if betas is None or Source.of(betas) != header.betas:
            return "the betas have changed" if betas is not None else "the betas are gone"
        if Source.of(_mask_path(files, header.mask_source)) != header.mask:
            return "the brain mask has changed"
    except FileNotFoundError:
        return "the brain mask is gone"
    return ""


def _info(path: Path, files: SubjectFiles, session: str, mask_source: str) -> StoreInfo:
    store, reason = _examined(path, files, session, mask_source)
    header = store.header if store is not None else None
    return StoreInfo(
        subject=files.name,
        session=session,
        mask_source=mask_source,
        path=path,
        n_trials=header.n_trials if header else 0,
        n_voxels=len(header.voxels) if header else 0,
        n_bytes=path.stat().st_size if path.exists() else 0,
        is_fresh=not reason,
        reason=reason,
    )


def _store_paths(data_dir: Path, subject: str | None) -> Iterator[Path]:
    for path in sorted((data_dir / STORE_DIR).glob(f"{subject or 'sub-*'}/*.store")):
        if _NAME.fullmatch(path.name):
            yield path


def _parts(path: Path) -> tuple[str, str, str]:
    match = _NAME.fullmatch(path.name)
    assert match is not None  # `_store_paths` gives no other
    return match[1], match[2], match[3]
