"""Requests for responses: what will be read, how large it is, and the reading."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, memory
from laion_fmri._errors import (
    DamagedFileError,
    DataNotDownloadedError,
    InvalidArgumentError,
    NoMatchingDataError,
    NotEnoughMemoryError,
)
from laion_fmri.arguments import (
    as_items,
    as_scalar,
    is_single,
    number_of_jobs,
    one_of,
    yes_or_no,
)
from laion_fmri.betas import brain_mask
from laion_fmri.responses.choices import Images, chosen_images
from laion_fmri.responses.container import Responses
from laion_fmri.responses.reading import OnSession, SessionBetas, Tables, ZScore, find_gaps
from laion_fmri.responses.tables import (
    count_repeats,
    image_table,
    left_out_table,
    rois_without_volume,
    trial_table,
    voxel_table,
)
from laion_fmri.store.averages_store import AveragesStore, fresh_averages
from laion_fmri.store.averaging import RunningAverages
from laion_fmri.subject_files import (
    LocalSubject,
    OneSession,
    RoiQuery,
    SeveralSessions,
    SubjectFiles,
)
from laion_fmri.transfer.plan import count_of, format_bytes
from laion_fmri.volumes.masks import MaskSource, columns
from laion_fmri.volumes.nifti import Grid

if TYPE_CHECKING:
    import pandas as pd

NanPolicy = Literal["omit", "raise", "drop_voxels", "keep"]
ZSCORES: tuple[ZScore, ...] = ("session", "run", "none")
NAN_POLICIES: tuple[NanPolicy, ...] = ("omit", "raise", "drop_voxels", "keep")

Row = tuple[str, str, str]


@dataclass(frozen=True, eq=False, repr=False)
class ResponsesRequest:
    """A request for responses of one subject, checked but not read; see `request_responses`.

    Attributes
    ----------
    files : SubjectFiles
    source : AveragesStore or SessionBetas
        Where the values come from.
    sessions : tuple of str
    names : tuple of str
        Images that were shown, in the order of the averages.
    repeats : ndarray of int, shape (n_images, n_sessions)
        Number of trials with each image in each session.
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
    source: AveragesStore | SessionBetas
    sessions: tuple[str, ...]
    names: tuple[str, ...]
    repeats: NDArray[np.integer]
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
        if isinstance(self.source, AveragesStore):
            return self.n_bytes
        own = RunningAverages.n_bytes(*self.shape) if self.is_average else self.n_bytes
        copied = self.n_bytes if self.nan == "drop_voxels" else 0
        return own + max(self.source.n_bytes, copied)

    def __repr__(self) -> str:
        n_rows, n_voxels = self.shape
        unit = "image" if self.is_average else "trial"
        from_averages = isinstance(self.source, AveragesStore)
        source = "the averages" if from_averages else count_of(len(self._showing), "session")
        return (
            f"<Request for responses of {self.files.name}: {count_of(n_rows, unit)} × "
            f"{count_of(n_voxels, 'voxel')}, float32, {format_bytes(self.n_bytes)}, from {source}; "
            f"reading takes {format_bytes(self.n_bytes_of_reading)} of memory>"
        )

    @property
    def _showing(self) -> list[str]:
        """The sessions that show any of the images."""
        return list(compress(self.sessions, self.repeats.sum(axis=0).tolist()))

    def only(self, names: Sequence[str], left_out: Iterable[Row] = ()) -> ResponsesRequest:
        """Return a request for some of the images, with further rows of what was left out."""
        place = {name: row for row, name in enumerate(self.names)}
        repeats = self.repeats[[place[name] for name in names]]
        rows = [*self.left_out, *left_out]
        return replace(self, names=tuple(names), repeats=repeats, left_out=rows)

    def read(self, n_jobs: int = 1, on_session: OnSession | None = None) -> Responses:
        """Read the betas and return the responses.

        Parameters
        ----------
        n_jobs : int
            Number of sessions to read in parallel, as far as they fit into memory; -1 is one for
            each processor.
        on_session : callable, optional
            Called with each session before its betas are waited for; not if the averages are read.

        Raises
        ------
        NotEnoughMemoryError
            Before reading.
        InvalidArgumentError
            When `nan` is ``"raise"`` and a value is missing.
        NoMatchingDataError
            When `nan` is ``"drop_voxels"`` and no voxel is left.

        Warns
        -----
        UserWarning
            When the averages are damaged; the sessions are read instead.
        """
        n_jobs = self._fitting_jobs(number_of_jobs(n_jobs))
        if isinstance(self.source, AveragesStore):
            try:
                values = self._stored(self.source)
            except DamagedFileError as error:
                message = f"The averages of {self.files.name} are ignored: {error}"
                warnings.warn(message, UserWarning, stacklevel=2)
                return replace(self, source=self._of_sessions()).read(n_jobs, on_session)
            return self._responses(values, self.voxels, image_table(*self._counted), [])
        if self.is_average:
            running = self.source.averages(self.names, n_jobs, on_session)
            values, images = running.means(), image_table(*self._counted)

            def lacking(some: slice) -> NDArray[np.bool_]:
                return running.counts[:, some] < running.n_repeats[:, None]
        else:
            values = self.source.trials(self.names, n_jobs, on_session)
            tables = self.source.tables
            images = trial_table(self.names, tables, first_trials(self.files, tables))

            def lacking(some: slice) -> NDArray[np.bool_]:
                return np.isnan(values[:, some])

        return self._without_gaps(values, images, lacking)

    def _without_gaps(
        self,
        values: NDArray[np.float32],
        images: pd.DataFrame,
        lacking: Callable[[slice], NDArray[np.bool_]],
    ) -> Responses:
        """Apply `nan` to values of which `lacking` says where trials have none."""
        if self.nan == "omit":
            return self._responses(values, self.voxels, images, [])
        is_partial = find_gaps(lacking, values, fill=self.nan == "keep")
        if self.nan == "keep" or not is_partial.any():
            return self._responses(values, self.voxels, images, [])
        places = np.stack(np.unravel_index(self.voxels[is_partial], self.grid.shape), axis=1)
        rows, kept = _gaps(self.files.name, places, len(self.voxels), self.nan), ~is_partial
        return self._responses(values[:, kept], self.voxels[kept], images, rows)

    @property
    def _counted(self) -> tuple[tuple[str, ...], NDArray[np.integer], tuple[str, ...]]:
        return self.names, self.repeats, self.sessions

    def _stored(self, store: AveragesStore) -> NDArray[np.float32]:
        place = {name: row for row, name in enumerate(store.names)}
        rows = np.array([place[name] for name in self.names], np.intp)
        return store.read(None if self.names == store.names else rows, self.voxels)

    def _of_sessions(self) -> SessionBetas:
        tables = {session: self.files.trial_table(session) for session in self.sessions}
        return SessionBetas.of(
            self.files, tables, self.grid, self.voxels, self.mask_source, self.zscore
        )

    def _responses(
        self,
        values: NDArray[np.float32],
        voxels: NDArray[np.intp],
        images: pd.DataFrame,
        left_out: Iterable[Row],
    ) -> Responses:
        unread = [session for session in self.sessions if session not in self._showing]
        rows = [("session", session, "shows none of these images") for session in unread]
        of_voxels = partial(voxel_table, self.files, self.grid, self.brain, voxels)
        return Responses(
            self.files.name,
            values,
            images,
            of_voxels,  # type: ignore[arg-type]  # a table that is built when it is used
            left_out_table([*self.left_out, *rows, *left_out]),
            self.is_average,
            self.zscore,
        )

    def _fitting_jobs(self, n_jobs: int) -> int:
        n_bytes = self.n_bytes_of_reading
        of_session = 0 if isinstance(self.source, AveragesStore) else self.source.n_bytes
        if memory.has_room(n_bytes + (n_jobs - 1) * of_session):
            return n_jobs
        free = memory.available()
        if n_bytes > free:
            raise NotEnoughMemoryError(
                f"{self!r}, and {format_bytes(free)} are free. Choose fewer voxels (roi=… or "
                "mask=…) or images" + ("." if self.is_average else ", or averages (average=True).")
            )
        return 1 + (free - n_bytes) // of_session


def _gaps(subject: str, places: NDArray[np.intp], n_voxels: int, nan: NanPolicy) -> list[Row]:
    """Return the rows of voxels that lack values; raise an error if `nan` says so."""
    listed = [str(tuple(place)) for place in places.tolist()]
    what = (
        f"{count_of(len(listed), 'voxel')} of {n_voxels:,} of {subject}, such as {listed[0]}, lack "
        "a value in some trials."
    )
    if nan == "raise":
        raise InvalidArgumentError(
            f'{what} nan="omit" averages the other repeats, nan="drop_voxels" leaves these voxels '
            "out."
        )
    if len(listed) == n_voxels:
        raise NoMatchingDataError(f'{what} So no voxel is left. Use nan="omit".')
    return [("voxel", place, "lacks a value in some trials") for place in listed]


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
    average = yes_or_no("average", average)
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
    stored: AveragesStore | None = None
    repeats: NDArray[np.integer]
    if average and zscore == "session" and nan == "omit" and sessions == files.sessions():
        stored = _averages(files, sessions, grid, voxels, mask_source)
    if stored is not None:
        shown, repeats = stored.names, stored.header.repeats
    else:
        tables = {ses: files.trial_table(ses) for ses in sessions}
        labels = (str(one) for table in tables.values() for one in table["label"])
        shown = tuple(dict.fromkeys(labels))
        repeats = count_repeats(shown, tables)
    names, lacking = chosen_images(shown, images)
    if not names:
        raise NoMatchingDataError(_no_image(files.name, len(sessions), images, lacking))
    left_out += [
        ("image", name, f"not shown to {files.name} in these sessions") for name in lacking
    ]
    left_out += [
        ("roi", name, "has no volume mask here, so no column in the table of voxels")
        for name in rois_without_volume(files, files.roi_index())
    ]
    source = stored or SessionBetas.of(files, tables, grid, voxels, mask_source, zscore)
    request = ResponsesRequest(
        files, source, tuple(sessions), shown, repeats, grid, brain, voxels, left_out,
        average, zscore, nan, mask_source,
    )  # fmt: skip
    return request if images is None else request.only(names)


def _no_image(subject: str, n_sessions: int, images: Images | None, lacking: list[str]) -> str:
    """Say why there is no image to read."""
    if not lacking and not is_single(images):
        return "No image was asked for. Name at least one, or leave images= out for all."
    what = f"None of these images (first: {lacking[0]})" if lacking else f"No {images} image"
    hint = (
        ' images= takes names, "shared" or "unique"; give an ROI as roi=….'
        if lacking and is_single(images)
        else ""
    )
    return (
        f"{what} was shown to {subject} in {count_of(n_sessions, 'session')}. Choose other images, "
        f"or download more sessions.{hint}"
    )


def _averages(
    files: SubjectFiles,
    sessions: Sequence[str],
    grid: Grid,
    voxels: NDArray[np.intp],
    mask_source: str,
) -> AveragesStore | None:
    """Open fresh averages of these sessions and voxels."""
    found = fresh_averages(files, mask_source, sessions)
    fits = (
        found is not None
        and found.sessions == tuple(sessions)  # sums are in this order
        and found.header.grid.same_as(grid)
        and found.covers(voxels)
    )
    return found if fits else None


def require_sessions(sub: LocalSubject, session: OneSession | SeveralSessions = None) -> list[str]:
    """Return the sessions of a subject that were asked for; see `requested_sessions`."""
    return requested_sessions(SubjectFiles(sub.name, sub.data_dir), session)


def requested_sessions(files: SubjectFiles, session: OneSession | SeveralSessions) -> list[str]:
    """Return the identifiers of sessions, each once; all downloaded ones for None.

    Raises
    ------
    DataNotDownloadedError
        When there are none; the message names the call that downloads one.
    InvalidArgumentError
        When an empty list was asked for.
    """
    if session is None:
        found = files.sessions()
    else:
        found = list(dict.fromkeys(map(layout.session_id, as_items(session))))
        if not found:
            raise InvalidArgumentError(
                "An empty list of sessions selects nothing. Name at least one, or leave session= "
                "out for all."
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
