"""The users of a shared server: names and passwords, from a file or the environment.

The file is a JSON object of passwords by user, in the format of Panel's basic login. A password
may be stored in plain text or, better, as returned by `hash_password`.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import hmac
import json
import os
import secrets
import stat
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from laion_fmri._errors import ConfigError
from laion_fmri.atomic_write import write_atomically

VARIABLE = "LAION_FMRI_USERS"
"""The environment variable that may contain the JSON itself."""

SHORTEST = 8  # characters
_SCHEME = "scrypt"
_COST = {"n": 1 << 14, "r": 8, "p": 1}
_NOBODY = "$".join((_SCHEME, "AAAA", "AAAA"))  # compared with when the user is unknown
_FREE_TRIES = 5
_LONGEST_WAIT = 300.0  # seconds
_MOST_NAMES = 1000  # for which failures are remembered


class Accounts:
    """Users and their passwords; the file is read again when it changes.

    Parameters
    ----------
    path : Path, optional
        A file that only its owner can read.
    users : mapping of str to str, optional
        Used instead of a file.

    Raises
    ------
    ConfigError
        If the file cannot be used.
    """

    def __init__(self, path: Path | None = None, users: Mapping[str, str] | None = None) -> None:
        self._path = path
        self._users = dict(users or {})
        self._state: tuple[int, int] | None = None
        self._failures: dict[tuple[str, str], tuple[int, float]] = {}
        self._lock = threading.Lock()
        if path is not None:
            self._read()
        if not self._users:
            raise ConfigError("There is no user that could log in. Add one with `laion-fmri user`.")

    def __contains__(self, user: object) -> bool:
        return user in self._current()

    def check(self, user: str, password: str, came_from: str = "") -> bool:
        """Whether this is the user's password.

        After several wrong passwords from the same place, all are refused for a while, with a
        growing delay.
        """
        now = time.monotonic()
        who = (user, came_from)
        with self._lock:
            n_wrong, until = self._failures.get(who, (0, 0.0))
        if now < until:
            return False
        is_right = matches(password, self._current().get(user, _NOBODY))
        with self._lock:
            self._failures.pop(who, None)
            if not is_right:
                wait = min(2.0 ** (n_wrong + 1 - _FREE_TRIES), _LONGEST_WAIT)
                is_free = n_wrong + 1 < _FREE_TRIES
                self._failures[who] = (n_wrong + 1, now if is_free else now + wait)
                while len(self._failures) > _MOST_NAMES:
                    del self._failures[next(iter(self._failures))]
        return is_right

    def _current(self) -> Mapping[str, str]:
        if self._path is not None:
            try:
                self._read()
            except ConfigError:  # being written, or damaged: keep the known users
                return self._users
        return self._users

    def _read(self) -> None:
        assert self._path is not None
        try:
            found = self._path.stat()
        except OSError as error:
            raise _unusable(self._path, str(error.strerror)) from error
        state = (found.st_mtime_ns, found.st_size)
        if state == self._state:
            return
        require_private(self._path)
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable(self._path, str(error)) from error
        self._users, self._state = parse_users(text, str(self._path)), state


def accounts_from(path: Path | None) -> Accounts | None:
    """Return the accounts of a file, or of ``LAION_FMRI_USERS``, which is removed.

    None if there is neither. Child processes do not inherit the variable.

    Raises
    ------
    ConfigError
    """
    text = os.environ.pop(VARIABLE, "")
    if path is not None:
        return Accounts(path)
    return Accounts(users=parse_users(text, VARIABLE)) if text else None


def parse_users(text: str, where: str) -> dict[str, str]:
    """Parse passwords by user from JSON.

    Raises
    ------
    ConfigError
        If the JSON is invalid. The message reveals none of its contents.
    """
    try:
        users = json.loads(text)
    except ValueError:
        users = None
    if not isinstance(users, dict) or not all(
        isinstance(value, str) and name and value for name, value in users.items()
    ):
        raise ConfigError(
            f'{where} does not hold passwords by user ({{"alice": "…"}}). Write it with '
            "`laion-fmri user`."
        )
    if "guest" in users:
        raise ConfigError(f'{where} has a user "guest", which Panel keeps for itself. Rename it.')
    return users


def add_user(path: Path, user: str, password: str) -> None:
    """Add a user to the file, or change the user's password; creates the file if necessary.

    Raises
    ------
    ConfigError
        If the name or the password is invalid, or the file cannot be used.
    """
    if not user or user == "guest" or user != user.strip() or not user.isprintable():
        raise ConfigError(f"{user!r} cannot be the name of a user. Choose another.")
    if len(password) < SHORTEST:
        raise ConfigError(f"A password needs {SHORTEST} characters or more.")
    users: dict[str, str] = {}
    if path.exists():
        require_private(path)
        users = parse_users(path.read_text(encoding="utf-8"), str(path))
    try:
        text = json.dumps({**users, user: hash_password(password)}, indent=2)
        write_atomically(path, text, private=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}).") from error


def ask_for_password(user: str) -> str:
    """Read a password, typed twice without echo; one line of stdin if there is no terminal.

    Raises
    ------
    ConfigError
        If the two differ.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass(f"Password of {user}: ")
    if getpass.getpass("Again: ") != password:
        raise ConfigError("The two passwords differ. Nothing was written.")
    return password


def require_private(path: Path) -> None:
    """Refuse a file of secrets that others can read.

    Raises
    ------
    ConfigError
    """
    mode = path.stat().st_mode
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"Others can read {path}. Run `chmod 600 {path}` first.")


def hash_password(password: str) -> str:
    """Hash a password for storage: ``scrypt$salt$key``, from which it cannot be recovered."""
    salt = secrets.token_bytes(16)
    return "$".join((_SCHEME, _text(salt), _text(_derived(password, salt))))


def matches(password: str, kept: str) -> bool:
    """Whether a password matches the stored one, compared in constant time."""
    scheme, _, rest = kept.partition("$")
    salt, _, key = rest.partition("$")
    if scheme == _SCHEME and salt and key:
        try:
            derived = _text(_derived(password, base64.b64decode(salt)))
        except ValueError:  # not base64: damaged
            return False
        return hmac.compare_digest(derived, key)
    return hmac.compare_digest(password.encode(), kept.encode())


def _derived(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, dklen=32, **_COST)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unusable(path: Path, reason: str) -> ConfigError:
    return ConfigError(f"The users cannot be read from {path} ({reason}).")
