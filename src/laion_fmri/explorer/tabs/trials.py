"""The Trials tab: what was seen, what is in it, how people put it, what the brain did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewable

from laion_fmri import layout
from laion_fmri.explorer.background import Gate, Latest, once_whole
from laion_fmri.explorer.components.arrival import Arrival
from laion_fmri.explorer.components.copy_code import CopyCode
from laion_fmri.explorer.components.image_view import ImageView
from laion_fmri.explorer.components.neighbours_view import NeighboursView
from laion_fmri.explorer.components.notice import Severity, notice, say
from laion_fmri.explorer.components.response_profile import ResponseProfile
from laion_fmri.explorer.components.shortcuts import Shortcuts
from laion_fmri.explorer.components.trial_browser import TrialBrowser
from laion_fmri.explorer.components.trial_text import TrialText
from laion_fmri.explorer.maps import MEAN_RESPONSE, RESPONSE_OF_TRIAL
from laion_fmri.explorer.tabs.base import Tab
from laion_fmri.explorer.trial_code import marked_code, trial_code
from laion_fmri.explorer.trial_data import Absent, TrialParts, or_absent
from laion_fmri.explorer.trial_filter import Filters, TrialFilter
from laion_fmri.explorer.trial_source import TrialSource, no_such_trial

NO_SUBJECT = "No subject is here yet. The Download tab fetches one; its trials then show here."
ASK_FOR_ACCESS = "To the form"
_STAY = 0.3  # seconds at a trial before more is looked for than was asked for


@dataclass(frozen=True)
class _Trials:
    source: TrialSource
    trials: TrialFilter
    models: list[str]
    rois: list[str]
    is_quick: bool


class TrialsTab(Tab):
    """Trials to choose from; one of them with its image, masks, captions and responses."""

    title = "Trials"

    def build(self) -> None:
        """Fill the layout."""
        self._source: TrialSource | None = None
        self._trials: TrialFilter | None = None
        self._quick: set[str] = set()
        self.subject = pmui.Select(
            label="Subject", size="small", sizing_mode="stretch_width", margin=0
        )
        self.browser = TrialBrowser(latest=self.latest)
        self.image = ImageView(act=self._to_the_form)
        self.text = TrialText(sizing_mode="stretch_width", margin=0)
        self.profile = ResponseProfile()
        self._one_gate = Gate()  # of what is drawn once the table can be used
        self.neighbours = NeighboursView(self.browser.choose, self._latest_of_one)
        self.code = CopyCode()
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0, visible=False)
        self.on_brain = _button("Show on the brain", self._show_on_brain)
        self.mean_on_brain = _button("Mean of the marked trials", self._show_mean_on_brain)
        keys = Shortcuts({"m": self._toggle_masks})

        self._browser_pane = pn.Column(self.browser, sizing_mode="stretch_width", margin=0)
        self._profile_pane = pn.Column(self.profile, sizing_mode="stretch_width", margin=0)
        self._near_pane = pn.Column(
            self.neighbours, styles={"flex": "1 1 100%"}, sizing_mode="stretch_width", margin=0
        )
        self._trials_work = self.latest(self._browser_pane)
        self._captions_work = self.latest(pn.Spacer())
        self._trial_work = self._latest_of_one(self.image)
        self._response_work = self._latest_of_one(self._profile_pane)
        self._rest_work = self._latest_of_one(pn.Spacer())
        self._ahead_work = self._latest_of_one(pn.Spacer())
        buttons = pn.FlexBox(
            self.on_brain,
            self.mean_on_brain,
            keys,
            gap="8px",
            sizing_mode="stretch_width",
            margin=0,
        )
        self._one_trial = (
            _column(self.image, self.text, grow=4, basis=340),
            _column(self._profile_pane, buttons, self.code, grow=5, basis=400),
            self._near_pane,
        )
        self._content = pn.FlexBox(
            _column(self.subject, self.messages, self._browser_pane, grow=5, basis=400),
            sizing_mode="stretch_width",
            gap="24px",
            align_items="flex-start",
            margin=(16, 20),
        )
        self.layout[:] = [self._content]
        self._connect()

    def _latest_of_one(self, busy: Viewable) -> Latest:
        return Latest(busy, self._one_gate)

    def _connect(self) -> None:
        state = self.state
        self.subject.param.watch(self._subject_chosen, "value")
        self.browser.param.watch(self._browsed, ["trial", "filters", "marked", "pool", "split"])
        self.neighbours.param.watch(self._model_chosen, "model")
        self.neighbours.param.watch(lambda _: self._write_code(), ["roi"])
        self.profile.param.watch(self._voxels_chosen, ["across", "nc_threshold", "mask_source"])
        followed = ["subject", "session", "trial", "trial_filters", "model", "pool", "split",
                    "selected_trials"]  # fmt: skip
        state.param.watch(self._follow, followed)

    def refresh(self) -> None:
        """Read the subjects and the trials again."""
        here = self.data.local_subjects()
        options = sorted({*here, self.state.subject} - {""})
        self.subject.visible = bool(options)
        self.subject.param.update(
            options=options, value=self.state.subject if self.state.subject in options else None
        )
        self._load_trials()

    # --- between state and controls ---------------------------------------------------------

    def _subject_chosen(self, _event: object) -> None:
        if self.subject.value and self.subject.value != self.state.subject:
            self.state.param.update(
                subject=self.subject.value, session="", trial=0, selected_trials=[]
            )

    def _browsed(self, *_: object) -> None:
        if self._trials is None:
            return
        browser = self.browser
        self.state.param.update(
            session=browser.filters.session,
            trial=browser.trial,
            trial_filters=browser.filters.text,
            selected_trials=browser.marked,
            pool=browser.pool,
            split=browser.split,
        )

    def _model_chosen(self, *_: object) -> None:
        if self._trials is not None and self.neighbours.model:
            self.state.model = self.neighbours.model
            self._write_code()

    def _follow(self, *events: param.parameterized.Event) -> None:
        if not (self.shown and self._built):
            return
        changed = {event.name for event in events}
        if self.subject.value != self.state.subject:
            self.refresh()
        elif "subject" in changed:
            self._load_trials()
        elif self._trials is not None:
            self._set_browser()
            if "trial" in changed:
                self._show_trial()
            elif {"trial_filters", "session"} & changed:
                self.neighbours.set_shown(self.browser.shown)
            if "selected_trials" in changed:
                self._show_marked()

    def _set_browser(self) -> None:
        """Bring the controls to what the state says."""
        state, browser = self.state, self.browser
        wanted = {
            "filters": Filters.from_text(state.trial_filters, state.session),
            "trial": state.trial,
            "pool": state.pool,
            "split": state.split,
            "marked": state.selected_trials,
        }
        browser.param.update(**{n: v for n, v in wanted.items() if getattr(browser, n) != v})
        if state.model and state.model in self.neighbours.model_control.options:
            self.neighbours.model_control.value = state.model

    # --- trials -------------------------------------------------------------------------------

    def _load_trials(self) -> None:
        name = self.state.subject
        self._trials = None
        if not name:
            self._say(NO_SUBJECT, "info")
            return
        self._trials_work.ask(lambda: self._read_trials(name), self._show_trials, self._say)

    def _read_trials(self, name: str) -> _Trials:
        source = TrialSource(self.data, name)
        rois = or_absent(source.sub.get_available_rois)
        return _Trials(
            source,
            source.trials(),
            source.models(),
            [] if isinstance(rois, Absent) else rois,
            source.reads_quickly(),
        )

    def _show_trials(self, read: _Trials) -> None:
        if not len(read.trials):
            self._say(
                f"No session of {self.state.subject} is here yet. The Download tab fetches them.",
                "info",
            )
            return
        self.messages.visible = False
        self._show_views(True)
        self._source = read.source
        self.neighbours.offer(read.models, read.rois)
        if read.is_quick and read.source.subject not in self._quick:
            self._quick.add(read.source.subject)
            self.profile.across = True
        elif not read.is_quick:
            self.profile.across = False
        self._set_browser()
        self.browser.set_trials(read.source, read.trials)
        self._trials = read.trials
        self._gate.let_through(self._show_what_follows_the_table)

    def _show_what_follows_the_table(self) -> None:
        source = self._source
        if source is None:
            return
        if len(self._content) == 1:
            self._content.extend([*self._one_trial, Arrival(self._one_gate.open)])
        self._captions_work.ask(
            lambda: or_absent(source.captions), self.browser.set_captions, self._say
        )
        self._show_trial()
        self._one_gate.let_through(self._show_marked)

    def _say(self, text: str, severity: Severity = "warning") -> None:
        say(self.messages, [notice(text, severity)])
        self.messages.visible = True
        self._show_views(False)

    def _show_views(self, visible: bool) -> None:
        for view in (self._browser_pane, *self._one_trial):
            view.visible = visible

    # --- one trial ----------------------------------------------------------------------------

    def _show_trial(self) -> None:
        source, trials = self._source, self._trials
        if source is None or trials is None:
            return
        trial = self.state.trial
        if trial >= len(trials):
            self._show_nothing(no_such_trial(source.subject, trial, trials.table))
            return
        self._write_code()
        self._trial_work.ask(
            lambda: source.parts(trial),
            lambda parts: self._show_parts(trial, parts),
            self._show_nothing,
        )
        self._ask_responses()

    def _show_parts(self, trial: int, parts: TrialParts) -> None:
        source, trials = self._source, self._trials
        if source is None or trials is None:
            return
        row = trials.table.iloc[trial]
        self.image.set_parts(parts, row, ask=ASK_FOR_ACCESS)
        self.text.set_trial(trial, row, parts.captions)
        self._rest_work.ask(
            lambda: None, lambda _: self._show_the_rest(trial), self._say, delay=_STAY
        )

    def _show_the_rest(self, trial: int) -> None:
        """What is near, and what is likely to be asked next, once the user stays at a trial."""
        source = self._source
        if source is None or trial != self.state.trial:
            return
        self.neighbours.set_trial(source, trial, self.browser.shown)
        ahead = self.browser.around()[:1]
        self._ahead_work.ask(
            lambda: [source.parts(t) for t in ahead], lambda _: None, lambda _: None
        )

    def _ask_responses(self) -> None:
        source, trial = self._source, self.state.trial
        if source is None or self._trials is None or trial >= len(self._trials):
            return
        voxels, across = self.profile.voxels, self.profile.across
        self._response_work.ask(
            lambda: source.responses(trial, voxels, across),
            self.profile.set_responses,
            self.profile.show_message,
        )

    def _voxels_chosen(self, *_: object) -> None:
        self._write_code()
        self._ask_responses()
        if self.neighbours.voxels != self.profile.voxels:
            self.neighbours.voxels = self.profile.voxels

    def _show_nothing(self, reason: str) -> None:
        self.image.show_message("There is nothing to show", reason)
        self.text.clear()
        self.profile.show_message(reason)

    def _write_code(self) -> None:
        trials, trial = self._trials, self.state.trial
        if trials is None or trial >= len(trials):
            return
        self.code.code = trial_code(
            self.state.subject,
            trial,
            trials.table.iloc[trial],
            self.profile.voxels,
            self.neighbours.model or self.neighbours.model_control.value or "",
            self.neighbours.roi,
        )

    def _toggle_masks(self) -> None:
        self.image.masks_shown = not self.image.masks_shown

    # --- to other tabs --------------------------------------------------------------------------

    def _show_marked(self) -> None:
        marked, trials = self.state.selected_trials, self._trials
        self.mean_on_brain.disabled = not marked
        code = marked_code(self.state.subject, marked, trials.table) if marked and trials else ""
        self.browser.marks.set_code(code)

    def _show_on_brain(self) -> None:
        self.state.param.update(map=f"{RESPONSE_OF_TRIAL} {self.state.trial}", tab="Brain")

    def _show_mean_on_brain(self) -> None:
        marked = self.state.selected_trials
        name = f"{MEAN_RESPONSE} {len(marked)} trials"
        if len(marked) == 1:
            name = f"{RESPONSE_OF_TRIAL} {marked[0]}"
        self.state.param.update(map=name, tab="Brain")

    def _to_the_form(self) -> None:
        self.state.param.update(
            wanted=[layout.STIMULI_IMAGES, layout.STIMULI_METADATA], tab="Download"
        )


def _button(label: str, act: Callable[[], None]) -> pmui.Button:
    button = pmui.Button(label=label, variant="outlined", size="small", margin=0)
    button.on_click(lambda _: once_whole(act))
    return button


def _column(*parts: object, grow: int, basis: int) -> pn.Column:
    return pn.Column(
        *parts,
        styles={"flex": f"{grow} 1 {basis}px", "min-width": f"min(100%, {basis}px)", "gap": "12px"},
        margin=0,
    )
