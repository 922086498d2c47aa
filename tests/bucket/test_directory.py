"""A bucket in a directory, and which bucket an address means."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri._errors import (
    AccessDeniedError,
    BucketError,
    BucketUnreachableError,
    ConfigError,
    ObjectChangedError,
    ObjectNotFoundError,
    UnsafeKeyError,
)
from laion_fmri.bucket import open_bucket
from laion_fmri.bucket.directory import POLICY_FILE, DirectoryBucket
from laion_fmri.config import Settings

FILES = {
    "README": b"r",
    "a/b/one.txt": b"12345",
    "a/b.txt": b"22",
    "a/b0": b"3",
    "a-b": b"4",
    "c/d": b"",
}


@pytest.fixture
def mirror(tmp_path):
    root = tmp_path / "a mirror #1"
    for key, data in FILES.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    (root / ".hidden").write_text("x")
    (root / "empty").mkdir()
    (root / "c" / "gone").symlink_to(root / "nowhere")
    return root


def test_objects_in_key_order(mirror):
    found = list(DirectoryBucket(mirror).objects())
    assert [o.key for o in found] == sorted(FILES)
    assert {o.key: o.size for o in found} == {key: len(data) for key, data in FILES.items()}


@pytest.mark.parametrize(
    "prefix", ["a/", "a/b", "a/b/", "c", "README", "nothing", "x/y/", "a/b/one.txt/"]
)
def test_prefixes(mirror, prefix):
    found = [o.key for o in DirectoryBucket(mirror).objects(prefix)]
    assert found == [key for key in sorted(FILES) if key.startswith(prefix)]


@pytest.mark.parametrize("prefix", ["../", "/etc/", "a/../../", "//", "a//"])
def test_prefixes_never_leave_the_mirror(mirror, prefix):
    (mirror.parent / "secret").write_text("x")
    bucket = DirectoryBucket(mirror)
    assert [o.key for o in bucket.objects(prefix)] == []
    assert bucket.folder(prefix).objects == ()


def test_folders(mirror):
    bucket = DirectoryBucket(mirror)
    top = bucket.folder()
    assert top.prefixes == ("a/", "c/", "empty/")
    assert [o.key for o in top.objects] == ["README", "a-b"]
    assert bucket.folder("a/").prefixes == ("a/b/",)
    assert bucket.folder("nothing/") == type(top)((), ())


@given(start=st.integers(0, 7))
def test_ranged_reads(tmp_path_factory, start):
    root = tmp_path_factory.getbasetemp() / "ranged"
    root.mkdir(exist_ok=True)
    (root / "x").write_bytes(b"12345")
    with DirectoryBucket(root).open("x", start) as file:
        assert file.read() == b"12345"[start:]


def test_a_changed_object_is_noticed(mirror):
    bucket = DirectoryBucket(mirror)
    (before,) = bucket.objects("README")
    with bucket.open("README", etag=before.etag) as file:
        assert file.read() == b"r"
    os.utime(mirror / "README", ns=(1, 1))
    with (
        pytest.raises(ObjectChangedError, match="Plan again"),
        bucket.open("README", etag=before.etag),
    ):
        pass


@pytest.mark.parametrize("key", ["nothing", "a", "a/b.txt/below", "c/gone"])
def test_objects_that_are_not_there(mirror, key):
    with pytest.raises(ObjectNotFoundError, match="no object"), DirectoryBucket(mirror).open(key):
        pass


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../x", "a\\b", "", "a\0"])
def test_unsafe_keys(mirror, key):
    with pytest.raises(UnsafeKeyError), DirectoryBucket(mirror).open(key):
        pass


def test_policies_deny_what_they_list(mirror):
    (mirror / POLICY_FILE).write_text('{"deny": ["a/b/*"]}')
    bucket = DirectoryBucket(mirror)
    assert "a/b/one.txt" in [o.key for o in bucket.objects()]
    with pytest.raises(AccessDeniedError, match="denies access"), bucket.open("a/b/one.txt"):
        pass
    with bucket.open("a/b.txt") as file:
        assert file.read() == b"22"


@pytest.mark.parametrize("policy", ["", "{", "[]", '{"allow": []}', '{"deny": 3}'])
def test_damaged_policies(mirror, policy):
    (mirror / POLICY_FILE).write_text(policy)
    with pytest.raises(BucketError, match="should hold"):
        DirectoryBucket(mirror)


def test_addresses(mirror, monkeypatch):
    for address in (mirror.as_uri(), str(mirror), f"file://localhost{mirror.as_uri()[7:]}"):
        bucket = open_bucket(Settings(bucket=address))
        assert bucket.root == mirror
        assert bucket.uri == mirror.as_uri()
    monkeypatch.chdir(mirror.parent)
    assert open_bucket(Settings(bucket=mirror.name)).root == mirror
    assert open_bucket(Settings(bucket="s3://laion-fmri")).uri == "s3://laion-fmri"
    assert open_bucket(Settings(bucket="s3://laion-fmri/")).uri == "s3://laion-fmri"


@pytest.mark.parametrize(
    "address", ["http://x/y", "s3://", "s3:///x", "s3://bucket/folder", "file://host/x", "ftp:x",
                "", "http://["],
)  # fmt: skip
def test_addresses_of_other_kinds(address):
    with pytest.raises(ConfigError, match="s3://name or file:///"):
        open_bucket(Settings(bucket=address))


def test_a_mirror_that_is_not_mounted(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    for path in (tmp_path / "gone", file):
        with pytest.raises(BucketUnreachableError, match="Mount it"):
            open_bucket(Settings(bucket=path.as_uri()))
