"""Write a store: blocks of voxels from the betas as they are decompressed."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import numpy as np

from laion_fmri._errors import LaionFmriError, StoreError
from laion_fmri.atomic_write import atomic_path, partial_files
from laion_fmri.store.file import NUMBER, Header, crc32, pack_checksums
from laion_fmri.volumes.grid import Series

_TRIALS_AT_ONCE = 64  # trials buffered before writing: 80 MB at the published size
_ABANDONED_SECONDS = 3600  # a running build writes more often


def write_store(
    path: Path,
    header: Header,
    series: Series,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write a store; it appears under its name when it is complete.

    Parameters
    ----------
    path : Path
    header : Header
        Defines the voxels to read from `series`.
    series : Series
    progress : callable, optional
        Called periodically with the completed fraction.

    Raises
    ------
    StoreError
        When it cannot be written: no space, no permission. No partial file remains.
    DamagedFileError
        When the betas are truncated or corrupt.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(path)
        with atomic_path(path) as temporary, temporary.open("xb") as file:
            _reserve(file, header.n_bytes)
            file.write(header.pack())
            _write_blocks(file, header, series, progress)
            file.flush()
            os.fsync(file.fileno())  # the rename must not survive a power cut without the data
    except LaionFmriError:
        raise
    except OSError as error:
        raise StoreError(
            f"The store {path} cannot be written ({error.strerror or error}); it takes "
            f"{header.n_bytes / 1e6:,.0f} MB. Make room or check the permissions; "
            "`laion-fmri store list` shows what other stores cost, and LAION_FMRI_STORE_DIR names "
            "another folder for stores."
        ) from error


def _write_blocks(
    file: BinaryIO, header: Header, series: Series, progress: Callable[[float], None] | None
) -> None:
    n_voxels, width, begin = len(header.voxels), header.width, file.tell()
    checksums = np.zeros(header.n_blocks, dtype=np.uint32)
    rows = np.empty((min(_TRIALS_AT_ONCE, header.n_trials), n_voxels), dtype=NUMBER)
    with closing(series.fill(header.voxels, lambda trial: rows[trial % len(rows)])) as trials:
        for trial in trials:
            n_rows = trial % len(rows) + 1
            if n_rows < len(rows) and trial < header.n_trials - 1:
                continue
            for block in range(header.n_blocks):
                numbers = rows[:n_rows, block * width : (block + 1) * width]
                in_block = (trial + 1 - n_rows) * numbers.shape[1]
                place = block * width * header.n_trials + in_block
                file.seek(begin + place * NUMBER.itemsize)
                part = numbers.tobytes()
                file.write(part)
                checksums[block] = crc32(part, int(checksums[block]))
            if progress is not None:
                progress((trial + 1) / header.n_trials)
    file.seek(begin + header.n_trials * n_voxels * NUMBER.itemsize)
    file.write(pack_checksums(checksums))


def _reserve(file: BinaryIO, n_bytes: int) -> None:
    """Reserve space, so that a full disk fails at the start."""
    try:
        os.posix_fallocate(file.fileno(), 0, n_bytes)
    except AttributeError:  # not on this system
        return
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # not on this file system
            raise


def _clear_abandoned(path: Path) -> None:
    for partial in partial_files(path):
        with contextlib.suppress(FileNotFoundError):  # that build has just ended
            if time.time() - partial.stat().st_mtime > _ABANDONED_SECONDS:
                partial.unlink()
