"""The demo's data directory is the configured one."""

from __future__ import annotations

import pytest

from laion_fmri.subject import Subject, load_subject


@pytest.fixture
def configured(tiny_home, nothing_configured, monkeypatch) -> None:
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tiny_home.data_dir))


@pytest.fixture
def sub(configured) -> Subject:
    return load_subject("sub-01")
