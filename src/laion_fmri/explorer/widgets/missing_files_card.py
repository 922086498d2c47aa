"""The missing files of a view, their size, and buttons that download exactly those."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri import access, layout
from laion_fmri._errors import LaionFmriError
from laion_fmri.download_plans import plan_files
from laion_fmri.explorer.authorization import DOWNLOADING, queue_of
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import Follower, explain, on_the_page
from laion_fmri.explorer.runtime.page_turn import has_event_loop
from laion_fmri.explorer.widgets.data_directory_field import DataFolder
from laion_fmri.explorer.widgets.dialog import LicenceDialog
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.markup import bar_html, markup
from laion_fmri.missing_files import MissingPart
from laion_fmri.transfer.plan import count_of, format_bytes
from laion_fmri.transfer_jobs.job import Job

_NO_FOLDER = "Downloads need a folder. Choose one with enough space, then fetch the files below."


class MissingCard(Viewer):
    """A list of files that are not downloaded; hidden if empty.

    It first asks for a data folder if none is set, and for acceptance of the licence before the
    first download.

    Parameters
    ----------
    data : ExplorerData
    on_arrival : callable
        Called in a callback of the page when a download has ended or a data folder was chosen.
    title : str

    Attributes
    ----------
    jobs : list of Job
        The active downloads of the listed files.
    """

    def __init__(
        self,
        data: ExplorerData,
        on_arrival: Callable[[], object],
        title: str = "Not downloaded",
    ) -> None:
        super().__init__()
        self._data, self._on_arrival = data, on_arrival
        self.jobs: list[Job] = []
        self._owner = ""
        self._parts: Sequence[MissingPart] = ()
        self._waiting: Sequence[MissingPart] = ()  # to be fetched once the licence is accepted
        self._follower = Follower(self.update)
        self._note = markup()
        self.folder = DataFolder(data, on_arrival)
        self._no_folder = stacked(markup(Markup("<p>{}</p>").format(_NO_FOLDER)), self.folder)
        self.rows = stacked()
        self.fetch_all = pmui.Button(
            icon="download", variant="contained", size="small", margin=(4, 0, 8, 0)
        )
        self.fetch_all.on_click(lambda _: self._fetch(self._parts))
        self.licence = LicenceDialog(data, lambda: self._fetch(self._waiting), self._say)
        self._layout = stacked(
            markup(Markup("<h3>{}</h3>").format(title), margin=(0, 0, 4, 0)),
            self._no_folder,
            self.fetch_all,
            self._note,
            self.rows,
            self.licence,
            styles={"max-width": "760px"},
            margin=(4, 10),
            visible=False,
        )

    @property
    def titles(self) -> list[str]:
        """Titles of the rows."""
        return [str(row.name) for row in self.rows]

    @property
    def is_fetching(self) -> bool:
        """Whether listed files are being downloaded."""
        return bool(self.jobs)

    def set_parts(self, owner: str, parts: Sequence[MissingPart]) -> None:
        """List these parts, of a subject or of the stimuli."""
        self._owner, self._parts = owner, parts
        may_act = self._data.visitor.may_act
        has_folder = self._data.settings.data_dir is not None
        self._no_folder.visible = may_act and not has_folder
        for job in filter(None, map(self._job_of, parts)):
            if job not in self.jobs:
                self.jobs.append(job)
        self.rows[:] = [self._row(part) for part in parts]
        n_bytes = sum(part.n_bytes for part in parts)
        self.fetch_all.param.update(
            label=f"Download all of this ({format_bytes(n_bytes)})",
            visible=may_act and len(parts) > 1,
            disabled=not has_folder or bool(self.jobs),
        )
        if self.jobs:
            self._show_progress()
            if has_event_loop() and self._follower.follow(queue_of(self._data)):
                on_the_page(self.update)  # a small download may already be over
        if parts and not may_act:
            self._say(self._data.visitor.why_not(DOWNLOADING))
        self._layout.visible = bool(parts) or bool(self.jobs)

    def update(self) -> None:
        """Update the progress of the downloads; remove those that are over."""
        over = [job for job in self.jobs if job.over.is_set()]
        if not over:
            self._show_progress()
            return
        self.jobs = [job for job in self.jobs if job not in over]
        if not self.jobs:
            self._follower.stop()
        self._say(" ".join(job.problem for job in over if job.problem))
        self._on_arrival()

    def _row(self, part: MissingPart) -> pn.Row:
        n, size = len(part.files), format_bytes(part.n_bytes)
        files = part.files[0].key.rpartition("/")[2] if n == 1 else count_of(n, "file")
        button = small_button(
            "Fetch",
            lambda: self._fetch([part]),
            description=f"Fetch {part.title}",
            icon="download",
            variant="text",
            align="center",
            visible=self._data.visitor.may_act,
            disabled=self._data.settings.data_dir is None or self._job_of(part) is not None,
        )
        text = markup(
            Markup(
                '<div title="{}">{} <span class="muted number">'
                '{}</span></div><div class="muted name">{}, {}</div>'
            ).format(files, part.title, size, part.gives, files)
        )
        return pn.Row(text, button, name=part.title, sizing_mode="stretch_width", margin=(2, 0))

    def _fetch(self, parts: Sequence[MissingPart]) -> None:
        data = self._data
        try:
            data.visitor.require_owner(DOWNLOADING)
            if not access.is_license_accepted(data.data_dir):
                self._waiting = parts
                self.licence.open()
                return
            keys = [key for part in parts for key in part.keys]
            plan = plan_files(keys, data.settings, data.bucket())
            what = parts[0].title if len(parts) == 1 else count_of(len(keys), "file")
            self.jobs.append(queue_of(data).submit(plan, f"{what} of {self._owner}"))
        except LaionFmriError as error:
            self._say(explain(error))
            return
        self.set_parts(self._owner, self._parts)

    def _job_of(self, part: MissingPart) -> Job | None:
        """Return the download that fetches a part; another tab or page may have started it."""
        folder = self._data.settings.data_dir
        if folder is None:
            return None
        paths = [str(layout.local_path(folder, key)) for key in part.keys]
        return queue_of(self._data).fetching(paths)

    def _show_progress(self) -> None:
        jobs = [job.snapshot() for job in self.jobs]
        done, total = sum(job.bytes_done for job in jobs), sum(job.n_bytes for job in jobs)
        self._note.object = Markup(
            '<p class="muted number" role="status">Fetching: {} of {}</p>{}'
        ).format(
            format_bytes(done), format_bytes(total), bar_html(done / total if total else 0, "Fetch")
        )

    def _say(self, text: str) -> None:
        self._note.object = (
            Markup('<p class="muted" role="status">{}</p>').format(text) if text else ""
        )

    def __panel__(self) -> pn.Column:
        return self._layout
