"""A store of betas: one session, masked, uncompressed, in blocks of 64 neighbouring voxels.

It is a Zarr v3 group (see `laion_fmri.store.zarr_format`) with ``betas`` (trial, voxel), float32,
and ``voxel``, the flat grid indices in C order (int64, increasing). The attributes of the group
describe the content and its sources.

The width of the blocks was measured (``tests/benchmarks/bench_store.py --layouts``) when they were
in a file of our own format, with 1,066 trials of 320,332 voxels, 1.37 GB, on two busy cores and a
virtual disk. Median ms for an ROI of 513 voxels over all trials, 500 voxels drawn at random over
all trials, one trial of the whole brain, and the whole session; cold is without cached file
contents:

======================  ====  ======  =====  =======  ========  ===========  ==========
layout                  ROI   random  trial  session  cold ROI  cold random  cold trial
======================  ====  ======  =====  =======  ========  ===========  ==========
trial after trial       28    178     0.3    260      1,210     800          6
voxel after voxel       0.5   6.5     135    6,620    177       1,000        1,070
32 trials by voxel      2.1   100     9.3    3,400    541       1,270        28
blocks of 16 voxels     7.7   12      39     3,350    13        52           284
blocks of 32 voxels     6.2   15      22     1,120    24        77           129
**blocks of 64**        5.8   29      11     510      28        133          65
blocks of 128 voxels    16    66      8.8    450      32        258          67
blocks of 256 voxels    7.2   126     2.5    510      42        411          16
======================  ====  ======  =====  =======  ========  ===========  ==========

Trial order is slow for an ROI; voxel order is slow for a trial, and slower than the compressed file
for a session; storing both would double the size. Blocks of 64 voxels are fast for all access
patterns, also from disk.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri import memory
from laion_fmri.fingerprint import FileFingerprint
from laion_fmri.store.folder import write_folder
from laion_fmri.store.open_store import OpenStore
from laion_fmri.store.shard import ShardWriter
from laion_fmri.store.zarr_format import NUMBER, Contents, SmallArray
from laion_fmri.volumes.grid import Series
from laion_fmri.volumes.nifti import Grid

WIDTH = 64
"""Number of voxels per block."""

_TRIALS_AT_ONCE = 64  # trials buffered before writing: 80 MB at the published size


@dataclass(frozen=True, eq=False)
class Header:
    """The content of a store and the files it was built from.

    Attributes
    ----------
    subject, session, mask_source : str
    grid : Grid
    voxels : ndarray of int64, shape (n_voxels,)
        The voxels of the brain mask: flat grid indices in C order, increasing.
    n_trials : int
    betas, mask : FileFingerprint
        The source files.
    width : int
        Number of voxels per block.
    """

    subject: str
    session: str
    mask_source: str
    grid: Grid
    voxels: NDArray[np.int64]
    n_trials: int
    betas: FileFingerprint
    mask: FileFingerprint
    width: int = WIDTH

    @property
    def contents(self) -> Contents:
        """The arrays and the description of the store."""
        said = {
            "subject": self.subject,
            "session": self.session,
            "mask_source": self.mask_source,
            **grid_as_json(self.grid),
            "betas_file": asdict(self.betas),
            "mask_file": asdict(self.mask),
        }
        small = {"voxel": SmallArray(("voxel",), self.voxels)}
        shape = self.n_trials, len(self.voxels)
        return Contents("betas", ("trial", "voxel"), shape, self.width, small, said)

    @classmethod
    def of(cls, contents: Contents) -> Header:
        """Return the header of an open store.

        Raises
        ------
        ValueError, KeyError, TypeError
            When it is no store of betas.
        """
        said = contents.said
        return cls(
            subject=said["subject"],
            session=said["session"],
            mask_source=said["mask_source"],
            grid=grid_from_json(said),
            voxels=contents.small["voxel"].values,
            n_trials=contents.shape[0],
            betas=FileFingerprint(**said["betas_file"]),
            mask=FileFingerprint(**said["mask_file"]),
            width=contents.width,
        )

    @property
    def n_bytes(self) -> int:
        """Size of all files."""
        return self.contents.n_bytes


class BetasStore(OpenStore[Header]):
    """An open store of betas, with the reading methods of `Series`."""

    header_type = Header

    @property
    def n_volumes(self) -> int:
        """Number of trials."""
        return self.header.n_trials

    def masked(
        self, voxels: NDArray[np.intp], volumes: NDArray[np.intp] | None = None
    ) -> NDArray[np.float32]:
        """Read selected voxels of selected trials.

        Parameters
        ----------
        voxels : array of int, shape (n_voxels,)
            Flat grid indices in C order, increasing, of voxels that are in the store.
        volumes : array of int, shape (n_trials,), optional
            Rows of the session, increasing; all by default.

        Returns
        -------
        ndarray of float32, shape (n_trials, n_voxels)

        Raises
        ------
        DamagedFileError
            When the file is shorter than expected.
        """
        rows = None if volumes is None else np.asarray(volumes, np.intp)
        n_rows = self.n_volumes if rows is None else len(rows)
        out = memory.empty((n_rows, len(voxels)), np.float32)
        self._folder.shard.read(rows, self.columns(voxels), out)
        return out

    def row_reader(self, voxels: NDArray[np.intp]) -> Callable[[int], NDArray[np.float32]]:
        """Return a function that copies selected voxels of one trial, for many calls.

        It reads from a memory map, which stays valid when the store is replaced or removed.

        Parameters
        ----------
        voxels : array of int, shape (n_voxels,)
            As in `masked`.
        """
        columns = self.columns(voxels)
        values = self._folder.shard.mapped(columns)
        if columns is None:
            return lambda trial: values[trial].flatten()[: len(voxels)]
        block, place = np.divmod(columns, self.header.width)
        return lambda trial: values[trial, block, place]


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


def grid_as_json(grid: Grid) -> dict[str, Any]:
    """Return what describes a grid in a store."""
    return {"grid_shape": [*grid.shape], "affine": grid.affine.tolist()}


def grid_from_json(said: Any) -> Grid:
    """Return the grid of a store's description."""
    nx, ny, nz = said["grid_shape"]
    return Grid((nx, ny, nz), np.array(said["affine"], dtype=np.float64))
