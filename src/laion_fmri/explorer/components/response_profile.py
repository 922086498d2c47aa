"""The mean response of every ROI in one trial, against other trials and to the same image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, FixedTicker, HoverTool, Range1d
from bokeh.plotting import figure

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.background import on_the_page
from laion_fmri.explorer.components.notice import Severity, notice, say
from laion_fmri.explorer.components.response_words import (
    about_problems,
    explained,
    spread_text,
    value_text,
)
from laion_fmri.explorer.piece import Piece
from laion_fmri.explorer.roi_responses import (
    RoiResponses,
    Scale,
    TrialResponses,
    VoxelChoice,
    percentiles,
)
from laion_fmri.explorer.trial_source import no_such_trial, source_of
from laion_fmri.layout import ROI_CATEGORIES
from laion_fmri.masks import MASK_SOURCES
from laion_fmri.responses import nan_mean

if TYPE_CHECKING:
    from laion_fmri.subject import Subject

SCALES: dict[str, Scale] = {"z-score": "z", "raw": "raw"}

# Mid tones: seen on a light page and on a dark one.
CATEGORY_COLOURS = dict(
    zip(
        ROI_CATEGORIES,
        ("#d9822b", "#8e6bbf", "#d6546a", "#6f7d8c", "#b8902f", "#3f8fd2", "#3a9d6e", "#2a9d9d"),
        strict=True,
    )
)
_OTHER_COLOUR = "#7f8793"
_CHOICE_STYLE = """
.MuiToggleButton-root { white-space: nowrap; }
.MuiFormLabel-root {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
"""
_HEADING = {"fontSize": "14px", "fontWeight": 600}
_SMALL = {"fontSize": "12px", "lineHeight": 1.4, "color": "text.secondary"}
_ROW = 11.5  # pixels for each ROI
_GAP = 0.7  # rows between categories


class ResponseProfile(Piece):
    """Horizontal bars, one an ROI, by category and name.

    ``ResponseProfile("sub-01", trial=12)`` shows a trial; set ``trial`` to see another, or have it
    follow a browser: ``trial=browser.param.trial``. Without a subject, fill it with
    `set_responses` or `show_message`. Behind each bar stands a band from the 5th to the 95th
    percentile of the trials it is compared with, with a tick at their median; over it the
    responses to every showing of the same image, with their mean and standard deviation.

    Parameters
    ----------
    subject : str or Subject, optional
    """

    trial = param.Integer(
        default=0, bounds=(0, None), allow_refs=True, doc="Which trial a view by itself shows."
    )
    scale = param.Selector(
        default="z", objects=list(SCALES.values()), doc="z-scored over trials, or as published."
    )
    across = param.Boolean(default=False, doc="Compare with every local session's trials.")
    nc_threshold = param.Number(
        default=0.0, bounds=(0, 100), doc="Only voxels with a noise ceiling above this (%)."
    )
    mask_source = param.Selector(
        default="anatomical", objects=list(MASK_SOURCES), doc="Which brain mask voxels are of."
    )

    def __init__(self, subject: str | Subject | None = None, **params: Any) -> None:
        super().__init__(**params)
        self._shown: TrialResponses | None = None
        self._laid_out: tuple[str, ...] = ()
        self._said: list[str] = []
        self.bars = ColumnDataSource(_no_rows())
        self.dots = ColumnDataSource({"y": [], "x": [], "of": []})
        self._figure = self._make_figure()
        self._explanation = pmui.Typography("", margin=0, sx=_SMALL)
        self._plot = pn.pane.Bokeh(self._figure, sizing_mode="stretch_width", margin=0)
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self._layout = pn.Column(
            self._make_controls(),
            self._explanation,
            self.messages,
            self._plot,
            sizing_mode="stretch_width",
            styles={"gap": "8px"},
            margin=0,
        )
        self._source = None if subject is None else source_of(subject)
        if self._source is not None:
            self._show_trial()

    @property
    def voxels(self) -> VoxelChoice:
        """Which voxels are chosen."""
        return VoxelChoice(self.mask_source, self.nc_threshold)

    @property
    def responses(self) -> TrialResponses | None:
        """What is shown."""
        return self._shown

    @param.depends("trial", "across", "nc_threshold", "mask_source", watch=True)
    def _show_trial(self) -> None:
        if self._source is None:
            return
        table = self._source.trials().table
        if self.trial >= len(table):
            self.show_message(no_such_trial(self._source.subject, self.trial, table))
            return
        try:
            self.set_responses(self._source.responses(self.trial, self.voxels, self.across))
        except LaionFmriError as error:
            self.show_message(str(error))

    def set_responses(self, responses: TrialResponses) -> None:
        """Show one trial."""
        self._shown = responses
        self._draw()
        problems = responses.responses.problems
        self._say([about_problems(problems)] if problems else [])
        self._plot.visible = self._explanation.visible = True

    def show_message(self, text: str, severity: Severity = "info") -> None:
        """Say, in place of the bars, why there are none."""
        self._plot.visible = self._explanation.visible = False
        self._say([text], severity)

    def _say(self, texts: list[str], severity: Severity = "info") -> None:
        if texts != self._said:  # boxes are costly to make, and most trials say the same
            self._said = texts
            say(self.messages, [notice(text, severity) for text in texts])

    @param.depends("scale", watch=True)
    def _draw(self) -> None:
        shown = self._shown
        if shown is None:
            return

        def change() -> None:
            if shown.responses.rois != self._laid_out:
                self._laid_out = shown.responses.rois
                self._lay_out(shown.responses)
            self._draw_bars(shown)

        # Unlike other views, plots may only change on the page's own turn.
        on_the_page(change)

    def _draw_bars(self, shown: TrialResponses) -> None:
        own = shown.responses
        means, repeats = shown.all_means(self.scale), shown.repeat_means(self.scale)
        values = own.means[self.scale][shown.row]
        low, high = _limits(means, values)
        self._figure.x_range.update(start=low, end=high)
        places = _places(own.categories)
        band = percentiles(means)
        mean, deviation = nan_mean(repeats, axis=0), _deviation(repeats)
        several = len(repeats) > 1
        self.bars.data = {
            "y": places,
            "above": places - 0.47,
            "below": places + 0.47,
            "roi": list(own.rois),
            "category": list(own.categories),
            "colour": [CATEGORY_COLOURS.get(c, _OTHER_COLOUR) for c in own.categories],
            "voxels": list(own.n_voxels),
            "value": values,
            "label": [value_text(v, n) for v, n in zip(values, own.n_voxels, strict=True)],
            "q05": band[0],
            "median": band[1],
            "q95": band[2],
            "low": np.full(len(places), low),
            "high": np.full(len(places), high),
            "mean": mean if several else np.full(len(places), np.nan),
            "from": mean - deviation,
            "to": mean + deviation,
            "repeats": [
                spread_text(m, d, len(repeats)) for m, d in zip(mean, deviation, strict=True)
            ],
        }
        self.dots.data = {
            "y": np.tile(places, len(repeats)) if several else [],
            "x": repeats.ravel() if several else [],
            "of": np.repeat([s for s, _ in shown.repeats], len(places)) if several else [],
        }
        self._explanation.object = explained(shown, self.scale)

    def _make_controls(self) -> pn.Column:
        small: dict[str, Any] = {"size": "small", "margin": 0}
        self.choice = pmui.RadioButtonGroup(
            label="Scale of responses", options=SCALES, value=self.scale,
            stylesheets=[_CHOICE_STYLE], **small,
        )  # fmt: skip
        self.across_control = pmui.Checkbox(label="Across sessions", value=self.across, **small)
        self.threshold = pmui.FloatInput(
            label="Noise ceiling above (%)", value=self.nc_threshold, start=0, end=100, step=5,
            width=160, **small,
        )  # fmt: skip
        self.mask_control = pmui.Select(
            label="Brain mask", options=list(MASK_SOURCES), value=self.mask_source, width=130,
            **small,
        )  # fmt: skip
        self.choice.link(self, value="scale", bidirectional=True)
        self.across_control.link(self, value="across", bidirectional=True)
        self.mask_control.link(self, value="mask_source", bidirectional=True)
        self.threshold.param.watch(
            lambda event: self.param.update(nc_threshold=min(max(event.new or 0.0, 0.0), 100.0)),
            "value",
        )
        self.param.watch(lambda event: self.threshold.param.update(value=event.new), "nc_threshold")
        return pn.Column(
            pn.Row(
                pmui.Typography("Response of every ROI", margin=0, sx=_HEADING),
                pn.HSpacer(),
                self.choice,
                sizing_mode="stretch_width",
                align="center",
                margin=0,
            ),
            pn.FlexBox(
                self.threshold, self.mask_control, self.across_control,
                gap="10px", align_items="center", sizing_mode="stretch_width", margin=0,
            ),
            sizing_mode="stretch_width",
            styles={"gap": "8px"},
            margin=0,
        )  # fmt: skip

    def _make_figure(self) -> figure:
        plot = figure(
            height=300,
            sizing_mode="stretch_width",
            x_range=Range1d(start=-1, end=1),
            y_range=Range1d(start=1, end=-1),
            tools="",
            toolbar_location=None,
            outline_line_color=None,
            background_fill_alpha=0,
            border_fill_alpha=0,
            min_border=4,
        )
        bars = self.bars
        plot.hbar("y", height=0.94, left="q05", right="q95", color="#8a94a3", alpha=0.22,
                  line_color=None, source=bars)  # fmt: skip
        plot.hbar("y", height=0.52, left=0, right="value", color="colour", line_color=None,
                  source=bars)  # fmt: skip
        plot.segment("median", "above", "median", "below", line_color="#8a94a3", line_width=2,
                     source=bars)  # fmt: skip
        plot.scatter("x", "y", size=5, line_color="#5b6470", line_width=1.2, fill_color="#ffffff",
                     fill_alpha=0.85, source=self.dots)  # fmt: skip
        plot.segment("from", "y", "to", "y", line_color="#6b7480", line_width=1.5,
                     line_alpha=0.75, source=bars)  # fmt: skip
        plot.scatter("mean", "y", marker="diamond", size=9, line_color="#ffffff",
                     fill_color="#4a525c", source=bars)  # fmt: skip
        anywhere = plot.hbar("y", height=1, left="low", right="high", alpha=0, source=bars,
                             hover_fill_color="#8a94a3", hover_fill_alpha=0.12,
                             hover_line_color=None)  # fmt: skip
        plot.add_tools(
            HoverTool(
                renderers=[anywhere],
                point_policy="follow_mouse",
                tooltips=[
                    ("ROI", "@roi (@category)"),
                    ("Mean", "@label"),
                    ("5–95 %", "@q05{0.00} to @q95{0.00}"),
                    ("This image", "@repeats"),
                    ("Voxels", "@voxels"),
                ],
            )
        )
        plot.ygrid.visible = False
        plot.yaxis.major_tick_line_color = None
        plot.yaxis.axis_line_color = None
        plot.yaxis.major_label_text_font_size = "10px"
        plot.yaxis.major_label_standoff = 2
        return plot

    def _lay_out(self, responses: RoiResponses) -> None:
        places = _places(responses.categories)
        last = float(places[-1]) if len(places) else 0.0
        names = dict(zip(places.tolist(), responses.rois, strict=True))
        self._figure.yaxis.ticker = FixedTicker(ticks=places.tolist())
        # Names are drawn as they are: a formatter's text is never read as a formula.
        self._figure.yaxis.formatter = CustomJSTickFormatter(
            args={"names": [[place, name] for place, name in names.items()]},
            code="return new Map(names).get(tick) ?? ''",
        )
        self._figure.y_range.update(start=last + 0.8, end=-0.8)
        self._figure.height = round((last + 1.6) * _ROW) + 34

    def __panel__(self) -> pn.Column:
        return self._layout


def _no_rows() -> dict[str, Any]:
    names = "y above below roi category colour voxels value label q05 median q95 low high"
    names += " mean from to repeats"
    return {name: [] for name in names.split()}


def _places(categories: tuple[str, ...]) -> np.ndarray:
    """Where each row stands; categories are set apart."""
    new = [i > 0 and c != categories[i - 1] for i, c in enumerate(categories)]
    return np.arange(len(categories)) + _GAP * np.cumsum(new)


def _limits(means: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """The same scale for all trials of a session, wide enough for this one."""
    known = means[np.isfinite(means)]
    usual = np.percentile(known, [0.5, 99.5]) if known.size else np.array([0.0, 1.0])
    here = values[np.isfinite(values)]
    low, high = min(0.0, usual[0], *here), max(0.0, usual[1], *here)
    edge = 0.03 * (high - low) or 1.0
    return low - edge, high + edge


def _deviation(repeats: np.ndarray) -> np.ndarray:
    """Standard deviation of a sample over the showings; NaN where fewer than two have a value."""
    n = np.isfinite(repeats).sum(axis=0)
    squares = np.nansum((repeats - nan_mean(repeats, axis=0)) ** 2, axis=0)
    return np.sqrt(np.divide(squares, n - 1, out=np.full(n.shape, np.nan), where=n > 1))
