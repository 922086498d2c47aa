from __future__ import annotations

import gzip
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from laion_fmri._errors import BucketUnreachableError
from laion_fmri.bucket import BucketObject
from laion_fmri.bucket.listing_cache import (
    CachedBucket,
    cached_listing,
    save_listing,
    without_secrets,
)
from laion_fmri.config import Settings

BEFORE = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
LATER = datetime(2026, 5, 6, 7, 8, tzinfo=UTC)
SETTINGS = Settings(bucket="s3://laion-fmri", endpoint_url="http://127.0.0.1:9000")
OBJECTS = (
    BucketObject("README", 3, "e1"),
    BucketObject("derivatives/rois/sub-01/<b>é", 10**12, "e2"),
    BucketObject("derivatives/rois/sub-02/x", 0, "e3"),
)


def test_what_is_kept_comes_back(tmp_path):
    save_listing(tmp_path, SETTINGS, OBJECTS, "whole", BEFORE)
    kept = cached_listing(tmp_path, SETTINGS, "whole")
    assert kept.listed == OBJECTS
    assert kept.listed_at == BEFORE


def test_an_overview_is_taken_from_the_newer_listing(tmp_path):
    save_listing(tmp_path, SETTINGS, OBJECTS, "whole", LATER)
    save_listing(tmp_path, SETTINGS, OBJECTS[1:], "overview", BEFORE)
    assert cached_listing(tmp_path, SETTINGS, "overview").listed == OBJECTS
    save_listing(tmp_path, SETTINGS, OBJECTS[1:], "overview", LATER.replace(year=2027))
    assert cached_listing(tmp_path, SETTINGS, "overview").listed == OBJECTS[1:]
    assert cached_listing(tmp_path, SETTINGS, "whole").listed == OBJECTS


@pytest.mark.parametrize(
    "other",
    [
        Settings(bucket="s3://another", endpoint_url=SETTINGS.endpoint_url),
        Settings(bucket="s3://laion-fmri"),
        Settings(bucket="file:///mirror"),
    ],
)
def test_another_bucket_has_another_listing(tmp_path, other):
    save_listing(tmp_path, SETTINGS, OBJECTS, "whole", BEFORE)
    assert cached_listing(tmp_path, other, "whole") is None


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"not compressed",
        gzip.compress(b"[]", mtime=0),
        gzip.compress(b'{"format": 1}', mtime=0),
        gzip.compress(b"{" * 100_000, mtime=0),
    ],
)
def test_a_damaged_listing_is_none(tmp_path, damage):
    save_listing(tmp_path, SETTINGS, OBJECTS, "whole", BEFORE)
    (path,) = (tmp_path / ".laion_fmri" / "listings").iterdir()
    whole = path.read_bytes()
    for data in (damage, whole[: len(whole) // 2]):
        path.write_bytes(data)
        assert cached_listing(tmp_path, SETTINGS, "whole") is None


def test_a_place_that_cannot_be_written_keeps_nothing(tmp_path):
    (tmp_path / ".laion_fmri").write_text("a file")
    save_listing(tmp_path, SETTINGS, OBJECTS, "whole", BEFORE)
    assert cached_listing(tmp_path, SETTINGS, "whole") is None
    assert sorted(p.name for p in tmp_path.iterdir()) == [".laion_fmri"]


def test_no_secret_is_kept(tmp_path):
    settings = Settings(
        bucket="s3://b", endpoint_url=f"https://me:{quote('pass word')}@host:9000/x"
    )
    save_listing(tmp_path, settings, OBJECTS, "whole", BEFORE)
    (path,) = (tmp_path / ".laion_fmri" / "listings").iterdir()
    assert b"pass" not in gzip.decompress(path.read_bytes())
    assert cached_listing(tmp_path, settings, "whole") is not None
    assert without_secrets(settings.endpoint_url) == "https://host:9000/x"
    assert without_secrets("http://[") == ""


def test_a_kept_bucket_lists_and_serves_nothing():
    kept = CachedBucket("s3://laion-fmri", BEFORE, OBJECTS)
    assert list(kept.objects("derivatives/rois/sub-02/")) == [OBJECTS[2]]
    top = kept.folder()
    assert (top.prefixes, top.objects) == (("derivatives/",), (OBJECTS[0],))
    assert kept.folder("derivatives/rois/").prefixes == (
        "derivatives/rois/sub-01/",
        "derivatives/rois/sub-02/",
    )
    assert "2 January 2026" in kept.uri
    for ask in (kept.head, kept.open):
        with pytest.raises(BucketUnreachableError, match="does not answer"):
            ask("README")
