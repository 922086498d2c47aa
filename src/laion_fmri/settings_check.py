"""Checks of a bucket, a data directory and an access service before they are saved."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from laion_fmri import layout
from laion_fmri._errors import LaionFmriError
from laion_fmri.access.service import AccessService
from laion_fmri.bucket import Bucket, open_bucket
from laion_fmri.bucket.listing_cache import without_secrets
from laion_fmri.config import Settings
from laion_fmri.transfer.plan import count_of, format_bytes


@dataclass(frozen=True)
class Finding:
    """The result of the check of one setting.

    Attributes
    ----------
    works : bool
    text : str
        The result in one sentence.
    """

    works: bool
    text: str


def check_settings(settings: Settings, changed: Mapping[str, object]) -> dict[str, Finding]:
    """Check the changed settings only; the others may be temporarily unreachable.

    Parameters
    ----------
    settings : Settings
        The settings after the change.
    changed : mapping
        Changed settings by name.

    Returns
    -------
    dict of str to Finding
        One for each setting that was checked. The endpoint is checked together with the
        bucket that it serves.
    """
    checks: dict[str, Callable[[Settings], Finding]] = {}
    if "bucket" in changed or "endpoint_url" in changed:
        checks["bucket"] = check_bucket
    if "data_dir" in changed:
        checks["data_dir"] = check_data_dir
    if "access_url" in changed:
        checks["access_url"] = check_access
    return {name: _checked(check, settings) for name, check in checks.items()}


def _checked(check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except LaionFmriError as error:
        return Finding(False, str(error))


def check_bucket(settings: Settings) -> Finding:
    """Check that the bucket answers and lists a subject.

    Raises
    ------
    LaionFmriError
        When it does not.
    """
    endpoint = settings.endpoint_url or ""
    if "@" in endpoint and without_secrets(endpoint) != endpoint:
        return Finding(False, "Access is anonymous: leave name and password out of the endpoint.")
    subjects = _subjects(open_bucket(settings))
    if not subjects:
        return Finding(False, "The bucket answers, but holds no subject of the dataset.")
    return Finding(True, f"The bucket answers and lists {count_of(len(subjects), 'subject')}.")


def _subjects(bucket: Bucket) -> set[str]:
    """List the subjects of the first tree that has any, without the cache."""
    for tree in layout.DERIVATIVE_TREES:
        names = {p.rstrip("/").rpartition("/")[2] for p in bucket.folder(f"{tree}/").prefixes}
        if subjects := {name for name in names if name.startswith("sub-")}:
            return subjects
    return set()


def check_data_dir(settings: Settings) -> Finding:
    """Check that the data directory, which need not exist yet, is writable."""
    path = settings.data_dir
    if path is None:
        return Finding(False, "Give a folder for the data.")
    if _is_within(path, settings.bucket):
        return Finding(False, "This folder belongs to the bucket's mirror. Choose another.")
    try:
        there = next(p for p in (path, *path.parents) if p.exists())
        if not there.is_dir():
            return Finding(False, f"{there} is a file. Choose a folder.")
        if there == path:
            with tempfile.TemporaryFile(dir=path):
                pass
        elif not os.access(there, os.W_OK | os.X_OK):
            return Finding(False, f"It cannot be created: {there} cannot be written.")
        free = format_bytes(shutil.disk_usage(there).free)
    except (OSError, ValueError, StopIteration) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        return Finding(False, f"Files cannot be put there ({reason}). Choose another folder.")
    what = "The folder is there and can be written" if there == path else "The folder will be made"
    return Finding(True, f"{what}; {free} are free.")


def _is_within(path: Path, bucket: str) -> bool:
    if bucket.startswith("s3://"):
        return False
    mirror = Path(unquote(bucket.removeprefix("file://"))).expanduser()
    return path.resolve().is_relative_to(mirror.resolve())


def check_access(settings: Settings) -> Finding:
    """Check that the access service of the stimulus images answers.

    Raises
    ------
    LaionFmriError
        When it does not.
    """
    terms = AccessService(settings.access_url).manifest().terms_version
    return Finding(True, f"The access service answers; its terms are of version {terms}.")
