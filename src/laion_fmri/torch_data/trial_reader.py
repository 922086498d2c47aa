"""Betas of single trials, in any order: from stores in place, from files by whole sessions."""

from __future__ import annotations

import math
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DamagedFileError, InconsistentDataError
from laion_fmri.betas import BetasRequest, chosen_voxels, read_betas, request_betas
from laion_fmri.responses.request import ZScore
from laion_fmri.stimuli.cache import ForkSafeLock
from laion_fmri.store.file import BetasStore
from laion_fmri.subject_files import RoiQuery, SubjectFiles
from laion_fmri.volumes.masks import MaskSource
from laion_fmri.zscore import mean_and_deviation

if TYPE_CHECKING:
    import pandas as pd

GIGABYTE = 1e9
_VOXELS_AT_ONCE = 16_384  # 70 MB of a session of 1,066 trials
_FEW_TRIALS = 8  # above this, a memory map is faster

Moments = list[tuple[NDArray[np.float64], NDArray[np.float64]]]


@dataclass(frozen=True, eq=False)
class _Session:
    """The trials of one session: `row(trial)` reads one, and `n_bytes` of memory are used."""

    row: Callable[[int], NDArray[np.float32]]
    n_bytes: int


class TrialReader:
    """Read the betas of one trial at a time, of some voxels of one subject.

    From a fresh store a trial is read in place. Otherwise its session is read and cached within
    `max_bytes`; the least recently used one is dropped first. A pickled or forked copy has its own
    cache, and keeps the statistics for z-scores.

    Parameters
    ----------
    files : SubjectFiles
    roi, mask, mask_source, nc_threshold
        Voxels, as in `request_betas`.
    tables : mapping of str to DataFrame
        The trial table of each session.
    rows : mapping of str to array of int
        The trials of each session that may be asked for.
    zscore : {"session", "run", "none"}
    max_bytes : float
    """

    def __init__(
        self,
        files: SubjectFiles,
        roi: RoiQuery | None,
        mask: NDArray[np.bool_] | None,
        mask_source: MaskSource,
        nc_threshold: float | None,
        tables: Mapping[str, pd.DataFrame],
        rows: Mapping[str, NDArray[np.intp]],
        zscore: ZScore,
        max_bytes: float,
    ) -> None:
        self._files, self._max_bytes = files, max_bytes
        self._voxels = roi, mask, mask_source
        self._threshold = nc_threshold
        self._rows, self._lengths = rows, {session: len(t) for session, t in tables.items()}
        self._groups: dict[str, NDArray[np.intp]] = {}
        if zscore != "none":
            self._groups = {
                session: np.unique(table["run"].to_numpy(), return_inverse=True)[1]
                if zscore == "run"
                else np.zeros(len(table), np.intp)
                for session, table in tables.items()
            }
        self._moments: dict[str, Moments] = {}
        self._open: OrderedDict[str, _Session] = OrderedDict()
        self._dropped: set[str] = set()
        self._lock = ForkSafeLock()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None, "_dropped": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open, self._dropped, self._lock = OrderedDict(), set(), ForkSafeLock()

    def read(self, session: str, trial: int) -> NDArray[np.float32]:
        """Return the betas of a trial (a row of its session), a copy, of shape (n_voxels,)."""
        with self._lock:
            if session not in self._open:
                self._open[session] = self._opened(session)
            self._open.move_to_end(session)
            row = self._open[session].row(trial)
            if not self._groups:
                return row
            mean, deviation = self._moments[session][self._groups[session][trial]]
        with np.errstate(invalid="ignore", divide="ignore"):
            return ((row - mean) / deviation).astype(np.float32)

    def compute_moments(self) -> None:
        """Compute the mean and deviation of each voxel in all sessions, if they are z-scored."""
        for session, rows in self._rows.items():
            if self._groups and session not in self._moments and len(rows):
                self.read(session, int(rows[0]))

    def _opened(self, session: str) -> _Session:
        grid, voxels = chosen_voxels(self._files, *self._voxels)
        request = request_betas(
            self._files, session, grid, voxels, self._threshold, None, self._voxels[2]
        )
        if request.shape[0] != self._lengths[session]:
            raise InconsistentDataError(
                f"{session} of {self._files.name} has {request.shape[0]} trials now and had "
                f"{self._lengths[session]}. Make the dataset again."
            )
        if isinstance(request.source, BetasStore):
            try:
                return self._stored(request, request.source)
            except DamagedFileError:
                pass  # `request.read` says so and reads the file
        return self._loaded(request)

    def _stored(self, request: BetasRequest, store: BetasStore) -> _Session:
        if self._groups and request.session not in self._moments:
            starts = range(_VOXELS_AT_ONCE, len(request.voxels), _VOXELS_AT_ONCE)
            parts = [
                self._moments_of(request.session, store.masked(voxels))
                for voxels in np.split(request.voxels, starts)
            ]
            self._moments[request.session] = [
                (mean, deviation)
                for mean, deviation in (
                    np.concatenate(of_group, axis=1) for of_group in zip(*parts, strict=True)
                )
            ]
        n_read = 0
        mapped: Callable[[int], NDArray[np.float32]] | None = None

        def row(trial: int) -> NDArray[np.float32]:
            nonlocal n_read, mapped
            n_read += 1
            if n_read <= _FEW_TRIALS:
                return store.masked(request.voxels, np.array([trial]))[0]
            if mapped is None:
                mapped = store.row_reader(request.voxels)
            return mapped(trial)

        return _Session(row, 0)

    def _loaded(self, request: BetasRequest) -> _Session:
        session, rows = request.session, self._rows[request.session]
        needs_all = bool(self._groups) and session not in self._moments
        if not needs_all and len(rows) < self._lengths[session]:
            request = replace(request, trials=rows)
        self._make_room(session, math.prod(request.shape) * np.dtype(np.float32).itemsize)
        betas = read_betas({session: request})[session]
        if needs_all:
            self._moments[session] = self._moments_of(session, betas)
            if len(rows) < len(betas):
                betas = betas[rows]
        places = {trial: place for place, trial in enumerate(rows.tolist())}
        return _Session(lambda trial: betas[places[trial]].copy(), betas.nbytes)

    def _moments_of(self, session: str, betas: NDArray[np.float32]) -> Moments:
        groups = self._groups[session]
        if not groups.any():
            return [mean_and_deviation(betas)]
        return [mean_and_deviation(betas[groups == one]) for one in range(groups.max() + 1)]

    def _make_room(self, session: str, n_bytes: int) -> None:
        """Drop sessions before the next one is read, so that both need not fit into memory."""
        if session in self._dropped:
            warnings.warn(
                f"The betas take more than {self._max_bytes / GIGABYTE:g} GB: those of {session} "
                "were dropped and are read again. Build a store, from which single trials are read "
                "(sub.build_store); or draw the trials session by session (SessionSampler), choose "
                "an ROI, or give a larger max_memory_gb.",
                UserWarning,
                stacklevel=6,
            )
        while (n_used := sum(one.n_bytes for one in self._open.values())) and (
            n_used + n_bytes > self._max_bytes
        ):
            oldest = next(name for name, one in self._open.items() if one.n_bytes)
            del self._open[oldest]
            self._dropped.add(oldest)
