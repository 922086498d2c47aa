from __future__ import annotations

import threading

import pytest

from laion_fmri._errors import ConfigError
from laion_fmri.config import DEFAULT_BUCKET, Settings, load_settings, read_config, write_config
from laion_fmri.explorer.data import ExplorerData


def test_changes_are_kept_for_later(tmp_path):
    data = ExplorerData()
    assert data.settings.are_saved
    folder = tmp_path / "new" / "data"
    data.change_settings({"data_dir": str(folder), "bucket": "s3://another"})
    assert folder.is_dir()
    assert (data.data_dir, data.settings.bucket) == (folder, "s3://another")
    assert load_settings().data_dir == folder
    assert data.settings.sources["bucket"] == "config file"
    data.change_settings({"bucket": ""})
    assert data.settings.bucket == DEFAULT_BUCKET
    assert read_config() == {"data_dir": str(folder)}


def test_a_server_on_settings_of_its_own_leaves_the_config_file_alone(tmp_path):
    write_config(bucket="s3://configured")
    for settings in (Settings(bucket="s3://demo"), load_settings(data_dir=tmp_path)):
        data = ExplorerData(settings)
        assert not data.settings.are_saved
        data.change_settings({"bucket": "s3://another", "data_dir": str(tmp_path)})
        assert data.settings.bucket == "s3://another"
        assert not data.settings.are_saved
        assert read_config() == {"bucket": "s3://configured"}


def test_the_environment_wins_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_BUCKET", "s3://environment")
    data = ExplorerData()
    assert data.settings.is_fixed("bucket")
    with pytest.raises(ConfigError, match="LAION_FMRI_BUCKET"):
        data.change_settings({"bucket": "s3://another"})
    data.change_settings({"data_dir": str(tmp_path)})
    assert (data.settings.bucket, data.data_dir) == ("s3://environment", tmp_path)
    assert read_config() == {"data_dir": str(tmp_path)}


def test_what_cannot_be_made_changes_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    data = ExplorerData()
    before = data.settings
    with pytest.raises(ConfigError, match="cannot be created"):
        data.change_settings({"data_dir": str(tmp_path / "file" / "below")})
    assert data.settings == before
    assert read_config() == {}


def test_what_was_remembered_is_forgotten(tmp_path, tiny_bucket):
    data = ExplorerData(Settings(bucket=tiny_bucket.as_uri()))
    bucket, listing = data.bucket(), data.listing()
    assert (data.bucket(), data.listing()) == (bucket, listing)
    data.change_settings({"data_dir": str(tmp_path)})
    assert data.bucket() is not bucket
    assert data.listing() is not listing


def test_what_is_made_of_old_settings_is_not_remembered(tmp_path):
    data = ExplorerData(Settings(bucket="s3://old"))
    asked, go_on = threading.Event(), threading.Event()

    def make() -> str:
        bucket = data.settings.bucket
        asked.set()
        go_on.wait(10)
        return bucket

    slow = threading.Thread(target=data.remember, args=(("name",), make))
    slow.start()
    asked.wait(10)
    data.change_settings({"bucket": "s3://new"})
    go_on.set()
    slow.join(10)
    assert data.remember(("name",), lambda: data.settings.bucket) == "s3://new"


def test_every_page_is_told(tmp_path):
    data = ExplorerData()
    told = []
    leave = data.subscribe(lambda: told.append(1))
    data.subscribe(lambda: told.append(2))
    data.change_settings({"data_dir": str(tmp_path)})
    assert told == [1, 2]
    leave()
    leave()
    data.change_settings({"bucket": "s3://another"})
    assert told == [1, 2, 2]


def test_listing_again_asks_the_bucket_anew(tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    data = ExplorerData(Settings(bucket=mirror.as_uri()))
    assert not len(data.listing().result().table)
    (mirror / "README").write_text("x")
    assert not len(data.listing().result().table)
    data.refresh_listing()
    assert len(data.listing().result().table) == 1
