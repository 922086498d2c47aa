"""The local store: an uncompressed copy of the masked betas, for fast reading.

A store holds one session of one subject inside one brain mask, in a file below
``{data_dir}/.laion_fmri/store/``, or below ``LAION_FMRI_STORE_DIR`` if set, for example for a
read-only data directory. `Subject.get_betas` uses a fresh store, one whose betas and brain mask
have not changed since it was built; copying the data directory keeps it fresh. The values are
identical. An outdated or damaged store is ignored, with a warning on how to rebuild it.
`verify_stores` verifies the checksums of all stored values.

A store requires 4 bytes per voxel and trial: 1.1 to 1.4 GB per session at the published size,
slightly more than the compressed betas. Building it takes about as long as reading a session once.
`estimate_store_bytes` computes the size in advance, `list_stores` shows existing stores.
`laion_fmri.store.file` describes and explains the layout.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import DamagedFileError, InconsistentDataError, StoreError
from laion_fmri.atomic_write import partial_files
from laion_fmri.config import load_settings
from laion_fmri.fingerprint import FileFingerprint
from laion_fmri.store.file import BetasStore, Header
from laion_fmri.store.writer import write_store
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.masks import MASK_SOURCES, nonzero, require_mask_source
from laion_fmri.volumes.nifti import Grid

STORE_DIR = ".laion_fmri/store"
"""Default folder, relative to the data directory."""

_NAME = re.compile(r"(sub-[A-Za-z0-9]+)_(ses-[A-Za-z0-9]+)_mask-([a-z]+)_betas\.store")


@dataclass(frozen=True)
class StoreInfo:
    """A store on disk.

    Attributes
    ----------
    subject, session, mask_source : str
    path : Path
    n_trials, n_voxels : int
        0 if the file is damaged.
    n_bytes : int
        Size of the file.
    is_fresh : bool
        Whether `get_betas` uses it.
    reason : str
        Why it is not used; empty if it is.
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


def store_root(data_dir: Path) -> Path:
    """Return the folder of the stores of a data directory."""
    return load_settings().store_dir or data_dir / STORE_DIR


def store_path(data_dir: Path, subject: str, session: str, mask_source: str) -> Path:
    """Return the path of the store of a session; it need not exist."""
    return store_root(data_dir) / subject / f"{subject}_{session}_mask-{mask_source}_betas.store"


# --- using ------------------------------------------------------------------------------


def fresh_store(files: SubjectFiles, session: str, mask_source: str) -> BetasStore | None:
    """Open the store of a session if it exists and is fresh.

    Warns
    -----
    UserWarning
        When it is outdated or damaged; None is returned.
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
    """Open a fresh store of a session with all these voxels, trying `mask_source` first."""
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


def stored_brain_mask(
    files: SubjectFiles, mask_source: str
) -> tuple[Grid, NDArray[np.bool_]] | None:
    """Read a brain mask from any store, if the mask's file has not changed since.

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
            unchanged = header.mask_source == mask_source and header.mask.matches(mask)
        except (OSError, DamagedFileError):  # fall back to the mask's own file
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
    """Compute the exact size of a store in bytes before it is built.

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
        When the betas or the brain mask are not downloaded.
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
    """Build the store of one session, unless it is fresh.

    Open readers continue with the old store; the new one replaces it when complete.

    Parameters
    ----------
    subject, session : str
        ``"sub-03"`` or ``"03"``, ``"ses-01"`` or ``"01"``.
    mask_source : {"anatomical", "rsquare"}
        The brain mask whose voxels are stored.
    data_dir : path, optional
        Instead of the configured one.
    force : bool
        Rebuild the store even if it is fresh.
    progress : callable, optional
        Called periodically with the completed fraction.

    Returns
    -------
    StoreInfo

    Raises
    ------
    DataNotDownloadedError
        When the betas or the brain mask are not downloaded.
    DamagedFileError
        When they are truncated or corrupt.
    InconsistentDataError
        When their grids differ, or they change while being read.
    StoreError
        When the store cannot be written, as on a full disk. No partial file remains.
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
    """List the stores on disk, or of one subject, by subject, session and mask source.

    Parameters
    ----------
    data_dir : path, optional
        Instead of the configured one.
    subject : str, optional
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    name = layout.subject_id(subject) if subject is not None else None
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
    """Remove the stores of a subject, and the files of unfinished builds.

    Parameters
    ----------
    subject : str
    session : str, optional
        Session to remove; all by default.
    mask_source : {"anatomical", "rsquare"}, optional
        Brain mask to remove; both by default.
    data_dir : path, optional
        Instead of the configured one.

    Returns
    -------
    list of StoreInfo
        Removed stores; may be empty.

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


def verify_stores(
    data_dir: str | os.PathLike[str] | None = None,
    subject: str | None = None,
    progress: Callable[[StoreInfo, float], None] | None = None,
) -> list[StoreInfo]:
    """Read every store and verify its checksums.

    Parameters
    ----------
    data_dir : path, optional
        Instead of the configured one.
    subject : str, optional
        Subject to verify; all by default.
    progress : callable, optional
        Called periodically with a store and its completed fraction.

    Returns
    -------
    list of StoreInfo
        All stores; one with a wrong checksum is not fresh, and `reason` says why.
    """
    return [_verified(info, progress) for info in list_stores(data_dir, subject)]


# --- internals -----------------------------------------------------------------------------


def _files(subject: str, data_dir: str | os.PathLike[str] | None) -> SubjectFiles:
    root = load_settings(data_dir=data_dir).require_data_dir()
    return SubjectFiles(layout.subject_id(subject), root)


def _mask_path(files: SubjectFiles, mask_source: str) -> Path:
    """The file that `SubjectFiles.brain_volume` reads."""
    if require_mask_source(mask_source) == "rsquare":
        return files.local(layout.mean_rsquare(files.name))
    key = layout.anatomical(files.name, "desc-brain_mask", layout.FUNCTIONAL_RES)
    return files.local(key, include="anatomical")


def _planned(files: SubjectFiles, session: str, mask_source: str) -> Header:
    """Return the header of a store to build from the current files."""
    mask = _mask_path(files, mask_source)
    betas = files.require_betas(session)
    sources = FileFingerprint.of(betas), FileFingerprint.of(mask)  # recorded before reading
    brain = files.brain_volume(mask_source)
    series = files.series(session, brain.grid)
    return Header(
        files.name, session, mask_source, brain.grid, np.flatnonzero(nonzero(brain)),
        series.n_volumes, *sources,
    )  # fmt: skip


def _examined(
    path: Path, files: SubjectFiles, session: str, mask_source: str
) -> tuple[BetasStore | None, str]:
    """Open a store, None if damaged; and return why it cannot be used, empty if it can."""
    try:
        store = BetasStore.open(path)
    except FileNotFoundError:
        return None, "there is none"
    except StoreError:
        return None, "it was built by another release of this package"
    except (OSError, DamagedFileError) as error:
        return None, f"it is damaged ({error})"
    said = (store.header.subject, store.header.session, store.header.mask_source)
    if said != (files.name, session, mask_source):
        return store, f"it is of {' '.join(said)}"
    return store, _changed(store.header, files)


def _changed(header: Header, files: SubjectFiles) -> str:
    """Describe changes of the files since a header was written; empty if there are none."""
    betas = files.betas_path(header.session)
    if betas is None:
        return "the betas are gone"
    try:
        mask = _mask_path(files, header.mask_source)
    except FileNotFoundError:
        return "the brain mask is gone"
    try:
        if not header.betas.matches(betas):
            return "the betas have changed"
        if not header.mask.matches(mask):
            return "the brain mask has changed"
    except OSError as error:
        return f"the files it was made from cannot be read ({error})"
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


def _verified(info: StoreInfo, progress: Callable[[StoreInfo, float], None] | None) -> StoreInfo:
    try:
        store = BetasStore.open(info.path)
        store.verify(partial(progress, info) if progress is not None else None)
    except StoreError:  # from another release, as its `reason` says
        return info
    except (OSError, DamagedFileError) as error:
        return replace(info, is_fresh=False, reason=f"it is damaged ({error})")
    return info


def _store_paths(data_dir: Path, subject: str | None) -> Iterator[Path]:
    for path in sorted(store_root(data_dir).glob(f"{subject or 'sub-*'}/*.store")):
        if _NAME.fullmatch(path.name):
            yield path


def _parts(path: Path) -> tuple[str, str, str]:
    match = _NAME.fullmatch(path.name)
    assert match is not None  # guaranteed by `_store_paths`
    return match[1], match[2], match[3]
