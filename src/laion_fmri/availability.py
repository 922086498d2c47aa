"""The contents of the dataset, and how much of them is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from laion_fmri import discovery, layout
from laion_fmri._errors import UnsafeKeyError
from laion_fmri.bucket import Bucket, BucketObject, open_bucket
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.selection import AVERAGES
from laion_fmri.subject_files import local_subjects
from laion_fmri.transfer.plan import FileStatus, LocalFiles, PlannedFile

Listing = Callable[[str], list[PlannedFile]]


class Availability(StrEnum):
    """The download status of a file or of a group of files."""

    DOWNLOADED = "downloaded"
    INCOMPLETE = "incomplete"
    NOT_DOWNLOADED = "not downloaded"
    OUTDATED = "outdated"
    DAMAGED = "damaged"
    HELD_OUT = "held out"
    UNUSABLE_NAME = "unusable name"
    ABSENT = "does not exist"

    @classmethod
    def of(cls, status: FileStatus) -> Availability:
        """Return the availability of a file of a transfer plan."""
        return cls(status.value)


@dataclass(frozen=True)
class Share:
    """The downloaded part of a group of files.

    Attributes
    ----------
    n_files, n_downloaded : int
    n_bytes, bytes_downloaded : int
        `bytes_downloaded` includes the bytes of interrupted downloads.
    """

    n_files: int = 0
    n_downloaded: int = 0
    n_bytes: int = 0
    bytes_downloaded: int = 0

    @classmethod
    def of(cls, files: Iterable[PlannedFile]) -> Share:
        """Return the share of the files of a transfer plan."""
        files = list(files)
        return cls(
            len(files),
            sum(f.status is FileStatus.DOWNLOADED for f in files),
            sum(f.size for f in files),
            sum(f.bytes_downloaded for f in files),
        )

    @property
    def fraction(self) -> float:
        """Downloaded fraction of the bytes, 0 to 1; of the files when all are empty."""
        if self.n_bytes:
            return self.bytes_downloaded / self.n_bytes
        return self.n_downloaded / self.n_files if self.n_files else 0.0

    @property
    def availability(self) -> Availability:
        """The share as an `Availability`."""
        if not self.n_files:
            return Availability.ABSENT
        if self.n_downloaded == self.n_files:
            return Availability.DOWNLOADED
        has_some = self.n_downloaded or self.bytes_downloaded
        return Availability.INCOMPLETE if has_some else Availability.NOT_DOWNLOADED


@dataclass(frozen=True)
class SubjectAvailability:
    """The data of one subject, and how much of them is downloaded.

    Attributes
    ----------
    name : str
        Full identifier.
    sessions : mapping of str to Share
        Single-trial responses of each session that the bucket serves, in order.
    averages : Share
        The maps averaged over sessions.
    held_out : tuple of str
        Sessions that the bucket lists but does not serve.
    rois : mapping of str to (mapping of str to Share)
        Category to its ROIs, both sorted.
    total : Share
        All derivatives of the subject except those of held-out sessions.
    """

    name: str
    sessions: Mapping[str, Share]
    averages: Share
    held_out: tuple[str, ...]
    rois: Mapping[str, Mapping[str, Share]]
    total: Share

    @property
    def n_rois(self) -> int:
        """Number of ROIs."""
        return len({roi for rois in self.rois.values() for roi in rois})

    @property
    def n_sessions_downloaded(self) -> int:
        """Number of sessions whose files are all downloaded."""
        return sum(s.availability is Availability.DOWNLOADED for s in self.sessions.values())

    def session_availability(self, session: str) -> Availability:
        """Return the availability of a session, or of ``"averages"``."""
        if session in self.held_out:
            return Availability.HELD_OUT
        if session == AVERAGES:
            return self.averages.availability
        return self.sessions.get(session, Share()).availability

    def roi_availability(self, category: str, roi: str) -> Availability:
        """Return the availability of an ROI."""
        return self.rois.get(category, {}).get(roi, Share()).availability


@dataclass(frozen=True)
class StimulusAvailability:
    """One file of the stimuli.

    Attributes
    ----------
    title : str
    key : str
    size : int or None
        Bytes; None when the bucket does not list the file.
    availability : Availability
    needs_agreement : bool
        Whether the file requires the data use agreement.
    """

    title: str
    key: str
    size: int | None
    availability: Availability
    needs_agreement: bool


@dataclass(frozen=True)
class DatasetAvailability:
    """The contents of the dataset, and how much of them is downloaded.

    Attributes
    ----------
    subjects : tuple of SubjectAvailability
    stimuli : tuple of StimulusAvailability
    """

    subjects: tuple[SubjectAvailability, ...]
    stimuli: tuple[StimulusAvailability, ...]

    @property
    def sessions(self) -> tuple[str, ...]:
        """All sessions of all subjects, including held-out ones, in order."""
        found = {s for entry in self.subjects for s in (*entry.sessions, *entry.held_out)}
        return tuple(sorted(found, key=layout.natural_order))

    def rois(self, category: str) -> tuple[str, ...]:
        """Return the ROIs of a category over all subjects, sorted."""
        found = {roi for entry in self.subjects for roi in entry.rois.get(category, ())}
        return tuple(sorted(found, key=layout.natural_order))

    def lacking(self) -> dict[str, list[str]]:
        """Return, for each subject, the ROIs that only other subjects have."""
        missing: dict[str, list[str]] = {entry.name: [] for entry in self.subjects}
        for category in self.categories:
            for roi in self.rois(category):
                for entry in self.subjects:
                    if entry.roi_availability(category, roi) is Availability.ABSENT:
                        missing[entry.name].append(roi)
        return {name: rois for name, rois in missing.items() if rois}

    @property
    def categories(self) -> tuple[str, ...]:
        """The eight ROI categories, then any others in the bucket."""
        found = {category for entry in self.subjects for category in entry.rois}
        return (*layout.ROI_CATEGORIES, *sorted(found - set(layout.ROI_CATEGORIES)))


STIMULUS_FILES: tuple[tuple[str, str], ...] = (
    ("Images", layout.STIMULI_IMAGES),
    ("Image metadata", layout.STIMULI_METADATA),
    *((f"{model} embeddings", layout.embeddings(model)) for model in layout.EMBEDDING_MODELS),
    ("Segmentations", layout.SEGMENTATIONS),
    ("Segmentation metadata", layout.SEGMENTATIONS_METADATA),
    ("Captions", layout.CAPTIONS),
)


def dataset_availability(
    bucket: Bucket | None = None, data_dir: Path | None = None
) -> DatasetAvailability:
    """Return the contents of the bucket, and how much of them is downloaded.

    Listings are cached for the lifetime of the process; `laion_fmri.discovery.refresh` clears them.

    Parameters
    ----------
    bucket : Bucket, optional
        The configured one by default.
    data_dir : Path, optional
        Without one, nothing counts as downloaded.

    Returns
    -------
    DatasetAvailability

    Raises
    ------
    BucketUnreachableError

    Examples
    --------
    >>> from laion_fmri.availability import dataset_availability
    >>> found = dataset_availability(data_dir=sub.data_dir)
    >>> found.subjects[0].session_availability("ses-01")
    <Availability.DOWNLOADED: 'downloaded'>
    """
    bucket = bucket or open_bucket()

    def listing(prefix: str) -> list[PlannedFile]:
        return _compared(discovery.list_objects(prefix, bucket), data_dir, bucket)

    return _dataset(discovery.get_subjects(bucket), listing, data_dir)


def overview_objects(bucket: Bucket) -> list[BucketObject]:
    """List the objects that `dataset_availability` covers.

    Raises
    ------
    BucketUnreachableError
    """
    prefixes = [
        f"{tree}/{name}/"
        for name in discovery.get_subjects(bucket)
        for tree in layout.DERIVATIVE_TREES
    ]
    prefixes.append(f"{layout.STIMULI_TREE}/")
    return [found for prefix in prefixes for found in discovery.list_objects(prefix, bucket)]


def local_availability(data_dir: Path) -> DatasetAvailability:
    """Return the contents of the data directory, without a request to the bucket."""
    bucket = DirectoryBucket(data_dir)

    def listing(prefix: str) -> list[PlannedFile]:
        return _compared(bucket.objects(prefix), data_dir, bucket)

    return _dataset(local_subjects(data_dir), listing, data_dir)


def _dataset(
    subjects: Iterable[str], listing: Listing, data_dir: Path | None
) -> DatasetAvailability:
    return DatasetAvailability(
        tuple(_subject_entry(name, listing) for name in subjects),
        _stimulus_entries(listing, data_dir),
    )


def _subject_entry(name: str, listing: Listing) -> SubjectAvailability:
    by_tree = {tree: listing(f"{tree}/{name}/") for tree in layout.DERIVATIVE_TREES}
    sessions: dict[str, list[PlannedFile]] = {}
    for file in by_tree[layout.BETAS_TREE]:
        folder = file.key.split("/")[3]
        session = folder if folder.startswith("ses-") and file.key.count("/") > 3 else AVERAGES
        sessions.setdefault(session, []).append(file)
    averages = Share.of(sessions.pop(AVERAGES, ()))
    in_order = sorted(sessions, key=layout.natural_order)
    return SubjectAvailability(
        name,
        {s: Share.of(sessions[s]) for s in in_order if not layout.is_held_out(s)},
        averages,
        tuple(s for s in in_order if layout.is_held_out(s)),
        _rois(by_tree[layout.ROIS_TREE]),
        Share.of(f for files in by_tree.values() for f in files if not layout.is_held_out(f.key)),
    )


def _rois(files: Iterable[PlannedFile]) -> dict[str, dict[str, Share]]:
    found: dict[str, dict[str, list[PlannedFile]]] = {}
    for file in files:
        roi = layout.roi_of(file.key)
        if roi:
            found.setdefault(roi[0], {}).setdefault(roi[1], []).append(file)
    return {
        category: {roi: Share.of(found[category][roi]) for roi in sorted(found[category])}
        for category in sorted(found)
    }


def _stimulus_entries(listing: Listing, data_dir: Path | None) -> tuple[StimulusAvailability, ...]:
    listed = {f.key: f for f in listing(f"{layout.STIMULI_TREE}/")}
    return tuple(
        StimulusAvailability(
            title,
            key,
            listed[key].size if key in listed else None,
            Availability.of(listed[key].status if key in listed else _local_status(key, data_dir)),
            key in layout.GATED_KEYS,
        )
        for title, key in STIMULUS_FILES
    )


def _compared(
    objects: Iterable[BucketObject], data_dir: Path | None, bucket: Bucket
) -> list[PlannedFile]:
    local_files = LocalFiles(data_dir or Path(), bucket)
    return [file for found in objects if (file := _file(found, local_files, data_dir)) is not None]


def _file(
    found: BucketObject, local_files: LocalFiles, data_dir: Path | None
) -> PlannedFile | None:
    try:
        file = local_files.compare(found)
    except UnsafeKeyError:
        return None  # downloads refuse it, too
    if data_dir is None:
        return replace(file, status=FileStatus.NOT_DOWNLOADED, bytes_downloaded=0)
    return file


def _local_status(key: str, data_dir: Path | None) -> FileStatus:
    # A file of the access service is not in the bucket's listing and counts as complete.
    is_here = data_dir is not None and layout.local_path(data_dir, key).is_file()
    return FileStatus.DOWNLOADED if is_here else FileStatus.NOT_DOWNLOADED
