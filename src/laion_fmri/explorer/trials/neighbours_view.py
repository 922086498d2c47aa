"""Neighbours of a trial: images in an embedding, and trials by their response pattern."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from markupsafe import Markup
from numpy.typing import NDArray
from panel.viewable import Viewable, Viewer

from laion_fmri.analysis.roi_responses import VoxelChoice
from laion_fmri.explorer.runtime.background import Latest
from laion_fmri.explorer.trials.data import TrialSource
from laion_fmri.explorer.widgets.image_grid import ImageGrid, Tile, image_tiles
from laion_fmri.explorer.widgets.layout import column, in_a_row, stacked
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.explorer.widgets.notice import notice, plain_text, say

if TYPE_CHECKING:
    import pandas as pd

ALL, SHARED, OWN, SHOWN = "all images", "shared images", "this subject's", "those that pass"
AMONG = {ALL: "all", SHARED: "shared", OWN: "subject", SHOWN: ""}
N = 12
_NO_ROI = "choose an ROI"
_HINT = "Choose an ROI to see the trials whose responses in it correlate most with this one's."
_FIELD: dict[str, Any] = {"size": "small", "margin": 0}


@dataclass(frozen=True)
class _Asked:
    source: TrialSource
    trial: int
    shown: NDArray[np.intp]


class NeighboursView(Viewer):
    """Two galleries; an image in both is highlighted.

    Parameters
    ----------
    choose : callable
        Called with the trial of the clicked picture.
    latest : callable
        Creates a `Latest` for slow work.
    """

    model = param.Selector(
        default=None, objects=[], check_on_set=False, doc="Model of embeddings; None without any."
    )
    among = param.Selector(default=OWN, objects=list(AMONG), doc="Which images to look among.")
    roi = param.Selector(
        default="", objects={_NO_ROI: ""}, check_on_set=False,
        doc="The ROI whose response patterns are compared.",
    )  # fmt: skip
    across = param.Boolean(default=False, doc="Search every downloaded session.")
    voxels = param.ClassSelector(class_=VoxelChoice, default=VoxelChoice())

    def __init__(
        self, choose: Callable[[int], object], latest: Callable[[Viewable], Latest]
    ) -> None:
        super().__init__()
        self._asked: _Asked | None = None
        self._near: list[Tile] = []
        self._alike: list[Tile] = []
        select, named = pmui.Select.from_param, self.param
        self.model_control = select(named.model, label="Model", width=120, **_FIELD)
        self.among_control = select(named.among, label="Among", width=150, **_FIELD)
        self.roi_control = select(named.roi, label="ROI", width=170, **_FIELD)
        self.across_control = pmui.Checkbox.from_param(
            named.across, label="In every session", **_FIELD
        )
        self.near = ImageGrid("Nearest images", choose)
        self.alike = ImageGrid("Most similar response patterns", choose)
        self.near_message, self.alike_message = stacked(), stacked()
        self.agreement = plain_text(muted=True)
        self.hint = plain_text(_HINT, muted=True)
        near = _part("Nearest images", (self.model_control, self.among_control),
                     self.near_message, self.near)  # fmt: skip
        alike = _part("Most similar response patterns", (self.roi_control, self.across_control),
                      self.hint, self.alike_message, self.alike)  # fmt: skip
        self._near_work, self._alike_work = latest(near), latest(alike)
        galleries = in_a_row(near, alike, gap="24px", align_items="flex-start")
        self._layout = stacked(galleries, self.agreement)

    def offer(self, models: Sequence[str], rois: Sequence[str]) -> None:
        """Set the available models and ROIs."""
        self.param.model.objects = list(models)
        self.param.roi.objects = {_NO_ROI: "", **{roi: roi for roi in rois}}
        self.param.update(
            model=self.model if self.model in models else next(iter(models), None),
            roi=self.roi if self.roi in rois else "",
        )

    def set_trial(self, source: TrialSource, trial: int, shown: NDArray[np.intp]) -> None:
        """Find the neighbours of a trial.

        Parameters
        ----------
        source : TrialSource
        trial : int
        shown : ndarray of int
            The trials that pass the filters.
        """
        self._asked = _Asked(source, trial, shown)
        self._find_near()
        self._find_alike()

    def set_shown(self, shown: NDArray[np.intp]) -> None:
        """Set the trials that pass the filters."""
        if self._asked is not None:
            self._asked = replace(self._asked, shown=shown)
            if self.among == SHOWN:
                self._find_near()

    @param.depends("model", "among", watch=True)
    def _find_near(self) -> None:
        asked, model, among = self._asked, self.model, self.among
        if asked is None:
            return
        if not model:
            self._say_near("No embeddings are downloaded. The Download tab downloads them.")
            return
        self._near_work.ask(
            lambda: near_tiles(asked.source, asked.trial, model, among, asked.shown),
            self._set_near,
            self._say_near,
        )

    @param.depends("roi", "across", "voxels", watch=True)
    def _find_alike(self) -> None:
        asked, roi, across, voxels = self._asked, self.roi, self.across, self.voxels
        if asked is None:
            return
        if not roi:
            self._set_alike([])
            self.hint.visible = True
            return
        self.hint.visible = False
        self._alike_work.ask(
            lambda: alike_tiles(asked.source, asked.trial, roi, voxels, across),
            self._set_alike,
            self._say_alike,
        )

    def _set_near(self, tiles: list[Tile]) -> None:
        self._near = tiles
        say(self.near_message, [])
        self._show_both()

    def _set_alike(self, tiles: list[Tile]) -> None:
        self._alike = tiles
        say(self.alike_message, [])
        self._show_both()

    def _say_near(self, text: str) -> None:
        self._set_near([])
        say(self.near_message, [notice(text)])

    def _say_alike(self, text: str) -> None:
        self._set_alike([])
        say(self.alike_message, [notice(text)])

    def _show_both(self) -> None:
        near, alike = ({tile.title for tile in tiles} for tiles in (self._near, self._alike))
        both = near & alike
        for grid, tiles in ((self.near, self._near), (self.alike, self._alike)):
            grid.set_tiles([replace(tile, highlighted=tile.title in both) for tile in tiles])
        self.agreement.object = (
            f"{len(both)} of the {len(near)} nearest images are among the most similar "
            "response patterns as well."
            if near and alike
            else ""
        )

    def __panel__(self) -> pn.Column:
        return self._layout


def near_tiles(
    source: TrialSource, trial: int, model: str, among: str, shown: NDArray[np.intp]
) -> list[Tile]:
    """Return tiles of the images nearest to that of a trial, titled by their names."""
    images = source.trials().table["image_name"]
    where = images.iloc[shown] if among == SHOWN else AMONG[among]
    found = source.nearest_images(trial, model, N, where)
    first = dict(zip(images[::-1], images.index[::-1].tolist(), strict=True))
    trials = [first.get(name) for name in found["image_name"]]
    captions = ["not shown to this subject" if t is None else f"trial {t}" for t in trials]
    return _tiles(source, found, captions, trials)


def alike_tiles(
    source: TrialSource, trial: int, roi: str, voxels: VoxelChoice, across: bool
) -> list[Tile]:
    """Return tiles of the trials with the most similar pattern, titled by their images."""
    found = source.similar_trials(trial, roi, N, voxels, across)
    own = source.trials().table["image_name"][trial]
    trials = found["trial"].tolist()
    captions = [
        "same image" if name == own else f"trial {t}"
        for name, t in zip(found["image_name"], trials, strict=True)
    ]
    return _tiles(source, found, captions, trials)


def _tiles(
    source: TrialSource, found: pd.DataFrame, captions: list[str], trials: list[int | None]
) -> list[Tile]:
    pictures = image_tiles(source.data, found["image_name"].tolist())
    return [
        replace(tile, number=f"{similarity:.3f}", caption=caption, trial=trial)
        for tile, similarity, caption, trial in zip(
            pictures, found["similarity"], captions, trials, strict=True
        )
    ]


def _part(title: str, controls: Sequence[object], *below: object) -> pn.Column:
    head = markup(Markup("<h3>{}</h3>").format(title), sizing_mode=None)
    return column(in_a_row(head, *controls, gap="10px"), *below, grow=1, least=420, gap=10)
