"""The Discover tab: the contents of the dataset, and how much of it is downloaded."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import panel as pn
import panel_material_ui as pmui

from laion_fmri._errors import DataDirNotSetError, LaionFmriError
from laion_fmri.availability import DatasetAvailability, dataset_availability, local_availability
from laion_fmri.bucket.listing_cache import cached_listing, date_text
from laion_fmri.explorer.authorization import CHOOSING_FOLDER
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.discover.files_section import FilesSection
from laion_fmri.explorer.discover.first_steps import FirstSteps
from laion_fmri.explorer.discover.overview import DatasetOverview
from laion_fmri.explorer.discover.settings_section import SettingsSection
from laion_fmri.explorer.runtime.background import Follower
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.tab import Tab
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.markup import listing_text
from laion_fmri.explorer.widgets.notice import notice, say
from laion_fmri.transfer.plan import format_bytes

OVERVIEW, FILES = "Overview", "Files"


@dataclass(frozen=True)
class _Overview:
    """Contents of the overview.

    Attributes
    ----------
    dataset : DatasetAvailability
    bucket_problem : str
        Why the bucket could not be listed, and what is displayed instead.
    data_dir_problem : str
        Why there is no data directory.
    free_space : str
        Free space of the data directory.
    """

    dataset: DatasetAvailability
    bucket_problem: str = ""
    data_dir_problem: str = ""
    free_space: str = ""


class DiscoverTab(Tab):
    """Subjects, sessions, ROIs, stimuli and every file, in the bucket and downloaded."""

    title = "Discover"

    def __init__(self, state: ExplorerState, data: ExplorerData) -> None:
        super().__init__(state, data)
        # Any page may change the settings, even before this tab is opened.
        self._follower = Follower(self._data_changed)
        self._follower.follow(data)

    def build(self) -> None:
        """Fill the layout."""
        self.refresh_button = small_button("Refresh", self._list_again, icon="refresh")
        self.settings = SettingsSection(self.data, self.latest, self.refresh_button)
        self.view = pmui.RadioButtonGroup(
            options=[OVERVIEW, FILES], value=self._wanted_view, size="small", margin=0
        )
        self.view.param.watch(lambda _: self._choose_view(), "value")
        self.state.param.watch(
            lambda _: self.view.param.update(value=self._wanted_view), "discover"
        )
        self.messages = stacked()
        self.first_steps = FirstSteps(self.data, self.latest, self._data_changed, self._go_to)
        self.overview = DatasetOverview(lambda subject: self._go_to(subject, "Download"))
        self._overview_column = stacked(self.messages, self.first_steps, self.overview)
        self.files = FilesSection(
            self.data, self.latest, self._gate, self._set_refresh_label, self._download
        )
        self._overview_work = self.latest(self._overview_column)
        self._page = stacked(
            self.settings,
            pn.Row(self.view, margin=(0, 0, 18, 0)),
            self._overview_column,
            self.files,
            styles={"max-width": "1320px"},
            margin=(12, 16, 24, 16),
        )
        self._show_view()
        self.layout[:] = [listing_text()]

    def refresh(self) -> None:
        """List the bucket and compare it with the data directory."""
        self.first_steps.refresh()
        self._overview_work.ask(self._read_overview, self._show_overview, self._show_problem)
        if self.view.value == FILES:
            self.files.refresh()

    def _list_again(self) -> None:
        self.data.refresh_listing()
        self.refresh()

    def _set_refresh_label(self, is_listed: bool) -> None:
        self.refresh_button.label = "Refresh" if is_listed else "Try again"

    def _choose_view(self) -> None:
        self.state.discover = FILES if self.view.value == FILES else ""
        self._show_view()
        if self.view.value == FILES:
            self.files.refresh()

    @property
    def _wanted_view(self) -> str:
        return FILES if self.state.discover == FILES else OVERVIEW

    def _show_view(self) -> None:
        is_files = self.view.value == FILES
        self._overview_column.visible = not is_files
        self.files.__panel__().visible = is_files

    # --- the overview -----------------------------------------------------------------

    def _read_overview(self) -> _Overview:
        """Read the overview of the bucket, or the last known one if the bucket is unreachable."""
        data_dir, no_data_dir, free = self._data_dir()
        try:
            dataset = dataset_availability(self.data.bucket(), data_dir)
        except LaionFmriError as error:
            dataset, shown = self._last_known(data_dir)
            return _Overview(dataset, f"{error}{shown}", no_data_dir, free)
        if dataset.subjects:
            self.data.save_overview()
        return _Overview(dataset, "", no_data_dir, free)

    def _last_known(self, data_dir: Path | None) -> tuple[DatasetAvailability, str]:
        """Return the dataset from the cached listing or the data directory, and a note on which."""
        if data_dir is None:
            return DatasetAvailability((), ()), ""
        if listing := cached_listing(data_dir, self.data.settings, "overview"):
            shown = f" This overview was listed on {date_text(listing.listed_at)}."
            return dataset_availability(listing, data_dir), shown
        dataset = local_availability(data_dir)
        shown = " This overview shows what is in the data directory." if dataset.subjects else ""
        return dataset, shown

    def _data_dir(self) -> tuple[Path | None, str, str]:
        try:
            data_dir = self.data.data_dir
        except DataDirNotSetError:
            visitor = self.data.visitor
            who = "Choose one below." if visitor.may_act else visitor.why_not(CHOOSING_FOLDER)
            return None, f"No data directory is set. {who}", ""
        return data_dir, "", f"{format_bytes(shutil.disk_usage(data_dir).free)} free"

    def _show_overview(self, overview: _Overview) -> None:
        messages = []
        if overview.data_dir_problem:
            messages.append(notice(overview.data_dir_problem, "info"))
        if overview.bucket_problem:
            messages.append(notice(overview.bucket_problem, "warning"))
        elif not overview.dataset.subjects:
            messages.append(notice("The bucket answers, but holds no subject.", "info"))
        with pn.io.hold():
            self.settings.display(overview.free_space)
            say(self.messages, messages)
            self._set_refresh_label(not overview.bucket_problem)
            self.overview.display(overview.dataset)
            self.replace_contents(self._page)

    def _show_problem(self, text: str) -> None:
        self.settings.display()
        say(self.messages, [notice(text, "warning")])
        self._set_refresh_label(False)
        self.replace_contents(self._page)

    # --- effects on the rest of the page ----------------------------------------------

    def _data_changed(self) -> None:
        if not self.state.subject:
            self.state.subject = next(iter(self.data.local_subjects()), "")
        self.state.param.trigger("files_changed")

    def _go_to(self, subject: str, tab: str) -> None:
        self.state.param.update(subject=subject, tab=tab)

    def _download(self, keys: list[str]) -> None:
        self.state.param.update(wanted=keys, tab="Download")
