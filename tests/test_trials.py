"""Trial tables."""

from __future__ import annotations

import numpy as np
import pytest
from builders import LABELS, SmallData

from laion_fmri._errors import DamagedFileError, InconsistentDataError, UnknownNameError
from laion_fmri.trials import is_shared, read_trials, select_stimuli


@pytest.fixture
def small(tmp_path) -> SmallData:
    return SmallData(tmp_path)


def test_rows_as_written(small):
    table = read_trials(small.trials(onset=[1.5, "n/a", 3.5, 4.5]))
    assert table["label"].tolist() == list(LABELS)
    assert table["beta_index"].tolist() == [0, 1, 2, 3]
    assert table["session"].tolist() == ["ses-01"] * 4
    assert np.isnan(table["onset"][1])
    assert is_shared(table["label"]).tolist() == [True, False, True, False]
    assert select_stimuli(table, "shared").tolist() == [0, 2]
    assert select_stimuli(table, "unique").tolist() == [1, 3]
    with pytest.raises(UnknownNameError, match="Did you mean 'shared'"):
        select_stimuli(table, "share")


def test_names_that_look_like_missing_values_are_kept(small):
    assert read_trials(small.trials(["NA", "None", "nan"]))["label"].tolist() == [
        "NA", "None", "nan",
    ]  # fmt: skip


def test_no_trials(small):
    table = read_trials(small.trials([]))
    assert len(table) == 0
    assert table["run"].dtype == table["beta_index"].dtype == np.int64
    assert select_stimuli(table, "shared").tolist() == []


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00\x01", b"session\trun\tlabel\nses-01\t1\ta\n",
     b"session\trun\tbeta_index\tlabel\nses-01\t1\t0\t\n",
     b"session\trun\tbeta_index\tlabel\nses-01\t1\t0\n",
     b"session\trun\tbeta_index\tlabel\nses-01\t1\t0\ta\tb\tc\n1\t2\t3\t4\t5\t6\t7\n"],
)  # fmt: skip
def test_damaged_tables(small, content):
    path = small.trials()
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="download it again"):
        read_trials(path)


@pytest.mark.parametrize("index", [[1, 2, 3, 4], [0, 2, 1, 3], [0, 1, 2, ""], [0, 1, 1, 2]])
def test_beta_index_must_count(small, index):
    with pytest.raises(InconsistentDataError, match="beta_index does not count"):
        read_trials(small.trials(beta_index=index))
