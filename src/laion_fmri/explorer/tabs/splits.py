"""The Splits tab: what a split is, how large, of what, and in which trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer import split_data, split_words
from laion_fmri.explorer.background import explain
from laion_fmri.explorer.components import split_views
from laion_fmri.explorer.components.copy_code import CopyCode
from laion_fmri.explorer.components.notice import notice
from laion_fmri.explorer.split_data import SplitChoice, SplitReport
from laion_fmri.explorer.tabs.base import Tab
from laion_fmri.splits import list_ood_types, list_pools, list_splits
from laion_fmri.splits.recipes import OOD

_CONTROLS_WIDTH = 280
_EXAMPLES = 12
_EVERY_SESSION = "every local session"


class SplitsTab(Tab):
    """Pool, split and sizes for the images and trials at hand."""

    title = "Splits"

    def build(self) -> None:
        """Fill the layout."""
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self.pool = pmui.Select(label="Pool", options=[], **wide)
        self.split = pmui.Select(label="Split", options=[], **wide)
        self.ood_types = pmui.MultiChoice(
            label="OOD types", placeholder="all types", options=list_ood_types(), **wide
        )
        self.subject = pmui.Select(label="Subject", options=[], **wide)
        self.session = pmui.Select(label="Session", options=[], **wide)
        self.code = CopyCode()
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self.heading = _html()
        self.composition, self.trials = _html(), _html()
        self.galleries = {side: _html() for side in ("train", "test")}
        self.report: SplitReport | None = None
        figures = pn.Column(
            self.heading,
            _side_by_side(self.composition, self.trials, least=360),
            _side_by_side(*self.galleries.values(), least=300),
            sizing_mode="stretch_width",
            margin=0,
            styles={"gap": "28px"},
        )
        self._latest, self._pictures = self.latest(figures), self.latest(pn.Spacer())
        controls = (self.pool, self.split, self.ood_types, self.subject, self.session, self.code)
        self.layout[:] = [
            pn.Row(
                pn.Column(*controls, width=_CONTROLS_WIDTH, margin=(8, 24, 8, 8)),
                pn.Column(
                    self.messages, figures, sizing_mode="stretch_width", margin=(8, 8, 24, 0)
                ),
                sizing_mode="stretch_width",
                margin=0,
            )
        ]
        self._connect()

    def _connect(self) -> None:
        state = self.state
        for name in ("pool", "split", "subject", "session"):
            getattr(self, name).param.watch(
                lambda e, name=name: state.param.update({name: e.new or ""}), "value"
            )
        self.ood_types.param.watch(lambda _: self._ask(), "value")
        state.param.watch(self._refresh_if_shown, ["pool", "split", "subject", "session"])

    def refresh(self) -> None:
        """Offer what there is and show what is chosen."""
        root, state = self.data.settings.data_dir, self.state
        try:
            pools = list_pools(root)
            names = list_splits(state.pool if state.pool in pools else None, root)
        except LaionFmriError as error:
            self._say(explain(error))
            return
        subjects = self.data.local_subjects()
        sessions = self._sessions(subjects)
        with pn.io.hold():
            for widget, options, value in (
                (self.pool, pools, state.pool),
                (self.split, names, state.split),
                (self.subject, subjects, state.subject),
                (self.session, {_EVERY_SESSION: "", **{s: s for s in sessions}}, state.session),
            ):
                _offer(widget, options, value)
            self.ood_types.visible = state.split == OOD
        self._ask()

    def _sessions(self, subjects: list[str]) -> list[str]:
        subject = self.state.subject
        return self.data.subject(subject).get_sessions() if subject in subjects else []

    def _choice(self) -> SplitChoice:
        state = self.state
        types = tuple(self.ood_types.value or ()) if state.split == OOD else ()
        return SplitChoice(state.pool, state.split, types, state.subject, state.session)

    def _ask(self) -> None:
        choice = self._choice()
        self.code.code = split_words.code(choice)
        self._latest.ask(lambda: split_data.report(self.data, choice), self._show, self._fail)

    def _show(self, report: SplitReport) -> None:
        self.report = report
        choice, split = report.choice, report.split
        params = split.params if split else {}
        with pn.io.hold():
            self.messages[:] = [
                notice(text, "warning") for text in (report.problem, report.trials_problem) if text
            ]
            self.heading.visible = True
            self.heading.object = split_views.heading(
                split_words.title(choice.name),
                split_words.meaning(choice.name, params),
                split_words.pool_in_words(choice.pool),
                report.sizes,
                split_words.parameters(params),
            )
            for pane in (self.composition, *self.galleries.values()):
                pane.visible = split is not None
            if report.composition is not None:
                self.composition.object = split_views.composition_table(
                    report.composition, choice.pool
                )
            self.trials.visible = report.trials is not None
            if report.trials is not None:
                self.trials.object = split_views.trials_table(
                    report.trials, report.sizes, self._whose(choice), self._hint(choice)
                )
        if split:
            self._show_examples({"train": split.train_ids, "test": split.test_ids})

    def _show_examples(self, ids: dict[str, tuple[str, ...]]) -> None:
        """Names at once, pictures as soon as they are decoded."""
        chosen = {side: split_data.examples(names, _EXAMPLES) for side, names in ids.items()}

        def show(pictures: Mapping[str, str] | None) -> None:
            with pn.io.hold():
                for side, names in chosen.items():
                    self.galleries[side].object = split_views.gallery(
                        side, names, len(ids[side]), pictures
                    )

        def show_names(problem: str) -> None:
            show(None)
            self.messages.append(notice(problem, "warning"))

        if not split_data.has_images(self.data):
            show(None)
            return
        show({})
        names = [*chosen["train"], *chosen["test"]]
        self._pictures.ask(lambda: split_data.thumbnails(self.data, names), show, show_names)

    def _whose(self, choice: SplitChoice) -> str:
        return f"{choice.subject}, {choice.session or _EVERY_SESSION}"

    def _hint(self, choice: SplitChoice) -> str:
        if choice.pool in ("shared", choice.subject):
            return ""
        return (
            f"The pool {choice.pool} has images that only {choice.pool} saw; images that only "
            f"{choice.subject} saw are on neither side."
        )

    def _fail(self, text: str) -> None:
        self.report = None
        with pn.io.hold():
            self._say(text)
            for pane in (self.heading, self.composition, self.trials, *self.galleries.values()):
                pane.visible = False

    def _say(self, text: str) -> None:
        self.messages[:] = [notice(text, "warning")]


def _html() -> pn.pane.HTML:
    return pn.pane.HTML(
        "", sizing_mode="stretch_width", margin=0, stylesheets=[split_views.STYLESHEET]
    )


def _side_by_side(*panes: pn.pane.HTML, least: int) -> pn.FlexBox:
    """In one row where each has at least `least` pixels, else one below the other."""
    for pane in panes:
        pane.styles = {"flex": f"1 1 {least}px", "min-width": "0"}
    return pn.FlexBox(*panes, sizing_mode="stretch_width", margin=0, gap="28px 40px")


def _offer(widget: pmui.Select, options: list[str] | dict[str, str], value: str) -> None:
    """Set options and value together; a value that is not among them is shown as none."""
    known = options.values() if isinstance(options, dict) else options
    widget.param.update(options=options, value=value if value in known else None)
