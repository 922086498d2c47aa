"""Where settings come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from laion_fmri._errors import ConfigError, DataDirNotSetError
from laion_fmri.config import (
    DEFAULT_BUCKET,
    ENVIRONMENT,
    config_file,
    dataset_initialize,
    get_data_dir,
    load_settings,
    write_config,
)


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch):
    for name in ENVIRONMENT.values():
        monkeypatch.delenv(name, raising=False)


def test_defaults():
    settings = load_settings()
    assert settings.data_dir is None
    assert settings.bucket == DEFAULT_BUCKET
    assert set(settings.sources.values()) == {"default"}
    with pytest.raises(DataDirNotSetError, match="dataset_initialize"):
        get_data_dir()


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_keyword_beats_environment_beats_file_beats_default(name, monkeypatch):
    def value() -> tuple[str, str]:
        return str(getattr(load_settings(), name)), load_settings().sources[name]

    write_config(**{name: "/from/file"})
    assert value() == ("/from/file", "config file")
    monkeypatch.setenv(ENVIRONMENT[name], "/from/environment")
    assert value() == ("/from/environment", "environment")
    settings = load_settings(**{name: "/from/argument"})
    assert str(getattr(settings, name)) == "/from/argument"
    assert settings.sources[name] == "argument"
    monkeypatch.setenv(ENVIRONMENT[name], "")
    assert value() == ("/from/file", "config file")
    write_config(**{name: None})
    assert value()[1] == "default"


def test_dataset_initialize_remembers(tmp_path):
    made = dataset_initialize(tmp_path / "new" / "data")
    assert made.is_dir()
    assert get_data_dir() == made
    assert json.loads(config_file().read_text()) == {"data_dir": str(made)}
    assert [p.name for p in config_file().parent.iterdir()] == ["config.json"]


def test_other_settings_are_kept(tmp_path):
    write_config(bucket="file:///mirror")
    dataset_initialize(tmp_path / "data")
    assert load_settings().bucket == "file:///mirror"


def test_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert dataset_initialize("here") == tmp_path / "here"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings(data_dir="~/x").data_dir == tmp_path / "x"


def test_config_lives_below_xdg_config_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "mine"))
    assert config_file() == tmp_path / "mine" / "laion_fmri" / "config.json"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"data_dir": 3}', b"null", b"\xff\xfe\x00", b'"x"']
)
def test_a_damaged_config_file_is_reported(content):
    config_file().parent.mkdir(parents=True)
    config_file().write_bytes(content)
    with pytest.raises(ConfigError, match="Delete it"):
        load_settings()
    with pytest.raises(ConfigError, match="Delete it"):
        write_config(bucket="file:///x")
    assert config_file().read_bytes() == content


def test_a_config_path_that_is_a_folder_is_reported():
    config_file().mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings()


def test_a_config_folder_that_is_a_file_is_reported(tmp_path):
    config_file().parent.parent.mkdir(parents=True)
    config_file().parent.write_text("in the way")
    with pytest.raises(ConfigError):
        dataset_initialize(tmp_path / "data")


def test_a_data_directory_that_is_a_file(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    for bad in (file, file / "below"):
        with pytest.raises(ConfigError, match="cannot be used as data directory"):
            dataset_initialize(bad)
    with pytest.raises(DataDirNotSetError, match="is a file"):
        load_settings(data_dir=file).require_data_dir()


def test_a_data_directory_that_is_gone(tmp_path, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tmp_path / "gone"))
    with pytest.raises(DataDirNotSetError, match=r"does not exist.*environment"):
        get_data_dir()


@pytest.mark.parametrize("bad", [5, b"/x", ["/x"], object()])
def test_values_of_other_kinds_are_refused(bad):
    with pytest.raises(ConfigError):
        load_settings(data_dir=bad)
    with pytest.raises(ConfigError):
        dataset_initialize(bad)


@pytest.mark.parametrize("bad", ["a\0b", "~nobody-of-that-name/x"])
def test_unusable_paths_are_refused(bad):
    with pytest.raises(ConfigError, match="Choose another"):
        dataset_initialize(bad)


def test_unknown_settings_are_refused():
    with pytest.raises(ConfigError, match="Known: data_dir"):
        load_settings(folder=Path("/x"))
