from __future__ import annotations

import shutil

import numpy as np
import pytest

from laion_fmri import layout
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.config import Settings
from laion_fmri.explorer.bucket_listing import BucketListing, compare
from laion_fmri.explorer.bucket_table import STANDINGS, BucketTable, FileStanding
from laion_fmri.transfer.partial import partial_path


def settings_for(bucket, data_dir=None, endpoint_url=None) -> Settings:
    uri = bucket if isinstance(bucket, str) else bucket.as_uri()
    return Settings(data_dir=data_dir, bucket=uri, endpoint_url=endpoint_url)


def test_nothing_is_left_out_and_nothing_stands_twice(tiny_bucket):
    listing = BucketListing(settings_for(tiny_bucket))
    listed = listing.result()
    assert list(listed.table.objects) == sorted(
        DirectoryBucket(tiny_bucket).objects(), key=lambda o: o.key
    )
    assert listing.is_over
    assert listing.n_found == len(listed.table)
    assert not listed.problem


def test_an_s3_bucket_is_listed_the_same(s3_bucket, tiny_bucket):
    listed = BucketListing(
        settings_for(s3_bucket.uri, endpoint_url=s3_bucket.endpoint_url)
    ).result()
    mirror = BucketListing(settings_for(tiny_bucket)).result()
    assert [o.key for o in listed.table.objects] == [o.key for o in mirror.table.objects]


def test_files_in_unexpected_places_are_found(tmp_path):
    names = ("a", "derivatives/b", "derivatives/rois/c", "sub-01/d", "sub-01/ses-01/e", "x/y/z")
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1")
    table = BucketListing(settings_for(tmp_path)).result().table
    assert [o.key for o in table.objects] == sorted(names)


def test_a_bucket_that_went_away_is_shown_as_it_was_last(tiny_bucket, tmp_path):
    mirror, data_dir = tmp_path / "mirror", tmp_path / "data"
    shutil.copytree(tiny_bucket, mirror)
    data_dir.mkdir()
    settings = settings_for(mirror, data_dir)
    first = BucketListing(settings).result()
    shutil.rmtree(mirror)
    last = BucketListing(settings).result()
    assert "is not a directory" in last.problem
    assert last.table.objects == first.table.objects
    assert last.listed_at == first.listed_at


def test_a_bucket_that_never_answered_has_no_files(tmp_path):
    listed = BucketListing(settings_for(tmp_path / "nowhere", tmp_path)).result()
    assert "is not a directory" in listed.problem
    assert len(listed.table) == 0


def test_every_file_is_compared_with_the_data_directory(tmp_path):
    mirror, data_dir = tmp_path / "mirror", tmp_path / "data"
    names = ("here", "partial", "missing", "stale", "bad\\name", "sub-01/ses-31/func/held")
    for name in names:
        path = mirror / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    bucket = DirectoryBucket(mirror)
    table = BucketTable(bucket.objects())
    etag = {o.key: o.etag for o in table.objects}
    data_dir.mkdir()
    (data_dir / "here").write_bytes(b"12345")
    (data_dir / "stale").write_bytes(b"1")
    partial_path(str(data_dir / "partial"), etag["partial"]).write_bytes(b"123")
    standings = compare(table, data_dir, bucket)
    told = {o.key: STANDINGS[c] for o, c in zip(table.objects, standings.codes, strict=True)}
    assert told == {
        "here": FileStanding.HERE,
        "partial": FileStanding.PARTIAL,
        "missing": FileStanding.MISSING,
        "stale": FileStanding.STALE,
        "bad\\name": FileStanding.REFUSED,
        "sub-01/ses-31/func/held": FileStanding.HELD_OUT,
    }
    assert standings.bytes_here[table.rows_of(["partial"])[0]] == 3


@pytest.mark.parametrize("has_data_dir", [False, True])
def test_without_files_here_nothing_is_here(tiny_bucket, tmp_path, has_data_dir):
    bucket = DirectoryBucket(tiny_bucket)
    table = BucketTable(bucket.objects())
    standings = compare(table, tmp_path if has_data_dir else None, bucket)
    held_out = [layout.is_held_out(o.key) for o in table.objects]
    codes = np.array([STANDINGS.index(s) for s in (FileStanding.MISSING, FileStanding.HELD_OUT)])
    assert (standings.codes == codes[np.array(held_out, dtype=int)]).all()
    assert not standings.bytes_here.any()
