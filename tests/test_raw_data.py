"""Raw BIDS files as they may come: other tasks, tables with less or more, uncompressed series."""

from __future__ import annotations

from pathlib import Path

import pytest

from laion_fmri._errors import DamagedFileError
from laion_fmri.subject import Subject

FUNC = "sub-01/ses-01/func"


@pytest.fixture
def sub(tmp_path) -> Subject:
    (tmp_path / FUNC).mkdir(parents=True)
    return Subject("sub-01", tmp_path)


def write(sub: Subject, rest: str, text: str = "") -> Path:
    path = sub.data_dir / FUNC / f"sub-01_ses-01_{rest}"
    path.write_text(text, encoding="utf-8")
    return path


def test_events_of_several_tasks_and_of_tables_with_less_or_more(sub):
    write(sub, "task-images_run-10_events.tsv", "onset\tduration\tstim_file\n1\tn/a\t007\n")
    write(sub, "task-images_run-2_events.tsv", "\ufeffonset\tduration\tstim_file\n2.5\t1\tNA\n")
    write(sub, "task-rest_events.tsv", "onset\trun\n4\t3\n")
    write(sub, "task-images_run-02_events.json", "{}")
    events = sub.get_events("ses-01")
    assert events["run"].tolist() == [2, 10, 3]
    assert events["task"].tolist() == ["images", "images", "rest"]
    assert events["onset"].tolist() == [2.5, 1, 4]
    assert events["stim_file"].tolist()[:2] == ["NA", "007"]
    assert events["duration"].isna().tolist() == [False, True, True]
    # A file without the entity passes, as in a download.
    assert sub.get_events("ses-01", 10)["task"].tolist() == ["images", "rest"]
    assert not sub.has_raw()
    write(sub, "task-images_run-2_events.tsv", "onset\nsoon\n")
    with pytest.raises(DamagedFileError, match="soon"):
        sub.get_events("ses-01", run=2)


def test_series_are_in_natural_order_and_each_once(sub):
    names = [f"task-images_run-{run}_echo-{echo}_bold" for run in (2, 10) for echo in (1, 2)]
    for name in reversed(names):
        write(sub, f"{name}.nii.gz")
        write(sub, f"{name}.json")
    write(sub, f"{names[0]}.nii")
    alone = write(sub, "task-images_run-11_bold.nii")
    expected = [sub.data_dir / FUNC / f"sub-01_ses-01_{name}.nii.gz" for name in names]
    assert sub.get_raw_bold("ses-01") == [*expected, alone]
    assert sub.get_raw_bold(1, run=["02", 11]) == [*expected[:2], alone]
    assert sub.has_raw(run=10, echo=2)
    with pytest.raises(FileNotFoundError, match="sbref"):
        sub.get_sbref("ses-01")
