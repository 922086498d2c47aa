"""The images that a vertex, a voxel or an ROI prefers: as tiles, and a panel for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from numpy.typing import NDArray
from panel.viewable import Viewer

from laion_fmri._errors import LaionFmriError
from laion_fmri.analysis import preferred_images as preference
from laion_fmri.analysis.locations import Location, roi_location
from laion_fmri.analysis.preferred_images import MIN_REPEATS, NounCount, PreferredImages
from laion_fmri.explorer.brain.choices import BrainChoices
from laion_fmri.explorer.brain.data import Picture
from laion_fmri.explorer.brain.location_panel import HINT
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import Gate, Latest
from laion_fmri.explorer.widgets.image_grid import ImageGrid, Tile, image_tiles
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.html import number
from laion_fmri.subject import Subject
from laion_fmri.transfer.plan import count_of
from laion_fmri.trial_contents import first_caption

_CLICKED = "the clicked location"
_STYLE = """
.nouns { display: flex; flex-wrap: wrap; gap: 6px; margin: 2px 0 4px; }
.nouns span { border: 1px solid var(--line); border-radius: 999px; padding: 1px 9px; }
.nouns b { font-weight: 600; font-variant-numeric: tabular-nums; }
"""


@dataclass(frozen=True, eq=False)
class Gallery:
    """Preferred images with their pictures.

    Attributes
    ----------
    found : PreferredImages
    highest, lowest : list of Tile
        In the order of `found`.
    nouns : list of NounCount
        Nouns that stand out among the preferred images.
    note : str
        What is left out, and why; empty if nothing is.
    """

    found: PreferredImages
    highest: list[Tile]
    lowest: list[Tile]
    nouns: list[NounCount]
    note: str


def preferred_gallery(
    data: ExplorerData,
    sub: Subject,
    voxels: NDArray,
    min_repeats: int = MIN_REPEATS,
    n_images: int = 12,
) -> Gallery:
    """Find the preferred images of some voxels, and their pictures.

    Raises
    ------
    LaionFmriError
        If betas are missing or damaged, or there are no voxels.
    """
    found = data.remember(
        ("preferred images", sub.name, voxels.tobytes(), min_repeats, n_images),
        lambda: preference.preferred_images(
            sub, voxels=voxels, n=n_images, min_repeats=min_repeats
        ),
        preference.response_files(sub),
    )
    nouns, notes = [], []
    if not data.has_images():
        why = "not downloaded" if data.visitor.sees_images else "not shown on this server"
        notes.append(f"The images are {why}; captions are shown instead.")
    try:
        nouns_of = data.remember(
            ("nouns",),
            lambda: preference.nouns_by_image(data.stimuli().segmentations),
            data.stimulus_files(),
        )
        nouns = found.nouns(nouns_of)
    except LaionFmriError:
        notes.append("Without the segmentations no noun can be counted.")
    notes.append(preference.store_advice(sub))
    return Gallery(
        found, _tiles(data, found.highest), _tiles(data, found.lowest), nouns,
        " ".join(filter(None, notes)),
    )  # fmt: skip


def _tiles(data: ExplorerData, images: pd.DataFrame) -> list[Tile]:
    names, first_trials = images["image_name"].tolist(), [trials[0] for trials in images["trials"]]
    titles = [
        f"Trial {trial}: {_caption(data, name) or name}"
        for trial, name in zip(first_trials, names, strict=True)
    ]
    numbers = [("+" if z >= 0 else "") + number(z) for z in images["response"]]
    return [
        replace(tile, number=shown, trial=trial)
        for tile, shown, trial in zip(
            image_tiles(data, names, titles), numbers, first_trials, strict=True
        )
    ]


def _caption(data: ExplorerData, name: str) -> str:
    try:
        return first_caption(data.stimuli().captions, name)
    except LaionFmriError:
        return ""


class PreferredImagesPanel(Viewer):
    """The images with the strongest and weakest responses of a location or an ROI.

    Parameters
    ----------
    data : ExplorerData
    gate : Gate
        Gate of the view that contains this one.
    choices : BrainChoices
        Receives the trial of a clicked image, and the trials to mark in the Trials tab.
    """

    def __init__(self, data: ExplorerData, gate: Gate, choices: BrainChoices) -> None:
        super().__init__()
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self._data, self._choices = data, choices
        self.gallery: Gallery | None = None
        self.of = pmui.Select(label="Of", options=[_CLICKED], value=_CLICKED, **wide)
        self.min_repeats = pmui.IntInput(
            label="Repeats, at least", value=MIN_REPEATS, start=1, end=12, width=132
        )
        self.summary = markup(HINT, style=_STYLE)
        self.highest = ImageGrid("Strongest responses", self._open)
        self.lowest = ImageGrid("Weakest responses", self._open)
        self.mark_highest, self.mark_lowest = (
            small_button(
                "Mark in Trials", partial(self._mark, which), icon="bookmark_add", variant="text"
            )
            for which in ("highest", "lowest")
        )
        self._images = stacked(
            _titled("Strongest responses", self.mark_highest), self.highest,
            _titled("Weakest responses", self.mark_lowest), self.lowest,
            visible=False,
        )  # fmt: skip
        self._latest = Latest(self.summary, gate)
        choice = pn.Row(self.of, self.min_repeats, margin=0, **wide)
        self._layout = stacked(choice, self.summary, self._images, margin=(10, 4))

    def offer_rois(self, rois: Sequence[str]) -> None:
        """Set the available ROIs, in addition to the clicked location."""
        value = self.of.value if self.of.value in rois else _CLICKED
        self.of.param.update(options=[_CLICKED, *rois], value=value)

    def show_images(self, picture: Picture, location: Location | None) -> None:
        """Display the preferred images of the chosen ROI, or of the location."""
        data, roi, min_repeats = self._data, self.of.value, self.min_repeats.value or MIN_REPEATS
        if roi == _CLICKED and location is None:
            self.summary.object = HINT
            return

        def find() -> tuple[str, Gallery]:
            at = location if roi == _CLICKED else roi_location(picture.subject, roi)
            assert at is not None
            return at.label, preferred_gallery(data, picture.subject, at.voxels, min_repeats)

        self._latest.ask(find, lambda found: self._show_gallery(*found), self._show_error)

    def _show_gallery(self, label: str, gallery: Gallery) -> None:
        self.gallery = gallery
        responses = gallery.found.responses
        nouns = Markup("").join(
            Markup("<span>{} <b>×{:.1f}</b></span>").format(noun.noun, noun.ratio)
            for noun in gallery.nouns
        )
        said = (
            Markup(
                '<p class="muted">More often than chance in the images it prefers:</p>'
                '<div class="nouns">{}</div>'
            ).format(nouns)
            if nouns
            else Markup('<p class="muted">No noun stands out among the images it prefers.</p>')
        )
        note = Markup('<p class="muted">{}</p>').format(gallery.note) if gallery.note else ""
        self.summary.object = Markup(
            '<h3>{}</h3><p class="muted">{}, {} with at least {} repeats in {}; '
            "z-scored within session, mean over repeats.</p>{}{}"
        ).format(
            label,
            count_of(responses.n_voxels, "voxel"),
            count_of(len(responses), "image"),
            self.min_repeats.value,
            count_of(responses.n_sessions, "session"),
            said,
            note,
        )
        self.highest.set_tiles(gallery.highest)
        self.lowest.set_tiles(gallery.lowest)
        self._images.visible = True

    def _show_error(self, text: str) -> None:
        self.gallery = None
        self._images.visible = False
        self.summary.object = Markup("<p>{}</p>").format(text)

    def _open(self, trial: int) -> None:
        self._choices.param.update(opened_trial=trial)

    def _mark(self, which: str) -> None:
        if self.gallery is not None:
            of_images = getattr(self.gallery.found, which)["trials"]
            marked = sorted({trial for trials in of_images for trial in trials})
            self._choices.param.update(marked_trials=marked)

    def __panel__(self) -> pn.Column:
        return self._layout


def _titled(title: str, button: pmui.Button) -> pn.Row:
    return pn.Row(
        markup(Markup("<h3>{}</h3>").format(title), align="center"),
        button,
        sizing_mode="stretch_width",
        margin=(10, 0, 4, 0),
    )
