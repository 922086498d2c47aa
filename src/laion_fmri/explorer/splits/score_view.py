"""Encoding scores: how well an embedding predicts responses across the chosen splits."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.runtime.background import Follower, explain
from laion_fmri.explorer.runtime.background_job import Job, Threads
from laion_fmri.explorer.splits.code import score_code
from laion_fmri.explorer.splits.views import COLOURS, scores_table, split_html
from laion_fmri.explorer.state import GivenMap
from laion_fmri.explorer.widgets.copy_code import CopyCode
from laion_fmri.explorer.widgets.layout import in_a_row, small_button, stacked
from laion_fmri.explorer.widgets.markup import bar_html, markup
from laion_fmri.explorer.widgets.notice import notice, say
from laion_fmri.explorer.widgets.plots import holoviews, page_style, plot_pane
from laion_fmri.splits import Evaluation, Split, evaluate
from laion_fmri.volumes.rois import ALL

if TYPE_CHECKING:
    from laion_fmri.explorer.data import ExplorerData
    from laion_fmri.subject import Subject

_ABOUT = (
    "Ridge regression from the embedding to every voxel, fitted to the training images and scored "
    "on the test images. Betas are z-scored within session and averaged over repeats."
)
_NO_RESPONSES = "Scoring needs betas and ROIs of a subject; the Download tab fetches them."
_EXPLANATION = (
    "Correlation between predicted and measured responses to the test images of {split}, from "
    "{model}."
)
_TURNS = Threads(1)  # scoring uses all processors


class ScoreView(Viewer):
    """Choose ROIs, score the displayed splits, view the scores, send them to the Brain tab.

    Parameters
    ----------
    data : ExplorerData
    on_maps : callable, optional
        Called with the list of `GivenMap` to display in the Brain tab.
    """

    def __init__(
        self, data: ExplorerData, on_maps: Callable[[list[GivenMap]], object] | None = None
    ) -> None:
        super().__init__()
        self.data = data
        self._on_maps = on_maps
        self.evaluation: Evaluation | None = None
        self.job: Job[Evaluation] | None = None
        self._scored: tuple[Any, ...] = ({}, "", "", "")  # splits, pool, subject, session
        self._model = ""
        button: dict[str, Any] = {"size": "small", "margin": 0}
        self.rois = pmui.MultiChoice(
            label="ROIs to score", options=[], placeholder="ROIs or categories", width=300, margin=0
        )
        self.threshold = pmui.FloatInput(
            label="Noise ceiling above (%)", value=0.0, start=0, end=99, step=5, width=170, **button
        )
        self.button = small_button("Score", self._start, variant="contained", icon="insights")
        for control in (self.rois, self.threshold):
            control.param.watch(lambda _: self._offer_code(), "value")
        self.code = CopyCode("Code for these scores", margin=0)
        self.problem, self.table = markup(visible=False), split_html()
        self.messages, self.plot = stacked(), plot_pane()
        self.to_brain = small_button(
            "Show on the brain", self._hand_over_maps, icon="psychology", visible=bool(on_maps)
        )
        self.save = pmui.FileDownload(
            label="Scores (TSV)",
            icon="download",
            callback=self.as_tsv,
            filename="scores.tsv",
            **button,
        )
        self.save.variant = "text"  # as a constructor argument it would raise a warning
        self._progress = markup(align="center", sizing_mode=None, width=280)
        self.cancel = small_button("Cancel", self._stop, variant="text")
        self._working = pn.Row(self._progress, self.cancel, visible=False, margin=0)
        self._follower = Follower(self._show_job)
        self.results = stacked(
            self.table,
            self.plot,
            pn.Row(self.to_brain, self.save, margin=0, styles={"gap": "10px"}),
            visible=False,
            gap=10,
        )
        self.controls = in_a_row(
            self.rois, self.threshold, self.button, self._working,
            gap="10px 16px", align_items="flex-end",
        )  # fmt: skip
        self._code_fold = stacked(self.code)
        title = markup(Markup('<h3>Score</h3><p class="muted">{}</p>').format(_ABOUT))
        self._layout = stacked(
            title, self.controls, self.problem, self.messages, self.results, self._code_fold, gap=10
        )

    def set_splits(
        self, splits: Mapping[str, Split], pool: str, subject: str, session: str, model: str
    ) -> None:
        """Set the splits of a pool that can be scored, the chosen one first."""
        scored = (dict(splits), pool, subject, session)
        if (scored, model) == (self._scored, self._model):
            return
        if scored != self._scored:  # another embedding keeps the scores, which name their own
            self._stop()
            self.evaluation = None
            self.results.visible = False
        self._scored, self._model = scored, model
        offered: list[str] = []
        problem = "" if subject else _NO_RESPONSES
        if subject:
            try:
                sub = self.data.subject(subject)
                offered = roi_choices(sub) if sub.get_sessions() else []
                problem = "" if offered else _NO_RESPONSES
            except LaionFmriError as error:
                problem = explain(error)
        chosen = [roi for roi in self.rois.value or [] if roi in offered] or offered[:1]
        with pn.io.hold():
            self.rois.param.update(options=offered, value=chosen)
            self.controls.visible = self._code_fold.visible = bool(offered)
            self.problem.object = Markup('<p class="muted">{}</p>').format(problem)
            self.problem.visible = bool(problem)
            say(self.messages, [])
            self._offer_code()

    def _hand_over_maps(self) -> None:
        if self._on_maps is not None and self.evaluation is not None:
            self._on_maps(score_maps(self.evaluation))

    def as_tsv(self) -> io.BytesIO | None:
        """Return the table of scores as a file."""
        if self.evaluation is None:
            return None
        return io.BytesIO(self.evaluation.table.to_csv(sep="\t", index=False).encode())

    def _offer_code(self) -> None:
        splits, pool, subject, session = self._scored
        can_score = bool(self.rois.value and splits)
        self.button.disabled = not can_score or self.job is not None
        if can_score:
            self.code.code = score_code(
                subject,
                pool,
                list(splits),
                self.rois.value or [],
                embedding=self._model,
                session=session,
                nc_threshold=self.threshold.value or 0.0,
            )

    def _start(self) -> None:
        self._stop()
        say(self.messages, [])
        splits, _, subject, session = self._scored
        rois, model, threshold = list(self.rois.value or []), self._model, self.threshold.value
        try:
            sub = self.data.subject(subject)
        except LaionFmriError as error:
            say(self.messages, [notice(explain(error), "warning")])
            return

        def work(job: Job[Evaluation]) -> Evaluation:
            return evaluate(
                splits.values(),
                sub,
                rois,
                embedding=model,
                session=session or None,
                nc_threshold=threshold or None,
                progress=job.report,
                cancel=job.cancelled,
            )

        self._follow(_TURNS.start(Job(work)))

    def _stop(self) -> None:
        if self.job is not None:
            self.job.cancel()
        self._follow(None)

    def _follow(self, job: Job[Evaluation] | None) -> None:
        self.job = job
        self._working.visible = job is not None
        self._follower.follow(*([job] if job else []))
        self._offer_code()
        self._show_job()

    def _show_job(self) -> None:
        job = self.job
        if job is None:
            return
        if not job.is_over:
            self._progress.object = Markup('<div role="status">{}</div>{}').format(
                job.message or "Waiting", bar_html(job.progress, "Scoring")
            )
            return
        with pn.io.hold():
            self._follow(None)
            if job.problem:
                say(self.messages, [notice(job.problem, "warning")])
            elif job.is_done:
                self.evaluation = job.result()
                self.table.object = scores_table(self.evaluation)
                self.plot.object = score_plot(self.evaluation)
                self.results.visible = True

    def __panel__(self) -> pn.Column:
        return self._layout


def roi_choices(sub: Subject) -> list[str]:
    """List the choices for scoring: categories, then ROIs, then all of them."""
    rois = sub.get_available_rois()
    return [*sub.get_available_categories(), *rois, ALL] if rois else []


def score_maps(evaluation: Evaluation) -> list[GivenMap]:
    """Return the correlation of each split as a map for the Brain tab."""
    return [
        GivenMap(
            evaluation.subject,
            f"Correlation, {evaluation.embedding}, {split}",
            evaluation.values(split),
            "r",
            _EXPLANATION.format(split=split, model=evaluation.embedding),
        )
        for split in evaluation.scores
    ]


def score_plot(evaluation: Evaluation) -> Any:
    """Plot the correlation in each ROI, one line per split."""
    hv = holoviews()
    table = evaluation.table
    lines = {
        split: hv.Curve(rows, "roi", "correlation") * hv.Scatter(rows, "roi", "correlation")
        for split, rows in table.groupby("split", sort=False)
    }
    colours = hv.Cycle([COLOURS["test"], COLOURS["train"], "#5aa469", "#9467bd"])
    return hv.NdOverlay(lines, "split").opts(
        hv.opts.Curve(color=colours, line_width=2),
        hv.opts.Scatter(color=colours, size=8),
        hv.opts.NdOverlay(
            responsive=True,
            height=240,
            xlabel="",
            ylabel="r",
            legend_position="right",
            toolbar=None,
            hooks=[page_style],
            backend="bokeh",
        ),
    )
