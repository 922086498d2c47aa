"""Finding a trial: filters with counts, a table, and steps from one trial to the next."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from laion_fmri.explorer.components.shortcuts import Shortcuts
from laion_fmri.explorer.components.trial_table import Kind, PagedTable
from laion_fmri.explorer.trial_data import choose_trials, next_repeat

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS: list[tuple[str, str, Kind, int]] = [
    ("trial", "Trial", "number", 46),
    ("session", "Session", "text", 66),
    ("run", "Run", "number", 36),
    ("image_name", "Image", "name", 0),
    ("dataset", "Dataset", "text", 72),
    ("unique_or_shared", "Seen by", "text", 64),
    ("shown", "Repeat", "text", 60),
]
_ROWS = 15


class TrialBrowser(Viewer):
    """A table of trials, of which one is chosen.

    Fill it with `set_trials`. Steps go through the trials that pass the filters; the next
    repeat is looked for among all.
    """

    trial = param.Integer(default=0, bounds=(0, None), doc="Global index of the chosen trial.")
    session = param.String(default="", doc="Session shown; empty means every session.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        import pandas as pd

        self._trials = pd.DataFrame()
        self._chosen = np.array([], dtype=np.intp)
        self._search: Callable[[str], set[str]] | None = None
        self._quiet = False
        small = {"size": "small", "sizing_mode": "stretch_width", "margin": 0}
        self.session_control = pmui.Select(label="Session", **small)
        self.dataset_control = pmui.Select(label="Dataset", **small)
        self.group_control = pmui.Select(label="Shared or unique", **small)
        self.text = pmui.TextInput(label="Search captions", placeholder="a word or phrase", **small)
        self.count = pmui.Typography(
            "", margin=0, sx={"fontSize": "12px", "color": "text.secondary"}
        )
        self.number = pmui.IntInput(label="Trial", start=0, size="small", width=110, margin=0)
        self.table = PagedTable(
            _COLUMNS, self._go, "Trials", _ROWS, sizing_mode="stretch_width", margin=0
        )
        self._layout = pn.Column(
            pn.Row(
                self.session_control,
                self.dataset_control,
                sizing_mode="stretch_width",
                styles={"gap": "10px"},
                margin=0,
            ),
            pn.Row(
                self.group_control,
                self.text,
                sizing_mode="stretch_width",
                styles={"gap": "10px"},
                margin=0,
            ),
            self.count,
            self.table,
            self._make_steps(),
            sizing_mode="stretch_width",
            styles={"gap": "12px"},
            margin=0,
        )
        for widget in (self.session_control, self.dataset_control, self.group_control, self.text):
            widget.param.watch(self._filters_changed, "value")
        self.number.param.watch(self._number_changed, "value")

    # --- what is shown --------------------------------------------------------------------

    def set_trials(
        self, trials: pd.DataFrame, caption_search: Callable[[str], set[str]] | None = None
    ) -> None:
        """Show these trials.

        Parameters
        ----------
        trials : DataFrame
            As from `laion_fmri.explorer.trial_data.trial_table`.
        caption_search : callable, optional
            From a text to image names; without it captions cannot be searched.
        """
        self._trials, self._search = trials, caption_search
        self.text.disabled = caption_search is None
        self._update()

    @param.depends("session", watch=True)
    def _update(self) -> None:
        """Filters, their counts and the table, from what is chosen."""
        if not len(self._trials.columns):
            return
        names = self._search(self.text.value) if self._search and self.text.value else None
        filters = {
            "session": self.session,
            "dataset": self.dataset_control.value or "",
            "group": self.group_control.value or "",
        }
        self._quiet = True
        try:
            self._offer(self.session_control, "session", "session", "every session", filters, names)
            self._offer(self.dataset_control, "dataset", "dataset", "every dataset", filters, names)
            self._offer(self.group_control, "unique_or_shared", "group", "both", filters, names)
        finally:
            self._quiet = False
        self._chosen = np.flatnonzero(choose_trials(self._trials, names=names, **filters))
        total = len(self._trials)
        self.count.object = (
            f"{total:,} trials"
            if len(self._chosen) == total
            else f"{len(self._chosen):,} of {total:,} trials"
        )
        self.number.end = max(total - 1, 0)
        self.table.set_rows(self._shown_rows(), self.trial)
        self._number_follows()

    def _offer(
        self,
        widget: pmui.Select,
        column: str,
        name: str,
        every: str,
        filters: dict[str, str],
        names: set[str] | None,
    ) -> None:
        """The choices of one filter, each with the number of trials it would leave."""
        others = choose_trials(self._trials, names=names, **{**filters, name: ""})
        counts = self._trials.loc[others, column].value_counts()
        options = {f"{every} ({int(others.sum()):,})": ""}
        for value in sorted({*self._trials[column].unique(), filters[name]} - {""}):
            options[f"{value} ({int(counts.get(value, 0)):,})"] = value
        widget.param.update(options=options, value=filters[name])
        widget.param.trigger("value")  # the page knows a value by its label, which has changed

    def _shown_rows(self) -> pd.DataFrame:
        rows = self._trials.iloc[self._chosen]
        shown = rows["repeat"].astype(str) + " of " + rows["repeats"].astype(str)
        return rows.assign(trial=rows.index, shown=shown)

    @param.depends("trial", watch=True)
    def _mark(self) -> None:
        self.table.choose(self.trial)
        self._number_follows()

    def _number_follows(self) -> None:
        self._quiet = True
        try:
            self.number.value = self.trial
        finally:
            self._quiet = False

    # --- what the user does ---------------------------------------------------------------

    def _filters_changed(self, event: param.parameterized.Event) -> None:
        if self._quiet:
            return
        if event.obj is self.session_control:
            self.session = self.session_control.value or ""
        else:
            self._update()
        if len(self._chosen) and self.trial not in self._chosen:
            self.trial = int(self._chosen[0])

    def _number_changed(self, event: param.parameterized.Event) -> None:
        if not self._quiet and event.new is not None:
            self._go(event.new)

    def _go(self, trial: int) -> None:
        """Choose a trial, leaving a session filter that would hide it."""
        trial = int(trial)
        if 0 <= trial < len(self._trials):
            session = self._trials["session"].iloc[trial]
            if self.session not in ("", session):
                self.session = session
        self.trial = trial

    def previous(self) -> None:
        """The trial before, among those that pass the filters."""
        before = self._chosen[self._chosen < self.trial]
        if len(before):
            self._go(before[-1])

    def next(self) -> None:
        """The trial after, among those that pass the filters."""
        after = self._chosen[self._chosen > self.trial]
        if len(after):
            self._go(after[0])

    def random(self) -> None:
        """Another trial, among those that pass the filters."""
        others = self._chosen[self._chosen != self.trial]
        if len(others):
            self._go(np.random.default_rng().choice(others))

    def next_repeat(self) -> None:
        """The next trial with the same image, in any session."""
        if self.trial < len(self._trials):
            self._go(next_repeat(self._trials, self.trial))

    # --- how it looks ---------------------------------------------------------------------

    def _make_steps(self) -> pn.FlexBox:
        steps = {
            "Previous": self.previous,
            "Next": self.next,
            "Random": self.random,
            "Next repeat": self.next_repeat,
        }
        buttons = []
        for label, act in steps.items():
            button = pmui.Button(
                label=label,
                variant="outlined",
                size="small",
                margin=0,
            )
            button.on_click(partial(_ignoring_event, act))
            buttons.append(button)
        keys = {"ArrowLeft": self.previous, "ArrowRight": self.next, "r": self.random}
        return pn.FlexBox(
            *buttons,
            self.number,
            Shortcuts(keys),
            align_items="center",
            gap="8px",
            sizing_mode="stretch_width",
            margin=0,
        )

    def __panel__(self) -> pn.Column:
        return self._layout


def _ignoring_event(act: Callable[[], object], _event: object) -> None:
    act()
