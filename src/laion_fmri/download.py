"""The download verbs: plan first, then fetch, then say what happened."""

from __future__ import annotations

import numbers
import os
import warnings
from collections.abc import Iterable
from dataclasses import replace

from laion_fmri import access, discovery, layout
from laion_fmri._errors import (
    AccessDeniedError,
    InvalidArgumentError,
    NoMatchingDataError,
    ObjectNotFoundError,
    TransferError,
    UnknownNameError,
)
from laion_fmri.bucket import Bucket, BucketObject, open_bucket
from laion_fmri.config import Settings, load_settings
from laion_fmri.progress import carried_out
from laion_fmri.selection import Selection, clean_filters, select
from laion_fmri.transfer.digests import with_digests_compared
from laion_fmri.transfer.events import Tell
from laion_fmri.transfer.plan import TransferPlan, make_plan
from laion_fmri.transfer.report import TransferReport

ALL_SUBJECTS = "all"
MAX_JOBS = 32
Filter = str | Iterable[str] | None


def plan_download(
    subject: str | Iterable[str],
    *,
    settings: Settings | None = None,
    bucket: Bucket | None = None,
    include_stimuli: bool = False,
    include_freesurfer: bool = False,
    include_anatomical: bool = False,
    include_raw: bool = False,
    **filters: Filter,
) -> TransferPlan:
    """What `download` with the same arguments would fetch.

    Raises
    ------
    SubjectNotFoundError, NoMatchingDataError, DataDirNotSetError, BucketUnreachableError
    """
    settings = settings or load_settings()
    bucket = bucket or open_bucket(settings)
    template = Selection(
        "", clean_filters(**filters), include_anatomical, include_freesurfer, include_raw
    )
    plan = _plan_subjects(subject, template, settings, bucket)
    return plan + plan_stimuli(settings, bucket) if include_stimuli else plan


def download(
    subject: str | Iterable[str],
    ses: Filter = None,
    task: Filter = None,
    space: Filter = None,
    desc: Filter = None,
    stat: Filter = None,
    suffix: Filter = None,
    extension: Filter = None,
    include_stimuli: bool = False,
    include_freesurfer: bool = False,
    include_anatomical: bool = False,
    n_jobs: int = 1,
    *,
    run: Filter = None,
    echo: Filter = None,
    part: Filter = None,
    include_raw: bool = False,
    dry_run: bool = False,
    progress: bool = True,
    accept_license: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> TransferReport | TransferPlan:
    """Fetch a subject's files from the bucket; what is here already is not fetched again.

    Parameters
    ----------
    subject : str or list of str
        ``"sub-03"``, ``"03"``, or ``"all"``.
    ses : str or list of str, optional
        Sessions, and ``"averages"`` for the summaries over sessions. Naming sessions
        leaves the summaries out, but for the mean-R² map that a brain mask is made from.
    task, space, desc, stat, suffix, extension, run, echo, part : str or list, optional
        Files that carry the entity must have one of the values; others pass. ``"04"``
        and ``"ses-04"`` are the same; a ``desc`` may be shortened (``"singletrial"``).
    include_stimuli, include_freesurfer, include_anatomical, include_raw : bool
        Fetch these too: the stimuli, the whole recon, the whole anatomical tree, raw data
        (which the filters apply to).
    n_jobs : int
        Files fetched at the same time. A bad value warns and falls back.
    dry_run : bool
        Only return the plan.
    progress : bool
        Show a progress bar.
    accept_license : bool
        Accept the dataset's licence for this data directory.
    data_dir : path, optional
        Instead of the configured one.

    Returns
    -------
    TransferReport, or TransferPlan with ``dry_run``

    Raises
    ------
    LicenseNotAcceptedError
    SubjectNotFoundError
    NoMatchingDataError
    TransferError
        After everything else was fetched, when files failed or were denied.
    """
    settings = load_settings(data_dir=data_dir)
    bucket = open_bucket(settings)
    plan = plan_download(
        subject,
        settings=settings,
        bucket=bucket,
        include_stimuli=include_stimuli,
        include_freesurfer=include_freesurfer,
        include_anatomical=include_anatomical,
        include_raw=include_raw,
        ses=ses,
        task=task,
        space=space,
        desc=desc,
        stat=stat,
        suffix=suffix,
        extension=extension,
        run=run,
        echo=echo,
        part=part,
    )
    if not dry_run and include_stimuli:
        _require_agreement(plan)
    return _carry_out(plan, n_jobs, dry_run, progress, accept_license)


def download_raw(
    subject: str | Iterable[str],
    ses: Filter = None,
    task: Filter = None,
    run: Filter = None,
    echo: Filter = None,
    part: Filter = None,
    suffix: Filter = None,
    extension: Filter = None,
    n_jobs: int = 1,
    *,
    dry_run: bool = False,
    progress: bool = True,
    accept_license: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> TransferReport | TransferPlan:
    """Fetch a subject's raw BIDS data: functional, fieldmaps, anatomy, diffusion.

    Parameters
    ----------
    subject : str or list of str
    ses, task, run, echo, part, suffix, extension : str or list, optional
        As in `download`.
    n_jobs, dry_run, progress, accept_license, data_dir
        As in `download`.

    Raises
    ------
    LicenseNotAcceptedError, SubjectNotFoundError, NoMatchingDataError, TransferError
    """
    settings = load_settings(data_dir=data_dir)
    filters: dict[str, Filter] = {"ses": ses, "task": task, "run": run, "echo": echo}
    filters |= {"part": part, "suffix": suffix, "extension": extension}
    plan = plan_raw(subject, settings=settings, bucket=open_bucket(settings), **filters)
    return _carry_out(plan, n_jobs, dry_run, progress, accept_license)


def plan_raw(
    subject: str | Iterable[str], *, settings: Settings, bucket: Bucket, **filters: Filter
) -> TransferPlan:
    """What `download_raw` with the same filters would fetch.

    Raises
    ------
    SubjectNotFoundError, NoMatchingDataError, DataDirNotSetError, BucketUnreachableError
    """
    template = Selection("", clean_filters(**filters), include_raw=True, include_derivatives=False)
    return _plan_subjects(subject, template, settings, bucket)


def download_files(
    keys: str | Iterable[str],
    n_jobs: int = 1,
    *,
    dry_run: bool = False,
    progress: bool = True,
    accept_license: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> TransferReport | TransferPlan:
    """Fetch single files by their keys, as `laion_fmri.discovery.list_files` lists them.

    Parameters
    ----------
    keys : str or list of str
        Keys in the bucket, verbatim.
    n_jobs, dry_run, progress, accept_license, data_dir
        As in `download`.

    Raises
    ------
    InvalidArgumentError
        When there is no key.
    ObjectNotFoundError
        When the bucket has no such object.
    LicenseNotAcceptedError, TransferError
    """
    settings = load_settings(data_dir=data_dir)
    plan = plan_files(keys, settings, open_bucket(settings))
    return _carry_out(plan, n_jobs, dry_run, progress, accept_license)


def plan_files(keys: str | Iterable[str], settings: Settings, bucket: Bucket) -> TransferPlan:
    """What `download_files` would fetch.

    Raises
    ------
    InvalidArgumentError, ObjectNotFoundError, BucketUnreachableError
    """
    wanted = layout.as_list(keys)
    if not wanted:
        raise InvalidArgumentError("An empty list of keys fetches nothing. Name at least one.")
    folders = dict.fromkeys(key.rpartition("/")[0] for key in wanted)
    listed = {
        found.key: found
        for folder in folders
        for found in discovery.list_folder(f"{folder}/" if folder else "", bucket).objects
    }
    absent = [key for key in wanted if key not in listed]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise ObjectNotFoundError(
            f"The bucket {bucket.uri} has no object {absent[0]}{more}. "
            "laion_fmri.discovery.list_files shows what is there."
        )
    objects = [listed[key] for key in dict.fromkeys(wanted)]
    return make_plan(objects, settings.require_data_dir(), bucket)


def download_stimuli(
    n_jobs: int = 1,
    *,
    dry_run: bool = False,
    progress: bool = True,
    data_dir: str | os.PathLike[str] | None = None,
) -> TransferReport | TransferPlan:
    """Fetch the stimulus images and their metadata, which are under a data use agreement.

    A lab's mirror that serves the images is asked first. Otherwise they come from the access
    service: with the request id that `request_stimulus_access` or `login` left behind, or, in
    a terminal, after its form is filled in. When the local files match the service's manifest,
    nothing else is asked.

    Parameters
    ----------
    n_jobs, dry_run, progress, data_dir
        As in `download`.

    Raises
    ------
    AccessNotFoundError
        When no agreement has been accepted.
    AccessRevokedError, TermsOutdatedError, AccessServiceError
    TransferError
    """
    settings = load_settings(data_dir=data_dir)
    plan = plan_stimuli(settings, open_bucket(settings))
    if dry_run:
        return plan
    _require_agreement(plan)
    return _moved(plan, n_jobs, progress)


def download_embeddings(
    models: Filter = None,
    n_jobs: int = 1,
    *,
    dry_run: bool = False,
    progress: bool = True,
    accept_license: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> TransferReport | TransferPlan:
    """Fetch embeddings, of all models or of those named.

    Parameters
    ----------
    models : str or list of str, optional
    n_jobs, dry_run, progress, accept_license, data_dir
        As in `download`.

    Raises
    ------
    UnknownNameError
        When a model is not known.
    LicenseNotAcceptedError, NoMatchingDataError, TransferError
    """
    wanted = layout.as_list(models)
    for model in wanted or ():
        if model not in layout.EMBEDDING_MODELS:
            raise UnknownNameError("embedding model", model, layout.EMBEDDING_MODELS)
    keys = [layout.embeddings(m) for m in wanted or layout.EMBEDDING_MODELS]
    return _download_keys(keys, data_dir, n_jobs, dry_run, progress, accept_license)


def download_segmentations(
    n_jobs: int = 1,
    *,
    dry_run: bool = False,
    progress: bool = True,
    accept_license: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> TransferReport | TransferPlan:
    """Fetch the object masks of the shared images and their metadata.

    Parameters and errors as in `download_embeddings`.
    """
    return _download_keys(SEGMENTATION_FILES, data_dir, n_jobs, dry_run, progress, accept_license)


def download_captions(
    n_jobs: int = 1,
    *,
    dry_run: bool = False,
    progress: bool = True,
    accept_license: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> TransferReport | TransferPlan:
    """Fetch the captions. Parameters and errors as in `download_embeddings`."""
    return _download_keys([layout.CAPTIONS], data_dir, n_jobs, dry_run, progress, accept_license)


def plan_named(keys: Iterable[str], settings: Settings, bucket: Bucket) -> TransferPlan:
    """What fetching these files of the stimuli would do.

    Raises
    ------
    NoMatchingDataError
        When the bucket has no such file.
    """
    listed = {o.key: o for o in discovery.list_objects(f"{layout.STIMULI_TREE}/", bucket)}
    wanted = list(keys)
    absent = [key for key in wanted if key not in listed]
    if absent:
        raise NoMatchingDataError(f"The bucket {bucket.uri} has no {', '.join(absent)}.")
    return make_plan([listed[key] for key in wanted], settings.require_data_dir(), bucket)


def plan_stimuli(settings: Settings, bucket: Bucket) -> TransferPlan:
    """What `download_stimuli` would fetch, and from where.

    Raises
    ------
    AccessServiceError
        When neither the bucket serves the images nor the access service answers.
    """
    data_dir = settings.require_data_dir()
    if _serves_images(bucket):
        return plan_named(_STIMULUS_FILES, settings, bucket)
    service = access.stimulus_source(settings)
    return with_digests_compared(make_plan(service.objects(), data_dir, service))


def fetch(
    plan: TransferPlan,
    n_jobs: int = 1,
    progress: bool = True,
    accept_license: bool = False,
    tell: Tell | None = None,
) -> TransferReport:
    """Carry out a plan and report; `tell` is called with every event.

    Raises
    ------
    LicenseNotAcceptedError
    TransferError
        When files failed or were denied; the others are here.
    """
    if accept_license:
        access.accept_license(plan.data_dir)
    access.require_license(plan.data_dir)
    return _moved(plan, n_jobs, progress, tell)


def checked_jobs(n_jobs: object) -> int:
    """`n_jobs` as a number of workers; warns and falls back where it is none."""
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


_STIMULUS_FILES = (layout.STIMULI_METADATA, layout.STIMULI_IMAGES)
SEGMENTATION_FILES = (layout.SEGMENTATIONS, layout.SEGMENTATIONS_METADATA)


def _plan_subjects(
    subject: str | Iterable[str], template: Selection, settings: Settings, bucket: Bucket
) -> TransferPlan:
    """What a request means of every subject it names, and the files about the dataset."""
    data_dir = settings.require_data_dir()
    objects, selected = list(_dataset_level(bucket)), []
    nothing: NoMatchingDataError | None = None
    for name in _subjects_meant(subject, bucket):
        selection = replace(template, subject=name)
        listed = [o for p in selection.prefixes() for o in discovery.list_objects(p, bucket)]
        try:
            selected += select(listed, selection)
        except NoMatchingDataError as error:
            if subject != ALL_SUBJECTS:  # of all subjects, some are not there in full yet
                raise
            nothing = error
    if nothing is not None and not selected:
        raise nothing
    return make_plan(objects + selected, data_dir, bucket)


def _require_agreement(plan: TransferPlan) -> None:
    """Have the data use agreement accepted before files under it are fetched."""
    for source in {id(f.source): f.source for f in plan.to_fetch}.values():
        if isinstance(source, access.AccessFiles):
            access.require_access(source)


def _subjects_meant(subject: str | Iterable[str], bucket: Bucket) -> list[str]:
    if subject == ALL_SUBJECTS:
        return discovery.get_subjects(bucket)
    is_list = isinstance(subject, Iterable) and not isinstance(subject, str)
    listed: list[str] = list(subject) if is_list else [subject]  # type: ignore[list-item]
    if not listed:
        raise InvalidArgumentError("An empty list of subjects fetches nothing. Name at least one.")
    return [discovery.require_subject(one, bucket) for one in dict.fromkeys(listed)]


def _dataset_level(bucket: Bucket) -> list[BucketObject]:
    top = discovery.list_folder("", bucket).objects
    return [o for o in top if o.key in layout.DATASET_FILES]


def _serves_images(bucket: Bucket) -> bool:
    """Whether the bucket is a mirror that has the images and gives them."""
    listed = {o.key for o in discovery.list_objects(f"{layout.STIMULI_TREE}/", bucket)}
    if not listed.issuperset(_STIMULUS_FILES):
        return False
    try:
        with bucket.open(layout.STIMULI_IMAGES, 0, 1):
            return True
    except AccessDeniedError:
        return False


def _download_keys(
    keys: Iterable[str],
    data_dir: str | os.PathLike[str] | None,
    n_jobs: int,
    dry_run: bool,
    progress: bool,
    accept_license: bool,
) -> TransferReport | TransferPlan:
    settings = load_settings(data_dir=data_dir)
    bucket = open_bucket(settings)
    plan = plan_named(keys, settings, bucket)
    return _carry_out(plan, n_jobs, dry_run, progress, accept_license)


def _carry_out(
    plan: TransferPlan, n_jobs: int, dry_run: bool, progress: bool, accept_license: bool
) -> TransferReport | TransferPlan:
    if dry_run:
        return plan
    return fetch(plan, n_jobs=n_jobs, progress=progress, accept_license=accept_license)


def _moved(
    plan: TransferPlan, n_jobs: int, progress: bool, tell: Tell | None = None
) -> TransferReport:
    jobs = checked_jobs(n_jobs)
    try:
        return carried_out(plan, progress, tell, n_jobs=jobs)
    except TransferError:
        discovery.refresh()  # the bucket may no longer be as it was listed
        raise
