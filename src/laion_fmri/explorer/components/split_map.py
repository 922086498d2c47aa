"""Images on a plane, once for each split: train, test and unused; a region can be chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import panel as pn
from bokeh.models import CDSView, ColumnDataSource, GroupFilter, Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray
from panel.viewable import Viewer

from laion_fmri.explorer.components.markup import escape, markup
from laion_fmri.explorer.split_space import ImageMap
from laion_fmri.splits import Split

COLOURS = {"unused": "#9aa3ad", "train": "#4c78c8", "test": "#e08a2e"}
"""Of the sides, drawn in this order: mid tones, seen on a light page and on a dark one."""

_CODE = {side: code for code, side in enumerate(COLOURS)}
_TOOLS = "pan,wheel_zoom,lasso_select,box_select,tap,reset"
_HEIGHT = 400  # pixels
_MANY = 10_000  # images from which dots are smaller
MOST_SIDE_BY_SIDE = 4


class SplitMap(Viewer):
    """Maps of image space side by side, which move and select together.

    All maps draw the same rows of one source, which says in a column of each map what side
    a row is on: a change of split sends one byte an image. Drawn by WebGL where there is it.

    Parameters
    ----------
    on_region : callable
        Called with the names of the images that are selected; none when nothing is.
    """

    def __init__(self, on_region: Callable[[list[str]], None]) -> None:
        super().__init__()
        self._on_region = on_region
        self._map: ImageMap | None = None
        self._row: dict[str, int] = {}
        self.source = ColumnDataSource({"x": [], "y": []})
        self.source.selected.on_change("indices", self._selected)
        self._x, self._y = Range1d(-1, 1), Range1d(-1, 1)
        self.figures: list[figure] = []
        self._titles: list[pn.pane.HTML] = []
        self._cells: list[pn.Column] = []
        self._legend = markup()
        self._grid = pn.FlexBox(sizing_mode="stretch_width", margin=0, gap="8px 20px")
        self._layout = pn.Column(
            self._legend, self._grid, sizing_mode="stretch_width", margin=0, styles={"gap": "6px"}
        )

    @property
    def image_map(self) -> ImageMap | None:
        """The map that is shown."""
        return self._map

    def set_map(self, image_map: ImageMap, splits: Mapping[str, Split]) -> None:
        """Show images and the sides they are on.

        Parameters
        ----------
        image_map : ImageMap
        splits : mapping of str to Split
            One map for each, titled by its key; at most `MOST_SIDE_BY_SIDE`.
        """
        is_new = image_map is not self._map
        if is_new:
            self._map = image_map
            self._row = {name: row for row, name in enumerate(image_map.names)}
        sides = {_column(i): self._sides(split) for i, split in enumerate(splits.values())}
        if is_new:
            self.source.selected.indices = []
            x, y = image_map.xy.T
            # A page has every column before a map reads it, whatever comes first.
            nothing = np.full(len(self._row), _CODE["unused"], dtype=np.int8)
            columns = {_column(i): nothing for i in range(MOST_SIDE_BY_SIDE)} | sides
            self.source.data = {"x": x, "y": y, **columns}
            for view, values in ((self._x, x), (self._y, y)):
                low, high = _limits(values)
                view.update(start=low, end=high, reset_start=low, reset_end=high)
        else:
            with pn.io.unlocked():  # sent at once: before a map that reads a new column
                self.source.data.update(sides)
        n_before = min(len(self.figures), len(splits))
        for heading, title in zip(self._titles, splits, strict=False):
            heading.object = _heading(title)
        if len(splits) != len(self.figures):
            self._keep(n_before)
            # A new map is whole before the page gets it: what changes right after is lost.
            for title in list(splits)[n_before:]:
                self._add(title)
            self._grid[:] = self._cells
        for plot in self.figures[:n_before]:
            for renderer in plot.renderers:
                renderer.glyph.size = self._size
        self._say(any((side == _CODE["unused"]).any() for side in sides.values()), image_map)

    def _sides(self, split: Split) -> NDArray[np.int8]:
        """The side of every image of the map, as a code."""
        side = np.full(len(self._row), _CODE["unused"], dtype=np.int8)
        for name, ids in (("train", split.train_ids), ("test", split.test_ids)):
            side[[self._row[image] for image in ids if image in self._row]] = _CODE[name]
        return side

    @property
    def _size(self) -> int:
        return 3 if len(self._row) > _MANY else 5

    def _keep(self, n: int) -> None:
        for kept in (self.figures, self._titles, self._cells):
            del kept[n:]

    def _add(self, title: str) -> None:
        plot, heading = self._figure(), markup(_heading(title))
        column = _column(len(self.figures))
        for side, colour in COLOURS.items():
            view = CDSView(filter=GroupFilter(column_name=column, group=_CODE[side]))
            plot.scatter(
                "x", "y", source=self.source, view=view, color=colour, size=self._size,
                alpha=0.35 if side == "unused" else 0.7, line_color=None,
                nonselection_alpha=0.08, selection_alpha=0.95,
            )  # fmt: skip
        self.figures.append(plot)
        self._titles.append(heading)
        self._cells.append(
            pn.Column(
                heading,
                pn.pane.Bokeh(plot, sizing_mode="stretch_width", margin=0),
                margin=0,
                styles={"flex": "1 1 300px", "min-width": "min(100%, 300px)"},
            )
        )

    def _figure(self) -> figure:
        plot = figure(
            height=_HEIGHT,
            sizing_mode="stretch_width",
            x_range=self._x,
            y_range=self._y,
            tools=_TOOLS,
            active_drag="lasso_select",
            active_scroll="wheel_zoom",
            toolbar_location="above",
            outline_line_color=None,  # the page's theme takes it off some
            background_fill_alpha=0,
            border_fill_alpha=0,
            min_border=2,
            output_backend="webgl",
        )
        plot.toolbar.logo = None
        plot.toolbar.autohide = False
        plot.grid.visible = plot.axis.visible = False
        return plot

    def _say(self, any_unused: bool, image_map: ImageMap) -> None:
        named = {"train": "Train", "test": "Test", "unused": "In neither"}
        dots = "".join(
            f'<span><i style="width:10px;height:10px;border-radius:50%;'
            f'background:{COLOURS[side]}"></i>{words}</span>'
            for side, words in named.items()
            if side != "unused" or any_unused
        )
        axes = ""
        if image_map.explained:
            shares = " and ".join(f"{100 * share:.1f} %" for share in image_map.explained)
            axes = f"the axes hold {shares} of the variance · "
        self._legend.object = (
            f'<div class="legend" role="note">{dots}<span>{len(image_map.names):,} images · {axes}'
            "drag to circle a region, scroll to zoom</span></div>"
        )

    def _selected(self, _attribute: str, _before: object, rows: list[int]) -> None:
        names = self._map.names if self._map is not None else ()
        self._on_region([names[row] for row in rows if row < len(names)])

    def __panel__(self) -> pn.Column:
        return self._layout


def _column(i: int) -> str:
    return f"side_{i}"


def _heading(title: str) -> str:
    return f"<h3>{escape(title)}</h3>"


def _limits(values: NDArray[np.float32]) -> tuple[float, float]:
    """A little more than all values."""
    if not len(values):
        return -1.0, 1.0
    low, high = float(values.min()), float(values.max())
    edge = 0.04 * (high - low) or 1.0
    return low - edge, high + edge
