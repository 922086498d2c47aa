"""The mean response of every ROI in one trial, against all trials of its session."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, FixedTicker, HoverTool, Range1d
from bokeh.plotting import figure
from panel.viewable import Viewer

from laion_fmri.explorer.background import on_the_page
from laion_fmri.explorer.components.notice import Severity, notice
from laion_fmri.explorer.roi_responses import RoiResponses, Scale
from laion_fmri.layout import ROI_CATEGORIES

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


class ResponseProfile(Viewer):
    """Horizontal bars, one an ROI, by category and name.

    Fill it with `set_responses` or `show_message`. Behind each bar stands a band from the
    5th to the 95th percentile of the session's trials, with a tick at their median.
    """

    scale = param.Selector(
        default="z", objects=list(SCALES.values()), doc="z-scored over trials, or as published."
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._responses: RoiResponses | None = None
        self._row = 0
        self.bars = ColumnDataSource(_no_rows())
        self._figure = self._make_figure()
        self.choice = pmui.RadioButtonGroup(
            label="Scale of responses",
            options=SCALES,
            value=self.scale,
            size="small",
            margin=0,
            stylesheets=[_CHOICE_STYLE],
        )
        self.choice.link(self, value="scale", bidirectional=True)
        self._explanation = pmui.Typography("", margin=0, sx=_SMALL)
        self._plot = pn.pane.Bokeh(self._figure, sizing_mode="stretch_width", margin=0)
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self._layout = pn.Column(
            pn.Row(
                pmui.Typography("Response of every ROI", margin=0, sx=_HEADING),
                pn.HSpacer(),
                self.choice,
                sizing_mode="stretch_width",
                align="center",
                margin=0,
            ),
            self._explanation,
            self.messages,
            self._plot,
            sizing_mode="stretch_width",
            margin=0,
        )

    def set_responses(self, responses: RoiResponses, trial: int) -> None:
        """Show one trial.

        Parameters
        ----------
        responses : RoiResponses
            Of the trial's session.
        trial : int
            Its row there (``session_trial``).
        """
        new_rows = responses is not self._responses
        self._responses, self._row = responses, trial
        self._draw(new_rows)
        self._say([_about(responses.problems)] if responses.problems else [])
        self._plot.visible = self._explanation.visible = True

    def show_message(self, text: str, severity: Severity = "info") -> None:
        """Say, in place of the bars, why there are none."""
        self._plot.visible = self._explanation.visible = False
        self._say([text], severity)

    def _say(self, texts: list[str], severity: Severity = "info") -> None:
        self.messages[:] = [notice(text, severity) for text in texts]

    @param.depends("scale", watch=True)
    def _scale_changed(self) -> None:
        if self._responses is not None:
            self._draw(new_rows=False)

    def _draw(self, new_rows: bool) -> None:
        responses = self._responses
        assert responses is not None

        def change() -> None:
            if new_rows:
                self._lay_out(responses)
            self._draw_bars(responses)

        # Unlike other views, plots may only change on the page's own turn.
        on_the_page(change)

    def _draw_bars(self, responses: RoiResponses) -> None:
        means, spread = responses.means[self.scale], responses.spread[self.scale]
        values = means[self._row]
        low, high = _limits(means, values)
        self._figure.x_range.update(start=low, end=high)
        n_rois = len(responses.rois)
        places = _places(responses.categories)
        self.bars.data = {
            "y": places,
            "above": places - 0.47,
            "below": places + 0.47,
            "roi": list(responses.rois),
            "category": list(responses.categories),
            "colour": [CATEGORY_COLOURS.get(c, _OTHER_COLOUR) for c in responses.categories],
            "voxels": list(responses.n_voxels),
            "value": values,
            "label": [_text(v, n) for v, n in zip(values, responses.n_voxels, strict=True)],
            "q05": spread[0],
            "median": spread[1],
            "q95": spread[2],
            "low": np.full(n_rois, low),
            "high": np.full(n_rois, high),
        }
        how = (
            f"every voxel z-scored over the {responses.n_trials} trials of {responses.session}"
            if self.scale == "z"
            else "in the units of the published betas"
        )
        self._explanation.object = (
            f"Mean over the voxels of each ROI, {how}. Band: 5 to 95 % of the session's trials; "
            "tick: their median."
        )

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


def _text(value: float, n_voxels: int) -> str:
    if not n_voxels:
        return "no voxels in the brain mask"
    return f"{value:.2f}" if np.isfinite(value) else "no estimate (NaN)"


def _about(problems: dict[str, str]) -> str:
    first = next(iter(problems.values()))
    if len(problems) == 1:
        return first
    return f"{len(problems)} ROIs cannot be used ({', '.join(problems)}). The first: {first}"
