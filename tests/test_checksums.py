"""Digests of whole files and of files in parts."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri.checksums import Checksum, is_md5_etag, is_multipart_etag

SIZES = st.binary(max_size=300)


@given(SIZES)
def test_whole_files(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("whole") / "file"
    path.write_bytes(data)
    assert Checksum("md5", hashlib.md5(data).hexdigest()).matches(path)
    assert Checksum("sha256", hashlib.sha256(data).hexdigest()).matches(path)
    assert Checksum("crc32", f"{zlib.crc32(data):08x}").matches(path)
    path.write_bytes(data + b"x")
    assert not Checksum("sha256", hashlib.sha256(data).hexdigest()).matches(path)


@given(st.binary(min_size=1, max_size=300), st.integers(1, 100))
def test_files_in_parts_as_s3_writes_their_etag(tmp_path_factory, data, part_size):
    path = tmp_path_factory.mktemp("parts") / "file"
    path.write_bytes(data)
    parts = [data[at : at + part_size] for at in range(0, len(data), part_size)]
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    etag = f"{hashlib.md5(digests).hexdigest()}-{len(parts)}"
    assert is_multipart_etag(etag) and not is_md5_etag(etag)
    assert Checksum("md5", etag, part_size).matches(path)
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    assert not Checksum("md5", etag, part_size).matches(path)


def test_giving_up_is_no_match(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    checksum = Checksum("md5", hashlib.md5(b"abc").hexdigest())
    assert checksum.matches(path, lambda: False)
    assert not checksum.matches(path, lambda: True)


@pytest.mark.parametrize(
    "etag, single, multi",
    [
        ("d41d8cd98f00b204e9800998ecf8427e", True, False),
        ("d41d8cd98f00b204e9800998ecf8427e-12", False, True),
        ("5f1b-40000000", False, False),  # as nginx makes them
        ("", False, False),
        ("D41D8CD98F00B204E9800998ECF8427E", False, False),
    ],
)
def test_what_an_etag_is(etag, single, multi):
    assert (is_md5_etag(etag), is_multipart_etag(etag)) == (single, multi)
