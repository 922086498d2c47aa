"""The split inspector: all information about splits in one view, and a form to make one."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import panel as pn
import param
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import Gate, Latest, explain
from laion_fmri.explorer.runtime.page_turn import Rendered
from laion_fmri.explorer.splits import data as split_data
from laion_fmri.explorer.splits import views as split_views
from laion_fmri.explorer.splits.code import split_code
from laion_fmri.explorer.splits.controls import ALL_SESSIONS, MAX_COMPARED, SplitControls
from laion_fmri.explorer.splits.data import SplitChoice, SplitReport
from laion_fmri.explorer.splits.maker import SplitMaker
from laion_fmri.explorer.splits.sections import SplitSections
from laion_fmri.explorer.splits.views import split_html
from laion_fmri.explorer.widgets.layout import side_by_side, stacked
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.explorer.widgets.notice import notice, say
from laion_fmri.explorer.widgets.standalone_view import StandaloneView, data_of
from laion_fmri.splits import Split, list_pools, list_splits
from laion_fmri.splits.recipes import OOD

if TYPE_CHECKING:
    import io

    from laion_fmri.splits import Evaluation
    from laion_fmri.splits.export import FileKind
    from laion_fmri.subject import Subject

_MAKE = "Make a split"


class SplitFigures(Viewer):
    """The purpose of a split, the sizes and composition of its sides, and its trials."""

    def __init__(self) -> None:
        super().__init__()
        self.heading, self.composition, self.trials = (split_html() for _ in range(3))
        tables = side_by_side(self.composition, self.trials, least=330)
        self._layout = stacked(self.heading, tables, gap=32)

    def set_report(self, report: SplitReport) -> None:
        """Display a split, or the sizes alone if it cannot be loaded."""
        choice, split = report.choice, report.split
        params = {**split.params, "edition": split.edition} if split else {}
        composition = trials = ""
        if report.composition is not None:
            composition = split_views.composition_table(report.composition, choice.pool)
        if report.trials is not None:
            whose = f"{choice.subject}, {choice.session or ALL_SESSIONS}"
            trials = split_views.trials_table(report.trials, report.sizes, whose, _hint(choice))
        heading = split_views.heading(choice.name, choice.pool, params, report.sizes)
        self._show(heading, composition, trials)

    def hide(self) -> None:
        """Hide everything."""
        self._show("", "", "")

    def _show(self, *contents: Markup | str) -> None:
        panes = (self.heading, self.composition, self.trials)
        for pane, content in zip(panes, contents, strict=True):
            pane.object, pane.visible = content, bool(content)

    def __panel__(self) -> pn.Column:
        return self._layout


class SplitInspector(StandaloneView):
    """A split in words, sizes, image space, measures, terms and images, next to others.

    Parameters
    ----------
    split, pool : str
        As for `laion_fmri.splits.load_split`.
    subject : Subject or str, optional
        Subject whose trials are counted.
    data : ExplorerData, optional
        By default created from the configured settings, or the subject's data directory.
    gate : Gate, optional
        Gate of the view that contains this one; by default its own.

    Examples
    --------
    >>> from laion_fmri.explorer import SplitInspector
    >>> inspector = SplitInspector("tau", pool="sub-01", subject=sub)
    >>> inspector.split, inspector.subject
    ('tau', 'sub-01')
    """

    pool = param.String(default="shared", doc="Pool of the split.")
    split = param.String(default="random_0", doc="Name of the split.")
    compared = param.List(default=[], item_type=str, doc="Other splits of the pool, beside it.")
    ood_types = param.List(default=[], item_type=str, doc="Types used in 'ood'; empty is all.")
    subject = param.String(default="", doc="Whose trials are counted.")
    session = param.String(default="", doc="One session's trials; empty means every session.")
    model = param.String(default="", doc="Embedding that distances and maps are of.")
    files_arrived = param.Event(doc="Triggered when missing files have been downloaded.")
    maps_wanted = param.Event(doc="Triggered when scores are to be shown on the brain.")

    def __init__(
        self,
        split: str = "random_0",
        pool: str = "shared",
        *,
        subject: Subject | str = "",
        data: ExplorerData | None = None,
        gate: Gate | None = None,
        **params: Any,
    ) -> None:
        name = subject if isinstance(subject, str) else subject.name
        super().__init__(split=split, pool=pool, subject=name, **params)
        self.data = data or data_of(subject)
        self._gate = gate or Gate()
        self.report: SplitReport | None = None
        self.controls = SplitControls(self._choose, self.make_file, self._toggle_maker)
        self.controls.make_button.param.update(label=_MAKE, visible=self.data.visitor.may_act)
        self.messages = stacked()
        self._figures = SplitFigures()
        self.heading, self.composition = self._figures.heading, self._figures.composition
        self.trials = self._figures.trials
        self.sections = SplitSections(
            self.data,
            self._gate,
            on_measured=self._show_code,
            on_maps=lambda: self.param.trigger("maps_wanted"),
            on_files=self._embeddings_arrived,
            on_problem=self._add_problem,
        )
        self._making = stacked(gap=4, visible=False)
        main = pn.Column(
            self.messages,
            self._making,
            stacked(self._figures, self.sections, gap=32),
            margin=(8, 8, 24, 8),
            styles={"flex": "1 1 520px", "min-width": "min(100% - 16px, 520px)"},
        )
        self._latest = Latest(self.heading, self._gate)
        arrival = [] if gate else [Rendered(self._gate.open)]
        self._layout = pn.FlexBox(
            self.controls, main, *arrival, sizing_mode="stretch_width", margin=0
        )
        if gate is None:
            self.refresh()

    @cached_property
    def maker(self) -> SplitMaker:
        """The form that makes a split."""
        maker = SplitMaker(self.data, lambda busy: Latest(busy, self._gate), self._show_made)
        maker.offer(self.pool, split_data.local_models(self.data))
        return maker

    @property
    def evaluation(self) -> Evaluation | None:
        """The displayed scores; see `laion_fmri.splits.evaluate`."""
        return self.sections.scores.evaluation

    @param.depends("pool", "split", "compared", "subject", "session", watch=True)
    def refresh(self) -> None:
        """Update the available choices and the display."""
        root = self.data.settings.data_dir
        try:
            pools = list_pools(root)
            names = list_splits(self.pool if self.pool in pools else None, root)
        except LaionFmriError as error:
            say(self.messages, [notice(explain(error), "warning")])
            return
        subjects, models = self.data.local_subjects(), split_data.local_models(self.data)
        is_local = self.subject in subjects
        if not models:
            self.sections.list_missing()
        chosen = {name: getattr(self, name) for name in self.param if name != "name"}
        self.controls.offer(
            {**chosen, "model": self._local_model(), "offers_types": self.split == OOD},
            pool=pools,
            split=names,
            subject=subjects,
            sessions=self.data.subject(self.subject).get_sessions() if is_local else [],
            model=models,
        )
        if len(self._making):
            self.maker.offer(self.pool, models)
        self._ask()

    def _choose(self, name: str, value: Any) -> None:
        empty: Any = [] if isinstance(getattr(self, name), list) else ""
        self.param.update({name: value or empty})

    def _local_model(self) -> str:
        models = split_data.local_models(self.data)
        return self.model if self.model in models else next(iter(models), "")

    def _choice(self) -> SplitChoice:
        types = tuple(self.ood_types) if self.split == OOD else ()
        return SplitChoice(self.pool, self.split, types, self.subject, self.session)

    @param.depends("ood_types", "model", watch=True)
    def _ask(self) -> None:
        choice, model = self._choice(), self._local_model()
        others = [name for name in self.compared if name != self.split][:MAX_COMPARED]

        def show(report: SplitReport) -> None:
            self._show(report, [name for name in others if name not in report.splits])
            self.sections.set_report(report, model)

        self._latest.ask(
            lambda: split_data.report(self.data, choice, others), show, self._show_problem
        )

    def _show(self, report: SplitReport, absent: list[str]) -> None:
        self.report = report
        problems = [report.problem, report.trials_problem]
        if absent and report.splits:
            problems.append(f"Not downloaded, so not compared: {', '.join(absent)}.")
        with pn.io.hold():
            say(self.messages, [notice(text, "warning") for text in problems if text])
            self._figures.set_report(report)
            self.controls.set_files(
                report.choice, report.split is not None, report.trials is not None
            )
            self._show_code()

    def _show_problem(self, text: str) -> None:
        self.report = None
        with pn.io.hold():
            say(self.messages, [notice(text, "warning")])
            self._figures.hide()
            self.sections.hide()
            self.controls.set_files(self._choice(), False, False)

    def _show_code(self) -> None:
        splits = list(self.report.splits) if self.report else []
        self.controls.code.code = split_code(self._choice(), splits, self._local_model())

    def _add_problem(self, text: str) -> None:
        self.messages.append(notice(text, "warning"))

    def _embeddings_arrived(self) -> None:
        self.param.trigger("files_arrived")
        self.refresh()

    def make_file(self, kind: FileKind) -> io.BytesIO | None:
        """Return the split as a file: ``"json"``, ``"tsv"``, or trial masks as ``"npz"``."""
        if self.report is None or self.report.split is None:
            return None
        try:
            return split_data.take_along(self.data, self.report.choice, kind)
        except LaionFmriError as error:
            self._add_problem(explain(error))
            return None

    def _show_made(self, split: Split) -> None:
        if (self.pool, self.split) == (split.pool, split.name):
            self.refresh()
        self.param.update(split=split.name, pool=split.pool)

    def _toggle_maker(self) -> None:
        if not len(self._making):
            self._making.extend([markup(Markup("<h3>{}</h3>").format(_MAKE)), self.maker])
        self._making.visible = not self._making.visible
        self.controls.make_button.label = "Close the form" if self._making.visible else _MAKE

    def __panel__(self) -> pn.FlexBox:
        return self._layout


def _hint(choice: SplitChoice) -> str:
    if choice.pool in ("shared", choice.subject) or not choice.pool.startswith("sub-"):
        return ""
    return (
        f"The pool {choice.pool} has images that only {choice.pool} saw; images that only "
        f"{choice.subject} saw are on neither side."
    )
