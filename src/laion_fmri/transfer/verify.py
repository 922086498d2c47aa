"""Verification of local files against the bucket."""

from __future__ import annotations

import errno
import hashlib
import queue
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from laion_fmri._errors import (
    AccessDeniedError,
    AccessServiceError,
    BucketError,
    BucketUnreachableError,
    ObjectNotFoundError,
)
from laion_fmri.bucket import Bucket
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.checksums import Checksum
from laion_fmri.transfer.plan import FileStatus, PlannedFile, TransferPlan, count_of, format_bytes

_READERS = 2  # files read at the same time
_BLOCK = 1 << 20  # bytes
_SHOWN = 20  # files of one kind
_SHOWN_UNCHECKED = 3  # files of one reason
_IN_USE = (errno.EBUSY, errno.ETXTBSY)


class Verdict(StrEnum):
    """The result of verifying a local file."""

    GOOD = "good"
    SIZE_ONLY = "right size"
    DAMAGED = "damaged"
    OUTDATED = "outdated"
    INCOMPLETE = "incomplete"
    UNREADABLE = "unreadable"
    UNCHECKED = "not checked"

    @property
    def needs_repair(self) -> bool:
        """Whether the file should be fetched again."""
        return self in _MEANINGS

    @property
    def meaning(self) -> str:
        """The problem in a few words; empty if there is none."""
        return _MEANINGS.get(self, "")


_MEANINGS = {
    Verdict.DAMAGED: "other bytes than the bucket has",
    Verdict.OUTDATED: "a newer file is published",
    Verdict.INCOMPLETE: "a download was interrupted",
    Verdict.UNREADABLE: "the disk fails to read it",
}


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """One local file and its verdict.

    Attributes
    ----------
    file : PlannedFile
    verdict : Verdict
        *Right size*: the bucket has no digest that can be computed from the file. *Not checked*:
        its source does not answer, or the file cannot be opened.
    problem : str
        Why a file was not checked.
    """

    file: PlannedFile
    verdict: Verdict
    problem: str = ""


@dataclass
class VerifyReport:
    """The result of `verify`; prints as a few lines.

    Attributes
    ----------
    plan : TransferPlan
        Objects of the bucket with local files.
    files : list of VerifiedFile
    """

    plan: TransferPlan
    files: list[VerifiedFile] = field(default_factory=list)

    def of(self, verdict: Verdict) -> list[PlannedFile]:
        """Return the files with a verdict."""
        return [f.file for f in self.files if f.verdict is verdict]

    @property
    def is_good(self) -> bool:
        """Whether nothing needs repair, as far as files could be checked."""
        return not any(f.verdict.needs_repair for f in self.files)

    @property
    def unchecked(self) -> dict[str, str]:
        """Keys of the files that could not be checked, with the reason."""
        return {f.file.key: f.problem for f in self.files if f.verdict is Verdict.UNCHECKED}

    @property
    def is_complete(self) -> bool:
        """Whether every file could be checked."""
        return not self.unchecked

    @property
    def repair_plan(self) -> TransferPlan:
        """Return the plan of the files that need repair."""
        broken = [f for f in self.files if f.verdict.needs_repair]
        files = tuple(
            f.file
            if f.verdict is Verdict.INCOMPLETE
            else replace(f.file, status=FileStatus.DAMAGED, bytes_downloaded=0)
            for f in broken
        )
        return TransferPlan(files, self.plan.data_dir)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a dict, for JSON: keys of the files by verdict, and reasons."""
        found: dict[str, Any] = {str(v): [f.key for f in self.of(v)] for v in Verdict}
        return found | {str(Verdict.UNCHECKED): self.unchecked}

    def __str__(self) -> str:
        n_bytes = sum(f.file.size for f in self.files)
        lines = [f"{count_of(len(self.files), 'local file')}, {format_bytes(n_bytes)}:"]
        for verdict in Verdict:
            files = self.of(verdict)
            if files:
                because = f": {verdict.meaning}" if verdict.meaning else ""
                lines.append(f"  {len(files):>6} {verdict}{because}")
            if verdict.needs_repair:
                lines += [f"         {file.key}" for file in files[:_SHOWN]]
                if len(files) > _SHOWN:
                    lines.append(f"         ... and {len(files) - _SHOWN} more")
        if not self.is_good:
            to_repair = self.repair_plan
            lines.append(
                f"Repairing fetches {count_of(len(to_repair.files), 'file')} "
                f"({format_bytes(to_repair.bytes_to_fetch)}): `laion-fmri verify --repair`."
            )
        for problem, keys in _by_problem(self.unchecked).items():
            which = ", ".join(keys[:_SHOWN_UNCHECKED])
            more = len(keys) - _SHOWN_UNCHECKED
            lines.append(
                f"Not checked: {which}{f' and {more} more' if more > 0 else ''}. {problem}"
            )
        return "\n".join(lines)


def verify(plan: TransferPlan, cancel: threading.Event | None = None) -> Iterator[VerifiedFile]:
    """Verify every file of a plan that is downloaded, completely or in part.

    Digests are compared if the bucket has them: a SHA-256, the MD5 in an ETag, or the MD5s of the
    parts of a large object. A mirror on disk is read and compared. A file that cannot be checked is
    reported as such and does not stop the others.

    Parameters
    ----------
    plan : TransferPlan
    cancel : threading.Event, optional
        Set it to stop early.
    """
    cancel = cancel or threading.Event()
    local = [f for f in plan.files if f.status is not FileStatus.NOT_DOWNLOADED]
    found: queue.SimpleQueue[VerifiedFile | Exception] = queue.SimpleQueue()
    silent: dict[Bucket, str] = {}  # sources that did not answer, with the error

    def look(file: PlannedFile) -> None:
        try:
            found.put(_verified(file, cancel, silent))
        except Exception as error:
            found.put(error)

    with ThreadPoolExecutor(_READERS, thread_name_prefix="verify") as readers:
        for file in local:
            readers.submit(look, file)
        try:
            for _ in local:
                answer = found.get()
                if isinstance(answer, Exception):
                    raise answer
                if cancel.is_set():
                    return
                yield answer
        finally:
            cancel.set()
            readers.shutdown(cancel_futures=True)


def _verified(
    file: PlannedFile, cancel: threading.Event, silent: dict[Bucket, str]
) -> VerifiedFile:
    if file.status is FileStatus.INCOMPLETE:
        return VerifiedFile(file, Verdict.INCOMPLETE)
    if file.status is FileStatus.OUTDATED:
        return VerifiedFile(file, Verdict.OUTDATED)
    if file.source in silent:
        return VerifiedFile(file, Verdict.UNCHECKED, silent[file.source])
    try:
        checksum = _checksum(file, cancel)
    except (BucketError, AccessServiceError) as error:
        if isinstance(error, (BucketUnreachableError, AccessServiceError)):
            silent[file.source] = str(error)
        return VerifiedFile(file, Verdict.UNCHECKED, str(error))
    if checksum is None:
        return VerifiedFile(file, Verdict.SIZE_ONLY)
    try:
        matches = checksum.matches(file.path, cancel.is_set)
    except OSError as error:
        if isinstance(error, PermissionError) or error.errno in _IN_USE:
            problem = f"It cannot be opened ({error.strerror or error})."
            return VerifiedFile(file, Verdict.UNCHECKED, problem)
        return VerifiedFile(file, Verdict.UNREADABLE)
    return VerifiedFile(file, Verdict.GOOD if matches else Verdict.DAMAGED)


def _checksum(file: PlannedFile, cancel: threading.Event) -> Checksum | None:
    try:
        if not isinstance(file.source, DirectoryBucket):
            return file.source.checksum(file.listed)
        digest = hashlib.sha256()
        with file.source.open(file.key) as stream:
            while (block := stream.read(_BLOCK)) and not cancel.is_set():
                digest.update(block)
        return Checksum("sha256", digest.hexdigest())
    except (AccessDeniedError, ObjectNotFoundError):
        return None


def _by_problem(unchecked: Mapping[str, str]) -> dict[str, list[str]]:
    """Group keys by the reason why they were not checked."""
    keys: dict[str, list[str]] = {}
    for key, problem in unchecked.items():
        keys.setdefault(problem, []).append(key)
    return keys
