"""The request id on this machine: ``~/.cache/laion-fmri/auth.json``, readable by its owner only.

The file holds the request id of one access service. Saving the request id of another service (a
lab's own, a test's) moves the first one to a file next to it.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import stat
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from laion_fmri._errors import AccessNotFoundError, ConfigError, InvalidArgumentError
from laion_fmri.access.secret import RequestId
from laion_fmri.atomic_write import write_atomically
from laion_fmri.config import read_json

ENVIRONMENT = "LAION_FMRI_REQUEST_ID"
HOW_TO_GET_ACCESS = (
    "Accept the data use agreement with `laion-fmri request-access` or "
    "laion_fmri.access.request_stimulus_access(…); if you have a request id already, "
    "`laion-fmri login`."
)
_WRITE_ANEW = "Run `laion-fmri logout` to delete it, or `laion-fmri login` to write it anew."
_FIELDS = ("server_url", "request_id", "email", "saved_at")
_ONLY_OWNER, _ONLY_OWNERS_FOLDER = 0o600, 0o700
_PORTS = {"http": 80, "https": 443}
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Credentials:
    """The request id of one access service.

    Attributes
    ----------
    server_url : str
        Address of the only service that receives the request id.
    request_id : RequestId
    email : str
        E-mail address of the holder; empty when unknown.
    saved_at : str
        ISO 8601; empty for a request id from the environment.
    source : {"environment", "file"}
    """

    server_url: str
    request_id: RequestId
    email: str = ""
    saved_at: str = ""
    source: str = "file"


def server_address(access_url: str) -> str:
    """Normalize the address of an access service: no trailing slash, no default port.

    Raises
    ------
    ConfigError
        When it is not a plain ``http://`` or ``https://`` address.
    """
    try:
        parts = urlsplit(access_url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:  # for example, a port that is not a number
        parts, host, port = urlsplit(""), None, None
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if parts.scheme not in _PORTS or not host or not is_plain or not access_url.isprintable():
        raise ConfigError(
            "The address of the access service must look like https://example.org (set it with "
            "LAION_FMRI_ACCESS_URL)."
        )
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS[parts.scheme]:
        place += f":{port}"
    return f"{parts.scheme}://{place}{parts.path.rstrip('/')}"


def credentials_file() -> Path:
    """Return the path of ``auth.json``, which need not exist."""
    try:
        return Path.home() / ".cache" / "laion-fmri" / "auth.json"
    except RuntimeError as error:
        raise ConfigError(
            f"There is no home directory to store the request id in. Set {ENVIRONMENT}."
        ) from error


def load_credentials(access_url: str) -> Credentials | None:
    """Load the request id of a service from the environment, or else from the file.

    Returns
    -------
    Credentials or None
        None when there is no request id for this service.

    Raises
    ------
    ConfigError
        When the file is damaged or unreadable, or the environment variable is not a valid request
        id.
    """
    server = server_address(access_url)
    given = os.environ.get(ENVIRONMENT, "").strip()
    if given:
        try:
            return Credentials(server, RequestId(given), source="environment")
        except InvalidArgumentError as error:
            raise ConfigError(f"{ENVIRONMENT}: {error}") from None
    for path in (credentials_file(), _set_aside(server)):
        found = _read(path)
        if found is not None and found.server_url == server:
            return found
    return None


def require_credentials(access_url: str) -> Credentials:
    """Load the request id as `load_credentials` does, and raise an error when there is none.

    Raises
    ------
    AccessNotFoundError
        With instructions on how to get access.
    """
    found = load_credentials(access_url)
    if found is not None:
        return found
    other = _read(credentials_file())
    why = "they are under a data use agreement"
    if other is not None:
        why += f", and the stored request id is for {other.server_url}"
    raise AccessNotFoundError(
        f"The stimulus images of {server_address(access_url)} need a request id: {why}. "
        f"{HOW_TO_GET_ACCESS}"
    )


def save_credentials(access_url: str, request_id: RequestId, email: str = "") -> Path:
    """Store the request id of a service in a file that only its owner can read.

    Raises
    ------
    ConfigError
        When the file cannot be written.
    """
    server, path = server_address(access_url), credentials_file()
    require_place()
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    values = (server, request_id.reveal(), email, now)
    text = json.dumps(dict(zip(_FIELDS, values, strict=True)), indent=2) + "\n"
    try:
        _keep_for_another_server(path, server)
        write_atomically(path, text, private=True)
        _set_aside(server).unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_be_written(path, _reason(error)) from error
    return path


def forget_credentials(access_url: str) -> bool:
    """Delete a service's request id, and a damaged file; return whether there was one.

    Raises
    ------
    ConfigError
        When a file cannot be deleted.
    """
    server, is_forgotten = server_address(access_url), False
    for path in (credentials_file(), _set_aside(server)):
        try:
            found = _read(path)
            if found is None or found.server_url != server:
                continue
        except ConfigError:
            pass  # damaged: useless for every service
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError(f"{path} cannot be deleted ({_reason(error)}).") from error
        is_forgotten = True
    return is_forgotten


def require_place() -> None:
    """Create the folder of the credentials file, before a request id is requested.

    Raises
    ------
    ConfigError
        When the folder cannot be created or written to.
    """
    path = credentials_file()
    try:
        path.parent.mkdir(mode=_ONLY_OWNERS_FOLDER, parents=True, exist_ok=True)
        if path.parent.stat().st_mode & 0o077:
            path.parent.chmod(_ONLY_OWNERS_FOLDER)
    except OSError as error:
        raise _cannot_be_written(path, _reason(error)) from error
    if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise _cannot_be_written(path, "it is a folder" if path.is_dir() else "permission denied")


def _read(path: Path) -> Credentials | None:
    """Read a credentials file; None when there is no file."""
    problem, found, advice = "is damaged", None, _WRITE_ANEW
    try:
        content = path.read_bytes()
        _make_private(path)
        stored = read_json(content)
        server, request_id, email, saved_at = (stored.get(field, "") for field in _FIELDS)
        if isinstance(email, str) and isinstance(saved_at, str):
            found = Credentials(server_address(server), RequestId(request_id), email, saved_at)
    except FileNotFoundError:
        return None
    except OSError as error:
        problem, advice = f"cannot be read ({_reason(error)})", "Check who may read it."
    except (ValueError, AttributeError):
        pass
    if found is None:  # raised outside the handler, so that no chained error holds the file's text
        raise ConfigError(f"The file {path} {problem}. {advice}")
    return found


def _make_private(path: Path) -> None:
    """Make a file readable by its owner only, and warn if others could read it."""
    if os.name != "posix" or not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return
    with suppress(OSError):
        path.chmod(_ONLY_OWNER)
    is_private = not stat.S_IMODE(path.stat().st_mode) & 0o077
    warnings.warn(
        f"{path} could be read by other users of this machine"
        + (" and now cannot any more." if is_private else ": make it yours with chmod 600.")
        + " If someone else may have seen it, ask for a new request id.",
        UserWarning,
        stacklevel=5,
    )


def _set_aside(server: str) -> Path:
    """Return the path of a service's request id while ``auth.json`` holds another service's."""
    name = hashlib.sha256(server.encode()).hexdigest()[:12]
    return credentials_file().with_name(f"auth-{name}.json")


def _keep_for_another_server(path: Path, server: str) -> None:
    try:
        found = _read(path)
    except ConfigError:
        return
    if found is None or found.server_url == server:
        return
    # A local service gets a new port and loses its request ids when it restarts.
    if urlsplit(found.server_url).hostname not in _THIS_MACHINE:
        path.replace(_set_aside(found.server_url))


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _cannot_be_written(path: Path, problem: str) -> ConfigError:
    return ConfigError(
        f"The request id cannot be stored in {path} ({problem}). Make that folder yours, or set "
        f"{ENVIRONMENT} instead."
    )
