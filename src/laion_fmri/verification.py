"""Verification and repair of local files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from laion_fmri import access, discovery, layout
from laion_fmri._errors import AccessServiceError, BucketError, ConfigError, UnsafeKeyError
from laion_fmri.arguments import as_items
from laion_fmri.bucket import Bucket, BucketObject, open_bucket
from laion_fmri.config import Settings, load_settings
from laion_fmri.download_plans import STIMULUS_FILES, serves_stimuli
from laion_fmri.fetching import fetch
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
    """Compare the sizes of local files, and their checksums if known, with the bucket.

    Parameters
    ----------
    subject : str or list of str, optional
        Subjects to verify; by default everything, including the stimuli.
    repair : bool
        Download damaged, outdated or incomplete files again. A damaged file is kept until the new
        one is complete.
    n_jobs : int
        As in `laion_fmri.download.download`, for repairing.
    progress : bool
        Show a progress bar.
    data_dir : path, optional
        Instead of the configured one.

    Returns
    -------
    VerifyReport
        Results before any repair. Files that could not be checked, such as images when the access
        service does not answer, are in its ``unchecked``.

    Raises
    ------
    DataDirNotSetError
    BucketUnreachableError
        When the bucket cannot be listed.
    TransferError
        When a file could not be repaired.
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
    """Return a plan of all files that are downloaded, completely or in part."""
    data_dir = settings.require_data_dir()
    subjects = None
    if subject is not None:
        subjects = {layout.subject_id(one) for one in as_items(subject)}
    objects = [o for p in _prefixes(data_dir, subjects) for o in discovery.list_objects(p, bucket)]
    if subjects is None:
        objects += discovery.list_folder("", bucket).objects
    plan = make_plan(objects, data_dir, bucket)
    if subjects is None and layout.local_path(data_dir, layout.STIMULI_IMAGES).exists():
        plan += _plan_of_stimuli(settings, bucket, data_dir)
    local = tuple(f for f in plan.files if f.status is not FileStatus.NOT_DOWNLOADED)
    return TransferPlan(local, data_dir)


def _plan_of_stimuli(settings: Settings, bucket: Bucket, data_dir: Path) -> TransferPlan:
    """Return the plan of the images and their metadata, unless the bucket serves them."""
    try:
        if serves_stimuli(bucket):
            return TransferPlan((), data_dir)
        service = access.stimulus_source(settings)
        return make_plan(service.objects(), data_dir, service)
    except (AccessServiceError, BucketError, ConfigError, UnsafeKeyError) as error:
        silent = _SilentService(settings.access_url, str(error))
    found = (_as_it_is(key, data_dir) for key in STIMULUS_FILES)
    return make_plan((o for o in found if o is not None), data_dir, silent)


class _SilentService:
    """An access service that did not answer (a `Bucket`): every request raises an error."""

    def __init__(self, uri: str, problem: str) -> None:
        self.uri, self._problem = uri, problem

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise AccessServiceError(self._problem)

    objects = folder = head = open = checksum = _refuse


def _as_it_is(key: str, data_dir: Path) -> BucketObject | None:
    """Return a local file as an object of the bucket; None if there is no file."""
    path = layout.local_path(data_dir, key)
    return BucketObject(key, path.stat().st_size, "") if path.is_file() else None


def _prefixes(data_dir: Path, subjects: set[str] | None) -> list[str]:
    """Return the prefixes of the bucket with local files."""
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
