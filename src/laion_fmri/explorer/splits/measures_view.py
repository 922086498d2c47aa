"""Distance and distribution shift of splits, compared with random splits of the same sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
from markupsafe import Markup
from panel.viewable import Viewable, Viewer

from laion_fmri.explorer.runtime.background import Latest
from laion_fmri.explorer.splits import data as split_data
from laion_fmri.explorer.splits.views import COLOURS, comparison_table, split_html
from laion_fmri.explorer.widgets.layout import column, stacked
from laion_fmri.explorer.widgets.plots import holoviews, page_style, plot_pane
from laion_fmri.splits.measures import AgainstRandom, as_distance

if TYPE_CHECKING:
    from laion_fmri.explorer.data import ExplorerData
    from laion_fmri.splits import Split, SplitMeasures

_TITLE = Markup("<h3>Distance and distribution shift</h3>")
_PAUSE = 0.3  # seconds without a change of split before random splits are measured
_AFTER_TABLE = 0.1  # seconds: plots take longer to draw, so the table is sent first
_ROW = 72  # pixels
_N_BINS = (14, 60)  # at least and at most
_LEAST_RATIO = 1e-3  # on a logarithmic axis
_GREY = "#8a94a3"


class MeasuresView(Viewer):
    """Distances and MMD² of several splits, as a table and as plots.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Creates a `Latest` for a view, as `Tab.latest` does.
    on_measured : callable
        Called with the `SplitMeasures`, or with None if there are none.
    on_random : callable
        Called with the `SplitMeasures` once they include random splits.
    """

    def __init__(
        self,
        data: ExplorerData,
        latest: Callable[[Viewable], Latest],
        on_measured: Callable[[SplitMeasures | None], None],
        on_random: Callable[[SplitMeasures], None],
    ) -> None:
        super().__init__()
        self.data = data
        self._on_measured, self._on_random = on_measured, on_random
        self.measured: SplitMeasures | None = None
        self.comparison = split_html()
        self.distances, self.differences = plot_pane(), plot_pane()
        self._about = split_html(), split_html()
        # In a FlexBox, a plot that replaces another would have no size.
        self._plots = pn.Row(
            column(self._about[0], self.distances, grow=1, least=300, gap=0),
            column(self._about[1], self.differences, grow=1, least=300, gap=0),
            sizing_mode="stretch_width",
            margin=0,
            styles={"gap": "32px", "flex-wrap": "wrap"},
        )
        self._plots.visible = False
        self._layout = stacked(self.comparison, self._plots, gap=18)
        self._latest, self._latest_random = latest(self._layout), latest(pn.Spacer())
        self._latest_plots = latest(pn.Spacer())

    def set_splits(self, splits: Mapping[str, Split], model: str) -> None:
        """Measure splits of one pool on a model; the first is the chosen one."""
        if self.measured is None:
            self.comparison.object = _TITLE + Markup(
                '<p class="muted" role="status">Measuring…</p>'
            )
        splits = dict(splits)
        self._latest.ask(
            partial(split_data.measured, self.data, model, splits),
            partial(self._show_measured, splits),
            self._show_problem,
        )

    def show_random_problem(self, text: str) -> None:
        """Display why there are no random splits; the other measures stay."""
        self.comparison.object += Markup(
            '<p class="muted">Random splits were not measured: {}</p>'
        ).format(text)

    def _show_measured(self, splits: Mapping[str, Split], measured: SplitMeasures) -> None:
        self._draw(measured)
        self._on_measured(measured)
        self._latest_random.ask(
            partial(split_data.with_random_sides, self.data, measured, splits),
            self._show_random,
            self.show_random_problem,
            delay=_PAUSE,
        )

    def _show_random(self, measured: SplitMeasures) -> None:
        self._draw(measured)
        self._on_random(measured)

    def _show_problem(self, text: str) -> None:
        self.measured = None
        with pn.io.hold():
            self._plots.visible = False
            self.comparison.object = _TITLE + Markup('<p class="muted">{}</p>').format(text)
            self._on_measured(None)

    def _draw(self, measured: SplitMeasures) -> None:
        self.measured = measured
        self.comparison.object = _TITLE + comparison_table(measured)
        self._latest_plots.once_at_rest(partial(self._draw_plots, measured), _AFTER_TABLE)

    def _draw_plots(self, measured: SplitMeasures) -> None:
        waiting = "" if measured.random else " (being measured)"
        random = "random splits of the same images and sizes"
        with pn.io.hold():
            self._about[0].object = Markup(
                "<h3>Distance to the nearest training image</h3>"
                '<p class="muted">1 − cosine in {} of each test image. Line: median. Grey: {}{}; '
                "band: 95 % of their medians.</p>"
            ).format(measured.model, random, waiting)
            self._about[1].object = Markup(
                "<h3>Difference between the sides</h3>"
                '<p class="muted">MMD² relative to the mean of {}: 1 is the mean of random '
                "splits. Grey: 95 % of these{}.</p>"
            ).format(random, waiting)
            self.distances.object = distance_plot(measured)
            self.differences.object = difference_plot(measured)
            self._plots.visible = True

    def __panel__(self) -> pn.Column:
        return self._layout


def distance_plot(measured: SplitMeasures) -> Any:
    """Plot the distance to the nearest training image as distributions, one row per split.

    Elements of the overlay: Rectangles (95 % of the medians of random splits), Polygons
    (random splits, then the splits), Segments and Labels (medians of the splits).
    """
    hv = holoviews()
    distances = [one.distances() for one in measured.splits.values()]
    random = [measured.random.get(name) for name in measured.splits]
    expected = [None if one is None else as_distance(one.nearest) for one in random]
    top = max(float(d.max()) for d in (*distances, *expected) if d is not None) or 1.0
    n_bins = int(np.clip(2 * np.sqrt(len(distances[0])), *_N_BINS))
    bins = np.linspace(0, top * 1.02, n_bins + 1)
    # Random splits first, so that they are drawn below.
    shapes = [
        (row, np.histogram(d, bins)[0] / max(d.size, 1), colour)
        for colour, kind in ((_GREY, expected), (COLOURS["test"], distances))
        for row, d in enumerate(kind)
        if d is not None
    ]
    tallest = max(float(density.max()) for _, density, _ in shapes) or 1.0
    outlines = [
        {
            "x": np.repeat(bins, 2),
            "y": row + 0.36 - np.pad(np.repeat(0.78 * density / tallest, 2), 1),
            "colour": colour,
        }
        for row, density, colour in shapes
    ]
    bands = [
        (low * test.mean, row - 0.3, high * test.mean, row + 0.36)
        for row, test in _tests(measured, "test_distance")
        for low, high in [test.interval]
    ]
    medians = [float(np.median(d)) for d in distances]
    plot = (
        hv.Rectangles(bands).opts(color=_GREY, alpha=0.3, line_color=None)
        * hv.Polygons(outlines, ["x", "y"], "colour").opts(
            color="colour", fill_alpha=0.45, line_color="colour"
        )
        * hv.Segments([(m, row + 0.36, m, row - 0.44) for row, m in enumerate(medians)]).opts(
            color=_GREY, line_width=2
        )
        * hv.Labels([(m, row - 0.44, f" {m:.2f}") for row, m in enumerate(medians)]).opts(
            text_color=_GREY, text_font_size="11px", text_align="left", text_baseline="top"
        )
    )
    return _in_rows(plot, list(measured.splits), xlim=(0, float(bins[-1])), xlabel="1 − cosine")


def difference_plot(measured: SplitMeasures) -> Any:
    """Plot MMD² relative to random splits, one row per split.

    Elements of the overlay: VLine (1), Rectangles (95 % of random splits), Scatter (the splits).
    """
    hv = holoviews()
    ratios = measured.table["mmd2_ratio"].tolist()
    bands = [
        (low, row - 0.3, high, row + 0.36)
        for row, test in _tests(measured, "test_mmd2")
        for low, high in [test.interval]
    ]
    ends = [end for low, _, high, _ in bands for end in (low, high)]
    known = [r for r in (*ratios, *ends) if np.isfinite(r)] or [1.0]
    plot = (
        hv.VLine(1).opts(color=_GREY, line_dash="dashed", line_width=1)
        * hv.Rectangles(bands).opts(color=_GREY, alpha=0.3, line_color=None)
        * hv.Scatter([(max(ratio, _LEAST_RATIO), row) for row, ratio in enumerate(ratios)]).opts(
            color=COLOURS["test"], size=11, alpha=0.85, line_color=None
        )
    )
    low, high = min(0.5, 0.8 * max(min(known), _LEAST_RATIO)), max(2.0, 1.3 * max(known))
    return _in_rows(plot, list(measured.splits), xlim=(low, high), xlabel="times random", logx=True)


def _tests(measured: SplitMeasures, test: str) -> Iterator[tuple[int, AgainstRandom]]:
    """Yield a test for each split that has random splits, with the row of the split."""
    for row, (name, one) in enumerate(measured.splits.items()):
        if name in measured.random:
            found = getattr(measured.random[name], test)(one)
            if np.isfinite(found.interval[0]):
                yield row, found


def _in_rows(plot: Any, names: list[str], **options: Any) -> Any:
    """Arrange the plot in one row per split, the first on top."""
    return plot.opts(
        backend="bokeh",
        responsive=True,
        height=len(names) * _ROW + 46,
        ylim=(-0.6, len(names) - 0.4),
        invert_yaxis=True,
        yticks=list(enumerate(names)),
        ylabel="",
        toolbar=None,
        default_tools=[],
        show_legend=False,
        hooks=[page_style, _quiet_axes],
        **options,
    )


def _quiet_axes(plot: Any, _: object) -> None:
    plot.state.yaxis.update(major_tick_line_color=None, axis_line_color=None)
    plot.state.xaxis.minor_tick_line_color = None
    plot.state.xgrid.grid_line_alpha = 0.35
    plot.state.ygrid.visible = False
