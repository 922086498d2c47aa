"""What a split does, and how to make another: everything about splits in one view."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import panel as pn
import param
from panel.viewable import Viewable

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer import split_data, split_export, split_space, split_words
from laion_fmri.explorer.background import Gate, Latest, explain
from laion_fmri.explorer.components import split_views
from laion_fmri.explorer.components.arrival import Arrival
from laion_fmri.explorer.components.markup import markup
from laion_fmri.explorer.components.missing_card import MissingCard
from laion_fmri.explorer.components.notice import notice, say
from laion_fmri.explorer.components.split_contents import ContentsSection
from laion_fmri.explorer.components.split_controls import (
    EVERY_SESSION,
    MOST_COMPARED,
    SplitControls,
)
from laion_fmri.explorer.components.split_galleries import SplitGalleries
from laion_fmri.explorer.components.split_leaks import LeakSection
from laion_fmri.explorer.components.split_maker import SplitMaker
from laion_fmri.explorer.components.split_measures_section import MeasuresSection
from laion_fmri.explorer.components.split_parts import side_by_side, split_html, stacked
from laion_fmri.explorer.components.split_score_section import ScoreSection
from laion_fmri.explorer.components.split_space_section import SpaceSection
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.missing_files import missing_embeddings
from laion_fmri.explorer.piece import Piece, data_of
from laion_fmri.explorer.split_data import SplitChoice, SplitReport
from laion_fmri.splits import Split, list_pools, list_splits, make_split
from laion_fmri.splits.recipes import OOD

if TYPE_CHECKING:
    import io

    from laion_fmri.explorer.split_space import Measured
    from laion_fmri.splits import Evaluation
    from laion_fmri.subject import Subject

_AFTER_MEASURES = 0.15  # seconds in which the measures have the processor to themselves
_MAKE = "Make a split"
_NO_EMBEDDINGS = (
    "No embeddings are here, so maps, distances, scores and leaks cannot be shown: some 50 MB a "
    "model."
)


class SplitInspector(Piece):
    """A split in words, sizes, image space, measures, content and pictures, beside others.

    Parameters
    ----------
    split, pool : str
        As for `laion_fmri.splits.load_split`.
    subject : Subject or str, optional
        Whose trials are counted.
    data : ExplorerData, optional
        By default on what is configured, or on the subject's data directory.
    gate : Gate, optional
        Of the view that this one is part of; by default it has its own.

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
    ood_types = param.List(default=[], item_type=str, doc="Types kept in 'ood'; empty is all.")
    subject = param.String(default="", doc="Whose trials are counted.")
    session = param.String(default="", doc="One session's trials; empty means every session.")
    model = param.String(default="", doc="Embedding that distances and maps are of.")
    files_arrived = param.Event(doc="Triggered when files that were missing have come.")
    maps_wanted = param.List(default=[], doc="Scores that were asked for on the brain, as maps.")

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
        self._rest_gate = Gate()  # of what is drawn after the first picture
        self.report: SplitReport | None = None
        self.controls = SplitControls(self._choose, self._file, self._open_or_close_maker)
        self._make_views()
        parts: list[Any] = [
            self.controls,
            pn.Column(
                self.messages,
                self._making,
                self._figures,
                margin=(8, 8, 24, 0),
                styles={"flex": "1 1 520px", "min-width": "min(100%, 520px)"},
            ),
        ]
        if gate is None:
            parts.append(Arrival(self._gate.open))
        self._layout = pn.FlexBox(*parts, sizing_mode="stretch_width", margin=0)
        self.param.watch(
            lambda *_: self.refresh(), ["pool", "split", "compared", "subject", "session"]
        )
        self.param.watch(lambda *_: self._ask(), ["ood_types", "model"])
        if gate is None:
            self.refresh()

    def _make_views(self) -> None:
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self.heading, self.composition, self.trials = (split_html() for _ in range(3))
        self.space = SpaceSection(self.data, self.latest)
        self._making = stacked(gap=4, visible=False)
        self.missing = MissingCard(self.data, self._embeddings_came)
        self._without_space = stacked(notice(_NO_EMBEDDINGS), self.missing, gap=8, visible=False)
        self._listed = self.latest(self.missing.rows)
        self._in_space = stacked(self.space, gap=32)
        self._of_sides = stacked(gap=32)
        self._figures = stacked(
            self.heading,
            side_by_side(self.composition, self.trials, least=330),
            self._without_space,
            self._in_space,
            self._of_sides,
            gap=32,
        )
        self._latest = self.latest(self.heading)
        self._below = self._latest_of_rest(pn.Spacer())
        self.controls.make_button.param.update(label=_MAKE, visible=self.data.visitor.may_act)

    # What is not needed for the first picture is made after it.

    @cached_property
    def measures(self) -> MeasuresSection:
        """Distances and differences of the sides."""
        return MeasuresSection(self.data, self._latest_of_rest, self._measured)

    @cached_property
    def leaks(self) -> LeakSection:
        """Images that are, nearly, on both sides."""
        return LeakSection(self.data, self._latest_of_rest)

    @cached_property
    def _leaks_pane(self) -> pn.Column:
        return stacked(self.leaks, visible=False)

    @cached_property
    def contents(self) -> ContentsSection:
        """Nouns and words of the sides, and what test sets have in common."""
        return ContentsSection(self.data, self._latest_of_rest)

    @cached_property
    def scores(self) -> ScoreSection:
        """Encoding models, fitted on one side and scored on the other."""
        return ScoreSection(self.data, lambda maps: self.param.update(maps_wanted=maps))

    @cached_property
    def galleries(self) -> SplitGalleries:
        """Pictures of the sides."""
        return SplitGalleries(self.data, self._latest_of_rest, self._add_problem)

    @cached_property
    def maker(self) -> SplitMaker:
        """The form that makes a split."""
        maker = SplitMaker(self._make)
        maker.offer(self.pool, split_space.local_models(self.data))
        return maker

    @cached_property
    def _making_latest(self) -> Latest:
        return self.latest(self.maker.button)

    def latest(self, busy: Viewable) -> Latest:
        """A way to do slow work for this view."""
        return Latest(busy, self._gate)

    def _latest_of_rest(self, busy: Viewable) -> Latest:
        return Latest(busy, self._rest_gate)

    # --- choices ------------------------------------------------------------------------------

    def _choose(self, name: str, value: Any) -> None:
        empty: Any = [] if isinstance(getattr(self, name), list) else ""
        self.param.update({name: value or empty})

    def refresh(self) -> None:
        """Offer what there is and show what is chosen."""
        root = self.data.settings.data_dir
        try:
            pools = list_pools(root)
            names = list_splits(self.pool if self.pool in pools else None, root)
        except LaionFmriError as error:
            self._say(explain(error))
            return
        subjects = self.data.local_subjects()
        known = self.subject in subjects
        models = split_space.local_models(self.data)
        chosen = {name: getattr(self, name) for name in self.param if name != "name"}
        self.controls.offer(
            {**chosen, "model": self._model(models), "offers_types": self.split == OOD},
            pools=pools,
            splits=names,
            subjects=subjects,
            sessions=self.data.subject(self.subject).get_sessions() if known else [],
            models=models,
        )
        if len(self._making):
            self.maker.offer(self.pool, models)
        self._ask()

    def _model(self, models: list[str]) -> str:
        return self.model if self.model in models else next(iter(models), "")

    def _choice(self) -> SplitChoice:
        types = tuple(self.ood_types) if self.split == OOD else ()
        return SplitChoice(self.pool, self.split, types, self.subject, self.session)

    # --- showing ------------------------------------------------------------------------------

    def _ask(self) -> None:
        choice = self._choice()
        others = [name for name in self.compared if name != self.split][:MOST_COMPARED]
        model = self._model(split_space.local_models(self.data))

        def work() -> tuple[SplitReport, dict[str, Split]]:
            report = split_data.report(self.data, choice)
            if report.split is None:
                return report, {}
            others_here = split_space.local_splits(self.data, choice.pool, others)
            return report, {choice.name: report.split, **others_here}

        def show(found: tuple[SplitReport, dict[str, Split]]) -> None:
            report, splits = found
            absent = [name for name in others if splits and name not in splits]
            self._show(report, absent)
            if report.split is None:
                return
            rest = partial(self._gate.let_through, partial(self._show_rest, report, splits, model))
            if model and not len(self._of_sides):  # the first picture is not to be slowed
                self.space.set_splits(splits, model, then=rest)
                return
            if model:
                self.space.set_splits(splits, model)
            rest()

        self._latest.ask(work, show, self._fail)

    def _show(self, report: SplitReport, absent: list[str]) -> None:
        self.report = report
        choice, split = report.choice, report.split
        params = split.params if split else {}
        problems = [report.problem, report.trials_problem]
        if absent:
            problems.append(f"Not here, so not compared: {', '.join(absent)}.")
        has_space = bool(split_space.local_models(self.data))
        with pn.io.hold():
            say(self.messages, [notice(text, "warning") for text in problems if text])
            self.heading.visible = True
            self.heading.object = split_views.heading(
                split_words.title(choice.name),
                split_words.meaning(choice.name, params),
                split_words.pool_in_words(choice.pool),
                report.sizes,
                split_words.parameters(params),
            )
            self.composition.visible = self._of_sides.visible = split is not None
            self._in_space.visible = split is not None and has_space
            self._without_space.visible = split is not None and not has_space
            if report.composition is not None:
                self.composition.object = split_views.composition_table(
                    report.composition, choice.pool
                )
            self.trials.visible = report.trials is not None
            if report.trials is not None:
                whose = f"{choice.subject}, {choice.session or EVERY_SESSION}"
                self.trials.object = split_views.trials_table(
                    report.trials, report.sizes, whose, _hint(choice)
                )
            self.controls.set_files(choice, split is not None, report.trials is not None)
            self._say_code()

    def _put_the_rest_in_place(self) -> None:
        """The sections that a browser needs not draw before the first picture."""
        if not len(self._of_sides):
            with pn.io.hold():
                self._in_space.extend([self.measures, self.scores, self._leaks_pane])
                self._of_sides.extend(
                    [self.contents, self.galleries, Arrival(self._rest_gate.open)]
                )

    def _show_rest(self, report: SplitReport, splits: dict[str, Split], model: str) -> None:
        if self.report is not report or report.split is None:  # something newer is shown
            return
        self._put_the_rest_in_place()
        if model:
            self.missing.set_parts("", [])
            self.measures.set_splits(splits, model)
            choice = report.choice
            self.scores.set_splits(splits, choice.pool, choice.subject, choice.session, model)
        else:
            self._measured(None)
            self._list_missing()
        self._below.once_at_rest(partial(self._show_below, report, splits), _AFTER_MEASURES)

    def _show_below(self, report: SplitReport, splits: dict[str, Split]) -> None:
        """What stands below the measures, which it would only slow."""
        if self.report is report and report.split is not None:
            self.contents.set_splits(splits, list_splits(self.pool, self.data.settings.data_dir))
            self.galleries.set_split(report.split)

    def _list_missing(self) -> None:
        self._listed.ask(
            lambda: missing_embeddings(self.data.data_dir, self.data.bucket()),
            lambda parts: self.missing.set_parts("the stimuli", parts),
            lambda _: self.missing.set_parts("", []),  # not reached: there is nothing to offer
        )

    def _embeddings_came(self) -> None:
        self.param.trigger("files_arrived")
        self.refresh()

    def _measured(self, measured: Measured | None) -> None:
        split = self.report.split if self.report else None
        self._leaks_pane.visible = measured is not None
        if measured is not None and split is not None:
            self.leaks.set_measured(measured, split)
        self.galleries.set_measured(measured)
        self._say_code()

    def _say_code(self) -> None:
        measured = self.measures.measured if len(self._of_sides) else None
        model = self._model(split_space.local_models(self.data))
        against_random = measured is None or measured.are_published
        self.controls.code.code = split_words.code(self._choice(), model, against_random)

    @property
    def evaluation(self) -> Evaluation | None:
        """The scores that are shown; see `laion_fmri.splits.evaluate`."""
        return self.scores.evaluation

    # --- taking away and making ---------------------------------------------------------------

    def _file(self, kind: str) -> io.BytesIO | None:
        report = self.report
        if report is None or report.split is None:
            return None
        try:
            if kind == "npz":
                return split_export.as_masks(self.data, report.choice)
        except LaionFmriError as error:
            self._add_problem(explain(error))
            return None
        return {"json": split_export.as_json, "tsv": split_export.as_tsv}[kind](report.split)

    def _open_or_close_maker(self) -> None:
        is_open = not self._making.visible
        if not len(self._making):
            self._making.extend([markup(f"<h3>{_MAKE}</h3>"), self.maker])
        self._making.visible = is_open
        self.controls.make_button.label = "Close the form" if is_open else _MAKE

    def _make(self, arguments: dict[str, Any]) -> None:
        root = self.data.settings.data_dir

        def done(split: Split) -> None:
            if (self.pool, self.split) == (split.pool, split.name):
                self.refresh()
            self.param.update(split=split.name, pool=split.pool)
            sizes = f"{split.n_train:,} train, {split.n_test:,} test"
            self.maker.say(f"{split.name} is made: {sizes}.", "success")

        def work() -> Split:
            self.data.visitor.require_owner("Making splits")
            return make_split(**arguments, data_dir=root)

        self.maker.say("Making it…")
        self._making_latest.ask(
            work,
            done,
            lambda text: self.maker.say(text, "warning"),
        )

    # --- problems -----------------------------------------------------------------------------

    def _fail(self, text: str) -> None:
        self.report = None
        with pn.io.hold():
            self._say(text)
            self.heading.visible = self.composition.visible = self.trials.visible = False
            self._in_space.visible = self._of_sides.visible = self._without_space.visible = False
            self.controls.set_files(self._choice(), False, False)

    def _say(self, text: str) -> None:
        say(self.messages, [notice(text, "warning")])

    def _add_problem(self, text: str) -> None:
        self.messages.append(notice(text, "warning"))

    def __panel__(self) -> pn.FlexBox:
        return self._layout


def _hint(choice: SplitChoice) -> str:
    if choice.pool in ("shared", choice.subject) or not choice.pool.startswith("sub-"):
        return ""
    return (
        f"The pool {choice.pool} has images that only {choice.pool} saw; images that only "
        f"{choice.subject} saw are on neither side."
    )
