"""The stimulus files as a bucket: links that expire, and 64 threads that need them."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from form_filler import GIVEN, Person

from laion_fmri._errors import (
    AccessDeniedError,
    AccessNotFoundError,
    AccessRevokedError,
    AccessServiceError,
    AccessServiceUnavailableError,
    ConfigError,
    ObjectChangedError,
    ObjectNotFoundError,
    TemporaryBucketError,
    TermsOutdatedError,
)
from laion_fmri.access import (
    AccessFiles,
    AccessService,
    files,
    login,
    request_stimulus_access,
    require_access,
    stimulus_source,
)
from laion_fmri.access.credentials import credentials_file, load_credentials
from laion_fmri.bucket import Bucket
from laion_fmri.checksums import Checksum
from laion_fmri.demo.access_service import DemoAccessService
from laion_fmri.transfer import engine
from laion_fmri.transfer.engine import run
from laion_fmri.transfer.events import EventKind
from laion_fmri.transfer.plan import make_plan

IMAGES_KEY, TABLE_KEY = "stimuli/task-images_stimuli.h5", "stimuli/task-images_metadata.csv"
REFRESH = "POST /api/v1/refresh"


@pytest.fixture
def content(gated) -> dict[str, bytes]:
    return {f"stimuli/{p.name}": p.read_bytes() for p in gated.iterdir()}


@pytest.fixture
def source(demo, settings) -> AccessFiles:
    """The files for somebody who is logged in."""
    login(demo.issue(), settings=settings)
    demo.n_requests.clear()
    return stimulus_source(settings)


def read(source: Bucket, key: str, start=0, stop=None, etag=None) -> bytes:
    with source.open(key, start, stop, etag) as stream:
        parts = []
        while block := stream.read(1 << 20):
            parts.append(block)
        return b"".join(parts)


def test_listing_needs_no_request_id(demo, settings, content):
    source: Bucket = stimulus_source(settings)
    assert not demo.n_requests
    found = list(source.objects())
    assert [o.key for o in found] == sorted(content)
    for o in found:
        assert o.size == len(content[o.key])
        assert o.etag == hashlib.sha256(content[o.key]).hexdigest()
        assert source.checksum(o) == Checksum("sha256", o.etag)
        assert source.head(o.key) == o
    assert set(demo.n_requests) == {"GET /api/v1/manifest"}
    assert list(source.objects("stimuli/task-images_s")) == [found[1]]
    assert list(source.objects("derivatives/")) == []
    assert source.folder().prefixes == ("stimuli/",)
    assert source.folder("stimuli/").objects == tuple(found)
    assert source.uri == demo.url
    with pytest.raises(ObjectNotFoundError, match="gives out no"):
        source.head("stimuli/other.h5")


def test_a_damaged_auth_file_does_not_matter_to_a_listing(settings):
    credentials_file().parent.mkdir(parents=True)
    credentials_file().write_text("{")
    credentials_file().chmod(0o600)
    assert len(list(stimulus_source(settings).objects())) == 2
    with pytest.raises(ConfigError, match="logout"):
        stimulus_source(settings).require_grant()


def test_reading(demo, source, content):
    for found in source.objects():
        assert read(source, found.key, etag=found.etag) == content[found.key]
    assert read(source, IMAGES_KEY, 1000, 5000) == content[IMAGES_KEY][1000:5000]
    assert read(source, IMAGES_KEY, 1_000_000) == content[IMAGES_KEY][1_000_000:]
    with source.open(IMAGES_KEY, 10, 20) as stream:
        assert stream.total == len(content[IMAGES_KEY])
    assert demo.n_requests[REFRESH] == 1
    with pytest.raises(ObjectNotFoundError, match="gives out no"):
        read(source, "stimuli/other.h5")


def test_without_a_request_id(demo, settings, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    source = stimulus_source(settings)
    for call in (
        source.require_grant,
        lambda: require_access(source),
        lambda: read(source, IMAGES_KEY),
    ):
        with pytest.raises(AccessNotFoundError) as caught:
            call()
        for way in ("request-access", "request_stimulus_access(", "laion-fmri login"):
            assert way in str(caught.value)
    assert not demo.n_requests


def test_the_form_is_filled_in_the_first_time(demo, settings, content):
    person = Person()
    source = stimulus_source(settings)
    require_access(source, ask=person.ask)
    assert person.asked and demo.n_requests[REFRESH] == 0
    assert read(source, TABLE_KEY) == content[TABLE_KEY]
    assert demo.n_requests[REFRESH] == 0
    again = Person()
    require_access(stimulus_source(settings), ask=again.ask)
    assert not again.asked and demo.n_requests[REFRESH] == 1


def test_the_environment_alone_is_enough(demo, settings, content, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_REQUEST_ID", demo.issue())
    assert read(stimulus_source(settings), TABLE_KEY) == content[TABLE_KEY]
    assert not credentials_file().exists()


def test_refusals_come_as_they_are(demo, settings):
    request_id = demo.issue()
    login(request_id, settings=settings)
    demo.update_terms("2.0")
    for call in (
        stimulus_source(settings).require_grant,
        lambda: read(stimulus_source(settings), TABLE_KEY),
    ):
        with pytest.raises(TermsOutdatedError):
            call()
    demo.revoke(request_id)
    with pytest.raises(AccessRevokedError):
        read(stimulus_source(settings), TABLE_KEY)


def test_an_access_that_is_revoked_between_two_links(demo, settings, source, content):
    assert read(source, TABLE_KEY) == content[TABLE_KEY]
    demo.revoke(load_credentials(demo.url).request_id.reveal())
    assert read(source, TABLE_KEY) == content[TABLE_KEY]
    demo.expire_links()
    with pytest.raises(AccessRevokedError):
        read(source, TABLE_KEY)


def test_expired_links_are_renewed(demo, source, content):
    assert read(source, IMAGES_KEY) == content[IMAGES_KEY]
    demo.expire_links()
    assert read(source, IMAGES_KEY, 5) == content[IMAGES_KEY][5:]
    assert demo.n_requests[REFRESH] == 2


def test_links_that_expire_by_themselves(gated, content, settings):
    with DemoAccessService(gated, link_seconds=0.0) as demo:
        settings = type(settings)(access_url=demo.url)
        login(demo.issue(), settings=settings)
        source = stimulus_source(settings)
        with pytest.raises(AccessDeniedError, match="new ones too"):
            read(source, TABLE_KEY)
        assert demo.n_requests["GET /files"] == 2
        demo.link_seconds = 60.0
        assert read(source, TABLE_KEY) == content[TABLE_KEY]


def test_a_stream_outlives_its_link(demo, source, content):
    with source.open(IMAGES_KEY) as stream:
        first = stream.read(1000)
        demo.expire_links()
        rest = []
        while block := stream.read(1 << 16):
            rest.append(block)
    assert first + b"".join(rest) == content[IMAGES_KEY]


def test_64_threads_share_one_renewal(demo, source, content):
    n = 64
    for expected in (1, 2, 3):
        at_once = threading.Barrier(n)

        def fetch(i: int, at_once=at_once) -> bool:
            at_once.wait()
            return read(source, IMAGES_KEY, i, i + 100) == content[IMAGES_KEY][i : i + 100]

        with ThreadPoolExecutor(n) as pool:
            assert all(pool.map(fetch, range(n)))
        assert demo.n_requests[REFRESH] == expected
        demo.expire_links()


def test_threads_share_a_refusal_too(demo, source, monkeypatch):
    n, waiting, all_wait = 16, threading.Semaphore(0), threading.Event()

    class Renewal(Future):
        def result(self, timeout=None):
            waiting.release()
            return super().result(timeout)

    refresh = source.service.refresh

    def slow(request_id):
        assert all_wait.wait(20)
        return refresh(request_id)

    monkeypatch.setattr(files, "Future", Renewal)
    monkeypatch.setattr(source.service, "refresh", slow)
    demo.revoke(load_credentials(demo.url).request_id.reveal())
    with ThreadPoolExecutor(n) as pool:
        told = [pool.submit(read, source, TABLE_KEY) for _ in range(n)]
        for _ in range(n - 1):
            assert waiting.acquire(timeout=20)
        all_wait.set()
        assert {type(t.exception()) for t in told} == {AccessRevokedError}
    assert demo.n_requests[REFRESH] == 1
    with pytest.raises(AccessRevokedError):
        read(source, TABLE_KEY)
    assert demo.n_requests[REFRESH] == 2


def test_a_service_that_is_away_for_a_moment_is_asked_again_by_the_engine(demo, source):
    demo.limit_rate(1)
    with pytest.raises(TemporaryBucketError) as caught:
        read(source, TABLE_KEY)
    assert isinstance(caught.value, AccessServiceUnavailableError)
    assert caught.value.retry_after == 1.0
    read(source, TABLE_KEY)


def test_a_file_that_changed(demo, gated, source):
    planned = source.head(TABLE_KEY)
    assert read(source, TABLE_KEY, etag=planned.etag)
    (gated / "task-images_metadata.csv").write_bytes(b"new")
    demo.expire_links()
    with pytest.raises(ObjectChangedError, match="has changed"):
        read(source, TABLE_KEY, etag=planned.etag)
    now = source.head(TABLE_KEY)
    assert now.etag != planned.etag
    assert read(source, TABLE_KEY, etag=now.etag) == b"new"


def test_links_older_than_the_manifest_are_renewed(gated, source):
    read(source, TABLE_KEY)
    (gated / "task-images_metadata.csv").write_bytes(b"new")
    now = source.head(TABLE_KEY)
    assert read(source, TABLE_KEY, etag=now.etag) == b"new"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_links_that_stay_refused(demo, scripted, settings, status):
    sha = "ab" * 32
    link = {"name": "a.h5", "size": 3, "sha256": sha, "url": f"{scripted.url}/a?token=secret"}
    grant = {"expires_at": "2030-01-01T00:00:00Z", "files": [link]}

    def reply(asked):
        is_api = asked.startswith(b"POST")
        body = json.dumps(grant).encode() if is_api else b"<Error>secret</Error>"
        head = f"HTTP/1.1 {200 if is_api else status} X\r\nContent-Length: {len(body)}\r\n"
        yield f"{head}Connection: close\r\n\r\n".encode() + body

    scripted.reply = reply
    source = AccessFiles(AccessService(scripted.url))
    login("lfm_0123456789abcdef", settings=type(settings)(access_url=scripted.url))
    with pytest.raises(AccessDeniedError, match=r"stimuli/a\.h5 are refused, new ones too"):
        read(source, "stimuli/a.h5", etag=sha)
    assert [r.split(b" ")[0] for r in scripted.requests] == [
        b"POST",
        b"POST",
        b"GET",
        b"POST",
        b"GET",
    ]
    assert not any(b"If-Match" in r for r in scripted.requests)


# --- with the transfer engine -----------------------------------------------------------------


def test_the_engine_fetches_through_it(demo, source, content, tmp_path):
    plan = make_plan(source.objects(), tmp_path / "data", source)
    events = list(run(plan, n_jobs=2))
    assert {e.kind for e in events if e.kind.is_last} == {EventKind.FETCHED}
    for key, data in content.items():
        assert (tmp_path / "data" / key).read_bytes() == data
    again = make_plan(source.objects(), tmp_path / "data", source)
    assert not again.to_fetch


def test_links_that_expire_in_the_middle_of_a_download(
    demo, source, content, tmp_path, monkeypatch
):
    monkeypatch.setattr(engine, "SEGMENT", 1 << 16)
    plan = make_plan(source.objects(), tmp_path / "data", source)
    kinds = []
    for event in engine.run(plan):
        if event.kind is EventKind.PROGRESS and EventKind.PROGRESS not in kinds:
            demo.expire_links()
        kinds.append(event.kind)
    assert {k for k in kinds if k.is_last} == {EventKind.FETCHED}
    for key, data in content.items():
        assert (tmp_path / "data" / key).read_bytes() == data
    assert demo.n_requests[REFRESH] in (1, 2)  # 1 when all were open before


def test_the_engine_says_why_a_file_is_not_given(demo, settings, tmp_path):
    source = stimulus_source(settings)
    plan = make_plan(source.objects(), tmp_path / "data", source)
    ends = [e for e in run(plan) if e.kind.is_last]
    assert {e.kind for e in ends} == {EventKind.FAILED}
    assert all("request-access" in e.message for e in ends)
    with pytest.raises(AccessServiceError):
        source.require_grant()


def test_a_form_then_a_download(demo, settings, content, tmp_path):
    grant = request_stimulus_access(**GIVEN, settings=settings)
    source = stimulus_source(settings)
    source.use(grant)
    list(run(make_plan(source.objects(), tmp_path / "data", source)))
    assert (tmp_path / "data" / IMAGES_KEY).read_bytes() == content[IMAGES_KEY]
    assert demo.n_requests[REFRESH] == 0
