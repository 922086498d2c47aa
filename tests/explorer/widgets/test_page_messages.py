from __future__ import annotations

import logging

import pytest

from laion_fmri.explorer.page import PageHistory
from laion_fmri.explorer.trials.filter_panel import FilterPanel
from laion_fmri.explorer.trials.image_view import ImageView
from laion_fmri.explorer.widgets.image_grid import ImageGrid, Tile
from laion_fmri.explorer.widgets.page_messages import MessagingComponent
from laion_fmri.explorer.widgets.shortcuts import Shortcuts
from laion_fmri.explorer.widgets.table import Column, Row, Table

GARBAGE = (None, 3, 2.5, "x" * 10**5, b"", [], {}, [[]], {"rows": "all"}, {"version": {}},
           {"chosen": "0"}, {"mark": None}, {"list": 0, "places": 3},
           {"filter": ["where"], "value": {}}, {"trial": "1"}, {"clear": 1})  # fmt: skip


def new_table() -> Table:
    table = Table([Column("a", "A")], lambda first, stop: [Row(["x"])] * (stop - first), "Rows")
    table.set_rows(3)
    return table


def components() -> list[MessagingComponent]:
    never = pytest.fail
    return [
        new_table(),
        ImageGrid("Images", choose=never, mark=never),
        FilterPanel(lambda *_: never(), never, never),
        ImageView(),
        Shortcuts({"r": never}),
        PageHistory(never, []),
    ]


@pytest.mark.parametrize("component", components(), ids=lambda part: type(part).__name__)
def test_a_message_that_does_not_fit_is_refused_and_logged_once(component, caplog):
    with caplog.at_level(logging.WARNING, logger="laion_fmri.explorer"):
        for message in GARBAGE:
            component._handle_msg(message)
            assert not component.receive(message)
    assert len(caplog.records) == 1
    assert type(component).__name__ in caplog.text


def test_a_message_that_fits_is_acted_on(caplog):
    chosen, pressed, restored = [], [], []
    grid = ImageGrid("Images", choose=chosen.append)
    grid.set_tiles([Tile("one", trial=7)])
    for component, message in (
        (grid, {"chosen": 0}),
        (Shortcuts({"r": lambda: pressed.append("r")}), "r"),
        (PageHistory(restored.append, []), "?tab=Trials"),
        (table := new_table(), {"version": table.view["version"] - 1, "open": 1}),  # an old page
    ):
        component._handle_msg(message)
    assert (chosen, pressed, restored) == ([7], ["r"], ["?tab=Trials"])
    assert not caplog.records
