"""Writing a store: from the betas as they are inflated to blocks of voxels."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from laion_fmri._errors import LaionFmriError, StoreError
from laion_fmri.store_file import NUMBER, Header
from laion_fmri.volumes import Series

_TRIALS_AT_ONCE = 64  # what is gathered before it is written: 80 MB at the published size
_ABANDONED_SECONDS = 3600  # a build that lives writes more often


def write_store(
    path: Path,
    header: Header,
    series: Series,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write a store; it appears under its name only when it is whole.

    Parameters
    ----------
    path : Path
    header : Header
        Its voxels are taken from `series`.
    series : Series
    progress : callable, optional
        Called now and then with the fraction that is done.

    Raises
    ------
    StoreError
        When it cannot be written: no space, no permission. Nothing is left behind.
    DamagedFileError
        When the betas are truncated or corrupt.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(path)
        with _replaced_when_whole(path) as file:
            _reserve(file, header.n_bytes)
            file.write(header.pack())
            _write_blocks(file, header, series, progress)
    except LaionFmriError:
        raise
    except OSError as error:
        raise StoreError(
            f"The store {path} cannot be written ({error.strerror or error}); it takes "
            f"{header.n_bytes / 1e6:,.0f} MB. Make room or check the permissions; "
            "`laion-fmri store list` shows what other stores cost."
        ) from error


def partial_files(path: Path) -> list[Path]:
    """What builds of this store have not finished, or were killed over."""
    return sorted(path.parent.glob(f".{path.name}.*.partial"))


def _write_blocks(
    file: BinaryIO, header: Header, series: Series, progress: Callable[[float], None] | None
) -> None:
    n_voxels, width, begin = len(header.voxels), header.width, file.tell()
    rows = np.empty((min(_TRIALS_AT_ONCE, header.n_trials), n_voxels), dtype=NUMBER)
    with closing(series.fill(header.voxels, lambda trial: rows[trial % len(rows)])) as trials:
        for trial in trials:
            n_rows = trial % len(rows) + 1
            if n_rows < len(rows) and trial < header.n_trials - 1:
                continue
            for block in range(math.ceil(n_voxels / width)):
                numbers = rows[:n_rows, block * width : (block + 1) * width]
                in_block = (trial + 1 - n_rows) * numbers.shape[1]
                place = block * width * header.n_trials + in_block
                file.seek(begin + place * NUMBER.itemsize)
                file.write(numbers.tobytes())
            if progress is not None:
                progress((trial + 1) / header.n_trials)


@contextmanager
def _replaced_when_whole(path: Path) -> Iterator[BinaryIO]:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # the name must not outlive the numbers in a power cut
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _reserve(file: BinaryIO, n_bytes: int) -> None:
    """Have a full disk fail now, and not when most of the work is done."""
    try:
        os.posix_fallocate(file.fileno(), 0, n_bytes)
    except AttributeError:  # not on this system
        return
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # not on this file system
            raise


def _clear_abandoned(path: Path) -> None:
    for partial in partial_files(path):
        with contextlib.suppress(FileNotFoundError):  # that build has just come to its end
            if time.time() - partial.stat().st_mtime > _ABANDONED_SECONDS:
                partial.unlink()
