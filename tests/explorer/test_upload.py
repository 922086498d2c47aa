"""NIfTIs that somebody hands to the page."""

from __future__ import annotations

import gzip
import struct
import time
import zlib

import nibabel as nib
import numpy as np
import pytest

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.explorer import upload
from laion_fmri.explorer.components.bounded_upload import BoundedFileInput
from laion_fmri.explorer.upload import safe_name, values_of_upload
from laion_fmri.subject import load_subject


@pytest.fixture(scope="module")
def sub(tiny_home):
    return load_subject("sub-01", tiny_home.data_dir)


@pytest.fixture
def given(sub, tmp_path) -> bytes:
    values = np.arange(sub.get_n_voxels(), dtype=np.float32)
    return sub.to_nifti(values, tmp_path / "map.nii.gz").read_bytes()


def test_a_map_is_read_compressed_or_not_and_in_several_members(sub, given):
    wanted = np.arange(sub.get_n_voxels(), dtype=np.float32)
    plain = gzip.decompress(given)
    halves = gzip.compress(plain[:5000]) + gzip.compress(plain[5000:])
    for content, name in ((given, "m.nii.gz"), (plain, "m.nii"), (halves, "m.nii.gz")):
        np.testing.assert_array_equal(values_of_upload(sub, content, name), wanted)


def test_a_gzip_bomb_is_refused_soon(sub, given):
    zeros = b"\0" * (1 << 20)
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(zeros) for _ in range(3 * upload.MOST_INFLATED >> 20))
    bomb += packer.flush()
    assert len(bomb) < upload.MOST_BYTES
    begin = time.monotonic()
    for content in (bomb, given + bomb):
        with pytest.raises(InvalidArgumentError, match="too large"):
            values_of_upload(sub, content, "bomb.nii.gz")
    assert time.monotonic() - begin < 20


def test_a_header_that_lies_is_refused_before_anything_is_read(sub, given):
    plain = bytearray(gzip.decompress(given))
    struct.pack_into("<8h", plain, 40, 3, 30000, 30000, 30000, 1, 1, 1, 1)
    for content in (bytes(plain), gzip.compress(bytes(plain))):
        with pytest.raises(InvalidArgumentError, match=r"truncated|another grid"):
            values_of_upload(sub, content, "liar.nii.gz")


def test_what_is_no_map_is_refused_by_name(sub, given, tmp_path):
    small = tmp_path / "small.nii"
    nib.Nifti1Image(np.zeros((3, 3, 3), np.float32), np.eye(4)).to_filename(small)
    for content, name in (
        (b"", "m.nii"),
        (b"nothing", "m.nii.gz"),
        (b"\x1f\x8b\x08nothing", "m.nii.gz"),
        (given[: len(given) // 2], "m.nii.gz"),
        (small.read_bytes(), "m.nii"),
        (given, "m.txt"),
        (given, "m.nii.exe"),
        ([given], "m.nii.gz"),
        ("text", "m.nii"),
        (b"\0" * (upload.MOST_BYTES + 1), "m.nii"),
    ):
        with pytest.raises(InvalidArgumentError) as refused:
            values_of_upload(sub, content, name)
        assert name in str(refused.value) and "/tmp" not in str(refused.value)


def test_a_name_is_never_a_path():
    assert safe_name("../../etc/map.nii.gz") == "map.nii.gz"
    assert safe_name("C:\\maps\\x.nii") == "x.nii"
    assert safe_name("a\0\nb.nii") == "ab.nii"
    assert len(safe_name("x" * 10_000 + ".nii")) <= 120
    assert safe_name(None) and safe_name("folder/")


def test_more_than_there_is_room_for_is_not_even_kept():
    field = BoundedFileInput()
    told = []
    field.param.watch(told.append, "refused")
    part = b"\0" * (10 << 20)
    chunk = {"name": "m.nii", "total_chunks": 99, "mime_type": "x", "data": part}
    for number in range(1, 9):
        field._process_chunk({**chunk, "chunk": number})
    assert len(told) == 1
    assert field._held() <= upload.MOST_BYTES
    assert field.value is None
