"""How a server may be started, and who is who on it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from laion_fmri._errors import ConfigError, NotAllowedError
from laion_fmri.cli import main
from laion_fmri.explorer.runtime.host_check import (
    host_of,
    is_from_this_machine,
    is_loopback,
    origins_of_process,
)
from laion_fmri.explorer.runtime.visitor import NO_LOGIN, OWNER, Policy, Visitor, visitor_of_page
from laion_fmri.explorer.server.accounts import (
    VARIABLE,
    Accounts,
    accounts_from,
    add_user,
    hash_password,
    matches,
    parse_users,
)
from laion_fmri.explorer.server.headers import careful_cookie, content_policy
from laion_fmri.explorer.server.options import (
    Login,
    ServingOptions,
    admitted_origins,
    cookie_secret,
    read_login,
    require_safe,
)

PASSWORD = "correct horse"
LOGIN = Login(Accounts(users={"olga": PASSWORD, "victor": PASSWORD}))


@pytest.fixture(autouse=True)
def no_bokeh_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("BOKEH_ALLOW_WS_ORIGIN", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)


# --- what may be served ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "login", "add"),
    [
        (ServingOptions(address="0.0.0.0"), Login(), ["--allow-origin", "--password-file"]),
        (ServingOptions(address="0.0.0.0"), LOGIN, ["--allow-origin"]),
        (
            ServingOptions(address="192.168.1.7", origins=("lab:5006",)),
            Login(),
            ["--password-file"],
        ),
        (ServingOptions(origins=("https://example.org",)), Login(), ["--password-file"]),
        (ServingOptions(address="::"), Login(), ["--allow-origin", "--password-file"]),
    ],
)
def test_beyond_loopback_an_origin_and_a_login_are_asked_for(options, login, add):
    with pytest.raises(ConfigError) as refused:
        require_safe(options, login)
    said = str(refused.value)
    assert "\n" not in said and "--insecure" in said
    assert all(flag in said for flag in add)
    if login:
        assert "--password-file" not in said


def test_the_command_line_refuses_in_one_line(capsys: pytest.CaptureFixture):
    assert main(["explore", "--no-browser", "--address", "0.0.0.0"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "--allow-origin" in said and "--password-file" in said


def test_an_origin_that_bokehs_own_variable_admits_counts(monkeypatch: pytest.MonkeyPatch):
    assert not ServingOptions().is_shared
    monkeypatch.setenv("BOKEH_ALLOW_WS_ORIGIN", "example.org")
    assert ServingOptions().is_shared
    with pytest.raises(ConfigError, match="password-file"):
        require_safe(ServingOptions(origins=("localhost:5006",)), Login())


@pytest.mark.parametrize(
    "options",
    [
        ServingOptions(owner="olga"),
        ServingOptions(origins=("*",)),
        ServingOptions(origins=("https://",)),
        ServingOptions(prefix="explorer"),
        ServingOptions(prefix="/../x"),
        ServingOptions(prefix="/a(b"),
    ],
)
def test_what_makes_no_sense_is_refused(options: ServingOptions):
    with pytest.raises(ConfigError):
        require_safe(options, Login())


def test_an_owner_must_be_able_to_log_in():
    with pytest.raises(ConfigError, match="not among"):
        require_safe(ServingOptions(owner="nobody"), LOGIN)
    assert require_safe(ServingOptions(owner="olga"), LOGIN).owner == "olga"


def test_said_out_loud_it_is_served_without_a_login():
    options = ServingOptions(address="0.0.0.0", is_insecure=True)
    policy = require_safe(options, Login())
    assert admitted_origins(options, 5006) == ["*"]
    visitor = policy.visitor(None)
    assert visitor.banner == NO_LOGIN and not visitor.may_act and not visitor.sees_images


def test_pages_of_these_origins_are_admitted():
    assert admitted_origins(ServingOptions(), 5006) == ["127.0.0.1:5006", "localhost:5006"]
    given = ServingOptions(address="0.0.0.0", origins=("https://example.org/", "lab:80"))
    assert admitted_origins(given, 5006) == ["example.org", "lab:80"]
    assert not given.is_https
    assert ServingOptions(origins=("https://example.org",)).is_https


def test_oauth_names_who_may_come_in(monkeypatch: pytest.MonkeyPatch):
    for name in ("PANEL_OAUTH_KEY", "PANEL_OAUTH_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="PANEL_OAUTH_KEY"):
        read_login(ServingOptions(oauth="github"))
    monkeypatch.setenv("PANEL_OAUTH_KEY", "key")
    monkeypatch.setenv("PANEL_OAUTH_SECRET", "secret")
    with pytest.raises(ConfigError, match="--allow-user"):
        read_login(ServingOptions(oauth="github"))
    with pytest.raises(ConfigError, match="no OAuth provider"):
        read_login(ServingOptions(oauth="nowhere", users=("olga",)))
    login = read_login(ServingOptions(oauth="github", users=("olga",)))
    assert login.oauth == {"oauth_provider": "github", "oauth_key": "key", "oauth_secret": "secret"}
    with pytest.raises(ConfigError, match="--allow-user"):
        read_login(ServingOptions(users=("olga",)))


# --- who is who -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "user", "may_act", "sees_images"),
    [
        (Policy(), None, True, True),
        (Policy(is_shared=True), None, False, False),
        (Policy(is_shared=True, shares_images=True), None, False, True),
        (Policy(is_shared=True, owner="olga"), "olga", False, False),  # there is no login
        (Policy(True, True, "olga"), "olga", True, True),
        (Policy(True, True, "olga"), "victor", False, False),
        (Policy(True, True, "olga"), None, False, False),
        (Policy(True, True, "olga", shares_images=True), "victor", False, True),
        (Policy(True, True), "", False, False),
        (Policy(False, True, "olga"), "victor", False, False),
    ],
)
def test_only_the_named_owner_may_act(policy, user, may_act, sees_images):
    visitor = policy.visitor(user)
    assert (visitor.may_act, visitor.sees_images) == (may_act, sees_images)
    assert bool(visitor.banner) == (policy.is_shared and not policy.has_login)


def test_a_refusal_says_who_may():
    with pytest.raises(NotAllowedError, match=r"owner of this server \(olga\)"):
        Visitor(may_act=False, owner="olga").require_owner("Downloading")
    with pytest.raises(NotAllowedError, match="which has none"):
        Visitor(may_act=False).require_owner("Downloading")
    OWNER.require_owner("Downloading")
    OWNER.require_images()


def asks(ip: str = "127.0.0.1", host: str = "localhost:5006", **headers: str) -> bool:
    request = SimpleNamespace(remote_ip=ip, headers={"Host": host, **headers})
    return is_from_this_machine(request)


def test_under_panel_serve_only_this_machine_is_the_owners():
    assert asks() and asks("::1", "[::1]:5006") and asks(host="127.0.0.1:80")
    assert not asks(ip="192.168.1.7")
    assert not asks(host="example.org")
    assert not asks(host="localhost.example.org")
    assert not asks(**{"X-Forwarded-For": "10.0.0.1"})
    assert not asks(**{"x-real-ip": "127.0.0.1"})
    assert not asks(ip="") and not asks(host="")
    assert not is_from_this_machine(None)
    assert not is_from_this_machine(SimpleNamespace())


def test_under_panel_serveorigins_of_process_are_known(monkeypatch: pytest.MonkeyPatch):
    line = ["panel", "serve", "x.py", "--allow-websocket-origin", "lab:80", "--port=1",
            "--allow-websocket-origin=*"]  # fmt: skip
    assert origins_of_process(line) == ["lab:80", "*"]
    monkeypatch.setenv("BOKEH_ALLOW_WS_ORIGIN", "a.example.org,b.example.org")
    assert {"a.example.org", "b.example.org"} <= set(origins_of_process([]))
    assert origins_of_process(["--allow-websocket-origin"])[-1] == ""


def test_loopback_is_told_by_address_and_name():
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "LocalHost")))
    others = ("0.0.0.0", "", "*", "10.0.0.1", "127.0.0.1.example.org", None, 5)
    assert not any(map(is_loopback, others))
    assert host_of("https://example.org:8443/x") == "example.org"
    assert host_of("[::1]:80") == "::1" and host_of("http://[bad") == ""


def test_outside_a_server_everybody_is_the_owner():
    assert visitor_of_page() is OWNER


# --- users ----------------------------------------------------------------------------------


def test_users_are_written_so_that_nobody_reads_a_password(tmp_path: Path):
    path = tmp_path / "lab" / "users.json"
    add_user(path, "olga", PASSWORD)
    add_user(path, "victor", "something else")
    assert os.name != "posix" or path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in path.read_text(encoding="utf-8")
    accounts = Accounts(path)
    assert accounts.check("olga", PASSWORD) and not accounts.check("victor", PASSWORD)
    assert "olga" in accounts and "nobody" not in accounts
    assert not accounts.check("nobody", PASSWORD)


def test_a_file_as_panel_reads_it_serves_as_well(tmp_path: Path):
    path = tmp_path / "users.json"
    path.write_text(json.dumps({"olga": PASSWORD}), encoding="utf-8")
    path.chmod(0o600)
    assert Accounts(path).check("olga", PASSWORD)
    assert not Accounts(path).check("olga", "")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_that_others_can_read_is_refused(tmp_path: Path):
    path = tmp_path / "users.json"
    path.write_text(json.dumps({"olga": PASSWORD}), encoding="utf-8")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        Accounts(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": 1}', '{"": "x"}', '{"guest": "x"}', "{"])
def test_what_holds_no_users_is_refused_without_repeating_it(text: str):
    with pytest.raises(ConfigError):
        Accounts(users=parse_users(text, VARIABLE))


def test_users_of_the_environment_are_taken_out_of_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, json.dumps({"olga": hash_password(PASSWORD)}))
    accounts = accounts_from(None)
    assert accounts is not None and accounts.check("olga", PASSWORD)
    assert VARIABLE not in os.environ
    assert accounts_from(None) is None


def test_wrong_passwords_are_slowed_down(monkeypatch: pytest.MonkeyPatch):
    accounts, now = Accounts(users={"olga": PASSWORD}), [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for _ in range(5):
        assert not accounts.check("olga", "wrong", "10.0.0.1")
    assert not accounts.check("olga", PASSWORD, "10.0.0.1")  # not even looked at
    assert accounts.check("olga", PASSWORD, "10.0.0.2")  # who is elsewhere is not locked out
    now[0] += 400
    assert accounts.check("olga", PASSWORD, "10.0.0.1")


def test_damaged_hashes_match_nothing():
    for kept in ("scrypt$", "scrypt$x", "scrypt$$", "scrypt$x$y", "scrypt$%%%$abc"):
        assert not matches("", kept) and not matches("x", kept)
    assert matches("x", hash_password("x")) and not matches("y", hash_password("x"))


def test_the_command_writes_a_user(tmp_path, monkeypatch, capsys):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert main(["user", "olga", "--file", str(tmp_path / "users.json")]) == 0
    assert Accounts(tmp_path / "users.json").check("olga", PASSWORD)
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(["user", "olga", "--file", str(tmp_path / "users.json")]) == 1
    assert "8 characters" in capsys.readouterr().err


def test_the_cookie_secret_stays_and_is_private():
    secret = cookie_secret()
    assert len(secret) == 64 and cookie_secret() == secret


# --- headers --------------------------------------------------------------------------------


def test_cookies_are_mended():
    mended = careful_cookie("a=1; Path=/", False)
    assert "HttpOnly" in mended and "SameSite=Lax" in mended and "Secure" not in mended
    assert "Secure" in careful_cookie("a=1; Path=/", True)
    assert "SameSite=Strict" in careful_cookie("a=1; SameSite=Strict", False)
    signed = "user=2|1:0|10:1|4:user|8:dmljdG9y|b54f; expires=Sun, 22 Nov 2026 14:10:58 GMT; Path=/"
    assert careful_cookie(signed, True).startswith("user=2|1:0|10:1|4:user|8:dmljdG9y|b54f;")


def test_pages_connect_to_the_server_alone():
    assert "ws://lab:5006 wss://lab:5006" in content_policy(["lab:5006"])
    assert "http:" not in content_policy() and "https:" not in content_policy()
