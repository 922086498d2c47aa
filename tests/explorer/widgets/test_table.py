from __future__ import annotations

import pytest

from laion_fmri.explorer.widgets.table import Column, Row, Table

N_ROWS = 1_000


class Calls(list):
    def of(self, name: str):
        return lambda *values: self.append((name, *values))


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def table(calls) -> Table:
    def rows(first: int, stop: int) -> list[Row]:
        return [Row((f"row {place}",), place == 2, place != 3) for place in range(first, stop)]

    table = Table(
        [Column("name", "Name")],
        rows,
        "Rows",
        on_open=calls.of("open"),
        on_check=calls.of("check"),
        on_check_all=calls.of("check_all"),
        on_sort=calls.of("sort"),
    )
    table.set_rows(N_ROWS)
    return table


def tell(table: Table, **message) -> list[dict]:
    """What the table answers to a message of the page."""
    answers: list[dict] = []
    table._send_msg = answers.append
    table.receive({"version": table.view["version"], **message})
    return answers


def test_the_first_rows_come_with_their_number(table):
    assert table.view["total"] == N_ROWS
    assert table.view["rows"][1:4] == [
        [False, True, "row 1"],
        [True, True, "row 2"],
        [False, False, "row 3"],
    ]
    table.set_rows(N_ROWS, current=250)
    assert (table.view["first"], table.view["rows"][50][2]) == (200, "row 250")
    table.set_rows(N_ROWS, stay=True)
    assert table.view["rows"] == []  # the page asks for those it shows


def test_rows_are_sent_as_they_come_into_sight(table):
    (answer,) = tell(table, rows=[N_ROWS - 2, 100])
    assert answer == {
        "version": 1,
        "first": N_ROWS - 2,
        "rows": [[False, True, "row 998"], [False, True, "row 999"]],
    }
    (answer,) = tell(table, rows=[0, 10**9])
    assert len(answer["rows"]) == 400


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ({"open": 7}, ("open", 7)),
        ({"check": [9, 4], "checked": True}, ("check", 4, 9, True)),
        ({"check_all": False}, ("check_all", False)),
        ({"sort": "name"}, ("sort", "name")),
    ],
)
def test_what_the_user_does_is_called(table, calls, message, call):
    tell(table, **message)
    assert calls == [call]
    calls.clear()
    silent = Table([Column("name", "Name")], lambda first, stop: [], "Rows")
    silent.set_rows(N_ROWS)
    tell(silent, **message)  # a table for reading
    tell(table, **message, version=0)  # places in rows that are no longer shown
    assert calls == []


@pytest.mark.parametrize(
    "message",
    [
        {"rows": "all"},
        {"open": -1},
        {"open": N_ROWS},
        {"open": "1"},
        {"check": [0, N_ROWS], "checked": True},
        {"check": [-1, 2], "checked": True},
        {"check": [0, 1], "checked": 1},
        {"check_all": "yes"},
        {"sort": "__class__"},
    ],
)
def test_nonsense_does_nothing(table, calls, message):
    assert tell(table, **message) == []
    table.receive(None)
    assert calls == []
