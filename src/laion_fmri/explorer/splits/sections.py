"""The sections below the figures of a split: image space first, then the others."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

import panel as pn
from panel.viewable import Viewable, Viewer

from laion_fmri.explorer.runtime.background import Gate, Latest
from laion_fmri.explorer.runtime.page_turn import Rendered
from laion_fmri.explorer.splits.contents_view import ExamplesView, LeaksView, TermsView
from laion_fmri.explorer.splits.data import SplitReport, local_models
from laion_fmri.explorer.splits.measures_view import MeasuresView
from laion_fmri.explorer.splits.score_view import ScoreView
from laion_fmri.explorer.splits.space_view import SpaceView
from laion_fmri.explorer.widgets.layout import stacked
from laion_fmri.explorer.widgets.missing_files_card import MissingCard
from laion_fmri.explorer.widgets.notice import notice
from laion_fmri.missing_files import missing_embeddings
from laion_fmri.splits import SplitMeasures, list_splits

if TYPE_CHECKING:
    from laion_fmri.explorer.data import ExplorerData

_AFTER_MEASURES = 0.15  # seconds reserved for the measures, which need the processor
_NO_EMBEDDINGS = (
    "No embeddings are downloaded. Maps, distances, scores and leaks need them: some 50 MB a model."
)


class SplitSections(Viewer):
    """Image space, measures, scores, leaks, terms and examples of splits.

    Parameters
    ----------
    data : ExplorerData
    gate : Gate
        Gate of the view that contains this one.
    on_measured : callable
        Called without arguments when the splits are measured, or cannot be.
    on_maps : callable
        Called with the maps of scores to display on the brain.
    on_files : callable
        Called when embeddings have been downloaded.
    on_problem : callable
        Called with an error message.
    """

    def __init__(
        self,
        data: ExplorerData,
        gate: Gate,
        on_measured: Callable[[], object],
        on_maps: Callable[[], object],
        on_files: Callable[[], object],
        on_problem: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.data = data
        self._gate, self._gate_of_rest = gate, Gate()
        self._on_measured, self._on_maps, self._on_problem = on_measured, on_maps, on_problem
        self._report: SplitReport | None = None
        self.space = SpaceView(data, lambda busy: Latest(busy, gate))
        self.missing = MissingCard(data, on_files)
        self.without_space = stacked(notice(_NO_EMBEDDINGS), self.missing, gap=8, visible=False)
        self.in_space = stacked(self.space, gap=32)
        self._other = stacked(gap=32)
        self._latest_missing = Latest(self.missing.rows, gate)
        self._latest_below = self._latest_of_rest(pn.Spacer())
        self._layout = stacked(self.without_space, self.in_space, self._other, gap=32)

    # The browser draws the first picture before the sections that are created on first use.

    @cached_property
    def measures(self) -> MeasuresView:
        """Distance and distribution shift."""
        return MeasuresView(
            self.data, self._latest_of_rest, self._show_measured, self.leaks.set_random
        )

    @cached_property
    def leaks(self) -> LeaksView:
        """Images that are on both sides, exactly or nearly."""
        return LeaksView(self.data, self._latest_of_rest)

    @cached_property
    def contents(self) -> TermsView:
        """Nouns and words of the sides, and shared test images."""
        return TermsView(self.data, self._latest_of_rest)

    @cached_property
    def scores(self) -> ScoreView:
        """Encoding models, fitted on one side and scored on the other."""
        return ScoreView(self.data, lambda _: self._on_maps())

    @cached_property
    def examples(self) -> ExamplesView:
        """Images of the sides."""
        return ExamplesView(self.data, self._latest_of_rest, self._on_problem)

    @property
    def measured(self) -> SplitMeasures | None:
        """The displayed measures."""
        return self.measures.measured if len(self._other) else None

    def _latest_of_rest(self, busy: Viewable) -> Latest:
        return Latest(busy, self._gate_of_rest)

    def hide(self) -> None:
        """Hide everything."""
        self._report = None
        self._layout.visible = False

    def set_report(self, report: SplitReport, model: str) -> None:
        """Display splits of one pool, the chosen one first.

        Parameters
        ----------
        report : SplitReport
            The chosen split, and those in the comparison.
        model : str
            Empty if no embeddings are downloaded.
        """
        self._report, splits = report, report.splits
        has_space = bool(local_models(self.data))
        with pn.io.hold():
            self._layout.visible = True
            self.without_space.visible = not has_space
            self.in_space.visible = bool(splits) and has_space
            self._other.visible = bool(splits)
        if not splits:
            return
        rest = partial(self._gate.let_through, partial(self._show_rest, report, model))
        if model and not len(self._other):  # nothing may delay the first picture
            self.space.set_splits(splits, model, then=rest)
            return
        if model:
            self.space.set_splits(splits, model)
        rest()

    def list_missing(self) -> None:
        """List the embeddings that can be downloaded."""
        self._latest_missing.ask(
            lambda: missing_embeddings(self.data.settings.data_dir, self.data.bucket()),
            lambda parts: self.missing.set_parts("the stimuli", parts),
            lambda _: self.missing.set_parts("", []),  # the bucket is unreachable
        )

    def _show_rest(self, report: SplitReport, model: str) -> None:
        if self._report is not report or report.split is None:  # a newer report is displayed
            return
        if not len(self._other):
            with pn.io.hold():
                self.in_space.extend([self.measures, self.scores, self.leaks])
                self._other.extend(
                    [self.contents, self.examples, Rendered(self._gate_of_rest.open)]
                )
        if model:
            splits, choice = report.splits, report.choice
            self.missing.set_parts("", [])
            self.measures.set_splits(splits, model)
            self.scores.set_splits(
                report.splits, choice.pool, choice.subject, choice.session, model
            )
        else:
            self._show_measured(None)
        self._latest_below.once_at_rest(partial(self._show_below, report), _AFTER_MEASURES)

    def _show_below(self, report: SplitReport) -> None:
        if self._report is report and report.split is not None:
            names = list_splits(report.choice.pool, self.data.settings.data_dir)
            self.contents.set_splits(report.splits, names)
            self.examples.set_split(report.split)

    def _show_measured(self, measured: SplitMeasures | None) -> None:
        self.leaks.set_measured(measured, self._report.split if self._report else None)
        self.examples.set_measured(measured)
        self._on_measured()

    def __panel__(self) -> pn.Column:
        return self._layout
