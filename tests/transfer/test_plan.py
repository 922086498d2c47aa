"""What a transfer would do."""

from __future__ import annotations

import doctest

import pytest

from laion_fmri._errors import UnsafeKeyError
from laion_fmri.bucket import BucketObject
from laion_fmri.transfer import plan
from laion_fmri.transfer.plan import (
    FileStatus,
    format_bytes,
    format_seconds,
    make_plan,
    partial_path,
)

ONE = BucketObject("a/one", 10, "v1")


def status_of(tmp_path, found=ONE):
    (file,) = make_plan([found], tmp_path, None).files
    return file.status, file.bytes_downloaded


def test_doctests():
    assert doctest.testmod(plan).failed == 0


def test_statuses(tmp_path):
    path = tmp_path / "a" / "one"
    assert status_of(tmp_path) == (FileStatus.NOT_DOWNLOADED, 0)
    path.parent.mkdir()
    partial_path(path, "v1").write_bytes(b"1234")
    assert status_of(tmp_path) == (FileStatus.INCOMPLETE, 4)
    partial_path(path, "v1").rename(partial_path(path, "v0"))
    assert status_of(tmp_path) == (FileStatus.NOT_DOWNLOADED, 0)  # of another version
    path.write_bytes(b"12345")
    assert status_of(tmp_path) == (FileStatus.OUTDATED, 0)
    partial_path(path, "v1").write_bytes(b"123456")
    assert status_of(tmp_path) == (FileStatus.OUTDATED, 6)
    partial_path(path, "v1").write_bytes(b"123456789012")  # more than there can be
    assert status_of(tmp_path) == (FileStatus.OUTDATED, 0)
    path.write_bytes(b"1234567890")
    assert status_of(tmp_path) == (FileStatus.DOWNLOADED, 10)


def test_empty_objects(tmp_path):
    empty = BucketObject("empty", 0, "v1")
    assert status_of(tmp_path, empty) == (FileStatus.NOT_DOWNLOADED, 0)
    (tmp_path / "empty").touch()
    assert status_of(tmp_path, empty) == (FileStatus.DOWNLOADED, 0)


def test_a_folder_is_never_here(tmp_path):
    folder = tmp_path / "a" / "one"
    folder.mkdir(parents=True)
    same_size = BucketObject("a/one", folder.stat().st_size, "v1")
    assert status_of(tmp_path, same_size)[0] is FileStatus.NOT_DOWNLOADED


def test_a_path_whose_parent_is_a_file(tmp_path):
    (tmp_path / "a").write_text("x")
    assert status_of(tmp_path)[0] is FileStatus.NOT_DOWNLOADED


def test_totals_and_table(tmp_path):
    (tmp_path / "b").write_bytes(b"12345")
    found = make_plan(
        [ONE, BucketObject("b", 5, "x"), BucketObject("c", 2_500_000, "x")], tmp_path, None
    )
    assert (found.total_bytes, found.bytes_to_fetch) == (2_500_015, 2_500_010)
    assert [f.key for f in found.to_fetch] == ["a/one", "c"]
    assert found.count(FileStatus.DOWNLOADED) == 1
    lines = str(found).splitlines()
    assert lines[0].split() == ["not", "downloaded", "10", "B", "a/one"]
    assert lines[-1] == "3 files, 2.5 MB: 1 already downloaded, 2 to fetch (2.5 MB)"
    assert len((found + found).files) == 3


def test_every_path_stands_once(tmp_path):
    spelled = [
        BucketObject("rois/sub-01_label-FFA-1_mask.nii.gz", 1, "old"),
        BucketObject("rois/sub-01_label-FFA1_mask.nii.gz", 2, "new"),
    ]
    for order in (spelled, spelled[::-1], spelled * 2):
        (file,) = make_plan(order, tmp_path, None).files
        assert file.key == "rois/sub-01_label-FFA1_mask.nii.gz"


@pytest.mark.parametrize("key", ["../x", "/x", "a//b", "a\\b", "a\0"])
def test_unsafe_keys_are_refused(tmp_path, key):
    with pytest.raises(UnsafeKeyError):
        make_plan([ONE, BucketObject(key, 1, "x")], tmp_path, None)


@pytest.mark.parametrize(
    "n, text",
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_499, "999 kB"), (999_500, "1 MB"),
     (1.25e9, "1.25 GB"), (3e12, "3 TB")],
)  # fmt: skip
def test_bytes_for_people(n, text):
    assert format_bytes(n) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.2, "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations(seconds, text):
    assert format_seconds(seconds) == text
