"""What is near a trial: images in an embedding, and trials by their response pattern."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from numpy.typing import NDArray
from panel.viewable import Viewable, Viewer

from laion_fmri.explorer.background import Latest
from laion_fmri.explorer.components.gallery import Gallery, GalleryItem
from laion_fmri.explorer.components.notice import notice, say
from laion_fmri.explorer.components.text import plain_text
from laion_fmri.explorer.components.tiles import image_tiles
from laion_fmri.explorer.roi_responses import VoxelChoice
from laion_fmri.explorer.trial_source import TrialSource
from laion_fmri.splits.recipes import SHARED_PREFIX

ALL, SHARED, OWN, SHOWN = "all images", "shared images", "this subject's", "those that pass"
AMONG = (ALL, SHARED, OWN, SHOWN)
N = 12
_NO_ROI = "choose an ROI"
_HINT = "Choose an ROI to see the trials whose responses in it correlate most with this one's."
_HEADING = {"fontSize": "14px", "fontWeight": 600}
_FIELD: dict[str, Any] = {"size": "small", "margin": 0}


@dataclass(frozen=True)
class _Asked:
    source: TrialSource
    trial: int
    shown: NDArray[np.intp]


class NeighboursView(Viewer):
    """Two galleries; what is in both is set apart.

    Parameters
    ----------
    choose : callable
        Called with the trial of a picture that was clicked.
    latest : callable
        Makes the `Latest` that slow work goes through.
    """

    model = param.String(default="", doc="Model of embeddings; the first that is here if empty.")
    among = param.Selector(default=OWN, objects=list(AMONG), doc="Which images to look among.")
    roi = param.String(default="", doc="The ROI whose response patterns are compared.")
    across = param.Boolean(default=False, doc="Look for patterns in every local session.")
    voxels = param.ClassSelector(class_=VoxelChoice, default=VoxelChoice())

    def __init__(
        self, choose: Callable[[int], object], latest: Callable[[Viewable], Latest]
    ) -> None:
        super().__init__()
        self._asked: _Asked | None = None
        self._near: list[GalleryItem] = []
        self._alike: list[GalleryItem] = []
        self._names: dict[str, list[str]] = {"near": [], "alike": []}
        self.model_control = pmui.Select(label="Model", options=[], width=120, **_FIELD)
        self.among_control = pmui.Select(
            label="Among", options=list(AMONG), value=self.among, width=150, **_FIELD
        )
        self.roi_control = pmui.Select(label="ROI", options={_NO_ROI: ""}, width=170, **_FIELD)
        self.across_control = pmui.Checkbox(label="In every session", **_FIELD)
        self.near = Gallery(choose, "Nearest images", sizing_mode="stretch_width", margin=0)
        self.alike = Gallery(choose, "Most alike responses", sizing_mode="stretch_width", margin=0)
        self.near_message = pn.Column(sizing_mode="stretch_width", margin=0)
        self.alike_message = pn.Column(sizing_mode="stretch_width", margin=0)
        self.agreement = plain_text(muted=True)
        self.hint = plain_text(_HINT, muted=True)
        near = _part("Nearest images", (self.model_control, self.among_control),
                     self.near_message, self.near)  # fmt: skip
        alike = _part("Most similar response patterns", (self.roi_control, self.across_control),
                      self.hint, self.alike_message, self.alike)  # fmt: skip
        self._near_work, self._alike_work = latest(near), latest(alike)
        self._layout = pn.Column(
            pn.FlexBox(near, alike, gap="24px", sizing_mode="stretch_width", margin=0,
                       align_items="flex-start"),
            self.agreement,
            sizing_mode="stretch_width",
            margin=0,
        )  # fmt: skip
        self.model_control.param.watch(lambda e: self.param.update(model=e.new or ""), "value")
        self.among_control.link(self, value="among", bidirectional=True)
        self.roi_control.param.watch(lambda e: self.param.update(roi=e.new or ""), "value")
        self.across_control.link(self, value="across", bidirectional=True)

    def offer(self, models: Sequence[str], rois: Sequence[str]) -> None:
        """Which models and ROIs there are to choose from."""
        chosen = self.model if self.model in models else next(iter(models), None)
        self.model_control.param.update(options=list(models), value=chosen)
        names = {_NO_ROI: "", **{roi: roi for roi in rois}}
        self.roi_control.param.update(options=names, value=self.roi if self.roi in rois else "")

    def set_trial(self, source: TrialSource, trial: int, shown: NDArray[np.intp]) -> None:
        """Look for what is near a trial.

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
        """Other trials pass the filters."""
        if self._asked is not None:
            self._asked = replace(self._asked, shown=shown)
            if self.among == SHOWN:
                self._find_near()

    @param.depends("model", "among", watch=True)
    def _find_near(self) -> None:
        asked, model, among = self._asked, self.model or self.model_control.value, self.among
        if asked is None:
            return
        if not model:
            self._say_near("No embeddings are here. The Download tab fetches them.")
            return
        self._near_work.ask(
            lambda: near_items(asked.source, asked.trial, model, among, asked.shown),
            self._set_near,
            self._say_near,
        )

    @param.depends("roi", "across", "voxels", watch=True)
    def _find_alike(self) -> None:
        asked, roi, across, voxels = self._asked, self.roi, self.across, self.voxels
        if asked is None:
            return
        if not roi:
            self._set_alike(([], []))
            self.hint.visible = True
            return
        self.hint.visible = False
        self._alike_work.ask(
            lambda: alike_items(asked.source, asked.trial, roi, voxels, across),
            self._set_alike,
            self._say_alike,
        )

    def _set_near(self, found: tuple[list[GalleryItem], list[str]]) -> None:
        self._near, self._names["near"] = found
        _clear(self.near_message)
        self._show_both()

    def _set_alike(self, found: tuple[list[GalleryItem], list[str]]) -> None:
        self._alike, self._names["alike"] = found
        _clear(self.alike_message)
        self._show_both()

    def _say_near(self, text: str) -> None:
        self._set_near(([], []))
        say(self.near_message, [notice(text)])

    def _say_alike(self, text: str) -> None:
        self._set_alike(([], []))
        say(self.alike_message, [notice(text)])

    def _show_both(self) -> None:
        near, alike = self._names["near"], self._names["alike"]
        both = set(near) & set(alike)
        self.near.set_items(_set_apart(self._near, near, both))
        self.alike.set_items(_set_apart(self._alike, alike, both))
        self.agreement.object = (
            f"{len(both)} of the {len(set(near))} nearest images are among the most similar "
            "response patterns as well."
            if near and alike
            else ""
        )

    def __panel__(self) -> pn.Column:
        return self._layout


def _clear(messages: pn.Column) -> None:
    if len(messages):
        messages.clear()


def near_items(
    source: TrialSource, trial: int, model: str, among: str, shown: NDArray[np.intp]
) -> tuple[list[GalleryItem], list[str]]:
    """The images nearest to that of a trial, and their names.

    Raises
    ------
    LaionFmriError
        When the embeddings are missing, damaged, or have none of this image.
    """
    trials = source.trials()
    name = trials.images[trials.image_of[trial]]
    found = source.image_neighbours(model, name, N, _allowed(source, among, shown))
    first = {image: place for place, image in enumerate(trials.images)}
    items = []
    for other, tile, cosine in zip(
        found.names, image_tiles(source, found.names), found.similarity, strict=True
    ):
        here = first.get(other)
        showing = None if here is None else int(np.flatnonzero(trials.image_of == here)[0])
        under = "not seen here" if showing is None else f"trial {showing}"
        items.append(GalleryItem(tile, f"{cosine:.3f}", under, showing))
    return items, found.names


def alike_items(
    source: TrialSource, trial: int, roi: str, voxels: VoxelChoice, across: bool
) -> tuple[list[GalleryItem], list[str]]:
    """The trials whose response pattern is most like that of one, and their images.

    Raises
    ------
    LaionFmriError
        When betas, masks or noise ceiling are missing or damaged.
    """
    found = source.pattern_neighbours(trial, roi, N, voxels, across, None)
    table = source.trials().table
    names = [str(table["image_name"].iloc[row]) for row in found.rows]
    own = str(table["image_name"].iloc[trial])
    items = [
        GalleryItem(
            tile, f"{r:.3f}", "same image" if name == own else f"trial {row}", trial=int(row)
        )
        for row, name, tile, r in zip(
            found.rows.tolist(), names, image_tiles(source, names), found.similarity, strict=True
        )
    ]
    return items, names


def _allowed(
    source: TrialSource, among: str, shown: NDArray[np.intp]
) -> Callable[[str], bool] | None:
    """Whether to look among an image, by its name; None for all of them."""
    trials = source.trials()
    if among == SHARED:
        return lambda name: name.startswith(SHARED_PREFIX)
    if among == OWN:
        return set(trials.images).__contains__
    if among == SHOWN:
        places = np.unique(trials.image_of[shown]).tolist()
        return {trials.images[place] for place in places}.__contains__
    return None


def _set_apart(
    items: Sequence[GalleryItem], names: Sequence[str], both: set[str]
) -> list[GalleryItem]:
    return [replace(i, in_both=n in both) for i, n in zip(items, names, strict=True)]


def _part(title: str, controls: Sequence[object], *below: object) -> pn.Column:
    return pn.Column(
        pn.FlexBox(
            pmui.Typography(title, margin=0, sx=_HEADING), *controls,
            gap="10px", align_items="center", sizing_mode="stretch_width", margin=0,
        ),
        *below,
        sizing_mode="stretch_width",
        styles={"flex": "1 1 420px", "min-width": "min(100%, 420px)", "gap": "10px"},
        margin=0,
    )  # fmt: skip
