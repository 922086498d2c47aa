"""Checking what is local against the bucket, and repairing it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from laion_fmri import access, discovery, layout
from laion_fmri.bucket import Bucket, open_bucket
from laion_fmri.config import Settings, load_settings
from laion_fmri.download import fetch
from laion_fmri.progress import shown_count
from laion_fmri.transfer import verify as checking
from laion_fmri.transfer.plan import FileStatus, TransferPlan, make_plan
from laion_fmri.transfer.verify import VerifyReport


def verify(
    subject: str | Iterable[str] | None = None,
    *,
    repair: bool = False,
    n_jobs: int = 1,
    progress: bool = True,
    data_dir: str | os.PathLike[str] | None = None,
) -> VerifyReport:
    """Compare every local file with the bucket: its size, and its checksum where there is one.

    Parameters
    ----------
    subject : str or list of str, optional
        Only the files of these; everything, the stimuli too, by default.
    repair : bool
        Fetch what is damaged, stale or unfinished again. A damaged file stays until the new
        one is whole.
    n_jobs : int
        As in `laion_fmri.download.download`, for repairing.
    progress : bool
        Show a progress bar.
    data_dir : path, optional
        Instead of the configured one.

    Returns
    -------
    VerifyReport
        What was found, before any repair.

    Raises
    ------
    DataDirNotSetError, BucketUnreachableError
    TransferError
        When something could not be repaired.
    """
    settings = load_settings(data_dir=data_dir)
    plan = plan_of_local(settings, open_bucket(settings), subject)
    report = VerifyReport(plan)
    with shown_count(len(plan.files), "Verifying", progress) as advance:
        for found in checking.verify(plan):
            report.files.append(found)
            advance()
    if repair and not report.is_good:
        fetch(report.repair_plan, n_jobs=n_jobs, progress=progress)
    return report


def plan_of_local(
    settings: Settings, bucket: Bucket, subject: str | Iterable[str] | None = None
) -> TransferPlan:
    """Everything the bucket has of what is local, in whole or in part."""
    data_dir = settings.require_data_dir()
    subjects = None
    if subject is not None:
        subjects = {layout.resolve_subject_id(one) for one in layout.as_list(subject) or ()}
    objects = [o for p in _prefixes(data_dir, subjects) for o in discovery.list_objects(p, bucket)]
    if subjects is None:
        objects += discovery.list_folder("", bucket).objects
    plan = make_plan(objects, data_dir, bucket)
    if subjects is None and layout.local_path(data_dir, layout.STIMULI_IMAGES).exists():
        service = access.stimulus_source(settings)
        plan += make_plan(service.objects(), data_dir, service)
    local = tuple(f for f in plan.files if f.status is not FileStatus.MISSING)
    return TransferPlan(local, data_dir)


def _prefixes(data_dir: Path, subjects: set[str] | None) -> list[str]:
    """The parts of the bucket that have something here."""
    folders = [
        f"{tree}/{name}/"
        for tree in (*layout.DERIVATIVE_TREES, ".")
        for name in _folders_in(data_dir / tree)
        if name.startswith("sub-")
    ]
    folders = [folder.removeprefix("./") for folder in folders]
    if subjects is not None:
        return [f for f in folders if f.rstrip("/").rpartition("/")[2] in subjects]
    stimuli = [f"{layout.STIMULI_TREE}/"] if (data_dir / layout.STIMULI_TREE).is_dir() else []
    return folders + stimuli


def _folders_in(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir())
