from __future__ import annotations

import shutil

from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.config import Settings
from laion_fmri.explorer.runtime.bucket_listing import BucketListing


def settings_for(bucket, data_dir=None, endpoint_url=None) -> Settings:
    uri = bucket if isinstance(bucket, str) else bucket.as_uri()
    return Settings(data_dir=data_dir, bucket=uri, endpoint_url=endpoint_url)


def test_nothing_is_left_out_and_nothing_stands_twice(tiny_bucket):
    listing = BucketListing(settings_for(tiny_bucket)).start()
    listed = listing.result()
    assert list(listed.table.objects) == sorted(
        DirectoryBucket(tiny_bucket).objects(), key=lambda o: o.key
    )
    assert listing.is_over
    assert listing.n_found == len(listed.table)
    assert not listed.problem


def test_an_s3_bucket_is_listed_the_same(s3_bucket, tiny_bucket):
    settings = settings_for(s3_bucket.uri, endpoint_url=s3_bucket.endpoint_url)
    listed = BucketListing(settings).start().result()
    mirror = BucketListing(settings_for(tiny_bucket)).start().result()
    assert [o.key for o in listed.table.objects] == [o.key for o in mirror.table.objects]


def test_files_in_unexpected_places_are_found(tmp_path):
    names = ("a", "derivatives/b", "derivatives/rois/c", "sub-01/d", "sub-01/ses-01/e", "x/y/z")
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1")
    table = BucketListing(settings_for(tmp_path)).start().result().table
    assert [o.key for o in table.objects] == sorted(names)


def test_a_bucket_that_went_away_is_shown_as_it_was_last(tiny_bucket, tmp_path):
    mirror, data_dir = tmp_path / "mirror", tmp_path / "data"
    shutil.copytree(tiny_bucket, mirror)
    data_dir.mkdir()
    settings = settings_for(mirror, data_dir)
    first = BucketListing(settings).start().result()
    shutil.rmtree(mirror)
    last = BucketListing(settings).start().result()
    assert "is not a directory" in last.problem
    assert last.table.objects == first.table.objects
    assert last.listed_at == first.listed_at


def test_a_bucket_that_never_answered_has_no_files(tmp_path):
    listed = BucketListing(settings_for(tmp_path / "nowhere", tmp_path)).start().result()
    assert "is not a directory" in listed.problem
    assert len(listed.table) == 0
