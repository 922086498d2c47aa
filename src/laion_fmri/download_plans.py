"""Plans of the download functions, made from listings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from laion_fmri import access, discovery, layout
from laion_fmri._errors import (
    AccessDeniedError,
    AccessServiceError,
    InvalidArgumentError,
    NoMatchingDataError,
    ObjectNotFoundError,
    UnknownNameError,
)
from laion_fmri.arguments import as_items, is_word
from laion_fmri.bucket import Bucket, BucketObject, open_bucket
from laion_fmri.config import Settings, load_settings
from laion_fmri.selection import Selection, clean_filters, select
from laion_fmri.transfer.digests import with_digests_compared
from laion_fmri.transfer.plan import TransferPlan, make_plan

ALL_SUBJECTS = ALL_MODELS = "all"
Filter = layout.Filter

STIMULUS_FILES = (layout.STIMULI_METADATA, layout.STIMULI_IMAGES)
SEGMENTATION_FILES = (layout.SEGMENTATIONS, layout.SEGMENTATIONS_METADATA)


def plan_download(
    subject: str | Iterable[str],
    *,
    settings: Settings | None = None,
    bucket: Bucket | None = None,
    include_stimuli: bool = False,
    include_embeddings: bool = False,
    include_freesurfer: bool = False,
    include_anatomical: bool = False,
    include_localizers: bool = False,
    include_raw: bool = False,
    **filters: Filter,
) -> TransferPlan:
    """Return the plan of `download` with the same arguments, for `fetch`.

    Raises
    ------
    SubjectNotFoundError, NoMatchingDataError, DataDirNotSetError, BucketUnreachableError

    Warns
    -----
    UserWarning
        When stimuli are requested and the access service does not list its files.
    """
    settings = settings or load_settings()
    bucket = bucket or open_bucket(settings)
    template = Selection(
        "",
        clean_filters(**filters),
        include_anatomical,
        include_freesurfer,
        include_raw,
        include_localizers=include_localizers,
    )
    plan = _plan_subjects(subject, template, settings, bucket)
    if include_embeddings:
        plan += plan_embeddings(ALL_MODELS, settings, bucket)
    if include_stimuli:
        try:
            plan += plan_stimuli(settings, bucket)
        except AccessServiceError as error:
            warnings.warn(f"The stimuli are not in the plan. {error}", UserWarning, stacklevel=2)
    return plan


def plan_raw(
    subject: str | Iterable[str], *, settings: Settings, bucket: Bucket, **filters: Filter
) -> TransferPlan:
    """Return the plan of `download_raw` with the same filters.

    Raises
    ------
    SubjectNotFoundError, NoMatchingDataError, DataDirNotSetError, BucketUnreachableError
    """
    template = Selection("", clean_filters(**filters), include_raw=True, include_derivatives=False)
    return _plan_subjects(subject, template, settings, bucket)


def plan_files(keys: str | Iterable[str], settings: Settings, bucket: Bucket) -> TransferPlan:
    """Return the plan of `download_files`.

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
            "laion_fmri.discovery.list_files lists the files of the bucket."
        )
    objects = [listed[key] for key in dict.fromkeys(wanted)]
    return make_plan(objects, settings.require_data_dir(), bucket)


def plan_embeddings(models: Filter, settings: Settings, bucket: Bucket) -> TransferPlan:
    """Return the plan of `download_embeddings`.

    Raises
    ------
    UnknownNameError, NoMatchingDataError
    """
    return plan_named([layout.embeddings(m) for m in models_meant(models)], settings, bucket)


def models_meant(models: Filter) -> list[str]:
    """Return the requested embedding models without duplicates.

    Raises
    ------
    UnknownNameError
    """
    wanted = layout.as_list(models)
    if wanted is None or wanted == [ALL_MODELS]:
        return list(layout.EMBEDDING_MODELS)
    for model in wanted:
        if model not in layout.EMBEDDING_MODELS:
            raise UnknownNameError("embedding model", model, layout.EMBEDDING_MODELS)
    return list(dict.fromkeys(wanted))


def plan_named(keys: Iterable[str], settings: Settings, bucket: Bucket) -> TransferPlan:
    """Return the plan for these stimulus files.

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
    """Return the plan of `download_stimuli`.

    Raises
    ------
    AccessServiceError
        When neither the bucket serves the images nor the access service answers.
    """
    data_dir = settings.require_data_dir()
    if serves_stimuli(bucket):
        return plan_named(STIMULUS_FILES, settings, bucket)
    service = access.stimulus_source(settings)
    return with_digests_compared(make_plan(service.objects(), data_dir, service))


def _plan_subjects(
    subject: str | Iterable[str], template: Selection, settings: Settings, bucket: Bucket
) -> TransferPlan:
    """Return the plan of a request for all its subjects, with the dataset-level files."""
    data_dir = settings.require_data_dir()
    objects, selected = list(_dataset_level(bucket)), []
    nothing: NoMatchingDataError | None = None
    asked = as_items(subject)
    for name in _subjects_meant(asked, bucket):
        selection = replace(template, subject=name)
        listed = [o for p in selection.prefixes() for o in discovery.list_objects(p, bucket)]
        try:
            selected += select(listed, selection)
        except NoMatchingDataError as error:
            if not is_word(asked, ALL_SUBJECTS):  # "all" skips incomplete subjects
                raise
            nothing = error
    if nothing is not None and not selected:
        raise nothing
    return make_plan(objects + selected, data_dir, bucket)


def _subjects_meant(asked: list[Any], bucket: Bucket) -> list[str]:
    if is_word(asked, ALL_SUBJECTS):
        return discovery.get_subjects(bucket)
    if not asked:
        raise InvalidArgumentError("An empty list of subjects fetches nothing. Name at least one.")
    return list(dict.fromkeys(discovery.require_subject(one, bucket) for one in asked))


def _dataset_level(bucket: Bucket) -> list[BucketObject]:
    top = discovery.list_folder("", bucket).objects
    return [o for o in top if o.key in layout.DATASET_FILES]


def serves_stimuli(bucket: Bucket) -> bool:
    """Whether the bucket is a mirror with the images."""
    listed = {o.key for o in discovery.list_objects(f"{layout.STIMULI_TREE}/", bucket)}
    if not listed.issuperset(STIMULUS_FILES):
        return False
    try:
        with bucket.open(layout.STIMULI_IMAGES, 0, 1):
            return True
    except AccessDeniedError:
        return False
