from __future__ import annotations

import os

import pytest

from laion_fmri.config import Settings
from laion_fmri.demo.access_service import DemoAccessService
from laion_fmri.settings_check import check_settings


def look(settings: Settings, *changed: str):
    return check_settings(settings, dict.fromkeys(changed))


def test_only_what_changed_is_looked_at(tmp_path):
    nowhere = Settings(bucket="s3://gone", endpoint_url="http://127.0.0.1:9", data_dir=tmp_path)
    findings = look(nowhere, "data_dir")
    assert list(findings) == ["data_dir"]
    assert findings["data_dir"].works
    assert not look(nowhere)


def test_a_bucket_that_answers(tiny_bucket, s3_bucket):
    for settings in (
        Settings(bucket=tiny_bucket.as_uri()),
        Settings(bucket=s3_bucket.uri, endpoint_url=s3_bucket.endpoint_url),
    ):
        finding = look(settings, "endpoint_url")["bucket"]
        assert finding.works
        assert "5 subjects" in finding.text


@pytest.mark.parametrize(
    ("bucket", "endpoint", "said"),
    [
        ("s3://nobody", "http://127.0.0.1:9", "does not answer"),
        ("s3://nobody", "127.0.0.1:9", "not an endpoint"),
        ("s3://nobody", "http://[", "endpoint"),
        ("s3://nobody", "http://me:secret@127.0.0.1:9", "anonymous"),
        ("http://nobody", None, "not a bucket address"),
        ("file:///nowhere/at/all", None, "not a directory"),
    ],
)
def test_buckets_that_do_not_work(bucket, endpoint, said):
    finding = look(Settings(bucket=bucket, endpoint_url=endpoint), "bucket")["bucket"]
    assert not finding.works
    assert said in finding.text
    assert "secret" not in finding.text


def test_a_bucket_without_subjects(tmp_path):
    finding = look(Settings(bucket=tmp_path.as_uri()), "bucket")["bucket"]
    assert not finding.works
    assert "no subject" in finding.text


def test_a_folder_that_is_there_and_one_that_will_be(tmp_path):
    finding = look(Settings(data_dir=tmp_path), "data_dir")["data_dir"]
    assert finding.works
    assert "can be written" in finding.text
    assert "free" in finding.text
    later = tmp_path / "a" / "b"
    finding = look(Settings(data_dir=later), "data_dir")["data_dir"]
    assert finding.works
    assert "will be made" in finding.text
    assert not later.parent.exists()
    assert not list(tmp_path.iterdir())


def test_folders_that_do_not_work(tmp_path, tiny_bucket):
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "below", tmp_path / ("x" * 300), tiny_bucket / "data", None):
        settings = Settings(bucket=tiny_bucket.as_uri(), data_dir=path)
        assert not look(settings, "data_dir")["data_dir"].works, path


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    for path in (tmp_path, tmp_path / "below"):
        assert not look(Settings(data_dir=path), "data_dir")["data_dir"].works


def test_the_access_service(tmp_path):
    (tmp_path / "task-images_stimuli.h5").write_bytes(b"images")
    with DemoAccessService(tmp_path) as service:
        finding = look(Settings(access_url=service.url), "access_url")["access_url"]
        assert finding.works
        assert "terms" in finding.text
    for address in (service.url, "nonsense"):
        assert not look(Settings(access_url=address), "access_url")["access_url"].works
