"""How well an embedding predicts responses across the chosen splits."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.background import explain
from laion_fmri.explorer.components import split_tables
from laion_fmri.explorer.components.copy_code import CopyCode
from laion_fmri.explorer.components.markup import bar_html, escape, markup
from laion_fmri.explorer.components.notice import notice, say
from laion_fmri.explorer.components.pulse import Pulse
from laion_fmri.explorer.split_scores import ScoreChoice, ScoreJob, roi_choices, score_code
from laion_fmri.explorer.state import GivenMap

if TYPE_CHECKING:
    from laion_fmri.explorer.data import ExplorerData
    from laion_fmri.splits import Evaluation, Split

_ABOUT = (
    "Ridge regression from the embedding to every voxel: fitted to the training images, scored on "
    "the test images. Betas are z-scored within session and averaged over repeats."
)
_NO_RESPONSES = "Scoring needs betas and ROIs of a subject; the Download tab fetches them."
_EXPLANATION = (
    "Correlation between predicted and measured responses to the test images of {split}, from "
    "{model}."
)


class ScoreSection(Viewer):
    """Choose ROIs, score the splits that are shown, see a table, take it to the brain.

    Parameters
    ----------
    data : ExplorerData
    on_maps : callable
        Called with a list of `GivenMap` that the Brain tab is to show.
    """

    def __init__(
        self, data: ExplorerData, on_maps: Callable[[list[GivenMap]], object] | None = None
    ) -> None:
        super().__init__()
        self.data = data
        self.evaluation: Evaluation | None = None
        self.job: ScoreJob | None = None
        self._on_maps = on_maps
        self._subject = self._session = self._pool = self._model = ""
        self._splits: Mapping[str, Split] = {}
        self.rois = pmui.MultiChoice(
            label="ROIs to score", options=[], placeholder="ROIs or categories", width=300, margin=0
        )
        self.threshold = pmui.FloatInput(
            label="Noise ceiling above (%)", value=0.0, start=0, end=99, step=5, width=170,
            size="small", margin=0,
        )  # fmt: skip
        self.button = pmui.Button(
            label="Score", icon="insights", variant="contained", size="small", margin=0
        )
        self.button.on_click(lambda _: self._start())
        for control in (self.rois, self.threshold):
            control.param.watch(lambda _: self._offer_code(), "value")
        self.code = CopyCode("Code for these scores", margin=0)
        self._code_fold = pn.Column(self.code, sizing_mode="stretch_width", margin=0)
        self.problem = markup(visible=False)
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self.table = markup(style=split_tables.STYLE, visible=False)
        self.to_brain = pmui.Button(
            label="Show on the brain", icon="psychology", variant="outlined", size="small", margin=0
        )
        self.to_brain.on_click(lambda _: self._show_on_brain())
        self.save = pmui.FileDownload(
            label="Scores (TSV)", icon="download", callback=self._as_tsv, filename="scores.tsv",
            variant="text", size="small", margin=0,
        )  # fmt: skip
        self._progress = markup(align="center", sizing_mode=None, width=280)
        self._cancel = pmui.Button(label="Cancel", variant="text", size="small", margin=0)
        self._cancel.on_click(lambda _: self._stop())
        self._working = pn.Row(self._progress, self._cancel, visible=False, margin=0)
        self.pulse = Pulse(self._follow, period=300)
        self._taking = pn.Row(
            *([self.to_brain] if on_maps else []),
            self.save,
            visible=False,
            margin=0,
            styles={"gap": "10px"},
        )
        self._controls = pn.FlexBox(
            self.rois, self.threshold, self.button, self._working,
            sizing_mode="stretch_width", margin=0, gap="10px 16px", align_items="flex-end",
        )  # fmt: skip
        self._layout = pn.Column(
            markup(f'<h3>Score</h3><p class="muted">{_ABOUT}</p>'),
            self._controls,
            self.problem,
            self.messages,
            self.table,
            self._taking,
            self._code_fold,
            self.pulse,
            sizing_mode="stretch_width",
            margin=0,
            styles={"gap": "10px"},
        )

    def set_splits(
        self, splits: Mapping[str, Split], pool: str, subject: str, session: str, model: str
    ) -> None:
        """Offer to score these splits of a pool, the chosen one first."""
        now = (dict(splits), pool, subject, session, model)
        if now == (dict(self._splits), self._pool, self._subject, self._session, self._model):
            return
        self._stop()
        self._splits, self._pool, self._subject, self._session, self._model = now
        self.evaluation = None
        offered: list[str] = []
        problem = "" if subject else _NO_RESPONSES
        if subject:
            try:
                sub = self.data.subject(subject)
                offered = roi_choices(sub) if sub.get_sessions() else []
                problem = "" if offered else _NO_RESPONSES
            except LaionFmriError as error:
                problem = explain(error)
        kept = [roi for roi in self.rois.value or [] if roi in offered] or offered[:1]
        with pn.io.hold():
            self.rois.param.update(options=offered, value=kept)
            self._controls.visible = self._code_fold.visible = bool(offered)
            self.problem.object = f'<p class="muted">{escape(problem)}</p>'
            self.problem.visible = bool(problem)
            say(self.messages, [])
            self.table.visible = self._taking.visible = False
            self._offer_code()

    @property
    def choice(self) -> ScoreChoice:
        """What the controls say."""
        return ScoreChoice(
            tuple(self.rois.value or ()), self._model, self._session, self.threshold.value or 0.0
        )

    def _offer_code(self) -> None:
        choice = self.choice
        self.button.disabled = not choice.rois or not self._splits
        if choice.rois and self._splits:
            self.code.code = score_code(self._subject, self._pool, list(self._splits), choice)

    # --- scoring --------------------------------------------------------------------------------

    def _start(self) -> None:
        self._stop()
        say(self.messages, [])
        self.job = ScoreJob(self.data.subject(self._subject), self._splits, self.choice)
        self.job.start()
        self.button.disabled = True
        self._working.visible = self.pulse.beating = True
        self._follow()

    def _follow(self) -> None:
        job = self.job
        if job is None:
            return
        if job.is_over:
            self._end(job)
            return
        self._progress.object = (
            f'<div role="status">{escape(job.doing)}</div>{bar_html(job.progress, "Scoring")}'
        )

    def _end(self, job: ScoreJob) -> None:
        self.job = None
        with pn.io.hold():
            self._working.visible = self.pulse.beating = False
            self.button.disabled = False
            if job.problem:
                say(self.messages, [notice(job.problem, "warning")])
            elif job.evaluation is not None:
                self.evaluation = job.evaluation
                self.table.object = split_tables.scores_table(job.evaluation)
                self.table.visible = self._taking.visible = True

    def _stop(self) -> None:
        if self.job is not None:
            self.job.cancel()
            self.job = None
        self._working.visible = self.pulse.beating = False
        self.button.disabled = not (self._splits and self.rois.value)

    # --- taking away ----------------------------------------------------------------------------

    def given_maps(self) -> Sequence[GivenMap]:
        """The correlation of each split as a map."""
        found = self.evaluation
        if found is None:
            return []
        return [
            GivenMap(
                found.subject,
                f"Correlation, {found.embedding}, {split}",
                found.values(split),
                "r",
                _EXPLANATION.format(split=split, model=found.embedding),
            )
            for split in found.scores
        ]

    def _show_on_brain(self) -> None:
        if self._on_maps is not None and self.evaluation is not None:
            self._on_maps(list(self.given_maps()))

    def _as_tsv(self) -> io.BytesIO | None:
        if self.evaluation is None:
            return None
        return io.BytesIO(self.evaluation.table.to_csv(sep="\t", index=False).encode())

    def __panel__(self) -> pn.Column:
        return self._layout
