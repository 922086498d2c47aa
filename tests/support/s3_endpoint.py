"""A real S3 endpoint over HTTP, on this machine.

Run as a program, with a bucket's name and a folder, it serves the folder's files as the
bucket's objects, prints its address, and ends with its input.
"""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from laion_fmri.bucket.s3 import S3Bucket
from laion_fmri.config import AWS_REGION

_SMALLEST_PART = 1 << 16  # bytes; S3 itself wants 5 MiB


class S3Endpoint:
    """A server and the buckets on it.

    Attributes
    ----------
    url : str
    owner : boto3 client
        May write.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.owner = boto3.client(
            "s3",
            endpoint_url=url,
            region_name=AWS_REGION,
            aws_access_key_id="owner",
            aws_secret_access_key="secret",
            config=Config(s3={"addressing_style": "path"}),
        )

    def make_bucket(self, name: str, objects: Mapping[str, bytes] | None = None) -> S3Bucket:
        """A public bucket holding these objects, as an anonymous client sees it."""
        self.owner.create_bucket(
            Bucket=name,
            ACL="public-read",
            CreateBucketConfiguration={"LocationConstraint": AWS_REGION},
        )
        for key, data in (objects or {}).items():
            self.put(name, key, data)
        return S3Bucket(name, self.url)

    def put(self, bucket: str, key: str, data: bytes, acl: str = "public-read") -> None:
        """Add or replace an object, straight in the server's memory: requests take long."""
        from moto.s3.models import get_canned_acl

        backend = _backend()
        backend.put_object(bucket, key, data)
        backend.put_object_acl(bucket, key, get_canned_acl(acl))

    def put_in_parts(self, bucket: str, key: str, data: bytes, part_size: int) -> None:
        """Add an object as large ones are: its ETag is made from those of its parts."""
        upload = {"Bucket": bucket, "Key": key}
        begun = self.owner.create_multipart_upload(ACL="public-read", **upload)
        upload["UploadId"] = begun["UploadId"]
        parts = []
        for number in range(1, -(-len(data) // part_size) + 1):
            body = data[(number - 1) * part_size : number * part_size]
            told = self.owner.upload_part(PartNumber=number, Body=body, **upload)
            parts.append({"PartNumber": number, "ETag": told["ETag"]})
        self.owner.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
        whole = _backend().get_object(bucket, key)
        for part in whole.multipart.parts.values():
            part._etag = whole._etag  # S3 answers for a part with the ETag of the whole

    def put_folder(self, bucket: str, folder: Path, prefix: str = "") -> None:
        """Add every file below `folder` that is not hidden."""
        for path in folder.rglob("*"):
            key = path.relative_to(folder).as_posix()
            if path.is_file() and not any(part.startswith(".") for part in key.split("/")):
                self.put(bucket, prefix + key, path.read_bytes())

    def delete(self, bucket: str, key: str) -> None:
        self.owner.delete_object(Bucket=bucket, Key=key)

    def unused_name(self) -> str:
        """A bucket name that nobody has asked for."""
        return f"bucket-{next(_numbers)}"


_numbers = itertools.count()


@contextmanager
def serve_s3() -> Iterator[S3Endpoint]:
    """An S3 endpoint on a free port."""
    import moto.s3.models
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells of every request
    moto.s3.models.S3_UPLOAD_PART_MIN_SIZE = _SMALLEST_PART
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield S3Endpoint("http://{}:{}".format(*server.get_host_and_port()))
    finally:
        server.stop()


@contextmanager
def serve_s3_apart(bucket: str, folder: Path) -> Iterator[S3Bucket]:
    """A bucket holding a folder's files, on an endpoint in a process of its own."""
    command = [sys.executable, __file__, bucket, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield S3Bucket(bucket, process.stdout.readline().strip())


def _backend() -> Any:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    with serve_s3() as endpoint:
        endpoint.make_bucket(name)
        endpoint.put_folder(name, folder)
        print(endpoint.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
