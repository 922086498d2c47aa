"""Maps of image space, one per split; selecting a region displays its images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewable, Viewer

from laion_fmri.explorer.runtime.background import Follower, Latest
from laion_fmri.explorer.runtime.background_job import Job
from laion_fmri.explorer.splits import data as split_data
from laion_fmri.explorer.splits.contents_view import Gallery
from laion_fmri.explorer.splits.views import COLOURS, split_html
from laion_fmri.explorer.widgets.layout import CHOICE_STYLE, column, in_a_row, small_button, stacked
from laion_fmri.explorer.widgets.markup import bar_html, markup
from laion_fmri.explorer.widgets.notice import notice, say
from laion_fmri.explorer.widgets.plots import holoviews, page_style, plot_pane, selection_hook
from laion_fmri.splits import ImageMap, Split
from laion_fmri.splits.summary import evenly_spaced

if TYPE_CHECKING:
    from laion_fmri.explorer.data import ExplorerData

LAYOUTS = {"PCA": "pca", "t-SNE": "tsne"}
_IMAGES = {"pool and out of distribution": False, "whole dataset": True}
_IN_REGION = 24
_COORDINATES = ["x coordinate", "y coordinate"]  # no split can have these names
_HEIGHT = 400  # pixels
_MANY = 10_000  # images above which dots are smaller


class SplitMap(Viewer):
    """Maps of image space side by side, with linked axes and selection.

    Parameters
    ----------
    on_region : callable
        Called with the names of the selected images; empty if nothing is selected.

    Attributes
    ----------
    image_map : ImageMap or None
    table : DataFrame
        One row per dot, indexed by image name: coordinates, and the side in each split.
    """

    def __init__(self, on_region: Callable[[list[str]], None]) -> None:
        super().__init__()
        self._on_region = on_region
        self.image_map: ImageMap | None = None
        self.table: Any = None
        self._pipe: Any = None
        self._legend = split_html()
        # A row, because in a HoloViews `Layout` the plots would have no size in the browser.
        self._maps = pn.Row(
            sizing_mode="stretch_width", margin=0, styles={"gap": "16px", "flex-wrap": "wrap"}
        )
        self._layout = stacked(self._legend, self._maps, gap=6)

    def set_map(self, image_map: ImageMap, splits: Mapping[str, Split]) -> None:
        """Display images and their sides.

        Parameters
        ----------
        image_map : ImageMap
        splits : mapping of str to Split
            One map per split, titled by its key.
        """
        import pandas as pd

        is_new = image_map is not self.image_map or len(self._titles) != len(splits)
        sides = pd.DataFrame(
            {name: _side_codes(split, image_map.names) for name, split in splits.items()},
            index=list(image_map.names),
        )
        table = pd.DataFrame(image_map.xy, index=sides.index, columns=_COORDINATES).join(sides)
        if image_map is self.image_map:  # the selection on the page refers to row numbers
            table = table.loc[self.table.index]
        else:
            # Dots of images in the chosen split are drawn above the others.
            table = table.sort_values(sides.columns[0], kind="stable")
            self._on_region([])
        self.image_map, self.table = image_map, table
        self._legend.object = _legend(image_map, list(splits), bool((sides == 0).any(axis=None)))
        if is_new:
            self._draw()
        else:
            self._pipe.send(table)

    @property
    def _titles(self) -> list[str]:
        return [] if self.table is None else list(self.table.columns[2:])

    def _draw(self) -> None:
        hv = holoviews()
        from holoviews.plotting.links import SelectionLink

        self._pipe = hv.streams.Pipe(data=self.table)
        maps = [self._map(row) for row in range(len(self._titles))]
        for one, other in combinations(maps, 2):
            SelectionLink(one, other)  # in the browser, both ways
        panes = [plot_pane(one, linked_axes=True) for one in maps]
        self._maps[:] = [column(pane, grow=1, least=400, gap=0) for pane in panes]

    def _map(self, place: int) -> Any:
        hv = holoviews()

        def draw(data: Any) -> Any:
            title = data.columns[2 + place]
            dots = data[[*_COORDINATES, title]].to_numpy(np.float32)
            return hv.Points(dots, ["x", "y"], "side", label=title)

        # A single map has its name in the heading.
        titles = [_title] if len(self._titles) > 1 else []
        # The maps share their selection in the browser, so only one reports it.
        selection = [] if place else [selection_hook(self.select)]
        # Nearly transparent for images on neither side.
        colours = [f"{COLOURS['unused']}80", COLOURS["train"], COLOURS["test"]]
        return hv.DynamicMap(draw, streams=[self._pipe]).opts(
            hv.opts.Points(
                color="side",
                cmap=colours,
                clim=(0, 2),
                size=3 if len(self.table) > _MANY else 5,
                alpha=0.7,
                line_color=None,
                nonselection_alpha=0.08,
                selection_alpha=0.95,
                padding=0.04,
                responsive=True,
                height=_HEIGHT,
                toolbar="above",
                xaxis=None,
                yaxis=None,
                tools=["lasso_select", "box_select", "tap"],
                default_tools=["pan", "wheel_zoom", "reset"],
                active_tools=["lasso_select", "wheel_zoom"],
                backend_opts={"plot.output_backend": "webgl"},
                hooks=[page_style, *titles, *selection],
                backend="bokeh",
            )
        )

    def select(self, rows: list[int]) -> None:
        """Report the images of some rows of `table` as the region."""
        self._on_region([self.table.index[row] for row in rows if row < len(self.table)])

    def __panel__(self) -> pn.Column:
        return self._layout


def _title(plot: Any, element: Any) -> None:
    plot.state.title.update(text=element.label, visible=True)


def _side_codes(split: Split, names: tuple[str, ...]) -> Any:
    """Return the side of each image: 0 for neither, 1 for train, 2 for test."""
    code = dict.fromkeys(split.train_ids, 1) | dict.fromkeys(split.test_ids, 2)
    return np.array([code.get(name, 0) for name in names], dtype=np.int8)


def _legend(image_map: ImageMap, titles: list[str], any_unused: bool) -> Markup:
    labels = {"train": "Train", "test": "Test", **({"unused": "In neither"} if any_unused else {})}
    dots = Markup("").join(
        Markup(
            '<span><i style="width:10px;height:10px;border-radius:50%;background:{}"></i>{}</span>'
        ).format(COLOURS[side], label)
        for side, label in labels.items()
    )
    axes = ""
    if image_map.explained:
        shares = " and ".join(f"{100 * share:.1f} %" for share in image_map.explained)
        axes = f"the axes explain {shares} of the variance · "
    return Markup(
        '<h3>{}</h3><div class="legend" role="note">{}<span>{:,} images · {}'
        "drag to circle a region, scroll to zoom</span></div>"
    ).format(", ".join(titles), dots, len(image_map.names), axes)


class SpaceView(Viewer):
    """Maps of image space for several splits, their controls, and the images of a region.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Creates a `Latest` for a view, as `Tab.latest` does.
    """

    def __init__(self, data: ExplorerData, latest: Callable[[Viewable], Latest]) -> None:
        super().__init__()
        self.data = data
        self._model = ""
        self._splits: Mapping[str, Split] = {}
        self._region: list[str] = []
        self._job: Job[ImageMap] | None = None
        choice = {"size": "small", "margin": 0, "stylesheets": [CHOICE_STYLE]}
        self.layout_choice = pmui.RadioButtonGroup(
            label="Layout of the map", options=LAYOUTS, value="pca", **choice
        )
        self.images_choice = pmui.RadioButtonGroup(
            label="Images on the map", options=_IMAGES, value=False, **choice
        )
        for control in (self.layout_choice, self.images_choice):
            control.param.watch(lambda _: self._ask(), "value")
        self.map = SplitMap(self._choose_region)
        self.region = Gallery(data, latest, "Images in the region", self._add_problem)
        self.region.visible = False
        self.messages = stacked()
        self._progress = markup(align="center", sizing_mode=None, width=260)
        stop = small_button("Stop", self.stop, variant="text")
        self._working = pn.Row(self._progress, stop, visible=False, margin=0)
        self._follower = Follower(self._show_job)
        self._map_pane = stacked(self.map)
        self._latest = latest(self._map_pane)
        title = markup(Markup("<h3>Image space</h3>"), sizing_mode=None, align="center")
        controls = in_a_row(
            title, self.layout_choice, self.images_choice, self._working, gap="6px 16px"
        )
        self._layout = stacked(controls, self.messages, self._map_pane, self.region, gap=8)

    def set_splits(
        self, splits: Mapping[str, Split], model: str, then: Callable[[], object] = lambda: None
    ) -> None:
        """Display splits of one pool on a model; call `then` after the result is displayed."""
        self._splits, self._model = splits, model
        self._ask(then)

    def _ask(self, then: Callable[[], object] = lambda: None) -> None:
        if not (self._splits and self._model):
            return
        splits, model = dict(self._splits), self._model
        whole_dataset = self.images_choice.value
        make = split_data.tsne if self.layout_choice.value == "tsne" else split_data.pca

        def work() -> ImageMap | Job[ImageMap]:
            images = split_data.map_images(self.data, list(splits.values()), whole_dataset)
            return make(self.data, model, images)

        def show(found: ImageMap | Job[ImageMap]) -> None:
            say(self.messages, [])
            self._follow(found if isinstance(found, Job) else None)
            if isinstance(found, ImageMap):
                self.map.set_map(found, splits)
                self._map_pane.visible = True
                self._show_region()
            then()

        def show_problem(text: str) -> None:
            self._follow(None)
            self._map_pane.visible = False
            say(self.messages, [notice(text, "warning")])
            then()

        self._latest.ask(work, show, show_problem)

    def _follow(self, job: Job[ImageMap] | None) -> None:
        self._job = job
        self._working.visible = job is not None
        self._follower.follow(*([job] if job else []))
        self._show_job()

    def _show_job(self) -> None:
        job = self._job
        if job is None:
            return
        if job.is_over:
            self._follow(None)
            if job.is_done:
                self._ask()
            elif job.problem:
                say(self.messages, [notice(job.problem, "warning")])
            return
        self._progress.object = Markup("<div>Laying out by t-SNE: {} %</div>{}").format(
            round(100 * job.progress), bar_html(job.progress, "t-SNE")
        )

    def stop(self) -> None:
        """Cancel the layout being computed, and display the principal components."""
        if self._job is not None:
            self._job.cancel()
        self._follow(None)
        self.layout_choice.value = "pca"

    def _choose_region(self, names: list[str]) -> None:
        self._region = names
        self._show_region()

    def _show_region(self) -> None:
        names, split = self._region, next(iter(self._splits.values()), None)
        self.region.visible = bool(names)
        if not names or split is None:
            return
        sides = dict.fromkeys(split.train_ids, "train") | dict.fromkeys(split.test_ids, "test")
        n_on = {side: sum(sides.get(n) == side for n in names) for side in ("train", "test")}
        n_neither = len(names) - sum(n_on.values())
        shown = evenly_spaced(names, _IN_REGION)
        said = f"{n_on['train']:,} train, {n_on['test']:,} test"
        said += f", {n_neither:,} in neither" if n_neither else ""
        said += f" · {len(shown)} shown" if len(shown) < len(names) else ""
        title = f"{len(names):,} images in the region"
        self.region.set_images(title, said, shown, sides)

    def _add_problem(self, text: str) -> None:
        say(self.messages, [notice(text, "warning")])

    def __panel__(self) -> pn.Column:
        return self._layout
