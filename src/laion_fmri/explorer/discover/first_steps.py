"""First steps: a description of the dataset, a data folder, the first files, what to open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewable, Viewer

from laion_fmri import discovery
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import Latest
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.markup import heading, markup
from laion_fmri.explorer.widgets.missing_files_card import MissingCard
from laion_fmri.missing_files import MissingPart, first_parts

ABOUT = (
    "LAION-fMRI holds the responses of five people's brains to 25,052 natural and "
    "out-of-distribution images, measured at 7 tesla in some thirty sessions each. "
    "For every trial it gives one response a voxel, with noise ceilings, ROIs, cortical surfaces, "
    "captions, object masks and image embeddings. "
    "The data are public and large, so you choose what to fetch; the images themselves need a "
    "data use agreement."
)
LOOK_AT = ("Brain", "Trials", "Splits")


@dataclass(frozen=True)
class _Found:
    subjects: Sequence[str]
    subject: str
    parts: Sequence[MissingPart]


class FirstSteps(Viewer):
    """The steps from an empty folder to the first data.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Creates a `Latest` for slow work.
    on_arrival : callable
        Called when files of a subject have been downloaded, or a data folder was chosen.
    look_at : callable
        Called with the subject and the tab to open.
    """

    def __init__(
        self,
        data: ExplorerData,
        latest: Callable[[Viewable], Latest],
        on_arrival: Callable[[], object],
        look_at: Callable[[str, str], object],
    ) -> None:
        super().__init__()
        self._data, self._on_arrival, self._look_at = data, on_arrival, look_at
        self._has_begun = False
        self.subject = pmui.Select(label="Subject", options=[], size="small", width=140, margin=0)
        self.subject.param.watch(lambda _: self.refresh(), "value")
        self.card = MissingCard(data, self._arrived, "Get these first")
        self.ready = markup()
        self.buttons = pn.Row(
            *(self._button(tab) for tab in LOOK_AT), styles={"gap": "8px"}, margin=(8, 0, 0, 0)
        )
        self._work = latest(self.card.rows)
        # A Paper displays its children whether they are visible or not.
        contents = stacked(
            heading("Welcome"),
            markup(Markup("<p>{}</p>").format(ABOUT), margin=(4, 0, 14, 0)),
            self.subject,
            self.card,
            self.ready,
            self.buttons,
        )
        self._layout = pmui.Paper(
            contents,
            variant="outlined",
            sx={"p": "16px 18px 18px"},
            sizing_mode="stretch_width",
            styles={"max-width": "860px"},
            margin=(0, 0, 22, 0),
            visible=False,
        )

    def refresh(self) -> None:
        """Display the first steps until files of a subject are downloaded and opened."""
        local = self._data.local_subjects()
        self._layout.visible = not local or self._has_begun or self.card.is_fetching
        if self._layout.visible:
            # The enclosing tab reports a bucket that cannot be reached.
            self._work.ask(self._read, self._show, lambda _: None)

    def _read(self) -> _Found:
        bucket = self._data.bucket()
        subjects = discovery.get_subjects(bucket)
        chosen = self.subject.value if self.subject.value in subjects else next(iter(subjects), "")
        parts = first_parts(chosen, self._data.settings.data_dir, bucket) if chosen else []
        return _Found(subjects, chosen, parts)

    def _show(self, found: _Found) -> None:
        is_ready = bool(found.subject) and not found.parts
        with pn.io.hold():
            self.subject.param.update(options=list(found.subjects), value=found.subject or None)
            self.card.set_parts(found.subject, found.parts)
            text = f"{found.subject} is downloaded and ready to explore." if is_ready else ""
            self.ready.object = (
                Markup('<p role="status"><b>{}</b></p>').format(text) if text else ""
            )
            self.buttons.visible = is_ready

    def _arrived(self) -> None:
        self._has_begun = self._has_begun or bool(self._data.local_subjects())
        self._on_arrival()
        self.refresh()

    def _button(self, tab: str) -> pmui.Button:
        def look() -> None:
            self._has_begun = False
            self._look_at(str(self.subject.value), tab)

        return small_button(f"Look at {tab}", look, variant="contained")

    def __panel__(self) -> pmui.Paper:
        return self._layout
