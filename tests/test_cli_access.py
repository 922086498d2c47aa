"""The data use agreement at the command line, against the demo's access service."""

from __future__ import annotations

import json

import pytest

from laion_fmri import layout
from laion_fmri.cli import main
from laion_fmri.demo.access_service import DemoAccessService

FORM = [
    *("--name", "Ada Lovelace", "--email", "ada@uni-test.de", "--institution", "Test University"),
    *("--pi-or-supervisor", "Charles Babbage"),
    *("--research-purpose", "Encoding models of the visual cortex"),
    *("--accept-terms", "--acknowledge-privacy"),
]


@pytest.fixture
def service(tiny_bucket):
    with DemoAccessService(tiny_bucket) as running:
        yield running


@pytest.fixture
def here(service, tiny_bucket, tmp_path, monkeypatch):
    monkeypatch.delenv("LAION_FMRI_ACCESS_URL")
    folder = tmp_path / "data"
    settings = ["--data-dir", str(folder), "--bucket", tiny_bucket.as_uri()]
    assert main(["config", *settings, "--access-url", service.url]) == 0
    return folder


def assert_images_are_right(here, tiny_bucket):
    for key in (layout.STIMULI_IMAGES, layout.STIMULI_METADATA):
        assert (here / key).read_bytes() == (tiny_bucket / key).read_bytes()


def test_the_images_arrive_after_the_form_is_filled_in(here, service, tiny_bucket, capsys):
    assert main(["download-stimuli"]) == 1
    error = capsys.readouterr().err
    assert "request-access" in error and len(error.splitlines()) == 1
    assert main(["request-access", *FORM]) == 0
    assert main(["download-stimuli", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "2 files fetched" in out
    assert "lfm_" not in out.replace("lfm_…", "")
    assert_images_are_right(here, tiny_bucket)


def test_files_that_match_the_manifest_need_no_id(here, service, capsys):
    assert main(["request-access", *FORM]) == 0
    assert main(["download-stimuli", "--quiet"]) == 0
    assert main(["logout"]) == 0
    service.n_requests.clear()
    capsys.readouterr()
    assert main(["download-stimuli", "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_already_here"] == 2
    assert len(service.n_requests) == 1  # the manifest


def test_a_damaged_file_of_the_right_size_is_fetched_again(here, tiny_bucket):
    assert main(["request-access", *FORM]) == 0
    assert main(["download-stimuli", "--quiet"]) == 0
    path = here / layout.STIMULI_IMAGES
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert main(["download-stimuli", "--quiet"]) == 0
    assert_images_are_right(here, tiny_bucket)


def test_with_the_subjects_files_in_one_call(here, tiny_bucket, capsys):
    command = ["download", "--subject", "01", "--ses", "averages", "--include-stimuli"]
    assert main([*command, "--accept-license", "--quiet"]) == 1
    assert "request-access" in capsys.readouterr().err
    assert main(["request-access", *FORM]) == 0
    assert main([*command, "--accept-license", "--quiet"]) == 0
    assert (here / layout.mean_rsquare("sub-01")).is_file()
    assert_images_are_right(here, tiny_bucket)


def test_login_logout_and_revoked(here, service, capsys):
    request_id = service.issue("ada@uni-test.de")
    assert main(["login", "--request-id", "lfm_of_nobody_at_all_0123456789"]) == 1
    assert main(["login", "--request-id", str(request_id)]) == 0
    service.revoke(request_id)
    assert main(["download-stimuli", "--quiet"]) == 1
    assert main(["logout"]) == 0
    assert main(["logout"]) == 0
    said = capsys.readouterr()
    assert "revoked" in said.err or "withdrawn" in said.err
    assert "No request id was stored" in said.out
    assert str(request_id) not in said.out + said.err


def test_a_form_that_is_not_right_is_one_line(here, capsys):
    capsys.readouterr()
    assert main(["request-access", *FORM, "--research-purpose", "fun"]) == 1
    error = capsys.readouterr().err
    assert "at least 20" in error
    assert len(error.splitlines()) == 1
