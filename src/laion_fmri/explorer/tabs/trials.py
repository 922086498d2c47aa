"""The Trials tab: what was seen, what is in it, how people put it, what the brain did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import panel as pn
import panel_material_ui as pmui
import param

from laion_fmri._errors import StimuliNotDownloadedError
from laion_fmri.explorer import trial_data
from laion_fmri.explorer.background import explain
from laion_fmri.explorer.components.copy_code import CopyCode
from laion_fmri.explorer.components.image_view import ImageView
from laion_fmri.explorer.components.notice import Severity, notice
from laion_fmri.explorer.components.response_profile import ResponseProfile
from laion_fmri.explorer.components.trial_browser import TrialBrowser
from laion_fmri.explorer.components.trial_text import captions_html, facts_html
from laion_fmri.explorer.roi_responses import RoiResponses, roi_response_files, roi_responses
from laion_fmri.explorer.tabs.base import Tab

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

NO_SUBJECT = "No subject is here yet. The Download tab fetches one; its trials then show here."
NO_IMAGES = (
    "The images are under a data use agreement and are not in this data directory. Everything "
    "else works without them."
)
NO_MASKS = "Masks exist for shared images only; this one was seen by one participant."
NO_CAPTIONS = "This image has no captions."


@dataclass(frozen=True)
class Absent:
    """A part of a view that cannot be shown, and why."""

    reason: str
    not_downloaded: bool = False


@dataclass(frozen=True)
class _Trials:
    table: pd.DataFrame
    search: Callable[[str], set[str]] | None


@dataclass(frozen=True)
class _Trial:
    picture: trial_data.Picture | Absent
    masks: list[trial_data.ObjectMask] | Absent
    captions: trial_data.TrialCaptions | Absent


class TrialsTab(Tab):
    """A table of trials; choosing one shows its image, masks, captions and responses."""

    title = "Trials"

    def build(self) -> None:
        """Fill the layout."""
        self._table: pd.DataFrame | None = None
        self.subject = pmui.Select(
            label="Subject", size="small", sizing_mode="stretch_width", margin=0
        )
        self.browser = TrialBrowser()
        self.image = ImageView()
        self.facts = pn.pane.HTML("", sizing_mode="stretch_width", margin=0)
        self.captions = pn.pane.HTML("", sizing_mode="stretch_width", margin=0)
        self.profile = ResponseProfile()
        self.code = CopyCode()
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0, visible=False)

        self._browser_pane = pn.Column(self.browser, sizing_mode="stretch_width", margin=0)
        self._profile_pane = pn.Column(self.profile, sizing_mode="stretch_width", margin=0)
        self._trials_work = self.latest(self._browser_pane)
        self._trial_work = self.latest(self.image)
        self._response_work = self.latest(self._profile_pane)

        self._one_trial = (
            _column(self.image, self.facts, self.captions, grow=4, basis=360),
            _column(self._profile_pane, self.code, grow=5, basis=420),
        )
        self._content = pn.FlexBox(
            _column(self.subject, self.messages, self._browser_pane, grow=5, basis=400),
            *self._one_trial,
            sizing_mode="stretch_width",
            gap="24px",
            align_items="flex-start",
            margin=(16, 20),
        )
        self.layout[:] = [self._content]

        self.subject.param.watch(self._subject_chosen, "value")
        self.browser.param.watch(self._trial_chosen, ["trial", "session"])
        self.state.param.watch(self._follow, ["subject", "session", "trial"])

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

    def _subject_chosen(self, event: object) -> None:
        if self.subject.value and self.subject.value != self.state.subject:
            self.state.param.update(subject=self.subject.value, session="", trial=0)

    def _trial_chosen(self, *_: object) -> None:
        if self._table is not None:
            self.state.param.update(session=self.browser.session, trial=self.browser.trial)

    def _follow(self, *events: param.parameterized.Event) -> None:
        if not (self.shown and self._built):
            return
        if self.subject.value != self.state.subject:
            self.refresh()
        elif any(event.name == "subject" for event in events):
            self._load_trials()
        else:
            self.browser.param.update(session=self.state.session, trial=self.state.trial)
            self._show_trial()

    # --- trials -------------------------------------------------------------------------------

    def _load_trials(self) -> None:
        name = self.state.subject
        self._table = None
        if not name:
            self._say(NO_SUBJECT, "info")
            return
        self._trials_work.ask(lambda: self._read_trials(name), self._show_trials, self._say)

    def _read_trials(self, name: str) -> _Trials:
        sub = self.data.subject(name)
        table = self.data.remember(
            ("trial table", name),
            lambda: trial_data.trial_table(sub),
            trial_data.trial_table_files(sub),
        )
        search = _or_absent(
            lambda: self.data.remember(
                ("caption search",),
                lambda: trial_data.caption_search(self.data.stimuli().captions),
                self.data.stimulus_files(),
            )
        )
        return _Trials(table, None if isinstance(search, Absent) else search)

    def _show_trials(self, trials: _Trials) -> None:
        if not len(trials.table):
            self._say(
                f"No session of {self.state.subject} is here yet. The Download tab fetches them.",
                "info",
            )
            return
        self.messages.visible = False
        self._show_views(True)
        self._table = trials.table
        self.browser.param.update(session=self.state.session, trial=self.state.trial)
        self.browser.set_trials(trials.table, trials.search)
        self._show_trial()

    def _say(self, text: str, severity: Severity = "warning") -> None:
        self.messages[:] = [notice(text, severity)]
        self.messages.visible = True
        self._show_views(False)

    def _show_views(self, visible: bool) -> None:
        for view in (self._browser_pane, *self._one_trial):
            view.visible = visible

    # --- one trial ----------------------------------------------------------------------------

    def _show_trial(self) -> None:
        if self._table is None:
            return
        name, trial = self.state.subject, self.state.trial
        if trial >= len(self._table):
            self._show_nothing(
                f"{name} has no trial {trial} here: local trials are numbered 0 to "
                f"{len(self._table) - 1}."
            )
            return
        row = self._table.iloc[trial]
        self.code.code = _code(name, trial, row)
        self.facts.object = facts_html(trial, row)
        self._trial_work.ask(
            lambda: self._read_trial(name, trial),
            lambda shown: self._show_parts(shown, row),
            self._show_nothing,
        )
        session = str(row["session"])
        self._response_work.ask(
            lambda: self._read_responses(name, session),
            lambda answer: self.profile.set_responses(answer, int(row["session_trial"])),
            self.profile.show_message,
        )

    def _read_trial(self, name: str, trial: int) -> _Trial:
        sub, stimuli = self.data.subject(name), self.data.stimuli()
        return _Trial(
            picture=_or_absent(lambda: trial_data.displayed_picture(sub, trial)),
            masks=_or_absent(lambda: trial_data.object_masks(sub, trial, stimuli.segmentations)),
            captions=_or_absent(lambda: trial_data.trial_captions(sub, trial)),
        )

    def _read_responses(self, name: str, session: str) -> RoiResponses:
        sub = self.data.subject(name)
        return self.data.remember(
            ("ROI responses", name, session),
            lambda: roi_responses(sub, session),
            roi_response_files(sub, session),
        )

    def _show_parts(self, shown: _Trial, row: pd.Series) -> None:
        masks = [] if isinstance(shown.masks, Absent) else shown.masks
        note = ""
        if isinstance(shown.masks, Absent):
            note = shown.masks.reason
        elif not masks:
            unique = row["unique_or_shared"] == "unique"
            note = NO_MASKS if unique else "No object was found in this image."
        if isinstance(shown.picture, Absent):
            missing = shown.picture.not_downloaded
            self.image.show_message(
                "The image is not here" if missing else "The image cannot be shown",
                NO_IMAGES if missing else shown.picture.reason,
                masks,
                note,
            )
        else:
            self.image.set_picture(shown.picture, masks, name=str(row["image_name"]), note=note)
        self.captions.object = (
            captions_html(None, shown.captions.reason)
            if isinstance(shown.captions, Absent)
            else captions_html(shown.captions, NO_CAPTIONS)
        )

    def _show_nothing(self, reason: str) -> None:
        self.image.show_message("There is nothing to show", reason)
        self.captions.object = self.facts.object = ""
        self.profile.show_message(reason)


def _or_absent(read: Callable[[], T]) -> T | Absent:
    """What `read` gives, or why it gives nothing; the other parts go on."""
    try:
        return read()
    except StimuliNotDownloadedError as error:
        return Absent(str(error), not_downloaded=True)
    except Exception as error:  # whatever it is, only this part is lost
        return Absent(explain(error))


def _column(*parts: object, grow: int, basis: int) -> pn.Column:
    return pn.Column(
        *parts,
        styles={"flex": f"{grow} 1 {basis}px", "min-width": f"min(100%, {basis}px)", "gap": "12px"},
        margin=0,
    )


def _code(subject: str, trial: int, row: pd.Series) -> str:
    """Python that gives what is shown, through the public API."""
    return f"""\
import numpy as np
from laion_fmri import load_subject

sub = load_subject({subject!r})
trial = {trial}
print(sub.metadata.loc[trial])

image = sub.images.get(trial)  # as displayed
human, ai = sub.captions.human(trial), sub.captions.ai(trial)
masks = {{
    (row.noun, row.instance_id): sub.segmentations.get(trial, row.noun, row.instance_id)
    for row in sub.segmentations.for_image(trial).itertuples()
}}

session, row = {str(row["session"])!r}, {int(row["session_trial"])}
betas = sub.get_betas(session=session, roi="all")  # (n_trials, n_voxels)
columns = sub.get_brain_mask() & sub.get_roi_mask("all")
with np.errstate(invalid="ignore"):  # a voxel that never varies has no z-score
    z = (betas - np.nanmean(betas, axis=0)) / np.nanstd(betas, axis=0)
responses = {{
    roi: np.nanmean(z[row, sub.get_roi_mask(roi)[columns]]) for roi in sub.get_available_rois()
}}
"""
