"""A small dataset."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_dataset import SmallDataset


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallDataset:
    """A dataset with metadata and a declared tau split, set as data directory."""
    dataset = SmallDataset(tmp_path / "data")
    dataset.path.mkdir()
    dataset.write_metadata()
    dataset.declare(dataset.write_tau())
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(dataset.path))
    return dataset
