"""Marked trials: save them as a selection, or export them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from numpy.typing import NDArray
from panel.viewable import Viewable, Viewer

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.runtime.background import Latest, explain
from laion_fmri.explorer.trials.data import TrialSource
from laion_fmri.explorer.widgets.copy_code import CopyCode
from laion_fmri.explorer.widgets.layout import in_a_row, small_button, stacked
from laion_fmri.explorer.widgets.notice import Severity, notice, plain_text, say
from laion_fmri.explorer.widgets.save_file import SaveFile
from laion_fmri.stimuli.contact_sheet import contact_sheet
from laion_fmri.trial_selection.filters import TrialFilter
from laion_fmri.trial_selection.trial_table import trials_tsv

MARKED = "the marked trials"
"""The name of the marked trials in the filter of selections."""

_FIELD: dict[str, Any] = {"size": "small", "sizing_mode": "stretch_width", "margin": 0}


class MarkedTrials(Viewer):
    """The number of marked trials, and the actions on them.

    Parameters
    ----------
    mark_shown : callable
        Called to mark every trial that passes the filters.
    latest : callable
        Creates a `Latest` for slow work.
    """

    marked = param.List(default=[], item_type=int, doc="Marked trials, increasing.")
    saved = param.Dict(default={}, doc="Trials of each saved selection.")

    def __init__(
        self, mark_shown: Callable[[], None], latest: Callable[[Viewable], Latest]
    ) -> None:
        super().__init__()
        self._source: TrialSource | None = None
        self._trials: TrialFilter | None = None
        self.count = plain_text(muted=True)
        self.all = small_button("Mark all shown", mark_shown)
        self.none = small_button("Mark none", self._mark_none)
        self.tsv = small_button("Download TSV", self._save_tsv, icon="download")
        self.sheet = small_button("Contact sheet", self._save_sheet, icon="download")
        self.name_field = pmui.TextInput(label="Name of the selection", **_FIELD)
        self.save = small_button("Save", self._save)
        self.choice = pmui.Select(label="Saved selections", options=[], **_FIELD)
        self.use = small_button("Mark these", self._use)
        self.delete = small_button("Delete", self._delete)
        self.messages = stacked()
        self.file = SaveFile()
        self.code = CopyCode()
        self._code_pane = stacked(self.code, visible=False)
        self._saved_row = _row(self.choice, self.use, self.delete)
        self._work = latest(self.messages)
        self._layout = stacked(
            self.count,
            in_a_row(self.all, self.none, self.tsv, self.sheet),
            _row(self.name_field, self.save),
            self._saved_row,
            self.messages,
            self._code_pane,
            self.file,
            gap=10,
        )
        self._show_marked()
        self._show_saved()

    def set_trials(self, source: TrialSource, trials: TrialFilter) -> None:
        """Set the subject; marks of another subject are removed."""
        if self._source is not None and self._source.subject != source.subject:
            self.marked = []
        self._source, self._trials = source, trials
        last = len(trials)
        if any(trial >= last for trial in self.marked):
            self.marked = [trial for trial in self.marked if trial < last]
        self._read_saved()
        may_act = source.data.visitor.may_act
        self.name_field.visible = self.save.visible = self.delete.visible = may_act
        self._show_marked()

    @property
    def selections(self) -> dict[str, NDArray[np.intp]]:
        """The marked trials and all saved selections, by name."""
        now = {MARKED: np.array(self.marked, dtype=np.intp)} if self.marked else {}
        return {**now, **self.saved}

    def set_code(self, code: str) -> None:
        """Display code for the marked trials; empty hides it."""
        self._code_pane.visible = bool(code)
        self.code.code = code

    # --- display --------------------------------------------------------------------------

    @param.depends("marked", watch=True)
    def _show_marked(self) -> None:
        n = len(self.marked)
        said = "1 trial is marked." if n == 1 else f"{n:,} trials are marked."
        self.count.object = (
            said if n else "No trial is marked. Mark trials with the boxes in the table."
        )
        for button in (self.none, self.save, self.tsv):
            button.disabled = not n
        self.sheet.disabled = not (n and self._source is not None and self._source.has_images())

    @param.depends("saved", watch=True)
    def _show_saved(self) -> None:
        names = list(self.saved)
        self._saved_row.visible = bool(names)
        value = self.choice.value if self.choice.value in names else next(iter(names), None)
        self.choice.param.update(options=names, value=value)

    def _say(self, text: str, severity: Severity = "warning") -> None:
        say(self.messages, [notice(text, severity)])

    def _mark_none(self) -> None:
        self.marked = []

    # --- saving ---------------------------------------------------------------------------

    def _read_saved(self) -> None:
        assert self._source is not None and self._trials is not None
        try:
            saved = self._source.selections.of(self._source.subject, self._trials.table)
        except LaionFmriError as error:
            saved = {}
            self._say(explain(error))
        self.saved = saved

    def _change_saved(
        self, change: Callable[[TrialSource, TrialFilter], object], said: str
    ) -> None:
        if self._source is None or self._trials is None:
            return
        try:
            change(self._source, self._trials)
        except LaionFmriError as error:
            self._say(explain(error))
            return
        self._say(said, "success")
        self._read_saved()

    def _save(self) -> None:
        name = self.name_field.value or ""
        self._change_saved(
            lambda source, trials: source.selections.save(
                source.subject, name, self.marked, trials.table
            ),
            f"Saved as {name}.",
        )

    def _delete(self) -> None:
        name = self.choice.value or ""
        self._change_saved(
            lambda source, _: source.selections.delete(source.subject, name),
            f"{name} is deleted.",
        )

    def _use(self) -> None:
        if self.choice.value in self.saved:
            self.marked = self.saved[self.choice.value].tolist()

    # --- exporting ---------------------------------------------------------------------------

    def _save_tsv(self) -> None:
        if self._source is not None and self._trials is not None:
            text = trials_tsv(self._trials.table, self.marked)
            name = f"{self._source.subject}_trials.tsv"
            self.file.hand_over(name, "text/tab-separated-values", text.encode())

    def _save_sheet(self) -> None:
        source, trials = self._source, self._trials
        if source is None or trials is None:
            return
        names = trials.table["image_name"]
        shown = [(str(names.iloc[t]), f"{source.subject}  trial {t}") for t in self.marked]
        name = f"{source.subject}_contact_sheet.jpg"
        self.messages.clear()
        self._work.ask(
            lambda: contact_sheet(source.data.stimuli().images, shown),
            lambda sheet: self.file.hand_over(name, "image/jpeg", sheet),
            self._say,
        )

    def __panel__(self) -> pn.Column:
        return self._layout


def _row(*parts: object) -> pn.Row:
    return pn.Row(
        *parts, sizing_mode="stretch_width", styles={"gap": "8px"}, align="center", margin=0
    )
