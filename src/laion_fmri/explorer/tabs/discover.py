"""The Discover tab: what the dataset holds, and how much of it is here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewable

from laion_fmri import discovery
from laion_fmri._errors import LaionFmriError
from laion_fmri.config import AWS_REGION, Settings
from laion_fmri.explorer.catalog import Catalog, read_catalog, read_local_catalog
from laion_fmri.explorer.components import roi_matrix, session_matrix, stimulus_table
from laion_fmri.explorer.components.markup import escape, heading, listing_text, markup
from laion_fmri.explorer.components.notice import notice
from laion_fmri.explorer.components.subject_card import SubjectCard
from laion_fmri.explorer.tabs.base import Tab

_GAP = 28  # pixels between sections
_SOURCE_STYLE = """
dl { display: grid; grid-template-columns: auto 1fr; gap: 2px 16px; }
dt { color: var(--muted); }
"""


@dataclass(frozen=True)
class _Overview:
    """What the tab shows.

    Attributes
    ----------
    catalog : Catalog
    no_bucket : str
        Why the bucket could not be listed; the catalogue is of what is local then.
    no_data_dir : str
        Why there is no data directory.
    """

    catalog: Catalog
    no_bucket: str = ""
    no_data_dir: str = ""


class DiscoverTab(Tab):
    """Subjects, sessions, ROIs and stimuli, here and in the bucket."""

    title = "Discover"

    def build(self) -> None:
        """Fill the layout."""
        self.source = markup(style=_SOURCE_STYLE)
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self.again = pmui.Button(
            label="Try again", icon="refresh", variant="outlined", size="small", margin=0
        )
        self.again.on_click(lambda _: self._list_again())
        self.cards = pn.FlexBox(gap="16px", sizing_mode="stretch_width", margin=0)
        self.sessions = markup(style=session_matrix.STYLE)
        self.held_out = markup()
        self.rois = markup(style=roi_matrix.STYLE)
        self.stimuli = markup(style=stimulus_table.STYLE)
        self.contents = pn.Column(
            _section("Subjects", "", self.cards),
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
        self._cards: dict[str, SubjectCard] = {}
        self._latest = self.latest(self.layout)
        self.page = pn.Column(
            pn.Row(self.source, self.again, sizing_mode="stretch_width", margin=(0, 0, 20, 0)),
            self.messages,
            self.contents,
            sizing_mode="stretch_width",
            styles={"max-width": "1320px"},
            margin=(12, 16, 24, 16),
        )
        self.layout[:] = [listing_text()]

    def refresh(self) -> None:
        """List what there is and compare it with what is here."""
        self.source.object = _source_html(self.data.settings)
        self._latest.ask(self._read, self._show, self._say_failed)

    def _list_again(self) -> None:
        discovery.refresh()
        self.refresh()

    def _read(self) -> _Overview:
        """The bucket's catalogue; where it does not answer, that of the data directory."""
        data_dir, no_data_dir = self._data_dir()
        try:
            catalog = read_catalog(self.data.bucket(), data_dir)
        except LaionFmriError as error:
            local = read_local_catalog(data_dir) if data_dir else Catalog((), ())
            return _Overview(local, str(error), no_data_dir)
        return _Overview(catalog, "", no_data_dir)

    def _data_dir(self) -> tuple[Path | None, str]:
        try:
            return self.data.data_dir, ""
        except LaionFmriError as error:
            return None, str(error)

    def _show(self, overview: _Overview) -> None:
        catalog = overview.catalog
        said = [notice(overview.no_data_dir, "info")] if overview.no_data_dir else []
        if overview.no_bucket:
            below = " What is shown here is what is in the data directory." * bool(catalog.subjects)
            said.append(notice(overview.no_bucket + below, "warning"))
        elif not catalog.subjects:
            said.append(notice("The bucket answers, but holds no subject.", "info"))
        with pn.io.hold():
            self.messages[:] = said
            self.again.label = "Try again" if overview.no_bucket else "List again"
            self.contents.visible = bool(catalog.subjects)
            self._show_cards(catalog)
            self.sessions.object = session_matrix.session_matrix_html(catalog)
            self.held_out.object = _paragraph(session_matrix.held_out_text(catalog))
            self.rois.object = roi_matrix.roi_matrix_html(catalog)
            self.stimuli.object = stimulus_table.stimulus_table_html(catalog.stimuli)
            self.put_in_place(self.page)

    def _show_cards(self, catalog: Catalog) -> None:
        entries = {entry.name: entry for entry in catalog.subjects}
        if list(entries) != list(self._cards):
            self._cards = {n: SubjectCard(e, self._go_to_download) for n, e in entries.items()}
            self.cards[:] = [card.__panel__() for card in self._cards.values()]
        for name, card in self._cards.items():
            card.display(entries[name])

    def _say_failed(self, text: str) -> None:
        self.messages[:] = [notice(text, "warning")]
        self.again.label = "Try again"
        self.put_in_place(self.page)

    def _go_to_download(self, subject: str) -> None:
        self.state.param.update(subject=subject, tab="Download")


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


def _source_html(settings: Settings) -> str:
    endpoint = settings.endpoint_url or f"AWS, {AWS_REGION}"
    facts = {"Bucket": settings.bucket}
    if settings.bucket.startswith("s3://"):
        facts["Endpoint"] = endpoint
    facts["Data directory"] = str(settings.data_dir or "not set")
    rows = "".join(
        f'<dt>{name}</dt><dd class="name mono">{escape(value)}</dd>'
        for name, value in facts.items()
    )
    return f"<dl>{rows}</dl>"
