"""The dataset at a glance: subjects, sessions, ROIs and stimuli."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewable, Viewer

from laion_fmri.availability import Availability, DatasetAvailability, SubjectAvailability
from laion_fmri.availability_html import (
    ROIS_STYLE,
    SESSIONS_STYLE,
    STIMULI_STYLE,
    held_out_html,
    rois_html,
    sessions_html,
    stimuli_html,
)
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.markup import bar_html, heading, markup
from laion_fmri.transfer.plan import format_bytes

_GAP = 28  # pixels between sections
_CARDS = {
    "display": "grid",
    # Five in a wide row, two on a phone, all of the same width.
    "grid-template-columns": "repeat(auto-fill, minmax(max(170px, calc(20% - 13px)), 1fr))",
    "gap": "16px",
    "min-width": "0",
}
_CARD_STYLE = """
dl { display: grid; grid-template-columns: auto 1fr; gap: 1px 14px; margin: 8px 0 10px; }
dt { color: var(--muted); } dd { text-align: right; }
h3 { font-size: 16px; }
.below { margin: 5px 0 0; font-size: 12px; }
"""


class DatasetOverview(Viewer):
    """The contents of the dataset, with a button per subject that opens the Download tab.

    Parameters
    ----------
    on_download : callable
        Called with a subject.
    """

    def __init__(self, on_download: Callable[[str], None]) -> None:
        super().__init__()
        self._on_download = on_download
        self._cards = pn.Row(sizing_mode="stretch_width", styles=_CARDS, margin=0)
        self.subjects: dict[str, pn.pane.HTML] = {}
        self.buttons: dict[str, pmui.Button] = {}
        self.sessions = markup(style=SESSIONS_STYLE)
        self.held_out = markup()
        self.rois = markup(style=ROIS_STYLE)
        self.stimuli = markup(style=STIMULI_STYLE)
        self._layout = stacked(
            _section("Subjects", "", self._cards),
            _section(
                "Sessions",
                "Single-trial responses of each session, and the maps averaged over sessions.",
                self.sessions,
                self.held_out,
            ),
            _section("ROIs", "Eight categories. Some subjects lack some ROIs.", self.rois),
            _section("Stimuli", "The same files for all subjects.", self.stimuli),
            min_height=200,
        )

    def display(self, dataset: DatasetAvailability) -> None:
        """Display a dataset; one without subjects hides the overview."""
        self._layout.visible = bool(dataset.subjects)
        names = [subject.name for subject in dataset.subjects]
        if names != list(self.subjects):
            self.subjects = {name: markup(style=_CARD_STYLE) for name in names}
            self._cards[:] = [self._card(name) for name in names]
        for subject in dataset.subjects:
            self.subjects[subject.name].object = subject_html(subject)
        self.sessions.object = sessions_html(dataset)
        self.held_out.object = held_out_html(dataset)
        self.rois.object = rois_html(dataset)
        self.stimuli.object = stimuli_html(dataset.stimuli)

    def _card(self, name: str) -> pmui.Paper:
        self.buttons[name] = button = small_button(
            f"Download {name}…",
            lambda: self._on_download(name),
            sizing_mode="stretch_width",
            margin=(10, 0, 0, 0),
        )
        return pmui.Paper(
            self.subjects[name], button, variant="outlined", sx={"p": "14px 16px 14px"}, margin=0
        )

    def __panel__(self) -> pn.Column:
        return self._layout


def _section(title: str, explanation: str, *contents: Viewable) -> pn.Column:
    return stacked(
        heading(title, explanation), pn.Spacer(height=10), *contents, margin=(0, 0, _GAP, 0)
    )


def subject_html(subject: SubjectAvailability) -> Markup:
    """Format sessions, ROIs and size of a subject, and how much of it is downloaded."""
    total = subject.total
    sessions = f"{subject.n_sessions_downloaded} of {len(subject.sessions)} downloaded"
    states = [share.availability for share in subject.sessions.values()]
    if n_incomplete := states.count(Availability.INCOMPLETE):
        sessions += f", {n_incomplete} incomplete"
    facts = {
        "Sessions": sessions,
        "ROIs": subject.n_rois or "none",
        "Derivatives": format_bytes(total.n_bytes),
    }
    rows = Markup("").join(
        Markup("<dt>{}</dt><dd class='number'>{}</dd>").format(*fact) for fact in facts.items()
    )
    downloaded = f"{format_bytes(total.bytes_downloaded)} downloaded"
    if not total.bytes_downloaded:
        downloaded = "Nothing downloaded yet"
    elif total.n_downloaded == total.n_files:
        downloaded = "All derivatives downloaded"
    return (
        Markup("<h3 class='name'>{}</h3><dl>{}</dl>").format(subject.name, rows)
        + bar_html(total.fraction, f"How much of {subject.name} is downloaded")
        + Markup("<p class='muted number below'>{}</p>").format(downloaded)
    )
