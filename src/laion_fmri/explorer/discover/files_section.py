"""The list of all files: read in the background, then displayed in a `FileBrowser`."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
from markupsafe import Markup
from panel.viewable import Viewable, Viewer

from laion_fmri.availability import Availability
from laion_fmri.bucket import BucketObject
from laion_fmri.bucket.listing_cache import date_text
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.discover.file_browser import FileBrowser
from laion_fmri.explorer.runtime.background import Follower, Gate, Latest, is_served
from laion_fmri.explorer.runtime.bucket_listing import ListedBucket
from laion_fmri.explorer.widgets.layout import stacked
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.explorer.widgets.notice import notice, say
from laion_fmri.file_preview import FilePreview, preview_file
from laion_fmri.file_table import FileTable


class FilesSection(Viewer):
    """All files of the bucket; displays the progress of the listing until it is complete.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Creates a `Latest` for slow work.
    gate : Gate
        Gate of the tab.
    on_listed : callable
        Called with whether the bucket could be listed.
    on_download : callable
        Called with the chosen keys.
    """

    def __init__(
        self,
        data: ExplorerData,
        latest: Callable[[Viewable], Latest],
        gate: Gate,
        on_listed: Callable[[bool], object],
        on_download: Callable[[list[str]], None],
    ) -> None:
        super().__init__()
        self._data, self._latest = data, latest
        self._on_listed, self._on_download = on_listed, on_download
        self._listed: ListedBucket | None = None
        self.browser: FileBrowser | None = None  # created when files are first displayed
        self.messages = stacked()
        self.progress = markup()
        self._browser_column = stacked()
        self._layout = stacked(
            self.messages, self._browser_column, self.progress, min_height=200, visible=False
        )
        self._listing_work = latest(self._layout)
        self._follower = Follower(self._show_progress, gate)

    def refresh(self) -> None:
        """List the whole bucket, then display its files."""
        listing = self._data.listing()
        if listing.is_over or not is_served():
            self._listing_work.ask(self._read, self._show, self._show_problem)
        elif self._follower.follow(listing):
            self._show_progress()

    def _show_progress(self) -> None:
        listing = self._data.listing()
        if listing.is_over:
            self._follower.stop()
            self.refresh()
            return
        count = f" {listing.n_found:,} files so far." if listing.n_found else ""
        self.progress.object = Markup(
            '<p class="muted" role="status">Listing the bucket…{}</p>'
        ).format(count)

    def _read(self) -> tuple[ListedBucket, FileTable]:
        listed = self._data.listing().result()
        return listed, listed.table.compare(self._data.settings.usable_data_dir, listed.bucket)

    def _show(self, found: tuple[ListedBucket, FileTable]) -> None:
        self._listed, table = found
        date = date_text(self._listed.listed_at)
        shown = Markup('<p class="muted">Listed on {}.</p>').format(date)
        messages = []
        if problem := self._listed.problem:
            last = f" These files were listed on {date}." if len(table) else ""
            messages.append(notice(problem + last, "warning"))
        elif not len(table):
            messages.append(notice("The bucket answers, but holds no file.", "info"))
        with pn.io.hold():
            self.progress.object = "" if problem else shown
            say(self.messages, messages)
            self._on_listed(not problem)
        if self.browser is None:
            self.browser = FileBrowser(table, self._preview, self._on_download)
            self._preview_work = self._latest(self.browser.contents.__panel__())
            self._browser_column.append(self.browser)
        else:
            self.browser.set_files(table)

    def _show_problem(self, text: str) -> None:
        self.progress.object = ""
        say(self.messages, [notice(text, "warning")])
        self._on_listed(False)

    def _preview(self, found: BucketObject, status: Availability) -> None:
        listed, browser = self._listed, self.browser
        assert listed is not None and browser is not None
        is_downloaded = status is Availability.DOWNLOADED
        data_dir = self._data.settings.data_dir if is_downloaded else None

        def show(preview: FilePreview) -> None:
            if browser.is_open(found):
                browser.contents.display(found, preview)

        def show_problem(text: str) -> None:
            if browser.is_open(found):
                browser.contents.show_problem(found, text)

        self._preview_work.ask(
            lambda: preview_file(found, listed.bucket, data_dir), show, show_problem
        )

    def __panel__(self) -> pn.Column:
        return self._layout
