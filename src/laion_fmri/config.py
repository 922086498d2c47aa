"""Settings: data directory, bucket, access service.

Sources in order of precedence: keyword, environment, config file, default. `load_settings` returns
a frozen `Settings` that also records the source of each value.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from laion_fmri._errors import ConfigError, DataDirNotSetError
from laion_fmri.atomic_write import write_atomically

DEFAULT_BUCKET = "s3://laion-fmri"
DEFAULT_ACCESS_URL = "https://laion-fmri.hebartlab.com"
AWS_REGION = "us-west-2"

ENVIRONMENT = {
    "data_dir": "LAION_FMRI_DATA_DIR",
    "bucket": "LAION_FMRI_BUCKET",
    "endpoint_url": "LAION_FMRI_ENDPOINT_URL",
    "access_url": "LAION_FMRI_ACCESS_URL",
    "store_dir": "LAION_FMRI_STORE_DIR",
    "splits_url": "LAION_FMRI_SPLITS_URL",
}
_DEFAULTS: dict[str, str | None] = {
    "data_dir": None,
    "bucket": DEFAULT_BUCKET,
    "endpoint_url": None,
    "access_url": DEFAULT_ACCESS_URL,
    "store_dir": None,
    "splits_url": None,
}


@dataclass(frozen=True)
class Settings:
    """The settings of the package.

    Attributes
    ----------
    data_dir : Path or None
        The folder of the dataset's files; None until it is set.
    bucket : str
        ``s3://name`` or ``file:///path/of/a/mirror``.
    endpoint_url : str or None
        An S3-compatible endpoint; None for AWS.
    access_url : str
        Base address of the access service of the stimulus images.
    store_dir : Path or None
        The folder of local stores of betas; None for a folder in the data directory.
    splits_url : str or None
        The folder of the published split files, with files ``{pool}/{name}.json``; None for the
        authors' address.
    sources : mapping of str to str
        For each setting: ``"argument"``, ``"environment"``, ``"config file"`` or
        ``"default"``.
    """

    data_dir: Path | None = None
    bucket: str = DEFAULT_BUCKET
    endpoint_url: str | None = None
    access_url: str = DEFAULT_ACCESS_URL
    store_dir: Path | None = None
    splits_url: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def require_data_dir(self) -> Path:
        """The data directory.

        Raises
        ------
        DataDirNotSetError
            When none is set, or it does not exist.
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

    @property
    def usable_data_dir(self) -> Path | None:
        """The data directory; None when it is not set or does not exist."""
        is_usable = self.data_dir is not None and self.data_dir.is_dir()
        return self.data_dir if is_usable else None

    def is_fixed(self, name: str) -> bool:
        """Whether the environment sets a value, which then cannot be changed."""
        return self.sources.get(name) == "environment"

    @property
    def are_saved(self) -> bool:
        """Whether changes are saved in the config file: no setting was given as an argument.

        Sessions with the demo or with explicit settings leave the config file unchanged.
        """
        return all(self.sources.get(name, "argument") != "argument" for name in ENVIRONMENT)

    def changed(self, changes: Mapping[str, str]) -> Settings:
        """Return the settings after a change; an empty value restores the default.

        Raises
        ------
        ConfigError
            When a value is invalid.
        """
        source = "config file" if self.are_saved else "argument"
        values: dict[str, Any] = {name: text or _DEFAULTS[name] for name, text in changes.items()}
        for name in ("data_dir", "store_dir"):
            if values.get(name):
                values[name] = _absolute(values[name])
        source_of = {name: source if text else "default" for name, text in changes.items()}
        return replace(self, **values, sources={**self.sources, **source_of})


def config_file() -> Path:
    """Return the path of the config file, which need not exist."""
    from platformdirs import user_config_path

    home = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(home) / "laion_fmri" if home else user_config_path("laion_fmri", appauthor=False)
    return folder / "config.json"


def cache_folder() -> Path:
    """Return the cache folder in the user's cache, which need not exist."""
    from platformdirs import user_cache_path

    return user_cache_path("laion_fmri", appauthor=False)


def load_settings(**given: str | os.PathLike[str] | None) -> Settings:
    """Resolve every setting: keyword > environment > config file > default.

    Parameters
    ----------
    **given
        ``data_dir``, ``bucket``, ``endpoint_url``, ``access_url``, ``store_dir``,
        ``splits_url``; None means not given.

    Raises
    ------
    ConfigError
        When the config file is damaged, a setting is unknown, or a value is neither a string nor a
        path.
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
    data_dir, store_dir = values["data_dir"], values["store_dir"]
    return Settings(
        data_dir=_absolute(data_dir) if data_dir else None,
        bucket=values["bucket"] or DEFAULT_BUCKET,
        endpoint_url=values["endpoint_url"],
        access_url=values["access_url"] or DEFAULT_ACCESS_URL,
        store_dir=_absolute(store_dir) if store_dir else None,
        splits_url=values["splits_url"],
        sources=sources,
    )


def read_config() -> dict[str, str]:
    """Read the settings of the config file; empty when there is no file.

    Raises
    ------
    ConfigError
        When the file cannot be read or is not a JSON object of strings; a faulty line is named.
    """
    path = config_file()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(
            f"The config file {path} cannot be read ({error.strerror or error}). Check who may "
            "read it, and its disk."
        ) from error
    try:
        stored = read_json(content) if content.strip() else {}
    except ValueError as error:
        raise ConfigError(f"The config file {path} cannot be used: {error}") from error
    if not isinstance(stored, dict):
        raise ConfigError(
            f'The config file {path} should hold settings such as {{"data_dir": "/data"}}, but '
            f"holds {type(stored).__name__} {stored!r:.40}. Correct it."
        )
    settings = {name: value for name, value in stored.items() if value is not None}
    for name, value in settings.items():
        if not isinstance(value, str):
            raise ConfigError(
                f"The config file {path} should hold text in quotes for {name}, not {value!r:.40}. "
                "Correct it."
            )
        if any(c < " " for c in value):  # "C:\\new" in JSON is "C:", a line break and "ew"
            raise ConfigError(
                f"The config file {path} holds a control character for {name}: "
                f"{value!r:.80}. Write each backslash of a path twice, or / in its place."
            )
    return settings


def read_json(content: bytes) -> Any:
    """Parse JSON in UTF-8, UTF-16 or UTF-32, with or without a byte-order mark.

    Raises
    ------
    ValueError
        When it is malformed; the message names the line and what to do.
    """
    try:
        return json.loads(content)
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8. Save it as UTF-8 in your editor.") from None
    except RecursionError:
        raise ValueError("it is nested too deeply. Correct it.") from None
    except json.JSONDecodeError as error:
        raise ValueError(_what_is_wrong(error)) from None


def _what_is_wrong(error: json.JSONDecodeError) -> str:
    """Describe a syntax error by its line, with advice for common mistakes."""
    before = error.doc[: error.pos].rstrip()
    if before.endswith(",") and error.doc[error.pos : error.pos + 1] in ("}", "]"):
        line = before.count("\n") + 1
        return f"line {line} ends in a comma, and nothing comes after it. Delete the comma."
    advice = "Correct that line."
    if "escape" in error.msg:
        advice = "Write each backslash of a path twice, or / in its place."
    return f"line {error.lineno}, column {error.colno}: {error.msg}. {advice}"


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
        write_atomically(path, json.dumps(stored, indent=2, sort_keys=True) + "\n", private=True)
    except OSError as error:
        raise ConfigError(f"The config file {path} cannot be written ({error}).") from error
    return path


def save_changes(settings: Settings, changes: Mapping[str, str]) -> None:
    """Create the data directory of changed settings, and save the changes if `Settings.are_saved`.

    Parameters
    ----------
    settings : Settings
        The settings after the change, from `Settings.changed`.
    changes : mapping of str to str
        An empty value restores the default.

    Raises
    ------
    ConfigError
        When the data directory cannot be created or the config file cannot be written.
    """
    if changes.get("data_dir") and settings.data_dir is not None:
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise ConfigError(
                f"{settings.data_dir} cannot be created ({getattr(error, 'strerror', error)}). "
                "Choose another folder."
            ) from error
    if settings.are_saved:
        write_config(**{n: getattr(settings, n) if v else None for n, v in changes.items()})


def dataset_initialize(data_dir: str | os.PathLike[str]) -> Path:
    """Save the data directory as a setting, create it if needed, and return it.

    The config file stores it; ``LAION_FMRI_DATA_DIR`` overrides it.

    Raises
    ------
    ConfigError
        When the directory cannot be created, is a file, or cannot be saved as a setting.
    """
    path = _absolute(data_dir)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{path} cannot be used as data directory ({reason}). Choose another."
        ) from error
    write_config(data_dir=path)
    return path


set_data_dir = dataset_initialize


def _absolute(path: str | os.PathLike[str]) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except (RuntimeError, TypeError) as error:  # no such user's home; no path at all
        raise ConfigError(f"{path!r} is no usable path ({error}). Choose another.") from error


def get_data_dir() -> Path:
    """Return the current data directory.

    Raises
    ------
    DataDirNotSetError
        When none is set, or it does not exist.
    """
    return load_settings().require_data_dir()
