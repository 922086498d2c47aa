"""How the explorer is to be served, checked before anything listens."""

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
from laion_fmri.config import config_file, write_atomically
from laion_fmri.explorer.accounts import VARIABLE, Accounts, accounts_from, require_private
from laion_fmri.explorer.roles import Policy
from laion_fmri.explorer.session_role import host_of, is_loopback, only_local

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
    """Where the explorer is served and who may come in.

    Attributes
    ----------
    address : str
        What is listened on.
    port : int
        0 takes a free one.
    origins : tuple of str
        How browsers reach the server, where that is another name than its address:
        ``"https://example.org"``, ``"example.org:5006"``.
    password_file : Path or None
        Users and their passwords; see `laion_fmri.explorer.accounts`.
    oauth : str
        A provider of Panel's OAuth login; its key and secret are in the environment.
    users : tuple of str
        Who may come in by OAuth.
    owner : str
        The user who may download, delete and change settings.
    is_insecure : bool
        Served to others with no login, which was said out loud.
    shares_images : bool
        It was stated that all users are covered by the agreement.
    prefix : str
        Of every address, behind a proxy: ``"/explorer"``.
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
        """Whether others than whoever sits at this machine can reach the server.

        A proxy on this machine makes it so, whatever the address; so does an origin that
        Bokeh's own environment variable admits.
        """
        from bokeh.settings import settings

        admitted = [*self.origins, *(settings.allowed_ws_origin() or [])]
        return not is_loopback(self.address) or not only_local(admitted)

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the server by https alone."""
        return bool(self.origins) and all(o.startswith("https://") for o in self.origins)


@dataclass(frozen=True)
class Login:
    """Who lets users in.

    Attributes
    ----------
    accounts : Accounts or None
    oauth : mapping
        What `panel.serve` is to know of the OAuth provider; empty without one.
    """

    accounts: Accounts | None = None
    oauth: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.accounts is not None or bool(self.oauth)


def read_login(options: ServingOptions) -> Login:
    """Who lets users in, from the options, files and the environment.

    Raises
    ------
    ConfigError
        When both kinds of login are asked for, or one cannot be used.
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
    """Who is who on this server, when it may be served as it is asked for.

    Raises
    ------
    ConfigError
        In one line what to add, when it may not.
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
    """Host and port of every page whose websocket the server takes.

    Parameters
    ----------
    options : ServingOptions
    port : int
        The one that is listened on.
    """
    if options.origins:
        return [origin.rpartition("//")[2].rstrip("/") for origin in options.origins]
    if options.is_shared and options.address in ("0.0.0.0", "::", ""):
        return ["*"]
    host = f"[{options.address}]" if ":" in options.address else options.address
    local = ["localhost"] if is_loopback(options.address) else []
    return [f"{name}:{port}" for name in dict.fromkeys([host, *local])]


def cookie_secret() -> str:
    """What cookies are signed with: kept where only this user reads it, so that a server that is
    started again knows its users.

    Where nothing can be kept it is another one each time.

    Raises
    ------
    ConfigError
        When others can read what is kept.
    """
    path = config_file().with_name("cookie_secret")
    if path.is_file():
        require_private(path)
        kept = path.read_text(encoding="utf-8").strip()
        if _SECRET.fullmatch(kept):
            return kept
    secret = secrets.token_hex(32)
    try:
        write_atomically(path, secret + "\n")
    except OSError:  # users log in again after the next start
        return secret
    return secret
