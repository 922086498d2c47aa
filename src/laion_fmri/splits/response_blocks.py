"""Mean responses to images, in blocks of voxels: from a store of averages, or from the betas."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import NoMatchingDataError
from laion_fmri.responses import require_sessions
from laion_fmri.store.averages_store import AveragesStore, fresh_averages
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    from laion_fmri.subject import Subject

VOXELS_AT_ONCE = 2048  # a multiple of the width of the blocks of the store of averages
_BYTES_AT_ONCE = 1.5e9  # of averages while they are calculated
_BYTES_OF_A_MEAN = 16

Block = tuple[slice, NDArray[np.float32]]


class ReportsSteps(Protocol):
    """What is told of each step."""

    def next(self, what: str) -> None:
        """Start the next step."""
        ...


class ResponseBlocks(Protocol):
    """Mean responses to images, one block of voxels after the other.

    Attributes
    ----------
    names : tuple of str
        The images, all of which were shown.
    n_repeats : ndarray of int, shape (n_images,)
        Number of trials with each image.
    n_voxels, n_blocks, n_reads : int
        Number of voxels, of blocks, and of steps of reading that `read` reports.
    """

    names: tuple[str, ...]
    n_repeats: NDArray[np.intp]
    n_voxels: int

    @property
    def n_blocks(self) -> int: ...  # noqa: D102

    @property
    def n_reads(self) -> int: ...  # noqa: D102

    def read(self, steps: ReportsSteps) -> Iterator[Block]:
        """Yield the voxels and the responses of each block, float32 (n_images, n_voxels)."""
        ...


class BlocksInMemory:
    """Blocks of responses that are in memory."""

    n_reads = 0

    def __init__(
        self, names: Sequence[str], values: NDArray[np.float32], n_repeats: NDArray[np.intp]
    ) -> None:
        self.names, self._values, self.n_repeats = tuple(names), values, n_repeats
        self.n_voxels = values.shape[1]

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(_slices(self.n_voxels))

    def read(self, steps: ReportsSteps) -> Iterator[Block]:
        """Yield each block."""
        for voxels in _slices(self.n_voxels):
            yield voxels, self._values[:, voxels]


class BlocksOfAverages:
    """Blocks of a store of averages; the next one is read while one is in use."""

    n_reads = 0

    def __init__(
        self, store: AveragesStore, images: Iterable[str], voxels: NDArray[np.intp]
    ) -> None:
        row_of = {name: row for row, name in enumerate(store.names)}
        self.names = tuple(name for name in dict.fromkeys(images) if name in row_of)
        self._rows = np.array([row_of[name] for name in self.names], dtype=np.intp)
        self.n_repeats = np.asarray(store.n_repeats, dtype=np.intp)[self._rows]
        self.n_voxels, self._voxels, self._store = len(voxels), voxels, store

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(_slices(self.n_voxels))

    def read(self, steps: ReportsSteps) -> Iterator[Block]:
        """Yield each block."""
        blocks = _slices(self.n_voxels)
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self._read, blocks[0])
            for at, voxels in enumerate(blocks):
                values = coming.result()
                if at + 1 < len(blocks):
                    coming = pool.submit(self._read, blocks[at + 1])
                yield voxels, values

    def _read(self, voxels: slice) -> NDArray[np.float32]:
        return self._store.read(self._rows, self._voxels[voxels])


class BlocksOfBetas:
    """Blocks of averages that are calculated from betas, as many voxels at a time as fit."""

    def __init__(
        self,
        sub: Subject,
        images: Iterable[str],
        in_mask: NDArray[np.bool_],
        sessions: Sequence[str],
        mask_source: MaskSource,
    ) -> None:
        tables = sub.get_trial_info(sessions)
        count = Counter(str(label) for table in tables.values() for label in table["label"])
        self.names = tuple(name for name in dict.fromkeys(images) if name in count)
        if not self.names:
            raise NoMatchingDataError(
                f"None of these images was shown to {sub.name} in these sessions. Use more "
                "sessions, or another pool."
            )
        self.n_repeats = np.array([count[name] for name in self.names], dtype=np.intp)
        self._sub, self._sessions, self._source = sub, sessions, mask_source
        self._columns = np.flatnonzero(in_mask)
        self._n_brain, self.n_voxels = len(in_mask), len(self._columns)
        most = int(_BYTES_AT_ONCE / _BYTES_OF_A_MEAN / len(self.names))
        self._slab = max(most // VOXELS_AT_ONCE, 1) * VOXELS_AT_ONCE

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(_slices(self.n_voxels))

    @property
    def n_reads(self) -> int:
        """Number of sessions to read, each as often as there are parts."""
        return len(self._sessions) * len(_slices(self.n_voxels, self._slab))

    def read(self, steps: ReportsSteps) -> Iterator[Block]:
        """Yield each block."""
        parts = _slices(self.n_voxels, self._slab)
        if len(parts) > 1:
            warnings.warn(
                f"{self.n_voxels:,} voxels do not fit into memory at once, so each session of "
                f"{self._sub.name} is read {len(parts)} times. Subject.build_averages() or "
                "`laion-fmri store build --averages` makes this as fast as reading once.",
                UserWarning,
                stacklevel=2,
            )
        for part in parts:
            mask = np.zeros(self._n_brain, dtype=bool)
            mask[self._columns[part]] = True
            request = self._sub.request_responses(
                self.names, mask=mask, session=self._sessions, mask_source=self._source
            )
            values = request.read(on_session=lambda name: steps.next(f"Reading {name}")).values
            for voxels in _slices(values.shape[1]):
                moved = slice(part.start + voxels.start, part.start + voxels.stop)
                yield moved, values[:, voxels]


def open_blocks(
    sub: Subject,
    images: Iterable[str],
    in_mask: NDArray[np.bool_],
    sessions: Iterable[str] | None = None,
    mask_source: MaskSource = "anatomical",
) -> ResponseBlocks:
    """Open the mean responses to images: from fresh averages, or else from the betas.

    Parameters
    ----------
    sub : Subject
    images : iterable of str
        Those that were not shown are left out.
    in_mask : ndarray of bool, shape (n_brain_voxels,)
    sessions : iterable of str, optional
        All downloaded sessions by default.
    mask_source : {"anatomical", "rsquare"}

    Raises
    ------
    DataNotDownloadedError
        When no session is downloaded, or a requested one is not.
    NoMatchingDataError
        When none of the images was shown.
    """
    chosen = require_sessions(sub, sessions)
    files = SubjectFiles(sub.name, sub.data_dir)
    store = fresh_averages(files, mask_source, chosen)
    if store is not None:
        brain = np.flatnonzero(sub.get_brain_mask(mask_source))
        found = BlocksOfAverages(store, images, brain[in_mask])
        if found.names:
            return found
    return BlocksOfBetas(sub, images, in_mask, chosen, mask_source)


def _slices(n: int, width: int | None = None) -> list[slice]:
    width = width or VOXELS_AT_ONCE
    return [slice(start, min(start + width, n)) for start in range(0, n, width)]
