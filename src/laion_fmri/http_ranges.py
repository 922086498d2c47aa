"""Ranges of files over HTTP: what the bucket's objects and the access service's links share."""

from __future__ import annotations

import contextlib
import re
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from laion_fmri._errors import (
    AccessDeniedError,
    BucketError,
    BucketUnreachableError,
    ObjectChangedError,
    ObjectNotFoundError,
    TemporaryBucketError,
)

CONNECTIONS = 64
CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 30.0  # seconds; the second is between two bytes
_SHOWN_OF_AN_ERROR = 2048  # bytes
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class HttpStream:
    """A response's bytes, as they arrive."""

    def __init__(self, response: Any, name: str) -> None:
        self._response, self._name = response, name
        self.total = _total(response)

    def read(self, size: int = -1, /) -> bytes:
        """What has arrived, up to `size` bytes; empty at the end."""
        with translated_errors(self._name):
            return self._response.read1(size if size >= 0 else None, decode_content=False)

    def skip(self, n_bytes: int) -> None:
        """Read past bytes that a server sent although a later range was asked for."""
        while n_bytes > 0 and (block := self.read(min(n_bytes, 1 << 18))):
            n_bytes -= len(block)

    def close(self) -> None:
        """End the response; a read that waits in another thread comes back at once."""
        with contextlib.suppress(Exception):
            self._response.shutdown()
        with contextlib.suppress(Exception):
            self._response.close()


class HttpPool:
    """Pooled connections that answer ranged GETs.

    Parameters
    ----------
    connect_timeout, read_timeout : float
        Seconds until a server counts as silent.
    """

    def __init__(
        self, connect_timeout: float = CONNECT_TIMEOUT, read_timeout: float = READ_TIMEOUT
    ) -> None:
        import urllib3

        self._timeout = urllib3.Timeout(connect=connect_timeout, read=read_timeout)
        self._pools: dict[str | None, Any] = {}

    def request(self, method: str, url: str, **options: Any) -> Any:
        """One request as urllib3 makes it, without retries; any status comes back."""
        return self._pool(url).request(method, url, retries=False, **options)

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
        """Bytes ``[start, stop)`` of a file.

        Parameters
        ----------
        url : str
            Never shown: it may be a secret.
        name : str
            What messages call the file.
        etag : str, optional
            Refuse the file when it is no longer this version.

        Raises
        ------
        AccessDeniedError, ObjectNotFoundError, ObjectChangedError, TemporaryBucketError
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
                "GET", url, headers=asked, preload_content=False, decode_content=False
            )
        stream = HttpStream(response, name)
        try:
            if response.status not in (200, 206):
                raise _refusal(response, name)
            sent = response.headers.get("ETag", "").removeprefix("W/").strip('"')
            if etag is not None and sent and sent != etag:
                raise ObjectChangedError(f"{name} has changed in the bucket. Plan again.")
            _to_the_start(response, stream, start, name)
            yield stream
        finally:
            _give_back(response)

    def _pool(self, url: str) -> Any:
        proxy = _proxy_of(url)
        if proxy not in self._pools:
            import urllib3

            options: dict[str, Any] = {
                "num_pools": 8,
                "maxsize": CONNECTIONS,
                "timeout": self._timeout,
            }
            if url.startswith("https:"):
                options["ssl_context"] = ssl.create_default_context()
            make = urllib3.PoolManager if proxy is None else urllib3.ProxyManager
            self._pools[proxy] = make(*(() if proxy is None else (proxy,)), **options)
        return self._pools[proxy]


def _total(response: Any) -> int | None:
    """Bytes of the whole file, as a response says."""
    if response.status == 206:
        told = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        return int(told[3]) if told is not None and told[3] != "*" else None
    told_length = response.headers.get("Content-Length", "")
    return int(told_length) if told_length.isdecimal() else None


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment names for an address, as every other tool would use it."""
    parts = urlsplit(url)
    if parts.hostname is None or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _to_the_start(response: Any, stream: HttpStream, start: int, name: str) -> None:
    if response.status == 200:  # a server without ranges sends the file from its beginning
        stream.skip(start)
        return
    told = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    if told is not None and int(told[1]) != start:
        raise TemporaryBucketError(f"The server sent another part of {name} than was asked for.")


def _give_back(response: Any) -> None:
    """Return the connection to the pool when all was read; end it otherwise."""
    with contextlib.suppress(Exception):
        if response.length_remaining:
            response.close()
        response.release_conn()


def _refusal(response: Any, name: str) -> BucketError:
    said = response.read(_SHOWN_OF_AN_ERROR) or b""
    status = response.status
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


@contextmanager
def translated_errors(name: str) -> Iterator[None]:
    """Turn urllib3's errors into ours; they may hold the address, which is not shown."""
    from urllib3.exceptions import HTTPError, LocationValueError

    try:
        yield
    except LocationValueError:
        raise BucketError(f"The address of {name} cannot be used.") from None
    except (HTTPError, OSError, ValueError) as error:
        if isinstance(error, BucketError):
            raise
        kind = type(error).__name__
        message = f"The connection for {name} failed ({kind})."
        raise TemporaryBucketError(message, is_silence=True) from None
