"""Proxies, private certificates, redirects and login pages: whatever fetches, behaves alike."""

from __future__ import annotations

import io
import json
import os
import shutil
import ssl
import subprocess
from contextlib import ExitStack

import pytest
import trustme
import urllib3
from institution import ForwardProxy, ObjectServer, login_page

from laion_fmri import layout
from laion_fmri._errors import (
    AccessServiceError,
    BucketError,
    BucketUnreachableError,
    ConfigError,
    NetworkError,
    TemporaryBucketError,
)
from laion_fmri.access import AccessService
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.bucket.s3 import S3Bucket
from laion_fmri.http.client import (
    HttpClient,
    NetworkProblem,
    describe_network,
    location,
    trusted_certificates,
)
from laion_fmri.http.ranges import HttpPool
from laion_fmri.splits.fetching import SplitFiles
from laion_fmri.transfer.engine import run
from laion_fmri.transfer.events import EventKind
from laion_fmri.transfer.plan import make_plan

KEY, BYTES = "derivatives/rois/sub-01/face/sub-01_label-FFA1_mask.nii.gz", bytes(range(256)) * 9
SPLIT = f"{layout.SPLITS_TREE}/shared/tau.json"
FILES = [{"name": "a.h5", "size": 1, "sha256": "0" * 64}]
MANIFEST = {"current_terms_version": 1, "files": FILES}
OBJECTS = {
    f"b/{KEY}": BYTES,
    "api/v1/manifest": json.dumps(MANIFEST).encode(),
    "shared/tau.json": b"{}",
}
VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
CERTIFICATES = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in [*VARIABLES, *map(str.lower, VARIABLES), *CERTIFICATES, "SSL_CERT_DIR"]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def servers(authority):
    """A server over HTTP, one over HTTPS, and a proxy."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with ExitStack() as stack:
        plain = stack.enter_context(ObjectServer().served())
        encrypted = stack.enter_context(ObjectServer().served(context))
        encrypted.objects = OBJECTS
        yield plain, encrypted, stack.enter_context(ForwardProxy().served())


@pytest.fixture
def plain(servers):
    servers[0].take, servers[0].objects = None, OBJECTS
    servers[0].requests.clear()
    return servers[0]


@pytest.fixture
def encrypted(servers):
    servers[1].take = None
    return servers[1]


@pytest.fixture
def proxy(servers):
    servers[2].wanted = ""
    servers[2].asked_for.clear()
    return servers[2]


def read(stream):
    with stream as opened:
        return b"".join(iter(lambda: opened.read(1 << 16), b""))


def fetchers(url):
    """Each way to get something from a server, with what comes of it."""
    bucket = S3Bucket("b", url, read_timeout=5)
    return {
        "folder": (lambda: bucket.folder().prefixes, ("derivatives/",)),
        "list": (lambda: [o.key for o in bucket.objects()], [KEY]),
        "head": (lambda: bucket.head(KEY).size, len(BYTES)),
        "bytes": (lambda: read(bucket.open(KEY)), BYTES),
        "a range": (lambda: read(bucket.open(KEY, 5, 9)), BYTES[5:9]),
        "manifest": (lambda: AccessService(url).manifest().files[0].name, "a.h5"),
        "split": (lambda: read(SplitFiles(url).open(SPLIT)), b"{}"),
    }


def everything(url):
    return {what: fetch() for what, (fetch, _) in fetchers(url).items()}


ALL = {what: expected for what, (_, expected) in fetchers("http://127.0.0.1:9").items()}


# --- proxies ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variable, address, wanted",
    [
        ("http_proxy", "http://ada:secret@{}", "ada:secret"),
        ("HTTP_PROXY", "http://INST%5Cada:s%40cr%3At%2F%C3%BC@{}/", "INST\\ada:s@cr:t/ü"),
        ("HTTP_PROXY", "ada:s@cret@{}", "ada:s@cret"),
        ("http_proxy", "{}", ""),
        ("HTTP_PROXY", " //{} ", ""),
        ("ALL_PROXY", "http://ada@{}", "ada:"),
        ("all_proxy", "{}", ""),
    ],
)
def test_every_request_takes_the_proxy(plain, proxy, monkeypatch, variable, address, wanted):
    monkeypatch.setenv(variable, address.format(proxy.place))
    proxy.wanted = wanted
    assert everything(plain.url) == ALL
    assert len(proxy.asked_for) >= len(ALL)


@pytest.mark.parametrize("address", ["http://ada:secret@{}", "{}"])
def test_encrypted_requests_take_the_proxy_by_connect(
    encrypted, proxy, authority, monkeypatch, tmp_path, address
):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("HTTPS_PROXY", address.format(proxy.place))
    proxy.wanted = "ada:secret" if "@" in address else ""
    assert everything(encrypted.url) == ALL
    assert set(proxy.asked_for) == {encrypted.url.removeprefix("https://")}


def test_no_proxy_names_servers_that_are_reached_directly(plain, proxy, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.place}")
    place = plain.url.removeprefix("http://")
    for without in (
        "127.0.0.1",
        "a.example.org, 127.0.0.0/8",
        "*",
        place,
        "10.0.0.0/8,,127.0.0.1/32",
    ):
        monkeypatch.setenv("NO_PROXY", without)
        assert HttpClient().request("GET", plain.url).status == 404
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("no_proxy", place)
    assert everything(plain.url) == ALL
    assert proxy.asked_for == []
    for without in ("127.0.0.2", "128.0.0.0/1", "example.org", "::1"):
        monkeypatch.setenv("no_proxy", without)
        assert HttpClient().request("GET", plain.url).status == 404
    assert len(proxy.asked_for) == 4


def test_variables_in_lower_case_win_and_an_empty_one_switches_off(plain, proxy, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", proxy.place)
    assert everything(plain.url) == ALL
    n_before = len(proxy.asked_for)
    monkeypatch.setenv("http_proxy", "")
    assert everything(plain.url) == ALL
    assert len(proxy.asked_for) == n_before > 0


def test_a_proxy_that_wants_a_password_says_where_it_goes(
    plain, encrypted, proxy, authority, monkeypatch, tmp_path
):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    proxy.wanted = "ada:secret"
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://ada:wrong-one@{proxy.place}")
    for url in (plain.url, encrypted.url):
        for fetch, _ in fetchers(url).values():
            with pytest.raises(
                (NetworkError, AccessServiceError), match="http://user:password@host:port"
            ) as said:
                fetch()
            assert "wrong-one" not in str(said.value)


@pytest.mark.parametrize("named", ["http://host:port", "ftp://host:21", "http://", "host:99999"])
def test_a_proxy_that_is_none_is_refused_without_showing_it(plain, monkeypatch, named):
    monkeypatch.setenv("HTTP_PROXY", named.replace("//", "//ada:secret@"))
    for fetch, _ in fetchers(plain.url).values():
        with pytest.raises(ConfigError, match="HTTP_PROXY") as said:
            fetch()
        assert "secret" not in str(said.value)


def test_a_proxy_that_does_not_answer_is_named_as_the_cause(plain, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://ada:secret@127.0.0.1:9")
    for what in ("list", "bytes", "manifest", "split"):
        with pytest.raises(
            (BucketUnreachableError, AccessServiceError), match=r"proxy does not answer.*NO_PROXY"
        ) as said:
            fetchers(plain.url)[what][0]()
        assert "secret" not in str(said.value)


# --- certificates -------------------------------------------------------------------------


@pytest.mark.parametrize("variable", CERTIFICATES)
def test_each_variable_alone_makes_a_private_certificate_known(
    encrypted, authority, monkeypatch, tmp_path, variable
):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
    assert everything(encrypted.url) == ALL


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("is_hashed", [False, True])
def test_a_folder_of_certificates_with_or_without_hashed_names(
    encrypted, authority, monkeypatch, tmp_path, variable, is_hashed
):
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "notes.pem").write_text("no certificate")
    authority.cert_pem.write_to_path(folder / "institute.crt")
    if is_hashed:
        if shutil.which("openssl") is None:
            pytest.skip("needs openssl, which knows the hash of a name")
        command = ["openssl", "x509", "-hash", "-noout", "-in", folder / "institute.crt"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        (folder / "institute.crt").rename(folder / f"{told.strip()}.0")
    several = f"{tmp_path / 'missing'}{os.pathsep}{folder}"
    monkeypatch.setenv(variable, several if variable == "SSL_CERT_DIR" else str(folder))
    assert everything(encrypted.url) == ALL


@pytest.mark.parametrize("variable", [*CERTIFICATES, "SSL_CERT_DIR"])
def test_a_variable_that_names_no_certificates_is_said(encrypted, monkeypatch, tmp_path, variable):
    monkeypatch.setenv(variable, str(tmp_path / "missing.pem"))
    for fetch, _ in fetchers(encrypted.url).values():
        with pytest.raises(ConfigError, match=rf"{variable} names .*missing\.pem.*cannot be read"):
            fetch()
    if variable != "SSL_CERT_DIR":
        (tmp_path / "missing.pem").write_text("no certificate")
        with pytest.raises(ConfigError, match=rf"{variable} .*PEM form"):
            trusted_certificates()


def test_a_certificate_that_is_not_trusted_is_an_error_with_advice_at_once(encrypted):
    for fetch, _ in fetchers(encrypted.url).values():
        with pytest.raises(
            (NetworkError, AccessServiceError), match=r"not trusted.*SSL_CERT_FILE.*log in"
        ) as said:
            fetch()
        assert not isinstance(said.value, TemporaryBucketError)  # which would be tried again


def test_a_server_without_tls_at_an_https_address(plain):
    with pytest.raises(BucketUnreachableError, match=r"TLS.*http or https"):
        S3Bucket("b", plain.url.replace("http", "https")).folder()


# --- redirects ----------------------------------------------------------------------------


def moved(status, where):
    """Answers what has not moved yet with a redirect."""

    def take(handler):
        if "/moved" in handler.path:
            handler.path = handler.path.replace("/moved", "", 1)
            return False
        handler.answer(
            status, b"<Error><Code>Redirect</Code></Error>", {"Location": where(handler)}
        )
        return True

    return take


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("base", ["", "{url}"])
def test_redirects_are_followed_by_listings_and_files_alike(plain, status, base):
    plain.take = moved(status, lambda h: f"{base.format(url=plain.url)}/moved{h.path}")
    found = {w: f() for w, (f, _) in fetchers(plain.url).items() if w != "manifest"}
    assert found == {what: value for what, value in ALL.items() if what != "manifest"}


def test_the_access_service_is_asked_at_its_own_address_alone(plain):
    plain.take = moved(307, lambda h: f"/moved{h.path}")
    with pytest.raises(AccessServiceError, match=r"sends on to .*log in"):
        AccessService(plain.url).manifest()


def test_the_endpoint_that_a_permanent_redirect_names(plain):
    there = ObjectServer()
    there.objects = plain.objects
    with there.served():

        def take(handler):
            place = f"localhost:{there.url.rpartition(':')[2]}"
            body = f"<Error><Code>PermanentRedirect</Code><Endpoint>{place}</Endpoint></Error>"
            handler.answer(301, b"" if handler.command == "HEAD" else body.encode())
            return True

        plain.take = take
        bucket = S3Bucket("b", plain.url)
        assert [o.key for o in bucket.objects()] == [KEY]
        assert read(bucket.open(KEY)) == BYTES
        with pytest.raises(BucketError, match="endpoint"):  # a HEAD's answer has no body
            bucket.head(KEY)


@pytest.mark.parametrize(
    "asked, endpoint, following",
    [
        ("http://h/b/k", "other", "http://other/b/k"),
        ("http://h/b/k", "b.example.org:9", "http://b.example.org:9/k"),
        ("http://h/b?x", "b.example.org", "http://b.example.org?x"),
        ("https://b.s3.example.com/k", "b.example.org", "https://b.example.org/k"),
        ("https://b.s3.example.com/k?x", "other", "https://other/b/k?x"),
        ("https://b.s3.example.com/bk", "other", "https://other/b/bk"),
        ("http://h/b/bk", "b.example.org", "http://b.example.org/bk"),
    ],
)
def test_an_endpoint_has_the_bucket_in_its_name_or_in_its_path(asked, endpoint, following):
    body = f"<Error><Endpoint>{endpoint}</Endpoint></Error>".encode()
    answer = urllib3.HTTPResponse(io.BytesIO(body), {}, 301, preload_content=False)
    assert S3Bucket("b").next_address(answer, asked) == following


@pytest.mark.parametrize(
    "host, there",
    [
        ("b.s3.us-west-2.amazonaws.com", "b.s3.eu-central-1.amazonaws.com"),
        ("b.s3.amazonaws.com", "b.s3.eu-central-1.amazonaws.com"),
        ("s3.us-west-2.amazonaws.com", "s3.eu-central-1.amazonaws.com"),
        ("b.s3-us-west-2.amazonaws.com", "b.s3.eu-central-1.amazonaws.com"),
        ("mys3.example.org", None),
    ],
)
def test_a_bucket_of_another_region_is_found_and_remembered(host, there):
    bucket = S3Bucket("b")
    headers = {"x-amz-bucket-region": "eu-central-1"}
    answer = urllib3.HTTPResponse(b"", headers, 301, preload_content=False)
    path = "/some/key?list-type=2"
    following = bucket.next_address(answer, f"https://{host}{path}")
    assert following == (None if there is None else f"https://{there}{path}")
    region = "us-west-2" if there is None else "eu-central-1"
    address = f"b.s3.{region}.amazonaws.com/key"
    assert bucket.url("key") == f"https://{address}"


def test_redirects_that_lead_nowhere(plain, encrypted, authority, monkeypatch, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    plain.take = moved(302, lambda h: "/round/and/round")
    encrypted.take = moved(302, lambda h: f"{plain.url}/moved")
    for server in (plain, encrypted):
        for what in ("list", "bytes", "split"):
            with pytest.raises(NetworkError, match="redirects"):
                fetchers(server.url)[what][0]()
    for odd in ("file:///etc/passwd", "http://[", "//", ""):
        plain.take = moved(302, lambda h, odd=odd: odd)
        for what in ("list", "bytes", "split"):
            with pytest.raises((BucketError, NetworkError)):
                fetchers(plain.url)[what][0]()


# --- login pages --------------------------------------------------------------------------


def without_type(handler):
    handler.answer(200, b"\n<!-- portal --><HTML lang=en>log in", {"Content-Type": ""})
    return True


def of_unknown_length(handler):
    page = b"<html><body>log in</body></html>"
    handler.answer(200, page, {"Content-Length": "", "Content-Type": "text/html"})
    return True


def well_formed(handler):
    page = b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body/></html>'
    handler.answer(200, page, {"Content-Type": "application/xhtml+xml"})
    return True


def required(handler):
    handler.answer(511, b"<html>log in</html>", {"Content-Type": "text/html"})
    return True


def redirected(handler):
    if "login" in handler.path:
        return login_page(handler)
    handler.answer(302, b"", {"Location": "/login?from=there"})
    return True


def test_a_server_without_the_bucket_is_said_to_be_one(plain):
    def nothing(handler):
        handler.answer(404, b"not found", {"Content-Type": "text/plain"})
        return True

    plain.take = nothing
    with pytest.raises(BucketUnreachableError, match=r"no bucket s3://b\. Check its name"):
        list(S3Bucket("b", plain.url).objects())


PORTALS = [login_page, without_type, of_unknown_length, well_formed, required, redirected]


@pytest.mark.parametrize("portal", PORTALS)
def test_a_login_page_is_an_error_and_never_an_answer(plain, portal):
    plain.take = portal
    for fetch, _ in fetchers(plain.url).values():
        with pytest.raises((NetworkError, AccessServiceError), match=r"log.in"):
            fetch()
    plain.take = None
    (found,) = S3Bucket("b", plain.url).objects()
    plain.take = portal
    with pytest.raises(NetworkError):
        S3Bucket("b", plain.url).checksum(type(found)(KEY, 9, f"{'0' * 32}-2"))


@pytest.mark.parametrize("portal", PORTALS)
def test_a_login_page_leaves_nothing_in_the_data_directory(plain, tmp_path, portal):
    plain.objects = {**plain.objects, **{f"b/many/{n:03}": b"%d" % n * 99 for n in range(200)}}
    bucket = S3Bucket("b", plain.url)
    plan = make_plan([*bucket.objects()], tmp_path, bucket)
    plain.requests.clear()
    plain.take = portal
    ends = [event for event in run(plan) if event.kind.is_last]
    assert {event.kind for event in ends} == {EventKind.FAILED}
    assert all("log in" in event.message for event in ends)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert len(plain.requests) < 50  # where a login page answers once, the rest is not asked for


def test_a_source_behind_a_login_page_keeps_no_other_from_giving(plain, tmp_path):
    (tmp_path / "mirror" / "stimuli").mkdir(parents=True)
    for number in range(30):
        (tmp_path / "mirror" / "stimuli" / f"{number}.csv").write_text(str(number))
    sources = (S3Bucket("b", plain.url), DirectoryBucket(tmp_path / "mirror"))
    plans = [make_plan(source.objects(), tmp_path / "data", source) for source in sources]
    plain.take = login_page
    ends = [event for event in run(plans[0] + plans[1]) if event.kind.is_last]
    fetched = {event.file.key for event in ends if event.kind is EventKind.FETCHED}
    assert fetched == {file.key for file in plans[1].files}
    assert len(ends) == len(plans[0].files) + len(fetched)


def test_web_pages_that_are_files_are_fetched(plain, tmp_path):
    pages = {"b/reports/a.html": b"<html>a report</html>", "b/reports/b": b"<!doctype html>b"}
    plain.objects = {**plain.objects, **pages}
    bucket = S3Bucket("b", plain.url)
    assert read(bucket.open("reports/a.html")) == pages["b/reports/a.html"]
    (found,) = bucket.objects("reports/b")  # the bucket says by its ETag that this is the object
    assert read(bucket.open(found.key, etag=found.etag)) == pages["b/reports/b"]


def test_what_an_error_means_is_read_from_what_is_behind_it():
    refused = urllib3.exceptions.ProxyError("no", OSError("Tunnel connection failed: 407 No"))
    assert not NetworkProblem.of(refused).may_pass
    assert NetworkProblem.of(TimeoutError()) == NetworkProblem("TimeoutError", "", True)
    circle = OSError("a")
    circle.__cause__ = circle
    assert NetworkProblem.of(circle).reason == "OSError"


def test_redirects_are_followed_on_request_only(plain):
    plain.take = moved(302, lambda h: f"/moved{h.path}")
    client = HttpClient()
    url = f"{plain.url}/b/{KEY}"
    assert client.request("GET", url).status == 302
    answer = client.request("GET", url, location)
    assert (answer.status, answer.read()) == (200, BYTES)
    assert answer.url == f"{plain.url}/moved/b/{KEY}"


def test_the_network_in_a_few_words(monkeypatch, tmp_path, authority):
    url = "https://a.example.org"
    monkeypatch.setenv("NO_PROXY", "b.example.org")
    assert describe_network(url) == "no proxy; certificates: the usual ones"
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "ada:secret@proxy.example.org:3128")
    said = describe_network(url)
    assert said == "proxy proxy.example.org:3128; certificates: the usual ones, CURL_CA_BUNDLE"
    assert describe_network("https://b.example.org").startswith("no proxy")


def test_a_folder_with_links_to_nothing_is_read(monkeypatch, tmp_path, encrypted, authority):
    authority.cert_pem.write_to_path(tmp_path / "z.pem")
    (tmp_path / "a.pem").symlink_to(tmp_path / "gone")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert read(HttpPool().open(f"{encrypted.url}/b/{KEY}", "a file")) == BYTES
