"""The stimulus files as a bucket: listed by the public manifest, opened with links that expire."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager

from laion_fmri import layout
from laion_fmri._errors import (
    AccessDeniedError,
    BucketError,
    ObjectChangedError,
    ObjectNotFoundError,
    TemporaryBucketError,
)
from laion_fmri.access.answers import Grant
from laion_fmri.access.credentials import load_credentials, require_credentials
from laion_fmri.access.secret import Secret
from laion_fmri.access.service import AccessService
from laion_fmri.bucket import BucketObject, ByteStream, Folder
from laion_fmri.checksums import Checksum
from laion_fmri.config import Settings, load_settings
from laion_fmri.http_ranges import HttpPool, HttpStream

_LOGS_WITH_ADDRESSES = ("connectionpool", "poolmanager", "connection", "response", "util.retry")


class AccessFiles:
    """The files of an access service, for the transfer engine to fetch (a `Bucket`).

    Listing them needs nobody's permission. The first file that is opened asks for links, with
    the request id of this machine; links that have expired are renewed, once for all
    threads that wait for them.

    Parameters
    ----------
    service : AccessService
    grant : Grant, optional
        With links that are fresh.
    pool : HttpPool, optional
        Connections to wherever the links lead.
    """

    def __init__(
        self, service: AccessService, grant: Grant | None = None, pool: HttpPool | None = None
    ) -> None:
        self.service = service
        self.uri = service.url
        self._http = pool or HttpPool()
        self._grant = grant
        self._renewal: Future[Grant] | None = None
        self._lock = threading.Lock()
        _keep_links_out_of_logs()

    def objects(self, prefix: str = "") -> Iterator[BucketObject]:
        """Every file whose key begins with `prefix`, in key order, as the manifest has it now."""
        listed = sorted((file.listed for file in self.service.manifest().files), key=_key)
        yield from (found for found in listed if found.key.startswith(prefix))

    def folder(self, prefix: str = "") -> Folder:
        """What lies right below `prefix` (empty, or ending in a slash)."""
        prefixes: dict[str, None] = {}
        objects: list[BucketObject] = []
        for found in self.objects(prefix):
            below, slash, _ = found.key.removeprefix(prefix).partition("/")
            if slash:
                prefixes[f"{prefix}{below}/"] = None
            else:
                objects.append(found)
        return Folder(tuple(prefixes), tuple(objects))

    def head(self, key: str) -> BucketObject:
        """One file as the manifest has it now."""
        for found in self.objects(key):
            if found.key == key:
                return found
        raise _not_served(key)

    def checksum(self, found: BucketObject) -> Checksum:
        """The SHA-256 of the manifest, which is the file's version too."""
        return Checksum("sha256", found.etag)

    @contextmanager
    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> Iterator[ByteStream]:
        """Bytes ``[start, stop)`` of one file; refused when it is no longer `etag`.

        Raises
        ------
        AccessNotFoundError, AccessRevokedError, TermsOutdatedError, AccessServiceError
            When there are no links to be had.
        AccessDeniedError
            When not even a new link opens the file.
        ObjectNotFoundError, ObjectChangedError, TemporaryBucketError
        """
        with ExitStack() as stack:
            yield self._opened(stack, key, start, stop, etag)

    def knows_request_id(self) -> bool:
        """Whether there is a request id to ask for links with."""
        return self._grant is not None or load_credentials(self.service.url) is not None

    def use(self, grant: Grant) -> None:
        """Open files with these links from now on."""
        with self._lock:
            self._grant = grant

    def require_grant(self) -> Grant:
        """Links to every file: those that are here, else the service is asked, once.

        Raises
        ------
        AccessNotFoundError
            When there is no request id, saying how to get one, or the service does not know it.
        AccessRevokedError, TermsOutdatedError, AccessServiceError
        """
        return self._grant or self._renewed(None)

    def _opened(
        self, stack: ExitStack, key: str, start: int, stop: int | None, etag: str | None
    ) -> HttpStream:
        grant = self.require_grant()
        problem = self._tried(stack, grant, key, start, stop, etag)
        if isinstance(problem, BucketError):
            grant = self._renewed(grant)
            problem = self._tried(stack, grant, key, start, stop, etag)
        if isinstance(problem, BucketError):
            raise problem
        return problem

    def _tried(
        self,
        stack: ExitStack,
        grant: Grant,
        key: str,
        start: int,
        stop: int | None,
        etag: str | None,
    ) -> HttpStream | BucketError:
        """The open file, or why other links might open it."""
        file = grant.file(key)
        if file is None or file.link is None:
            return _not_served(key)
        if etag is not None and file.sha256 != etag:
            return ObjectChangedError(f"{key} has changed at the access service. Plan again.")
        try:
            return self._follow(stack, file.link, key, start, stop)
        except (TemporaryBucketError, ObjectChangedError):
            raise
        except BucketError:
            return AccessDeniedError(
                f"The access service's links to {key} are refused, new ones too. Check this "
                "machine's clock and proxy, or try again later."
            )

    def _follow(
        self, stack: ExitStack, link: Secret, key: str, start: int, stop: int | None
    ) -> HttpStream:
        # Whoever keeps the file knows it by another ETag: the link is asked without one.
        _this_thread.follows_a_link = True
        try:
            return stack.enter_context(self._http.open(link.reveal(), key, start, stop))
        except BucketError as error:
            error.__cause__ = error.__context__ = None  # urllib3's errors hold the address
            raise
        finally:
            _this_thread.follows_a_link = False

    def _renewed(self, refused: Grant | None) -> Grant:
        """Links that are not `refused`; of many threads one asks, and all get what it got."""
        with self._lock:
            if self._grant is not None and self._grant is not refused:
                return self._grant
            renewal = self._renewal
            if is_mine := renewal is None:
                renewal = self._renewal = Future()
        if not is_mine:
            return renewal.result()
        try:
            grant = self.service.refresh(require_credentials(self.service.url).request_id)
        except BaseException as error:
            with self._lock:
                self._renewal = None
            renewal.set_exception(error)
            raise
        with self._lock:
            self._grant, self._renewal = grant, None
        renewal.set_result(grant)
        return grant


def stimulus_source(settings: Settings | None = None) -> AccessFiles:
    """The stimulus files of the access service that the settings name.

    Nothing is asked yet: listing them takes the public manifest, and only opening one takes a
    request id.

    Raises
    ------
    ConfigError
        When the address of the access service is none.
    """
    return AccessFiles(AccessService((settings or load_settings()).access_url))


class _ThisThread(threading.local):
    follows_a_link = False


_this_thread = _ThisThread()


class _NoLinks(logging.Filter):
    """Drops what a thread logs of its connection while it follows a link."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _this_thread.follows_a_link


_no_links = _NoLinks()


def _keep_links_out_of_logs() -> None:
    # urllib3 writes the address of every request into its log: with a link, a secret.
    for name in _LOGS_WITH_ADDRESSES:
        logging.getLogger(f"urllib3.{name}").addFilter(_no_links)  # once, however often asked


def _key(found: BucketObject) -> str:
    return found.key


def _not_served(key: str) -> ObjectNotFoundError:
    advice = "" if key.startswith(f"{layout.STIMULI_TREE}/") else " It gives out stimuli only."
    return ObjectNotFoundError(f"The access service gives out no {key}.{advice}")
