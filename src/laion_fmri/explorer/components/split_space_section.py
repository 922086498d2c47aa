"""The map of image space with its controls, and the images of a region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer import split_data, split_layouts, split_space
from laion_fmri.explorer.background import Latest
from laion_fmri.explorer.components import split_views
from laion_fmri.explorer.components.markup import bar_html, markup
from laion_fmri.explorer.components.notice import notice, say
from laion_fmri.explorer.components.pulse import Pulse
from laion_fmri.explorer.components.split_map import SplitMap
from laion_fmri.explorer.split_layouts import LayoutJob
from laion_fmri.explorer.split_space import ImageMap

if TYPE_CHECKING:
    from laion_fmri.explorer.data import ExplorerData
    from laion_fmri.splits import Split

LAYOUTS = {"PCA": "pca", "t-SNE": "tsne"}
_POOL, _ALL = "pool and out of distribution", "whole dataset"
_IN_A_REGION = 24
_CHOICE_STYLE = """
.MuiToggleButton-root { white-space: nowrap; text-transform: none; }
.MuiFormLabel-root {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
"""


class SpaceSection(Viewer):
    """Maps of image space for several splits.

    Parameters
    ----------
    data : callable
        Gives the `ExplorerData`.
    latest : callable
        Makes a `Latest` for a view, as `Tab.latest` does.
    """

    def __init__(
        self, data: ExplorerData, latest: Callable[[pn.viewable.Viewable], Latest]
    ) -> None:
        super().__init__()
        self.data = data
        self._model = ""
        self._splits: Mapping[str, Split] = {}
        self._region: list[str] = []
        self._job: LayoutJob | None = None
        choice = {"size": "small", "margin": 0, "stylesheets": [_CHOICE_STYLE]}
        self.layout_choice = pmui.RadioButtonGroup(
            label="Layout of the map", options=LAYOUTS, value="pca", **choice
        )
        self.images_choice = pmui.RadioButtonGroup(
            label="Images on the map", options={_POOL: False, _ALL: True}, value=False, **choice
        )
        for control in (self.layout_choice, self.images_choice):
            control.param.watch(lambda _: self._ask(), "value")
        self.map = SplitMap(self._region_chosen)
        self.region = markup(style=split_views.STYLESHEET)
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self._progress = markup(align="center", sizing_mode=None, width=260)
        self._cancel = pmui.Button(label="Stop", variant="text", size="small", margin=0)
        self._cancel.on_click(lambda _: self._stop())
        self._working = pn.Row(self._progress, self._cancel, visible=False, margin=0)
        self.pulse = Pulse(self._follow, period=300)
        self._pane = pn.Column(self.map, sizing_mode="stretch_width", margin=0)
        self._latest = latest(self._pane)
        self._pictures = latest(pn.Spacer())
        self._layout = pn.Column(
            pn.FlexBox(
                markup("<h3>Image space</h3>", sizing_mode=None, align="center"),
                self.layout_choice,
                self.images_choice,
                self._working,
                sizing_mode="stretch_width",
                margin=0,
                gap="6px 16px",
                align_items="center",
            ),
            self.messages,
            self._pane,
            self.region,
            self.pulse,
            sizing_mode="stretch_width",
            margin=0,
            styles={"gap": "8px"},
        )

    def set_splits(
        self, splits: Mapping[str, Split], model: str, then: Callable[[], object] = lambda: None
    ) -> None:
        """Show splits of one pool on a model; `then` is called once that is answered."""
        self._splits, self._model = splits, model
        self._ask(then)

    def _ask(self, then: Callable[[], object] = lambda: None) -> None:
        if not (self._splits and self._model):
            return
        splits, model = dict(self._splits), self._model
        everything = self.images_choice.value
        wants_tsne = self.layout_choice.value == "tsne"

        def work() -> ImageMap | LayoutJob:
            images = split_space.map_images(self.data, list(splits.values()), everything)
            if wants_tsne:
                return split_layouts.tsne_map(self.data, model, images)
            return split_space.pca_map(self.data, model, images)

        def show(found: ImageMap | LayoutJob) -> None:
            say(self.messages, [])
            self._follow_job(found if isinstance(found, LayoutJob) else None)
            if isinstance(found, ImageMap):
                self.map.set_map(found, splits)
                self._pane.visible = True
                self._show_region()
            then()

        def fail(text: str) -> None:
            self._follow_job(None)
            self._pane.visible = False
            say(self.messages, [notice(text, "warning")])
            then()

        self._latest.ask(work, show, fail)

    # --- a layout in the making ---------------------------------------------------------------

    def _follow_job(self, job: LayoutJob | None) -> None:
        self._job = job
        self._working.visible = self.pulse.beating = job is not None
        self._follow()

    def _follow(self) -> None:
        job = self._job
        if job is None:
            return
        if job.is_over:
            self._follow_job(None)
            if job.is_done:
                self._ask()
            elif job.problem:
                say(self.messages, [notice(job.problem, "warning")])
            return
        percent = round(100 * job.progress)
        self._progress.object = (
            f"<div>Laying out by t-SNE: {percent} %</div>{bar_html(job.progress, 't-SNE')}"
        )

    def _stop(self) -> None:
        if self._job is not None:
            self._job.cancel()
        self._follow_job(None)
        self.layout_choice.value = "pca"

    # --- a region -----------------------------------------------------------------------------

    def _region_chosen(self, names: list[str]) -> None:
        self._region = names
        self._show_region()

    def _show_region(self) -> None:
        names, split = self._region, next(iter(self._splits.values()), None)
        self.region.visible = bool(names)
        if not names or split is None:
            self.region.object = ""
            return
        sides = dict.fromkeys(split.train_ids, "train") | dict.fromkeys(split.test_ids, "test")
        shown = split_data.examples(names, _IN_A_REGION)

        def show(found: split_data.Looks) -> None:
            self.region.object = split_views.region(names, shown, sides, found)

        show(split_data.Looks({} if split_data.has_images(self.data) else None, {}))
        self._pictures.ask(
            lambda: split_data.looks(self.data, shown),
            show,
            lambda text: self.messages.append(notice(text, "warning")),
        )

    def __panel__(self) -> pn.Column:
        return self._layout
