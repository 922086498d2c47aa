"""Write a store of betas: blocks of voxels from the betas as they are decompressed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from laion_fmri.store.file import Header
from laion_fmri.store.folder import write_folder
from laion_fmri.store.shard import ShardWriter
from laion_fmri.store.zarr_format import NUMBER
from laion_fmri.volumes.grid import Series

_TRIALS_AT_ONCE = 64  # trials buffered before writing: 80 MB at the published size


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
        When it cannot be written: no space, no permission. No partial store remains.
    DamagedFileError
        When the betas are truncated or corrupt.
    """

    def fill(shard: ShardWriter, _: Path) -> None:
        rows = np.empty((min(_TRIALS_AT_ONCE, header.n_trials), len(header.voxels)), dtype=NUMBER)
        with closing(series.fill(header.voxels, lambda trial: rows[trial % len(rows)])) as trials:
            for trial in trials:
                n_rows = trial % len(rows) + 1
                if n_rows < len(rows) and trial < header.n_trials - 1:
                    continue
                for block in range(shard.n_blocks):
                    shard.write(block, trial + 1 - n_rows, rows[:n_rows, shard.columns(block)])
                if progress is not None:
                    progress((trial + 1) / header.n_trials)

    write_folder(path, header.contents, fill)
