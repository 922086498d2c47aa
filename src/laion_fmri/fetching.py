"""Fetch the files of a plan, after the licence and the agreement are accepted."""

from __future__ import annotations

import numbers
import warnings

from laion_fmri import access, discovery
from laion_fmri._errors import LaionFmriError, StimuliNotFetchedError, TransferError
from laion_fmri.bucket import Bucket
from laion_fmri.config import Settings
from laion_fmri.download_plans import plan_stimuli
from laion_fmri.progress import transfer_files
from laion_fmri.transfer.events import EventHandler
from laion_fmri.transfer.plan import TransferPlan
from laion_fmri.transfer.report import TransferReport

MAX_JOBS = 32


def fetch(
    plan: TransferPlan,
    n_jobs: int = 1,
    progress: bool = True,
    accept_license: bool = False,
    on_event: EventHandler | None = None,
) -> TransferReport:
    """Fetch the files of a plan; `on_event` is called with every event.

    Raises
    ------
    LicenseNotAcceptedError
    TransferError
        When files failed or were denied; the others are downloaded.
    """
    access.obtain_license(plan.data_dir, accept_license)
    return _transfer(plan, n_jobs, progress, on_event)


def fetch_stimuli(plan: TransferPlan, n_jobs: int = 1, progress: bool = True) -> TransferReport:
    """Fetch the files of a plan of `plan_stimuli`, after the data use agreement is accepted.

    Raises
    ------
    AccessServiceError
        When no agreement has been accepted, or the service refuses.
    TransferError
        When files failed; the others are downloaded.
    """
    _require_agreement(plan)
    return _transfer(plan, n_jobs, progress)


def fetch_with_stimuli(
    plan: TransferPlan,
    settings: Settings,
    bucket: Bucket,
    n_jobs: int = 1,
    progress: bool = True,
    accept_license: bool = False,
) -> TransferReport:
    """Fetch the files of a plan, then the stimuli; the agreement is accepted first.

    Raises
    ------
    LicenseNotAcceptedError
    TransferError
        When files failed or were denied; the others are downloaded.
    StimuliNotFetchedError
        When the stimuli cannot be fetched; the other files are downloaded or in the report.
    """
    access.obtain_license(plan.data_dir, accept_license)
    n_jobs = checked_jobs(n_jobs)
    stimuli, problem = TransferPlan((), plan.data_dir), None
    try:
        found = plan_stimuli(settings, bucket)
        _require_agreement(found)
        stimuli = found
    except LaionFmriError as error:
        problem = error
    report = TransferReport(TransferPlan((), plan.data_dir))
    for part in (plan, stimuli):
        try:
            report += _transfer(part, n_jobs, progress)
        except TransferError as error:
            if error.report is None:
                raise
            report += error.report
    if problem is not None:
        said = f"{report}\nThe stimuli were not fetched. {problem}"
        raise StimuliNotFetchedError(said, report) from problem
    if not report.is_complete:
        raise TransferError(str(report), report)
    return report


def checked_jobs(n_jobs: object) -> int:
    """Return `n_jobs` as a number of workers; warn and fall back when it is invalid."""
    number = 0
    if isinstance(n_jobs, numbers.Integral) and not isinstance(n_jobs, bool):
        number = int(n_jobs)
    if 1 <= number <= MAX_JOBS:
        return number
    fallback = MAX_JOBS if number > MAX_JOBS else 1
    warnings.warn(
        f"n_jobs={n_jobs!r} is not a number of workers from 1 to {MAX_JOBS}; using {fallback}.",
        UserWarning,
        stacklevel=3,
    )
    return fallback


def _require_agreement(plan: TransferPlan) -> None:
    """Ask the user to accept the data use agreement before files under it are fetched."""
    for source in {id(f.source): f.source for f in plan.to_fetch}.values():
        if isinstance(source, access.AccessFiles):
            access.require_access(source)


def _transfer(
    plan: TransferPlan, n_jobs: int, progress: bool, on_event: EventHandler | None = None
) -> TransferReport:
    jobs = checked_jobs(n_jobs)
    try:
        return transfer_files(plan, progress, on_event, n_jobs=jobs)
    except TransferError:
        discovery.refresh()  # the cached listing may be outdated
        raise
