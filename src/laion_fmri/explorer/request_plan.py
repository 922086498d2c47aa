"""What the bucket offers, and what calls of the library would fetch from it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from laion_fmri import discovery, layout
from laion_fmri._errors import SubjectNotFoundError
from laion_fmri.bucket import Bucket
from laion_fmri.config import Settings
from laion_fmri.download import (
    SEGMENTATION_FILES,
    plan_download,
    plan_files,
    plan_named,
    plan_raw,
    plan_stimuli,
)
from laion_fmri.explorer.request import Call, Offer, SubjectOffer
from laion_fmri.splits import download_splits
from laion_fmri.transfer.plan import TransferPlan


def read_offer(bucket: Bucket) -> Offer:
    """What there is to choose from.

    Raises
    ------
    BucketUnreachableError
    """
    localized = set(_names_in(f"{layout.LOCALIZERS_TREE}/", bucket))
    subjects = {}
    for name in discovery.get_subjects(bucket):
        with suppress(SubjectNotFoundError):  # a folder that is named as no subject can be
            sessions = tuple(discovery.get_sessions(name, bucket))
            raw_sessions = _sessions_in(f"{name}/", bucket)
            subjects[name] = SubjectOffer(sessions, raw_sessions, name in localized)
    splits = discovery.list_objects(f"{layout.SPLITS_TREE}/", bucket)
    return Offer(subjects, tuple(found.key for found in splits))


def make_request_plan(made: Iterable[Call], settings: Settings, bucket: Bucket) -> TransferPlan:
    """What the calls would fetch, each file once.

    Raises
    ------
    DataDirNotSetError, BucketUnreachableError, SubjectNotFoundError, NoMatchingDataError
    AccessServiceError
        When the images are asked for and nobody says what there is of them.
    """
    plan = TransferPlan((), settings.require_data_dir())
    for call in made:
        plan += _plan_of(call, settings, bucket)
    return plan


def _plan_of(call: Call, settings: Settings, bucket: Bucket) -> TransferPlan:
    arguments: dict = {k: v for k, v in call.arguments.items() if k != "n_jobs"}
    match call.verb:
        case "download":
            return plan_download(settings=settings, bucket=bucket, **arguments)
        case "download_raw":
            return plan_raw(settings=settings, bucket=bucket, **arguments)
        case "download_files":
            return plan_files(settings=settings, bucket=bucket, **arguments)
        case "download_stimuli":
            return plan_stimuli(settings, bucket)
        case "download_splits":
            return download_splits(dry_run=True, data_dir=settings.data_dir)  # type: ignore[return-value]
    return plan_named(_stimulus_keys(call), settings, bucket)


def _stimulus_keys(call: Call) -> list[str]:
    if call.verb == "download_segmentations":
        return list(SEGMENTATION_FILES)
    if call.verb == "download_captions":
        return [layout.CAPTIONS]
    models = call.arguments.get("models", layout.EMBEDDING_MODELS)
    return [layout.embeddings(m) for m in layout.as_list(models) or ()]  # type: ignore[arg-type]


def _sessions_in(prefix: str, bucket: Bucket) -> tuple[str, ...]:
    served = [n for n in _names_in(prefix, bucket) if n.startswith("ses-")]
    return tuple(sorted((n for n in served if not layout.is_held_out(n)), key=layout.natural_order))


def _names_in(prefix: str, bucket: Bucket) -> list[str]:
    folder = discovery.list_folder(prefix, bucket)
    return [p.rstrip("/").rpartition("/")[2] for p in folder.prefixes]
