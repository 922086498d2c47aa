"""Exceptions of the package.

Each message says what was wrong and what to do next, so that the command line and the explorer can
show it unchanged.
"""

from __future__ import annotations

import difflib
import errno
import heapq
import os
from collections.abc import Iterable, Mapping
from typing import Any

_MANY = 500  # above this many names, a full comparison is too slow


class LaionFmriError(Exception):
    """Base class of the package's exceptions."""

    def __str__(self) -> str:
        # OSError and KeyError subclasses would otherwise decorate the message.
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple:
        # Only the message is pickled when an error crosses processes (data loader workers).
        return _rebuild, (type(self), str(self))


def _rebuild(kind: type[LaionFmriError], message: str) -> LaionFmriError:
    # Python accepts only OSError.__new__ for subclasses of OSError.
    error = (OSError if issubclass(kind, OSError) else kind).__new__(kind)
    error.args = (message,)
    return error


class ConfigError(LaionFmriError, ValueError):
    """A setting is unreadable, malformed or invalid."""


class DataDirNotSetError(LaionFmriError, RuntimeError):
    """No data directory has been configured."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message
            or "No data directory is set. Run "
            "laion_fmri.config.dataset_initialize('/path/to/data') or "
            "`laion-fmri config --data-dir DIR`, or set LAION_FMRI_DATA_DIR."
        )


class DataNotFoundError(LaionFmriError, FileNotFoundError):
    """A file of the dataset is not on disk."""


class DataNotDownloadedError(DataNotFoundError):
    """A file of a subject is not on disk."""


class StimuliNotDownloadedError(DataNotFoundError):
    """A file of the stimuli is not on disk."""


class SubjectNotFoundError(LaionFmriError, ValueError, KeyError):
    """A subject identifier is malformed, or no subject of the dataset has it."""


class InvalidArgumentError(LaionFmriError, ValueError):
    """An argument has an invalid value."""


class UnknownNameError(InvalidArgumentError, KeyError):
    """A session, ROI, category, model, image, noun, pool or split that does not exist.

    Parameters
    ----------
    kind : str
        The kind of name, for the message: ``"ROI"``, ``"session"`` …
    name : str
        The unknown name.
    known : iterable of str
        Valid names; the closest are suggested.
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
            text += f" Known: {shown}."
        else:
            text += " There is none."
        super().__init__(f"{text} {advice}".rstrip())


class TrialNotFoundError(LaionFmriError, IndexError):
    """A global trial index that no local trial has."""


class RowNotFoundError(InvalidArgumentError, IndexError, KeyError):
    """A row outside the stimuli."""


class NoMatchingDataError(InvalidArgumentError, FileNotFoundError):
    """Filters match nothing."""


class NotEnoughMemoryError(MemoryError, LaionFmriError):
    """The request does not fit into the free memory."""


_ADVICE_ON_READING = {
    errno.EACCES: "Change its permissions, or read it as a user who may.",
    errno.EPERM: "Change its permissions, or read it as a user who may.",
    errno.EIO: "The disk or its connection fails. Try again, and check the disk.",
    errno.ESTALE: "The network disk has lost it. Try again, and mount the disk anew if that fails.",
    errno.EISDIR: "A file is expected there: move the folder away.",
    errno.ENOENT: "It was removed in the meantime. Download it again.",
    errno.EMFILE: "Close other files, or raise the limit on open files (ulimit -n).",
}


class UnreadableFileError(LaionFmriError, OSError):
    """A file exists but cannot be read now; its content may be intact."""

    def __init__(self, path: object, problem: str, advice: str = "Try again.") -> None:
        super().__init__(f"{path} cannot be read: {problem}. {advice}")

    @classmethod
    def from_os(cls, path: object, error: OSError) -> UnreadableFileError:
        """Convert an error of the operating system on opening or reading a file."""
        problem = os.strerror(error.errno) if error.errno else str(error)
        advice = _ADVICE_ON_READING.get(error.errno or 0, "Try again.")
        return cls(path, problem[:1].lower() + problem[1:], advice)


class DamagedFileError(LaionFmriError, OSError):
    """A file exists but is truncated, corrupt or of another type.

    Parameters
    ----------
    path : path
    problem : str
        The problem with the file.
    advice : str, optional
        What to do. The default, to delete the file, suits published files only.

    Attributes
    ----------
    path : path
    problem : str
    advice : str or None
        None for the default.
    """

    path: object = ""
    problem = ""
    advice: str | None = None

    def __init__(self, path: object, problem: str, advice: str | None = None) -> None:
        self.path, self.problem, self.advice = path, problem, advice
        super().__init__(
            f"{path} cannot be read: {problem}. "
            + (advice or "Delete it and download it again (a download replaces damaged files).")
        )


class StoreError(LaionFmriError, OSError):
    """The local store of betas cannot be written or removed."""


class InconsistentDataError(LaionFmriError, ValueError):
    """Lengths, grids or names differ between files that belong together."""


class LicenseNotAcceptedError(LaionFmriError, RuntimeError):
    """The dataset's licence has not been accepted for this data directory."""


class UnsafeKeyError(LaionFmriError, ValueError):
    """A bucket key that points outside the data directory or is not a valid file name."""


class BucketError(LaionFmriError, OSError):
    """Base class of errors of the bucket."""


class BucketUnreachableError(BucketError, ConnectionError):
    """The bucket does not answer, or does not exist."""


class TemporaryBucketError(BucketUnreachableError):
    """The bucket did not answer this time: a timeout, a broken connection, too many requests.

    Attributes
    ----------
    retry_after : float or None
        Seconds that the server asks to wait before the next attempt.
    is_silence : bool
        Whether there was no answer at all, rather than a request to try later.
    """

    def __init__(
        self, message: str, retry_after: float | None = None, is_silence: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after, self.is_silence = retry_after, is_silence


class NetworkError(BucketUnreachableError):
    """The network intercepts the connection: a login page, a proxy, an untrusted certificate."""


class AccessDeniedError(BucketError, PermissionError):
    """The bucket refuses access to an object, such as one of a held-out session."""


class ObjectNotFoundError(BucketError, FileNotFoundError):
    """The bucket has no object with that key."""


class ObjectChangedError(BucketError):
    """An object has changed since it was planned."""


class AccessServiceError(LaionFmriError, RuntimeError, OSError):
    """The access service cannot be reached, or refuses the request."""


class AccessServiceUnavailableError(AccessServiceError, TemporaryBucketError):
    """The access service did not answer this time; another try may succeed."""


class FormRefusedError(AccessServiceError):
    """The access service refuses the form.

    Attributes
    ----------
    problems : dict of str to str
        Field to the message of the service.
    """

    def __init__(self, message: str, problems: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.problems = dict(problems or {})


class TermsOutdatedError(AccessServiceError):
    """The terms of the data use agreement have changed and must be accepted again.

    Attributes
    ----------
    accept_url : str
        The page to accept them on; empty when the service does not name one.
    """

    def __init__(self, message: str, accept_url: str = "") -> None:
        super().__init__(message)
        self.accept_url = accept_url


class AccessRevokedError(AccessServiceError):
    """Access to the stimulus images has been revoked."""


class AccessNotFoundError(AccessServiceError):
    """This machine has no request id, or the access service does not know it."""


class NotAllowedError(LaionFmriError, PermissionError):
    """An action or content that a shared server does not allow."""


class TransferError(LaionFmriError, OSError):
    """One or more files could not be fetched; the message lists them.

    Attributes
    ----------
    report : TransferReport or None
        The report of the transfer; None when no file was attempted.
    """

    def __init__(self, message: str, report: Any = None) -> None:
        super().__init__(message)
        self.report = report


class StimuliNotFetchedError(AccessServiceError, TransferError):
    """The access service did not provide the stimuli; all other files are downloaded."""


class CancelledError(LaionFmriError):
    """Work that was cancelled on request."""


class MissingDependencyError(LaionFmriError, ImportError):
    """An optional package is not installed."""


def closest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Return the names most similar to `name`, best first, ignoring case."""
    by_lower = {k.lower(): k for k in known}
    candidates = list(by_lower)
    if len(candidates) > _MANY:  # comparing 25,000 image names takes seconds
        looked_for = _trigrams(name.lower())
        candidates = heapq.nlargest(
            _MANY // 10, candidates, key=lambda other: len(looked_for & _trigrams(other))
        )
    found = difflib.get_close_matches(name.lower(), candidates, n=n, cutoff=0.5)
    return [by_lower[match] for match in found]


def _trigrams(text: str) -> set[str]:
    return {text[i : i + 3] for i in range(len(text) - 2)}
