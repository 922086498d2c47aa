"""Downloads stored in the data directory, to survive a restart of the server.

``{data_dir}/.laion_fmri/jobs.json`` holds titles, keys, sizes, versions and reasons, to resume
downloads and to list past ones. A source is stored as an address. The file contains no links,
request ids or form answers.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from laion_fmri.access import AccessFiles, stimulus_source
from laion_fmri.atomic_write import write_atomically
from laion_fmri.bucket import Bucket, BucketObject, open_bucket
from laion_fmri.config import Settings
from laion_fmri.splits.fetching import SplitFiles
from laion_fmri.transfer.partial import bytes_in
from laion_fmri.transfer.plan import FileStatus, LocalFiles, PlannedFile

log = logging.getLogger("laion_fmri.transfer")

_FOLDER = ".laion_fmri"
_VERSION = 1
_ACCESS, _SPLITS = {"kind": "access service"}, {"kind": "published splits"}


class JobState(StrEnum):
    """State of a download."""

    QUEUED = "waiting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_busy(self) -> bool:
        """Whether the download runs, waits or is about to stop."""
        return self in (JobState.QUEUED, JobState.RUNNING, JobState.PAUSING, JobState.CANCELLING)

    @property
    def is_over(self) -> bool:
        """Whether the download has ended."""
        return self in (JobState.FINISHED, JobState.CANCELLED, JobState.FAILED)


@dataclass
class JobRecord:
    """The stored fields of a download, except its files.

    Attributes
    ----------
    number, n_jobs : int
    title, problem : str
    state : JobState
    asked_at, ended_at : str
        ISO 8601; empty before the event.
    n_files, n_bytes : int
        Files and bytes to fetch when the download was requested.
    n_here : int
        Files that were already downloaded.
    n_fetched, n_moved : int
        Files and bytes that this download fetched.
    reasons : dict of str to tuple of (str, str)
        For each key that was not fetched: ``"denied"`` or ``"failed"``, and the reason.
    """

    number: int
    title: str
    state: JobState = JobState.QUEUED
    n_jobs: int = 1
    asked_at: str = ""
    ended_at: str = ""
    problem: str = ""
    n_files: int = 0
    n_bytes: int = 0
    n_here: int = 0
    n_fetched: int = 0
    n_moved: int = 0
    reasons: dict[str, tuple[str, str]] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Return the fields of the record by name, also for a subclass."""
        facts = {each.name: getattr(self, each.name) for each in fields(JobRecord)}
        return {**facts, "reasons": dict(self.reasons)}

    @staticmethod
    def read(stored: Mapping[str, Any]) -> JobRecord:
        """Parse stored JSON; raises TypeError, ValueError or KeyError."""
        types: dict[Any, Any] = {"int": int, "str": str, "JobState": JobState}
        facts = {f.name: types[f.type](stored[f.name]) for f in fields(JobRecord)[:-1]}
        reasons = {str(k): (str(kind), str(why)) for k, (kind, why) in stored["reasons"].items()}
        return JobRecord(**facts, reasons=reasons)


class StoredFile(NamedTuple):
    """A file to fetch: `source` is a position among the sources.

    `damaged_at` is set for a file of the right size with wrong bytes: its modification time in
    nanoseconds. A file that was modified later does not count as damaged.
    """

    key: str
    size: int
    etag: str
    source: int
    damaged_at: int | None = None


@dataclass(frozen=True)
class StoredPlan:
    """Files to fetch and the addresses of their sources, in JSON form.

    Attributes
    ----------
    sources : tuple of mapping
    files : tuple of StoredFile
    """

    sources: tuple[Mapping[str, str], ...] = ()
    files: tuple[StoredFile, ...] = ()

    @classmethod
    def of(cls, files: Iterable[PlannedFile]) -> StoredPlan:
        """Store the files of a plan."""
        positions: dict[int, int] = {}
        sources: list[Mapping[str, str]] = []
        stored = []
        for file in files:
            if id(file.source) not in positions:
                positions[id(file.source)] = len(sources)
                sources.append(_address(file.source))
            position = positions[id(file.source)]
            stored.append(StoredFile(file.key, file.size, file.etag, position, _damaged_at(file)))
        return cls(tuple(sources), tuple(stored))

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> StoredPlan:
        """Parse stored JSON; raises TypeError, ValueError or KeyError."""
        sources = tuple({str(k): str(v) for k, v in s.items()} for s in stored["sources"])
        files = tuple(StoredFile(*row) for row in stored["files"])
        for key, size, etag, source, damaged_at in files:
            texts, numbers = (key, etag), (size, source, damaged_at or 0)
            is_valid = all(isinstance(t, str) for t in texts) and 0 <= source < len(sources)
            if not is_valid or not all(isinstance(n, int) for n in numbers):
                raise ValueError(f"{key!r} describes no file")
        return cls(sources, files)

    def as_json(self) -> dict[str, Any]:
        """Return the plan for `json.dumps`."""
        return {"sources": self.sources, "files": self.files}

    @property
    def needs_access(self) -> bool:
        """Whether files require the data use agreement."""
        return _ACCESS in self.sources

    def planned_files(self, settings: Settings) -> tuple[PlannedFile, ...]:
        """Return the files with their current status on disk.

        Raises
        ------
        BucketError, ConfigError, UnsafeKeyError
        """
        sources = [_open_source(address, settings) for address in self.sources]
        local = [LocalFiles(settings.require_data_dir(), source) for source in sources]
        found = []
        for stored in self.files:
            file = local[stored.source].compare(BucketObject(stored.key, stored.size, stored.etag))
            is_damaged = (
                stored.damaged_at is not None
                and file.status is FileStatus.DOWNLOADED
                and file.path.stat().st_mtime_ns == stored.damaged_at
            )
            found.append(as_damaged(file) if is_damaged else file)
        return tuple(found)


def as_damaged(file: PlannedFile) -> PlannedFile:
    """Return the file marked as damaged, to fetch it although a file of its size exists."""
    n_bytes = bytes_in(file.partial_path, file.size)
    return replace(file, status=FileStatus.DAMAGED, bytes_downloaded=n_bytes)


def _damaged_at(file: PlannedFile) -> int | None:
    if file.status is FileStatus.DAMAGED:
        with suppress(OSError):
            return file.path.stat().st_mtime_ns
    return None


def _address(source: Bucket) -> Mapping[str, str]:
    if isinstance(source, AccessFiles):
        return _ACCESS
    if isinstance(source, SplitFiles):
        return _SPLITS
    endpoint = getattr(source, "endpoint_url", None) or ""
    return {"kind": "bucket", "uri": source.uri, "endpoint_url": endpoint}


def _open_source(address: Mapping[str, str], settings: Settings) -> Bucket:
    """Open the source at an address; the access service is that of the settings."""
    if address == _ACCESS:
        return stimulus_source(settings)
    if address == _SPLITS:
        return SplitFiles()
    endpoint = address.get("endpoint_url") or None
    return open_bucket(replace(settings, bucket=address.get("uri", ""), endpoint_url=endpoint))


class JobStore:
    """The downloads stored in a data directory. One server owns and writes them; others read them.

    Parameters
    ----------
    data_dir : Path or None
        None stores nothing.
    """

    def __init__(self, data_dir: Path | None) -> None:
        folder = data_dir / _FOLDER if data_dir else None
        self._path = folder / "jobs.json" if folder else None
        self._owner_path = folder / "jobs.owner" if folder else None  # for Windows
        self._file_lock = (
            FileLock(folder / "jobs.lock", timeout=0, thread_local=False) if folder else None
        )
        # Without it, one of two threads that take the file lock concurrently would be refused.
        self._thread_lock = threading.Lock()

    def take(self) -> bool:
        """Become the owner unless another server is; return whether this one is the owner.

        Without locks or write permission on the disk, nothing is locked. The lock ends with its
        process.
        """
        with self._thread_lock:
            if self._file_lock is None or self._owner_path is None or self._file_lock.is_locked:
                return True
            try:
                self._owner_path.parent.mkdir(parents=True, exist_ok=True)
                self._file_lock.acquire()
                owner = f"process {os.getpid()} on {socket.gethostname()}\n"
                self._owner_path.write_text(owner, encoding="utf-8")
            except Timeout:
                return False
            except (OSError, NotImplementedError) as error:
                reason = getattr(error, "strerror", None) or error
                log.warning("%s cannot be locked (%s)", self._owner_path.parent, reason)
            return True

    def release(self) -> None:
        """Release the ownership."""
        if self._file_lock is not None:
            self._file_lock.release()

    def owner(self) -> str:
        """Return the process that owns the downloads; empty if unknown."""
        with suppress(OSError, UnicodeDecodeError):
            if self._owner_path is not None:
                return self._owner_path.read_text(encoding="utf-8").strip()
        return ""

    def changed_at(self) -> int:
        """Return the modification time in nanoseconds; 0 if nothing is stored."""
        with suppress(OSError):
            if self._path is not None:
                return self._path.stat().st_mtime_ns
        return 0

    def read(self) -> tuple[list[tuple[JobRecord, StoredPlan]], float | None]:
        """Read the downloads and the last rate in bytes per second; rename a damaged file."""
        if self._path is None:
            return [], None
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            if stored["version"] != _VERSION:
                raise ValueError(f"it is of version {stored['version']!r}")
            rate = stored["rate"]
            jobs = [(JobRecord.read(job), StoredPlan.read(job)) for job in stored["jobs"]]
            return jobs, None if rate is None else float(rate)
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("%s cannot be read (%s)", self._path, error.strerror or error)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.warning("%s is damaged and was set aside (%s)", self._path, error)
            with suppress(OSError):
                self._path.replace(self._path.with_name("jobs.json.damaged"))
        return [], None

    def write(self, jobs: Iterable[dict[str, Any]], rate: float | None) -> None:
        """Store the downloads; a failure is logged."""
        if self._path is None:
            return
        text = json.dumps({"version": _VERSION, "rate": rate, "jobs": list(jobs)})
        try:
            write_atomically(self._path, text + "\n", private=True)
        except OSError as error:
            log.warning("Downloads cannot be stored (%s)", error.strerror or error)
