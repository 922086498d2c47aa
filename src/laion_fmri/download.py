"""The download verbs: plan first, then fetch, then say what happened."""

from __future__ import annotations

import numbers
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from laion_fmri import access, discovery, layout
from laion_fmri._errors import (
    InvalidArgumentError,
    NoMatchingDataError,
    TransferError,
    UnknownNameError,
)
from laion_fmri.bucket import Bucket, BucketObject, open_bucket
from laion_fmri.config import DEFAULT_ACCESS_URL, Settings, load_settings
from laion_fmri.selection import Selection, clean_filters, select
from laion_fmri.transfer import engine
from laion_fmri.transfer.engine import EventKind, TransferEvent
from laion_fmri.transfer.plan import PlannedFile, TransferPlan, format_bytes, make_plan

ALL_SUBJECTS = "all"
MAX_JOBS = 32
Filter = str | Iterable[str] | None

_AGREEMENT = (
    "The stimulus images are under a data use agreement, to be asked for at "
    f"{DEFAULT_ACCESS_URL}/request."
)


@dataclass
class TransferReport:
    """What a download did; prints as a few lines.

    Attributes
    ----------
    plan : TransferPlan
    fetched : list of PlannedFile
    denied, failed : dict of PlannedFile to str
        With the reason.
    cancelled : list of PlannedFile
    """

    plan: TransferPlan
    fetched: list[PlannedFile] = field(default_factory=list)
    denied: dict[PlannedFile, str] = field(default_factory=dict)
    failed: dict[PlannedFile, str] = field(default_factory=dict)
    cancelled: list[PlannedFile] = field(default_factory=list)

    def add(self, event: TransferEvent) -> None:
        """Take note of an event."""
        if event.kind is EventKind.FETCHED:
            self.fetched.append(event.file)
        elif event.kind is EventKind.CANCELLED:
            self.cancelled.append(event.file)
        elif event.kind is EventKind.DENIED:
            gated = f" {_AGREEMENT}" if event.file.key in layout.GATED_KEYS else ""
            self.denied[event.file] = event.message + gated
        elif event.kind is EventKind.FAILED:
            self.failed[event.file] = event.message

    def __str__(self) -> str:
        here = len(self.plan.files) - len(self.plan.to_fetch)
        moved = sum(f.size - f.bytes_here for f in self.fetched)
        lines = [f"{len(self.fetched)} fetched ({format_bytes(moved)}), {here} already here"]
        for name, files in (("denied", self.denied), ("failed", self.failed)):
            if files:
                lines[0] += f", {len(files)} {name}"
                lines += [f"  {name}: {reason}" for reason in files.values()]
        if self.cancelled:
            lines[0] += f", {len(self.cancelled)} not finished"
        return "\n".join(lines)


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
    data_dir = settings.require_data_dir()
    bucket = bucket or open_bucket(settings)
    objects = list(_dataset_level(bucket))
    cleaned = clean_filters(**filters)
    selected: list[BucketObject] = []
    nothing: NoMatchingDataError | None = None
    for name in _subjects_meant(subject, bucket):
        selection = Selection(name, cleaned, include_anatomical, include_freesurfer, include_raw)
        listed = [o for p in selection.prefixes() for o in discovery.list_objects(p, bucket)]
        try:
            selected += select(listed, selection)
        except NoMatchingDataError as error:
            if subject != ALL_SUBJECTS:  # of all subjects, some are not there in full yet
                raise
            nothing = error
    if nothing is not None and not selected:
        raise nothing
    objects += selected
    if include_stimuli:
        objects += _named(bucket, _STIMULUS_FILES)
    return make_plan(objects, data_dir)


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
    if dry_run:
        return plan
    return fetch(plan, bucket, n_jobs=n_jobs, progress=progress, accept_license=accept_license)


def download_stimuli(**options: object) -> TransferReport:
    """Fetch the stimulus images and their metadata from a bucket that serves them.

    The public bucket does not: its images are under a data use agreement. A lab's mirror
    may. Options as in `download_embeddings`.

    Raises
    ------
    NoMatchingDataError, TransferError
        When the bucket does not have them or denies them; the message says where to ask.
    """
    return _download_keys(_STIMULUS_FILES, options)


def download_embeddings(models: Filter = None, **options: object) -> TransferReport:
    """Fetch embeddings, of all models or of those named.

    Parameters
    ----------
    models : str or list of str, optional
    **options
        ``n_jobs``, ``progress``, ``accept_license``, ``data_dir`` as in `download`.

    Raises
    ------
    UnknownNameError
        When a model is not known.
    """
    wanted = layout.as_list(models)
    for model in wanted or ():
        if model not in layout.EMBEDDING_MODELS:
            raise UnknownNameError("embedding model", model, layout.EMBEDDING_MODELS)
    return _download_keys(
        [layout.embeddings(m) for m in wanted or layout.EMBEDDING_MODELS], options
    )


def download_segmentations(**options: object) -> TransferReport:
    """Fetch the object masks of the shared images and their metadata.

    Options as in `download_embeddings`.
    """
    return _download_keys([layout.SEGMENTATIONS, layout.SEGMENTATIONS_METADATA], options)


def download_captions(**options: object) -> TransferReport:
    """Fetch the captions. Options as in `download_embeddings`."""
    return _download_keys([layout.CAPTIONS], options)


def fetch(
    plan: TransferPlan,
    bucket: Bucket,
    n_jobs: int = 1,
    progress: bool = True,
    accept_license: bool = False,
    tell: Callable[[TransferEvent], None] | None = None,
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
    report = TransferReport(plan)
    with _progress_bar(plan, progress) as bar:
        for event in engine.run(plan, bucket, n_jobs=checked_jobs(n_jobs)):
            report.add(event)
            bar.update(event.n_bytes)
            if tell is not None:
                tell(event)
    if report.failed or report.denied:
        discovery.refresh()  # the bucket may no longer be as it was listed
        raise TransferError(str(report))
    return report


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


def _named(bucket: Bucket, keys: Iterable[str]) -> list[BucketObject]:
    listed = {o.key: o for o in discovery.list_objects(f"{layout.STIMULI_TREE}/", bucket)}
    absent = [key for key in keys if key not in listed]
    if absent:
        gated = f" {_AGREEMENT}" if layout.GATED_KEYS.intersection(absent) else ""
        raise NoMatchingDataError(f"The bucket {bucket.uri} has no {', '.join(absent)}.{gated}")
    return [listed[key] for key in keys]


def _download_keys(keys: Iterable[str], options: dict[str, object]) -> TransferReport:
    settings = load_settings(data_dir=options.pop("data_dir", None))  # type: ignore[arg-type]
    bucket = open_bucket(settings)
    plan = make_plan(_named(bucket, keys), Path(settings.require_data_dir()))
    return fetch(plan, bucket, **options)  # type: ignore[arg-type]


def _progress_bar(plan: TransferPlan, shown: bool):
    from tqdm.auto import tqdm

    return tqdm(
        total=plan.bytes_to_fetch,
        unit="B",
        unit_scale=True,
        desc=f"{len(plan.to_fetch)} files",
        disable=not shown or not plan.to_fetch,
    )
