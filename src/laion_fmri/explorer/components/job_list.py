"""The downloads of the server: those that run or wait, and how the last one ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import panel as pn
from panel.viewable import Viewer

from laion_fmri.explorer.components.transfer_progress import TransferProgress
from laion_fmri.explorer.jobs import JobSnapshot


class JobList(Viewer):
    """One view a job, made once and kept up to date.

    Parameters
    ----------
    on_cancel : callable
        Called with a job's number.
    """

    def __init__(self, on_cancel: Callable[[int], None]) -> None:
        super().__init__()
        self._on_cancel = on_cancel
        self._views: dict[int, TransferProgress] = {}
        self._layout = pn.Column(sizing_mode="stretch_width", margin=0)

    def display(self, jobs: Sequence[JobSnapshot]) -> None:
        """Bring the list up to date."""
        shown = shown_jobs(jobs)
        if [job.number for job in shown] != list(self._views):
            self._views = {
                job.number: self._views.get(job.number) or TransferProgress(job, self._on_cancel)
                for job in shown
            }
            self._layout[:] = [view.__panel__() for view in self._views.values()]
            self._layout.margin = (0, 0, 14, 0) if shown else 0
        for job in shown:
            self._views[job.number].display(job)

    def __panel__(self) -> pn.Column:
        return self._layout


def shown_jobs(jobs: Sequence[JobSnapshot]) -> list[JobSnapshot]:
    """The last job that is over, then all that are not, in the order they were asked for."""
    over = [job for job in jobs if job.state.is_over]
    return over[-1:] + [job for job in jobs if not job.state.is_over]
