"""Distances and differences of splits, one row each, against random splits of the pool."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    CustomJSTickFormatter,
    FixedTicker,
    Range1d,
    Span,
)
from bokeh.plotting import figure
from numpy.typing import NDArray
from panel.viewable import Viewer

from laion_fmri.explorer.components.markup import markup
from laion_fmri.explorer.split_space import Measured

_BINS = (14, 60)  # at least and at most
_ROW = 54  # pixels
_GREY, _TEST = "#8a94a3", "#e08a2e"
_STYLE = "h3 { margin-bottom: 2px; } p { max-width: 64ch; margin-bottom: 4px; }"


class SplitPlots(Viewer):
    """How far test images are from the training side, and how unlike the two sides are.

    Fill it with `set_measured`.
    """

    def __init__(self) -> None:
        super().__init__()
        empty: dict[str, Any] = {"xs": [], "ys": [], "colour": []}
        self.shapes = ColumnDataSource(empty)
        self.medians = ColumnDataSource({"x": [], "low": [], "high": [], "label": []})
        self.dots = ColumnDataSource({"x": [], "y": [], "colour": []})
        self._band = BoxAnnotation(left=0, right=0, fill_color=_GREY, fill_alpha=0.18)
        self.distances = self._distances()
        self.differences = self._differences()
        self._about = markup(style=_STYLE), markup(style=_STYLE)
        parts = zip(self._about, (self.distances, self.differences), (7, 5), strict=True)
        self._layout = pn.FlexBox(
            *(
                pn.Column(
                    text,
                    pn.pane.Bokeh(plot, sizing_mode="stretch_width", margin=0),
                    margin=0,
                    styles={"flex": f"{grow} 1 340px", "min-width": "min(100%, 340px)"},
                )
                for text, plot, grow in parts
            ),
            sizing_mode="stretch_width",
            margin=0,
            gap="20px 32px",
        )

    def set_measured(self, measured: Measured) -> None:
        """Show splits, the chosen one on top, and random ones below."""
        random = "random splits" if measured.are_published else "random draws"
        names = [*measured.splits, random]
        chosen = [one.distances() for one in measured.splits.values()]
        drawn = [one.distances() for one in measured.random]
        top = max(float(d.max()) for d in (*chosen, *drawn)) or 1.0
        n_bins = int(np.clip(2 * np.sqrt(len(chosen[0])), *_BINS))
        bins = np.linspace(0, top * 1.02, n_bins + 1)
        densities = [_density(d, bins) for d in chosen]
        densities.append(np.mean([_density(d, bins) for d in drawn], axis=0))
        tallest = max(float(d.max()) for d in densities) or 1.0
        rows = list(range(len(names)))
        self.shapes.data = {
            "xs": [_outline_x(bins) for _ in rows],
            "ys": [
                row + 0.36 - _outline_y(0.78 * density / tallest)
                for row, density in zip(rows, densities, strict=True)
            ],
            "colour": [_TEST] * len(chosen) + [_GREY],
        }
        medians = [float(np.median(d)) for d in chosen]
        medians.append(float(measured.random_medians.mean()))
        self.medians.data = {
            "x": medians,
            "low": [row + 0.36 for row in rows],
            "high": [row - 0.44 for row in rows],
            "label": [f" {m:.2f}" for m in medians],
        }
        self._band.update(
            left=float(measured.random_medians.min()), right=float(measured.random_medians.max())
        )
        usual = measured.random_mmd2
        ratios = [_ratio(one.mmd2, usual) for one in measured.splits.values()]
        others = [_ratio(one.mmd2, usual) for one in measured.random]
        self.dots.data = {
            "x": ratios + others,
            "y": [*rows[:-1], *[rows[-1]] * len(others)],
            "colour": [_TEST] * len(ratios) + [_GREY] * len(others),
        }
        known = [r for r in (*ratios, *others) if np.isfinite(r)] or [1.0]
        self.differences.x_range.update(
            start=min(0.5, 0.8 * min(known)), end=max(2.0, 1.3 * max(known))
        )
        self.distances.x_range.update(start=0, end=float(bins[-1]))
        for plot in (self.distances, self.differences):
            _name_rows(plot, names)
        self._explain(measured, random)

    def _explain(self, measured: Measured, random: str) -> None:
        self._about[0].object = (
            "<h3>Distance to the nearest training image</h3>"
            f'<p class="muted">Of every test image, 1 − cosine in {measured.model}. Line: median; '
            f"band: the medians of the five {random}.</p>"
        )
        self._about[1].object = (
            "<h3>Difference between the sides</h3>"
            f'<p class="muted">MMD² relative to the mean of the five {random} '
            f"({measured.random_mmd2:.2g}): 1 is as alike as a random split.</p>"
        )

    def _distances(self) -> figure:
        plot = _plot("linear", (0, 1))
        plot.add_layout(self._band)
        plot.patches("xs", "ys", source=self.shapes, fill_color="colour", fill_alpha=0.45,
                     line_color="colour", line_width=1)  # fmt: skip
        plot.segment("x", "low", "x", "high", source=self.medians, line_color=_GREY,
                     line_width=2)  # fmt: skip
        plot.text("x", "high", text="label", source=self.medians, text_color=_GREY,
                  text_font_size="11px", text_baseline="top")  # fmt: skip
        plot.xaxis.axis_label = "1 − cosine"
        return plot

    def _differences(self) -> figure:
        plot = _plot("log", (0.5, 2))
        line = Span(location=1, dimension="height", line_color=_GREY, line_dash="dashed")
        plot.add_layout(line)
        plot.scatter("x", "y", source=self.dots, size=11, color="colour", alpha=0.85,
                     line_color=None)  # fmt: skip
        plot.xaxis.axis_label = "times random"
        plot.xaxis.formatter = CustomJSTickFormatter(code="return String(Number(tick.toFixed(2)))")
        return plot

    def __panel__(self) -> pn.FlexBox:
        return self._layout


def _plot(scale: str, x_range: tuple[float, float]) -> figure:
    plot = figure(
        height=2 * _ROW + 46,
        sizing_mode="stretch_width",
        x_axis_type=scale,
        x_range=Range1d(*x_range),
        y_range=Range1d(1.6, -0.6),
        tools="",
        toolbar_location=None,
        outline_line_color=None,
        background_fill_alpha=0,
        border_fill_alpha=0,
        min_border=4,
    )
    plot.yaxis.ticker = FixedTicker(ticks=[])
    # Names are drawn as they are: a formatter's text is never read as a formula.
    plot.yaxis.formatter = CustomJSTickFormatter(
        args={"names": []}, code="return names[tick] ?? ''"
    )
    plot.ygrid.visible = False
    plot.xgrid.grid_line_alpha = 0.35
    plot.yaxis.major_tick_line_color = plot.yaxis.axis_line_color = None
    plot.xaxis.minor_tick_line_color = None
    plot.xaxis.axis_label_text_font_style = "normal"
    for axis in (plot.xaxis, plot.yaxis):
        axis.major_label_text_font_size = axis.axis_label_text_font_size = "11px"
    return plot


def _name_rows(plot: figure, names: list[str]) -> None:
    plot.y_range.update(start=len(names) - 0.4, end=-0.6)
    plot.height = len(names) * _ROW + 46
    # Changed and not replaced: a new model has every model of the page counted anew.
    plot.yaxis[0].ticker.ticks = list(range(len(names)))
    plot.yaxis[0].formatter.args = {"names": names}


def _density(values: NDArray[np.float32], bins: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.histogram(values, bins)[0] / max(len(values), 1)


def _outline_x(bins: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([bins[:1], np.repeat(bins[1:-1], 2), bins[-1:], bins[-1:], bins[:1]])


def _outline_y(density: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([np.repeat(density, 2), [0.0, 0.0]])


def _ratio(value: float, usual: float) -> float:
    return max(value / usual, 1e-3) if usual > 0 else float("nan")
