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


def test_missing_runs_and_sessions_stay_missing(small):
    table = read_trials(small.trials(run=["n/a", 2, "", 3], session=["01", "n/a", "ses-01", "nan"]))
    np.testing.assert_array_equal(table["run"], [np.nan, 2, np.nan, 3])
    assert table["session"].isna().tolist() == [False, True, False, False]
    assert table["session"][[0, 3]].tolist() == ["01", "nan"]


def test_further_columns_keep_their_zeros(small):
    table = read_trials(
        small.trials(code=["007", "08", "9", "10"], correct=[True] * 4, rt=[0.5] * 4)
    )
    assert table["code"].tolist() == ["007", "08", "9", "10"]
    assert table["correct"].tolist() == ["True"] * 4
    assert table["rt"].tolist() == [0.5] * 4


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
