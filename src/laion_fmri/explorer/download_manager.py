"""The Download tab by itself, for notebooks."""

from __future__ import annotations

import os
from typing import Any

import panel as pn
import param

from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.jobs import JobSnapshot
from laion_fmri.explorer.piece import Piece, data_of, name_of
from laion_fmri.explorer.request import Request
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.tabs.download import DownloadTab
from laion_fmri.subject import Subject
from laion_fmri.transfer.plan import TransferPlan


class DownloadManager(Piece):
    """Choose files, see what they would take, get them, check what is here.

    Parameters
    ----------
    sub : Subject or str, optional
        Offered as the choice; need not be local.
    data : ExplorerData, optional
        Shared with other pieces.
    data_dir : path, optional
        Instead of the configured one.

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
        """What is chosen: subjects, sessions, kinds of files, single files."""
        return self._tab.form.request

    @property
    def plan(self) -> TransferPlan | None:
        """What "Download" would fetch; None while something is still to be chosen."""
        return self._tab.plan_of_request

    @property
    def jobs(self) -> list[JobSnapshot]:
        """The downloads into the data directory, the newest last."""
        return list(self._tab.queue.jobs())

    def __panel__(self) -> pn.Column:
        place = self._tab.__panel__()
        place.sizing_mode = self._tab.layout.sizing_mode = "stretch_width"  # as high as it is
        return place
