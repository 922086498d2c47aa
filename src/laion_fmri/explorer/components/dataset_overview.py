"""The dataset at a glance: subjects, sessions, ROIs and stimuli."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
from panel.viewable import Viewable, Viewer

from laion_fmri.explorer.catalog import Catalog
from laion_fmri.explorer.components import roi_matrix, session_matrix, stimulus_table
from laion_fmri.explorer.components.markup import escape, heading, markup
from laion_fmri.explorer.components.subject_card import SubjectCard

_GAP = 28  # pixels between sections


class DatasetOverview(Viewer):
    """What a catalogue says, and a way from each subject to its download.

    Parameters
    ----------
    on_download : callable
        Called with a subject.
    """

    def __init__(self, on_download: Callable[[str], None]) -> None:
        super().__init__()
        self._on_download = on_download
        self.cards: dict[str, SubjectCard] = {}
        self._card_row = pn.FlexBox(gap="16px", sizing_mode="stretch_width", margin=0)
        self.sessions = markup(style=session_matrix.STYLE)
        self.held_out = markup()
        self.rois = markup(style=roi_matrix.STYLE)
        self.stimuli = markup(style=stimulus_table.STYLE)
        self._layout = pn.Column(
            _section("Subjects", "", self._card_row),
            _section(
                "Sessions",
                "Single-trial responses of every session, and the maps averaged over sessions.",
                self.sessions,
                self.held_out,
            ),
            _section("ROIs", "Eight categories. Not every ROI exists in every subject.", self.rois),
            _section("Stimuli", "One set of files for all subjects.", self.stimuli),
            sizing_mode="stretch_width",
            min_height=200,
            margin=0,
        )

    def display(self, catalog: Catalog) -> None:
        """Bring it up to date; an empty catalogue shows nothing."""
        self._layout.visible = bool(catalog.subjects)
        entries = {entry.name: entry for entry in catalog.subjects}
        if list(entries) != list(self.cards):
            self.cards = {n: SubjectCard(e, self._on_download) for n, e in entries.items()}
            self._card_row[:] = [card.__panel__() for card in self.cards.values()]
        for name, card in self.cards.items():
            card.display(entries[name])
        self.sessions.object = session_matrix.session_matrix_html(catalog)
        self.held_out.object = _paragraph(session_matrix.held_out_text(catalog))
        self.rois.object = roi_matrix.roi_matrix_html(catalog)
        self.stimuli.object = stimulus_table.stimulus_table_html(catalog.stimuli)

    def __panel__(self) -> pn.Column:
        return self._layout


def _section(title: str, explanation: str, *contents: Viewable) -> pn.Column:
    return pn.Column(
        heading(title, explanation),
        pn.Spacer(height=10),
        *contents,
        sizing_mode="stretch_width",
        margin=(0, 0, _GAP, 0),
    )


def _paragraph(text: str) -> str:
    return f'<p class="muted" style="margin-top:8px">{escape(text)}</p>' if text else ""
