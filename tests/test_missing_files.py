from __future__ import annotations

import gzip

import pytest

from laion_fmri import layout
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.missing_files import (
    first_parts,
    missing_embeddings,
    missing_for_trials,
    missing_parts,
    subject_to_begin_with,
)


@pytest.fixture(scope="module")
def bucket(tiny_bucket):
    return DirectoryBucket(tiny_bucket)


def by_title(parts):
    return {part.title: part for part in parts}


def download(bucket, data_dir, keys) -> None:
    for key in keys:
        path = layout.local_path(data_dir, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((bucket.root / key).read_bytes())


def test_without_a_data_directory_everything_is_missing(bucket, tmp_path):
    parts = missing_parts("sub-05", None, bucket)
    assert parts == missing_parts("sub-05", tmp_path, bucket)
    assert {"Noise ceilings and R²", "Brain mask", "Cortical surface", "T1w", "ROI masks"} <= set(
        by_title(parts)
    )
    for part in parts:
        assert part.n_bytes == sum((bucket.root / key).stat().st_size for key in part.keys)


def test_downloaded_files_are_left_out(bucket, tmp_path):
    mask = by_title(missing_parts("sub-05", tmp_path, bucket))["Brain mask"]
    download(bucket, tmp_path, mask.keys)
    assert "Brain mask" not in by_title(missing_parts("sub-05", tmp_path, bucket))


def test_an_uncompressed_volume_counts_as_downloaded(bucket, tmp_path):
    (key,) = by_title(missing_parts("sub-05", tmp_path, bucket))["Brain mask"].keys
    path = layout.local_path(tmp_path, key).with_suffix("")
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.decompress((bucket.root / key).read_bytes()))
    assert "Brain mask" not in by_title(missing_parts("sub-05", tmp_path, bucket))


def test_trials_need_one_session_of_responses_and_one_model(bucket, tmp_path):
    parts = by_title(missing_for_trials("sub-05", tmp_path, bucket))
    assert parts["Responses of ses-01"].keys == [layout.betas("sub-05", "ses-01")]
    assert parts["Captions"].keys == [layout.CAPTIONS]
    assert [title for title in parts if title.endswith("embeddings")] == [
        missing_embeddings(tmp_path, bucket)[0].title
    ]
    assert not any(layout.is_held_out(key) for part in parts.values() for key in part.keys)
    other = [layout.betas("sub-05", "ses-02"), *missing_embeddings(tmp_path, bucket)[1].keys]
    download(bucket, tmp_path, other)
    parts = by_title(missing_for_trials("sub-05", tmp_path, bucket))
    assert not any(title.startswith("Responses") for title in parts)
    assert not any(title.endswith("embeddings") for title in parts)


def test_the_first_parts_list_each_file_once(bucket, tmp_path):
    parts = first_parts("sub-05", tmp_path, bucket)
    keys = [key for part in parts for key in part.keys]
    assert len(keys) == len(set(keys))
    assert {"Cortical surface", "Trial tables"} <= set(by_title(parts))
    download(bucket, tmp_path, keys)
    assert first_parts("sub-05", tmp_path, bucket) == []


def test_the_subject_to_begin_with(bucket, tmp_path):
    assert subject_to_begin_with("sub-05", bucket) == "sub-05"
    assert subject_to_begin_with("sub-99", bucket) == "sub-01"
    assert subject_to_begin_with("", DirectoryBucket(tmp_path)) == ""
