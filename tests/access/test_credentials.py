"""The request id on disk: the owner's alone, at every moment."""

from __future__ import annotations

import json
import os
import stat
import threading

import pytest

from laion_fmri import config
from laion_fmri._errors import AccessNotFoundError, ConfigError
from laion_fmri.access.credentials import (
    ENVIRONMENT,
    credentials_file,
    forget_credentials,
    load_credentials,
    require_credentials,
    save_credentials,
    server_address,
)
from laion_fmri.access.secret import RequestId

HERE, THERE = "https://example.org", "https://example.com"
ID, OTHER_ID = RequestId("lfm_0123456789abcdef3f"), RequestId("lfm_fedcba98765432104a")


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_saved_as_published(home):
    path = save_credentials(f"{HERE}/", ID, "ada@example.org")
    assert path == home / ".cache" / "laion-fmri" / "auth.json" == credentials_file()
    stored = json.loads(path.read_text())
    assert list(stored) == ["server_url", "request_id", "email", "saved_at"]
    assert stored["server_url"] == HERE and stored["request_id"] == ID.reveal()
    assert mode(path) == 0o600 and mode(path.parent) == 0o700
    found = load_credentials(HERE)
    assert found is not None
    assert (found.request_id, found.email, found.source) == (ID, "ada@example.org", "file")
    assert [p.name for p in path.parent.iterdir()] == ["auth.json"]


def test_nobody_else_can_read_it_at_any_moment(home, monkeypatch):
    seen = set()
    replace = config.Path.replace

    def looked_at(self, target):
        seen.add(mode(self))
        return replace(self, target)

    monkeypatch.setattr(config.Path, "replace", looked_at)
    before = os.umask(0)
    try:
        path = save_credentials(HERE, ID)
    finally:
        os.umask(before)
    assert seen == {0o600} and mode(path) == 0o600 and mode(path.parent) == 0o700


def test_readers_never_meet_half_a_file(home):
    save_credentials(HERE, ID)
    over = threading.Event()

    def save() -> None:
        while not over.is_set():
            save_credentials(HERE, ID)

    thread = threading.Thread(target=save)
    thread.start()
    try:
        for _ in range(200):
            assert load_credentials(HERE).request_id == ID
    finally:
        over.set()
        thread.join()


def test_the_environment_wins(monkeypatch):
    save_credentials(HERE, ID)
    monkeypatch.setenv(ENVIRONMENT, f" {OTHER_ID.reveal()}\n")
    found = load_credentials(HERE)
    assert (found.request_id, found.source) == (OTHER_ID, "environment")
    monkeypatch.setenv(ENVIRONMENT, "has spaces 1234")
    with pytest.raises(ConfigError, match=ENVIRONMENT) as caught:
        load_credentials(HERE)
    assert "1234" not in str(caught.value)


def test_an_id_is_for_its_own_service():
    save_credentials(HERE, ID)
    assert load_credentials(THERE) is None
    assert load_credentials("http://example.org") is None
    with pytest.raises(
        AccessNotFoundError, match=f"request id is for {HERE}.*request-access"
    ) as caught:
        require_credentials(THERE)
    assert "\n" not in str(caught.value)


def test_another_service_does_not_cost_the_first_ones_id():
    save_credentials(HERE, ID, "ada@example.org")
    save_credentials(THERE, OTHER_ID)
    assert json.loads(credentials_file().read_text())["server_url"] == THERE
    assert load_credentials(HERE).request_id == ID
    assert load_credentials(THERE).request_id == OTHER_ID
    assert {mode(p) for p in credentials_file().parent.iterdir()} == {0o600}
    save_credentials(HERE, OTHER_ID)
    assert load_credentials(HERE).request_id == OTHER_ID
    assert forget_credentials(HERE) and not forget_credentials(HERE)
    assert load_credentials(HERE) is None
    assert load_credentials(THERE).request_id == OTHER_ID


def test_services_on_this_machine_do_not_pile_up():
    save_credentials(HERE, ID)
    for port in (4001, 4002, 4003):
        save_credentials(f"http://127.0.0.1:{port}", OTHER_ID)
    assert len(list(credentials_file().parent.iterdir())) == 2
    assert load_credentials(HERE).request_id == ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"server_url": "https://example.org"}',
        '{"server_url": "https://example.org", "request_id": 3}',
        '{"server_url": "https://example.org", "request_id": "lfm_a b", "email": ""}',
        '{"server_url": "ftp://example.org", "request_id": "lfm_ab", "email": ""}',
        '{"server_url": "https://example.org", "request_id": "lfm_ab", "email": 3}',
        "[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(text):
    path = credentials_file()
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"auth\.json.*damaged.*logout.*login") as caught:
        load_credentials(HERE)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    save_credentials(HERE, ID)
    assert load_credentials(HERE).request_id == ID
    path.write_bytes(b"{")
    assert forget_credentials(THERE)
    assert not path.exists()


def test_a_file_that_others_can_read_is_closed_and_named():
    path = save_credentials(HERE, ID)
    path.chmod(0o644)
    with pytest.warns(UserWarning, match="could be read by other users") as told:
        assert load_credentials(HERE).request_id == ID
    assert ID.reveal() not in str(told[0].message)
    assert mode(path) == 0o600
    path.parent.chmod(0o755)
    save_credentials(HERE, ID)
    assert mode(path.parent) == 0o700


def test_places_that_cannot_hold_it(home, monkeypatch):
    (home / ".cache").write_text("in the way")
    with pytest.raises(ConfigError, match=f"cannot be stored.*{ENVIRONMENT}"):
        save_credentials(HERE, ID)
    (home / ".cache").unlink()
    credentials_file().mkdir(parents=True)
    with pytest.raises(ConfigError, match="it is a folder"):
        save_credentials(HERE, ID)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_credentials(HERE)
    with pytest.raises(ConfigError, match="cannot be deleted"):
        forget_credentials(HERE)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://example.org/", "https://example.org"),
        ("HTTPS://Example.ORG:443", "https://example.org"),
        ("http://127.0.0.1:8080/base/", "http://127.0.0.1:8080/base"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_one_spelling_of_an_address(given, expected):
    assert server_address(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "",
        "example.org",
        "ftp://example.org",
        "https://",
        "https://me:secret@example.org",
        "https://example.org?request_id=lfm_1",
        "https://example.org/#a",
        "http://example.org:port",
        "http://[::1",
        "http://example.org/\n",
        "http://exa\x00mple.org",
    ],
)
def test_addresses_that_are_none(given):
    with pytest.raises(ConfigError, match="LAION_FMRI_ACCESS_URL") as caught:
        server_address(given)
    assert "secret" not in str(caught.value)


def test_what_is_shown_of_an_id():
    assert str(ID) == "lfm_…3f" and repr(ID) == "<RequestId lfm_…3f>"
    assert str(RequestId("lfm_short1")) == "…"
    assert str(RequestId("0123456789abcdef")) == "…ef"
    assert f"{ID}" == "lfm_…3f" and ID != OTHER_ID and hash(ID) == hash(RequestId(ID.reveal()))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_that_an_editor_saved_again_is_read(encoding):
    path = save_credentials("https://a.example.org", RequestId("lfm_0123456789"), "ä@a.org")
    path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    found = load_credentials("https://a.example.org")
    assert found.request_id == RequestId("lfm_0123456789")
    assert found.email == "ä@a.org"


def test_a_file_that_cannot_be_read_is_not_called_damaged():
    credentials_file().mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"cannot be read \(.*Check who may read it") as said:
        load_credentials("https://a.example.org")
    assert "delete" not in str(said.value)
