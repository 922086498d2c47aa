"""The download functions: plan, fetch, and raise an error for files that failed.

The functions return local paths, or None. For a report of every file, create a plan
(`plan_download` and its siblings) and pass it to `fetch`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from laion_fmri import access, layout
from laion_fmri._errors import (
    AccessDeniedError,
    AccessNotFoundError,
    AccessRevokedError,
    AccessServiceError,
    AccessServiceUnavailableError,
    FormRefusedError,
    LicenseNotAcceptedError,
    StimuliNotFetchedError,
    TermsOutdatedError,
    TransferError,
)
from laion_fmri.access import accept_license, accept_licenses
from laion_fmri.bucket import open_bucket
from laion_fmri.config import load_settings
from laion_fmri.download_plans import (
    ALL_MODELS,
    SEGMENTATION_FILES,
    STIMULUS_FILES,
    Filter,
    models_meant,
    plan_download,
    plan_embeddings,
    plan_files,
    plan_named,
    plan_raw,
    plan_stimuli,
)
from laion_fmri.fetching import fetch, fetch_stimuli, fetch_with_stimuli
from laion_fmri.transfer.plan import TransferPlan

if TYPE_CHECKING:
    from laion_fmri.access import request_stimulus_access

__all__ = [
    "AccessDeniedError",
    "AccessNotFoundError",
    "AccessRevokedError",
    "AccessServiceError",
    "AccessServiceUnavailableError",
    "FormRefusedError",
    "LicenseNotAcceptedError",
    "StimuliNotFetchedError",
    "TermsOutdatedError",
    "TransferError",
    "accept_license",
    "accept_licenses",
    "download",
    "download_captions",
    "download_embeddings",
    "download_files",
    "download_raw",
    "download_segmentations",
    "download_stimuli",
    "fetch",
    "fetch_stimuli",
    "fetch_with_stimuli",
    "plan_download",
    "plan_embeddings",
    "plan_files",
    "plan_named",
    "plan_raw",
    "plan_stimuli",
    "request_stimulus_access",
]


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
    include_embeddings: bool = False,
    include_localizers: bool = False,
    include_raw: bool = False,
    run: Filter = None,
    echo: Filter = None,
    part: Filter = None,
    dry_run: bool = False,
    progress: bool = True,
    accept_license: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> TransferPlan | None:
    """Download a subject's files from the bucket; downloaded files are skipped.

    By default: betas with their trial tables, summaries over sessions, and ROIs.

    Parameters
    ----------
    subject : str or list of str
        ``"sub-03"``, ``"03"``, or ``"all"``.
    ses : str or list of str, optional
        Sessions, and ``"averages"`` for the summaries over sessions. Naming sessions excludes the
        summaries, except the mean-R² map that defines a brain mask.
    task, space, desc, stat, suffix, extension, run, echo, part : str or list, optional
        Files with the entity must have one of the values; files without it pass. ``"04"``
        and ``"ses-04"`` are the same; a ``desc`` may be shortened (``"singletrial"``).
    include_stimuli, include_embeddings : bool
        Also download the images with their metadata, and the embeddings of all models.
    include_freesurfer, include_anatomical : bool
        Also download the whole recon, or the whole anatomical tree.
    include_localizers : bool
        Also download the localizer maps. A filter applies to them only if some localizer map has
        one of its values: ``space="fsnative"`` does, ``ses="ses-01"`` does not.
    include_raw : bool
        Also download the raw data that pass the filters.
    n_jobs : int
        Number of concurrent downloads. An invalid value warns and falls back to the default.
    dry_run : bool
        Return the plan without downloading.
    progress : bool
        Show a progress bar.
    accept_license : bool
        Accept the dataset's licence for this data directory. Otherwise, ask in the terminal or
        notebook.
    data_dir : path, optional
        Instead of the configured one.

    Returns
    -------
    None, or TransferPlan with ``dry_run``

    Raises
    ------
    LicenseNotAcceptedError
    SubjectNotFoundError
    NoMatchingDataError
    TransferError
        After all other files are downloaded, when files failed or were denied.
    StimuliNotFetchedError
        After all other files are downloaded, when the access service did not provide the stimuli.
    """
    settings = load_settings(data_dir=data_dir)
    bucket = open_bucket(settings)
    plan = plan_download(
        subject,
        settings=settings,
        bucket=bucket,
        include_stimuli=include_stimuli and dry_run,
        include_embeddings=include_embeddings,
        include_freesurfer=include_freesurfer,
        include_anatomical=include_anatomical,
        include_localizers=include_localizers,
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
    if include_stimuli:
        fetch_with_stimuli(plan, settings, bucket, n_jobs, progress, accept_license)
    else:
        fetch(plan, n_jobs, progress, accept_license)
    return None


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
) -> TransferPlan | None:
    """Download a subject's raw BIDS data: functional, fieldmaps, anatomy, diffusion.

    Parameters
    ----------
    subject : str or list of str
    ses, task, run, echo, part, suffix, extension : str or list, optional
        As in `download`.
    n_jobs, dry_run, progress, accept_license, data_dir
        As in `download`.

    Returns
    -------
    None, or TransferPlan with ``dry_run``

    Raises
    ------
    LicenseNotAcceptedError, SubjectNotFoundError, NoMatchingDataError, TransferError
    """
    settings = load_settings(data_dir=data_dir)
    filters: dict[str, Filter] = {"ses": ses, "task": task, "run": run, "echo": echo}
    filters |= {"part": part, "suffix": suffix, "extension": extension}
    plan = plan_raw(subject, settings=settings, bucket=open_bucket(settings), **filters)
    if dry_run:
        return plan
    fetch(plan, n_jobs, progress, accept_license)
    return None


def download_files(
    keys: str | Iterable[str],
    n_jobs: int = 1,
    *,
    dry_run: bool = False,
    progress: bool = True,
    accept_license: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> list[Path] | TransferPlan:
    """Download single files by their keys, as in `laion_fmri.discovery.list_files`.

    Parameters
    ----------
    keys : str or list of str
        Keys in the bucket, verbatim.
    n_jobs, dry_run, progress, accept_license, data_dir
        As in `download`.

    Returns
    -------
    list of Path, or TransferPlan with ``dry_run``
        Local paths, in the order of `keys`.

    Raises
    ------
    InvalidArgumentError
        When no key is given.
    ObjectNotFoundError
        When the bucket has no such object.
    LicenseNotAcceptedError, TransferError
    """
    settings = load_settings(data_dir=data_dir)
    plan = plan_files(keys, settings, open_bucket(settings))
    return plan if dry_run else _fetched_to(plan, n_jobs, progress, accept_license)


def download_stimuli(
    n_jobs: int = 1,
    *,
    dry_run: bool = False,
    progress: bool = True,
    data_dir: str | os.PathLike[str] | None = None,
) -> list[Path] | TransferPlan:
    """Download the stimulus images and their metadata, which require a data use agreement.

    A lab's mirror that serves the images is used first. Otherwise they come from the access
    service, with the request id stored by `request_stimulus_access` or `login`, or after its form
    is filled in at a terminal or in a notebook. No form is shown when the local files match the
    service's manifest.

    Parameters
    ----------
    n_jobs, dry_run, progress, data_dir
        As in `download`.

    Returns
    -------
    list of Path, or TransferPlan with ``dry_run``
        The images (HDF5), then their metadata (CSV).

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
    fetch_stimuli(plan, n_jobs, progress)
    return _paths(reversed(STIMULUS_FILES), plan)


def download_embeddings(
    models: Filter = ALL_MODELS,
    n_jobs: int = 1,
    *,
    dry_run: bool = False,
    progress: bool = True,
    accept_license: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> dict[str, Path] | TransferPlan:
    """Download embeddings of all or some models.

    Parameters
    ----------
    models : str or list of str
        ``"all"``, or names such as ``"CLIP"``.
    n_jobs, dry_run, progress, accept_license, data_dir
        As in `download`.

    Returns
    -------
    dict of str to Path, or TransferPlan with ``dry_run``
        Model to its HDF5 file.

    Raises
    ------
    UnknownNameError
        When a model is not known.
    LicenseNotAcceptedError, NoMatchingDataError, TransferError
    """
    settings = load_settings(data_dir=data_dir)
    plan = plan_embeddings(models, settings, open_bucket(settings))
    if dry_run:
        return plan
    paths = _fetched_to(plan, n_jobs, progress, accept_license)
    return dict(zip(models_meant(models), paths, strict=True))


def download_segmentations(
    n_jobs: int = 1,
    *,
    dry_run: bool = False,
    progress: bool = True,
    accept_license: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> list[Path] | TransferPlan:
    """Download the object masks of the shared images and their metadata.

    Parameters and errors as in `download_embeddings`.

    Returns
    -------
    list of Path, or TransferPlan with ``dry_run``
        The masks (HDF5), then their metadata (CSV).
    """
    settings = load_settings(data_dir=data_dir)
    plan = plan_named(SEGMENTATION_FILES, settings, open_bucket(settings))
    return plan if dry_run else _fetched_to(plan, n_jobs, progress, accept_license)


def download_captions(
    n_jobs: int = 1,
    *,
    dry_run: bool = False,
    progress: bool = True,
    accept_license: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> Path | TransferPlan:
    """Download the captions. Parameters and errors as in `download_embeddings`.

    Returns
    -------
    Path, or TransferPlan with ``dry_run``
        The table (CSV).
    """
    settings = load_settings(data_dir=data_dir)
    plan = plan_named([layout.CAPTIONS], settings, open_bucket(settings))
    return plan if dry_run else _fetched_to(plan, n_jobs, progress, accept_license)[0]


def _fetched_to(
    plan: TransferPlan, n_jobs: int, progress: bool, accept_license: bool
) -> list[Path]:
    """Fetch the files of a plan and return their local paths."""
    fetch(plan, n_jobs, progress, accept_license)
    return [file.path for file in plan.files]


def _paths(keys: Iterable[str], plan: TransferPlan) -> list[Path]:
    """Return the local paths of the keys that are in the plan."""
    paths = {file.key: file.path for file in plan.files}
    return [paths[key] for key in keys if key in paths]


def __getattr__(name: str) -> Any:
    if name == "request_stimulus_access":  # imports the client of the access service
        return access.request_stimulus_access
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
