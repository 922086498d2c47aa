"""Splits in numbers and plots, against random splits of the pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import panel as pn
from panel.viewable import Viewable, Viewer

from laion_fmri.explorer import split_space
from laion_fmri.explorer.background import Latest
from laion_fmri.explorer.components import split_tables
from laion_fmri.explorer.components.markup import escape, markup
from laion_fmri.explorer.components.split_plots import SplitPlots

if TYPE_CHECKING:
    from laion_fmri.explorer.data import ExplorerData
    from laion_fmri.explorer.split_space import Measured
    from laion_fmri.splits import Split

_TITLE = "<h3>Apart, and alike</h3>"
_MEASURING = f'{_TITLE}<p class="muted" role="status">Measuring…</p>'


class MeasuresSection(Viewer):
    """Distances and MMD² of several splits.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Makes a `Latest` for a view, as `Tab.latest` does.
    on_measured : callable
        Called with the `Measured`, or with None when there is none.
    """

    def __init__(
        self,
        data: ExplorerData,
        latest: Callable[[Viewable], Latest],
        on_measured: Callable[[Measured | None], None],
    ) -> None:
        super().__init__()
        self.data = data
        self._on_measured = on_measured
        self.measured: Measured | None = None
        self.comparison = markup(style=split_tables.STYLE)
        self.plots = SplitPlots()
        self._plots_pane = pn.Column(
            self.plots, visible=False, sizing_mode="stretch_width", margin=0
        )
        self._layout = pn.Column(
            self.comparison,
            self._plots_pane,
            sizing_mode="stretch_width",
            margin=0,
            styles={"gap": "18px"},
        )
        self._latest = latest(self._layout)

    def set_splits(self, splits: Mapping[str, Split], model: str) -> None:
        """Measure splits of one pool on a model; the first is the chosen one."""
        if self.measured is None:
            self.comparison.object = _MEASURING
        self._latest.ask(
            partial(split_space.measured, self.data, model, dict(splits)), self._show, self._fail
        )

    def _show(self, measured: Measured) -> None:
        self.measured = measured
        with pn.io.hold():
            self.comparison.object = _TITLE + split_tables.comparison_table(measured)
            self.plots.set_measured(measured)
            self._plots_pane.visible = True
            self._on_measured(measured)

    def _fail(self, text: str) -> None:
        self.measured = None
        with pn.io.hold():
            self._plots_pane.visible = False
            self.comparison.object = f'{_TITLE}<p class="muted">{escape(text)}</p>'
            self._on_measured(None)

    def __panel__(self) -> pn.Column:
        return self._layout
