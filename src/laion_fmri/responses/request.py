"""Requests for responses: what will be read, how large it is, and the reading."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, memory
from laion_fmri._errors import (
    DataNotDownloadedError,
    InvalidArgumentError,
    NoMatchingDataError,
    NotEnoughMemoryError,
)
from laion_fmri.arguments import as_items, as_scalar, is_single, number_of_jobs, one_of
from laion_fmri.betas import BetasRequest, brain_mask, read_ahead, request_betas
from laion_fmri.responses.choices import Images, chosen_images
from laion_fmri.responses.container import Responses
from laion_fmri.responses.tables import (
    count_repeats,
    has_volume,
    image_table,
    left_out_table,
    trial_table,
    voxel_table,
)
from laion_fmri.store.averaging import RunningAverages, in_blocks
from laion_fmri.subject_files import OneSession, RoiQuery, SeveralSessions, SubjectFiles
from laion_fmri.transfer.plan import count_of, format_bytes
from laion_fmri.volumes.masks import MaskSource, columns
from laion_fmri.volumes.nifti import Grid
from laion_fmri.zscore import z_scored, z_scored_within

if TYPE_CHECKING:
    import pandas as pd

ZScore = Literal["session", "run", "none"]
NanPolicy = Literal["omit", "raise", "drop_voxels", "keep"]
ZSCORES: tuple[ZScore, ...] = ("session", "run", "none")
NAN_POLICIES: tuple[NanPolicy, ...] = ("omit", "raise", "drop_voxels", "keep")

Tables = Mapping[str, "pd.DataFrame"]
Row = tuple[str, str, str]
OnSession = Callable[[str], None]


@dataclass(frozen=True, eq=False, repr=False)
class ResponsesRequest:
    """A request for responses of one subject, checked but not read; see `request_responses`.

    Attributes
    ----------
    files : SubjectFiles
    sessions : tuple of str
    names : tuple of str
        Images that were shown, in the order of the averages.
    repeats : ndarray of int, shape (n_images, n_sessions)
        Number of trials with each image in each session.
    tables : mapping of str to DataFrame
        The trial table of each session.
    requests : mapping of str to BetasRequest
        The betas of each session.
    grid : Grid
    brain : ndarray of bool, shape (n_total_voxels,)
    voxels : ndarray of int, shape (n_voxels,)
        Flat grid indices in C order, increasing.
    left_out : sequence of tuple of str
        Rows of `Responses.left_out`.
    is_average : bool
    zscore, nan, mask_source : str
    """

    files: SubjectFiles
    sessions: tuple[str, ...]
    names: tuple[str, ...]
    repeats: NDArray[np.integer]
    tables: Tables
    requests: Mapping[str, BetasRequest]
    grid: Grid
    brain: NDArray[np.bool_]
    voxels: NDArray[np.intp]
    left_out: Sequence[Row]
    is_average: bool
    zscore: ZScore
    nan: NanPolicy
    mask_source: str

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the values; `nan` ``"drop_voxels"`` may remove some of the voxels."""
        n_rows = len(self.names) if self.is_average else int(self.repeats.sum())
        return n_rows, len(self.voxels)

    @property
    def n_bytes(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * np.dtype(np.float32).itemsize

    @property
    def n_bytes_of_reading(self) -> int:
        """Bytes of memory that reading takes, with the values and one session at a time."""
        own = RunningAverages.n_bytes(*self.shape) if self.is_average else self.n_bytes
        return own + self._session_bytes()

    def __repr__(self) -> str:
        n_rows, n_voxels = self.shape
        unit = "image" if self.is_average else "trial"
        return (
            f"<Request for responses of {self.files.name}: {count_of(n_rows, unit)} × "
            f"{count_of(n_voxels, 'voxel')}, float32, {format_bytes(self.n_bytes)}, from "
            f"{count_of(len(self._showing), 'session')}; reading takes "
            f"{format_bytes(self.n_bytes_of_reading)} of memory>"
        )

    @property
    def _showing(self) -> list[str]:
        """The sessions that show any of the images."""
        return list(compress(self.sessions, self.repeats.sum(axis=0).tolist()))

    def only(self, names: Sequence[str], left_out: Iterable[Row] = ()) -> ResponsesRequest:
        """Return a request for some of the images, with further rows of what was left out."""
        place = {name: row for row, name in enumerate(self.names)}
        rows = [place[name] for name in names]
        return replace(
            self,
            names=tuple(names),
            repeats=self.repeats[rows],
            left_out=[*self.left_out, *left_out],
        )

    def read(self, n_jobs: int = 1, on_session: OnSession | None = None) -> Responses:
        """Read the betas and return the responses.

        Parameters
        ----------
        n_jobs : int
            Number of sessions to read in parallel, as far as they fit into memory; -1 is one for
            each processor.
        on_session : callable, optional
            Called with each session before its betas are waited for.

        Raises
        ------
        NotEnoughMemoryError
            Before reading.
        InvalidArgumentError
            When `nan` is ``"raise"`` and a value is missing.
        NoMatchingDataError
            When `nan` is ``"drop_voxels"`` and no voxel is left.
        """
        n_jobs = self._fitting_jobs(number_of_jobs(n_jobs))
        values, is_partial = (self._averages if self.is_average else self._trials)(
            n_jobs, on_session
        )
        voxels, left_out = self.voxels, list(self.left_out)
        unread = [ses for ses in self.sessions if ses not in self._showing]
        left_out += [("session", ses, "shows none of these images") for ses in unread]
        if self.nan in ("raise", "drop_voxels") and is_partial.any():
            places = np.stack(np.unravel_index(voxels[is_partial], self.grid.shape), axis=1)
            listed = [str(tuple(place)) for place in places.tolist()]
            if self.nan == "raise" or is_partial.all():
                raise _missing_values(self.files, listed, len(voxels), self.nan)
            left_out += [("voxel", place, "lacks a value in some trials") for place in listed]
            values, voxels = values[:, ~is_partial], voxels[~is_partial]
        images = (
            image_table(self.names, self.repeats, self.sessions)
            if self.is_average
            else trial_table(self.names, self.tables, first_trials(self.files, self.tables))
        )
        of_voxels = partial(voxel_table, self.files, self.grid, self.brain, voxels)
        return Responses(
            self.files.name,
            values,
            images,
            of_voxels,  # type: ignore[arg-type]  # a table that is built when it is used
            left_out_table(left_out),
            self.is_average,
            self.zscore,
        )

    def _averages(
        self, n_jobs: int, on_session: OnSession | None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        running = RunningAverages(self.names, len(self.voxels))

        def add(session: str, betas: NDArray[np.float32]) -> None:
            running.add(betas, list(self.tables[session]["label"]), self._scored(session))

        self._each_session(add, n_jobs, on_session)
        lacks_values = running.counts < running.n_repeats[:, None]
        values = running.means()
        if self.nan == "keep":
            values[lacks_values] = np.nan
        return values, np.any(lacks_values, axis=0)

    def _trials(
        self, n_jobs: int, on_session: OnSession | None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        values = memory.empty(self.shape, np.float32)
        rows = self._rows()
        begins = dict(zip(rows, np.cumsum([0, *map(len, rows.values())]), strict=False))

        def add(session: str, betas: NDArray[np.float32]) -> None:
            scored = self._scored(session)
            to = slice(begins[session], begins[session] + len(rows[session]))

            def fill(some: slice) -> None:
                values[to, some] = scored(betas[:, some])[rows[session]]

            in_blocks(fill, betas.shape[1])

        self._each_session(add, n_jobs, on_session)
        return values, np.any(np.isnan(values), axis=0)

    def _each_session(
        self,
        add: Callable[[str, NDArray[np.float32]], None],
        n_jobs: int,
        on_session: OnSession | None,
    ) -> None:
        requests = {session: self.requests[session] for session in self._showing}
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

    def _rows(self) -> dict[str, NDArray[np.intp]]:
        """Return the rows of each session that show one of the images."""
        wanted = set(self.names)
        return {
            session: np.flatnonzero([str(one) in wanted for one in table["label"]])
            for session, table in self.tables.items()
        }

    def _session_bytes(self) -> int:
        shapes = [request.shape for request in self.requests.values()]
        return max(map(math.prod, shapes)) * np.dtype(np.float32).itemsize

    def _fitting_jobs(self, n_jobs: int) -> int:
        n_bytes = self.n_bytes_of_reading
        if memory.has_room(n_bytes + (n_jobs - 1) * self._session_bytes()):
            return n_jobs
        free = memory.available()
        if n_bytes > free:
            raise NotEnoughMemoryError(
                f"{self!r}, and {format_bytes(free)} are free. Choose fewer voxels (roi=… or "
                "mask=…) or images" + ("." if self.is_average else ", or averages (average=True).")
            )
        return 1 + (free - n_bytes) // self._session_bytes()


def _missing_values(
    files: SubjectFiles, places: Sequence[str], n_voxels: int, nan: str
) -> Exception:
    what = (
        f"{count_of(len(places), 'voxel')} of {n_voxels:,} of {files.name}, such as {places[0]}, "
        "lack a value in some trials."
    )
    if nan == "raise":
        return InvalidArgumentError(
            f'{what} nan="omit" averages the other repeats, nan="drop_voxels" leaves these voxels '
            "out."
        )
    return NoMatchingDataError(f'{what} So no voxel is left. Use nan="omit".')


def request_responses(
    files: SubjectFiles,
    images: Images | None = None,
    roi: RoiQuery | None = None,
    mask: NDArray[np.bool_] | None = None,
    session: OneSession | SeveralSessions = None,
    zscore: ZScore = "session",
    average: bool = True,
    nan: NanPolicy = "omit",
    mask_source: MaskSource = "anatomical",
) -> ResponsesRequest:
    """Find and check the files of responses without reading betas; see `Subject.get_responses`.

    Raises
    ------
    NoMatchingDataError
        When no image was shown, or no voxel of the ROI or mask is in the brain mask.
    DataNotDownloadedError
        When betas, trial tables, the brain mask or ROIs are not downloaded.
    InconsistentDataError
        When they do not fit each other.
    """
    zscore = one_of("zscore", zscore, ZSCORES)
    nan = one_of("nan", nan, NAN_POLICIES)
    left_out: list[Row] = []
    grid, brain = brain_mask(files, mask_source)
    chosen = files.chosen(grid, roi, mask)
    voxels = columns(brain, chosen)
    if roi is not None and chosen is not None:
        left_out += _outside(roi, chosen, brain, mask_source)
    if not len(voxels):
        what = f"ROI {roi!r}" if roi is not None else "mask"
        raise NoMatchingDataError(
            f"No voxel of this {what} is in the {mask_source} brain mask of {files.name}. Choose "
            "another."
        )
    sessions = requested_sessions(files, session)
    tables = {ses: files.trial_table(ses) for ses in sessions}
    shown = list(dict.fromkeys(str(one) for table in tables.values() for one in table["label"]))
    names, lacking = chosen_images(shown, images)
    if not names:
        what = f"of these images (first: {lacking[0]})" if lacking else "such image"
        raise NoMatchingDataError(
            f"None {what} was shown to {files.name} in {count_of(len(sessions), 'session')}. "
            "Choose other images, or download more sessions."
        )
    left_out += [
        ("image", name, f"not shown to {files.name} in these sessions") for name in lacking
    ]
    left_out += [
        ("roi", name, "has no volume mask here, so no column in the table of voxels")
        for name in files.roi_index().names()
        if not has_volume(files, name)
    ]
    requests = {
        ses: request_betas(files, ses, grid, voxels, mask_source=mask_source) for ses in sessions
    }
    return ResponsesRequest(
        files, tuple(sessions), tuple(names), count_repeats(names, tables), tables, requests, grid,
        brain, voxels, left_out, bool(average), zscore, nan, mask_source,
    )  # fmt: skip


def requested_sessions(files: SubjectFiles, session: OneSession | SeveralSessions) -> list[str]:
    """Return the identifiers of sessions, each once; all downloaded ones for None.

    Raises
    ------
    DataNotDownloadedError
        When there are none; the message names the call that downloads one.
    """
    found = (
        files.sessions()
        if session is None
        else list(dict.fromkeys(map(layout.session_id, as_items(session))))
    )
    if not found:
        raise DataNotDownloadedError(
            f"No betas of {files.name} are in {files.data_dir}. "
            f"download(subject={files.name!r}, ses='ses-01') fetches a session."
        )
    return found


def _outside(
    roi: RoiQuery, chosen: NDArray[np.bool_], brain: NDArray[np.bool_], mask_source: str
) -> Iterable[Row]:
    """Say how many voxels of an ROI are outside the brain mask."""
    n_outside = int(np.count_nonzero(chosen & ~brain))
    if n_outside:
        name = str(as_scalar(roi)) if is_single(roi) else ", ".join(map(str, as_items(roi)))
        reason = (
            f"{n_outside:,} of its {int(np.count_nonzero(chosen)):,} voxels are outside the "
            f"{mask_source} brain mask, where there are no betas"
        )
        yield "roi", name, reason


def first_trials(files: SubjectFiles, tables: Tables) -> dict[str, int]:
    """Return the global index of the first trial of each session, as in `Subject.metadata`."""
    begins, n_before = {}, 0
    last = max(files.sessions().index(session) for session in tables)
    for session in files.sessions()[: last + 1]:
        begins[session] = n_before
        table = tables[session] if session in tables else files.trial_table(session)
        n_before += len(table)
    return begins
