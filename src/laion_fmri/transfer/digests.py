"""Cached SHA-256 digests, so that unchanged files are not read again."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from laion_fmri.atomic_write import write_atomically
from laion_fmri.transfer.plan import FileStatus, PlannedFile, TransferPlan

_FILE = ".laion_fmri/digests.json"


def with_digests_compared(plan: TransferPlan) -> TransferPlan:
    """Mark files of the right size but the wrong SHA-256 in a plan as *damaged*.

    Only for sources with a known SHA-256. Digests are cached in the data directory, and valid while
    the size and modification time of a file are unchanged.
    """
    known = _read(plan.data_dir)
    files = tuple(_compared(file, known) for file in plan.files)
    _write(plan.data_dir, known)
    return TransferPlan(files, plan.data_dir)


def _compared(file: PlannedFile, known: dict[str, list]) -> PlannedFile:
    if file.status is not FileStatus.DOWNLOADED:
        return file
    wanted = file.source.checksum(file.listed)
    if wanted is None or wanted.algorithm != "sha256":
        return file
    stat = file.path.stat()
    mark = [stat.st_size, stat.st_mtime_ns, wanted.value]
    if known.get(file.key) == mark:
        return file
    if wanted.matches(file.path):
        known[file.key] = mark
        return file
    return replace(file, status=FileStatus.DAMAGED, bytes_downloaded=0)


def _read(data_dir: Path) -> dict[str, list]:
    try:
        stored = json.loads((data_dir / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _write(data_dir: Path, known: dict[str, list]) -> None:
    if known != _read(data_dir) and os.access(data_dir, os.W_OK):
        write_atomically(data_dir / _FILE, json.dumps(known, indent=2) + "\n")
