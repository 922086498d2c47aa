"""The downloads of the server on the Download tab: those under way, and their history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import panel as pn
from panel.io.state import set_curdoc

from laion_fmri.explorer.background import Gate, Latest, is_served
from laion_fmri.explorer.components.job_list import History, JobList
from laion_fmri.explorer.components.notice import notice, say
from laion_fmri.explorer.components.transfer_progress import JobActions
from laion_fmri.explorer.jobs import JobQueue, JobSnapshot
from laion_fmri.explorer.permitted import ShownQueue
from laion_fmri.transfer.plan import TransferPlan


class Source(Protocol):
    """What says when it changes."""

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called from now on; what is returned ends that."""
        ...


class JobsPanel:
    """Views of a queue, kept up to date, and what is done with it.

    Parameters
    ----------
    queue : callable
        Gives the queue of the settings in force.
    latest : callable
        `Tab.latest`.
    may_resume : callable of JobSnapshot
        Whether a job can go on.
    on_change : callable
        Called when it has changed who runs the downloads.

    Attributes
    ----------
    current : Column
        Downloads that are not over.
    past : Column
        History.
    """

    def __init__(
        self,
        queue: Callable[[], JobQueue | ShownQueue],
        latest: Callable[..., Latest],
        may_resume: Callable[[JobSnapshot], bool],
        on_change: Callable[[], None],
    ) -> None:
        self._queue, self._may_resume, self._on_change = queue, may_resume, on_change
        actions = JobActions(
            pause=lambda number: self._act(lambda: self._queue().pause(number)),
            resume=self._resume,
            cancel=lambda number: self._act(lambda: self._queue().cancel(number)),
        )
        self.list = JobList(actions)
        self.history = History(actions, lambda: self._act(self._queue().forget_history))
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self.current = pn.Column(self.messages, self.list, sizing_mode="stretch_width", margin=0)
        self.past = pn.Column(self.history, sizing_mode="stretch_width", margin=0)
        self._acting = latest(self.current)

    def submit(self, plan: TransferPlan, title: str, n_jobs: int) -> None:
        """Put a download into the queue."""
        self._act(lambda: self._queue().submit(plan, title, n_jobs))

    def _resume(self, number: int) -> None:
        job = next((job for job in self._queue().jobs() if job.number == number), None)
        if job is not None and self._may_resume(job):
            self._act(lambda: self._queue().resume(number))

    def follow(self) -> None:
        """Show the downloads as they are."""
        queue = self._queue()
        is_mine, jobs = queue.is_owner, queue.jobs()
        with pn.io.hold():
            self.list.display(jobs, is_mine)
            self.history.display(jobs, is_mine)
            self._say_whose(queue, is_mine)

    def _say_whose(self, queue: JobQueue | ShownQueue, is_mine: bool) -> None:
        if is_mine == (not self.messages):
            return
        text = queue.why_not_mine
        say(self.messages, [] if is_mine else [notice(text, "info")])
        self._on_change()

    def _act(self, change: Callable[[], object]) -> None:
        """Change the queue in a thread: it writes everything down before it answers."""
        self._acting.ask(change, lambda _: self.follow(), self._say)

    def _say(self, text: str) -> None:
        say(self.messages, [notice(text, "warning")])


class Ears:
    """Hears of changes from the server, as long as the page lives.

    Parameters
    ----------
    gate : Gate
        Of the view that follows.
    follow : callable
        Called on the page's own turn.
    """

    def __init__(self, gate: Gate, follow: Callable[[], None]) -> None:
        self._gate, self._follow = gate, follow
        self._sources: tuple[Source, ...] = ()
        self._ends: list[Callable[[], None]] = []
        # In a notebook a view follows only what it started itself.
        self._document = pn.state.curdoc if is_served() else None
        if self._document is not None:
            self._document.on_session_destroyed(lambda _: self._stop())

    def listen_to(self, *sources: Source) -> bool:
        """Hear of these and of nothing else; whether they are other ones than before."""
        if sources == self._sources:
            return False
        self._stop()
        self._sources = sources
        if self._document is not None:
            self._ends = [source.subscribe(self._tell) for source in sources]
        return True

    def _tell(self) -> None:
        with set_curdoc(self._document):
            self._gate.let_through(self._follow)

    def _stop(self) -> None:
        for end in self._ends:
            end()
        self._ends = []
