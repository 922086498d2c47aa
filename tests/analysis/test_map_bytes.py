"""NIfTIs from bytes: read, or refused soon and by name."""

from __future__ import annotations

import doctest
import gzip
import struct
import time
import zlib

import nibabel as nib
import numpy as np
import pytest

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.analysis import map_bytes
from laion_fmri.analysis.map_bytes import read_map_bytes, safe_name
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
        np.testing.assert_array_equal(read_map_bytes(sub, content, name), wanted)


def test_other_forms_of_a_map_are_read_and_refusals_give_no_advice_on_downloads(sub, given):
    wanted = np.arange(sub.get_n_voxels(), dtype=np.float32)
    image = nib.Nifti1Image.from_bytes(gzip.decompress(given))
    values = np.asarray(image.dataobj)
    second = nib.Nifti2Image(values.reshape(*values.shape, 1, 1), image.affine).to_bytes()
    for content, name in (
        (second, "m.nii"),
        (gzip.compress(second), "M.NII.GZ"),
        (given + b"trailing", "m.nii.gz"),
        (gzip.compress(second[:600]) + bytes(9) + gzip.compress(second[600:]), "m.nii.gz"),
    ):
        np.testing.assert_array_equal(read_map_bytes(sub, content, name), wanted)
    two = nib.Nifti1Image(np.stack([values, values], -1), image.affine).to_bytes()
    flat = bytearray(gzip.decompress(given))
    flat[280:328] = bytes(48)  # the sform
    for content, reason in (
        (two, "3 axes were expected, it has 4"),
        (bytes(flat), "affine does not place voxels"),
        (given[:-9], "too early"),
        (b"<html>" * 99, "no NIfTI"),
    ):
        with pytest.raises(InvalidArgumentError, match=reason) as refused:
            read_map_bytes(sub, content, "m.nii")
        assert "elete" not in str(refused.value) and "download" not in str(refused.value).lower()


def test_a_gzip_bomb_is_refused_soon(sub, given):
    zeros = b"\0" * (1 << 20)
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(zeros) for _ in range(3 * map_bytes.MOST_INFLATED >> 20))
    bomb += packer.flush()
    assert len(bomb) < map_bytes.MOST_BYTES
    begin = time.monotonic()
    for content in (bomb, given + bomb):
        with pytest.raises(InvalidArgumentError, match="too large"):
            read_map_bytes(sub, content, "bomb.nii.gz")
    assert time.monotonic() - begin < 20


def test_a_header_that_lies_is_refused_before_anything_is_read(sub, given):
    plain = bytearray(gzip.decompress(given))
    struct.pack_into("<8h", plain, 40, 3, 30000, 30000, 30000, 1, 1, 1, 1)
    for content in (bytes(plain), gzip.compress(bytes(plain))):
        with pytest.raises(InvalidArgumentError, match=r"truncated|another grid"):
            read_map_bytes(sub, content, "liar.nii.gz")


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
        (b"\0" * (map_bytes.MOST_BYTES + 1), "m.nii"),
    ):
        with pytest.raises(InvalidArgumentError) as refused:
            read_map_bytes(sub, content, name)
        assert name in str(refused.value) and "/tmp" not in str(refused.value)


def test_a_name_is_never_a_path():
    assert safe_name("../../etc/map.nii.gz") == "map.nii.gz"
    assert safe_name("C:\\maps\\x.nii") == "x.nii"
    assert safe_name("a\0\nb.nii") == "ab.nii"
    assert len(safe_name("x" * 10_000 + ".nii")) <= 120
    assert safe_name(None) and safe_name("folder/")


def test_the_example_runs(sub, tmp_path):
    names = {"sub": sub, "path": tmp_path / "ones.nii.gz"}
    result = doctest.testmod(map_bytes, extraglobs=names)
    assert result.attempted and not result.failed
