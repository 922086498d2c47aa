"""An anonymous client against a real S3 endpoint over HTTP."""

from __future__ import annotations

import os
import socket
import time

import pytest

from laion_fmri._errors import (
    AccessDeniedError,
    BucketUnreachableError,
    ConfigError,
    ObjectChangedError,
    ObjectNotFoundError,
    TemporaryBucketError,
)
from laion_fmri.bucket import open_bucket
from laion_fmri.bucket.s3 import S3Bucket
from laion_fmri.config import Settings
from laion_fmri.transfer.engine import run
from laion_fmri.transfer.events import EventKind
from laion_fmri.transfer.plan import FileStatus, make_plan

BUCKET = "listed"
OBJECTS = {
    "README": b"hello",
    "derivatives/rois/sub-01/face/sub-01_label-FFA-1_mask.nii.gz": b"0123456789",
    "derivatives/rois/sub-03/x y+z%20ü.txt": b"odd",
    "derivatives/": b"",
}
MANY = [f"many/{n:04d}" for n in range(1203)]  # more than one page


@pytest.fixture(scope="module")
def endpoint(s3_endpoint):
    s3_endpoint.make_bucket(BUCKET, {**OBJECTS, **dict.fromkeys(MANY, b"")})
    s3_endpoint.put(BUCKET, "private", b"x", acl="private")
    return s3_endpoint.url


@pytest.fixture
def bucket(endpoint):
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
    with bucket.open(found.key, start, etag=found.etag) as body:
        assert body.read() == b"0123456789"[start:]
    with bucket.open("derivatives/rois/sub-03/x y+z%20ü.txt") as body:
        assert body.read(2) == b"od"


def test_a_range_ends_where_it_should(bucket):
    (found,) = bucket.objects("derivatives/rois/sub-01/")
    with bucket.open(found.key, 2, 5, found.etag) as body:
        assert body.read() == b"234"
    assert bucket.head(found.key) == found


def test_a_changed_object_is_noticed(bucket, s3_endpoint):
    s3_endpoint.put(BUCKET, "changes", b"one")
    (found,) = bucket.objects("changes")
    s3_endpoint.put(BUCKET, "changes", b"two")
    with (
        pytest.raises(ObjectChangedError, match="Plan again"),
        bucket.open("changes", etag=found.etag),
    ):
        pass
    s3_endpoint.delete(BUCKET, "changes")


@pytest.mark.parametrize("n_bytes", [0, 1, 100_000])
def test_checksums_of_objects_uploaded_at_once(bucket, s3_endpoint, tmp_path, n_bytes):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(n_bytes))
    s3_endpoint.put(BUCKET, "whole", path.read_bytes())
    checksum = bucket.checksum(bucket.head("whole"))
    assert checksum.matches(path)
    path.write_bytes(path.read_bytes() + b"!")
    assert not checksum.matches(path)
    s3_endpoint.delete(BUCKET, "whole")


@pytest.mark.parametrize("n_bytes", [100_000, 200_000, 300_001])
def test_checksums_of_objects_uploaded_in_parts(bucket, s3_endpoint, tmp_path, n_bytes):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(n_bytes))
    s3_endpoint.put_in_parts(BUCKET, "parts", path.read_bytes(), part_size=100_000)
    checksum = bucket.checksum(bucket.head("parts"))
    assert checksum.part_size == 100_000
    assert checksum.matches(path)
    flipped = bytearray(path.read_bytes())
    flipped[-1] ^= 1
    path.write_bytes(flipped)
    assert not checksum.matches(path)
    s3_endpoint.delete(BUCKET, "parts")


def test_denied_and_missing_objects(bucket):
    with pytest.raises(AccessDeniedError, match="private"), bucket.open("private"):
        pass
    with pytest.raises(ObjectNotFoundError, match="nothing"), bucket.open("nothing"):
        pass


def test_a_bucket_that_does_not_exist(endpoint):
    with pytest.raises(BucketUnreachableError, match="no bucket s3://another"):
        list(S3Bucket("another", endpoint).objects())
    with pytest.raises(BucketUnreachableError, match="no bucket s3://another"):
        S3Bucket("another", endpoint).folder("derivatives/")


def test_credentials_of_the_user_do_not_matter(endpoint, monkeypatch, tmp_path):
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
    with pytest.raises(TemporaryBucketError, match="README"), bucket.open("README"):
        pass


@pytest.mark.parametrize("address", ["localhost:9000", "ftp://x", "http://", "http://a b"])
def test_endpoints_that_are_none(address):
    with pytest.raises(ConfigError, match="http://localhost:9000"):
        S3Bucket(BUCKET, address).folder()


def test_names_that_no_bucket_can_have():
    with pytest.raises(ConfigError, match="not a bucket address"):
        S3Bucket("a b", "http://127.0.0.1:1").folder()


def test_a_download_from_s3(bucket, tmp_path):
    objects = [*bucket.objects("derivatives/"), *bucket.objects("private")]
    events = list(run(make_plan(objects, tmp_path, bucket), n_jobs=3))
    ends = {e.file.key: e.kind for e in events if e.kind.is_last}
    assert ends.pop("private") is EventKind.DENIED
    assert set(ends.values()) == {EventKind.FETCHED}
    for key in ends:
        path = tmp_path / key.replace("FFA-1", "FFA1")
        assert path.read_bytes() == OBJECTS[key]
    again = make_plan(bucket.objects("derivatives/"), tmp_path, bucket)
    assert {f.status for f in again.files} == {FileStatus.DOWNLOADED}
