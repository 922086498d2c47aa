"""An anonymous S3 bucket, on AWS or on an S3-compatible endpoint.

boto3 lists; bytes come by plain ranged GETs of the objects' public addresses, as they do
from the access service.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from laion_fmri._errors import (
    AccessDeniedError,
    BucketError,
    BucketUnreachableError,
    ConfigError,
    LaionFmriError,
    ObjectChangedError,
    ObjectNotFoundError,
    TemporaryBucketError,
)
from laion_fmri.bucket import BucketObject, Folder
from laion_fmri.checksums import Checksum, is_md5_etag, is_multipart_etag
from laion_fmri.config import AWS_REGION
from laion_fmri.http_ranges import CONNECT_TIMEOUT, READ_TIMEOUT, HttpPool

if TYPE_CHECKING:
    from laion_fmri.bucket import ByteStream

_NO_ENDPOINT = (
    "{!r} is not an endpoint. Use an address such as http://localhost:9000 "
    "(LAION_FMRI_ENDPOINT_URL, or endpoint_url in the config file)."
)
_ATTEMPTS = 3  # a bucket that is not there is known to be so within 3 s; a hiccup is survived


class S3Bucket:
    """A public bucket read without credentials.

    Parameters
    ----------
    name : str
    endpoint_url : str, optional
        Where the bucket is when not on AWS; addressed path-style.
    read_timeout : float
        Seconds without a byte after which the bucket counts as silent.

    Raises
    ------
    ConfigError
        When the endpoint is no ``http://`` or ``https://`` address.
    """

    def __init__(
        self, name: str, endpoint_url: str | None = None, read_timeout: float = READ_TIMEOUT
    ) -> None:
        if endpoint_url is not None and not endpoint_url.startswith(("http://", "https://")):
            raise ConfigError(_NO_ENDPOINT.format(endpoint_url))
        self.name = name
        self.endpoint_url = endpoint_url
        self.read_timeout = read_timeout
        self.uri = f"s3://{name}"

    @cached_property
    def _client(self) -> Any:
        import boto3
        import botocore.session
        from botocore import UNSIGNED
        from botocore.config import Config

        # Access is anonymous: a broken profile or credentials file of the user must not matter.
        nothing = (None, None, None, None)
        sources = ("profile", "config_file", "credentials_file")
        session = botocore.session.Session(dict.fromkeys(sources, nothing))
        config = Config(
            signature_version=UNSIGNED,
            region_name=AWS_REGION,
            retries={"mode": "adaptive", "total_max_attempts": _ATTEMPTS},
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=self.read_timeout,
            s3={"addressing_style": "path"} if self.endpoint_url else {},
        )
        try:
            return boto3.session.Session(botocore_session=session).client(
                "s3", endpoint_url=self.endpoint_url, config=config
            )
        except ValueError as error:  # no host that could be asked
            raise ConfigError(_NO_ENDPOINT.format(self.endpoint_url)) from error

    def objects(self, prefix: str = "") -> Iterator[BucketObject]:
        """Every object whose key begins with `prefix`, in key order."""
        for page in self._pages(Prefix=prefix):
            yield from _contents(page)

    def folder(self, prefix: str = "") -> Folder:
        """What lies right below `prefix` (empty, or ending in a slash)."""
        pages = list(self._pages(Prefix=prefix, Delimiter="/"))
        return Folder(
            tuple(p["Prefix"] for page in pages for p in page.get("CommonPrefixes", ())),
            tuple(found for page in pages for found in _contents(page)),
        )

    def head(self, key: str) -> BucketObject:
        """One object as it is now."""
        with self._errors(key):
            told = self._client.head_object(Bucket=self.name, Key=key)
        return BucketObject(key, told["ContentLength"], told["ETag"].strip('"'))

    @contextmanager
    def open(
        self, key: str, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> Iterator[ByteStream]:
        """Bytes ``[start, stop)`` of one object; refused when it is no longer `etag`."""
        with self._http.open(self._url(key), key, start, stop, etag) as stream:
            yield stream

    def checksum(self, found: BucketObject) -> Checksum | None:
        """From the object's ETag, unless the bucket's encryption makes it mean something else."""
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
        return HttpPool(read_timeout=self.read_timeout)

    def _url(self, key: str) -> str:
        path = quote(key, safe="/~")
        if self.endpoint_url is not None:
            return f"{self.endpoint_url.rstrip('/')}/{self.name}/{path}"
        if "." in self.name:  # a certificate of AWS covers one level of names
            return f"https://s3.{AWS_REGION}.amazonaws.com/{self.name}/{path}"
        return f"https://{self.name}.s3.{AWS_REGION}.amazonaws.com/{path}"

    def _pages(self, **request: Any) -> Iterator[dict[str, Any]]:
        with self._errors(request["Prefix"]):
            paginator = self._client.get_paginator("list_objects_v2")
            yield from paginator.paginate(Bucket=self.name, **request)

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Turn botocore's errors into ours."""
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ClientError as error:
            raise self._translated(error, key) from error
        except ParamValidationError as error:
            raise ConfigError(
                f"{self.uri} is not a bucket address. Check its name (`laion-fmri config "
                "--bucket …`)."
            ) from error
        except (BotoCoreError, HTTPError) as error:
            where = self.endpoint_url or "AWS"
            raise TemporaryBucketError(
                f"The bucket {self.uri} at {where} does not answer ({type(error).__name__}). "
                "Check the network and the endpoint (`laion-fmri config`), then try again.",
                is_silence=True,
            ) from error

    def _translated(self, error: Any, key: str) -> LaionFmriError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code == "NoSuchBucket":
            return BucketUnreachableError(
                f"There is no bucket {self.uri}. Check its name (`laion-fmri config --bucket …`)."
            )
        if status == 403:
            return AccessDeniedError(f"The bucket {self.uri} denies access to {key or 'its list'}.")
        if status == 404:
            return ObjectNotFoundError(f"The bucket {self.uri} has no object {key}.")
        if status == 412:
            return ObjectChangedError(f"{key} has changed in the bucket. Plan again.")
        message = f"The bucket {self.uri} answered {code or status} for {key or 'a list'}."
        if status in (408, 429) or (status or 0) >= 500:
            return TemporaryBucketError(message)
        return BucketError(message)


def _contents(page: dict[str, Any]) -> Iterator[BucketObject]:
    for item in page.get("Contents", ()):
        if not item["Key"].endswith("/"):  # a folder's placeholder is no file
            yield BucketObject(item["Key"], item["Size"], item["ETag"].strip('"'))
