"""The stimulus files as a bucket, listed by the public manifest and opened with expiring links."""

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
    NetworkError,
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
from laion_fmri.http.ranges import HttpPool, HttpStream

_LOGS_WITH_ADDRESSES = ("connectionpool", "poolmanager", "connection", "response", "util.retry")


class AccessFiles:
    """The files of an access service, for the transfer engine to fetch (a `Bucket`).

    Listing requires no authorization. Opening the first file requests links with the request id of
    this machine; expired links are renewed once for all waiting threads.

    Parameters
    ----------
    service : AccessService
    grant : Grant, optional
        A grant with valid links.
    pool : HttpPool, optional
        Connections to the servers of the links.
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
        """Yield every file of the current manifest whose key begins with `prefix`, in key order."""
        listed = sorted((file.listed for file in self.service.manifest().files), key=_key)
        yield from (found for found in listed if found.key.startswith(prefix))

    def folder(self, prefix: str = "") -> Folder:
        """Return the folders and objects directly below `prefix` (empty, or ending in a slash)."""
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
        """Return one file of the current manifest."""
        for found in self.objects(key):
            if found.key == key:
                return found
        raise _not_served(key)

    def checksum(self, found: BucketObject) -> Checksum:
        """Return the SHA-256 of the manifest, which also serves as the ETag."""
        return Checksum("sha256", found.etag)

    @contextmanager
    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> Iterator[ByteStream]:
        """Open bytes ``[start, stop)`` of one file; raise an error unless its ETag is `etag`.

        Raises
        ------
        AccessNotFoundError, AccessRevokedError, TermsOutdatedError, AccessServiceError
            When the service grants no links.
        AccessDeniedError
            When the file is refused even with a new link.
        ObjectNotFoundError, ObjectChangedError, TemporaryBucketError
        """
        with ExitStack() as stack:
            yield self._opened(stack, key, start, stop, etag)

    def knows_request_id(self) -> bool:
        """Whether there is a request id to request links with."""
        return self._grant is not None or load_credentials(self.service.url) is not None

    def use(self, grant: Grant) -> None:
        """Use these links to open files."""
        with self._lock:
            self._grant = grant

    def require_grant(self) -> Grant:
        """Return links to every file, from memory or from one request to the service.

        Raises
        ------
        AccessNotFoundError
            When there is no request id, or the service does not know it.
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
        """Return the open file, or the error after which new links are worth trying."""
        file = grant.file(key)
        if file is None or file.link is None:
            return _not_served(key)
        if etag is not None and file.sha256 != etag:
            return ObjectChangedError(f"{key} has changed at the access service. Plan again.")
        try:
            return self._follow(stack, file.link, key, start, stop)
        except (TemporaryBucketError, NetworkError, ObjectChangedError):
            raise  # new links would not help
        except BucketError:
            return AccessDeniedError(
                f"The access service's links to {key} are refused, new ones too. Check this "
                "machine's clock and proxy, or try again later."
            )

    def _follow(
        self, stack: ExitStack, link: Secret, key: str, start: int, stop: int | None
    ) -> HttpStream:
        # The file server uses another ETag, so the request sends none.
        _this_thread.follows_a_link = True
        try:
            return stack.enter_context(self._http.open(link.reveal(), key, start, stop))
        except BucketError as error:
            error.__cause__ = error.__context__ = None  # urllib3's errors hold the address
            raise
        finally:
            _this_thread.follows_a_link = False

    def _renewed(self, refused: Grant | None) -> Grant:
        """Return links other than `refused`; one thread requests them for all."""
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
    """Return the stimulus files of the access service in the settings.

    No request is made yet: listing reads the public manifest, and only opening a file requires a
    request id.

    Raises
    ------
    ConfigError
        When the address of the access service is invalid.
    """
    return AccessFiles(AccessService((settings or load_settings()).access_url))


class _ThisThread(threading.local):
    follows_a_link = False


_this_thread = _ThisThread()


class _NoLinks(logging.Filter):
    """Drop a thread's log records about its connection while it follows a link."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _this_thread.follows_a_link


_no_links = _NoLinks()


def _keep_links_out_of_logs() -> None:
    # urllib3 logs the address of every request; the address of a link is a secret.
    for name in _LOGS_WITH_ADDRESSES:
        logging.getLogger(f"urllib3.{name}").addFilter(_no_links)  # added only once by logging


def _key(found: BucketObject) -> str:
    return found.key


def _not_served(key: str) -> ObjectNotFoundError:
    advice = "" if key.startswith(f"{layout.STIMULI_TREE}/") else " It gives out stimuli only."
    return ObjectNotFoundError(f"The access service gives out no {key}.{advice}")
