"""Every exception the package raises.

Each message says what was wrong and what to do next, so that it can be shown as it
is: as one line on the command line, as a calm message in the page.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from laion_fmri.transfer.report import TransferReport

_MANY = 500  # names beyond which every one of them cannot be compared in full


class LaionFmriError(Exception):
    """Base of every error the package raises on purpose."""

    def __str__(self) -> str:
        # OSError and KeyError subclasses would otherwise decorate the message.
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple:
        # Errors cross process borders (data loader workers) with their message alone.
        return _rebuild, (type(self), str(self))


def _rebuild(kind: type[LaionFmriError], message: str) -> LaionFmriError:
    error = kind.__new__(kind)
    error.args = (message,)
    return error


class ConfigError(LaionFmriError, ValueError):
    """A setting cannot be used: unreadable, malformed, or not what it should be."""


class DataDirNotSetError(LaionFmriError, RuntimeError):
    """No data directory has been configured."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message
            or "No data directory is set. Run "
            "laion_fmri.config.dataset_initialize('/path/to/data') or "
            "`laion-fmri config --data-dir DIR`, or set LAION_FMRI_DATA_DIR."
        )


class DataNotDownloadedError(LaionFmriError, FileNotFoundError):
    """A file of a subject is not on disk."""


class StimuliNotDownloadedError(LaionFmriError, FileNotFoundError):
    """A file of the stimuli is not on disk."""


class SubjectNotFoundError(LaionFmriError, ValueError):
    """A subject identifier is malformed, or names nobody in the dataset."""


class InvalidArgumentError(LaionFmriError, ValueError):
    """An argument has a value that cannot be used."""


class UnknownNameError(InvalidArgumentError):
    """A session, ROI, category, model, pool or split that does not exist here.

    Parameters
    ----------
    kind : str
        What was looked for, in the field's words: ``"ROI"``, ``"session"`` …
    name : str
        What was asked for.
    known : iterable of str
        What exists; the closest are suggested.
    advice : str, optional
        What to do next.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str], advice: str = "") -> None:
        known = list(known)
        text = f"Unknown {kind} {name!r}."
        close = closest(str(name), known)
        if close:
            text += f" Did you mean {' or '.join(repr(c) for c in close)}?"
        elif known:
            shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
            text += f" Known here: {shown}."
        else:
            text += " There is none here."
        super().__init__(f"{text} {advice}".rstrip())


class TrialNotFoundError(LaionFmriError, IndexError):
    """A global trial index that no local trial has."""


class NoMatchingDataError(InvalidArgumentError):
    """Filters that match nothing."""


class DamagedFileError(LaionFmriError, OSError):
    """A file is there but cannot be read: truncated, corrupt or of another kind."""

    def __init__(self, path: object, problem: str, advice: str | None = None) -> None:
        super().__init__(
            f"{path} cannot be read: {problem}. "
            + (advice or "Delete it and download it again (a download replaces damaged files).")
        )


class StoreError(LaionFmriError, OSError):
    """The local store of betas cannot be written or removed."""


class InconsistentDataError(LaionFmriError, ValueError):
    """Files that should belong together do not: lengths, grids or names differ."""


class LicenseNotAcceptedError(LaionFmriError, RuntimeError):
    """The dataset's licence has not been accepted for this data directory."""


class UnsafeKeyError(LaionFmriError, ValueError):
    """A bucket key that would leave the data directory or cannot be a file name."""


class BucketError(LaionFmriError, OSError):
    """The bucket cannot be used."""


class BucketUnreachableError(BucketError, ConnectionError):
    """The bucket does not answer, or does not exist."""


class TemporaryBucketError(BucketUnreachableError):
    """The bucket did not answer this time: a timeout, a broken connection, too many requests.

    Attributes
    ----------
    retry_after : float or None
        Seconds the server asks to wait before the next try.
    is_silence : bool
        Nothing answered, which is worse than an answer that asks for patience.
    """

    def __init__(
        self, message: str, retry_after: float | None = None, is_silence: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after, self.is_silence = retry_after, is_silence


class AccessDeniedError(BucketError, PermissionError):
    """The bucket refuses this object (held-out sessions, for one)."""


class ObjectNotFoundError(BucketError, FileNotFoundError):
    """The bucket has no object of that key."""


class ObjectChangedError(BucketError):
    """An object is no longer the one that was planned."""


class AccessServiceError(LaionFmriError, OSError):
    """The access service cannot be reached, or refuses for a reason of its own."""


class AccessServiceUnavailableError(AccessServiceError, TemporaryBucketError):
    """The access service did not answer this time; another try may succeed."""


class FormRefusedError(AccessServiceError):
    """The access service refuses the form.

    Attributes
    ----------
    problems : dict of str to str
        What it says of each field.
    """

    def __init__(self, message: str, problems: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.problems = dict(problems or {})


class TermsOutdatedError(AccessServiceError):
    """The terms of the data use agreement have changed and must be accepted anew.

    Attributes
    ----------
    accept_url : str
        The page where they are accepted; empty where the service does not say.
    """

    def __init__(self, message: str, accept_url: str = "") -> None:
        super().__init__(message)
        self.accept_url = accept_url


class AccessRevokedError(AccessServiceError):
    """The access to the stimulus images was withdrawn."""


class AccessNotFoundError(AccessServiceError):
    """No data use agreement has been accepted here, or its request id is not known."""


class NotAllowedError(LaionFmriError, PermissionError):
    """Something that the person at a page of a shared server may not do or see."""


class TransferError(LaionFmriError, OSError):
    """One or more files could not be fetched; the message lists them.

    Attributes
    ----------
    report : TransferReport or None
        What was fetched nevertheless; None when nothing was tried.
    """

    def __init__(self, message: str, report: TransferReport | None = None) -> None:
        super().__init__(message)
        self.report = report


class CancelledError(LaionFmriError):
    """Work that was ended on request."""


class MissingDependencyError(LaionFmriError, ImportError):
    """An optional package is needed for what was asked."""


def closest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """The names most like `name`, best first, whatever their case."""
    by_lower = {k.lower(): k for k in known}
    candidates = list(by_lower)
    if len(candidates) > _MANY:  # 25,000 image names would take seconds
        looked_for = _trigrams(name.lower())
        candidates = heapq.nlargest(
            _MANY // 10, candidates, key=lambda other: len(looked_for & _trigrams(other))
        )
    found = difflib.get_close_matches(name.lower(), candidates, n=n, cutoff=0.5)
    return [by_lower[match] for match in found]


def _trigrams(text: str) -> set[str]:
    return {text[i : i + 3] for i in range(len(text) - 2)}
