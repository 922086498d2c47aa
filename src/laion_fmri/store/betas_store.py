"""The local store: an uncompressed copy of the masked betas, for fast reading.

A store holds one session of one subject inside one brain mask, in a folder below
``{data_dir}/.laion_fmri/store/``, or below ``LAION_FMRI_STORE_DIR`` if set, for example for a
read-only data directory. `Subject.get_betas` uses a fresh store, one whose betas and brain mask
have not changed since it was built; copying the data directory keeps it fresh. The values are
identical. An outdated or damaged store is ignored, with a warning on how to rebuild it.
`verify_stores` verifies the checksums of all stored values.

A store requires 4 bytes per voxel and trial: 1.1 to 1.4 GB per session at the published size,
slightly more than the compressed betas. Building it takes about as long as reading a session once.
`estimate_store_bytes` computes the size in advance, `list_stores` shows existing stores.
A store is a Zarr v3 group, which zarr-python, TensorStore and xarray open too;
`laion_fmri.store.file` describes and explains the layout. `list_stores`, `drop_store` and
`verify_stores` include the averages of `laion_fmri.store.averages_store`.
"""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, memory
from laion_fmri._errors import DamagedFileError, InconsistentDataError, StoreError
from laion_fmri.arguments import number_of_jobs
from laion_fmri.atomic_write import partial_files, remove
from laion_fmri.config import load_settings
from laion_fmri.fingerprint import FileFingerprint
from laion_fmri.store import averages_store
from laion_fmri.store.file import BetasStore, Header, write_store
from laion_fmri.store.folder import folder_bytes
from laion_fmri.store.places import (
    OTHER_RELEASE,
    STORE_DIR,
    StoreInfo,
    change_of,
    change_of_mask,
    mask_path,
    store_root,
    subject_files,
)
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.masks import MASK_SOURCES, nonzero, require_mask_source
from laion_fmri.volumes.nifti import Grid

__all__ = [
    "STORE_DIR",
    "StoreInfo",
    "build_store",
    "build_stores",
    "drop_store",
    "estimate_store_bytes",
    "fresh_store",
    "list_stores",
    "store_for",
    "store_path",
    "store_root",
    "stored_brain_mask",
    "verify_stores",
]

_NONE = "there is none"
_BUFFERS = 200_000_000  # bytes of memory of a session that is being built
_NAME = re.compile(r"(sub-[A-Za-z0-9]+)_(ses-[A-Za-z0-9]+)_mask-([a-z]+)_betas\.(?:zarr|store)")


def store_path(data_dir: Path, subject: str, session: str, mask_source: str) -> Path:
    """Return the path of the store of a session; it need not exist."""
    return store_root(data_dir) / subject / f"{subject}_{session}_mask-{mask_source}_betas.zarr"


def _existing(path: Path) -> Path:
    """The path of the store, or that of an earlier release, which was one file."""
    earlier = path.with_suffix(".store")
    return earlier if not path.exists() and earlier.exists() else path


# --- using ------------------------------------------------------------------------------


def fresh_store(files: SubjectFiles, session: str, mask_source: str) -> BetasStore | None:
    """Open the store of a session if it exists and is fresh.

    Warns
    -----
    UserWarning
        When it is outdated or damaged; None is returned.
    """
    path = _existing(store_path(files.data_dir, files.name, session, mask_source))
    store, reason = _examined(path, files, session, mask_source)
    if not reason:
        return store
    # A store that another process is replacing can be there again by now.
    if reason != _NONE and path.exists():
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
    mask = mask_path(files, mask_source)
    for path in _store_paths(files.data_dir, files.name):
        if _parts(path)[2] != mask_source:
            continue
        try:
            header = BetasStore.open(path).header
            unchanged = header.mask_source == mask_source and header.mask.matches(mask)
        except (OSError, StoreError, DamagedFileError):  # fall back to the mask's own file
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
    return _planned(
        subject_files(subject, data_dir), layout.session_id(session), mask_source
    ).n_bytes


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
    files, session = subject_files(subject, data_dir), layout.session_id(session)
    path = store_path(files.data_dir, files.name, session, require_mask_source(mask_source))
    if force or _examined(path, files, session, mask_source)[1]:
        header = _planned(files, session, mask_source)
        write_store(path, header, files.series(session, header.grid), progress)
        if reason := _changed(header, files):
            remove(path)
            raise InconsistentDataError(
                f"While the store of {files.name} {session} was built, {reason}. Build it again "
                "when nothing else works on these files."
            )
        path.with_suffix(".store").unlink(missing_ok=True)  # of an earlier release
    return _info(path, files, session, mask_source)


def build_stores(
    subject: str,
    sessions: Iterable[str],
    mask_source: str = "anatomical",
    data_dir: str | os.PathLike[str] | None = None,
    force: bool = False,
    progress: Callable[[float], None] | None = None,
    n_jobs: int = 1,
) -> dict[str, StoreInfo]:
    """Build the stores of several sessions, some of them at the same time.

    Parameters
    ----------
    subject, mask_source, data_dir, force
        As for `build_store`.
    sessions : iterable of str
    progress : callable, optional
        Called periodically with the completed fraction of all sessions, from one thread at a time.
    n_jobs : int
        Number of threads, each of which decompresses one session, -1 for one a processor; fewer if
        the free memory has no room for their buffers, 0.2 GB each. Threads suffice, since
        decompressing is outside Python's lock.

    Returns
    -------
    dict of str to StoreInfo
        In the order of `sessions`.

    Raises
    ------
    InvalidArgumentError
        When `n_jobs` is no number of jobs.
    DataNotDownloadedError, DamagedFileError, InconsistentDataError, StoreError
        As for `build_store`. Sessions that are being built are completed first.
    """
    names = [*dict.fromkeys(map(layout.session_id, sessions))]
    done = dict.fromkeys(names, 0.0)
    lock = threading.Lock()

    def build(session: str) -> StoreInfo:
        def advance(fraction: float) -> None:
            with lock:
                done[session] = fraction
                if progress is not None:
                    progress(sum(done.values()) / len(done))

        info = build_store(subject, session, mask_source, data_dir, force, advance)
        advance(1)
        return info

    room = max(1, memory.available() // _BUFFERS)
    n_threads = min(number_of_jobs(n_jobs), room, max(1, len(names)))
    with ThreadPoolExecutor(n_threads) as pool:
        futures = [pool.submit(build, session) for session in names]
        try:
            return {name: one.result() for name, one in zip(names, futures, strict=True)}
        finally:  # after an error, no other session starts
            for future in futures:
                future.cancel()


def list_stores(
    data_dir: str | os.PathLike[str] | None = None, subject: str | None = None
) -> list[StoreInfo]:
    """List the stores on disk, or of one subject, by subject, session and mask source.

    Stores of image averages have the session ``"averages"``.

    Parameters
    ----------
    data_dir : path, optional
        Instead of the configured one.
    subject : str, optional
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    name = layout.subject_id(subject) if subject is not None else None
    found = averages_store.list_averages(root, name)
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
        Session to remove, or ``"averages"``; all by default.
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
    ses = session if session in (None, layout.AVERAGES) else layout.session_id(session)
    source = require_mask_source(mask_source) if mask_source is not None else None
    dropped = [
        store
        for store in list_stores(data_dir, subject)
        if ses in (None, store.session) and source in (None, store.mask_source)
    ]
    leftovers = [path for store in dropped for path in partial_files(store.path)]
    if ses is None and source is None:  # of stores that were never completed, too
        files = subject_files(subject, data_dir)
        leftovers = sorted((store_root(files.data_dir) / files.name).glob(".*.partial*"))
    for path in (*(store.path for store in dropped), *leftovers):
        try:
            remove(path)
        except OSError as error:
            raise StoreError(
                f"The store {path} cannot be removed ({error.strerror}). Check the permissions."
            ) from error
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


def _planned(files: SubjectFiles, session: str, mask_source: str) -> Header:
    """Return the header of a store to build from the current files."""
    mask = mask_path(files, mask_source)
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
    if path.suffix == ".store":
        return None, OTHER_RELEASE
    try:
        store = BetasStore.open(path)
    except FileNotFoundError:
        return None, _NONE
    except StoreError:
        return None, OTHER_RELEASE
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
    return change_of(header.betas, betas, "the betas have changed") or change_of_mask(
        header.mask, files, header.mask_source
    )


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
        n_bytes=folder_bytes(path),
        is_fresh=not reason,
        reason=reason,
    )


def _verified(info: StoreInfo, progress: Callable[[StoreInfo, float], None] | None) -> StoreInfo:
    if info.reason == OTHER_RELEASE:
        return info
    kind = averages_store.AveragesStore if info.session == layout.AVERAGES else BetasStore
    try:
        kind.open(info.path).verify(partial(progress, info) if progress is not None else None)
    except (OSError, DamagedFileError) as error:
        return replace(info, is_fresh=False, reason=f"it is damaged ({error})")
    return info


def _store_paths(data_dir: Path, subject: str | None) -> Iterator[Path]:
    for path in sorted(store_root(data_dir).glob(f"{subject or 'sub-*'}/*_betas.*")):
        if _NAME.fullmatch(path.name) and _existing(path.with_suffix(".zarr")) == path:
            yield path


def _parts(path: Path) -> tuple[str, str, str]:
    match = _NAME.fullmatch(path.name)
    assert match is not None  # guaranteed by `_store_paths`
    return match[1], match[2], match[3]
