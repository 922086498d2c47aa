"""An anonymous S3 bucket, on AWS or on an S3-compatible endpoint.

boto3 builds listing requests and parses the answers; file contents come from plain ranged GETs of
public object addresses. One HTTP client sends both, so that proxies, certificates and redirects are
handled alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from laion_fmri._errors import (
    AccessDeniedError,
    BucketError,
    BucketUnreachableError,
    ConfigError,
    LaionFmriError,
    NetworkError,
    ObjectChangedError,
    ObjectNotFoundError,
    TemporaryBucketError,
)
from laion_fmri.bucket.protocol import BucketObject, Folder
from laion_fmri.checksums import Checksum, is_md5_etag, is_multipart_etag
from laion_fmri.config import AWS_REGION
from laion_fmri.http.client import (
    READ_TIMEOUT,
    REDIRECTS,
    NetworkProblem,
    is_web_page,
    location,
    web_page_instead,
)
from laion_fmri.http.ranges import HttpPool, unknown_redirect

if TYPE_CHECKING:
    from laion_fmri.bucket.protocol import ByteStream

_NO_ENDPOINT = (
    "{!r} is not an endpoint. Use an address such as http://localhost:9000 "
    "(LAION_FMRI_ENDPOINT_URL, or endpoint_url in the config file)."
)
_CHECK_THE_NETWORK = "Check the network and the endpoint (`laion-fmri config`), then try again."
_LISTING = re.compile(rb"<(\w+:)?(ListBucketResult|Error)[\s>/]")
_ENDPOINT = re.compile(rb"<Endpoint>\s*([\w.:\[\]-]+)\s*</Endpoint>")
_REGION = re.compile(r"[a-z0-9-]{1,32}")
_AWS_HOST = re.compile(r"(?<![^.])s3([.-][a-z0-9-]+)?\.amazonaws\.com$")
_BEGINNING = 4096  # bytes that suffice to recognize a listing or the target of a redirect
_ATTEMPTS = 3  # detects a missing bucket within 3 s, and survives a short failure


class S3Bucket:
    """A public bucket read without credentials.

    Parameters
    ----------
    name : str
    endpoint_url : str, optional
        S3-compatible endpoint, addressed path-style; AWS by default.
    read_timeout : float
        Seconds without data after which the bucket counts as unreachable.

    Raises
    ------
    ConfigError
        When the endpoint is not an ``http://`` or ``https://`` address.
    """

    def __init__(
        self, name: str, endpoint_url: str | None = None, read_timeout: float = READ_TIMEOUT
    ) -> None:
        if endpoint_url is not None and not endpoint_url.startswith(("http://", "https://")):
            raise ConfigError(_NO_ENDPOINT.format(endpoint_url))
        self.name = name
        self.endpoint_url = endpoint_url
        self.read_timeout = read_timeout
        self._region = AWS_REGION  # until a redirect names another
        self.uri = f"s3://{name}"

    @cached_property
    def _client(self) -> Any:
        import boto3
        import botocore.session
        from botocore import UNSIGNED
        from botocore.config import Config

        # Access is anonymous: ignore the user's profile and credentials file, which may be broken.
        nothing = (None, None, None, None)
        sources = ("profile", "config_file", "credentials_file")
        session = botocore.session.Session(dict.fromkeys(sources, nothing))
        config = Config(
            signature_version=UNSIGNED,
            region_name=AWS_REGION,
            retries={"mode": "adaptive", "total_max_attempts": _ATTEMPTS},
            s3={"addressing_style": "path"} if self.endpoint_url else {},
        )
        try:
            client = boto3.session.Session(botocore_session=session).client(
                "s3", endpoint_url=self.endpoint_url, config=config, verify=True
            )
        except ValueError as error:  # no valid host
            raise ConfigError(_NO_ENDPOINT.format(self.endpoint_url)) from error
        client.meta.events.register("before-send.s3", self._answer)
        return client

    def _answer(self, request: Any, **_: object) -> Any:
        """Send a request of boto3 with our own HTTP client."""
        from botocore.awsrequest import AWSResponse
        from botocore.exceptions import HTTPClientError
        from urllib3.exceptions import HTTPError

        try:
            response = self._http.request(
                request.method, request.url, self.next_address, headers=dict(request.headers)
            )
            answer = AWSResponse(request.url, response.status, response.headers, response)
            content = answer.content
        except LaionFmriError:
            raise
        except (HTTPError, OSError, ValueError) as error:
            problem = NetworkProblem.of(error)
            said = (
                f"The bucket {self.uri} at {self.endpoint_url or 'AWS'} does not answer "
                f"({problem.reason}). {problem.advice or _CHECK_THE_NETWORK}"
            )
            if not problem.may_pass:
                raise NetworkError(said) from error
            silence = TemporaryBucketError(said, is_silence=True)
            raise HTTPClientError(error=silence) from error  # boto3 retries
        if _is_of_the_network(response, request.method, content):
            raise web_page_instead(f"the answer of the bucket {self.uri}", response)
        if response.status in REDIRECTS:  # boto3 would retry endlessly
            raise unknown_redirect(f"the bucket {self.uri}")
        return answer

    def objects(self, prefix: str = "") -> Iterator[BucketObject]:
        """Yield every object whose key begins with `prefix`, in key order."""
        for page in self._pages(Prefix=prefix):
            yield from _contents(page)

    def folder(self, prefix: str = "") -> Folder:
        """Return the folders and objects directly below `prefix` (empty, or ending in a slash)."""
        pages = list(self._pages(Prefix=prefix, Delimiter="/"))
        return Folder(
            tuple(p["Prefix"] for page in pages for p in page.get("CommonPrefixes", ())),
            tuple(found for page in pages for found in _contents(page)),
        )

    def head(self, key: str) -> BucketObject:
        """Return the current state of one object."""
        with self._errors(key):
            told = self._client.head_object(Bucket=self.name, Key=key)
        return BucketObject(key, told["ContentLength"], told["ETag"].strip('"'))

    @contextmanager
    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> Iterator[ByteStream]:
        """Open bytes ``[start, stop)`` of one object; raise an error unless its ETag is `etag`."""
        with self._http.open(self.url(key), key, start, stop, etag) as stream:
            yield stream

    def checksum(self, found: BucketObject) -> Checksum | None:
        """Return the checksum in the ETag; None when encryption gives the ETag another meaning."""
        if is_md5_etag(found.etag):
            return Checksum("md5", found.etag)
        if not is_multipart_etag(found.etag):
            return None
        with self._errors(found.key):
            told = self._client.head_object(Bucket=self.name, Key=found.key, PartNumber=1)
        if told.get("ServerSideEncryption", "AES256") != "AES256":
            return None
        part_size, n_parts = told["ContentLength"], int(found.etag.rpartition("-")[2])
        fits = part_size > 0 and -(-found.size // part_size) == n_parts
        return Checksum("md5", found.etag, part_size) if fits else None

    @cached_property
    def _http(self) -> HttpPool:
        return HttpPool(read_timeout=self.read_timeout, next_address=self.next_address)

    def url(self, key: str) -> str:
        """Return the address of an object."""
        path = quote(key, safe="/~")
        if self.endpoint_url is not None:
            return f"{self.endpoint_url.rstrip('/')}/{self.name}/{path}"
        if "." in self.name:  # AWS certificates cover one subdomain level
            return f"https://s3.{self._region}.amazonaws.com/{self.name}/{path}"
        return f"https://{self.name}.s3.{self._region}.amazonaws.com/{path}"

    def next_address(self, response: Any, url: str) -> str | None:
        """Return the target of an S3 redirect: its ``Location``, ``Endpoint`` or region."""
        told = _ENDPOINT.search(response.read(_BEGINNING) or b"")
        region = response.headers.get("x-amz-bucket-region", "")
        parts = urlsplit(url)
        on_aws = _AWS_HOST.search(parts.netloc) if _REGION.fullmatch(region) else None
        if on_aws is not None:
            self._region = region
        if (said := location(response, url)) is not None:
            return said
        if told is not None:
            return _at_endpoint(url, told[1].decode(), self.name)
        if on_aws is not None:
            host = f"{parts.netloc[: on_aws.start()]}s3.{region}.amazonaws.com"
            return parts._replace(netloc=host).geturl()
        return None

    def _pages(self, **request: Any) -> Iterator[dict[str, Any]]:
        with self._errors(request["Prefix"]):
            paginator = self._client.get_paginator("list_objects_v2")
            yield from paginator.paginate(Bucket=self.name, **request)

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Convert botocore's errors to the package's."""
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            HTTPClientError,
            ParamValidationError,
        )

        try:
            yield
        except ClientError as error:
            raise _translated(self.uri, error, key) from error
        except ParamValidationError as error:
            raise ConfigError(
                f"{self.uri} is not a bucket address. Check its name (`laion-fmri config "
                "--bucket …`)."
            ) from error
        except HTTPClientError as error:
            raise error.kwargs["error"] from error
        except BotoCoreError as error:
            raise TemporaryBucketError(
                f"The bucket {self.uri} sent no usable answer ({type(error).__name__}). "
                f"{_CHECK_THE_NETWORK}"
            ) from error


def _translated(uri: str, error: Any, key: str) -> LaionFmriError:
    """Return the package's error for an error response of the bucket."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code == "NoSuchBucket" or (status == 404 and not key):
        return BucketUnreachableError(
            f"There is no bucket {uri}. Check its name (`laion-fmri config --bucket …`)."
        )
    if status == 403:
        return AccessDeniedError(f"The bucket {uri} denies access to {key or 'its list'}.")
    if status == 404:
        return ObjectNotFoundError(f"The bucket {uri} has no object {key}.")
    if status == 412:
        return ObjectChangedError(f"{key} has changed in the bucket. Plan again.")
    message = f"The bucket {uri} answered {code or status} for {key or 'a list'}."
    if status in (408, 429) or (status or 0) >= 500:
        return TemporaryBucketError(message)
    return BucketError(message)


def _contents(page: dict[str, Any]) -> Iterator[BucketObject]:
    for item in page.get("Contents", ()):
        if not item["Key"].endswith("/"):  # skip placeholders of folders
            yield BucketObject(item["Key"], item["Size"], item["ETag"].strip('"'))


def _is_of_the_network(response: Any, method: str, content: bytes) -> bool:
    """Whether the network answered instead of the bucket, as with a login page."""
    if response.status == 200:
        if method == "HEAD":
            return "ETag" not in response.headers
        return not _LISTING.search(content[:_BEGINNING])
    return response.status == 511 or (response.status == 401 and is_web_page(response, content))


def _at_endpoint(url: str, endpoint: str, bucket: str) -> str:
    """Move an address to another endpoint, whose host may include the bucket."""
    parts = urlsplit(url)
    key = parts.path
    if not parts.netloc.startswith(f"{bucket}."):
        key = key.removeprefix(f"/{bucket}")
    if not endpoint.startswith(f"{bucket}."):
        key = f"/{bucket}{key}"
    return parts._replace(netloc=endpoint, path=key).geturl()
