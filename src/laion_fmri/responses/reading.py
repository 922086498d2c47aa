"""Betas of several sessions, scored and averaged or joined, one session at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri import memory
from laion_fmri.betas import BetasRequest, read_ahead, request_betas
from laion_fmri.store.averaging import RunningAverages, in_blocks
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.nifti import Grid
from laion_fmri.zscore import z_scored, z_scored_within

if TYPE_CHECKING:
    import pandas as pd

ZScore = Literal["session", "run", "none"]
OnSession = Callable[[str], None]
Tables = Mapping[str, "pd.DataFrame"]


@dataclass(frozen=True, eq=False)
class SessionBetas:
    """The betas of several sessions, with their trial tables.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        The trial table of each session, in order.
    requests : mapping of str to BetasRequest
        All trials of each session, with the same voxels.
    zscore : {"session", "run", "none"}
        z-scores are over all trials of a session or run, whatever their images.
    """

    tables: Tables
    requests: Mapping[str, BetasRequest]
    zscore: ZScore

    @classmethod
    def of(
        cls,
        files: SubjectFiles,
        tables: Tables,
        grid: Grid,
        voxels: NDArray[np.intp],
        mask_source: str,
        zscore: ZScore,
    ) -> SessionBetas:
        """Open the betas of the sessions of the tables."""
        requests = {
            session: request_betas(files, session, grid, voxels, mask_source=mask_source)
            for session in tables
        }
        return cls(tables, requests, zscore)

    @property
    def n_bytes(self) -> int:
        """Bytes of the largest session."""
        shapes = [request.shape for request in self.requests.values()]
        return max(map(math.prod, shapes)) * np.dtype(np.float32).itemsize

    def averages(
        self, names: Sequence[str], n_jobs: int = 1, on_session: OnSession | None = None
    ) -> RunningAverages:
        """Average the responses to some images over their repeats.

        Parameters
        ----------
        names : sequence of str
        n_jobs : int
            Number of sessions in memory.
        on_session : callable, optional
            Called with each session before its betas are waited for.
        """
        running = RunningAverages(names, self._n_voxels)

        def add(session: str, betas: NDArray[np.float32]) -> None:
            running.add(betas, list(self.tables[session]["label"]), self._scored(session))

        self._each_session(self.rows(names), add, n_jobs, on_session)
        return running

    def trials(
        self, names: Sequence[str], n_jobs: int = 1, on_session: OnSession | None = None
    ) -> NDArray[np.float32]:
        """Join the responses of the trials with some images, shape (n_trials, n_voxels)."""
        rows = self.rows(names)
        ends = np.cumsum([len(found) for found in rows.values()])
        places = {
            session: slice(end - len(found), end)
            for (session, found), end in zip(rows.items(), ends.tolist(), strict=True)
        }
        values = memory.empty((int(ends[-1]), self._n_voxels), np.float32)

        def add(session: str, betas: NDArray[np.float32]) -> None:
            scored = self._scored(session)

            def fill(some: slice) -> None:
                values[places[session], some] = scored(betas[:, some])[rows[session]]

            in_blocks(fill, betas.shape[1])

        self._each_session(rows, add, n_jobs, on_session)
        return values

    def rows(self, names: Sequence[str]) -> dict[str, NDArray[np.intp]]:
        """Return the trials of each session that show one of the images."""
        wanted = set(names)
        return {
            session: np.flatnonzero([str(one) in wanted for one in table["label"]])
            for session, table in self.tables.items()
        }

    @property
    def _n_voxels(self) -> int:
        return next(iter(self.requests.values())).shape[1]

    def _each_session(
        self,
        rows: Mapping[str, NDArray[np.intp]],
        add: Callable[[str, NDArray[np.float32]], None],
        n_jobs: int,
        on_session: OnSession | None,
    ) -> None:
        requests = {session: self.requests[session] for session in rows if len(rows[session])}
        with closing(read_ahead(requests, n_jobs)) as sessions:
            for session in requests:
                if on_session is not None:
                    on_session(session)
                add(*next(sessions))

    def _scored(self, session: str) -> Callable[[NDArray[np.float32]], NDArray[np.floating]]:
        if self.zscore == "none":
            return np.asarray
        if self.zscore == "session":
            return z_scored
        return partial(z_scored_within, groups=self.tables[session]["run"].to_numpy())


def find_gaps(
    lacking: Callable[[slice], NDArray[np.bool_]], values: NDArray[np.float32], fill: bool
) -> NDArray[np.bool_]:
    """Return which voxels lack values, looking at a block of them at a time.

    Parameters
    ----------
    lacking : callable
        Returns where values of a slice of voxels are missing, shape (n_rows, n_some).
    values : ndarray, shape (n_rows, n_voxels)
    fill : bool
        Whether to put NaN into the values there.
    """
    found = np.zeros(values.shape[1], dtype=bool)

    def look(some: slice) -> None:
        where = lacking(some)
        found[some] = where.any(axis=0)
        if fill:
            values[:, some][where] = np.nan

    in_blocks(look, values.shape[1])
    return found
