"""The client of the access service, against the demo's and against servers that misbehave."""

from __future__ import annotations

import datetime
import json
import socket
import time
from dataclasses import replace
from email.utils import format_datetime

import pytest

from laion_fmri._errors import (
    AccessNotFoundError,
    AccessRevokedError,
    AccessServiceError,
    AccessServiceUnavailableError,
    ConfigError,
    FormRefusedError,
    InvalidArgumentError,
    TemporaryBucketError,
    TermsOutdatedError,
    UnsafeKeyError,
)
from laion_fmri.access import (
    AccessService,
    RequestId,
)
from laion_fmri.access import service as service_module

ID = RequestId("lfm_0123456789abcdef3f")
SHA = "ab" * 32
FILE = {"name": "a.h5", "size": 3, "sha256": SHA}
LINKED = {**FILE, "url": "http://127.0.0.1:9/a?token=t"}
MANIFEST = {"current_terms_version": "1.0", "files": [FILE]}
GRANT = {"request_id": ID.reveal(), "expires_at": "2030-01-01T00:00:00Z", "files": [LINKED]}


def test_manifest(demo, gated):
    manifest = AccessService(f"{demo.url}/").manifest()
    assert manifest.terms_version == "1.0"
    assert {f.key: f.size for f in manifest.files} == {
        f"stimuli/{p.name}": p.stat().st_size for p in gated.iterdir()
    }
    assert all(f.link is None for f in manifest.files)
    assert dict(demo.n_requests) == {"GET /api/v1/manifest": 1}


def test_the_form_brings_a_request_id(demo, form):
    service = AccessService(demo.url)
    grant = service.request(form)
    again = service.refresh(grant.request_id)
    for one in (grant, again):
        assert one.request_id.reveal().startswith("lfm_")
        assert len(one.files) == 2 and all(f.link is not None for f in one.files)
        left = one.expires_at - datetime.datetime.now(datetime.UTC)
        assert 3500 < left.total_seconds() <= 3600
    assert "2 stimulus files" in str(grant) and "UTC" in str(grant)


def test_what_is_sent(scripted, form):
    scripted.says(GRANT)
    AccessService(scripted.url).request(form, terms_version=3, source="explorer")
    head, _, body = scripted.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/v1/access/request HTTP/1.1")
    assert b"content-type: application/json" in head.lower()
    assert json.loads(body) == {**form.answers(), "terms_version": 3, "source": "explorer"}
    AccessService(scripted.url).refresh(ID)
    head, _, body = scripted.requests[1].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/v1/refresh HTTP/1.1")
    assert json.loads(body) == {"request_id": ID.reveal(), "dataset_version": "v1"}


def test_a_form_that_cannot_be_valid_is_not_sent(demo, form):
    service = AccessService(demo.url)
    with pytest.raises(InvalidArgumentError, match="email"):
        service.request(replace(form, email="ada"))
    with pytest.raises(InvalidArgumentError, match="source"):
        service.request(form, source="elsewhere")
    assert not demo.n_requests


def test_refusals_of_a_request_id(demo):
    service = AccessService(demo.url)
    request_id = RequestId(demo.issue())
    demo.update_terms("2.0")
    with pytest.raises(TermsOutdatedError, match=rf"now 2\.0.*{demo.url}/terms.*request-access"):
        service.refresh(request_id)
    demo.revoke(request_id.reveal())
    with pytest.raises(AccessRevokedError, match="revoked"):
        service.refresh(request_id)
    with pytest.raises(AccessNotFoundError, match=r"does not know.*lfm_….*request-access.*login"):
        service.refresh(ID)


def test_terms_that_change_while_the_form_is_filled_in(demo, form):
    service = AccessService(demo.url)
    manifest = service.manifest()
    demo.update_terms("2.0")
    with pytest.raises(TermsOutdatedError):
        service.request(form, terms_version=manifest.terms_version)
    service.request(form)


def test_too_many_requests(demo, form):
    demo.limit_rate(2)
    service = AccessService(demo.url)
    for call in (service.manifest, lambda: service.refresh(ID)):
        with pytest.raises(AccessServiceUnavailableError, match="again in 1 s") as caught:
            call()
        assert caught.value.retry_after == 1.0
    service.manifest()


@pytest.mark.parametrize("wait", ["", "soon", "Wed, 99 Foo"])
def test_when_to_come_back_may_be_unsaid(scripted, wait):
    scripted.says({"detail": "slow down"}, 429, {"Retry-After": wait} if wait else {})
    with pytest.raises(AccessServiceUnavailableError, match="in a few minutes"):
        AccessService(scripted.url).manifest()


def test_when_to_come_back_as_a_date(scripted):
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90)
    scripted.says({}, 429, {"Retry-After": format_datetime(then, usegmt=True)})
    with pytest.raises(AccessServiceUnavailableError, match=r"in \d\d s") as caught:
        AccessService(scripted.url).manifest()
    assert 60 < caught.value.retry_after <= 90


def test_a_form_that_the_service_refuses(scripted, form):
    detail = [
        {"loc": ["body", "email"], "msg": "not\nan address", "input": "ada@example.org"},
        {"loc": ["body", "research_purpose"], "msg": "too vague"},
        {"loc": "odd"},
        "odd",
    ]
    scripted.says({"detail": detail}, 422)
    with pytest.raises(FormRefusedError) as caught:
        AccessService(scripted.url).request(form, terms_version="1.0")
    assert caught.value.problems == {"email": "not an address", "research_purpose": "too vague"}
    assert "email: not an address; research_purpose: too vague" in str(caught.value)
    for odd in ("A reason.", None, {"a": 1}, 3):
        scripted.says({"detail": odd}, 422)
        with pytest.raises(FormRefusedError, match="reason"):
            AccessService(scripted.url).request(form, terms_version="1.0")


@pytest.mark.parametrize(
    ("status", "detail", "kind", "text"),
    [
        (403, "Access REVOKED by the board", AccessRevokedError, "revoked"),
        (403, {"error": "access_revoked"}, AccessRevokedError, "revoked"),
        (403, "Not from here", AccessServiceError, r"refuses \(Not from here\)"),
        (403, None, AccessServiceError, "refuses"),
        (401, "who?", AccessNotFoundError, "does not know"),
        (400, "odd", AccessServiceError, r"answered 400 \(odd\)"),
        (418, {"x": 1}, AccessServiceError, "answered 418"),
        (500, "boom", AccessServiceUnavailableError, "answered 500"),
        (503, "boom", AccessServiceUnavailableError, "answered 503"),
    ],
)
def test_other_refusals(scripted, status, detail, kind, text):
    scripted.says({"detail": detail}, status)
    with pytest.raises(kind, match=text) as caught:
        AccessService(scripted.url).refresh(ID)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("https://example.org/accept?v=2", "https://example.org/accept?v=2"),
        ("/terms/2", "{url}/terms/2"),
        (f"https://example.org/accept?id={ID.reveal()}", "{url}/terms or"),
        ("javascript:alert(1)", "{url}/terms or"),
        ("http://[::1", "{url}/terms or"),
        ("https://example.org/\x1b[31m", "{url}/terms or"),
        (None, "{url}/terms or"),
        (3, "{url}/terms or"),
    ],
)
def test_where_new_terms_are_accepted(scripted, told, shown):
    detail = {"error": "terms_outdated", "accept_url": told, "current_terms_version": 2}
    scripted.says({"detail": detail}, 403)
    with pytest.raises(TermsOutdatedError, match="now 2") as caught:
        AccessService(scripted.url).refresh(ID)
    assert shown.format(url=scripted.url) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe", b"[" * 200_000, b"{"])
def test_what_is_no_json(scripted, content):
    scripted.says(content)
    for call in (
        AccessService(scripted.url).manifest,
        lambda: AccessService(scripted.url).refresh(ID),
    ):
        with pytest.raises(AccessServiceError, match=r"no JSON.*LAION_FMRI_ACCESS_URL"):
            call()
    for status in (403, 404, 422, 500):
        scripted.says(content, status)
        with pytest.raises(AccessServiceError):
            AccessService(scripted.url).refresh(ID)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"current_terms_version": None}, "current_terms_version"),
        ({"current_terms_version": True}, "current_terms_version"),
        ({"files": None}, "files"),
        ({"files": {}}, "files"),
        ({"files": []}, "files"),
        ({"files": [FILE, FILE]}, "twice"),
        ({"files": ["a"]}, "name"),
        ({"files": [{**FILE, "name": 3}]}, "name"),
        ({"files": [{**FILE, "size": -1}]}, "size"),
        ({"files": [{**FILE, "size": True}]}, "size"),
        ({"files": [{**FILE, "size": "3"}]}, "size"),
        ({"files": [{**FILE, "size": 3.5}]}, "size"),
        ({"files": [{**FILE, "sha256": "ab"}]}, "sha256"),
        ({"files": [{**FILE, "sha256": None}]}, "sha256"),
        ({"files": [{k: v for k, v in FILE.items() if k != "size"}]}, "size"),
    ],
)
def test_manifests_of_another_shape(scripted, change, part):
    scripted.says({**MANIFEST, **change})
    with pytest.raises(AccessServiceError, match=part):
        AccessService(scripted.url).manifest()


@pytest.mark.parametrize("name", ["../a", "/a", "a\\b", "a\0", "", "a//b", "a/../../b", "a\n", "."])
def test_names_that_are_no_files_below_stimuli(scripted, name):
    scripted.says({**MANIFEST, "files": [{**FILE, "name": name}]})
    with pytest.raises(UnsafeKeyError, match="not a safe file name"):
        AccessService(scripted.url).manifest()
    scripted.says({**GRANT, "files": [{**LINKED, "name": name}]})
    with pytest.raises(UnsafeKeyError, match="not a safe file name"):
        AccessService(scripted.url).refresh(ID)


@pytest.mark.parametrize(
    "url",
    [None, 3, "", "a", "ftp://example.org/a", "file:///etc/passwd", "http://", "http://[::1",
     "http://example.org:port/a", "http://example.org/\n", "//example.org/a"],
)  # fmt: skip
def test_links_that_lead_nowhere(scripted, url):
    scripted.says({**GRANT, "files": [{**LINKED, "url": url}]})
    with pytest.raises(AccessServiceError, match=r"link of a\.h5"):
        AccessService(scripted.url).refresh(ID)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"request_id": None}, "request_id"),
        ({"request_id": "two words"}, "request_id"),
        ({"request_id": ""}, "request_id"),
        ({"expires_at": None}, "expires_at"),
        ({"expires_at": 1893456000}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
    ],
)
def test_grants_of_another_shape(scripted, form, change, part):
    scripted.says({**GRANT, **change})
    with pytest.raises(AccessServiceError, match=part):
        AccessService(scripted.url).request(form, terms_version="1.0")


def test_a_time_without_zone_is_utc(scripted):
    scripted.says({**GRANT, "expires_at": "2030-01-01T00:00:00"})
    grant = AccessService(scripted.url).refresh(ID)
    assert grant.expires_at == datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_with_a_secret(demo, scripted, form, status):
    scripted.says(b"", status, {"Location": f"{demo.url}/api/v1/refresh"})
    service = AccessService(scripted.url)
    for call in (
        service.manifest,
        lambda: service.refresh(ID),
        lambda: service.request(form, terms_version="1.0"),
    ):
        with pytest.raises(AccessServiceError, match=r"sends on to 127\.0\.0\.1"):
            call()
    assert not demo.n_requests


def test_nobody_listens(form):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    service = AccessService(url)
    for call in (service.manifest, lambda: service.refresh(ID), lambda: service.request(form)):
        with pytest.raises(AccessServiceUnavailableError, match=f"{url} does not answer") as caught:
            call()
        assert isinstance(caught.value, TemporaryBucketError)
        assert "\n" not in str(caught.value)


def test_a_service_that_went_away(demo):
    service = AccessService(demo.url)
    service.manifest()
    demo.close()
    with pytest.raises(AccessServiceUnavailableError, match="does not answer"):
        service.manifest()


def test_a_service_that_says_nothing(scripted):
    def wait(asked):
        scripted.is_over.wait(20)
        yield b""

    scripted.reply = wait
    start = time.monotonic()
    with pytest.raises(AccessServiceUnavailableError, match="does not answer"):
        AccessService(scripted.url, read_timeout=0.1).manifest()
    assert time.monotonic() - start < 5


def test_a_service_that_trickles(scripted, monkeypatch):
    monkeypatch.setattr(service_module, "_ANSWER_SECONDS", 0.2)

    def trickle(asked):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        while not scripted.is_over.wait(0.02):
            yield b" "

    scripted.reply = trickle
    with pytest.raises(AccessServiceUnavailableError, match="takes too long"):
        AccessService(scripted.url).manifest()


def test_a_service_that_never_ends(scripted):
    def pour(asked):
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        while not scripted.is_over.is_set():
            yield b" " * (1 << 20)

    scripted.reply = pour
    with pytest.raises(AccessServiceUnavailableError, match="too long"):
        AccessService(scripted.url).manifest()


@pytest.mark.parametrize(
    "whole",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{",
        b"HTTP/1.1 abc\r\n",
    ],
)
def test_a_broken_connection(scripted, whole):
    scripted.reply = lambda asked: iter([whole])
    with pytest.raises(AccessServiceUnavailableError, match="does not answer"):
        AccessService(scripted.url).manifest()


def test_addresses_that_are_none():
    for url in ("", "example.org", "ftp://example.org"):
        with pytest.raises(ConfigError, match="LAION_FMRI_ACCESS_URL"):
            AccessService(url)
    with pytest.raises((ConfigError, AccessServiceError)):
        AccessService(f"http://{'a' * 70}.example.org").manifest()
