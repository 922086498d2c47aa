"""A request id and the links are known here, and looked for in everything that comes out."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import pickle
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest
from form_filler import GIVEN, Person

from laion_fmri._errors import LaionFmriError
from laion_fmri.access import (
    AccessFiles,
    AccessService,
    RequestId,
    load_credentials,
    login,
    logout,
    request_stimulus_access,
    save_credentials,
    stimulus_source,
)
from laion_fmri.access.credentials import credentials_file
from laion_fmri.access.secret import Secret, harmless
from laion_fmri.bucket import Bucket
from laion_fmri.config import Settings
from laion_fmri.http.ranges import HttpPool
from laion_fmri.transfer.engine import run
from laion_fmri.transfer.plan import make_plan

PLANTED = "lfm_" + "".join(sorted("planted0123456789"))
TOKEN = "token-" + "".join(reversed("planted"))
SHA = "ab" * 32


class Outlet:
    """Everything that anyone could see."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def show(self, *things: object) -> None:
        for thing in things:
            self.seen += [str(thing), repr(thing), f"{thing}", f"{thing!s:>80}"]

    def caught(self, error: BaseException) -> None:
        """An error with whatever it hangs on to, shown or not."""
        self.seen += traceback.format_exception(error)
        known: set[int] = set()
        waiting: list[BaseException | None] = [error]
        while waiting:
            one = waiting.pop()
            if one is None or id(one) in known:
                continue
            known.add(id(one))
            self.show(one, one.args, vars(one) if hasattr(one, "__dict__") else "")
            self.seen += traceback.format_exception(one)
            waiting += [one.__cause__, one.__context__]
        if isinstance(error, LaionFmriError):
            self.show(pickle.loads(pickle.dumps(error)))

    def runs(self, call: Callable[[], object]) -> None:
        try:
            self.show(call())
        except LaionFmriError as error:
            self.caught(error)


@pytest.fixture
def outlet(caplog, capfd) -> Iterator[Outlet]:
    outlet = Outlet()
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool", "laion_fmri"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield outlet
    for name in ("urllib3", "urllib3.connectionpool", "laion_fmri"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    outlet.show(*(w.message for w in warned), caplog.text, *capfd.readouterr())
    for record in caplog.records:
        outlet.show(record.msg, record.args, vars(record))
    assert outlet.seen
    for secret in (PLANTED, TOKEN):
        assert [text for text in outlet.seen if secret in text] == []


def read(source: Bucket, key: str) -> bytes:
    with source.open(key) as stream:
        return stream.read(10)


def read_whole(source: Bucket, key: str) -> None:
    with source.open(key) as stream:
        while stream.read(10):
            pass


def replying(scripted, refresh: object, status: int = 200, link_status: int = 200, body=b"abc"):
    """Every call of the service gets `refresh`; every link, `link_status`."""

    def reply(asked: bytes) -> Iterator[bytes]:
        is_call = asked.startswith((b"POST", b"GET /api"))
        told = json.dumps(refresh).encode() if is_call else body
        code = status if is_call else link_status
        yield f"HTTP/1.1 {code} X\r\nConnection: close\r\nContent-Length: {len(told)}\r\n".encode()
        yield f"Location: http://127.0.0.1:9/?{TOKEN}\r\n\r\n".encode() + told

    scripted.reply = reply


def grant_of(url: str) -> dict[str, object]:
    link = {"name": "a.h5", "size": 3, "sha256": SHA, "url": f"{url}/a/{TOKEN}?signature={TOKEN}"}
    return {"request_id": PLANTED, "expires_at": "2030-01-01T00:00:00Z", "files": [link]}


def test_objects_that_hold_it(outlet, scripted):
    replying(scripted, grant_of(scripted.url))
    settings = Settings(access_url=scripted.url)
    grant = login(PLANTED, settings=settings)
    source = stimulus_source(settings)
    outlet.show(grant, grant.files, grant.files[0], asdict(grant), source.require_grant())
    outlet.show(load_credentials(scripted.url), asdict(load_credentials(scripted.url)))
    outlet.show(source, vars(source), vars(source.service), copy.deepcopy(grant), copy.copy(grant))
    for secret in (grant.request_id, grant.files[0].link):
        with pytest.raises(TypeError) as caught:
            pickle.dumps(secret)
        outlet.caught(caught.value)
        with pytest.raises(TypeError) as caught:
            json.dumps({"secret": secret})
        outlet.caught(caught.value)
    assert read(source, "stimuli/a.h5") == b"abc"
    outlet.runs(lambda: logout(settings=settings))


def test_nowhere_in_an_address(outlet, scripted):
    replying(scripted, grant_of(scripted.url))
    settings = Settings(access_url=scripted.url)
    login(PLANTED, settings=settings)
    read(stimulus_source(settings), "stimuli/a.h5")
    for asked in scripted.requests:
        head, _, _ = asked.partition(b"\r\n\r\n")
        assert PLANTED.encode() not in head
    assert sum(PLANTED.encode() in asked for asked in scripted.requests) == 2


@pytest.mark.parametrize("status", [200, 302, 307, 400, 401, 403, 404, 418, 422, 429, 500, 503])
@pytest.mark.parametrize(
    "detail",
    [
        f"Unknown request id {PLANTED}",
        {"error": "terms_outdated", "accept_url": f"https://example.org/?id={PLANTED}",
         "current_terms_version": PLANTED},
        {"error": "revoked", "id": PLANTED},
        [{"loc": ["body", PLANTED], "msg": f"{PLANTED} is odd", "input": PLANTED}],
        None,
    ],
    ids=["text", "outdated", "revoked", "fields", "none"],
)  # fmt: skip
def test_every_refusal(outlet, scripted, form, status, detail):
    replying(scripted, {"detail": detail, "request_id": PLANTED}, status)
    service = AccessService(scripted.url)
    request_id = RequestId(PLANTED)
    outlet.runs(lambda: service.refresh(request_id))
    outlet.runs(lambda: service.request(form, terms_version="1"))
    outlet.runs(service.manifest)
    outlet.runs(lambda: login(PLANTED, settings=Settings(access_url=scripted.url)))


@pytest.mark.parametrize(
    "whole", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"junk\r\n"]
)
def test_broken_connections(outlet, scripted, form, whole):
    scripted.reply = lambda asked: iter([whole])
    save_credentials(scripted.url, RequestId(PLANTED))
    outlet.runs(lambda: AccessService(scripted.url).refresh(RequestId(PLANTED)))
    outlet.runs(lambda: AccessService(scripted.url).request(form))
    outlet.runs(lambda: read(AccessFiles(AccessService(scripted.url)), "stimuli/a.h5"))


def test_nobody_there_and_nobody_answering(outlet, demo, scripted, form):
    demo.close()
    outlet.runs(lambda: AccessService(demo.url).refresh(RequestId(PLANTED)))

    def wait(asked):
        scripted.is_over.wait(20)
        yield b""

    scripted.reply = wait
    outlet.runs(lambda: AccessService(scripted.url, read_timeout=0.1).refresh(RequestId(PLANTED)))


@pytest.mark.parametrize(
    "link_status", [200, 206, 302, 307, 400, 403, 404, 410, 412, 416, 429, 503]
)
def test_links(outlet, scripted, link_status):
    replying(scripted, grant_of(scripted.url), link_status=link_status, body=TOKEN.encode())
    save_credentials(scripted.url, RequestId(PLANTED))
    source = AccessFiles(AccessService(scripted.url))
    with contextlib.suppress(LaionFmriError), source.open("stimuli/a.h5", 0, 3):
        pass
    outlet.runs(lambda: source.open("stimuli/a.h5", 0, 3).__enter__() and None)


@pytest.mark.parametrize(
    "link",
    ["http://127.0.0.1:1/{t}", "https://127.0.0.1:1/{t}", "http://{t}.invalid/{t}?{t}", "{t}",
     "http://127.0.0.1:99999/{t}", "ftp://127.0.0.1/{t}", "http://127.0.0.1:1/{t}\r\nX: {t}",
     "http://[{t}/{t}", "http://me:{t}@127.0.0.1:1/", "http://a..b/{t}"],
)  # fmt: skip
def test_links_that_lead_nowhere(outlet, scripted, link):
    grant = grant_of(scripted.url)
    grant["files"][0]["url"] = link.format(t=TOKEN)
    replying(scripted, grant)
    save_credentials(scripted.url, RequestId(PLANTED))
    outlet.runs(lambda: read(AccessFiles(AccessService(scripted.url)), "stimuli/a.h5"))


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
def test_silent_links(outlet, scripted, start):
    answered = grant_of(scripted.url)

    def reply(asked):
        if not asked.startswith(b"POST"):
            yield start
            scripted.is_over.wait(20)
        told = json.dumps(answered).encode()
        yield f"HTTP/1.1 200 X\r\nContent-Length: {len(told)}\r\n\r\n".encode() + told

    scripted.reply = reply
    save_credentials(scripted.url, RequestId(PLANTED))
    source = AccessFiles(AccessService(scripted.url), pool=HttpPool(read_timeout=0.1))
    outlet.runs(lambda: read(source, "stimuli/a.h5") and read_whole(source, "stimuli/a.h5"))


def test_events_and_plans_of_the_engine(outlet, scripted, tmp_path, monkeypatch):
    from laion_fmri.transfer import engine

    monkeypatch.setattr(engine, "BACKOFF", 0.001)
    grant = grant_of(scripted.url)
    grant["current_terms_version"] = "1"
    save_credentials(scripted.url, RequestId(PLANTED))
    for status in (200, 403, 404, 503):
        replying(scripted, grant, link_status=status)
        source = stimulus_source(Settings(access_url=scripted.url))
        plan = make_plan(source.objects(), tmp_path / "data", source)
        events = list(run(plan))
        outlet.show(plan, plan.files, events, *events)
        assert events
    for path in (tmp_path / "data").rglob("*"):
        outlet.show(path)
        if path.is_file():
            outlet.show(path.read_bytes())


def test_the_form(outlet, demo, settings):
    person = Person()
    grant = request_stimulus_access(settings=settings, ask=person.ask, say=person.told.append)
    given = grant.request_id.reveal()
    outlet.show(*person.told, *person.asked, grant)
    assert not any(given in text for text in outlet.seen)
    again = request_stimulus_access(**GIVEN, settings=settings)
    assert again.request_id.reveal() not in str(again) + repr(again)


def test_damaged_files(outlet):
    url = "https://example.org"
    path = save_credentials(url, RequestId(PLANTED))
    whole = path.read_text()
    for text in (whole[:-3], whole.replace(PLANTED, f"{PLANTED} x"), f"[{whole}]", whole + "x"):
        path.write_text(text)
        outlet.runs(lambda: load_credentials(url))
    path.write_text(whole)
    path.chmod(0o644)
    outlet.runs(lambda: load_credentials(url))
    path.unlink()
    path.mkdir()
    outlet.runs(lambda: save_credentials(url, RequestId(PLANTED)))


def test_an_odd_environment(outlet, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_REQUEST_ID", f"{PLANTED} and more")
    outlet.runs(lambda: load_credentials("https://example.org"))
    outlet.runs(lambda: login(f"{PLANTED} and more", settings=Settings()))


def test_the_terminal_shows_no_typed_id(outlet, demo, settings):
    outlet.runs(lambda: login(settings=settings, ask=lambda question: PLANTED))


def test_only_links_go_unlogged(demo, settings, caplog):
    caplog.set_level(logging.DEBUG, logger="urllib3")
    login(demo.issue(), settings=settings)
    source = stimulus_source(settings)
    key = next(source.objects()).key
    caplog.clear()
    read(source, key)
    assert "POST /api/v1/refresh" in caplog.text
    assert "/files/" not in caplog.text
    HttpPool().request("GET", f"{demo.url}/files/a?token=mine")
    assert "/files/a?token=mine" in caplog.text
    assert len(logging.getLogger("urllib3.connectionpool").filters) == 1


def test_the_test_would_notice(caplog):
    outlet = Outlet()
    try:
        try:
            raise ValueError(PLANTED)
        except ValueError:
            raise LaionFmriError("calm") from None
    except LaionFmriError as error:
        outlet.caught(error)
    assert any(PLANTED in text for text in outlet.seen)


def test_what_servers_say_becomes_one_harmless_line():
    assert harmless(f"a\n b\t\x1b[31m {PLANTED}!") == "a b [31m lfm_…!"
    assert harmless("id x-1234567890-y", Secret("x-1234567890-y")) == "id …"
    assert len(harmless("x" * 10_000)) == 300


def test_no_id_is_left_in_other_files(home, demo, settings):
    login(demo.issue(), settings=settings)
    given = load_credentials(demo.url).request_id.reveal()
    holding = [p for p in home.rglob("*") if p.is_file() and given in p.read_text()]
    assert holding == [credentials_file()]
