"""An anonymous client against a real S3 endpoint over HTTP."""

from __future__ import annotations

import socket
import time

import boto3
import pytest
from botocore.config import Config

from laion_fmri._errors import (
    AccessDeniedError,
    BucketUnreachableError,
    ConfigError,
    ObjectChangedError,
    ObjectNotFoundError,
)
from laion_fmri.bucket import open_bucket
from laion_fmri.bucket.s3 import S3Bucket
from laion_fmri.config import Settings

BUCKET = "laion-fmri"
OBJECTS = {
    "README": b"hello",
    "derivatives/rois/sub-01/face/sub-01_label-FFA-1_mask.nii.gz": b"0123456789",
    "derivatives/rois/sub-03/x y+z%20ü.txt": b"odd",
    "derivatives/": b"",
}
MANY = [f"many/{n:04d}" for n in range(1203)]  # more than one page


@pytest.fixture(scope="module")
def endpoint():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(scope="module")
def owner(endpoint):
    """A client that may write."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-west-2",
        aws_access_key_id="owner",
        aws_secret_access_key="secret",
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(
        Bucket=BUCKET,
        ACL="public-read",
        CreateBucketConfiguration={"LocationConstraint": "us-west-2"},
    )
    for key, data in OBJECTS.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=data, ACL="public-read")
    client.put_object(Bucket=BUCKET, Key="private", Body=b"x", ACL="private")
    for key in MANY:  # straight into the server's memory: a thousand requests take long
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(BUCKET, key, b"")
    return client


@pytest.fixture
def bucket(endpoint, owner):
    return open_bucket(Settings(bucket=f"s3://{BUCKET}", endpoint_url=endpoint))


def test_objects_over_several_pages(bucket):
    found = list(bucket.objects())
    keys = sorted([*(k for k in OBJECTS if not k.endswith("/")), *MANY, "private"])
    assert [o.key for o in found] == keys
    assert {o.size for o in found if o.key == "README"} == {5}
    assert all(o.etag and '"' not in o.etag for o in found)
    assert len(list(bucket.objects("many/"))) == 1203
    assert list(bucket.objects("nothing")) == []


def test_folders(bucket):
    top = bucket.folder()
    assert top.prefixes == ("derivatives/", "many/")
    assert [o.key for o in top.objects] == ["README", "private"]
    assert bucket.folder("derivatives/rois/").prefixes == (
        "derivatives/rois/sub-01/",
        "derivatives/rois/sub-03/",
    )
    assert len(bucket.folder("many/").objects) == 1203


@pytest.mark.parametrize("start", [0, 1, 9])
def test_ranged_reads_pinned_to_a_version(bucket, start):
    (found,) = bucket.objects("derivatives/rois/sub-01/")
    with bucket.open(found.key, start, found.etag) as body:
        assert body.read() == b"0123456789"[start:]
    with bucket.open("derivatives/rois/sub-03/x y+z%20ü.txt") as body:
        assert body.read(2) == b"od"


def test_a_changed_object_is_noticed(bucket, owner):
    owner.put_object(Bucket=BUCKET, Key="changes", Body=b"one", ACL="public-read")
    (found,) = bucket.objects("changes")
    owner.put_object(Bucket=BUCKET, Key="changes", Body=b"two", ACL="public-read")
    with (
        pytest.raises(ObjectChangedError, match="Plan again"),
        bucket.open("changes", 0, found.etag),
    ):
        pass
    owner.delete_object(Bucket=BUCKET, Key="changes")


def test_denied_and_missing_objects(bucket):
    with pytest.raises(AccessDeniedError, match="private"), bucket.open("private"):
        pass
    with pytest.raises(ObjectNotFoundError, match="nothing"), bucket.open("nothing"):
        pass


def test_a_bucket_that_does_not_exist(endpoint, owner):
    with pytest.raises(BucketUnreachableError, match="no bucket s3://another"):
        list(S3Bucket("another", endpoint).objects())
    with pytest.raises(BucketUnreachableError, match="no bucket s3://another"):
        S3Bucket("another", endpoint).folder("derivatives/")


def test_credentials_of_the_user_do_not_matter(endpoint, owner, monkeypatch, tmp_path):
    broken = tmp_path / "config"
    broken.write_text("not a config file [")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(broken))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(broken))
    assert S3Bucket(BUCKET, endpoint).folder().prefixes == ("derivatives/", "many/")


def test_an_endpoint_that_does_not_answer_is_known_soon():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bucket = S3Bucket(BUCKET, f"http://127.0.0.1:{port}")
    began = time.monotonic()
    with pytest.raises(BucketUnreachableError, match="Check the network"):
        bucket.folder()
    assert time.monotonic() - began < 10
    with pytest.raises(BucketUnreachableError, match=f"127.0.0.1:{port}"), bucket.open("README"):
        pass


@pytest.mark.parametrize("address", ["localhost:9000", "ftp://x", "http://", "http://a b"])
def test_endpoints_that_are_none(address):
    with pytest.raises(ConfigError, match="http://localhost:9000"):
        S3Bucket(BUCKET, address).folder()


def test_names_that_no_bucket_can_have():
    with pytest.raises(ConfigError, match="not a bucket address"):
        S3Bucket("a b", "http://127.0.0.1:1").folder()


def test_a_download_from_s3(bucket, endpoint, tmp_path):
    from laion_fmri.transfer.engine import EventKind, run
    from laion_fmri.transfer.plan import FileStatus, make_plan

    objects = [*bucket.objects("derivatives/"), *bucket.objects("private")]
    events = list(run(make_plan(objects, tmp_path), bucket, n_jobs=3))
    ends = {e.file.key: e.kind for e in events if e.kind is not EventKind.PROGRESS}
    assert ends.pop("private") is EventKind.DENIED
    assert set(ends.values()) == {EventKind.FETCHED}
    for key in ends:
        path = tmp_path / key.replace("FFA-1", "FFA1")
        assert path.read_bytes() == OBJECTS[key]
    again = make_plan(bucket.objects("derivatives/"), tmp_path)
    assert {f.status for f in again.files} == {FileStatus.HERE}
