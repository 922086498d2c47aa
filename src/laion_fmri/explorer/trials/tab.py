"""The Trials tab: a browser of trials, and all information about the chosen one."""

from __future__ import annotations

from dataclasses import dataclass

import panel as pn
import panel_material_ui as pmui
import param

from laion_fmri import layout
from laion_fmri.explorer.runtime.error_messages import Absent, or_absent
from laion_fmri.explorer.runtime.page_turn import Rendered
from laion_fmri.explorer.tab import Tab
from laion_fmri.explorer.trials.browser import TrialBrowser
from laion_fmri.explorer.trials.code import marked_code
from laion_fmri.explorer.trials.data import TrialSource, missing_files
from laion_fmri.explorer.trials.one_trial import OneTrial
from laion_fmri.explorer.widgets.layout import column, small_button, stacked
from laion_fmri.explorer.widgets.missing_files_card import MissingCard
from laion_fmri.explorer.widgets.notice import Severity, notice, say
from laion_fmri.maps import response_name
from laion_fmri.trial_selection.filters import Filters, TrialFilter

NO_SUBJECT = (
    "No subject is downloaded. Download the files below, or choose others in the Download tab."
)
_FOLLOWED = ["subject", "session", "trial", "trial_filters", "model", "pool", "split",
             "selected_trials"]  # fmt: skip


@dataclass(frozen=True)
class _Trials:
    source: TrialSource
    trials: TrialFilter
    models: list[str]
    rois: list[str]
    is_quick: bool


def _read(source: TrialSource) -> _Trials:
    rois = or_absent(source.sub.get_available_rois)
    return _Trials(
        source,
        source.trials(),
        source.models(),
        [] if isinstance(rois, Absent) else rois,
        source.reads_quickly(),
    )


class TrialsTab(Tab):
    """A browser of trials; the chosen one with its image, masks, captions and responses."""

    title = "Trials"

    def build(self) -> None:
        """Fill the layout."""
        self._source: TrialSource | None = None
        self._trials: TrialFilter | None = None
        self._quick: set[str] = set()  # subjects whose sessions were compared once
        self.subject = pmui.Select(
            label="Subject", size="small", sizing_mode="stretch_width", margin=0
        )
        self.on_brain = small_button("Show on the brain", self._show_on_brain)
        self.mean_on_brain = small_button("Mean of the marked trials", self._show_mean_on_brain)
        self.messages = stacked(visible=False)
        self.browser = TrialBrowser(latest=self.latest)
        self.one = OneTrial(
            self.browser.choose, self._ask_for_images, (self.on_brain, self.mean_on_brain)
        )
        self.image, self.text, self.code = self.one.image, self.one.text, self.one.code
        self.profile, self.neighbours = self.one.profile, self.one.neighbours
        self.missing = MissingCard(self.data, self._files_came)
        self._browser_pane = stacked(self.browser)
        self._missing_work = self.latest(self.missing.rows)
        self._trials_work = self.latest(self._browser_pane)
        self._captions_work = self.latest(pn.Spacer())
        # A row, because plots added to a box later would not use the page's theme.
        self._content = pn.Row(
            column(
                self.subject, self.messages, self._browser_pane, self.missing, grow=5, least=400
            ),
            sizing_mode="stretch_width",
            styles={"flex-wrap": "wrap", "gap": "24px", "min-width": "0"},
            margin=(16, 20),
        )
        self.layout[:] = [self._content]
        self.subject.param.watch(self._subject_chosen, "value")
        self.browser.param.watch(self._browsed, ["trial", "filters", "marked", "pool", "split"])
        self.neighbours.param.watch(self._model_chosen, "model")
        self.state.param.watch(self._follow, _FOLLOWED)

    def refresh(self) -> None:
        """Read the subjects and the trials again."""
        options = sorted({*self.data.local_subjects(), self.state.subject} - {""})
        self.subject.visible = bool(options)
        self.subject.param.update(
            options=options, value=self.state.subject if self.state.subject in options else None
        )
        self._load_trials()

    # --- synchronization of state and controls -----------------------------------------------

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
                self.one.set_shown(self.browser.shown)
            if "selected_trials" in changed:
                self._show_marked()

    def _set_browser(self) -> None:
        """Update the controls from the state."""
        state, browser = self.state, self.browser
        wanted = {
            "filters": Filters.from_text(state.trial_filters, state.session),
            "trial": state.trial,
            "pool": state.pool,
            "split": state.split,
            "marked": state.selected_trials,
        }
        browser.param.update(**{n: v for n, v in wanted.items() if getattr(browser, n) != v})
        if state.model in self.neighbours.param.model.objects:
            self.neighbours.model = state.model

    # --- trials -------------------------------------------------------------------------------

    def _load_trials(self) -> None:
        source = TrialSource(self.data, self.state.subject)
        self._trials = None
        self._list_missing()
        if not self.data.local_subjects():
            self._say(NO_SUBJECT, "info")
            return
        self._trials_work.ask(lambda: _read(source), self._show_trials, self._say)

    def _show_trials(self, read: _Trials) -> None:
        if not len(read.trials):
            self._say(f"No session of {self.state.subject} is downloaded.", "info")
            return
        self.messages.visible = False
        self._show_views(True)
        self._source = read.source
        is_new = read.source.subject not in self._quick
        self._quick.update([read.source.subject] if read.is_quick else [])
        compare_all = read.is_quick if is_new or not read.is_quick else None
        self.one.set_source(read.source, read.models, read.rois, compare_all)
        self._set_browser()
        self.browser.set_trials(read.source, read.trials)
        self._trials = read.trials
        self._gate.let_through(self._show_what_follows_the_table)

    def _show_what_follows_the_table(self) -> None:
        source = self._source
        if source is None:
            return
        if len(self._content) == 1:
            self._content.extend([*self.one.columns, Rendered(self.one.gate.open)])
        self._captions_work.ask(
            lambda: or_absent(source.captions), self.browser.set_captions, self._say
        )
        self._show_trial()
        self.one.gate.let_through(self._show_marked)

    def _list_missing(self) -> None:
        """List the files for this tab that are in the bucket but not downloaded."""
        wanted = self.state.subject
        # The Discover and Download tabs report a bucket that cannot be reached.
        self._missing_work.ask(
            lambda: missing_files(self.data, wanted),
            lambda found: self.missing.set_parts(*found),
            lambda _: None,
        )

    def _files_came(self) -> None:
        if not self.state.subject:
            self.state.subject = next(iter(self.data.local_subjects()), "")
        self.state.param.trigger("files_changed")

    def _say(self, text: str, severity: Severity = "warning") -> None:
        say(self.messages, [notice(text, severity)])
        self.messages.visible = True
        self._show_views(False)

    def _show_views(self, visible: bool) -> None:
        for view in (self._browser_pane, *self.one.columns):
            view.visible = visible

    def _show_trial(self) -> None:
        self.one.show_trial(self.state.trial, self.browser.shown, self.browser.around())

    # --- to other tabs --------------------------------------------------------------------------

    def _show_marked(self) -> None:
        marked, trials = self.state.selected_trials, self._trials
        self.mean_on_brain.disabled = not marked
        code = marked_code(self.state.subject, marked, trials.table) if marked and trials else ""
        self.browser.marks.set_code(code)

    def _show_on_brain(self) -> None:
        self.state.param.update(map=response_name([self.state.trial]), tab="Brain")

    def _show_mean_on_brain(self) -> None:
        self.state.param.update(map=response_name(self.state.selected_trials), tab="Brain")

    def _ask_for_images(self) -> None:
        self.state.param.update(
            wanted=[layout.STIMULI_IMAGES, layout.STIMULI_METADATA], tab="Download"
        )
