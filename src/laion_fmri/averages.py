"""Build a store of image averages from all sessions of a subject, one after another.

The sums of all images do not fit into memory beside a session (8 GB at the published size), and
z-scores need all trials of a session. So each session is read once, z-scored in its own memory, and
added to sums in a file that has a record an image: its sums, then its counts. A session changes
the records of its own images only, an eighth of the file. At the end the file is read in groups of
neighbouring voxels, which become the blocks of the store.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, memory, trials
from laion_fmri._errors import (
    DataNotDownloadedError,
    InconsistentDataError,
    NotEnoughMemoryError,
)
from laion_fmri.arguments import number_of_jobs
from laion_fmri.atomic_write import remove
from laion_fmri.betas import BetasRequest, read_ahead, request_betas
from laion_fmri.fingerprint import FileFingerprint
from laion_fmri.store.averages_store import (
    AveragesHeader,
    SourceFiles,
    averages_info,
    averages_path,
    change_of_sources,
    examined,
)
from laion_fmri.store.averaging import add_trial, in_blocks, means_of
from laion_fmri.store.folder import reserve, write_folder
from laion_fmri.store.places import StoreInfo, mask_path, subject_files
from laion_fmri.store.shard import ShardWriter
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.transfer.plan import format_bytes
from laion_fmri.volumes.masks import nonzero, require_mask_source
from laion_fmri.zscore import z_scored

_MEMORY = 2_750_000_000  # bytes of sessions at the same time, unless n_jobs is given
_BLOCKS_AT_ONCE = 64  # of a group of voxels: 0.5 GB at the published size


def estimate_averages_bytes(
    subject: str,
    mask_source: str = "anatomical",
    data_dir: str | os.PathLike[str] | None = None,
) -> int:
    """Compute the exact size of a subject's averages in bytes before they are built.

    Building needs as much room again, and a quarter, for sums.

    Parameters
    ----------
    subject : str
        ``"sub-03"`` or ``"03"``.
    mask_source : {"anatomical", "rsquare"}
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    DataNotDownloadedError
        When there is no session, or a trial table or the brain mask is not downloaded.
    """
    return _planned(subject_files(subject, data_dir), mask_source)[0].contents.n_bytes


def build_averages(
    subject: str,
    mask_source: str = "anatomical",
    data_dir: str | os.PathLike[str] | None = None,
    force: bool = False,
    progress: Callable[[float], None] | None = None,
    n_jobs: int | None = None,
) -> StoreInfo:
    """Build the image averages of all downloaded sessions, unless they are fresh.

    Each session is read from its store if there is a fresh one, else from its file.

    Parameters
    ----------
    subject : str
        ``"sub-03"`` or ``"03"``.
    mask_source : {"anatomical", "rsquare"}
        The brain mask whose voxels are stored.
    data_dir : path, optional
        Instead of the configured one.
    force : bool
        Rebuild the averages even if they are fresh.
    progress : callable, optional
        Called periodically with the completed fraction.
    n_jobs : int, optional
        Number of sessions in memory, of which one is averaged while the others are read, if they
        fit into the free memory; -1 is one for each processor. By default two, within 3 GB.

    Returns
    -------
    StoreInfo

    Raises
    ------
    DataNotDownloadedError
        When there is no session, or a trial table or the brain mask is not downloaded.
    DamagedFileError
        When betas are truncated or corrupt.
    InconsistentDataError
        When betas, masks and trial tables do not fit, or they change while being read.
    NotEnoughMemoryError
        When a session does not fit into memory.
    StoreError
        When the averages cannot be written, as on a full disk. No partial file remains.
    """
    files = subject_files(subject, data_dir)
    path = averages_path(files.data_dir, files.name, require_mask_source(mask_source))
    if force or examined(path, files, mask_source)[1]:
        header, rows = _planned(files, mask_source)

        def fill(shard: ShardWriter, folder: Path) -> None:
            _fill(shard, folder, files, header, rows, n_jobs, progress or (lambda _: None))

        write_folder(path, header.contents, fill)
        if reason := change_of_sources(header, files):
            remove(path)
            raise InconsistentDataError(
                f"While the averages of {files.name} were built, {reason}. Build them again "
                "when nothing else works on these files."
            )
    return averages_info(path, files, mask_source)


def _planned(
    files: SubjectFiles, mask_source: str
) -> tuple[AveragesHeader, dict[str, NDArray[np.intp]]]:
    """Return the header of averages of the current files, and the image of each trial."""
    sessions = files.sessions()
    if not sessions:
        raise DataNotDownloadedError(
            f"No betas of {files.name} are in {files.data_dir}. "
            f"download(subject={files.name!r}, ses='ses-01') fetches a session."
        )
    mask = FileFingerprint.of(mask_path(files, mask_source))  # recorded before reading
    sources, rows = [], {}
    row_of: dict[str, int] = {}
    for session in sessions:
        table_path = files.local(layout.trials(files.name, session), ses=session)
        betas = FileFingerprint.of(files.require_betas(session))
        sources.append(SourceFiles(session, betas, FileFingerprint.of(table_path)))
        labels = map(str, trials.read_trials(table_path)["label"])
        numbers = [row_of.setdefault(label, len(row_of)) for label in labels]
        rows[session] = np.array(numbers, dtype=np.intp)
    repeats = np.stack([np.bincount(one, minlength=len(row_of)) for one in rows.values()], axis=1)
    brain = files.brain_volume(mask_source)
    header = AveragesHeader(
        files.name, mask_source, brain.grid, np.flatnonzero(nonzero(brain)), tuple(row_of),
        repeats.astype(np.int32), tuple(sources), mask,
    )  # fmt: skip
    return header, rows


def _fill(
    shard: ShardWriter,
    folder: Path,
    files: SubjectFiles,
    header: AveragesHeader,
    rows: dict[str, NDArray[np.intp]],
    n_jobs: int | None,
    progress: Callable[[float], None],
) -> None:
    n_steps = len(rows) + 1
    requests = {session: _SessionRequest(files, session, header) for session in rows}
    shapes = [request.opened().shape for request in requests.values()]  # checks every session
    at_once = _sessions_at_once(shapes, n_jobs)
    with (
        _Sums(folder / "sums", shard.shape, int(header.repeats.sum(axis=1).max())) as sums,
        closing(read_ahead(requests, at_once)) as sessions,
    ):
        for number in range(len(rows)):
            _add(sums, rows, *next(sessions))  # without a name here, a session is freed at once
            progress((number + 1) / n_steps)
        sessions.close()
        for block, means in enumerate(sums.means(shard)):
            shard.write(block, 0, means)
            progress((n_steps - 1 + (block + 1) / shard.n_blocks) / n_steps)


@dataclass(frozen=True, eq=False)
class _SessionRequest:
    """A request that is made when it is read: 30 open stores would take 80 MB."""

    files: SubjectFiles
    session: str
    header: AveragesHeader

    def opened(self) -> BetasRequest:
        voxels = self.header.voxels.astype(np.intp, copy=False)
        source = self.header.mask_source
        return request_betas(self.files, self.session, self.header.grid, voxels, mask_source=source)

    def read(self) -> NDArray[np.float32]:
        return self.opened().read()


def _add(
    sums: _Sums,
    rows: Mapping[str, NDArray[np.intp]],
    session: str,
    betas: NDArray[np.float32],
) -> None:
    """Z-score a session in its own memory and add it."""

    def score(some: slice) -> None:
        betas[:, some] = z_scored(betas[:, some])

    in_blocks(score, betas.shape[1])
    sums.add(rows[session], betas)


def _sessions_at_once(shapes: Iterable[tuple[int, int]], n_jobs: int | None) -> int:
    """Return the number of sessions that may be in memory."""
    n_trials, n_voxels = max(shapes)
    n_bytes = max(1, n_trials * n_voxels * np.dtype(np.float32).itemsize)
    if not memory.has_room(n_bytes):
        raise NotEnoughMemoryError(
            f"A session of {n_voxels:,} voxels takes {format_bytes(n_bytes)}, and "
            f"{format_bytes(memory.available())} of memory are free. Close other programs, or "
            "build the averages on a larger machine."
        )
    free = memory.available()
    if n_jobs is None:
        n_jobs, free = 2, min(_MEMORY, free)
    return max(1, min(number_of_jobs(n_jobs), free // n_bytes))


class _Sums:
    """Sums and counts of all images, in a file: a record an image."""

    def __init__(self, path: Path, shape: tuple[int, int], most_repeats: int) -> None:
        self._path, self._shape = path, shape
        count = np.min_scalar_type(most_repeats)
        self._sums = np.zeros(shape[1], np.float32)
        self._counts = np.zeros(shape[1], count)
        self._record_bytes = self._sums.nbytes + self._counts.nbytes
        self._n_written = 0  # images are numbered by their first showing

    def __enter__(self) -> _Sums:
        with ExitStack() as stack:
            self._file: BinaryIO = stack.enter_context(self._path.open("x+b", buffering=0))
            reserve(self._file, self._shape[0] * self._record_bytes)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._path.unlink()

    def add(self, rows: NDArray[np.intp], scores: NDArray[np.float32]) -> None:
        """Add the scores of a session, whose trials have the images `rows`."""
        order = np.argsort(rows, kind="stable")  # trials of an image stay in order
        images, starts = np.unique(rows[order], return_index=True)
        for image, its_trials in zip(images, np.split(order, starts[1:]), strict=True):
            self._file.seek(int(image) * self._record_bytes)
            if image < self._n_written:
                self._read(self._sums)
                self._read(self._counts)
                self._file.seek(int(image) * self._record_bytes)
            else:
                self._sums.fill(0)
                self._counts.fill(0)
            for trial in its_trials:
                add_trial(scores[trial], self._sums, self._counts)
            self._write(self._sums)
            self._write(self._counts)
        self._n_written = max(self._n_written, int(rows.max(initial=-1)) + 1)

    def means(self, shard: ShardWriter) -> Iterator[NDArray[np.float32]]:
        """Yield the means of each block of voxels."""
        n_images, n_voxels = self._shape
        width = _BLOCKS_AT_ONCE * shard.width
        for start in range(0, n_voxels, width):
            n_columns = min(width, n_voxels - start)
            sums = memory.empty((n_images, n_columns), np.float32)
            counts = memory.empty((n_images, n_columns), self._counts.dtype)
            for image in range(n_images):
                for array, before in ((sums, 0), (counts, self._sums.nbytes)):
                    place = image * self._record_bytes + before + start * array.itemsize
                    self._file.seek(place)
                    self._read(array[image])
            for first in range(0, n_columns, shard.width):
                some = slice(first, first + shard.width)
                yield means_of(sums[:, some], counts[:, some])

    def _read(self, array: NDArray) -> None:
        view = array.view(np.uint8).data
        while view:
            n_bytes = self._file.readinto(view)  # type: ignore[attr-defined]
            if not n_bytes:
                raise OSError("the file of sums became shorter")
            view = view[n_bytes:]

    def _write(self, array: NDArray) -> None:
        view = array.view(np.uint8).data
        while view:
            view = view[self._file.write(view) :]
