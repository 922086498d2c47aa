"""The options for serving the explorer, checked before the server listens."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from laion_fmri._errors import ConfigError
from laion_fmri.atomic_write import write_atomically
from laion_fmri.config import config_file
from laion_fmri.explorer.runtime.host_check import host_of, is_loopback, only_local
from laion_fmri.explorer.runtime.visitor import Policy
from laion_fmri.explorer.server.accounts import VARIABLE, Accounts, accounts_from, require_private

LOOPBACK = "127.0.0.1"
_SECRET = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._~-]*)*")
_OAUTH = {
    "oauth_key": "PANEL_OAUTH_KEY",
    "oauth_secret": "PANEL_OAUTH_SECRET",
    "oauth_redirect_uri": "PANEL_OAUTH_REDIRECT_URI",
    "oauth_extra_params": "PANEL_OAUTH_EXTRA_PARAMS",
    "oauth_jwt_user": "PANEL_OAUTH_JWT_USER",
}


@dataclass(frozen=True)
class ServingOptions:
    """Addresses of the server, and who may log in.

    Attributes
    ----------
    address : str
        The address to listen on.
    port : int
        0 selects a free one.
    origins : tuple of str
        Addresses used by browsers, if they differ from `address`: ``"https://example.org"``,
        ``"example.org:5006"``.
    password_file : Path or None
        Users and their passwords; see `laion_fmri.explorer.server.accounts`.
    oauth : str
        A provider of Panel's OAuth login; its key and secret are in the environment.
    users : tuple of str
        Users who may log in by OAuth.
    owner : str
        The user who may download, delete and change settings.
    is_insecure : bool
        Serve others without a login, by explicit request.
    shares_images : bool
        It was declared that all users are covered by the agreement.
    prefix : str
        Prefix of every URL, behind a proxy: ``"/explorer"``.
    """

    address: str = LOOPBACK
    port: int = 5006
    origins: tuple[str, ...] = ()
    password_file: Path | None = None
    oauth: str = ""
    users: tuple[str, ...] = ()
    owner: str = ""
    is_insecure: bool = False
    shares_images: bool = False
    prefix: str = ""

    @property
    def is_shared(self) -> bool:
        """Whether other machines can reach the server.

        This is so behind a proxy on this machine, whatever the address, and with an origin that
        Bokeh's own environment variable accepts.
        """
        from bokeh.settings import settings

        admitted = [*self.origins, *(settings.allowed_ws_origin() or [])]
        return not is_loopback(self.address) or not only_local(admitted)

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the server by https only."""
        return bool(self.origins) and all(o.startswith("https://") for o in self.origins)


@dataclass(frozen=True)
class Login:
    """The login method.

    Attributes
    ----------
    accounts : Accounts or None
    oauth : mapping
        OAuth options of `panel.serve`; empty without a provider.
    """

    accounts: Accounts | None = None
    oauth: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.accounts is not None or bool(self.oauth)


def read_login(options: ServingOptions) -> Login:
    """Return the login method, from the options, files and the environment.

    Raises
    ------
    ConfigError
        If both kinds of login are requested, or one cannot be used.
    """
    accounts = accounts_from(options.password_file)
    if not options.oauth:
        if options.users:
            raise ConfigError("--allow-user goes with --oauth. Leave it out, or add --oauth.")
        return Login(accounts)
    if accounts is not None:
        raise ConfigError(f"Use --oauth or users with passwords ({VARIABLE}), not both.")
    return Login(oauth=_oauth_settings(options))


def _oauth_settings(options: ServingOptions) -> dict[str, Any]:
    from panel.auth import AUTH_PROVIDERS

    known = sorted(set(AUTH_PROVIDERS) - {"basic", "pam", "password"})
    if options.oauth not in known:
        raise ConfigError(
            f"Panel has no OAuth provider {options.oauth!r}. It has: {', '.join(known)}."
        )
    found: dict[str, Any] = {
        name: os.environ[variable] for name, variable in _OAUTH.items() if os.environ.get(variable)
    }
    for name in ("oauth_key", "oauth_secret"):
        if name not in found:
            raise ConfigError(f"--oauth needs {_OAUTH[name]} in the environment.")
    if not options.users:
        raise ConfigError(
            f"Anybody with an account at {options.oauth} could come in. Name who may, with "
            "--allow-user USER for each."
        )
    if "oauth_extra_params" in found:
        try:
            found["oauth_extra_params"] = dict(json.loads(found["oauth_extra_params"]))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{_OAUTH['oauth_extra_params']} is no JSON object.") from error
    return {"oauth_provider": options.oauth, **found}


def require_safe(options: ServingOptions, login: Login) -> Policy:
    """Return the rights of users on this server, if it is safe to serve with these options.

    Raises
    ------
    ConfigError
        If it is not; the message is one line that says what to add.
    """
    for origin in options.origins:
        if origin != "*" and not host_of(origin):
            raise ConfigError(f"{origin!r} is no origin. Write it as https://example.org.")
    if not _PREFIX.fullmatch(options.prefix):
        raise ConfigError(f"{options.prefix!r} is no prefix. Write it as /explorer.")
    if "*" in options.origins and not options.is_insecure:
        raise ConfigError(
            "--allow-origin '*' would let any site use a visitor's login. Name the origin."
        )
    lacking = []
    if options.is_shared and not options.is_insecure:
        if not options.origins:
            lacking.append("--allow-origin ORIGIN (how browsers reach it)")
        if not login:
            lacking.append("a login (--password-file FILE or --oauth PROVIDER)")
    if lacking:
        is_near = is_loopback(options.address)
        how = "Open to other origins than this machine's" if is_near else "At " + options.address
        raise ConfigError(
            f"{how}, others can reach the explorer. Add {' and '.join(lacking)}, or say --insecure."
        )
    if options.owner:
        _require_owner_can_log_in(options, login)
    return Policy(options.is_shared, bool(login), options.owner, options.shares_images)


def _require_owner_can_log_in(options: ServingOptions, login: Login) -> None:
    if not login:
        raise ConfigError("--owner names a user, but there is no login. Add --password-file FILE.")
    known = options.owner in (login.accounts if login.accounts is not None else options.users)
    if not known:
        raise ConfigError(f"The owner {options.owner!r} is not among the users who can log in.")


def admitted_origins(options: ServingOptions, port: int) -> list[str]:
    """Return host and port of every page whose websocket the server accepts.

    Parameters
    ----------
    options : ServingOptions
    port : int
        The port that the server listens on.
    """
    if options.origins:
        return [origin.rpartition("//")[2].rstrip("/") for origin in options.origins]
    if options.is_shared and options.address in ("0.0.0.0", "::", ""):
        return ["*"]
    host = f"[{options.address}]" if ":" in options.address else options.address
    local = ["localhost"] if is_loopback(options.address) else []
    return [f"{name}:{port}" for name in dict.fromkeys([host, *local])]


def cookie_secret() -> str:
    """Return the key that signs cookies, stored in a file that only this user can read.

    A restarted server thus recognizes its users. If nothing can be stored, the key is new each
    time.

    Raises
    ------
    ConfigError
        If others can read the file.
    """
    path = config_file().with_name("cookie_secret")
    if path.is_file():
        require_private(path)
        kept = path.read_text(encoding="utf-8").strip()
        if _SECRET.fullmatch(kept):
            return kept
    secret = secrets.token_hex(32)
    try:
        write_atomically(path, secret + "\n", private=True)
    except OSError:  # users log in again after a restart
        return secret
    return secret
