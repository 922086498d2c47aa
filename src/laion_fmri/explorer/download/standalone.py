"""The Download tab as a standalone view, for notebooks."""

from __future__ import annotations

import os
from typing import Any

import panel as pn
import param

from laion_fmri.download_request.request import Request
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.download.tab import DownloadTab
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.widgets.standalone_view import StandaloneView, data_of, name_of
from laion_fmri.subject import Subject
from laion_fmri.transfer.plan import TransferPlan
from laion_fmri.transfer_jobs.job import JobSnapshot


class DownloadManager(StandaloneView):
    """Choose files, see their sizes, download them, verify the downloaded files.

    Parameters
    ----------
    sub : Subject or str, optional
        The initial choice; need not be downloaded.
    data : ExplorerData, optional
        Shared with other views.
    data_dir : path, optional
        Data directory, by default the configured one.

    Examples
    --------
    >>> from laion_fmri.explorer import DownloadManager
    >>> manager = DownloadManager("sub-05")
    >>> manager.request.subjects
    ('sub-05',)
    >>> manager.plan is None  # no session is chosen yet
    True
    """

    subject = param.String(default="", allow_refs=True, doc="Full identifier; offered as choice.")
    wanted = param.List(
        default=[], item_type=str, allow_refs=True, doc="Single files, by their keys in the bucket."
    )
    files_changed = param.Event(doc="Triggered when files were downloaded.")

    def __init__(
        self,
        sub: Subject | str | None = None,
        data: ExplorerData | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        **params: Any,
    ) -> None:
        if sub is not None:
            params["subject"] = name_of(sub)
        super().__init__(**params)
        state = ExplorerState(tab=DownloadTab.title, subject=self.subject, wanted=self.wanted)
        self._tab = DownloadTab(state, data or data_of(sub, data_dir))
        self._tab.open()
        self.param.watch(lambda e: state.param.update(subject=e.new), "subject")
        self.link(state, wanted="wanted", bidirectional=True)
        state.param.watch(lambda _: self.param.trigger("files_changed"), "files_changed")

    @property
    def request(self) -> Request:
        """The selection: subjects, sessions, kinds of files, single files."""
        return self._tab.form.request

    @property
    def plan(self) -> TransferPlan | None:
        """The plan of the download; None while the request is incomplete."""
        return self._tab.plan

    @property
    def jobs(self) -> list[JobSnapshot]:
        """The downloads into the data directory, newest last."""
        return list(self._tab.queue.jobs())

    def __panel__(self) -> pn.Column:
        place = self._tab.__panel__()
        place.sizing_mode = self._tab.layout.sizing_mode = "stretch_width"  # height of contents
        return place
