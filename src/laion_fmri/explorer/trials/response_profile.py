"""The mean response of every ROI in a trial, next to other trials and the same image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from markupsafe import Markup

from laion_fmri._errors import LaionFmriError
from laion_fmri.analysis.roi_responses import Scale, TrialResponses, VoxelChoice
from laion_fmri.explorer.runtime.background import explain, on_the_page
from laion_fmri.explorer.trials.data import source_of
from laion_fmri.explorer.widgets.layout import CHOICE_STYLE, in_a_row, stacked
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.explorer.widgets.notice import Severity, notice, plain_text, say
from laion_fmri.explorer.widgets.plots import holoviews, plot_pane
from laion_fmri.explorer.widgets.standalone_view import StandaloneView
from laion_fmri.layout import ROI_CATEGORIES
from laion_fmri.volumes.masks import MASK_SOURCES

if TYPE_CHECKING:
    import holoviews as hv
    import pandas as pd

    from laion_fmri.subject import Subject

SCALES: dict[str, Scale] = {"z-score": "z", "raw": "raw"}

# Mid tones, visible on light and dark pages.
CATEGORY_COLOURS = dict(
    zip(
        ROI_CATEGORIES,
        ("#d9822b", "#8e6bbf", "#d6546a", "#6f7d8c", "#b8902f", "#3f8fd2", "#3a9d6e", "#2a9d9d"),
        strict=True,
    )
)
_OTHER_COLOUR = "#7f8793"
_ROW_HEIGHT = 11.5  # pixels
_CATEGORY_GAP = 0.7  # rows
_TOOLTIPS = [
    ("ROI", "@roi (@category)"),
    ("Mean", "@label"),
    ("5–95 %", "@q05{0.00} to @q95{0.00}"),
    ("This image", "@repeats"),
    ("Voxels", "@n_voxels"),
]


class ResponseProfile(StandaloneView):
    """Horizontal bars, one per ROI, by category and name.

    ``ResponseProfile("sub-01", trial=12)`` displays a trial; set ``trial`` to display another, or
    make it follow a browser: ``trial=browser.param.trial``. Without a subject, fill it with
    `set_responses` or `show_message`. Behind each bar, a band spans the 5th to the 95th percentile
    of the trials it is compared with, with a tick at their median; in front of it are the
    responses to every showing of the same image, with their mean and standard deviation.

    Parameters
    ----------
    subject : str or Subject, optional

    Attributes
    ----------
    table : DataFrame
        The displayed rows: `TrialResponses.table` with the position ``y`` of each row.
    showings : DataFrame
        The dots: x (response), y (position of the row) and session.
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
        default="anatomical", objects=list(MASK_SOURCES), doc="The brain mask that voxels are in."
    )

    def __init__(self, subject: str | Subject | None = None, **params: Any) -> None:
        import pandas as pd

        super().__init__(**params)
        self._shown: TrialResponses | None = None
        self._drawn_rois: tuple[str, ...] = ()
        self._pipe: hv.streams.Pipe | None = None
        self._messages: list[str] = []
        self.table, self.showings = pd.DataFrame({"roi": [], "value": []}), pd.DataFrame()
        self._explanation = plain_text(muted=True)
        self.messages, self._plot = stacked(), stacked()
        self._layout = stacked(
            self._make_controls(), self._explanation, self.messages, self._plot, gap=8
        )
        self._source = None if subject is None else source_of(subject)
        self._show_trial()

    @property
    def voxels(self) -> VoxelChoice:
        """The chosen voxels."""
        return VoxelChoice(self.mask_source, self.nc_threshold)

    @property
    def responses(self) -> TrialResponses | None:
        """The displayed responses."""
        return self._shown

    @param.depends("trial", "across", "nc_threshold", "mask_source", watch=True)
    def _show_trial(self) -> None:
        if self._source is None:
            return
        try:
            self.set_responses(self._source.responses(self.trial, self.voxels, self.across))
        except LaionFmriError as error:
            self.show_message(explain(error))

    def set_responses(self, responses: TrialResponses) -> None:
        """Display one trial."""
        self._shown = responses
        self._draw()
        problems = responses.responses.problems
        self._say([_about_problems(problems)] if problems else [])
        self._plot.visible = self._explanation.visible = True

    def show_message(self, text: str, severity: Severity = "info") -> None:
        """Display a message in place of the bars."""
        self._plot.visible = self._explanation.visible = False
        self._say([text], severity)

    def _say(self, texts: list[str], severity: Severity = "info") -> None:
        if texts != self._messages:  # most trials have the same ones, and boxes are slow to create
            self._messages = texts
            say(self.messages, [notice(text, severity) for text in texts])

    @param.depends("scale", watch=True)
    def _draw(self) -> None:
        if self._shown is None:
            return
        self.table, self.showings = _plot_rows(self._shown, self.scale)
        self._explanation.object = _explained(self._shown, self.scale)
        on_the_page(self._update_plot)  # plots may change only in the page's own callbacks

    def _update_plot(self) -> None:
        from holoviews.streams import Pipe

        data = (self.table, self.showings)
        if self._pipe is not None and self._drawn_rois == tuple(self.table["roi"]):
            self._pipe.send(data)
            return
        self._drawn_rois = tuple(self.table["roi"])
        self._pipe = Pipe(data=data)
        plot = _profile_plot(self._pipe, self.table)
        self._plot[:] = [plot_pane(plot)]

    def _make_controls(self) -> pn.Column:
        small: dict[str, Any] = {"size": "small", "margin": 0}
        self.choice = pmui.RadioButtonGroup.from_param(
            self.param.scale, label="Scale of responses", options=SCALES,
            stylesheets=[CHOICE_STYLE], **small,
        )  # fmt: skip
        self.across_control = pmui.Checkbox.from_param(
            self.param.across, label="Across sessions", **small
        )
        self.threshold = pmui.FloatInput(
            label="Noise ceiling above (%)", value=self.nc_threshold, start=0, end=100, step=5,
            width=160, **small,
        )  # fmt: skip
        self.mask_control = pmui.Select.from_param(
            self.param.mask_source, label="Brain mask", width=130, **small
        )
        self.threshold.param.watch(
            lambda event: self.param.update(nc_threshold=min(max(event.new or 0.0, 0.0), 100.0)),
            "value",
        )
        self.param.watch(lambda event: self.threshold.param.update(value=event.new), "nc_threshold")
        return stacked(
            pn.Row(
                markup(Markup("<h3>Response of every ROI</h3>"), sizing_mode=None),
                pn.HSpacer(),
                self.choice,
                sizing_mode="stretch_width",
                align="center",
                margin=0,
            ),
            in_a_row(self.threshold, self.mask_control, self.across_control, gap="10px"),
            gap=8,
        )

    def __panel__(self) -> pn.Column:
        return self._layout


# --- plot --------------------------------------------------------------------------------


def _plot_rows(shown: TrialResponses, scale: Scale) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the bars and the dots, with their positions."""
    import pandas as pd

    table, repeats = shown.table(scale), shown.repeat_means(scale)
    n = len(repeats)
    is_new = table["category"] != table["category"].shift(fill_value="")
    table["y"] = np.arange(len(table)) + _CATEGORY_GAP * (is_new.cumsum() - 1)
    table["colour"] = table["category"].map(CATEGORY_COLOURS).fillna(_OTHER_COLOUR)
    table["low"], table["high"] = _limits(shown.all_means(scale), table["value"].to_numpy())
    table["label"] = list(map(_value_text, table["value"], table["n_voxels"]))
    table["repeats"] = [
        _spread_text(*row, n) for row in zip(table["mean"], table["sd"], strict=True)
    ]
    if n < 2:
        table["mean"] = np.nan
        repeats = repeats[:0]
    showings = pd.DataFrame(
        {
            "x": repeats.ravel(),
            "y": np.tile(table["y"], len(repeats)),
            "session": [
                session for session, _ in shown.repeats[: len(repeats)] for _ in table["y"]
            ],
        }
    )
    return table, showings


def _limits(means: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Return the same limits for all trials of a session, wide enough for this one."""
    known, own = means[np.isfinite(means)], values[np.isfinite(values)]
    usual = np.percentile(known, [0.5, 99.5]) if known.size else np.array([0.0, 1.0])
    low, high = min(0.0, usual[0], *own), max(0.0, usual[1], *own)
    edge = 0.03 * (high - low) or 1.0
    return low - edge, high + edge


def _profile_plot(pipe: hv.streams.Pipe, table: pd.DataFrame) -> hv.DynamicMap:
    """Create a plot of bars and their comparison, which draws the data of the pipe."""
    from bokeh.models import CustomJSTickFormatter, HoverTool

    hv = holoviews()
    hv.Store.set_current_backend("bokeh")  # defines `hv.opts`
    opts = hv.opts
    last = float(table["y"].max())
    # A formatter's text is drawn literally; a label could be parsed as a formula.
    names = CustomJSTickFormatter(
        args={"names": table[["y", "roi"]].to_numpy(dtype=object).tolist()},
        code="return new Map(names).get(tick) ?? ''",
    )
    hover = HoverTool(point_policy="follow_mouse", tooltips=_TOOLTIPS)
    grey = "#8a94a3"
    box: dict[str, Any] = {"line_color": None, "framewise": True, "padding": 0}
    mark: dict[str, Any] = {"apply_ranges": False}  # only boxes set the range of the axes
    return hv.DynamicMap(_profile_elements, streams=[pipe]).opts(
        opts.Rectangles("Band", color=grey, alpha=0.22, **box),
        opts.Rectangles("Bar", color="colour", **box),
        opts.Segments("Median", color=grey, line_width=2, **mark),
        opts.Points("Showing", size=5, color="#ffffff", alpha=0.85, line_color="#5b6470", **mark),
        opts.Segments("Deviation", color="#6b7480", line_width=1.5, alpha=0.75, **mark),
        opts.Points(
            "Mean", marker="diamond", size=9, color="#4a525c", line_color="#ffffff", **mark
        ),
        opts.Rectangles("ROI", color=grey, alpha=0, hover_alpha=0.12, tools=[hover], **box),
        opts.Overlay(
            height=round((last + 1.6) * _ROW_HEIGHT) + 34,
            responsive=True,
            toolbar=None,
            default_tools=[],
            ylim=(-0.8, last + 0.8),
            invert_yaxis=True,
            yticks=table["y"].tolist(),
            yformatter=names,
            xlabel="",
            ylabel="",
            hooks=[_style],
        ),
    )


def _profile_elements(data: tuple[pd.DataFrame, pd.DataFrame]) -> hv.Overlay:
    import holoviews as hv

    rows, showings = data
    y = rows["y"]

    def boxes(group: str, left: Any, right: Any, height: float, *columns: str) -> hv.Rectangles:
        edges = (left, y - height / 2, right, y + height / 2)
        values = (*edges, *(rows[column] for column in columns))
        return hv.Rectangles(values, vdims=[*columns], group=group)

    described = ("roi", "category", "value", "label", "q05", "q95", "repeats", "n_voxels")
    spread = (rows["mean"] - rows["sd"], y, rows["mean"] + rows["sd"], y)
    median = (rows["median"], y - 0.47, rows["median"], y + 0.47)
    return hv.Overlay(
        [
            boxes("Band", rows["q05"], rows["q95"], 0.94),
            boxes("Bar", 0 * y, rows["value"], 0.52, "colour"),
            hv.Segments(median, group="Median"),
            hv.Points((showings["x"], showings["y"]), group="Showing"),
            hv.Segments(spread, group="Deviation"),
            hv.Points((rows["mean"], y), group="Mean"),
            boxes("ROI", rows["low"], rows["high"], 1.0, *described),
        ]
    )


def _style(plot: Any, _element: object) -> None:
    """Set the styles that HoloViews has no option for."""
    figure = plot.state
    figure.update(outline_line_color=None, background_fill_alpha=0, border_fill_alpha=0)
    figure.min_border = 4
    figure.ygrid.visible = False
    figure.yaxis.update(
        major_tick_line_color=None, axis_line_color=None, major_label_text_font_size="10px",
        major_label_standoff=2,
    )  # fmt: skip


# --- text --------------------------------------------------------------------------------


def _value_text(value: float, n_voxels: float) -> str:
    if not n_voxels:
        return "no voxels"
    return f"{value:.2f}" if np.isfinite(value) else "no estimate (NaN)"


def _spread_text(mean: float, deviation: float, n: int) -> str:
    if not np.isfinite(mean):
        return "no estimate (NaN)"
    if not np.isfinite(deviation):
        return "shown once"
    return f"{mean:.2f} ± {deviation:.2f} (mean ± sd of {n} showings)"


def _explained(shown: TrialResponses, scale: Scale) -> str:
    """Explain bars, band, ticks and dots."""
    z_scored = "every voxel z-scored over the trials of its session"
    units = z_scored if scale == "z" else "in the units of the published betas"
    n_sessions = len(shown.compared_with)
    sessions = f"{n_sessions} sessions" if n_sessions > 1 else shown.compared_with[0].session
    text = (
        f"Mean over the voxels of each ROI, {units}. Band: 5 to 95 % of the {shown.n_trials:,} "
        f"trials of {sessions}; tick: median."
    )
    if len(shown.repeats) > 1:
        text += f" Dots: the {len(shown.repeats)} showings of this image, with mean ± sd."
    if left := shown.n_repeats - len(shown.repeats):
        text += f" {left} more {'is' if left == 1 else 'are'} in other sessions (Across sessions)."
    return text


def _about_problems(problems: dict[str, str]) -> str:
    """Explain why ROIs cannot be used."""
    first = next(iter(problems.values()))
    if len(problems) == 1:
        return first
    return f"{len(problems)} ROIs cannot be used ({', '.join(problems)}). The first: {first}"
