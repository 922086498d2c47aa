"""The contents of the bucket, and the plan of a request."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from laion_fmri import discovery, layout
from laion_fmri._errors import SubjectNotFoundError
from laion_fmri.bucket import Bucket
from laion_fmri.config import Settings
from laion_fmri.download_plans import (
    SEGMENTATION_FILES,
    plan_download,
    plan_embeddings,
    plan_files,
    plan_named,
    plan_raw,
    plan_stimuli,
)
from laion_fmri.download_request.code import listed_keys, python_code, shell_code
from laion_fmri.download_request.request import (
    Call,
    Offer,
    Request,
    SubjectOffer,
    calls,
    lacking,
)
from laion_fmri.splits import download_splits
from laion_fmri.transfer.plan import TransferPlan


@dataclass(frozen=True)
class PlanFacts:
    """A plan, its disk space and the equivalent code.

    Attributes
    ----------
    plan : TransferPlan
    free_bytes : int
        Free space in the data directory.
    rate : float or None
        Last measured rate in bytes per second.
    python, shell : str
    listed_keys : sequence of str
        Keys that the code reads from a file.
    lacking : sequence of str
        Sentences about chosen data that the bucket does not have.
    """

    plan: TransferPlan
    free_bytes: int
    rate: float | None
    python: str
    shell: str
    listed_keys: Sequence[str] = ()
    lacking: Sequence[str] = ()

    @property
    def free_after(self) -> int:
        """Free bytes after the download; negative when the space is insufficient."""
        return self.free_bytes - self.plan.bytes_to_fetch

    @property
    def seconds(self) -> float | None:
        """Expected duration in seconds; None while the rate is unknown."""
        return self.plan.bytes_to_fetch / self.rate if self.rate else None


def plan_request(
    request: Request, offer: Offer, settings: Settings, bucket: Bucket, rate: float | None
) -> PlanFacts:
    """Return the plan of a request, and the code that fetches it.

    Raises
    ------
    DataDirNotSetError, BucketUnreachableError, SubjectNotFoundError, NoMatchingDataError
    AccessServiceError
        When images are requested and the access service does not answer.
    """
    made = calls(request, offer)
    plan = make_request_plan(made, settings, bucket)
    return PlanFacts(
        plan,
        shutil.disk_usage(plan.data_dir).free,
        rate,
        python_code(made, settings),
        shell_code(made, settings),
        listed_keys(made),
        lacking(request, offer),
    )


def make_request_plan(made: Iterable[Call], settings: Settings, bucket: Bucket) -> TransferPlan:
    """Return the plan of several calls without duplicate files; raises as `plan_request`."""
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
        case "download_embeddings":
            return plan_embeddings(arguments.get("models"), settings, bucket)
        case "download_segmentations":
            return plan_named(SEGMENTATION_FILES, settings, bucket)
        case "download_captions":
            return plan_named([layout.CAPTIONS], settings, bucket)
        case "download_stimuli":
            return plan_stimuli(settings, bucket)
        case "download_splits":
            return download_splits(dry_run=True, data_dir=settings.data_dir)  # type: ignore[return-value]
    raise ValueError(f"There is no plan for {call.verb}.")


def read_offer(bucket: Bucket) -> Offer:
    """Read the subjects, sessions and splits of the bucket.

    Raises
    ------
    BucketUnreachableError
    """
    localized = set(_names_in(f"{layout.LOCALIZERS_TREE}/", bucket))
    subjects = {}
    for name in discovery.get_subjects(bucket):
        with suppress(SubjectNotFoundError):  # the folder is not named after a subject
            sessions = tuple(discovery.get_sessions(name, bucket))
            raw_sessions = _sessions_in(f"{name}/", bucket)
            subjects[name] = SubjectOffer(sessions, raw_sessions, name in localized)
    splits = discovery.list_objects(f"{layout.SPLITS_TREE}/", bucket)
    return Offer(subjects, tuple(found.key for found in splits))


def _sessions_in(prefix: str, bucket: Bucket) -> tuple[str, ...]:
    served = [n for n in _names_in(prefix, bucket) if n.startswith("ses-")]
    return tuple(sorted((n for n in served if not layout.is_held_out(n)), key=layout.natural_order))


def _names_in(prefix: str, bucket: Bucket) -> list[str]:
    folder = discovery.list_folder(prefix, bucket)
    return [p.rstrip("/").rpartition("/")[2] for p in folder.prefixes]
