"""Single-trial betas and noise ceilings of selected voxels."""

from __future__ import annotations

import math
import numbers
import warnings
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, memory, trials
from laion_fmri._errors import DamagedFileError, InvalidArgumentError, NotEnoughMemoryError
from laion_fmri.arguments import as_scalar, number_of_jobs
from laion_fmri.store import betas_store as store
from laion_fmri.store.file import BetasStore
from laion_fmri.subject_files import RoiQuery, SubjectFiles
from laion_fmri.transfer.plan import count_of, format_bytes
from laion_fmri.volumes.grid import Series, read_volume, require_same_grid
from laion_fmri.volumes.masks import MaskSource, columns, nonzero
from laion_fmri.volumes.nifti import Grid

K = TypeVar("K")


@dataclass(frozen=True, eq=False)
class BetasRequest:
    """A request for betas of one session, with their file or store.

    Attributes
    ----------
    files : SubjectFiles
    session : str
    source : Series or BetasStore
    voxels : array of int, shape (n_voxels,)
        Flat grid indices in C order, increasing.
    trials : array of int, shape (n_trials,), or None
        Rows of the session; None means all.
    """

    files: SubjectFiles
    session: str
    source: Series | BetasStore
    voxels: NDArray[np.intp]
    trials: NDArray[np.intp] | None

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the betas: (n_trials, n_voxels)."""
        n_trials = self.source.n_volumes if self.trials is None else len(self.trials)
        return n_trials, len(self.voxels)

    def read(self) -> NDArray[np.float32]:
        """Read float32 betas of shape (n_trials, n_voxels), from their file if the store fails."""
        try:
            return self.source.masked(self.voxels, self.trials)
        except DamagedFileError as error:
            if not isinstance(self.source, BetasStore):
                raise
            warnings.warn(
                f"The store of {self.files.name} {self.session} is ignored: {error}",
                UserWarning,
                stacklevel=2,
            )
        series = self.files.series(self.session, self.source.header.grid)
        return series.masked(self.voxels, self.trials)


def chosen_voxels(
    files: SubjectFiles,
    roi: RoiQuery | None,
    mask: NDArray[np.bool_] | None,
    mask_source: MaskSource,
) -> tuple[Grid, NDArray[np.intp]]:
    """Return the functional grid and the flat indices of the voxels in an ROI or mask.

    Only voxels of the brain mask; all of them by default.
    """
    grid, brain = brain_mask(files, mask_source)
    return grid, columns(brain, files.chosen(grid, roi, mask))


def request_betas(
    files: SubjectFiles,
    session: str,
    grid: Grid,
    voxels: NDArray[np.intp],
    nc_threshold: float | None = None,
    stimuli: str | None = None,
    mask_source: str = "anatomical",
) -> BetasRequest:
    """Open the betas of one session from an up-to-date store, or else from the file.

    Parameters
    ----------
    files : SubjectFiles
    session : str
    grid : Grid
        The grid that the betas must have.
    voxels : array of int, shape (n_voxels,)
        Flat grid indices in C order, increasing.
    nc_threshold : float, optional
        Keep only voxels whose noise ceiling in the session is above this, in percent.
    stimuli : {"shared", "unique"}, optional
        Keep only trials of these images.
    mask_source : {"anatomical", "rsquare"}
        The brain mask of the voxels; its store is tried first.
    """
    if nc_threshold is not None:
        path = files.session_noise_ceiling_path(session)
        voxels = voxels[read_noise_ceiling(path, grid, voxels) > nc_threshold]
    betas_path = files.require_betas(session)
    stored = store.store_for(files, session, mask_source, grid, voxels)
    source = stored if stored is not None else files.series(session, grid)
    rows = None
    table_path = files.path(layout.trials(files.name, session))
    if stimuli is not None or table_path.exists():
        table = files.trial_table(session)
        trials.require_one_row_a_volume(len(table), source.n_volumes, table_path, betas_path)
        if stimuli is not None:
            rows = trials.select_stimuli(table, stimuli)
    return BetasRequest(files, session, source, voxels, rows)


def read_betas(requests: Mapping[K, BetasRequest], n_jobs: int = 1) -> dict[K, NDArray[np.float32]]:
    """Read the betas of several sessions, keyed like the requests.

    Parameters
    ----------
    requests : mapping of anything to BetasRequest
    n_jobs : int
        Number of sessions to read in parallel; -1 is one for each processor.

    Raises
    ------
    NotEnoughMemoryError
        When they do not fit into memory together; raised before reading where possible.
    """
    shapes = [request.shape for request in requests.values()]
    n_bytes = sum(math.prod(shape) for shape in shapes) * np.dtype(np.float32).itemsize
    if not memory.has_room(n_bytes):
        raise _not_enough(shapes, n_bytes)
    try:
        return dict(read_ahead(requests, number_of_jobs(n_jobs)))
    except MemoryError as error:
        raise _not_enough(shapes, n_bytes) from error


class Readable(Protocol):
    """What reads the betas of a session, such as a `BetasRequest`."""

    def read(self) -> NDArray[np.float32]:
        """Read float32 betas of shape (n_trials, n_voxels)."""
        ...


def read_ahead(
    requests: Mapping[K, Readable], n_jobs: int
) -> Generator[tuple[K, NDArray[np.float32]], None, None]:
    """Yield the betas of sessions in order, while threads read the next ones.

    Parameters
    ----------
    requests : mapping of anything to BetasRequest, or another object with its method ``read``
    n_jobs : int
        At most so many sessions are in memory, if the caller keeps none of them.
    """
    if n_jobs == 1 or len(requests) < 2:
        for key, request in requests.items():
            yield key, request.read()
        return
    waiting = iter(requests.items())
    reading: deque[tuple[K, Future[NDArray[np.float32]]]] = deque()
    with ThreadPoolExecutor(n_jobs) as pool:
        try:
            for key, request in islice(waiting, n_jobs):
                reading.append((key, pool.submit(request.read)))
            while reading:
                key, future = reading.popleft()
                yield key, future.result()
                del future
                for key, request in islice(waiting, 1):
                    reading.append((key, pool.submit(request.read)))
        finally:
            for _, future in reading:
                future.cancel()


def _not_enough(shapes: Sequence[tuple[int, int]], n_bytes: int) -> NotEnoughMemoryError:
    n_trials, n_voxels = sum(shape[0] for shape in shapes), max(shape[1] for shape in shapes)
    return NotEnoughMemoryError(
        f"The betas of {count_of(len(shapes), 'session')} ({n_trials:,} trials, {n_voxels:,} "
        f"voxels, float32) take {format_bytes(n_bytes)}, and {format_bytes(memory.available())} of "
        "memory are free. Choose voxels with roi=…, mask=… or nc_threshold=…, or read one session "
        "at a time. streaming=True takes no less: betas are always read volume by volume, and this "
        "is the output alone."
    )


def brain_mask(files: SubjectFiles, mask_source: str) -> tuple[Grid, NDArray[np.bool_]]:
    """Return the functional grid and its brain mask, flattened in C order."""
    stored = store.stored_brain_mask(files, mask_source)
    if stored is not None:
        return stored
    brain = files.brain_volume(mask_source)
    return brain.grid, nonzero(brain)


def read_noise_ceiling(path: Path, grid: Grid, voxels: NDArray[np.intp]) -> NDArray[np.float32]:
    """Read a noise ceiling in percent; float32 of shape (n_voxels,)."""
    volume = read_volume(path)
    require_same_grid(grid, volume.grid, path)
    return volume.flat[voxels].astype(np.float32)


def as_percentage(nc_threshold: float | None) -> float | None:
    """Check a noise ceiling threshold in percent; a value between 0 and 1 warns.

    Raises
    ------
    InvalidArgumentError
        When the threshold is not a number.
    """
    if nc_threshold is None:
        return None
    threshold = as_scalar(nc_threshold)
    if isinstance(threshold, bool) or not isinstance(threshold, numbers.Real):
        threshold = math.nan
    if math.isnan(threshold):
        raise InvalidArgumentError(
            f"nc_threshold={nc_threshold!r} is no number. Give a percentage from 0 to 100."
        )
    if 0 < threshold < 1:
        warnings.warn(
            f"nc_threshold={threshold} is read as {threshold} %, the unit of noise ceilings "
            "(0 to 100).",
            UserWarning,
            stacklevel=3,
        )
    return float(threshold)
