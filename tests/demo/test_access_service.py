"""The demo's access service, asked as any client would."""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.demo.access_service import DemoAccessService

FORM = {
    "name": "Ada Beispiel",
    "email": "ada@example.org",
    "institution": "Institute of Examples",
    "pi_or_supervisor": "Prof. Muster",
    "research_purpose": "Models of the ventral stream.",
    "accepted_terms": True,
    "acknowledged_privacy": True,
    "terms_version": "1.0",
    "source": "cli",
}
CONTENT = bytes(range(256)) * 40
HTTP = urllib3.PoolManager(retries=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images.h5").write_bytes(CONTENT)
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / ".hidden").write_bytes(b"x")
    return tmp_path


@pytest.fixture
def service(folder):
    with DemoAccessService(folder) as service:
        yield service


def post(service, route, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = HTTP.request("POST", service.url + route, body=data)
    return answer.status, json.loads(answer.data)


def link_to(service, name="images.h5") -> str:
    status, grant = post(
        service, "/api/v1/refresh", {"request_id": service.issue(), "dataset_version": "v1"}
    )
    assert status == 200
    return next(f["url"] for f in grant["files"] if f["name"] == name)


def get(url, **headers):
    return HTTP.request("GET", url, headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_it_serves_the_gated_files_of_a_demo_bucket(tiny_bucket):
    with DemoAccessService(tiny_bucket) as service:
        manifest = get(f"{service.url}/api/v1/manifest").json()
        assert set(manifest) == {"current_terms_version", "dataset", "versions", "files"}
        assert manifest["current_terms_version"] == "1.0"
        for file in manifest["files"]:
            whole = (tiny_bucket / layout.STIMULI_TREE / file["name"]).read_bytes()
            assert file == {
                "name": file["name"],
                "size": len(whole),
                "sha256": hashlib.sha256(whole).hexdigest(),
            }
            assert get(link_to(service, file["name"])).data == whole
        assert {f"stimuli/{f['name']}" for f in manifest["files"]} == {
            layout.STIMULI_IMAGES,
            layout.STIMULI_METADATA,
        }


def test_nothing_to_serve(tmp_path):
    for odd in (tmp_path, tmp_path / "gone"):
        with pytest.raises(InvalidArgumentError, match="no files to serve"):
            DemoAccessService(odd)


def test_a_form(service):
    status, answer = post(service, "/api/v1/access/request", FORM)
    assert status == 200 and answer["request_id"].startswith("lfm_")
    assert set(answer) == {"request_id", "expires_at", "files"}
    assert set(answer["files"][0]) == {"name", "size", "sha256", "url"}
    again = post(
        service, "/api/v1/refresh", {"request_id": answer["request_id"], "dataset_version": "v1"}
    )
    assert again[0] == 200 and set(again[1]) == {"expires_at", "files"}


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"email": "ada"}, ["email"]),
        ({"research_purpose": "x" * 19}, ["research_purpose"]),
        ({"name": " ", "institution": 3}, ["name", "institution"]),
        ({"accepted_terms": False}, ["accepted_terms"]),
        ({"acknowledged_privacy": "yes"}, ["acknowledged_privacy"]),
        ({"terms_version": None}, ["terms_version"]),
    ],
)
def test_forms_that_are_refused(service, change, fields):
    status, answer = post(service, "/api/v1/access/request", {**FORM, **change})
    assert status == 422
    assert [problem["loc"] for problem in answer["detail"]] == [["body", f] for f in fields]
    assert all(problem["msg"] and problem["type"] for problem in answer["detail"])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"\xff", b"[" * 50_000])
def test_bodies_that_are_no_form(service, body):
    for route in ("/api/v1/access/request", "/api/v1/refresh"):
        status, answer = post(service, route, body)
        assert status == 422 and answer["detail"][0]["loc"] == ["body"]


def test_an_empty_object_lacks_every_field(service):
    status, answer = post(service, "/api/v1/access/request", {})
    assert status == 422 and {p["loc"][1] for p in answer["detail"]} == set(FORM)


def test_every_refusal(service):
    request_id = service.issue()
    body = {"request_id": request_id, "dataset_version": "v1"}
    assert post(service, "/api/v1/refresh", body | {"request_id": "lfm_other"})[0] == 404
    assert post(service, "/api/v1/refresh", body | {"dataset_version": "v9"})[0] == 422
    assert post(service, "/api/v1/refresh", {"dataset_version": "v1"})[0] == 422
    service.limit_rate(1)
    limited = HTTP.request("GET", f"{service.url}/api/v1/manifest")
    assert (limited.status, limited.headers["Retry-After"]) == (429, "1")
    assert post(service, "/api/v1/refresh", body)[0] == 200
    service.update_terms("2.0")
    status, answer = post(service, "/api/v1/refresh", body)
    assert status == 403 and answer["detail"] == {
        "error": "terms_outdated",
        "accept_url": f"{service.url}/terms",
        "current_terms_version": "2.0",
    }
    assert post(service, "/api/v1/access/request", FORM)[0] == 403
    assert post(service, "/api/v1/access/request", FORM | {"terms_version": "2.0"})[0] == 200
    service.revoke(request_id)
    status, answer = post(service, "/api/v1/refresh", body)
    assert status == 403 and "revoked" in answer["detail"]


def test_links(service):
    url = link_to(service)
    whole = get(url)
    assert whole.status == 200 and whole.data == CONTENT
    assert whole.headers["Accept-Ranges"] == "bytes" and whole.headers["ETag"]
    head = HTTP.request("HEAD", url)
    assert head.status == 200 and head.headers["Content-Length"] == str(len(CONTENT))
    assert head.data == b""
    assert get(link_to(service, "empty.csv")).data == b""
    for wrong in (
        url[:-1] + "x",
        url.partition("?")[0],
        url.replace("images.h5", ".hidden"),
        url.replace("images.h5", "../images.h5"),
        url.replace("expires=", "expires=1"),
    ):
        assert get(wrong).status in (403, 404)
    service.expire_links()
    assert get(url).status == 403
    assert get(link_to(service)).status == 200
    service.link_seconds = -1.0
    assert get(link_to(service)).status == 403


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=10-", (10, None)),
        ("bytes=100-199", (100, 200)),
        ("bytes=10000-999999", (10000, None)),
        ("bytes=-5", (-5, None)),
        ("bytes=-999999", (0, None)),
    ],
)
def test_ranges(service, asked, expected):
    start, stop, _ = slice(*expected).indices(len(CONTENT))
    answer = get(link_to(service), Range=asked)
    assert (answer.status, answer.data) == (206, CONTENT[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(CONTENT)}"


@pytest.mark.parametrize(
    "asked", ["bytes=10240-", "bytes=5-4", "bytes=-0", "bytes=-", "bytes=a-b", "x"]
)
def test_ranges_that_are_not_there(service, asked):
    answer = get(link_to(service), Range=asked)
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


def test_another_version_is_refused(service):
    url = link_to(service)
    etag = get(url).headers["ETag"]
    assert get(url, If_Match=etag).status == 200
    assert get(url, If_Match='"other"').status == 412


def test_a_changed_file_is_noticed(service, folder):
    before = get(f"{service.url}/api/v1/manifest").json()
    (folder / "images.h5").write_bytes(b"new")
    after = get(f"{service.url}/api/v1/manifest").json()
    assert before != after and {f["size"] for f in after["files"]} == {0, 3}


def test_pages_for_people(service):
    for page in ("/terms", "/privacy", "/takedown", "/request"):
        answer = get(service.url + page)
        assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html")
        assert "<h1>" in answer.data.decode()
    assert "Version 1.0" in get(f"{service.url}/terms").data.decode()
    assert get(f"{service.url}/other").json() == {"detail": "Not Found"}
    assert post(service, "/terms", {})[0] == 404


def test_requests_are_counted(service):
    get(f"{service.url}/api/v1/manifest")
    get(link_to(service))
    assert service.n_requests == {
        "GET /api/v1/manifest": 1,
        "POST /api/v1/refresh": 1,
        "GET /files": 1,
    }


def test_a_connection_is_used_again(service):
    parts = urlsplit(service.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    path = urlsplit(link_to(service))
    for _ in range(3):
        connection.request("POST", "/api/v1/refresh", body=b"{}")
        assert connection.getresponse().read()
        kept = connection.sock
        connection.request("GET", f"{path.path}?{path.query}", headers={"Range": "bytes=0-9"})
        assert connection.getresponse().read() == CONTENT[:10]
        assert connection.sock is kept is not None


def test_too_long_a_body(service):
    answer = HTTP.request(
        "POST", f"{service.url}/api/v1/refresh", headers={"Content-Length": "9999999"}
    )
    assert answer.status == 413


def test_nothing_is_logged_and_clients_may_leave(service, folder, capfd, caplog):
    caplog.set_level(logging.DEBUG, logger="laion_fmri")
    with (folder / "images.h5").open("wb") as file:
        file.truncate(200_000_000)
    url = urlsplit(link_to(service))
    for _ in range(3):
        with socket.create_connection((url.hostname, url.port)) as connection:
            connection.sendall(f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        connection.recv(1000)
    assert get(f"{service.url}/api/v1/manifest").status == 200
    assert capfd.readouterr() == ("", "")
    assert not [r for r in caplog.records if r.name.startswith("laion_fmri")]


def test_many_at_once(service):
    url = link_to(service)
    with ThreadPoolExecutor(64) as pool:
        ranges = pool.map(
            lambda i: get(url, Range=f"bytes={i}-{i + 99}").data == CONTENT[i : i + 100], range(200)
        )
        assert all(ranges)


def test_closing_ends_every_connection(folder):
    with DemoAccessService(folder) as service:
        parts = urlsplit(service.url)
        idle = socket.create_connection((parts.hostname, parts.port))
        idle.sendall(b"GET /terms HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200")
    with idle:
        while idle.recv(1000):
            pass
    with pytest.raises(OSError):
        socket.create_connection((parts.hostname, parts.port))
