"""Trials as a table or as pictures, one of which is chosen and any number marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from numpy.typing import NDArray
from panel.viewable import Viewable, Viewer

from laion_fmri.explorer.runtime.background import Latest
from laion_fmri.explorer.trials.data import TrialSource
from laion_fmri.explorer.widgets.image_grid import ImageGrid, Tile, image_tiles
from laion_fmri.explorer.widgets.layout import CHOICE_STYLE, stacked
from laion_fmri.explorer.widgets.table import Column, Row, Table
from laion_fmri.trial_selection.trial_table import as_text

TABLE, GRID = "Table", "Pictures"
_COLUMNS = (
    Column("trial", "Trial", "number", 44),
    Column("session", "Session", "text", 60),
    Column("run", "Run", "number", 36, 430),
    Column("image_name", "Image", "name"),
    Column("dataset", "Dataset", "text", 74),
    Column("unique_or_shared", "Seen by", "text", 66, 430),
    Column("shown", "Repeat", "text", 64),
)
_ROW_HEIGHT, _ROWS = 26, 15  # pixels of a row, visible rows


class TrialList(Viewer):
    """A table or a grid of trials.

    Parameters
    ----------
    choose : callable
        Called with the clicked trial.
    latest : callable
        Creates the `Latest` that loads thumbnails.
    """

    trial = param.Integer(default=0, doc="Global index of the chosen trial.")
    marked = param.List(default=[], item_type=int, doc="Marked trials, increasing.")
    look = param.Selector(default=TABLE, objects=[TABLE, GRID], doc="How trials are listed.")

    def __init__(
        self,
        choose: Callable[[int], object],
        latest: Callable[[Viewable], Latest],
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._choose, self._latest = choose, latest
        self._source: TrialSource | None = None
        self.trials: NDArray[np.intp] = np.array([], dtype=np.intp)
        self.table = Table(
            _COLUMNS, self._rows_at, "Trials", on_open=self._choose_at, on_check=self._mark_at,
            check_label="Mark", follow=True, empty="No trial passes these filters",
            row_height=_ROW_HEIGHT, height=_ROWS * _ROW_HEIGHT + 36, sizing_mode="stretch_width",
            margin=0,
        )  # fmt: skip
        self.grid = ImageGrid("Pictures of trials", choose, self.toggle, self.load_tiles)
        self.look_control = pmui.RadioButtonGroup.from_param(
            self.param.look, label="How trials are listed", size="small", margin=0,
            stylesheets=[CHOICE_STYLE],
        )  # fmt: skip
        self._show_look()
        self._layout = stacked(self.table, self.grid)

    def set_trials(self, source: TrialSource, trials: NDArray[np.intp]) -> None:
        """List these trials of a subject, in this order."""
        if self._source is not source:
            table = source.trials().table
            shown = table["repeat"].astype(str) + " of " + table["repeats"].astype(str)
            self._rows = table.assign(trial=np.arange(len(table)), shown=shown)
        self._source, self.trials = source, trials
        self._show_trials()

    def _show_trials(self) -> None:
        if self.look == TABLE:
            self.table.set_rows(len(self.trials), self.place)
        else:
            self.grid.set_rows(self.trials, self.trial)

    @param.depends("look", watch=True)
    def _show_look(self) -> None:
        self.table.visible, self.grid.visible = self.look == TABLE, self.look == GRID
        if self._source is not None:
            self._show_trials()

    @param.depends("trial", watch=True)
    def _show_chosen(self) -> None:
        self.table.current = self.place
        self.grid.choose(self.trial)

    @param.depends("marked", watch=True)
    def _show_marked(self) -> None:
        self.table.set_rows(len(self.trials), self.place, stay=True)
        self.grid.set_marked(self.marked)

    @property
    def place(self) -> int:
        """Position of the chosen trial in the list; -1 if it is not listed."""
        places = np.flatnonzero(self.trials == self.trial)
        return int(places[0]) if len(places) else -1

    def _rows_at(self, first: int, stop: int) -> list[Row]:
        trials = self.trials[first:stop]
        page = self._rows.iloc[trials][[column.name for column in _COLUMNS]]
        marked = np.isin(trials, self.marked)
        return [
            Row([as_text(value) for value in values], bool(is_marked))
            for values, is_marked in zip(page.to_numpy(dtype=object).tolist(), marked, strict=True)
        ]

    def _choose_at(self, place: int) -> None:
        self._choose(int(self.trials[place]))

    def _mark_at(self, first: int, last: int, marked: bool) -> None:
        trials = self.trials[first : last + 1].tolist()
        others = set(self.marked).difference(trials)
        self.marked = sorted(others.union(trials) if marked else others)

    def toggle(self, trial: int) -> None:
        """Mark a trial, or unmark it."""
        self.marked = sorted(set(self.marked) ^ {int(trial)})

    def load_tiles(self, trials: list[int], send: Callable[[Sequence[Tile]], None]) -> None:
        """Create the tiles of trials in a thread and send them."""
        source = self._source
        if source is None or not trials:
            return
        names = self._rows["image_name"].iloc[trials].astype(str).tolist()
        titles = [f"Trial {trial}: {name}" for trial, name in zip(trials, names, strict=True)]
        # A separate `Latest`, so that a later request does not cancel this one.
        self._latest(pn.Spacer()).ask(
            lambda: image_tiles(source.data, names, titles),
            send,
            lambda _: send([Tile(title) for title in titles]),
        )

    def __panel__(self) -> pn.Column:
        return self._layout
