"""Beside the brain: what is at a place, what drives it, and the chosen ROIs in numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer import place as places
from laion_fmri.explorer.background import Gate, Latest
from laion_fmri.explorer.brain_data import Picture
from laion_fmri.explorer.components.code_block import CodeBlock
from laion_fmri.explorer.components.here_panel import HINT, place_html, profile_html
from laion_fmri.explorer.components.here_panel import STYLE as HERE_STYLE
from laion_fmri.explorer.components.image_cards import ImageCards
from laion_fmri.explorer.components.markup import escape, markup
from laion_fmri.explorer.components.roi_panel import STYLE as ROI_STYLE
from laion_fmri.explorer.components.roi_panel import roi_html
from laion_fmri.explorer.components.roi_picker import roi_code
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.driving_images import Drivers, drivers
from laion_fmri.explorer.maps import BrainMap
from laion_fmri.explorer.place import Place
from laion_fmri.explorer.preference import MIN_REPEATS
from laion_fmri.explorer.roi_facts import RoiFacts, roi_facts
from laion_fmri.transfer.plan import count_of

_PROFILE_AT_ONCE = 24  # maps; a subject with many sessions has more, read when asked for
_CLICKED = "the place clicked"
_NOUN_STYLE = """
.nouns { display: flex; flex-wrap: wrap; gap: 6px; margin: 2px 0 4px; }
.nouns span { border: 1px solid var(--line); border-radius: 999px; padding: 1px 9px; }
.nouns b { font-weight: 600; font-variant-numeric: tabular-nums; }
"""


class BrainInspector(Viewer):
    """Three folds: here, what drives it, ROIs.

    Parameters
    ----------
    data : ExplorerData
    gate : Gate
        Of the view it is part of.
    open_trial : callable
        Called with a global trial index when an image was clicked.
    mark_trials : callable
        Called with global trial indices to mark them in the Trials tab.
    """

    def __init__(
        self,
        data: ExplorerData,
        gate: Gate,
        open_trial: Callable[[int], object],
        mark_trials: Callable[[list[int]], object],
    ) -> None:
        super().__init__()
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self._data, self._open_trial, self._mark_trials = data, open_trial, mark_trials
        self._picture: Picture | None = None
        self._maps: Sequence[BrainMap] = ()
        self._place: Place | None = None
        self._choice: tuple[Any, Any] = (None, None)
        self._rois: list[str] = []
        self._drivers: Drivers | None = None

        self.here = markup(HINT, style=HERE_STYLE)
        self.profile = markup(style=HERE_STYLE)
        self.every_map = pmui.Button(
            label="Every session's maps too", variant="text", size="small", visible=False, margin=0
        )
        self.of = pmui.Select(label="Of", options=[_CLICKED], value=_CLICKED, **wide)
        self.min_repeats = pmui.IntInput(
            label="Repeats, at least", value=MIN_REPEATS, start=1, end=12, width=132
        )
        self.summary = markup(HINT, style=_NOUN_STYLE)
        self.highest, self.lowest = ImageCards(), ImageCards()
        self.mark_highest = _button("Mark in Trials", "bookmark_add")
        self.mark_lowest = _button("Mark in Trials", "bookmark_add")
        self.galleries = pn.Column(
            _titled("Strongest responses", self.mark_highest),
            self.highest,
            _titled("Weakest responses", self.mark_lowest),
            self.lowest,
            visible=False,
            margin=0,
            **wide,
        )
        self.roi = pmui.Select(label="Chosen ROI", options=[], visible=False, **wide)
        self.roi_facts = markup(
            '<p class="muted">Choose ROIs to see their size, their overlap and the map inside '
            "them.</p>",
            style=ROI_STYLE,
        )
        self.roi_code = CodeBlock("Python", copy_label="Copy code of this ROI")
        self._roi_code = pn.Column(self.roi_code, visible=False, margin=(8, 0), **wide)
        self.drive_roi = _button("What drives it", "image_search")
        self.drive_roi.visible = False

        padded: dict[str, Any] = {"margin": (10, 4), **wide}
        self.tabs = pmui.Tabs(
            ("Here", pn.Column(self.here, self.profile, self.every_map, **padded)),
            (
                "What drives it",
                pn.Column(
                    pn.Row(self.of, self.min_repeats, margin=0, **wide),
                    self.summary,
                    self.galleries,
                    **padded,
                ),
            ),
            ("ROIs", pn.Column(self.roi, self.roi_facts, self.drive_roi, self._roi_code, **padded)),
            dynamic=False,
            sx={"& .MuiTab-root": {"minWidth": 0, "px": 1.5}},
            **wide,
        )
        self._layout = pn.Column(self.tabs, margin=0, **wide)
        self._find = Latest(self.here, gate)
        self._read_profile = Latest(self.profile, gate)
        self._drive = Latest(self.summary, gate)
        self._count = Latest(self.roi_facts, gate)
        self._connect()

    def _connect(self) -> None:
        self.tabs.param.watch(lambda _: self._look(), "active")
        self.of.param.watch(lambda _: self._look(), "value")
        self.min_repeats.param.watch(lambda _: self._look(), "value")
        self.roi.param.watch(lambda _: self._look(), "value")
        self.every_map.on_click(lambda _: self._show_profile(len(self._maps)))
        self.highest.param.watch(self._clicked, "chosen")
        self.lowest.param.watch(self._clicked, "chosen")
        self.mark_highest.on_click(lambda _: self._mark("highest_trials"))
        self.mark_lowest.on_click(lambda _: self._mark("lowest_trials"))
        self.drive_roi.on_click(self._drive_chosen)

    # --- what it is about ------------------------------------------------------------------

    @property
    def place(self) -> Place | None:
        """The place that was clicked last."""
        return self._place

    def set_picture(self, picture: Picture, maps: Sequence[BrainMap]) -> None:
        """Be about what is now shown."""
        before, self._picture, self._maps = self._picture, picture, maps
        if before is not None and before.subject.name != picture.subject.name:
            self._place, self._choice = None, (None, None)
            self.here.object, self.profile.object = HINT, ""
        self.set_choice(*self._choice)

    def set_choice(self, picked: Any, crosshair: Any) -> None:
        """Be about the vertex, or the point of the slices, that was chosen last."""
        self._choice = (picked, crosshair)
        picture, data = self._picture, self._data
        if picture is None or (picked is None and crosshair is None):
            self._look()
            return

        def show(found: Place | None) -> None:
            self._place = found
            self._look()

        self._find.ask(
            lambda: places.from_choice(data, picture, picked, crosshair), show, self._say_here
        )

    def set_rois(self, rois: Sequence[str]) -> None:
        """Be about these chosen ROIs."""
        self._rois = list(rois)
        kept = self.roi.value if self.roi.value in self._rois else next(iter(self._rois), None)
        self.roi.param.update(options=self._rois, value=kept, visible=len(self._rois) > 1)
        about = self.of.value if self.of.value in self._rois else _CLICKED
        self.of.param.update(options=[_CLICKED, *self._rois], value=about)
        self._look()

    def _look(self) -> None:
        """Bring the fold that is open up to date."""
        if self._picture is None:
            return
        looks = (self._show_here, self._show_drivers, self._show_roi)
        if self.tabs.active in range(len(looks)):  # a page may send any number
            looks[self.tabs.active]()

    # --- here ------------------------------------------------------------------------------

    def _show_here(self) -> None:
        assert self._picture is not None
        if self._place is None:
            return
        self.here.object = place_html(self._place, self._picture.brain_map)
        self._show_profile(_PROFILE_AT_ONCE)

    def _show_profile(self, n_maps: int) -> None:
        picture, place, data = self._picture, self._place, self._data
        if picture is None or place is None:
            return
        if not place.hemi and not place.voxels.any():
            self.profile.object, self.every_map.visible = "", False
            return
        maps = list(self._maps[:n_maps])

        def show(values: dict[str, float]) -> None:
            table = profile_html(values, maps, picture.brain_map.name)
            self.profile.object = f'<h3 style="margin-top:12px">In every map</h3>{table}'
            self.every_map.visible = len(maps) < len(self._maps)

        self._read_profile.ask(
            lambda: places.profile(data, picture, place, maps), show, self._say_here
        )

    def _say_here(self, text: str) -> None:
        self.here.object = f"<p>{escape(text)}</p>"

    # --- what drives it --------------------------------------------------------------------

    def _show_drivers(self) -> None:
        picture, data, roi = self._picture, self._data, self.of.value
        place, repeats = self._place, self.min_repeats.value or MIN_REPEATS
        assert picture is not None
        if roi == _CLICKED and place is None:
            self.summary.object = HINT
            return

        def find() -> tuple[str, Drivers]:
            about = place if roi == _CLICKED else places.of_roi(data, picture, roi)
            assert about is not None
            return about.label, drivers(data, picture.subject, about.voxels, repeats)

        self._drive.ask(find, lambda found: self._show_found(*found), self._say_drivers)

    def _show_found(self, label: str, found: Drivers) -> None:
        self._drivers = found
        n = found.responses
        nouns = "".join(
            f"<span>{escape(noun.noun)} <b>×{noun.ratio:.1f}</b></span>" for noun in found.nouns
        )
        said = (
            f'<p class="muted">More often than chance in the images it prefers:</p>'
            f'<div class="nouns">{nouns}</div>'
            if found.nouns
            else '<p class="muted">No noun stands out among the images it prefers.</p>'
        )
        note = f'<p class="muted">{escape(found.note)}</p>' if found.note else ""
        self.summary.object = (
            f"<h3>{escape(label)}</h3>"
            f'<p class="muted">{count_of(n.n_voxels, "voxel")}, {count_of(len(n), "image")} with '
            f"at least {self.min_repeats.value} repeats in {count_of(n.n_sessions, 'session')}; "
            f"z-scored within session, mean over repeats.</p>{said}{note}"
        )
        self.highest.show_items(found.highest)
        self.lowest.show_items(found.lowest)
        self.galleries.visible = True

    def _say_drivers(self, text: str) -> None:
        self._drivers = None
        self.galleries.visible = False
        self.summary.object = f"<p>{escape(text)}</p>"

    def _mark(self, which: str) -> None:
        if self._drivers is not None:
            self._mark_trials(getattr(self._drivers, which))

    def _clicked(self, event: Any) -> None:
        if event.new >= 0:
            self._open_trial(event.new)
            event.obj.chosen = -1

    # --- ROIs ------------------------------------------------------------------------------

    def _drive_chosen(self, *_: object) -> None:
        with pn.io.hold():
            self.of.value = self.roi.value
            self.tabs.active = 1

    def _show_roi(self) -> None:
        picture, data, roi, others = self._picture, self._data, self.roi.value, list(self._rois)
        assert picture is not None
        is_chosen = roi in others
        self._roi_code.visible = self.drive_roi.visible = is_chosen
        if not is_chosen:
            self.roi_facts.object = (
                '<p class="muted">Choose ROIs to see their size, their overlap and the map '
                "inside them.</p>"
            )
            return

        def show(facts: RoiFacts) -> None:
            self.roi_facts.object = roi_html(facts, picture.brain_map)
            self.roi_code.code = "\n".join(
                [
                    "from laion_fmri.subject import load_subject",
                    "",
                    f'sub = load_subject("{picture.subject.name}")',
                    roi_code([roi]),
                ]
            )

        def say(text: str) -> None:
            self.roi_facts.object = f"<p>{escape(text)}</p>"

        self._count.ask(
            lambda: roi_facts(data, picture.subject, roi, others, picture.rois, picture.voxels),
            show,
            say,
        )

    def __panel__(self) -> pn.Column:
        return self._layout


def _button(label: str, icon: str) -> pmui.Button:
    return pmui.Button(label=label, icon=icon, variant="text", size="small", margin=0)


def _titled(title: str, button: pmui.Button) -> pn.Row:
    return pn.Row(
        markup(f"<h3>{escape(title)}</h3>", align="center"),
        button,
        sizing_mode="stretch_width",
        margin=(10, 0, 4, 0),
    )
