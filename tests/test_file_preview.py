from __future__ import annotations

import gzip
import json

import nibabel as nib
import numpy as np
import pytest
from counting import CountingBucket

from laion_fmri import layout
from laion_fmri._errors import AccessDeniedError, BucketUnreachableError
from laion_fmri.bucket import BucketObject
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.bucket.listing_cache import CachedBucket, now
from laion_fmri.file_preview import HEADER_BYTES, TEXT_BYTES, FilePreview, preview_file


def read(folder, name: str, data: bytes) -> tuple[FilePreview, int]:
    """What is shown of a file, and how many of its bytes were fetched."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    bucket = CountingBucket(DirectoryBucket(folder))
    reading = preview_file(bucket.head(name), bucket)
    return reading, bucket.n_bytes.get(name, 0)


def nifti(kind=nib.Nifti1Image, big_endian: bool = False) -> nib.Nifti1Image:
    affine = np.diag([-1.8, 1.8, 1.8, 1])
    image = kind(np.zeros((4, 5, 6, 7), dtype=np.int16), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((1.8, 1.8, 1.8, 1.9))
    image.header["descrip"] = b"<b>made</b> for a test"
    if big_endian:
        return kind(image.dataobj, affine, image.header.as_byteswapped(">"))
    return image


def test_json_is_set_in_lines(tmp_path):
    reading, n_fetched = read(tmp_path, "a.json", b'{"b":[1,2],"a":"<b>"}')
    assert reading.text == json.dumps({"b": [1, 2], "a": "<b>"}, indent=2)
    assert n_fetched == 21


@pytest.mark.parametrize("data", [b'{"b":', b"[" * 5000, b"[" + b"9" * 5000 + b"]"])
def test_what_is_no_json_is_shown_as_it_is(tmp_path, data):
    reading, _ = read(tmp_path, "a.json", data)
    assert reading.text == data.decode()
    assert "not valid JSON" in reading.note


@pytest.mark.parametrize("name", ["a.json", "a.txt", "README", "lh.cortex.label"])
def test_of_a_long_text_only_the_beginning_is_fetched(tmp_path, name):
    data = ("é" * 400_000).encode()
    reading, n_fetched = read(tmp_path, name, data)
    assert n_fetched <= TEXT_BYTES + 4096
    assert data.decode().startswith(reading.text)
    assert len(reading.text.encode()) > TEXT_BYTES - 4
    assert reading.note == "The first 256 kB of 800 kB."


def test_tables(tmp_path):
    reading, _ = read(tmp_path, "t.tsv", b'session\tlabel\nses-01\t"a\nses-02\t<img src=x>\n')
    assert reading.head == ("session", "label")
    assert reading.rows == (("ses-01", '"a'), ("ses-02", "<img src=x>"))
    reading, _ = read(tmp_path, "t.csv", b'name,caption\r\na,"one, two\nthree"\r\n')
    assert reading.rows == (("a", "one, two\nthree"),)


def test_large_tables_are_cut_and_say_so(tmp_path):
    row = "\t".join(str(n) for n in range(60))
    reading, n_fetched = read(tmp_path, "t.tsv", f"{row}\n".encode() * 5000)
    assert n_fetched == TEXT_BYTES
    assert (len(reading.head), len(reading.rows)) == (40, 200)
    assert "first 256 kB" in reading.note
    assert "first 200 rows" in reading.note
    assert "40 of 60 columns" in reading.note
    reading, _ = read(tmp_path, "long.csv", b"a\n" + b"x" * 100_000)
    assert len(reading.rows[0][0]) == 301
    reading, _ = read(tmp_path, "one.csv", b"a,b\n" + b'"' + b"x" * 200_000)
    assert reading.text  # a cell beyond what the csv module takes


def test_empty_files(tmp_path):
    for name in ("a.json", "a.tsv", "a.txt", "README"):
        reading, n_fetched = read(tmp_path, name, b"")
        assert n_fetched == 0
        assert not reading.rows
    assert "empty" in reading.note


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
def test_the_header_of_a_nifti(tmp_path, kind, big_endian, extension):
    data = nifti(kind, big_endian).to_bytes() + b"\0" * 100_000
    data = gzip.compress(data, mtime=0) + b"x" * 50_000 if extension == ".nii.gz" else data
    reading, n_fetched = read(tmp_path, f"sub-01_bold{extension}", data)
    assert n_fetched <= HEADER_BYTES
    assert reading.facts["Shape"] == "4 × 5 × 6 × 7"
    assert reading.facts["Voxel size"] == "1.8 × 1.8 × 1.8 mm"
    assert reading.facts["Step of the fourth axis"] == "1.9 sec"
    assert reading.facts["Stored as"] == f"int16, {'big' if big_endian else 'little'}-endian"
    assert reading.facts["Orientation"] == "LAS"
    assert reading.facts["Size in memory as stored"] == "1.68 kB"
    assert reading.facts["Description"] == "<b>made</b> for a test"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no gzip",
        gzip.compress(b"no nifti", mtime=0),
        gzip.compress(b"\x5c\x01\0\0", mtime=0),
        gzip.compress(nifti().to_bytes(), mtime=0)[:20],
    ],
)
def test_what_is_no_nifti_says_so(tmp_path, data):
    reading, _ = read(tmp_path, "a.nii.gz", data)
    assert "cannot be read" in reading.note
    assert not reading.facts


def test_a_header_of_nonsense_shows_what_makes_sense(tmp_path):
    header = bytearray(nifti().header.binaryblock)
    random = np.random.default_rng(0)
    for _ in range(30):
        noise = random.integers(0, 256, 344, dtype=np.uint8).tobytes()
        with np.errstate(all="ignore"):
            reading, _ = read(tmp_path, "a.nii", bytes(header[:4]) + noise)
        assert reading.kind == "NIfTI volume"


@pytest.mark.parametrize("name", ["a.h5", "a_mask.func.gii", "T1.mgz", "a.png"])
def test_of_binary_files_nothing_is_fetched(tmp_path, name):
    reading, n_fetched = read(tmp_path, name, b"text" * 5000)
    assert n_fetched == 0
    assert not reading.text


@pytest.mark.parametrize("data", [b"\0\1\2" * 5000, b"\xff\xfe\x80\x01" * 4000])
@pytest.mark.parametrize("name", ["lh.white", "a.txt"])
def test_bytes_that_are_no_text_are_not_shown(tmp_path, name, data):
    reading, _ = read(tmp_path, name, data)
    assert reading.kind == "Binary file"
    assert not reading.text


def test_text_in_latin_1_is_readable(tmp_path):
    reading, _ = read(tmp_path, "README", "Göttingen".encode("latin-1"))
    assert reading.text == "Göttingen"


def test_held_out_files_are_not_asked_for(tiny_bucket):
    bucket = DirectoryBucket(tiny_bucket)
    found = next(o for o in bucket.objects() if layout.is_held_out(o.key))
    assert "does not serve" in preview_file(found, bucket).note


def test_what_the_bucket_denies_is_an_error(tmp_path):
    (tmp_path / ".bucket-policy.json").write_text('{"deny": ["a.json"]}')
    with pytest.raises(AccessDeniedError):
        read(tmp_path, "a.json", b"{}")


def test_a_file_that_is_here_is_read_here(tmp_path):
    key = "derivatives/rois/sub-01/face/sub-01_label-FFA-1_mask.json"
    path = layout.local_path(tmp_path, key)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}")
    gone = CachedBucket("s3://gone", now(), ())
    assert preview_file(BucketObject(key, 2, "e"), gone, tmp_path).text == "{}"
    with pytest.raises(BucketUnreachableError):
        preview_file(BucketObject(key, 2, "e"), gone)


def test_a_preview_shows_itself_as_text():
    hostile = "<b>x</b>"
    for preview in (
        FilePreview("Text", text=hostile),
        FilePreview("Table", "first rows", head=("a",), rows=((hostile,),)),
        FilePreview("NIfTI", facts={"Descrip": hostile}),
    ):
        shown = preview._repr_html_()
        assert preview.kind in shown and preview.html in shown
        assert hostile not in shown and "&lt;b&gt;x" in shown
    assert not FilePreview("Picture").html
