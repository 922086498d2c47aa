"""Range requests for objects of the bucket and links of the access service."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from laion_fmri._errors import (
    AccessDeniedError,
    BucketError,
    BucketUnreachableError,
    LaionFmriError,
    NetworkError,
    ObjectChangedError,
    ObjectNotFoundError,
    TemporaryBucketError,
)
from laion_fmri.http.client import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    REDIRECTS,
    HttpClient,
    NetworkProblem,
    NextAddress,
    give_back,
    is_web_page,
    location,
    web_page_instead,
)

_BEGINNING = 512  # bytes that distinguish a web page from a file
_SHOWN_OF_AN_ERROR = 2048  # bytes
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class HttpStream:
    """A stream of a response's bytes."""

    def __init__(self, response: Any, name: str) -> None:
        self._response, self._name = response, name
        self._peeked = b""
        self.total = _total(response)

    def require_file(self) -> None:
        """Check that the response is the file, not a web page such as a network's login.

        Raises
        ------
        NetworkError
        """
        with translated_errors(self._name):
            self._peeked = self._response.read1(_BEGINNING, decode_content=False)
        is_page = self._name.endswith((".html", ".htm"))
        if not is_page and is_web_page(self._response, self._peeked):
            raise web_page_instead(self._name, self._response)

    def read(self, size: int = -1, /) -> bytes:
        """Return available bytes, up to `size`; empty at the end."""
        if self._peeked:
            size = len(self._peeked) if size < 0 else size
            block, self._peeked = self._peeked[:size], self._peeked[size:]
            return block
        with translated_errors(self._name):
            return self._response.read1(size if size >= 0 else None, decode_content=False)

    def skip(self, n_bytes: int) -> None:
        """Skip bytes that a server sent before the requested range."""
        while n_bytes > 0 and (block := self.read(min(n_bytes, 1 << 18))):
            n_bytes -= len(block)

    def close(self) -> None:
        """Close the response; a read waiting in another thread returns at once."""
        with contextlib.suppress(Exception):
            self._response.shutdown()
        with contextlib.suppress(Exception):
            self._response.close()


class HttpPool(HttpClient):
    """An HTTP client for ranged GETs that follows redirects.

    Parameters
    ----------
    connect_timeout, read_timeout : float
        Seconds after which a server counts as unreachable.
    next_address : callable, optional
        Returns the target of a redirect; its ``Location`` by default.
    """

    def __init__(
        self,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        next_address: NextAddress = location,
    ) -> None:
        super().__init__(connect_timeout, read_timeout)
        self._next_address = next_address

    @contextmanager
    def open(
        self,
        url: str,
        name: str,
        start: int = 0,
        stop: int | None = None,
        etag: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[HttpStream]:
        """Open bytes ``[start, stop)`` of a file.

        Parameters
        ----------
        url : str
            Never shown: it may be a secret.
        name : str
            Name of the file in messages.
        etag : str, optional
            Expected version of the file.

        Raises
        ------
        AccessDeniedError, ObjectNotFoundError, ObjectChangedError, TemporaryBucketError
        NetworkError
            When a web page was received instead of the file, or a proxy or certificate fails.
        BucketError
            For every other answer.
        """
        asked = dict(headers or {})
        if start or stop is not None:
            asked["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        if etag is not None:
            asked["If-Match"] = f'"{etag}"'
        with translated_errors(name):
            response = self.request(
                "GET", url, self._next_address, headers=asked, decode_content=False
            )
        stream = HttpStream(response, name)
        try:
            if response.status not in (200, 206):
                raise _refusal(response, name)
            sent = response.headers.get("ETag", "").removeprefix("W/").strip('"')
            if response.status == 200 and (etag is None or sent != etag):
                stream.require_file()
            if etag is not None and sent and sent != etag:
                raise ObjectChangedError(f"{name} has changed in the bucket. Plan again.")
            _to_the_start(response, stream, start, name)
            yield stream
        finally:
            give_back(response)


def _total(response: Any) -> int | None:
    """Return the size of the whole file stated in a response."""
    if response.status == 206:
        told = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        return int(told[3]) if told is not None and told[3] != "*" else None
    told_length = response.headers.get("Content-Length", "")
    return int(told_length) if told_length.isdecimal() else None


def _to_the_start(response: Any, stream: HttpStream, start: int, name: str) -> None:
    if response.status == 200:  # a server without ranges sends the whole file
        stream.skip(start)
        return
    told = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    if told is not None and int(told[1]) != start:
        raise TemporaryBucketError(f"The server sent another part of {name} than was asked for.")


def _refusal(response: Any, name: str) -> BucketError:
    said = response.read(_SHOWN_OF_AN_ERROR) or b""
    status = response.status
    if status == 511 or (status == 401 and is_web_page(response, said)):
        return web_page_instead(name, response)
    if status in REDIRECTS:
        return unknown_redirect(name)
    if status == 403:
        return AccessDeniedError(f"The bucket denies access to {name}.")
    if status == 404 and b"NoSuchBucket" in said:
        return BucketUnreachableError(
            "There is no such bucket. Check its name (`laion-fmri config --bucket …`)."
        )
    if status in (404, 410):
        return ObjectNotFoundError(f"The bucket has no object {name}.")
    if status in (412, 416):
        return ObjectChangedError(f"{name} has changed in the bucket. Plan again.")
    if status in (408, 429) or status >= 500:
        wait = response.headers.get("Retry-After", "")
        return TemporaryBucketError(
            f"The server answered {status} for {name}.", float(wait) if wait.isdecimal() else None
        )
    return BucketError(f"The server answered {status} for {name}.")


def unknown_redirect(name: str) -> BucketError:
    """Return the error for a redirect without a known target."""
    return BucketError(
        f"The server redirects {name} but does not say where. The bucket may be in another region "
        "or at another address: check the endpoint (`laion-fmri config`)."
    )


@contextmanager
def translated_errors(name: str) -> Iterator[None]:
    """Convert urllib3's errors; their text may contain the address and is not shown."""
    from urllib3.exceptions import HTTPError, LocationValueError

    try:
        yield
    except LocationValueError:
        raise BucketError(f"The address of {name} cannot be used.") from None
    except LaionFmriError:
        raise
    except (HTTPError, OSError, ValueError) as error:
        problem = NetworkProblem.of(error)
        message = f"The connection for {name} failed ({problem.reason}). {problem.advice}".rstrip()
        if problem.may_pass:
            raise TemporaryBucketError(message, is_silence=True) from None
        raise NetworkError(message) from None
