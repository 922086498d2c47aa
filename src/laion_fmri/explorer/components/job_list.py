"""The downloads of the server: those that are not over, and those that are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer.components.markup import heading
from laion_fmri.explorer.components.transfer_progress import JobActions, TransferProgress
from laion_fmri.explorer.jobs import JobSnapshot

_RECENT = 3  # jobs of the history that are shown at once


class JobList(Viewer):
    """One view a job, made once and kept up to date.

    Parameters
    ----------
    actions : JobActions
    """

    def __init__(self, actions: JobActions) -> None:
        super().__init__()
        self._actions = actions
        self._views: dict[int, TransferProgress] = {}
        self._layout = pn.Column(sizing_mode="stretch_width", margin=0)

    def display(self, jobs: Sequence[JobSnapshot], is_mine: bool = True) -> None:
        """Bring the list up to date with the jobs that are not over."""
        self._show([job for job in jobs if not job.state.is_over], is_mine)
        self._layout.margin = (0, 0, 14, 0) if self._views else 0

    def _show(self, shown: Sequence[JobSnapshot], is_mine: bool) -> None:
        if [job.number for job in shown] != list(self._views):
            self._views = {
                job.number: self._views.get(job.number) or TransferProgress(job, self._actions)
                for job in shown
            }
            self._layout[:] = [view.__panel__() for view in self._views.values()]
        for job in shown:
            self._views[job.number].display(job, is_mine)

    def __panel__(self) -> pn.Column:
        return self._layout


class History(JobList):
    """The jobs that are over, the last one first.

    Parameters
    ----------
    actions : JobActions
    on_clear : callable
    """

    def __init__(self, actions: JobActions, on_clear: Callable[[], None]) -> None:
        super().__init__(actions)
        self._is_whole = False
        self._jobs: list[JobSnapshot] = []
        self._is_mine = True
        self._more = pmui.Button(variant="text", size="small", margin=0)
        self._more.on_click(lambda _: self._toggle())
        self._clear = pmui.Button(
            label="Clear history", variant="text", size="small", align="center", margin=0
        )
        self._clear.on_click(lambda _: on_clear())
        self._whole = pn.Column(
            pn.Row(
                heading("History"), self._clear, sizing_mode="stretch_width", margin=(0, 0, 8, 0)
            ),
            self._layout,
            self._more,
            sizing_mode="stretch_width",
            margin=(0, 0, 26, 0),
            visible=False,
        )

    def display(self, jobs: Sequence[JobSnapshot], is_mine: bool = True) -> None:
        """Bring the history up to date."""
        over = [job for job in jobs if job.state.is_over]
        self._jobs = sorted(over, key=lambda job: (job.ended_at, job.number), reverse=True)
        self._is_mine = is_mine
        shown = self._jobs if self._is_whole else self._jobs[:_RECENT]
        self._show(shown, is_mine)
        self._more.visible = len(self._jobs) > _RECENT
        self._more.label = "Show fewer" if self._is_whole else f"Show all {len(self._jobs)}"
        self._clear.visible = is_mine
        self._whole.visible = bool(self._jobs)

    def _toggle(self) -> None:
        self._is_whole = not self._is_whole
        self.display(self._jobs, self._is_mine)

    def __panel__(self) -> pn.Column:
        return self._whole
