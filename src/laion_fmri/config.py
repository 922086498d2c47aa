"""Where data lives, which bucket, which access service.

A setting comes from, in this order: a keyword, the environment, the config file, the
default. `load_settings` answers with a frozen `Settings` that also says where each
value came from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from laion_fmri._errors import ConfigError, DataDirNotSetError
from laion_fmri.whole_file import whole_file

DEFAULT_BUCKET = "s3://laion-fmri"
DEFAULT_ACCESS_URL = "https://laion-fmri.hebartlab.com"
AWS_REGION = "us-west-2"

ENVIRONMENT = {
    "data_dir": "LAION_FMRI_DATA_DIR",
    "bucket": "LAION_FMRI_BUCKET",
    "endpoint_url": "LAION_FMRI_ENDPOINT_URL",
    "access_url": "LAION_FMRI_ACCESS_URL",
}
_DEFAULTS: dict[str, str | None] = {
    "data_dir": None,
    "bucket": DEFAULT_BUCKET,
    "endpoint_url": None,
    "access_url": DEFAULT_ACCESS_URL,
}


@dataclass(frozen=True)
class Settings:
    """What the package works with.

    Attributes
    ----------
    data_dir : Path or None
        Where files are kept; None until it is set.
    bucket : str
        ``s3://name`` or ``file:///path/of/a/mirror``.
    endpoint_url : str or None
        An S3-compatible endpoint; None is AWS.
    access_url : str
        Base address of the access service of the stimulus images.
    sources : mapping of str to str
        For each setting: ``"argument"``, ``"environment"``, ``"config file"`` or
        ``"default"``.
    """

    data_dir: Path | None = None
    bucket: str = DEFAULT_BUCKET
    endpoint_url: str | None = None
    access_url: str = DEFAULT_ACCESS_URL
    sources: Mapping[str, str] = field(default_factory=dict)

    def require_data_dir(self) -> Path:
        """The data directory.

        Raises
        ------
        DataDirNotSetError
            When none is set, or the one that is set does not exist.
        """
        if self.data_dir is None:
            raise DataDirNotSetError
        if not self.data_dir.is_dir():
            source = f"(it comes from: {self.sources.get('data_dir', 'default')})"
            if self.data_dir.exists():
                raise DataDirNotSetError(
                    f"The data directory {self.data_dir} is a file. Set another one {source} with "
                    "`laion-fmri config --data-dir DIR`."
                )
            raise DataDirNotSetError(
                f"The data directory {self.data_dir} does not exist. Create it by running "
                f"`laion-fmri config --data-dir {self.data_dir}`, or set another one {source}."
            )
        return self.data_dir


def config_file() -> Path:
    """The path of the config file; it need not exist."""
    from platformdirs import user_config_path

    home = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(home) / "laion_fmri" if home else user_config_path("laion_fmri", appauthor=False)
    return folder / "config.json"


def load_settings(**given: str | os.PathLike[str] | None) -> Settings:
    """Resolve every setting: keyword > environment > config file > default.

    Parameters
    ----------
    **given
        ``data_dir``, ``bucket``, ``endpoint_url``, ``access_url``; None means not given.

    Raises
    ------
    ConfigError
        When the config file is damaged, a setting is of no known name, or a value is
        neither a string nor a path.
    """
    unknown = set(given) - set(_DEFAULTS)
    if unknown:
        raise ConfigError(f"Unknown setting {sorted(unknown)}. Known: {', '.join(_DEFAULTS)}.")
    stored = read_config()
    values: dict[str, str | None] = {}
    sources: dict[str, str] = {}
    for name, default in _DEFAULTS.items():
        choices = (
            ("argument", given.get(name)),
            ("environment", os.environ.get(ENVIRONMENT[name])),
            ("config file", stored.get(name)),
            ("default", default),
        )
        source, value = next(((s, v) for s, v in choices if v), ("default", default))
        text = os.fspath(value) if isinstance(value, os.PathLike) else value
        if text is not None and not isinstance(text, str):
            raise ConfigError(f"{name}={value!r} cannot be used. Give a string or a path.")
        values[name], sources[name] = text, source
    data_dir = values["data_dir"]
    return Settings(
        data_dir=_absolute(data_dir) if data_dir else None,
        bucket=values["bucket"] or DEFAULT_BUCKET,
        endpoint_url=values["endpoint_url"],
        access_url=values["access_url"] or DEFAULT_ACCESS_URL,
        sources=sources,
    )


def read_config() -> dict[str, str]:
    """What the config file holds; empty where there is none.

    Raises
    ------
    ConfigError
        When the file cannot be read or does not hold a JSON object of strings.
    """
    path = config_file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The config file {path} cannot be read ({error}). Delete it and run "
            "`laion-fmri config --data-dir DIR`."
        ) from error
    try:
        stored = json.loads(text)
    except json.JSONDecodeError as error:
        stored = error
    if not isinstance(stored, dict) or not all(isinstance(v, str) for v in stored.values()):
        raise ConfigError(
            f"The config file {path} is damaged. Delete it and run "
            "`laion-fmri config --data-dir DIR`."
        )
    return stored


def write_config(**changes: str | os.PathLike[str] | None) -> Path:
    """Change settings in the config file (None removes one) and return its path.

    Raises
    ------
    ConfigError
        When the file or its folder cannot be written.
    """
    stored = read_config()
    for name, value in changes.items():
        if value is None:
            stored.pop(name, None)
        else:
            stored[name] = os.fspath(value)
    path = config_file()
    try:
        write_atomically(path, json.dumps(stored, indent=2, sort_keys=True) + "\n")
    except OSError as error:
        raise ConfigError(f"The config file {path} cannot be written ({error}).") from error
    return path


def write_atomically(path: Path, text: str) -> None:
    """Put `text` at `path` whole or not at all; folders are made as needed."""
    with whole_file(path) as file:
        file.write(text.encode())


def dataset_initialize(data_dir: str | os.PathLike[str]) -> Path:
    """Register the data directory, making it if need be, and return it.

    The choice is kept in the config file; ``LAION_FMRI_DATA_DIR`` overrides it.

    Raises
    ------
    ConfigError
        When the directory cannot be made, is a file, or the choice cannot be kept.
    """
    path = _absolute(data_dir)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # a ValueError is a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{path} cannot be used as data directory ({reason}). Choose another."
        ) from error
    write_config(data_dir=path)
    return path


def _absolute(path: str | os.PathLike[str]) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except (RuntimeError, TypeError) as error:  # no such user's home; no path at all
        raise ConfigError(f"{path!r} is no usable path ({error}). Choose another.") from error


def get_data_dir() -> Path:
    """The data directory in force.

    Raises
    ------
    DataDirNotSetError
        When none is set, or the one that is set does not exist.
    """
    return load_settings().require_data_dir()
