"""What the dataset holds and how much of it is here, ready to be shown. No widgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from laion_fmri import discovery, layout
from laion_fmri._errors import UnsafeKeyError
from laion_fmri.bucket import Bucket, BucketObject
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.selection import AVERAGES
from laion_fmri.subject import local_subjects
from laion_fmri.transfer.plan import FileStatus, LocalFiles, PlannedFile

Listing = Callable[[str], list[PlannedFile]]


class Presence(StrEnum):
    """How much of a group of files is here."""

    HERE = "here"
    PARTLY = "partly here"
    NOT_HERE = "not here"
    ABSENT = "does not exist"
    HELD_OUT = "held out"


@dataclass(frozen=True)
class Share:
    """A group of files, and how much of it is here.

    Attributes
    ----------
    n_files, n_here : int
    n_bytes, bytes_here : int
        `bytes_here` counts the bytes of interrupted downloads too.
    """

    n_files: int = 0
    n_here: int = 0
    n_bytes: int = 0
    bytes_here: int = 0

    @classmethod
    def of(cls, files: Iterable[PlannedFile]) -> Share:
        """The share of some files of a plan."""
        files = list(files)
        return cls(
            len(files),
            sum(f.status is FileStatus.HERE for f in files),
            sum(f.size for f in files),
            sum(f.bytes_here for f in files),
        )

    @property
    def fraction(self) -> float:
        """Bytes here over bytes, 0 to 1; files where they are all empty."""
        if self.n_bytes:
            return self.bytes_here / self.n_bytes
        return self.n_here / self.n_files if self.n_files else 0.0

    @property
    def presence(self) -> Presence:
        """The share in one word."""
        if not self.n_files:
            return Presence.ABSENT
        if self.n_here == self.n_files:
            return Presence.HERE
        return Presence.PARTLY if self.n_here or self.bytes_here else Presence.NOT_HERE


@dataclass(frozen=True)
class SubjectEntry:
    """One subject of the catalogue.

    Attributes
    ----------
    name : str
        Full identifier.
    sessions : mapping of str to Share
        The sessions of single-trial responses that are served, in their order.
    averages : Share
        The maps over sessions.
    held_out : tuple of str
        Sessions that are listed but not served.
    rois : mapping of str to (mapping of str to Share)
        Category to its ROIs, both sorted.
    total : Share
        All derivatives of the subject but those of held-out sessions.
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
    def n_sessions_here(self) -> int:
        """Number of sessions that are here whole."""
        return sum(share.presence is Presence.HERE for share in self.sessions.values())

    def session_presence(self, session: str) -> Presence:
        """How a session (or ``"averages"``) stands."""
        if session in self.held_out:
            return Presence.HELD_OUT
        if session == AVERAGES:
            return self.averages.presence
        return self.sessions.get(session, Share()).presence

    def roi_presence(self, category: str, roi: str) -> Presence:
        """How an ROI stands."""
        return self.rois.get(category, {}).get(roi, Share()).presence


@dataclass(frozen=True)
class StimulusEntry:
    """One file of the stimuli.

    Attributes
    ----------
    title : str
        What it is.
    key : str
    size : int or None
        Bytes; None where the bucket does not list it.
    status : FileStatus
    needs_agreement : bool
        Whether it is under the data use agreement.
    """

    title: str
    key: str
    size: int | None
    status: FileStatus
    needs_agreement: bool


@dataclass(frozen=True)
class Catalog:
    """The dataset at a glance.

    Attributes
    ----------
    subjects : tuple of SubjectEntry
    stimuli : tuple of StimulusEntry
    """

    subjects: tuple[SubjectEntry, ...]
    stimuli: tuple[StimulusEntry, ...]

    @property
    def sessions(self) -> tuple[str, ...]:
        """Every session of any subject, held-out ones included, in their order."""
        found = {s for entry in self.subjects for s in (*entry.sessions, *entry.held_out)}
        return tuple(sorted(found, key=layout.natural_order))

    def rois(self, category: str) -> tuple[str, ...]:
        """Every ROI of a category that any subject has, sorted."""
        found = {roi for entry in self.subjects for roi in entry.rois.get(category, ())}
        return tuple(sorted(found, key=layout.natural_order))

    def lacking(self) -> dict[str, list[str]]:
        """For each subject the ROIs that another subject has and this one does not."""
        missing: dict[str, list[str]] = {entry.name: [] for entry in self.subjects}
        for category in self.categories:
            for roi in self.rois(category):
                for entry in self.subjects:
                    if entry.roi_presence(category, roi) is Presence.ABSENT:
                        missing[entry.name].append(roi)
        return {name: rois for name, rois in missing.items() if rois}

    @property
    def categories(self) -> tuple[str, ...]:
        """The eight categories, then any other that the bucket has."""
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


def read_catalog(bucket: Bucket, data_dir: Path | None) -> Catalog:
    """What the bucket holds, and how much of it is in the data directory.

    Listings are remembered for the life of the process; `discovery.refresh` forgets them.

    Parameters
    ----------
    bucket : Bucket
    data_dir : Path or None
        None where no data directory is set: nothing is here then.

    Raises
    ------
    BucketUnreachableError
    """

    def listing(prefix: str) -> list[PlannedFile]:
        return _compared(discovery.list_objects(prefix, bucket), data_dir, bucket)

    return _catalog(discovery.get_subjects(bucket), listing, data_dir)


def overview_objects(bucket: Bucket) -> list[BucketObject]:
    """The objects that `read_catalog` looks at.

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


def read_local_catalog(data_dir: Path) -> Catalog:
    """What is in the data directory, without asking the bucket."""
    bucket = DirectoryBucket(data_dir)

    def listing(prefix: str) -> list[PlannedFile]:
        return _compared(bucket.objects(prefix), data_dir, bucket)

    return _catalog(local_subjects(data_dir), listing, data_dir)


def _catalog(subjects: Iterable[str], listing: Listing, data_dir: Path | None) -> Catalog:
    return Catalog(
        tuple(_subject_entry(name, listing) for name in subjects),
        _stimulus_entries(listing, data_dir),
    )


def _subject_entry(name: str, listing: Listing) -> SubjectEntry:
    by_tree = {tree: listing(f"{tree}/{name}/") for tree in layout.DERIVATIVE_TREES}
    sessions: dict[str, list[PlannedFile]] = {}
    for file in by_tree[layout.BETAS_TREE]:
        folder = file.key.split("/")[3]
        session = folder if folder.startswith("ses-") and file.key.count("/") > 3 else AVERAGES
        sessions.setdefault(session, []).append(file)
    averages = Share.of(sessions.pop(AVERAGES, ()))
    in_order = sorted(sessions, key=layout.natural_order)
    return SubjectEntry(
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


def _stimulus_entries(listing: Listing, data_dir: Path | None) -> tuple[StimulusEntry, ...]:
    listed = {f.key: f for f in listing(f"{layout.STIMULI_TREE}/")}
    return tuple(
        StimulusEntry(
            title,
            key,
            listed[key].size if key in listed else None,
            listed[key].status if key in listed else _local_status(key, data_dir),
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
        return None  # refused by every download too
    if data_dir is None:
        return replace(file, status=FileStatus.MISSING, bytes_here=0)
    return file


def _local_status(key: str, data_dir: Path | None) -> FileStatus:
    # The access service hands out what the bucket does not list; a file here is taken as whole.
    is_here = data_dir is not None and layout.local_path(data_dir, key).is_file()
    return FileStatus.HERE if is_here else FileStatus.MISSING
