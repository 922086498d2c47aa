"""The folder that somebody typed is the one that is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from laion_fmri.config import load_settings
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.widgets.data_directory_field import DataFolder


@pytest.fixture
def chosen() -> list[str]:
    return []


@pytest.fixture
def folder(chosen: list[str]) -> DataFolder:
    return DataFolder(ExplorerData(), lambda: chosen.append("chosen"))


def press(folder: DataFolder) -> None:
    folder.use.clicks += 1


def test_what_was_typed_is_used_before_the_field_is_left(
    folder: DataFolder, chosen: list[str], tmp_path: Path
):
    folder.field.value_input = str(tmp_path)
    press(folder)
    assert chosen == ["chosen"]
    assert load_settings().data_dir == tmp_path


def test_an_empty_field_is_no_folder(folder: DataFolder, chosen: list[str]):
    folder.field.value = folder.field.value_input = " "
    press(folder)
    assert chosen == [] and load_settings().data_dir is None
    assert "Name a folder" in folder.message.object
