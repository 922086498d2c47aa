"""Whether what is local is what the bucket has."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from laion_fmri._errors import AccessDeniedError, BucketError, ObjectNotFoundError
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.checksums import Checksum
from laion_fmri.transfer.plan import FileStatus, PlannedFile, TransferPlan, count_of, format_bytes

_READERS = 2  # files read at the same time
_BLOCK = 1 << 20  # bytes
_SHOWN = 20  # files of one kind


class Verdict(StrEnum):
    """What is known of a local file."""

    GOOD = "good"
    SIZE_ONLY = "right size"
    DAMAGED = "damaged"
    STALE = "stale"
    PARTIAL = "partial"
    UNREADABLE = "unreadable"

    @property
    def needs_repair(self) -> bool:
        """Whether the file should be fetched again."""
        return self not in (Verdict.GOOD, Verdict.SIZE_ONLY)


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """One local file and what is known of it.

    Attributes
    ----------
    file : PlannedFile
    verdict : Verdict
        *Right size*: the bucket keeps no digest of it that can be computed here.
    """

    file: PlannedFile
    verdict: Verdict


@dataclass
class VerifyReport:
    """What `verify` found; prints as a few lines.

    Attributes
    ----------
    plan : TransferPlan
        Everything the bucket has of what is local.
    files : list of VerifiedFile
    """

    plan: TransferPlan
    files: list[VerifiedFile] = field(default_factory=list)

    def of(self, verdict: Verdict) -> list[PlannedFile]:
        """The files of a verdict."""
        return [f.file for f in self.files if f.verdict is verdict]

    @property
    def is_good(self) -> bool:
        """Whether nothing needs repair."""
        return not any(f.verdict.needs_repair for f in self.files)

    @property
    def repair_plan(self) -> TransferPlan:
        """What to fetch to have everything right."""
        broken = [f for f in self.files if f.verdict.needs_repair]
        files = tuple(
            f.file
            if f.verdict is Verdict.PARTIAL
            else replace(f.file, status=FileStatus.DAMAGED, bytes_here=0)
            for f in broken
        )
        return TransferPlan(files, self.plan.data_dir)

    def as_dict(self) -> dict[str, Any]:
        """The same for programs: keys of the files by verdict."""
        return {str(verdict): [f.key for f in self.of(verdict)] for verdict in Verdict}

    def __str__(self) -> str:
        n_bytes = sum(f.file.size for f in self.files)
        lines = [f"{count_of(len(self.files), 'local file')}, {format_bytes(n_bytes)}:"]
        for verdict in Verdict:
            files = self.of(verdict)
            if files:
                lines.append(f"  {len(files):>6} {verdict}")
            if verdict.needs_repair:
                lines += [f"         {file.key}" for file in files[:_SHOWN]]
                if len(files) > _SHOWN:
                    lines.append(f"         … and {len(files) - _SHOWN} more")
        if not self.is_good:
            to_repair = self.repair_plan
            lines.append(
                f"Repairing fetches {count_of(len(to_repair.files), 'file')} "
                f"({format_bytes(to_repair.bytes_to_fetch)}): `laion-fmri verify --repair`."
            )
        return "\n".join(lines)


def verify(plan: TransferPlan, cancel: threading.Event | None = None) -> Iterator[VerifiedFile]:
    """Look at every file of a plan that is here, in whole or in part.

    Digests are compared where the bucket has them: a SHA-256, the MD5 that an ETag is, or
    the MD5s of the parts of a large object. A mirror on disk is read and compared.

    Parameters
    ----------
    plan : TransferPlan
    cancel : threading.Event, optional
        Set it to stop early.

    Raises
    ------
    BucketUnreachableError
    """
    cancel = cancel or threading.Event()
    local = [f for f in plan.files if f.status is not FileStatus.MISSING]
    found: queue.SimpleQueue[VerifiedFile | BucketError] = queue.SimpleQueue()

    def look(file: PlannedFile) -> None:
        try:
            found.put(VerifiedFile(file, _verdict(file, cancel)))
        except BucketError as error:
            found.put(error)

    with ThreadPoolExecutor(_READERS, thread_name_prefix="verify") as readers:
        for file in local:
            readers.submit(look, file)
        try:
            for _ in local:
                answer = found.get()
                if isinstance(answer, BucketError):
                    raise answer
                if cancel.is_set():
                    return
                yield answer
        finally:
            cancel.set()
            readers.shutdown(cancel_futures=True)


def _verdict(file: PlannedFile, cancel: threading.Event) -> Verdict:
    if file.status is FileStatus.PARTIAL:
        return Verdict.PARTIAL
    if file.status is FileStatus.STALE:
        return Verdict.STALE
    checksum = _checksum(file, cancel)
    if checksum is None:
        return Verdict.SIZE_ONLY
    try:
        matches = checksum.matches(file.path, cancel.is_set)
    except OSError:
        return Verdict.UNREADABLE
    return Verdict.GOOD if matches else Verdict.DAMAGED


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
