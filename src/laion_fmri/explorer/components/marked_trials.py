"""Marked trials: keeping them under a name, and taking them along."""

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
from laion_fmri.explorer.background import Latest, once_whole
from laion_fmri.explorer.components.copy_code import CopyCode
from laion_fmri.explorer.components.notice import Severity, notice, say
from laion_fmri.explorer.components.save_file import SaveFile
from laion_fmri.explorer.components.text import plain_text
from laion_fmri.explorer.contact_sheet import contact_sheet, trials_tsv
from laion_fmri.explorer.trial_filter import TrialFilter
from laion_fmri.explorer.trial_source import TrialSource

MARKED = "the marked trials"
"""What the filter of selections calls those that are marked."""

_BUTTON: dict[str, Any] = {"variant": "outlined", "size": "small", "margin": 0}
_FIELD: dict[str, Any] = {"size": "small", "sizing_mode": "stretch_width", "margin": 0}


class MarkedTrials(Viewer):
    """How many trials are marked, and what can be done with them.

    Parameters
    ----------
    mark_shown : callable
        Called when every trial that passes the filters is to be marked.
    latest : callable
        Makes the `Latest` that slow work goes through.
    """

    marked = param.List(default=[], item_type=int, doc="Marked trials, increasing.")
    kept = param.Dict(default={}, doc="Trials of each kept selection.")

    def __init__(
        self, mark_shown: Callable[[], None], latest: Callable[[Viewable], Latest]
    ) -> None:
        super().__init__()
        self._source: TrialSource | None = None
        self._trials: TrialFilter | None = None
        self.count = plain_text(muted=True)
        self.all = _button("Mark all shown", mark_shown)
        self.none = _button("Mark none", self._mark_none)
        self.tsv = _button("Download TSV", self._save_tsv, icon="download")
        self.sheet = _button("Contact sheet", self._save_sheet, icon="download")
        self.name_field = pmui.TextInput(label="Name of the selection", **_FIELD)
        self.keep = _button("Keep", self._keep)
        self.choice = pmui.Select(label="Kept selections", options=[], **_FIELD)
        self.use = _button("Mark these", self._use)
        self.forget = _button("Forget", self._forget)
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self.file = SaveFile()
        self.code = CopyCode()
        self._code_pane = pn.Column(self.code, sizing_mode="stretch_width", visible=False, margin=0)
        self._kept_row = _row(self.choice, self.use, self.forget)
        self._work = latest(self.messages)
        self._layout = pn.Column(
            self.count,
            pn.FlexBox(
                self.all, self.none, self.tsv, self.sheet,
                gap="8px", sizing_mode="stretch_width", margin=0,
            ),
            _row(self.name_field, self.keep),
            self._kept_row,
            self.messages,
            self._code_pane,
            self.file,
            sizing_mode="stretch_width",
            styles={"gap": "10px"},
            margin=0,
        )  # fmt: skip
        self._show_marked()
        self._show_kept()

    def set_trials(self, source: TrialSource, trials: TrialFilter) -> None:
        """Whose trials are marked; what is marked of another subject is not any more."""
        if self._source is not None and self._source.subject != source.subject:
            self.marked = []
        self._source, self._trials = source, trials
        last = len(trials)
        if any(trial >= last for trial in self.marked):
            self.marked = [trial for trial in self.marked if trial < last]
        self._read_kept()
        may_act = source.data.visitor.may_act
        self.name_field.visible = self.keep.visible = self.forget.visible = may_act
        self._show_marked()

    @property
    def selections(self) -> dict[str, NDArray[np.intp]]:
        """Every selection that can be asked for: what is marked, and what is kept."""
        now = {MARKED: np.array(self.marked, dtype=np.intp)} if self.marked else {}
        return {**now, **self.kept}

    def toggle(self, trial: int) -> None:
        """Mark a trial, or unmark it."""
        self.marked = sorted(set(self.marked) ^ {int(trial)})

    def set_code(self, code: str) -> None:
        """Python that gives the marked trials; none for none."""
        self._code_pane.visible = bool(code)
        self.code.code = code

    # --- what is shown --------------------------------------------------------------------

    @param.depends("marked", watch=True)
    def _show_marked(self) -> None:
        n = len(self.marked)
        said = "1 trial is marked." if n == 1 else f"{n:,} trials are marked."
        self.count.object = said if n else "No trial is marked. The boxes in the table mark."
        for button in (self.none, self.keep, self.tsv):
            button.disabled = not n
        self.sheet.disabled = not (n and self._source is not None and self._source.has_images())

    @param.depends("kept", watch=True)
    def _show_kept(self) -> None:
        names = list(self.kept)
        self._kept_row.visible = bool(names)
        value = self.choice.value if self.choice.value in names else next(iter(names), None)
        self.choice.param.update(options=names, value=value)

    def _say(self, text: str, severity: Severity = "warning") -> None:
        say(self.messages, [notice(text, severity)])

    def _mark_none(self) -> None:
        self.marked = []

    # --- keeping --------------------------------------------------------------------------

    def _read_kept(self) -> None:
        assert self._source is not None and self._trials is not None
        try:
            kept = self._source.selections.of(self._source.subject, self._trials.table)
        except LaionFmriError as error:
            kept = {}
            self._say(str(error))
        self.kept = kept

    def _change_kept(self, change: Callable[[TrialSource, TrialFilter], object], said: str) -> None:
        if self._source is None or self._trials is None:
            return
        try:
            change(self._source, self._trials)
        except LaionFmriError as error:
            self._say(str(error))
            return
        self._say(said, "success")
        self._read_kept()

    def _keep(self) -> None:
        name = self.name_field.value or ""
        self._change_kept(
            lambda source, trials: source.selections.keep(
                source.subject, name, self.marked, trials.table
            ),
            f"Kept as {name}.",
        )

    def _forget(self) -> None:
        name = self.choice.value or ""
        self._change_kept(
            lambda source, _: source.selections.forget(source.subject, name),
            f"{name} is forgotten.",
        )

    def _use(self) -> None:
        if self.choice.value in self.kept:
            self.marked = self.kept[self.choice.value].tolist()

    # --- taking along -----------------------------------------------------------------------

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


def _button(label: str, act: Callable[[], None], **options: Any) -> pmui.Button:
    button = pmui.Button(label=label, **_BUTTON, **options)
    button.on_click(lambda _: once_whole(act))
    return button


def _row(*parts: object) -> pn.Row:
    return pn.Row(
        *parts, sizing_mode="stretch_width", styles={"gap": "8px"}, align="center", margin=0
    )
