"""Tables of text: every cell comes back as it is written, or the line that is wrong is named."""

from __future__ import annotations

import csv
import io
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laion_fmri._errors import DamagedFileError, UnreadableFileError
from laion_fmri.tables import MISSING, read_table

TYPES = {"name": "text", "noun": "text", "run": "integer", "score": "number"}
LOOKS_LIKE_SOMETHING = [
    "007", "5.10", "1e5", "0x10", "1_000", "+1", "-0", "1.", ".5", " 1", "٣", "True", "FALSE",
    "inf", "-Infinity", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>", "#N/A", "",
    "n/a", '"', '""', "a\nb", "a\r\nb", "\r", ",", "\t", "a,b", "'", "# no comment", "\\", "\ufeff",
    "\x00", "\x1f", "2024-01-01", "12", "-3", "0.5", "1e-05", "9007199254740993",
    "18446744073709551616",
]  # fmt: skip
texts = st.one_of(
    st.sampled_from(LOOKS_LIKE_SOMETHING),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.integers().map(str),
    st.floats().map(repr),
)


def written(rows: list[list[str]], separator: str = ",", **how: object) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, **how).writerows(rows)  # type: ignore[arg-type]
    return out.getvalue()


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables") / "table.csv"


@given(
    st.lists(st.tuples(texts, texts), min_size=1, max_size=6),
    st.sampled_from([",", "\t", ";"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 2),
)
@settings(max_examples=100)
def test_every_cell_comes_back(path, cells, separator, newline, quoting, mark, n_more, n_blank):
    """Whatever the cells, separators at the ends of rows, quoting, line ends and blank lines."""
    rows = [["name", "noun", "code", "place"]]
    rows += [[noun, noun, code, str(i)] for i, (noun, code) in enumerate(cells)]
    if any("\r" in cell for row in rows for cell in row):
        quoting = csv.QUOTE_ALL  # outside quotation marks it ends the row
    text = written(rows, separator, lineterminator=newline, quoting=quoting)
    if n_more and quoting == csv.QUOTE_MINIMAL:
        more = [row + [""] * n_more for row in rows[1:]]
        text = written([rows[0], *more], separator, lineterminator=newline)
    bom = b"\xef\xbb\xbf" if mark else b""
    table = read_table(
        write(path, bom + text.encode() + newline.encode() * n_blank),
        {"name": "text", "noun": "text", "place": "integer"},
        separator=separator,
    )
    assert list(table.columns) == rows[0]
    assert table["place"].tolist() == list(range(len(cells)))
    for got, (noun, _) in zip(table["noun"], cells, strict=True):
        assert pd.isna(got) if noun in MISSING else got == noun
    for got, (_, code) in zip(table["code"], cells, strict=True):
        if code in MISSING:
            assert pd.isna(got)
        elif isinstance(got, str):
            assert got == code
        else:  # a number, which says all that was written
            assert math.isfinite(got)
            assert code in (repr(float(got)), str(int(got)))


@given(st.lists(texts, min_size=1, max_size=5))
@settings(max_examples=50)
def test_numbers_are_read_or_the_line_is_named(path, cells):
    def number(cell: str) -> float | None:
        if cell in (*MISSING, "NA", "NaN", "nan", "None", "null"):
            return math.nan
        try:
            return None if "_" in cell else float(cell)
        except ValueError:
            return None

    write(path, written([["score", "row"], *([cell, "x"] for cell in cells)]))
    numbers = [number(cell) for cell in cells]
    if None in numbers:
        with pytest.raises(DamagedFileError, match=r"line \d+: .* the column score is not a numb"):
            read_table(path, {"score": "number"})
    else:
        found = read_table(path, {"score": "number"})["score"]
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, np.array(numbers, float))


@pytest.mark.parametrize(
    ("cells", "expected", "dtype"),
    [
        (["3", "-1", "0"], [3, -1, 0], np.int64),
        (["3", "n/a", ""], [3, np.nan, np.nan], np.float64),
        (["3.0", "nan", "1e2"], [3, np.nan, 100], np.float64),
        (["3.0", "4.0"], [3, 4], np.int64),
        ([], [], np.int64),
    ],
)
def test_whole_numbers(path, cells, expected, dtype):
    write(path, written([["run", "label"], *([cell, "x"] for cell in cells)]))
    found = read_table(path, {"run": "integer", "label": "text"})
    assert found["run"].dtype == dtype
    np.testing.assert_array_equal(found["run"], expected)


@pytest.mark.parametrize(
    ("cells", "is_text"),
    [
        (["12", "7"], False),
        (["0.5", "12", "n/a"], False),
        (["1.5", "-2.25"], False),
        (["007", "12"], True),
        (["5.10", "5.9"], True),
        (["1e5", "2"], True),
        (["12", "x"], True),
        (["True", "False"], True),
        (["inf", "1.0"], True),
        (["nan", "1.0"], True),
        (["1234567890123456789", "2"], True),
        (["1_0", "2"], True),
    ],
)
def test_a_further_column_is_numbers_where_they_say_all_that_is_written(path, cells, is_text):
    write(path, written([["more", "label"], *([cell, "x"] for cell in cells)]))
    found = read_table(path, {"label": "text"})["more"]
    assert (found.dtype.kind in "if") != is_text
    if is_text:
        assert found.tolist() == cells


HEAD = "name,noun,run,score"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("name,noun\n", r"lacks the column run, score \(it has name, noun\)"),
        (f"{HEAD}\na,b,1\n", "line 2: it has 3 cells, the table 4 columns"),
        (f"{HEAD}\na,b,1,2\na,b,1,2,3\n", "line 3: it has 5 cells, the table 4 columns"),
        (f'{HEAD}\n"a\nb",b,1,2\n\na,b\n', "line 5: it has 2 cells"),
        (f"{HEAD},noun\na,b,1,2,c\n", "two of its columns are called 'noun'"),
        (f"{HEAD}\na,b,x,2\n", "line 2: 'x' in the column run is not a whole number"),
        (f"{HEAD}\na,b,1,2\na,b,1.5,2\n", "line 3: '1.5' in the column run is not a whole number"),
        (f"{HEAD}\na,b,1,1_0\n", "line 2: '1_0' in the column score is not a number"),
        (f'{HEAD}\na,b,1,"2\na,b,1,2\n', "line 3: .*quotation mark"),
        (f'{HEAD}\na,"b"c,1,2\n', "line 2: .*quotation mark"),
        (f"{HEAD}\na,é,1,2\n".encode("latin-1"), "not UTF-8"),
        (f"{HEAD}\na,b,1,2\n".encode("utf-16"), "not UTF-8"),
        (f"{HEAD}\n" + "a,b,1,2\n" * 700 + "a,b,1\n", "line 702: it has 3 cells"),
        (f"{HEAD}\n" + "a,b,1,2\n" * 700 + "a,b,c,2\n", "line 702: 'c' in the column run"),
    ],
)
def test_what_is_no_such_table_is_named_with_its_line(path, text, says):
    write(path, text)
    with pytest.raises(DamagedFileError, match=says) as error:
        read_table(path, TYPES)
    assert str(path) in str(error.value)
    assert "Correct it, or delete it and download it again." in str(error.value)


def test_what_spreadsheets_add_shifts_nothing(path):
    """An index without a name, columns without a name, rows of empty cells at the end."""
    write(path, ",name,noun,run,score,,\n0,a,b,1,2,,\n1,c,d,3,4,,\n,,,,,,\n,,,,,,\n")
    found = read_table(path, TYPES)
    assert found.columns.tolist() == list(TYPES)
    assert found["name"].tolist() == ["a", "c"]
    assert found["run"].tolist() == [1, 3]


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path):
    with pytest.raises(UnreadableFileError, match=r"is a directory.*move the folder away"):
        read_table(tmp_path, TYPES)
    with pytest.raises(UnreadableFileError, match="Download it again"):
        read_table(tmp_path / "gone.csv", TYPES)
    if os.geteuid():  # nothing is forbidden to root
        locked = write(tmp_path / "locked.csv", HEAD)
        locked.chmod(0)
        with pytest.raises(UnreadableFileError, match="permissions"):
            read_table(locked, TYPES)
