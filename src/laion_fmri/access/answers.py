"""Validated answers of the access service: its files and their links."""

from __future__ import annotations

import contextlib
import datetime
import re
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from laion_fmri import layout
from laion_fmri._errors import AccessServiceError, InvalidArgumentError, UnsafeKeyError
from laion_fmri.access.secret import RequestId, Secret
from laion_fmri.bucket import BucketObject

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file of the access service.

    Attributes
    ----------
    name : str
    size : int
        Bytes.
    sha256 : str
        Lower-case hexadecimal.
    link : Secret or None
        Temporary link to the file; only in a `Grant`.
    """

    name: str
    size: int
    sha256: str
    link: Secret | None = None

    @property
    def key(self) -> str:
        """The path below the data directory."""
        return f"{layout.STIMULI_TREE}/{self.name}"

    @property
    def listed(self) -> BucketObject:
        """The file as an object of a bucket; the SHA-256 is its ETag."""
        return BucketObject(self.key, self.size, self.sha256)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The public manifest: the terms in force, and the files.

    Attributes
    ----------
    terms_version : str or int
        As the service writes it.
    files : tuple of ServedFile
    """

    terms_version: str | int
    files: tuple[ServedFile, ...]

    @classmethod
    def read(cls, answer: Any) -> Self:
        """Check an answer.

        Raises
        ------
        AccessServiceError
            When it is malformed.
        UnsafeKeyError
            When a name is not a valid path below ``stimuli/``.
        """
        version = _get(answer, "current_terms_version")
        if isinstance(version, bool) or not isinstance(version, (str, int)):
            raise _unexpected("current_terms_version")
        return cls(version, _read_files(answer, with_links=False))


@dataclass(frozen=True, slots=True)
class Grant:
    """Access to the stimulus images; prints as one line without any secret.

    Attributes
    ----------
    request_id : RequestId
    expires_at : datetime
        Expiry of the links, in UTC; they are renewed when needed.
    files : tuple of ServedFile
        With their links.
    """

    request_id: RequestId
    expires_at: datetime.datetime
    files: tuple[ServedFile, ...] = field(repr=False)

    @classmethod
    def read(cls, answer: Any, request_id: RequestId | None = None) -> Self:
        """Check an answer, which holds the request id unless the request already sent it.

        Raises
        ------
        AccessServiceError, UnsafeKeyError
            See `Manifest.read`.
        """
        if request_id is None:
            given = _get(answer, "request_id")
            try:
                request_id = RequestId(given)
            except InvalidArgumentError:
                raise _unexpected("request_id") from None
        try:
            expires_at = datetime.datetime.fromisoformat(_get(answer, "expires_at"))
            if expires_at.tzinfo is None:
                expires_at = expires_at.replace(tzinfo=datetime.UTC)
            expires_at = expires_at.astimezone(datetime.UTC)
        except (TypeError, ValueError, OverflowError):
            raise _unexpected("expires_at") from None
        return cls(request_id, expires_at, _read_files(answer, with_links=True))

    def file(self, key: str) -> ServedFile | None:
        """Return the file of a key, or None."""
        return next((f for f in self.files if f.key == key), None)

    def __str__(self) -> str:
        return (
            f"Access to {len(self.files)} stimulus files (request id {self.request_id}); the links "
            f"hold until {self.expires_at:%Y-%m-%d %H:%M} UTC and are renewed when needed."
        )


def _read_files(answer: Any, with_links: bool) -> tuple[ServedFile, ...]:
    listed = _get(answer, "files")
    if not isinstance(listed, list) or not listed:
        raise _unexpected("files")
    files = tuple(_read_file(entry, with_links) for entry in listed)
    if len({file.name for file in files}) < len(files):
        raise _unexpected("files, where a name stands twice")
    return files


def _read_file(entry: Any, with_link: bool) -> ServedFile:
    name, size, sha256 = (_get(entry, part) for part in ("name", "size", "sha256"))
    if not isinstance(name, str):
        raise _unexpected("name of a file")
    _require_safe(name)
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise _unexpected(f"size of {name}")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise _unexpected(f"sha256 of {name}")
    link = _read_link(_get(entry, "url"), name) if with_link else None
    return ServedFile(name, size, sha256.lower(), link)


def _require_safe(name: str) -> None:
    try:
        layout.require_safe(name)
        is_safe = name.isprintable()
    except UnsafeKeyError:
        is_safe = False
    if not is_safe:
        raise UnsafeKeyError(
            f"The access service names a file {name!r}, which is not a safe file name and is "
            "refused. Check its address (LAION_FMRI_ACCESS_URL)."
        )


def _read_link(url: Any, name: str) -> Secret:
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    is_usable = False
    if isinstance(url, str) and url.isprintable():
        with contextlib.suppress(ValueError, LocationParseError):
            is_usable = urlsplit(url).scheme in ("http", "https") and bool(parse_url(url).host)
    if not is_usable:  # raised outside the handler, so that no chained error holds the address
        raise _unexpected(f"link of {name}")
    return Secret(url)


def _get(answer: Any, part: str) -> Any:
    if not isinstance(answer, dict) or part not in answer:
        raise _unexpected(part)
    return answer[part]


def _unexpected(part: str) -> AccessServiceError:
    return AccessServiceError(
        f"The access service sent an answer that cannot be used ({part}). Check its address "
        "(LAION_FMRI_ACCESS_URL); if it is right, try again later or tell who runs it."
    )
