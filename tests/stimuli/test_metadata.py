"""The image table, and joins by name."""

from __future__ import annotations

import pytest
from builders import LABELS, SmallData, picture

from laion_fmri._errors import (
    DamagedFileError,
    DataDirNotSetError,
    InconsistentDataError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.stimuli.hub import LocalStimuli, load_stimuli
from laion_fmri.stimuli.metadata import NameIndex, read_metadata


def test_metadata(tmp_path):
    small = SmallData(tmp_path)
    small.metadata(["NA", *LABELS])
    table = read_metadata(tmp_path)
    assert table["image_name"].tolist() == ["NA", *LABELS]
    assert LocalStimuli(tmp_path).metadata.equals(table)
    sub = small.subject
    assert [sub.get_n_stimuli(which) for which in (None, "shared", "unique")] == [5, 2, 2]
    with pytest.raises(UnknownNameError, match="shared"):
        sub.get_n_stimuli("common")
    assert not sub.has_stimuli()
    small.images([picture()] * 5)
    assert sub.has_stimuli()


def test_metadata_that_are_not_here(tmp_path):
    with pytest.raises(StimuliNotDownloadedError, match=r"download_stimuli\(\)"):
        read_metadata(tmp_path)
    with pytest.raises(DataDirNotSetError):
        load_stimuli()


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"\xff\xfe", b'image_name,dataset\n"x',
                b"image_name,dataset,participant,unique_or_shared,n_reps\n,LAION,,shared,4\n"],
)  # fmt: skip
def test_damaged_metadata(tmp_path, content):
    SmallData(tmp_path).metadata().write_bytes(content)
    with pytest.raises(DamagedFileError, match="download it again"):
        read_metadata(tmp_path)


def test_name_index(tmp_path):
    index = NameIndex(["b", "a", "c"], tmp_path / "x.csv")
    assert index.rows(["a", "b", "a"]).tolist() == [1, 0, 1]
    assert len(index) == 3
    assert "c" in index
    for unknown in ("d", None, 3, ["a"]):
        with pytest.raises(UnknownNameError, match=r"The names are in x\.csv"):
            index.row(unknown)
    with pytest.raises(InconsistentDataError, match="names b twice"):
        NameIndex(["a", "b", "c", "b"], tmp_path)
