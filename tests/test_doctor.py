"""Whether everything is in place."""

from __future__ import annotations

import json

from laion_fmri import access
from laion_fmri.cli import main
from laion_fmri.config import config_file, dataset_initialize, write_config
from laion_fmri.demo.access_service import DemoAccessService
from laion_fmri.doctor import Health, examine


def by_subject(diagnosis):
    return {found.subject: found for found in diagnosis.findings}


def test_a_machine_where_everything_is_there(tiny_bucket, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("LAION_FMRI_ACCESS_URL")
    with DemoAccessService(tiny_bucket) as service:
        write_config(bucket=tiny_bucket.as_uri(), access_url=service.url)
        dataset_initialize(tmp_path / "data")
        access.accept_license()
        request_id = service.issue("ada@uni-test.de")
        access.login(request_id)
        diagnosis = examine()
        assert main(["doctor"]) == 0
    found = by_subject(diagnosis)
    assert diagnosis.is_good
    assert "5 subjects" in found["bucket"].said
    assert "2 files" in found["access service"].said
    assert found["licence"].said == "accepted"
    assert "certificates" in found["network"].said
    assert str(request_id) not in str(diagnosis) + capsys.readouterr().out


def test_nothing_is_configured(capsys):
    write_config(bucket="file:///nowhere/at/all")
    assert main(["doctor", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    problems = {f["subject"] for f in findings if f["health"] == Health.PROBLEM}
    assert problems == {"data directory", "bucket"}
    named = {f["subject"] for f in findings}
    assert named >= {"laion_fmri", "packages", "browser", "access service"}


def test_damaged_settings_hide_nothing_else():
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text("{")
    found = by_subject(examine())
    assert found["settings"].health is Health.PROBLEM
    assert "line 1" in found["settings"].said
    assert found["packages"].health is Health.GOOD
