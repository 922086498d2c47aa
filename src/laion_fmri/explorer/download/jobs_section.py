"""The downloads of the server on the Download tab: the current ones and the history."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer.download.job_view import JobActions, JobView
from laion_fmri.explorer.runtime.background import Latest
from laion_fmri.explorer.runtime.download_queue import JobQueue
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.markup import heading
from laion_fmri.explorer.widgets.notice import notice, say
from laion_fmri.transfer.plan import TransferPlan
from laion_fmri.transfer_jobs.job import JobSnapshot

_RECENT = 3  # downloads of the history displayed initially


class JobList(Viewer):
    """One view per download, created once and then updated.

    Parameters
    ----------
    actions : JobActions

    Attributes
    ----------
    views : dict of int to JobView
        By number of the download.
    """

    def __init__(self, actions: JobActions) -> None:
        super().__init__()
        self._actions = actions
        self.views: dict[int, JobView] = {}
        self._layout = stacked()

    def display(self, jobs: Sequence[JobSnapshot], can_change: bool) -> None:
        """Display these downloads."""
        if [job.number for job in jobs] != list(self.views):
            self.views = {
                job.number: self.views.get(job.number) or JobView(job, self._actions)
                for job in jobs
            }
            self._layout[:] = list(self.views.values())
        for job in jobs:
            self.views[job.number].display(job, can_change)
        self._layout.margin = (0, 0, 14, 0) if self.views else 0

    def __panel__(self) -> pn.Column:
        return self._layout


class JobsSection:
    """The downloads of a queue, and the actions on them.

    Parameters
    ----------
    queue : callable
        Returns the queue of the current settings.
    latest : callable
        `Tab.latest`.
    may_resume : callable of JobSnapshot
        Whether a download can be resumed.
    on_owner_change : callable
        Called when this server becomes the owner of the downloads, or loses them to another.

    Attributes
    ----------
    current, past : JobList
    current_layout, past_layout : Column
        The downloads that are not over, and the history, newest first.
    messages : Column
    """

    def __init__(
        self,
        queue: Callable[[], JobQueue],
        latest: Callable[..., Latest],
        may_resume: Callable[[JobSnapshot], bool],
        on_owner_change: Callable[[], None],
    ) -> None:
        self._queue, self._may_resume = queue, may_resume
        self._on_owner_change = on_owner_change
        actions = JobActions(
            pause=lambda number: self._change(lambda: self._queue().pause(number)),
            resume=self._resume,
            cancel=lambda number: self._change(lambda: self._queue().cancel(number)),
        )
        self.current, self.past = JobList(actions), JobList(actions)
        self.messages = stacked()
        self.current_layout = stacked(self.messages, self.current)
        self.show_all = pmui.Toggle(
            label="Show all", value=False, variant="text", size="small", visible=False, margin=0
        )
        self.clear = small_button(
            "Clear history",
            lambda: self._change(lambda: self._queue().clear_history()),
            variant="text",
            align="center",
        )
        pn.bind(lambda _: self.update(), self.show_all, watch=True)
        self.past_layout = stacked(
            pn.Row(
                heading("History"), self.clear, sizing_mode="stretch_width", margin=(0, 0, 8, 0)
            ),
            self.past,
            self.show_all,
            margin=(0, 0, 26, 0),
            visible=False,
        )
        self._changes = latest(self.current_layout)

    def submit(self, plan: TransferPlan, title: str, n_jobs: int) -> None:
        """Add a download to the queue."""
        self._change(lambda: self._queue().submit(plan, title, n_jobs))

    def update(self) -> None:
        """Update the display of the downloads."""
        queue = self._queue()
        is_owner, jobs = queue.is_owner, queue.jobs()
        over = [job for job in jobs if job.state.is_over]
        over.sort(key=lambda job: (job.ended_at, job.number), reverse=True)
        with pn.io.hold():
            self.current.display([job for job in jobs if not job.state.is_over], is_owner)
            self.past.display(over if self.show_all.value else over[:_RECENT], is_owner)
            self.show_all.param.update(
                visible=len(over) > _RECENT,
                label="Show fewer" if self.show_all.value else f"Show all {len(over)}",
            )
            self.clear.visible = is_owner
            self.past_layout.visible = bool(over)
            if is_owner == bool(self.messages):
                say(self.messages, [] if is_owner else [notice(queue.why_read_only, "info")])
                self._on_owner_change()

    def _resume(self, number: int) -> None:
        job = next((job for job in self._queue().jobs() if job.number == number), None)
        if job is not None and self._may_resume(job):
            self._change(lambda: self._queue().resume(number))

    def _change(self, change: Callable[[], object]) -> None:
        """Change the queue in a thread, since every change is written to disk."""
        self._changes.ask(change, lambda _: self.update(), self._show_problem)

    def _show_problem(self, text: str) -> None:
        say(self.messages, [notice(text, "warning")])
