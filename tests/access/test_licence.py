"""The licence, once for each data directory."""

from __future__ import annotations

import json

import pytest

from laion_fmri import access, layout
from laion_fmri._errors import ConfigError, DataDirNotSetError, LicenseNotAcceptedError
from laion_fmri.access import accept_license, is_license_accepted, require_license


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


def test_the_former_name_still_works(tmp_path):
    with pytest.warns(DeprecationWarning, match="accept_license"):
        access.accept_licenses(tmp_path)
    assert access.is_license_accepted(tmp_path)


def test_every_public_name_is_there():
    for name in access.__all__:
        assert getattr(access, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = access.nothing
