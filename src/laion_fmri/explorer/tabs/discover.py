"""The Discover tab: what the dataset holds, and how much of it is here."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import panel as pn
import panel_material_ui as pmui

from laion_fmri._errors import DataDirNotSetError, LaionFmriError
from laion_fmri.bucket import BucketObject
from laion_fmri.explorer.background import is_served
from laion_fmri.explorer.bucket_listing import ListedBucket, compare, usable_data_dir
from laion_fmri.explorer.bucket_table import FileStanding, Standings
from laion_fmri.explorer.catalog import Catalog, read_catalog, read_local_catalog
from laion_fmri.explorer.components.dataset_overview import DatasetOverview
from laion_fmri.explorer.components.file_browser import FileBrowser
from laion_fmri.explorer.components.markup import escape, listing_text, markup
from laion_fmri.explorer.components.notice import notice, say
from laion_fmri.explorer.components.pulse import Pulse
from laion_fmri.explorer.components.settings_form import SettingsFacts, SettingsForm
from laion_fmri.explorer.data import SETTINGS, ExplorerData
from laion_fmri.explorer.file_reading import Reading, read_in_place
from laion_fmri.explorer.kept_listing import kept_listing, said_date
from laion_fmri.explorer.permitted import queue_of
from laion_fmri.explorer.settings_check import Finding, check_settings
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.tabs.base import Tab
from laion_fmri.transfer.plan import format_bytes

OVERVIEW, FILES = "Overview", "Files"


@dataclass(frozen=True)
class _Overview:
    """What the overview shows.

    Attributes
    ----------
    catalog : Catalog
    no_bucket : str
        Why the bucket could not be listed, and what is shown instead.
    no_data_dir : str
        Why there is no data directory.
    room : str
        How much space is free in it.
    """

    catalog: Catalog
    no_bucket: str = ""
    no_data_dir: str = ""
    room: str = ""


class DiscoverTab(Tab):
    """Subjects, sessions, ROIs, stimuli and every file, here and in the bucket."""

    title = "Discover"

    def __init__(self, state: ExplorerState, data: ExplorerData) -> None:
        super().__init__(state, data)
        self._follow_settings()

    def build(self) -> None:
        """Fill the layout."""
        small = {"size": "small", "margin": 0}
        self.source = SettingsFacts()
        self.change = pmui.Button(
            label="Change settings…", icon="settings", variant="outlined", **small
        )
        self.change.visible = self.data.visitor.may_act
        self.again = pmui.Button(label="Try again", icon="refresh", variant="outlined", **small)
        self.change.on_click(lambda _: self._open_settings())
        self.again.on_click(lambda _: self._list_again())
        self.form = SettingsForm(self._check_settings)
        self.done = pn.Column(sizing_mode="stretch_width", margin=0)
        self.view = pmui.RadioButtonGroup(options=[OVERVIEW, FILES], value=OVERVIEW, **small)
        self.view.param.watch(lambda _: self._show_view(), "value")
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self.overview = DatasetOverview(self._go_to_download)
        self.progress = markup()
        self.pulse = Pulse(self._follow_listing)
        self.browser: FileBrowser | None = None  # made when files are first looked at
        self.file_messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self.overview_place = pn.Column(
            self.messages, self.overview, sizing_mode="stretch_width", margin=0
        )
        self.browser_place = pn.Column(sizing_mode="stretch_width", margin=0)
        self.files_place = pn.Column(
            self.file_messages,
            self.browser_place,
            self.progress,
            self.pulse,
            sizing_mode="stretch_width",
            min_height=200,
            margin=0,
            visible=False,
        )
        self._overview_latest = self.latest(self.overview_place)
        self._files_latest = self.latest(self.files_place)
        self._settings_latest = self.latest(self.form.__panel__())
        self._listed: ListedBucket | None = None
        self.page = self._make_page()
        self.layout[:] = [listing_text()]

    def _make_page(self) -> pn.Column:
        row = {"sizing_mode": "stretch_width"}
        buttons = pn.Row(self.change, self.again, styles={"gap": "8px"}, margin=0, align="start")
        return pn.Column(
            pn.Row(
                self.source,
                buttons,
                styles={"flex-wrap": "wrap", "gap": "10px 24px"},
                margin=(0, 0, 16, 0),
                **row,
            ),
            self.form,
            self.done,
            pn.Row(self.view, margin=(0, 0, 18, 0)),
            self.overview_place,
            self.files_place,
            styles={"max-width": "1320px"},
            margin=(12, 16, 24, 16),
            **row,
        )

    def refresh(self) -> None:
        """List what there is and compare it with what is here."""
        self._overview_latest.ask(self._read_overview, self._show_overview, self._say_failed)
        if self.view.value == FILES:
            self._show_files()

    def _list_again(self) -> None:
        self.data.list_again()
        self.refresh()

    def _show_view(self) -> None:
        is_files = self.view.value == FILES
        self.overview_place.visible = not is_files
        self.files_place.visible = is_files
        if is_files:
            self._show_files()

    # --- the overview -----------------------------------------------------------------

    def _read_overview(self) -> _Overview:
        """What the bucket holds; where it does not answer, what is known of it."""
        data_dir, no_data_dir, room = self._data_dir()
        try:
            catalog = read_catalog(self.data.bucket(), data_dir)
        except LaionFmriError as error:
            return self._last_overview(str(error), data_dir, no_data_dir, room)
        if catalog.subjects:
            self.data.keep_overview()
        return _Overview(catalog, "", no_data_dir, room)

    def _last_overview(
        self, problem: str, data_dir: Path | None, no_data_dir: str, room: str
    ) -> _Overview:
        if data_dir is None:
            return _Overview(Catalog((), ()), problem, no_data_dir, room)
        if kept := kept_listing(data_dir, self.data.settings, "overview"):
            shown = f" What is shown here was listed on {said_date(kept.listed_at)}."
            return _Overview(read_catalog(kept, data_dir), problem + shown, no_data_dir, room)
        local = read_local_catalog(data_dir)
        shown = " What is shown here is what is in the data directory." * bool(local.subjects)
        return _Overview(local, problem + shown, no_data_dir, room)

    def _data_dir(self) -> tuple[Path | None, str, str]:
        try:
            data_dir = self.data.data_dir
        except DataDirNotSetError as error:
            return None, f"{error} Or choose one here, with “Change settings…”.", ""
        return data_dir, "", f"{format_bytes(shutil.disk_usage(data_dir).free)} free"

    def _show_overview(self, overview: _Overview) -> None:
        catalog = overview.catalog
        said = [notice(overview.no_data_dir, "info")] if overview.no_data_dir else []
        if overview.no_bucket:
            said.append(notice(overview.no_bucket, "warning"))
        elif not catalog.subjects:
            said.append(notice("The bucket answers, but holds no subject.", "info"))
        with pn.io.hold():
            self.source.display(self.data.settings, overview.room)
            say(self.messages, said)
            self.again.label = "Try again" if overview.no_bucket else "List again"
            self.overview.display(catalog)
            self.put_in_place(self.page)

    def _say_failed(self, text: str) -> None:
        self.source.display(self.data.settings)
        say(self.messages, [notice(text, "warning")])
        self.again.label = "Try again"
        self.put_in_place(self.page)

    def _go_to_download(self, subject: str) -> None:
        self.state.param.update(subject=subject, tab="Download")

    # --- the files --------------------------------------------------------------------

    def _show_files(self) -> None:
        """List the whole bucket, then show its files; say how far the listing is meanwhile."""
        listing = self.data.listing()
        if listing.is_over or not is_served():
            self._files_latest.ask(self._read_files, self._show_listed, self._say_no_files)
            return
        self._gate.let_through(self._begin_to_follow)

    def _begin_to_follow(self) -> None:
        self.pulse.beating = True
        self._follow_listing()

    def _follow_listing(self) -> None:
        listing = self.data.listing()
        if listing.is_over:
            self.pulse.beating = False
            self._show_files()
            return
        count = f" {listing.n_found:,} files so far." if listing.n_found else ""
        self.progress.object = f'<p class="muted" role="status">Listing the bucket…{count}</p>'

    def _read_files(self) -> tuple[ListedBucket, Standings]:
        listed = self.data.listing().result()
        data_dir = usable_data_dir(self.data.settings)
        return listed, compare(listed.table, data_dir, listed.bucket)

    def _show_listed(self, found: tuple[ListedBucket, Standings]) -> None:
        listed, standings = found
        self._listed = listed
        said = []
        if listed.problem:
            last = f" What is shown here was listed on {said_date(listed.listed_at)}."
            said.append(notice(listed.problem + last * bool(len(listed.table)), "warning"))
        elif not len(listed.table):
            said.append(notice("The bucket answers, but holds no file.", "info"))
        when = f"Listed on {said_date(listed.listed_at)}." * (not listed.problem)
        with pn.io.hold():
            self.progress.object = f'<p class="muted">{escape(when)}</p>' if when else ""
            say(self.file_messages, said)
            self.again.label = "Try again" if listed.problem else "List again"
        if self.browser is None:
            self.browser = FileBrowser(self._read_file, self._download)
            self._reading_latest = self.latest(self.browser.contents.__panel__())
        self.browser.set_files(listed.table, standings)
        if not len(self.browser_place):
            self.browser_place.append(self.browser)

    def _say_no_files(self, text: str) -> None:
        self.progress.object = ""
        say(self.file_messages, [notice(text, "warning")])
        self.again.label = "Try again"

    def _read_file(self, found: BucketObject, standing: FileStanding) -> None:
        listed, browser = self._listed, self.browser
        if listed is None or browser is None:
            return
        is_here = standing is FileStanding.HERE
        data_dir = self.data.settings.data_dir if is_here else None

        def read() -> Reading:
            return read_in_place(found, listed.bucket, data_dir)

        def show(reading: Reading) -> None:
            if browser.is_open(found):
                browser.contents.display(found, reading)

        def say(text: str) -> None:
            if browser.is_open(found):
                browser.contents.say(found, text)

        self._reading_latest.ask(read, show, say)

    def _download(self, keys: list[str]) -> None:
        self.state.param.update(wanted=keys, tab="Download")

    # --- settings ---------------------------------------------------------------------

    def _open_settings(self) -> None:
        fixed = {name for name in SETTINGS if self.data.set_by_environment(name)}
        say(self.done, [])
        self.form.begin(self.data.settings, fixed, self.data.keeps_settings)

    def _check_settings(self, changes: Mapping[str, str]) -> None:
        def check_and_change() -> tuple[dict[str, Finding], str]:
            before = self.data.settings
            is_busy = queue_of(self.data).is_busy
            findings = check_settings(self.data.settings_with(changes), changes)
            if all(finding.works for finding in findings.values()):
                self.data.change_settings(changes)
            has_moved = self.data.settings.data_dir != before.data_dir
            going_on = f" Downloads into {before.data_dir} go on." * (has_moved and is_busy)
            return findings, going_on

        self._settings_latest.ask(check_and_change, self._show_findings, self.form.say)

    def _show_findings(self, found: tuple[dict[str, Finding], str]) -> None:
        findings, going_on = found
        self.form.show_findings(findings)
        if all(finding.works for finding in findings.values()):
            self.form.end()
            said = " ".join(finding.text for finding in findings.values()) + going_on
            say(self.done, [notice(f"The settings were changed. {said}", "success")])

    def _follow_settings(self) -> None:
        """Be told, as long as the page lives, when the settings change on any page."""
        document = pn.state.curdoc
        if document is None or document.session_context is None:
            self.data.subscribe(self._settings_changed)
            return

        def tell() -> None:
            document.add_next_tick_callback(self._settings_changed)

        unsubscribe = self.data.subscribe(tell)
        document.on_session_destroyed(lambda _: unsubscribe())

    def _settings_changed(self) -> None:
        if not self.state.subject:
            self.state.subject = next(iter(self.data.local_subjects()), "")
        self.state.param.trigger("files_changed")
