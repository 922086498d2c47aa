"""Downloads written down in the data directory, so that they outlive the server.

``{data_dir}/.laion_fmri/jobs.json`` holds what is needed to go on and what there is to look
back on: titles, keys, sizes, versions, reasons. Where a file comes from is kept as an
address; no link, no request id and nothing that was typed is ever among it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from laion_fmri.access import AccessFiles, stimulus_source
from laion_fmri.bucket import Bucket, BucketObject, open_bucket
from laion_fmri.config import Settings, write_atomically
from laion_fmri.splits.fetching import SplitFiles
from laion_fmri.transfer.partial import bytes_in
from laion_fmri.transfer.plan import FileStatus, LocalFiles, PlannedFile

log = logging.getLogger("laion_fmri.explorer")

FOLDER = ".laion_fmri"
_FILE, _SET_ASIDE = "jobs.json", "jobs.json.damaged"
_VERSION = 1
_ACCESS, _SPLITS = {"kind": "access service"}, {"kind": "published splits"}


@dataclass(frozen=True)
class FileRecord:
    """A file that a job has still to fetch.

    Attributes
    ----------
    key, etag : str
    size : int
    source : int
        Its place in the job's `sources`.
    damaged_at : int or None
        Of a file that has the right size but wrong bytes: when those were written, in
        nanoseconds. One that was written later is another.
    """

    key: str
    size: int
    etag: str
    source: int
    damaged_at: int | None = None


@dataclass(frozen=True)
class JobRecord:
    """A job as it is written down.

    Attributes
    ----------
    number, n_jobs : int
    title, state, problem : str
    asked_at, ended_at : str
        ISO 8601; empty when not yet.
    n_files, n_bytes : int
        What it was to fetch.
    n_here, n_fetched, n_moved : int
        Files that were here before, files and bytes that were fetched.
    reasons : mapping of str to tuple of (str, str)
        For each key that was not fetched: ``"denied"`` or ``"failed"``, and why.
    sources : tuple of mapping
    files : tuple of FileRecord
        Those that are still to be fetched.
    """

    number: int
    title: str
    state: str
    n_jobs: int = 1
    asked_at: str = ""
    ended_at: str = ""
    problem: str = ""
    n_files: int = 0
    n_bytes: int = 0
    n_here: int = 0
    n_fetched: int = 0
    n_moved: int = 0
    reasons: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sources: tuple[Mapping[str, str], ...] = ()
    files: tuple[FileRecord, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        rows = [[f.key, f.size, f.etag, f.source, f.damaged_at] for f in self.files]
        return {**vars(self), "files": rows}

    @classmethod
    def read(cls, stored: dict[str, Any]) -> JobRecord:
        """Check what was stored; raises TypeError, ValueError or KeyError."""
        numbers = ("number", "n_jobs", "n_files", "n_bytes", "n_here", "n_fetched", "n_moved")
        texts = ("title", "state", "asked_at", "ended_at", "problem")
        sources = tuple({str(k): str(v) for k, v in s.items()} for s in stored["sources"])
        files = tuple(_read_file(row, len(sources)) for row in stored["files"])
        reasons = {str(k): (str(kind), str(why)) for k, (kind, why) in stored["reasons"].items()}
        plain: dict[str, Any] = {name: int(stored[name]) for name in numbers}
        plain |= {name: str(stored[name]) for name in texts}
        return cls(**plain, reasons=reasons, sources=sources, files=files)


def _read_file(row: list[Any], n_sources: int) -> FileRecord:
    key, size, etag, source, damaged_at = row
    if not isinstance(key, str) or not isinstance(etag, str) or not 0 <= source < n_sources:
        raise ValueError(f"{row!r} describes no file")
    return FileRecord(key, int(size), etag, int(source), damaged_at and int(damaged_at))


@dataclass(frozen=True)
class Notes:
    """What the file holds.

    Attributes
    ----------
    jobs : tuple of JobRecord
    rate : float or None
        Bytes a second, as measured last.
    """

    jobs: tuple[JobRecord, ...] = ()
    rate: float | None = None


def read_notes(data_dir: Path) -> Notes:
    """What was written down; a damaged file is set aside."""
    path = data_dir / FOLDER / _FILE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["version"] != _VERSION:
            raise ValueError(f"it is of version {stored['version']!r}")
        rate = stored["rate"]
        jobs = tuple(JobRecord.read(job) for job in stored["jobs"])
        return Notes(jobs, None if rate is None else float(rate))
    except FileNotFoundError:
        return Notes()
    except OSError as error:
        log.warning("%s cannot be read (%s)", path, error.strerror or error)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.warning("%s is damaged and was set aside (%s)", path, error)
        with suppress(OSError):
            path.replace(path.with_name(_SET_ASIDE))
    return Notes()


def write_notes(data_dir: Path, notes: Notes) -> None:
    """Write everything down, whole or not at all; raises OSError."""
    jobs = [job.as_json() for job in notes.jobs]
    text = json.dumps({"version": _VERSION, "rate": notes.rate, "jobs": jobs})
    write_atomically(data_dir / FOLDER / _FILE, text + "\n")


def notes_changed_at(data_dir: Path) -> int:
    """When the file was written, in nanoseconds; 0 where there is none."""
    try:
        return (data_dir / FOLDER / _FILE).stat().st_mtime_ns
    except OSError:
        return 0


# --- files --------------------------------------------------------------------------------


def records_of(
    files: Iterable[PlannedFile],
) -> tuple[tuple[Mapping[str, str], ...], tuple[FileRecord, ...]]:
    """Sources and files, ready to be written down."""
    places: dict[int, int] = {}
    sources: list[Mapping[str, str]] = []
    records = []
    for file in files:
        place = places.get(id(file.source))
        if place is None:
            place = places[id(file.source)] = len(sources)
            sources.append(_address(file.source))
        records.append(FileRecord(file.key, file.size, file.etag, place, damaged_at(file)))
    return tuple(sources), tuple(records)


def planned_files(record: JobRecord, settings: Settings) -> tuple[PlannedFile, ...]:
    """The files of a record as they are here now.

    Raises
    ------
    BucketError, ConfigError, UnsafeKeyError
    """
    sources = [open_source(address, settings) for address in record.sources]
    data_dir = settings.require_data_dir()
    looks = [LocalFiles(data_dir, source) for source in sources]
    found = []
    for file in record.files:
        now = looks[file.source].compare(BucketObject(file.key, file.size, file.etag))
        found.append(as_damaged(now) if _is_still(now, file.damaged_at) else now)
    return tuple(found)


def damaged_at(file: PlannedFile) -> int | None:
    """When the bytes of a damaged file were written; None for any other file."""
    if file.status is not FileStatus.DAMAGED:
        return None
    try:
        return file.path.stat().st_mtime_ns
    except OSError:
        return None


def as_damaged(file: PlannedFile) -> PlannedFile:
    """The file, to be fetched although one of its size is there."""
    there = bytes_in(file.partial_path, file.size)
    return replace(file, status=FileStatus.DAMAGED, bytes_here=there)


def _is_still(file: PlannedFile, written_at: int | None) -> bool:
    if written_at is None or file.status is not FileStatus.HERE:
        return False
    return file.path.stat().st_mtime_ns == written_at


def _address(source: Bucket) -> Mapping[str, str]:
    """Where a source is; of the access service, nothing but that it is that."""
    if isinstance(source, AccessFiles):
        return _ACCESS
    if isinstance(source, SplitFiles):
        return _SPLITS
    endpoint = getattr(source, "endpoint_url", None) or ""
    return {"kind": "bucket", "uri": source.uri, "endpoint_url": endpoint}


def open_source(address: Mapping[str, str], settings: Settings) -> Bucket:
    """The source at an address; the access service is the one of the settings.

    Raises
    ------
    BucketError, ConfigError
    """
    if address == _ACCESS:
        return stimulus_source(settings)
    if address == _SPLITS:
        return SplitFiles()
    endpoint = address.get("endpoint_url") or None
    where = replace(settings, bucket=address.get("uri", ""), endpoint_url=endpoint)
    return open_bucket(where)
