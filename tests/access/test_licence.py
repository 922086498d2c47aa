"""The licence, once for each data directory."""

from __future__ import annotations

import json

import pytest

from laion_fmri import access, layout
from laion_fmri._errors import ConfigError, DataDirNotSetError, LicenseNotAcceptedError
from laion_fmri.access import (
    accept_license,
    is_license_accepted,
    obtain_license,
    require_license,
)


def test_accepted_once(tmp_path, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tmp_path))
    assert not is_license_accepted()
    with pytest.raises(LicenseNotAcceptedError, match=r"accept_license.*--accept-license"):
        require_license(tmp_path)
    marker = accept_license()
    assert marker == tmp_path / layout.LICENSE_MARKER
    written = marker.read_text()
    assert json.loads(written)["license"] == "CC0 1.0"
    assert accept_license() == marker
    assert marker.read_text() == written
    require_license(tmp_path)


def test_each_directory_has_its_own(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    accept_license(tmp_path / "a")
    assert is_license_accepted(tmp_path / "a")
    assert not is_license_accepted(tmp_path / "b")


def test_directories_that_cannot_hold_it(tmp_path):
    with pytest.raises(DataDirNotSetError):
        accept_license()
    with pytest.raises(DataDirNotSetError):
        accept_license(tmp_path / "gone")
    (tmp_path / ".laion_fmri").write_text("in the way")
    with pytest.raises(ConfigError, match="may write to"):
        accept_license(tmp_path)


@pytest.mark.parametrize("said", ["I AGREE", " i agree. ", '"I  AGREE"', "yes", "Y"])
def test_agreed_by_typing_it(tmp_path, capsys, said):
    asked = []
    obtain_license(tmp_path, ask=lambda question: asked.append(question) or said)
    assert is_license_accepted(tmp_path)
    assert "I AGREE" in asked[0]
    assert "CC0" in capsys.readouterr().out
    obtain_license(tmp_path, ask=None)  # not asked again


@pytest.mark.parametrize("said", ["", "no", "I do not agree", "I AGREE not", EOFError, KeyError])
def test_anything_else_declines(tmp_path, said):
    def ask(question):
        if isinstance(said, str):
            return said
        raise EOFError if said is EOFError else NotImplementedError  # a notebook nobody watches

    with pytest.raises(LicenseNotAcceptedError, match="nothing was fetched"):
        obtain_license(tmp_path, ask=ask)
    assert not is_license_accepted(tmp_path)


def test_several_agreements_in_one_call(tmp_path, demo, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LAION_FMRI_ACCESS_URL", demo.url)
    about_me = ["Ada Lovelace", "ada@uni.org", "Uni", "C. Babbage", "To look at pictures of it."]
    answers = iter(["I AGREE", *about_me, "yes", "yes"])
    access.accept_licenses(True, ask=lambda question: next(answers))
    assert is_license_accepted()
    assert access.load_credentials(demo.url) is not None
    access.accept_licenses(include_stimuli=True)  # there is nothing left to ask


def test_every_public_name_is_there():
    for name in access.__all__:
        assert getattr(access, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = access.nothing
