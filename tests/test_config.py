"""Where settings come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri._errors import ConfigError, DataDirNotSetError
from laion_fmri.config import (
    DEFAULT_ACCESS_URL,
    DEFAULT_BUCKET,
    ENVIRONMENT,
    config_file,
    dataset_initialize,
    get_data_dir,
    load_settings,
    read_config,
    save_changes,
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
    "content, said",
    [
        (b"{", r"line 1, column 2: .*Correct that line"),
        (b'{\n  "data_dir": "/data"\n  "bucket": "s3://b"\n}', r"line 3, column 3: .*Correct"),
        (b'{\n  "data_dir": "/data",\n}', r"line 2 ends in a comma.*Delete the comma"),
        (b'{"data_dir": "/data" ,\r\n\r\n }', r"line 1 ends in a comma"),
        (b'{\n"data_dir": "C:\\data"}', r"line 2, .*backslash of a path twice"),
        (
            b'{"data_dir": "C:\\new"}',
            r"holds a control character for data_dir: .*backslash of a path twice",
        ),
        (b"{'data_dir': '/data'}", r"line 1, column 2: .*double quotes"),
        (b'{"data_dir": 3}', r"text in quotes for data_dir, not 3"),
        (b'{"data_dir": ["/data"]}', r"text in quotes for data_dir, not \['/data'\]"),
        (b"[]", r'should hold settings such as \{"data_dir": "/data"\}, but holds list'),
        (b'"x"', r"but holds str 'x'"),
        (b"\xff\xfe\x00", r"not text in UTF-8"),
        ('{"data_dir": "/dät"}'.encode("latin-1"), r"Save it as UTF-8"),
        (b"[" * 100_000, r"nested too deeply"),
    ],
)
def test_a_config_file_with_a_mistake_names_it_and_is_kept(content, said):
    config_file().parent.mkdir(parents=True)
    config_file().write_bytes(content)
    for use in (load_settings, lambda: write_config(bucket="s3://b")):
        with pytest.raises(
            ConfigError, match=rf"(?s)config\.json {said}|config\.json .*{said}"
        ) as no:
            use()
        assert "Delete it" not in str(no.value)
    assert config_file().read_bytes() == content


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@given(text=st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_any_settings_are_read_however_an_editor_saved_them(encoding, text):
    settings = {"bucket": text, "endpoint_url": None}
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text(json.dumps(settings, ensure_ascii=False), encoding=encoding)
    assert read_config() == {"bucket": text}
    write_config(endpoint_url="http://a")
    assert read_config() == {"bucket": text, "endpoint_url": "http://a"}


@pytest.mark.parametrize("content", [b"", b" \r\n", b"{}", b'{"data_dir": null}'])
def test_a_config_file_that_sets_nothing(content):
    config_file().parent.mkdir(parents=True)
    config_file().write_bytes(content)
    assert read_config() == {}


def test_a_config_file_that_cannot_be_read_is_not_called_damaged():
    config_file().mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"cannot be read \(.*Check who may") as said:
        load_settings()
    assert "elete" not in str(said.value)


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


def test_changed_settings_say_where_they_come_from(tmp_path, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_BUCKET", "s3://environment")
    settings = load_settings()
    assert settings.is_fixed("bucket") and not settings.is_fixed("data_dir")
    assert settings.are_saved
    changed = settings.changed({"data_dir": str(tmp_path / "new"), "access_url": ""})
    assert changed.data_dir == tmp_path / "new"
    assert changed.access_url == DEFAULT_ACCESS_URL
    assert (changed.sources["data_dir"], changed.sources["access_url"]) == (
        "config file",
        "default",
    )
    save_changes(changed, {"data_dir": str(changed.data_dir)})
    assert changed.require_data_dir() == load_settings().data_dir


def test_settings_that_were_given_are_not_saved(tmp_path):
    settings = load_settings(bucket="s3://another")
    changed = settings.changed({"data_dir": str(tmp_path)})
    assert not settings.are_saved and changed.sources["data_dir"] == "argument"
    save_changes(changed, {"data_dir": str(tmp_path)})
    assert read_config() == {}
